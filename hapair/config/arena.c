/*
 * arena.c: blocks of memory in a chain, each filled from its start.
 */
#include "hapair/config/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK_BYTES 16384

struct chunk {
	struct chunk *next;
	size_t used, size;
	alignas(max_align_t) unsigned char bytes[];
};

struct arena {
	struct chunk *chunks; /* the newest first; only that one has room */
};

struct arena *arena_new(void)
{
	struct arena *arena = calloc(1, sizeof *arena);

	if (!arena)
		abort();
	return arena;
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;
	for (struct chunk *chunk = arena->chunks, *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(arena);
}

void *arena_alloc(struct arena *arena, size_t n)
{
	struct chunk *chunk = arena->chunks;

	if (n > SIZE_MAX / 2)
		abort();
	n = (n + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
	if (!chunk || chunk->size - chunk->used < n) {
		size_t size = n > CHUNK_BYTES ? n : CHUNK_BYTES;
		chunk = calloc(1, sizeof *chunk + size);
		if (!chunk)
			abort();
		chunk->size = size;
		chunk->next = arena->chunks;
		arena->chunks = chunk;
	}
	void *result = chunk->bytes + chunk->used;
	chunk->used += n;
	return result;
}

char *arena_text(struct arena *arena, struct span text)
{
	char *copy = arena_alloc(arena, text.n + 1);

	if (text.n)
		memcpy(copy, text.p, text.n);
	return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args, again;

	va_start(args, format);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		abort();
	char *text = arena_alloc(arena, (size_t)n + 1);
	vsnprintf(text, (size_t)n + 1, format, again);
	va_end(again);
	return text;
}
