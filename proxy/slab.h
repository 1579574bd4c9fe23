/*
 * slab.h: objects of one size for one thread, taken and given back last in, first out, so that the next one is warm.
 *
 * Memory comes in chunks from the kernel and stays until slab_done(); the number of objects is bounded. Not thread-safe.
 */
#ifndef HAPAIR_PROXY_SLAB_H
#define HAPAIR_PROXY_SLAB_H

#include <stddef.h>

struct slab_free;
struct slab_chunk;

struct slab {
	size_t size; /* of one object, rounded up to a cache line */
	size_t per_chunk;
	size_t limit; /* of objects; reached: slab_get() says NULL */
	size_t total, used;
	struct slab_free *free;
	struct slab_chunk *chunks;
};

void slab_init(struct slab *slab, size_t size, size_t per_chunk, size_t limit);
/* Gives all memory back; objects still in use are gone. */
void slab_done(struct slab *slab);

/* An object with arbitrary content, 64-byte aligned; NULL: at the limit or out of memory. */
void *slab_get(struct slab *slab);
void slab_put(struct slab *slab, void *object);

#endif
