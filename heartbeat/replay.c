/*
 * replay.c: a bitmap ring over the newest REPLAY_WINDOW sequences.
 *
 * Sequence n has bit n mod REPLAY_WINDOW. Moving the window forward clears the bits that the new sequences
 * take over.
 */
#include "heartbeat/replay.h"

#include "heartbeat/plant.h"

#include <string.h>

#define WORDS (REPLAY_WINDOW / 64)

_Static_assert((REPLAY_WINDOW & (REPLAY_WINDOW - 1)) == 0, "the ring index is a mask");

void replay_reset(struct replay *r, uint64_t floor)
{
	r->newest = floor;
	memset(r->seen, 0xff, sizeof(r->seen));
}

static uint64_t *word_of(struct replay *r, uint64_t sequence)
{
	return &r->seen[(sequence / 64) % WORDS];
}

static void advance(struct replay *r, uint64_t to)
{
	if (to - r->newest >= REPLAY_WINDOW) {
		memset(r->seen, 0, sizeof(r->seen));
	} else {
		for (uint64_t n = r->newest + 1; n <= to; n++)
			*word_of(r, n) &= ~(UINT64_C(1) << (n % 64));
	}
	r->newest = to;
}

bool replay_accept(struct replay *r, uint64_t sequence)
{
	uint64_t bit = UINT64_C(1) << (sequence % 64);

	if (PLANTED(PLANT_REPLAY_OFF))
		return true;
	if (sequence == 0 || sequence == UINT64_MAX)
		return false;
	if (sequence > r->newest)
		advance(r, sequence);
	else if (r->newest - sequence >= REPLAY_WINDOW || (*word_of(r, sequence) & bit))
		return false;
	*word_of(r, sequence) |= bit;
	return true;
}
