/*
 * io.h: the one interface between the proxy and the kernel's sockets, in completion style: submit, then be called back
 * with what happened. Two engines can stand behind it; nothing above knows which one does.
 *
 * The rules, for every engine:
 *  1. A submit never calls back from inside itself; completions come from the loop, in any order between streams.
 *  2. A stream has at most one receive, one send and one splice in flight; each is submitted again after it completed.
 *     A splice takes the place of its source's receive and its target's send.
 *  3. After io_close() nothing of that stream is called back but on_closed, once, later; until then the memory of the stream
 *     itself stays. Bytes that were lent to a send or a receive are the owner's again at once.
 *  4. A receive may stay in flight for as long as one likes (an idle connection, a client that waits for its answer): that is how
 *     end of stream and reset are known while nothing is being asked. It holds a buffer only when bytes have come.
 *  5. Everything of a loop belongs to one thread. Only io_loop_post() may be called from others.
 * The peer of a stream in a splice that is closed has no splice any more, and no completion.
 * Errors are negative errno. Instants are clock_now(); io_now() is that of the current turn, free of charge.
 */
#ifndef HAPAIR_PROXY_IO_H
#define HAPAIR_PROXY_IO_H

#include "hapair/base/addr.h"
#include "hapair/base/list.h"
#include "proxy/buffer.h"
#include "proxy/wheel.h"

#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define IO_IOV_MAX 4

struct io_loop;
struct io_stream;
struct io_pipe;

/* What may be called back for a stream. A handler may submit to, and close, any stream of the loop. */
struct io_handler {
	void (*on_connected)(struct io_stream *stream, int error);
	void (*on_secured)(struct io_stream *stream,
			   int error); /* the TLS handshake; -EPROTO: TLS did not agree */
	/* n > 0: that many bytes were appended to `buffer`, which is the handler's now (the one it gave, or a fresh one).
	 * n = 0: the peer sends no more. n < 0: broken. Then buffer is the one that was given, or NULL. */
	void (*on_received)(struct io_stream *stream, struct buffer *buffer, ssize_t n);
	void (*on_sent)(struct io_stream *stream, int error); /* 0: all of it is with the kernel */
	/* On the source. n > 0: that many bytes are with the target's kernel; n = 0: the source sends no more;
	 * n < 0: broken, `target_failed` tells whose fault; -EMFILE of the source: there is no pipe to be had, nothing was moved,
	 * and both can still receive and send. */
	void (*on_spliced)(struct io_stream *stream, ssize_t n, bool target_failed);
	void (*on_closed)(struct io_stream *stream);
};

/* Embedded in its owner. All fields belong to the engine, but for `owner`. */
struct io_stream {
	const struct io_handler *handler;
	void *owner;
	struct io_loop *loop;
	SSL *tls;
	struct list ready; /* in the loop's list of streams with something to try */
	struct buffer *into;
	struct io_pipe *pipe;
	struct io_stream *splice_to,
		*splice_from; /* while a splice is in flight: in its source, in its target */
	size_t splice_max;
	struct iovec out[IO_IOV_MAX];
	int fd;
	int error; /* a deferred error of the last submit */
	uint16_t n_out;
	bool readable : 1, writable : 1, hung_up : 1; /* what the kernel last said */
	bool connecting : 1, securing : 1, receiving : 1, sending : 1, splicing : 1, ending : 1;
	bool tls_more : 1; /* decrypted bytes wait inside of `tls` */
	bool closed : 1;
};

struct io_listener;

/* --- the loop ------------------------------------------------------------------------------------------------- */

/* `buffers_max` bounds what all streams of the loop hold together. NULL: out of memory or descriptors. */
struct io_loop *io_loop_new(size_t buffers_max);
void io_loop_free(struct io_loop *loop); /* every stream closed, every listener gone */
const char *io_engine_name(void);

/* Until io_loop_stop(), which may be called from a handler. */
int io_loop_run(struct io_loop *loop);
void io_loop_stop(struct io_loop *loop);

/* Once after each turn, when all of its completions are delivered: what is batched goes out here. */
void io_loop_after_turn(struct io_loop *loop, void (*after)(void *ctx), void *ctx);

/* From any thread: `posted` is called once in the loop, soon; several posts may become one call. */
void io_loop_on_post(struct io_loop *loop, void (*posted)(void *ctx), void *ctx);
void io_loop_post(struct io_loop *loop);

nanos io_now(const struct io_loop *loop);
int64_t io_wall_ms(struct io_loop *loop); /* read once a turn at most; for log lines */

/* --- listening ------------------------------------------------------------------------------------------------ */

/* Takes `fd`, a listening socket. on_accepted gets a connected, non-blocking fd, its own to keep; fd < 0: accepting failed so and is
 * tried again after a pause, or for ever with an error of the socket itself (-EBADF, -EINVAL, -ENOTSOCK). */
struct io_listener *io_listen(struct io_loop *loop, int fd,
			      void (*on_accepted)(void *ctx, int fd, const struct addr *peer), void *ctx);
void io_listener_pause(struct io_listener *listener, bool paused);
void io_listener_free(struct io_listener *listener); /* closes its socket */

/* --- streams -------------------------------------------------------------------------------------------------- */

/* Takes a connected fd. */
int io_open(struct io_loop *loop, struct io_stream *stream, const struct io_handler *handler, void *owner,
	    int fd);
/* A TCP connection to `to` is begun; on_connected tells, also of an error that is known at once. */
void io_connect(struct io_loop *loop, struct io_stream *stream, const struct io_handler *handler, void *owner,
		const struct addr *to);
/* Somebody else is called back from now on, also for what is in flight. */
static inline void io_hand_over(struct io_stream *stream, const struct io_handler *handler)
{
	stream->handler = handler;
}
/* From now on the stream speaks TLS, as the server; takes `tls`. on_secured tells; then receive and send as before. */
void io_secure(struct io_stream *stream, SSL *tls);

/* `into`: NULL, or a buffer with room, lent until the completion. */
void io_receive(struct io_stream *stream, struct buffer *into);
/* The receive goes on, but the buffer that was lent to it is its owner's again. */
void io_receive_detach(struct io_stream *stream);
/* The bytes are lent until the completion; at most IO_IOV_MAX pieces, none empty. */
void io_send(struct io_stream *stream, const struct iovec *pieces, size_t n);
/* No more will be sent (half-close); after a send that is in flight. No completion. */
void io_send_end(struct io_stream *stream);
/* Both plain (io_can_splice()). Moves up to `max` bytes; completes on `from` as soon as any are through. Where it has taken more from
 * the source than the target took (io_splice_left()), the next operation on the source must be another splice to the same target. */
void io_splice(struct io_stream *from, struct io_stream *to, size_t max);
bool io_can_splice(const struct io_stream *from, const struct io_stream *to);
bool io_splice_left(const struct io_stream *from);
/* A splice from this source is in flight and waits for its target, not for more bytes. */
bool io_splice_is_blocked(const struct io_stream *from);
/* Bytes that the peer has acknowledged since the connection began: does a slow reader read at all? One system call; 0: not known. */
uint64_t io_acknowledged(const struct io_stream *stream);

enum io_close_how {
	IO_CLOSE, /* what was sent still arrives */
	IO_RESET, /* the peer gets a reset: it must not take what it has for the whole */
};
void io_close(struct io_stream *stream, enum io_close_how how);

/* Is the other end known to be gone although no completion said so yet? One system call. */
bool io_broken(struct io_stream *stream);

static inline bool io_is_receiving(const struct io_stream *stream)
{
	return stream->receiving;
}

static inline bool io_is_open(const struct io_stream *stream)
{
	return stream->handler != NULL && !stream->closed;
}

/* --- timers and memory of the loop ------------------------------------------------------------------------------ */

void io_timer_set(struct io_loop *loop, struct wheel_timer *timer, nanos deadline);

struct slab *io_buffers(struct io_loop *loop);

#endif
