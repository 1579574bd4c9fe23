/*
 * engine_libevent.c: io.h on readiness, edge-triggered, with our own buffers.
 *
 * libevent runs the loop: wake-up from other threads, listeners, and waiting while there is no stream. The streams sit in one
 * epoll set of their own, which libevent watches like any other descriptor; once it is readable we stay with it, one
 * epoll_wait a turn, until something shows that is libevent's (those descriptors are in our set too, level-triggered,
 * without a stream). Streams are not libevent events for three reasons, each met when they were:
 *   - libevent reports EPOLLERR as "readable and writable", which says nothing in an edge-triggered set; a reset that came with the
 *     last bytes then goes unnoticed when a short read is taken for a drained socket.
 *   - event_del() costs an epoll_ctl for each connection that ends; close() alone does the same.
 *   - its table of descriptors and its queue of active events cost as much as half a system call for each event.
 *
 * How completion is made from readiness:
 *   readable, writable: what the kernel last said; cleared by EAGAIN, and by a short read or write, which means the same.
 *     After a hang-up (hung_up) a short read does not clear it: the end of stream still has to be read and no edge will tell again.
 *   A submit only notes the operation and puts the stream on the ready list; the list is worked off before the loop
 *     sleeps, so "write first, wait only after EAGAIN" holds and no completion comes from inside a submit.
 * A stream is registered once (in, out, rdhup; edge-triggered) and epoll_ctl is never called for it again.
 */
#include "proxy/io.h"
#include "proxy/pipes.h"
#include "proxy/stream_plain.h"
#include "proxy/stream_tls.h"

#include "hapair/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURN_EVENTS      256 /* events taken from the kernel at a time */
#define TURN_STEPS       512 /* streams tried before the kernel is asked again */
#define ACCEPT_BURST_MAX 64
#define ACCEPT_PAUSE     MS(50) /* after running out of descriptors or memory */

struct io_loop {
	struct event_base *base;
	int streams_fd, wake_fd;
	struct event *streams_event, *wake_event, *timer_event, *again_event;
	nanos now, timer_at;
	int64_t wall_ms; /* 0: not read in this turn */
	bool stopping;
	struct list ready, closed;
	struct wheel wheel;
	struct slab buffers;
	struct pipes pipes;
	void (*after)(void *ctx);
	void *after_ctx;
	void (*posted)(void *ctx);
	void *posted_ctx;
	BIO_METHOD *bio_method;
	struct epoll_event events[TURN_EVENTS];
};

struct io_listener {
	struct io_loop *loop;
	struct event *event;
	int fd;
	unsigned burst; /* accepts tried per event: grows while all succeed */
	bool paused;    /* by the owner */
	bool broken, watched;
	struct wheel_timer resume;
	void (*on_accepted)(void *ctx, int fd, const struct addr *peer);
	void *ctx;
};

static void stream_wake(struct io_stream *s)
{
	if (!list_linked(&s->ready))
		list_push_back(&s->loop->ready, &s->ready);
}

/* --- connect --------------------------------------------------------------------------------------------- */

static int watch(struct io_stream *s)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = s};
	return epoll_ctl(s->loop->streams_fd, EPOLL_CTL_ADD, s->fd, &e) == 0 ? 0 : -errno;
}

static void stream_init(struct io_loop *loop, struct io_stream *s, const struct io_handler *handler,
			void *owner, int fd)
{
	*s = (struct io_stream){.handler = handler, .owner = owner, .loop = loop, .fd = fd};
	list_init(&s->ready);
}

int io_open(struct io_loop *loop, struct io_stream *s, const struct io_handler *handler, void *owner, int fd)
{
	stream_init(loop, s, handler, owner, fd);
	int r = watch(s);
	if (r < 0) {
		close(fd);
		s->closed = true;
	}
	/* Mostly the first bytes are here already; where not, one EAGAIN says so. The set tells both anyway. */
	return r;
}

void io_connect(struct io_loop *loop, struct io_stream *s, const struct io_handler *handler, void *owner,
		const struct addr *to)
{
	static const int on = 1;
	struct sockaddr_storage ss;
	socklen_t n = addr_to_sockaddr(to, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	stream_init(loop, s, handler, owner, fd);
	s->connecting = true;
	if (fd < 0) {
		s->error = -errno;
	} else {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		if (connect(fd, (struct sockaddr *)&ss, n) < 0 && errno != EINPROGRESS)
			s->error = -errno;
		else
			s->error = watch(s);
	}
	if (s->error != 0)
		stream_wake(s);
}

static void try_connect(struct io_stream *s)
{
	int error = s->error;
	if (error == 0) {
		if (!s->writable && !s->hung_up)
			return;
		socklen_t n = sizeof(error);
		if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
			error = errno;
		error = -error;
		/* Hung up without an error: reset between connect and now. */
		if (error == 0 && !s->writable)
			error = -ECONNRESET;
	}
	s->connecting = false;
	s->error = 0;
	s->handler->on_connected(s, error);
}

/* --- TLS ------------------------------------------------------------------------------------------------- */

void io_secure(struct io_stream *s, SSL *tls)
{
	s->securing = true;
	s->error = stream_tls_attach(s, tls, s->loop->bio_method);
	stream_wake(s);
}

static void try_secure(struct io_stream *s)
{
	int error = s->error != 0 ? s->error : stream_tls_handshake(s);
	if (error == -EAGAIN)
		return;
	s->error = 0;
	s->securing = false;
	s->handler->on_secured(s, error);
}

/* --- receive and send ------------------------------------------------------------------------------------ */

void io_receive(struct io_stream *s, struct buffer *into)
{
	s->receiving = true;
	s->into = into;
	if (s->readable || s->tls_more)
		stream_wake(s);
}

void io_receive_detach(struct io_stream *s)
{
	s->into = NULL;
}

static void try_receive(struct io_stream *s)
{
	struct io_loop *loop = s->loop;
	struct buffer *b = s->into != NULL ? s->into : buffer_get(&loop->buffers);
	ssize_t n = -ENOBUFS;
	if (b != NULL) {
		char *p = b->bytes + b->end;
		size_t room = buffer_room(b);
		n = s->tls != NULL ? stream_tls_receive(s, p, room) : stream_plain_receive(s, p, room);
		if (n <= 0 && s->into == NULL) {
			slab_put(&loop->buffers, b);
			b = NULL;
		}
		if (n == -EAGAIN)
			return;
		if (n > 0)
			b->end += (uint32_t)n;
	}
	s->receiving = false;
	s->into = NULL;
	s->handler->on_received(s, b, n);
}

void io_send(struct io_stream *s, const struct iovec *pieces, size_t n)
{
	s->sending = true;
	s->n_out = (uint16_t)n;
	memcpy(s->out, pieces, n * sizeof(*pieces));
	if (s->writable)
		stream_wake(s);
}

static void send_end(struct io_stream *s)
{
	s->ending = false;
	if (s->tls != NULL)
		stream_tls_end(s);
	shutdown(s->fd, SHUT_WR);
}

void io_send_end(struct io_stream *s)
{
	s->ending = true;
	if (!s->sending)
		send_end(s);
}

/* True when nothing of the pieces is left. */
static bool pieces_take(struct io_stream *s, size_t n)
{
	size_t i = 0;
	while (i < s->n_out && n >= s->out[i].iov_len)
		n -= s->out[i++].iov_len;
	if (i > 0) {
		s->n_out = (uint16_t)(s->n_out - i);
		memmove(s->out, s->out + i, s->n_out * sizeof(s->out[0]));
	}
	if (s->n_out == 0)
		return true;
	s->out[0].iov_base = (char *)s->out[0].iov_base + n;
	s->out[0].iov_len -= n;
	return false;
}

static void try_send(struct io_stream *s)
{
	ssize_t n = s->tls != NULL ? stream_tls_send(s, s->out, s->n_out)
				   : stream_plain_send(s, s->out, s->n_out);
	if (n == -EAGAIN)
		return;
	if (n >= 0 && !pieces_take(s, (size_t)n))
		return;
	s->sending = false;
	if (s->ending)
		send_end(s);
	s->handler->on_sent(s, n < 0 ? (int)n : 0);
}

/* --- splice ---------------------------------------------------------------------------------------------- */

bool io_can_splice(const struct io_stream *from, const struct io_stream *to)
{
	return from->tls == NULL && to->tls == NULL;
}

bool io_splice_left(const struct io_stream *from)
{
	return from->pipe != NULL && from->pipe->filled > 0;
}

bool io_splice_is_blocked(const struct io_stream *from)
{
	return from->splicing && io_splice_left(from);
}

uint64_t io_acknowledged(const struct io_stream *s)
{
	struct tcp_info info = {0};
	socklen_t n = sizeof(info);
	if (getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
		return 0;
	return info.tcpi_bytes_acked;
}

void io_splice(struct io_stream *from, struct io_stream *to, size_t max)
{
	from->splicing = true;
	from->splice_max = max;
	from->splice_to = to;
	to->splice_from = from;
	if (from->readable || from->pipe != NULL)
		stream_wake(from);
}

static void splice_complete(struct io_stream *from, ssize_t n, bool target_failed)
{
	struct io_pipe *pipe = from->pipe;
	from->splicing = false;
	from->splice_to->splice_from = NULL;
	from->splice_to = NULL;
	/* A pipe with bytes left in it belongs to the stream until they are through. */
	if (pipe != NULL && (pipe->filled == 0 || n < 0)) {
		pipe_put(&from->loop->pipes, pipe);
		from->pipe = NULL;
	}
	from->handler->on_spliced(from, n, target_failed);
}

static void try_splice(struct io_stream *from)
{
	struct io_stream *to = from->splice_to;
	/* One that only waits has no pipe. */
	if (from->pipe == NULL) {
		if (!from->readable)
			return;
		from->pipe = pipe_get(&from->loop->pipes);
		if (from->pipe == NULL) {
			splice_complete(from, -EMFILE, false);
			return;
		}
	}
	struct io_pipe *pipe = from->pipe;
	if (pipe->filled == 0) {
		if (!from->readable)
			return;
		size_t want = from->splice_max < PIPE_BYTES ? from->splice_max : PIPE_BYTES;
		ssize_t n = splice(from->fd, NULL, pipe->in, NULL, want, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			if (errno == EAGAIN)
				from->readable = false;
			return;
		}
		if (n <= 0) {
			splice_complete(from, n < 0 ? -errno : 0, false);
			return;
		}
		pipe->filled = (size_t)n;
	}
	if (!to->writable)
		return;
	size_t want = pipe->filled < from->splice_max ? pipe->filled : from->splice_max;
	ssize_t n = splice(pipe->out, NULL, to->fd, NULL, want, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (errno == EAGAIN)
			to->writable = false;
		return;
	}
	if (n < 0) {
		splice_complete(from, -errno, true);
		return;
	}
	pipe->filled -= (size_t)n;
	splice_complete(from, n, false);
}

/* --- close ----------------------------------------------------------------------------------------------- */

void io_close(struct io_stream *s, enum io_close_how how)
{
	if (s->closed)
		return;
	s->closed = true;
	if (s->splice_to != NULL)
		s->splice_to->splice_from = NULL;
	if (s->splice_from != NULL) {
		s->splice_from->splicing = false;
		s->splice_from->splice_to = NULL;
	}
	s->splice_to = s->splice_from = NULL;
	if (s->pipe != NULL)
		pipe_put(&s->loop->pipes, s->pipe);
	s->pipe = NULL;
	if (s->tls != NULL)
		stream_tls_detach(s, how == IO_CLOSE);
	if (s->fd >= 0) {
		static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
		if (how == IO_RESET)
			setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(s->fd);
		s->fd = -1;
	}
	list_remove(&s->ready);
	list_push_back(&s->loop->closed, &s->ready);
}

bool io_broken(struct io_stream *s)
{
	char c;
	return recv(s->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

/* --- the turn -------------------------------------------------------------------------------------------- */

static void stream_try(struct io_stream *s)
{
	if (s->connecting) {
		try_connect(s);
		return;
	}
	if (s->securing) {
		try_secure(s);
		return;
	}
	if (s->sending && s->writable)
		try_send(s);
	if (s->closed)
		return;
	if (s->receiving && (s->readable || s->tls_more))
		try_receive(s);
	if (s->closed)
		return;
	if (s->splicing)
		try_splice(s);
	if (s->closed)
		return;
	/* One step each, then the others; what can go on goes to the end of the list. */
	bool more = (s->sending && s->writable) || (s->receiving && (s->readable || s->tls_more));
	if (s->splicing)
		more = more ||
		       (s->pipe != NULL && s->pipe->filled > 0 ? s->splice_to->writable : s->readable);
	if (more)
		stream_wake(s);
}

static void stream_told(struct io_stream *s, uint32_t events)
{
	if (s->closed)
		return;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
		s->hung_up = true;
		s->readable = true;
	}
	if (events & EPOLLIN)
		s->readable = true;
	if (events & (EPOLLOUT | EPOLLERR))
		s->writable = true;
	if (s->splice_from != NULL)
		stream_wake(s->splice_from);
	stream_wake(s);
}

static void turn_begin(struct io_loop *loop)
{
	loop->now = clock_now();
	loop->wall_ms = 0;
}

/* What is left for the next turn: something, or not. */
static bool turn_is_left(const struct io_loop *loop)
{
	return !list_empty(&loop->ready) || !list_empty(&loop->closed);
}

static void turn_work(struct io_loop *loop)
{
	for (int steps = 0; steps < TURN_STEPS && !list_empty(&loop->ready); steps++) {
		struct io_stream *s = list_entry(loop->ready.next, struct io_stream, ready);
		list_remove(&s->ready);
		stream_try(s);
	}
	while (!list_empty(&loop->closed)) {
		struct io_stream *s = list_entry(loop->closed.next, struct io_stream, ready);
		list_remove(&s->ready);
		s->handler->on_closed(s);
	}
	if (loop->after != NULL)
		loop->after(loop->after_ctx);
}

/* The end of a turn that libevent called for: it has to know when to call again. */
static void turn_end(struct io_loop *loop)
{
	turn_work(loop);
	nanos next = wheel_next(&loop->wheel);
	if (next < loop->timer_at) {
		struct timeval tv = clock_timeval(next - loop->now);
		loop->timer_at = next;
		event_add(loop->timer_event, &tv);
	}
	if (turn_is_left(loop))
		event_active(loop->again_event, EV_TIMEOUT, 0);
}

/* For epoll_wait(): rounded up, so that the timer is due when it returns. */
static int wait_ms(const struct io_loop *loop)
{
	nanos next = wheel_next(&loop->wheel);
	if (turn_is_left(loop))
		return 0;
	if (next == NANOS_NEVER)
		return -1;
	nanos ms = (next - loop->now + NS_PER_MS - 1) / NS_PER_MS;
	return ms < 0 ? 0 : ms > INT_MAX ? INT_MAX : (int)ms;
}

/* True: something of libevent's has shown. */
static bool take_events(struct io_loop *loop, int n)
{
	bool foreign = false;
	for (int i = 0; i < n; i++) {
		if (loop->events[i].data.ptr == NULL)
			foreign = true;
		else
			stream_told(loop->events[i].data.ptr, loop->events[i].events);
	}
	return foreign;
}

static void on_streams(evutil_socket_t fd, short what, void *ctx)
{
	struct io_loop *loop = ctx;
	bool foreign = false;
	for (int timeout = 0; !foreign && !loop->stopping; timeout = wait_ms(loop)) {
		int n = epoll_wait(loop->streams_fd, loop->events, TURN_EVENTS, timeout);
		turn_begin(loop);
		foreign = take_events(loop, n);
		if (wheel_next(&loop->wheel) <= loop->now)
			wheel_turn(&loop->wheel, loop->now);
		turn_work(loop);
	}
	turn_begin(loop);
	turn_end(loop);
}

static void on_again(evutil_socket_t fd, short what, void *ctx)
{
	struct io_loop *loop = ctx;
	if (!turn_is_left(loop))
		return;
	turn_begin(loop);
	turn_end(loop);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct io_loop *loop = ctx;
	turn_begin(loop);
	loop->timer_at = NANOS_NEVER;
	wheel_turn(&loop->wheel, loop->now);
	turn_end(loop);
}

static void on_wake(evutil_socket_t fd, short what, void *ctx)
{
	struct io_loop *loop = ctx;
	uint64_t count;
	turn_begin(loop);
	if (read(fd, &count, sizeof(count)) > 0 && loop->posted != NULL)
		loop->posted(loop->posted_ctx);
	turn_end(loop);
}

/* --- listening ------------------------------------------------------------------------------------------- */

/* Of a descriptor that is libevent's: our set only says that there is something for it. */
static void foreign_watch(struct io_loop *loop, int fd, bool on)
{
	struct epoll_event e = {.events = EPOLLIN};
	epoll_ctl(loop->streams_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &e);
}

static void listener_watch(struct io_listener *l)
{
	bool on = !l->paused && l->resume.deadline == NANOS_NEVER && !l->broken;
	if (on == l->watched)
		return;
	l->watched = on;
	foreign_watch(l->loop, l->fd, on);
	if (on)
		event_add(l->event, NULL);
	else
		event_del(l->event);
}

static void on_resume(struct wheel_timer *timer)
{
	listener_watch(list_entry(timer, struct io_listener, resume));
}

/* False: no more for now. */
static bool accept_one(struct io_listener *l)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	int fd = accept4(l->fd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		struct addr peer = {0};
		if (addr_from_sockaddr((struct sockaddr *)&ss, &peer) < 0)
			close(fd);
		else
			l->on_accepted(l->ctx, fd, &peer);
		return true;
	}
	int error = errno;
	switch (error) {
	case EAGAIN:
	case EINTR:
		return false;
	case EBADF:
	case EINVAL:
	case ENOTSOCK:
		l->broken = true;
		listener_watch(l);
		break;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		io_timer_set(l->loop, &l->resume, l->loop->now + ACCEPT_PAUSE);
		listener_watch(l);
		break;
	default:
		return true; /* an error of the connection that was about to come (accept(2)) */
	}
	l->on_accepted(l->ctx, -error, NULL);
	return false;
}

static void on_listener(evutil_socket_t fd, short what, void *ctx)
{
	struct io_listener *l = ctx;
	struct io_loop *loop = l->loop;
	turn_begin(loop);
	/* A call that finds nothing costs as much as one that does, so more is tried only while there was more. */
	unsigned done = 0, burst = l->burst;
	while (done < burst && !l->paused && accept_one(l))
		done++;
	l->burst = done < burst ? 1 : burst * 2 > ACCEPT_BURST_MAX ? ACCEPT_BURST_MAX : burst * 2;
	turn_end(loop);
}

struct io_listener *io_listen(struct io_loop *loop, int fd,
			      void (*on_accepted)(void *ctx, int fd, const struct addr *peer), void *ctx)
{
	static const int on = 1;
	struct io_listener *l = calloc(1, sizeof(*l));
	if (l == NULL)
		goto fail;
	*l = (struct io_listener){.loop = loop, .fd = fd, .burst = 1, .on_accepted = on_accepted, .ctx = ctx};
	wheel_timer_init(&l->resume, on_resume);
	/* What is accepted inherits these. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		goto fail;
	l->event = event_new(loop->base, fd, EV_READ | EV_PERSIST, on_listener, l);
	if (l->event == NULL)
		goto fail;
	listener_watch(l);
	return l;
fail:
	free(l);
	close(fd);
	return NULL;
}

void io_listener_pause(struct io_listener *l, bool paused)
{
	l->paused = paused;
	listener_watch(l);
}

void io_listener_free(struct io_listener *l)
{
	if (l == NULL)
		return;
	wheel_cancel(&l->resume);
	l->paused = true;
	listener_watch(l);
	event_free(l->event);
	close(l->fd);
	free(l);
}

/* --- the loop -------------------------------------------------------------------------------------------- */

struct io_loop *io_loop_new(size_t buffers_max)
{
	struct io_loop *loop = calloc(1, sizeof(*loop));
	if (loop == NULL)
		return NULL;
	list_init(&loop->ready);
	list_init(&loop->closed);
	loop->timer_at = NANOS_NEVER;
	turn_begin(loop);
	wheel_init(&loop->wheel, loop->now);
	slab_init(&loop->buffers, sizeof(struct buffer), 64, buffers_max);
	loop->streams_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->bio_method = stream_bio_method();
	struct event_config *config = event_config_new();
	if (config != NULL) {
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
		event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
		loop->base = event_base_new_with_config(config);
		event_config_free(config);
	}
	if (loop->base == NULL || loop->streams_fd < 0 || loop->wake_fd < 0 || loop->bio_method == NULL)
		goto fail;
	loop->streams_event = event_new(loop->base, loop->streams_fd, EV_READ | EV_PERSIST, on_streams, loop);
	loop->wake_event = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
	loop->timer_event = event_new(loop->base, -1, 0, on_timer, loop);
	loop->again_event = event_new(loop->base, -1, 0, on_again, loop);
	if (loop->streams_event == NULL || loop->wake_event == NULL || loop->timer_event == NULL ||
	    loop->again_event == NULL || event_add(loop->streams_event, NULL) < 0 ||
	    event_add(loop->wake_event, NULL) < 0)
		goto fail;
	foreign_watch(loop, loop->wake_fd, true);
	return loop;
fail:
	io_loop_free(loop);
	return NULL;
}

void io_loop_free(struct io_loop *loop)
{
	struct event *events[] = {loop->streams_event, loop->wake_event, loop->timer_event,
				  loop->again_event};
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i] != NULL)
			event_free(events[i]);
	if (loop->base != NULL)
		event_base_free(loop->base);
	pipes_done(&loop->pipes);
	if (loop->streams_fd >= 0)
		close(loop->streams_fd);
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	BIO_meth_free(loop->bio_method);
	slab_done(&loop->buffers);
	free(loop);
}

const char *io_engine_name(void)
{
	return "libevent";
}

int io_loop_run(struct io_loop *loop)
{
	return event_base_dispatch(loop->base) < 0 ? -EIO : 0;
}

void io_loop_stop(struct io_loop *loop)
{
	loop->stopping = true;
	event_base_loopbreak(loop->base);
}

void io_loop_after_turn(struct io_loop *loop, void (*after)(void *ctx), void *ctx)
{
	loop->after = after;
	loop->after_ctx = ctx;
}

void io_loop_on_post(struct io_loop *loop, void (*posted)(void *ctx), void *ctx)
{
	loop->posted = posted;
	loop->posted_ctx = ctx;
}

void io_loop_post(struct io_loop *loop)
{
	static const uint64_t one = 1;
	ssize_t r;
	do {
		r = write(loop->wake_fd, &one, sizeof(one));
	} while (r < 0 && errno == EINTR);
}

nanos io_now(const struct io_loop *loop)
{
	return loop->now;
}

int64_t io_wall_ms(struct io_loop *loop)
{
	if (loop->wall_ms == 0)
		loop->wall_ms = clock_wall_ms();
	return loop->wall_ms;
}

void io_timer_set(struct io_loop *loop, struct wheel_timer *timer, nanos deadline)
{
	wheel_set(&loop->wheel, timer, deadline);
}

struct slab *io_buffers(struct io_loop *loop)
{
	return &loop->buffers;
}
