/*
 * slab.c: free objects form a stack through their own first bytes. Under AddressSanitizer a free object is poisoned, so
 * a use after slab_put() is found as it would be with malloc.
 */
#include "proxy/slab.h"

#include <assert.h>
#include <stdint.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define SLAB_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_ASAN 1
#endif
#endif
#ifdef SLAB_ASAN
#include <sanitizer/asan_interface.h>
#define HIDE(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define SHOW(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define HIDE(p, n) ((void)(p), (void)(n))
#define SHOW(p, n) ((void)(p), (void)(n))
#endif

#define SLAB_LINE ((size_t)64)

struct slab_free {
	struct slab_free *next;
};

struct slab_chunk {
	struct slab_chunk *next;
	size_t bytes;
};

void slab_init(struct slab *slab, size_t size, size_t per_chunk, size_t limit)
{
	assert(size > 0 && per_chunk > 0);
	*slab = (struct slab){
		.size = (size + SLAB_LINE - 1) & ~(SLAB_LINE - 1),
		.per_chunk = per_chunk,
		.limit = limit,
	};
}

void slab_done(struct slab *slab)
{
	while (slab->chunks != NULL) {
		struct slab_chunk *chunk = slab->chunks;
		slab->chunks = chunk->next;
		SHOW(chunk, chunk->bytes);
		munmap(chunk, chunk->bytes);
	}
	slab->free = NULL;
	slab->total = slab->used = 0;
}

static void push(struct slab *slab, void *object)
{
	struct slab_free *f = object;
	f->next = slab->free;
	slab->free = f;
	HIDE(object, slab->size);
}

static void grow(struct slab *slab)
{
	size_t n = slab->limit - slab->total;
	if (n > slab->per_chunk)
		n = slab->per_chunk;
	if (n == 0)
		return;
	size_t bytes = SLAB_LINE + n * slab->size;
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return;
	struct slab_chunk *chunk = memory;
	chunk->next = slab->chunks;
	chunk->bytes = bytes;
	slab->chunks = chunk;
	slab->total += n;
	/* Backwards, so that the lowest address comes out first and later pages stay untouched. */
	for (size_t i = n; i-- > 0;)
		push(slab, (char *)memory + SLAB_LINE + i * slab->size);
}

void *slab_get(struct slab *slab)
{
	if (slab->free == NULL)
		grow(slab);
	struct slab_free *f = slab->free;
	if (f == NULL)
		return NULL;
	SHOW(f, slab->size);
	slab->free = f->next;
	slab->used++;
	return f;
}

void slab_put(struct slab *slab, void *object)
{
	assert(slab->used > 0);
	slab->used--;
	push(slab, object);
}
