/*
 * replay.h: a sliding window over sequence numbers: each is accepted once (the idea of RFC 4303 3.4.3, with a
 * wider window).
 *
 * One window per link and boot of the peer. Sequences count all datagrams of a node, so one link sees gaps;
 * what is older than REPLAY_WINDOW behind the newest counts as replayed.
 */
#ifndef HAPAIR_HEARTBEAT_REPLAY_H
#define HAPAIR_HEARTBEAT_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#define REPLAY_WINDOW 512 /* a power of two, in sequences */

struct replay {
	uint64_t newest; /* 0: nothing was accepted yet; sequences begin at 1 */
	uint64_t seen[REPLAY_WINDOW / 64];
};

/* Everything up to `floor` counts as seen. */
void replay_reset(struct replay *r, uint64_t floor);

/* True once for each sequence, and notes it. */
bool replay_accept(struct replay *r, uint64_t sequence);

#endif
