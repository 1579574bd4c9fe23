/*
 * io_fake.h: proxy/io.h without a kernel, for tests of what is built on it: a submit is only noted in the stream, and the test says
 * what happened. The clock stands where the test puts it.
 */
#ifndef HAPAIR_TESTS_IO_FAKE_H
#define HAPAIR_TESTS_IO_FAKE_H

#include "proxy/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct io_loop {
	struct slab buffers;
	struct wheel wheel;
	struct list closed;
	nanos now;
	bool no_splice;
	size_t in_pipe; /* bytes that a splice took from its source and its target did not take */
};

static inline void io_fake_init(struct io_loop *loop)
{
	*loop = (struct io_loop){.now = SECONDS(100)};
	slab_init(&loop->buffers, sizeof(struct buffer), 4, 16);
	wheel_init(&loop->wheel, loop->now);
	list_init(&loop->closed);
}

/* Nobody holds a buffer any more. */
static inline void io_fake_done(struct io_loop *loop)
{
	assert_int_equal(loop->buffers.used, 0);
	slab_done(&loop->buffers);
}

static inline void io_fake_stream(struct io_loop *loop, struct io_stream *s)
{
	*s = (struct io_stream){.loop = loop};
	list_init(&s->ready);
}

/* The turn ends: what was closed is told so. */
static inline void io_fake_turn(struct io_loop *loop)
{
	while (!list_empty(&loop->closed)) {
		struct io_stream *s = list_entry(loop->closed.next, struct io_stream, ready);
		list_remove(&s->ready);
		s->handler->on_closed(s);
	}
}

static inline void io_fake_clock(struct io_loop *loop, nanos now)
{
	loop->now = now;
	wheel_turn(&loop->wheel, now);
	io_fake_turn(loop);
}

/* A buffer as a receive would bring it. */
static inline struct buffer *io_fake_bytes(struct io_loop *loop, const char *p, size_t n)
{
	struct buffer *b = buffer_get(&loop->buffers);
	assert_non_null(b);
	assert_true(n <= BUFFER_BYTES);
	memcpy(b->bytes, p, n);
	b->end = (uint32_t)n;
	return b;
}

void io_connect(struct io_loop *loop, struct io_stream *s, const struct io_handler *handler, void *owner,
		const struct addr *to)
{
	io_fake_stream(loop, s);
	s->handler = handler;
	s->owner = owner;
	s->connecting = true;
}

void io_receive(struct io_stream *s, struct buffer *into)
{
	assert_false(s->receiving || s->splicing);
	s->receiving = true;
	s->into = into;
}

void io_send(struct io_stream *s, const struct iovec *pieces, size_t n)
{
	assert_false(s->sending);
	assert_in_range(n, 1, IO_IOV_MAX);
	s->sending = true;
	s->n_out = (uint16_t)n;
	memcpy(s->out, pieces, n * sizeof(*pieces));
}

void io_splice(struct io_stream *from, struct io_stream *to, size_t max)
{
	assert_false(from->receiving || from->splicing || to->sending);
	from->splicing = true;
	from->splice_max = max;
}

bool io_can_splice(const struct io_stream *from, const struct io_stream *to)
{
	return !from->loop->no_splice;
}

bool io_splice_left(const struct io_stream *from)
{
	return from->loop->in_pipe > 0;
}

bool io_splice_is_blocked(const struct io_stream *from)
{
	return from->splicing && io_splice_left(from);
}

void io_close(struct io_stream *s, enum io_close_how how)
{
	if (s->closed)
		return;
	s->closed = true;
	list_push_back(&s->loop->closed, &s->ready);
}

nanos io_now(const struct io_loop *loop)
{
	return loop->now;
}

void io_timer_set(struct io_loop *loop, struct wheel_timer *timer, nanos deadline)
{
	wheel_set(&loop->wheel, timer, deadline);
}

struct slab *io_buffers(struct io_loop *loop)
{
	return &loop->buffers;
}

#endif
