/*
 * buffer.h: a piece of memory for bytes on their way, from a slab of its thread.
 *
 *   bytes  0 ........ start ######## end ........ BUFFER_BYTES
 *                     data                free space
 *
 * A buffer is held only while it has data in it or a receive is writing to it: an idle connection has none.
 */
#ifndef HAPAIR_PROXY_BUFFER_H
#define HAPAIR_PROXY_BUFFER_H

#include "hapair/base/span.h"
#include "proxy/slab.h"

#include <stdint.h>
#include <string.h>

/* The plain text of one TLS record, and the longest head (HTTP_HEAD_MAX). */
#define BUFFER_BYTES 16384

struct buffer {
	uint32_t start, end;
	char bytes[BUFFER_BYTES];
};

/* Empty; NULL at the limit. */
static inline struct buffer *buffer_get(struct slab *slab)
{
	struct buffer *b = slab_get(slab);
	if (b != NULL)
		b->start = b->end = 0;
	return b;
}

static inline size_t buffer_used(const struct buffer *b)
{
	return b->end - b->start;
}

static inline size_t buffer_room(const struct buffer *b)
{
	return BUFFER_BYTES - b->end;
}

static inline struct span buffer_span(const struct buffer *b)
{
	return (struct span){b->bytes + b->start, b->end - b->start};
}

/* An emptied buffer starts again at 0. */
static inline void buffer_consume(struct buffer *b, size_t n)
{
	b->start += (uint32_t)n;
	if (b->start == b->end)
		b->start = b->end = 0;
}

/* Moves the data to the front, so that all free space is behind it. Spans into it are void. */
static inline void buffer_pack(struct buffer *b)
{
	if (b->start == 0)
		return;
	memmove(b->bytes, b->bytes + b->start, b->end - b->start);
	b->end -= b->start;
	b->start = 0;
}

#endif
