/*
 * keyring.c: see keyring.h.
 */
#include "hapair/sync/keyring.h"

#include <string.h>

static bool in_time(uint64_t of, uint64_t period)
{
	return of + 1 >= period && of <= period + 1;
}

bool keyring_expire(struct msg_ticket_keys *ring, uint64_t period)
{
	uint32_t kept = 0, before = ring->n;

	for (uint32_t i = 0; i < before; i++)
		if (in_time(ring->keys[i].period, period))
			ring->keys[kept++] = ring->keys[i];
	ring->n = kept;
	explicit_bzero(&ring->keys[kept], (TICKET_KEYS_MAX - kept) * sizeof(ring->keys[0]));
	return kept != before;
}

bool keyring_add(struct msg_ticket_keys *ring, const struct ticket_key *key, uint64_t period)
{
	if (ring->n == TICKET_KEYS_MAX || !in_time(key->period, period))
		return false;
	for (uint32_t i = 0; i < ring->n; i++)
		if (memcmp(ring->keys[i].name, key->name, TICKET_NAME) == 0)
			return false;
	ring->keys[ring->n++] = *key;
	return true;
}

bool keyring_lacks(const struct msg_ticket_keys *ring, uint64_t period)
{
	for (uint32_t i = 0; i < ring->n; i++)
		if (ring->keys[i].period == period)
			return false;
	return true;
}

/* Whether a is to encrypt rather than b: of this period first, then the nearest older one; of equals the smaller name. */
static bool is_better(const struct ticket_key *a, const struct ticket_key *b, uint64_t period)
{
	bool a_begun = a->period <= period, b_begun = b->period <= period;

	if (a_begun != b_begun)
		return a_begun;
	if (a->period != b->period)
		return (a->period > b->period) == a_begun;
	return memcmp(a->name, b->name, TICKET_NAME) < 0;
}

void keyring_choose(struct msg_ticket_keys *ring, uint64_t period)
{
	ring->newest = 0;
	for (uint32_t i = 1; i < ring->n; i++)
		if (is_better(&ring->keys[i], &ring->keys[ring->newest], period))
			ring->newest = i;
}
