/*
 * arena.h: memory that is given back all at once.
 *
 * A configuration is built once, read for hours and freed whole; nothing in it has an owner of its own.
 */
#ifndef HAPAIR_ARENA_H
#define HAPAIR_ARENA_H

#include "hapair/base/span.h"

#include <stddef.h>

struct arena;

/* A process that gets no memory for its configuration cannot do anything else either: out of memory ends it
 * (abort). */
struct arena *arena_new(void);
void arena_free(struct arena *arena); /* NULL is allowed */

void *arena_alloc(struct arena *arena, size_t n); /* zeroed, aligned for any type; never NULL, also for 0 */
char *arena_text(struct arena *arena, struct span text); /* a terminated copy */
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define ARENA_ARRAY(arena, type, n) ((type *)arena_alloc((arena), sizeof(type) * (n)))

#endif
