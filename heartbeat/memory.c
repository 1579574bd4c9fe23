/*
 * memory.c: two slots in turn. The order of the stores matters to a reader in another process, hence the fences.
 */
#include "heartbeat/memory.h"

#include <stddef.h>
#include <string.h>

/* FNV-1a over 64-bit words: it is to find a torn write, not an enemy. */
static uint64_t checksum_of(const struct memory_slot *slot)
{
	const uint8_t *bytes = (const uint8_t *)slot;
	uint64_t sum = UINT64_C(0xcbf29ce484222325), word;

	_Static_assert(offsetof(struct memory_slot, checksum) % sizeof(word) == 0, "whole words");
	for (size_t i = 0; i < offsetof(struct memory_slot, checksum); i += sizeof(word)) {
		memcpy(&word, bytes + i, sizeof(word));
		sum = (sum ^ word) * UINT64_C(0x100000001b3);
		sum ^= sum >> 29;
	}
	return sum;
}

static bool whole(const struct memory_slot *slot)
{
	return slot->magic == MEMORY_MAGIC && slot->serial != 0 && slot->checksum == checksum_of(slot);
}

static const struct memory_slot *newer(const struct memory *memory)
{
	const struct memory_slot *a = &memory->slots[0], *b = &memory->slots[1];
	bool has_a = whole(a), has_b = whole(b);

	if (has_a && has_b)
		return a->serial > b->serial ? a : b;
	return has_a ? a : has_b ? b : NULL;
}

bool memory_load(const struct memory *memory, struct memory_record *ret)
{
	const struct memory_slot *slot = newer(memory);

	if (!slot)
		return false;
	*ret = slot->record;
	ret->reason[MEMORY_REASON - 1] = 0;
	return true;
}

void memory_save(struct memory *memory, const struct memory_record *record)
{
	const struct memory_slot *kept = newer(memory);
	struct memory_slot *slot = kept == &memory->slots[0] ? &memory->slots[1] : &memory->slots[0];
	uint64_t serial = kept ? kept->serial + 1 : 1;

	slot->checksum = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	slot->magic = MEMORY_MAGIC;
	slot->serial = serial;
	slot->record = *record;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	slot->checksum = checksum_of(slot);
}
