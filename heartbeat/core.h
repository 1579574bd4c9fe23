/*
 * core.h: the heart of a node: detection, lease and election as one pure object. Events and instants come in,
 * actions go out. The daemon's shell (heartbeat.c) and the simulator (tests/sim) drive the very same code.
 *
 * The shell's loop. On each wake-up:
 *   1. read every link dry: mac_open(), then heart_receive() for each datagram, with the instant at which it came: the
 *      kernel's time stamp, brought to clock_now() and kept between the last time that the links were dry and now. (The
 *      instant of reading is safe too, but a stopped process whose socket buffer ran over would then look deaf.)
 *   2. heart_turn(now), always, also when only datagrams woke it: replies leave here;
 *   3. heart_save(), then memory_save(), when heart_dirty();
 *   4. sleep until heart_due() or the next datagram.
 * After every call that takes `out`, perform out's actions in their order, then forget them. `now` is
 * clock_now() read just before the call and never goes backwards.
 *
 * Fence and claim. FENCE and CLAIM carry `until`, an instant, computed at `computed`. The shell programs the
 * kernel with the time that is left (until - clock_now()); when it is done it reads the clock again and calls
 * heart_fence_done(), which closes everything when more than m/2 has passed. A refusal by the kernel (the
 * element has lapsed, no interface) is told by heart_fence_failed(). FENCE may shorten as well as extend.
 * CLOSE and RELEASE are done before any later SEND, without exception.
 */
#ifndef HAPAIR_HEARTBEAT_CORE_H
#define HAPAIR_HEARTBEAT_CORE_H

#include "heartbeat/life.h"

/*
 * One message that mac_open() accepted, which came at `at`. REJECT_NONE, or REJECT_NODE, _LINK, _BOOT, _REPLAY: count it,
 * nothing was changed. Only takes note; what follows from all that was read is decided and sent by heart_turn().
 */
int heart_receive(struct heart *h, unsigned link, const struct wire_message *m, nanos at,
		  struct heart_actions *out);

void heart_turn(struct heart *h, nanos now, struct heart_actions *out);
nanos heart_due(const struct heart *h);

/* A FENCE or CLAIM was done at `done`; `computed` is the action's. */
void heart_fence_done(struct heart *h, nanos computed, nanos done, struct heart_actions *out);
/* It came too late: the element had lapsed, or too little was left. `text`: static, why. */
void heart_fence_failed(struct heart *h, nanos now, const char *text, struct heart_actions *out);
/*
 * The kernel refuses it, and is likely to do so again: a fault for a hold-down of D, doubled with each refusal up to a minute;
 * meanwhile the peer may hold. A claim that lasted 10 s, and longer than the hold-down before it, ends the doubling.
 */
void heart_fence_refused(struct heart *h, nanos now, const char *text, struct heart_actions *out);

void heart_fitness(struct heart *h, enum fitness_class fitness, nanos now, struct heart_actions *out);
/* False: an interface of a VIP is gone or has no carrier; `text`: static, what is wrong. A starting node says so at the end of
 * start_wait only. */
void heart_usable(struct heart *h, bool usable, const char *text, nanos now, struct heart_actions *out);
void heart_connections(struct heart *h, uint32_t live);

/* The answer to HEART_PREPARE, at once or later: `ok`, or nothing is prepared and nothing has changed. */
void heart_prepared(struct heart *h, bool ok, nanos now, struct heart_actions *out);
/* After HEART_DRAIN: no connection is left, or it could not be done. */
void heart_drained(struct heart *h, nanos now, struct heart_actions *out);

/*
 * Hands the VIP to the peer, without breaking connections where both can. 0: begun, HEART_SWITCHED follows when the peer holds. -EPERM: this node does not hold it;
 * -EHOSTUNREACH: the peer is not heard; -EAGAIN: the peer cannot serve; -EALREADY: one is going on.
 * *ret_text: static, for people, also on success.
 */
int heart_switchover(struct heart *h, nanos now, const char **ret_text, struct heart_actions *out);

/*
 * Gives up the VIP, says goodbye; HEART_STOPPED follows at once or within a few intervals. Where connections need not break, it
 * follows when the last one has ended, after drain_timeout, or a few intervals after a second call.
 */
void heart_stop(struct heart *h, nanos now, struct heart_actions *out);

#endif
