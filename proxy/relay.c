/*
 * relay.c: see relay.h.
 *
 * Small messages are cheaper by receive and send (two system calls, one copy each, no pipe); a splice pays when the
 * bytes come in bulk. So a relay receives first, and splices while buffers come full and nothing has to be looked at.
 */
#include "proxy/relay.h"

#include <errno.h>

/* A run of body that is shorter is received: the pipe would cost more than the copy. */
#define SPLICE_MIN     (32 * 1024)
#define SPLICE_AT_ONCE (1024 * 1024)

static enum relay_result finish(struct relay *r, enum relay_result result, int error)
{
	r->active = false;
	r->error = error;
	return result;
}

static void release(struct relay *r)
{
	if (r->buffer != NULL)
		slab_put(io_buffers(r->from->loop), r->buffer);
	r->buffer = NULL;
}

static enum relay_result want_more(struct relay *r)
{
	uint64_t run = framing_run(&r->framing);
	bool worth_it = r->bulk && !r->copied && run >= SPLICE_MIN && io_can_splice(r->from, r->to) &&
			!io_is_receiving(r->from);
	if (io_splice_left(r->from) || worth_it) {
		io_splice(r->from, r->to, run < SPLICE_AT_ONCE ? (size_t)run : SPLICE_AT_ONCE);
		return RELAY_GOES_ON;
	}
	if (!io_is_receiving(r->from))
		io_receive(r->from, NULL);
	return RELAY_GOES_ON;
}

/* Sends what of the buffer may leave, behind `head`. */
static enum relay_result push(struct relay *r, struct span head)
{
	struct iovec pieces[2];
	size_t n = 0, used = 0, out = 0;
	if (head.n > 0)
		pieces[n++] = (struct iovec){(void *)head.p, head.n};
	if (r->buffer != NULL && !framing_done(&r->framing)) {
		char *p = r->buffer->bytes + r->buffer->start;
		r->faulty = framing_take(&r->framing, p, buffer_used(r->buffer), &used, &out) < 0;
		if (out > 0)
			pieces[n++] = (struct iovec){p, out};
	}
	r->used = (uint32_t)used;
	r->bytes += out;
	r->last = framing_done(&r->framing);
	r->sending = n > 0;
	if (n == 0)
		return relay_sent(r, 0);
	io_send(r->to, pieces, n);
	return RELAY_GOES_ON;
}

enum relay_result relay_begin(struct relay *r, struct io_stream *from, struct io_stream *to,
			      const struct framing *framing, struct span head, struct buffer *buffer)
{
	*r = (struct relay){.from = from, .to = to, .framing = *framing, .buffer = buffer, .active = true};
	/* A long body of known length comes in bulk, whatever the first receive brought. */
	r->bulk = framing->kind == FRAMING_LENGTH && framing_run(framing) >= 2 * SPLICE_MIN;
	if (head.n == 0 && buffer == NULL && !framing_done(framing))
		return want_more(r);
	return push(r, head);
}

enum relay_result relay_received(struct relay *r, struct buffer *buffer, ssize_t n)
{
	if (n < 0)
		return finish(r, RELAY_SOURCE_FAILED, (int)n);
	if (n == 0) {
		if (framing_eof(&r->framing) < 0)
			return finish(r, RELAY_TRUNCATED, 0);
		return finish(r, RELAY_COMPLETE, 0);
	}
	r->buffer = buffer;
	if (r->framing.kind != FRAMING_LENGTH)
		r->bulk = n == BUFFER_BYTES;
	return push(r, (struct span){NULL, 0});
}

enum relay_result relay_sent(struct relay *r, int error)
{
	r->sending = false;
	if (error < 0)
		return finish(r, RELAY_TARGET_FAILED, error);
	if (r->buffer != NULL) {
		buffer_consume(r->buffer, r->used);
		r->used = 0;
		if (buffer_used(r->buffer) == 0)
			release(r);
	}
	if (r->faulty)
		return finish(r, RELAY_MALFORMED, 0);
	if (r->last)
		return finish(r, RELAY_COMPLETE, 0);
	return want_more(r);
}

enum relay_result relay_spliced(struct relay *r, ssize_t n, bool target_failed)
{
	if (n == -EMFILE && !target_failed) {
		r->copied = true;
		return want_more(r);
	}
	if (n < 0)
		return finish(r, target_failed ? RELAY_TARGET_FAILED : RELAY_SOURCE_FAILED, (int)n);
	if (n == 0)
		return relay_received(r, NULL, 0);
	framing_skip(&r->framing, (uint64_t)n);
	r->bytes += (uint64_t)n;
	if (framing_done(&r->framing))
		return finish(r, RELAY_COMPLETE, 0);
	/* A tunnel that has become a conversation goes back to small pieces. */
	if (r->framing.kind == FRAMING_CLOSE)
		r->bulk = n >= BUFFER_BYTES;
	return want_more(r);
}

void relay_done(struct relay *r)
{
	release(r);
	r->active = r->sending = false;
}
