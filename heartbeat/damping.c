/*
 * damping.c: how many moves are too many.
 */
#include "heartbeat/damping.h"

bool damping_move(struct damping *d, nanos now)
{
	nanos oldest;

	d->moved++;
	d->moves[d->n_moves++ % DAMPING_MOVES] = now;
	oldest = d->moves[d->n_moves % DAMPING_MOVES];
	if (d->n_moves < DAMPING_MOVES || now - oldest > DAMPING_WINDOW)
		return false;
	if (d->hold == 0 || now - d->until >= DAMPING_CALM)
		d->hold = DAMPING_HOLD;
	else if (d->hold < DAMPING_HOLD_MAX / 2)
		d->hold *= 2;
	else
		d->hold = DAMPING_HOLD_MAX;
	d->until = now + d->hold;
	d->n_moves = 0;
	return true;
}

bool damping_holds(const struct damping *d, nanos now)
{
	return now < d->until;
}
