/*
 * damping.h: a node that moves again and again is held down for a while. Pure.
 *
 * A move is a claim or a yield that no operator ordered. The DAMPING_MOVES-th within DAMPING_WINDOW begins a hold-down of
 * DAMPING_HOLD; as many again, during it or before DAMPING_CALM has passed since its end, begin one of twice the length, up to
 * DAMPING_HOLD_MAX. What a held-down node may not do is for the caller to say (heartbeat/DESIGN.md, 7).
 */
#ifndef HAPAIR_HEARTBEAT_DAMPING_H
#define HAPAIR_HEARTBEAT_DAMPING_H

#include "hapair/base/clock.h"

#include <stdbool.h>

#define DAMPING_MOVES    4
#define DAMPING_WINDOW   SECONDS(60)
#define DAMPING_HOLD     SECONDS(30)
#define DAMPING_HOLD_MAX SECONDS(300)
#define DAMPING_CALM     SECONDS(300)

/* All zero: nothing has happened yet. */
struct damping {
	nanos moves[DAMPING_MOVES]; /* instants of the newest, in a ring; forgotten when a hold-down begins */
	unsigned n_moves;           /* since then, ever growing */
	nanos hold;                 /* length of the last hold-down, 0 none that is remembered */
	nanos until;                /* its end */
	uint64_t moved;             /* ever, for people */
};

/* The node moves. True: a hold-down begins with it. */
bool damping_move(struct damping *d, nanos now);
bool damping_holds(const struct damping *d, nanos now);

#endif
