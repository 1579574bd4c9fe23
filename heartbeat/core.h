/*
 * core.h: the heart of a node: detection, lease and election as one pure object. Events and instants come in,
 * actions go out. The daemon's shell (heartbeat.c) and the simulator (tests/sim) drive the very same code.
 *
 * The shell's loop. On each wake-up:
 *   1. read every link dry: mac_open(), then heart_receive() for each datagram, with the instant at which it came: the
 *      kernel's time stamp, brought to clock_now() and kept between the last time that the links were dry and now.
 *   2. heart_turn(now), always, also when only datagrams woke it: replies leave here;
 *   3. heart_save(), then memory_save(), when heart_dirty();
 *   4. sleep until heart_due() or the next datagram.
 * The own lateness comes first: what comes while heart_overdue(), from the kernel, the proxy or the operator, is told after 1. and 2.,
 * so that nothing is decided by what the peer seemed to be before a standstill. Silence is judged in heart_turn() alone.
 * After every call that takes `out`, perform out's actions in their order, then forget them. `now` is
 * clock_now() read just before the call and never goes backwards.
 *
 * Fence and claim. FENCE and CLAIM carry `until`, an instant, computed at `computed`. The shell programs the
 * kernel with the time that is left (until - clock_now()); when it is done it reads the clock again and calls
 * heart_fence_done(), which asks for the same end once more when more than m/2 has passed, and closes everything when it took
 * as long again. A refusal by the kernel (the
 * element has lapsed, no interface) is told by heart_fence_failed(). FENCE may shorten as well as extend.
 * CLOSE and RELEASE are done before any later SEND, without exception.
 */
#ifndef HAPAIR_HEARTBEAT_CORE_H
#define HAPAIR_HEARTBEAT_CORE_H

#include "heartbeat/hear.h"
#include "heartbeat/life.h"
#include "heartbeat/obey.h"

void heart_turn(struct heart *h, nanos now, struct heart_actions *out);
nanos heart_due(const struct heart *h);
/* A turn is due for so long that the time since was not watched. */
bool heart_overdue(const struct heart *h, nanos now);

/* Inside of the heart, before anything else that has a `now`: the time since a turn was due was not watched. */
void heart_catch_up(struct heart *h, nanos now);

/* Inside of the heart: what follows from all that is known, at once, for news that does not wait for the next turn.
 * All but silence: what would end it may lie unread. */
void heart_consider(struct heart *h, nanos now, struct heart_actions *out);

#endif
