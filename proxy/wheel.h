/*
 * wheel.h: thousands of timers that are nearly always moved or cancelled and seldom fire.
 *
 * A hierarchical timing wheel: four levels of 64 slots; a slot of level 0 is one tick of 8 ms (2^23 ns), of level n 64^n ticks.
 * A timer fires in the first wheel_turn() at or after its deadline, at most one tick late, never early. Moving a deadline
 * backwards in time relinks; moving it on (the usual case: one more byte came) only stores it, and the timer is put
 * where it belongs when the old slot comes up. Pure: time comes in. Deadlines beyond 37 hours fire no earlier than asked.
 */
#ifndef HAPAIR_PROXY_WHEEL_H
#define HAPAIR_PROXY_WHEEL_H

#include "hapair/base/clock.h"
#include "hapair/base/list.h"

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_LEVELS     4
#define WHEEL_SLOTS      64
#define WHEEL_TICK_SHIFT 23

struct wheel_timer {
	struct list node;
	nanos deadline; /* NANOS_NEVER: not set */
	uint64_t tick;  /* where it is linked: it is looked at no later than in this tick */
	uint8_t level, slot;
	void (*fire)(struct wheel_timer *timer);
};

struct wheel {
	uint64_t now;                    /* the tick that was turned to last */
	uint64_t occupied[WHEEL_LEVELS]; /* bit per slot that may have timers */
	struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *wheel, nanos now);
void wheel_timer_init(struct wheel_timer *timer, void (*fire)(struct wheel_timer *timer));

void wheel_set(struct wheel *wheel, struct wheel_timer *timer, nanos deadline);
void wheel_cancel(struct wheel_timer *timer);

/* Fires what is due. `fire` may set and cancel any timer. */
void wheel_turn(struct wheel *wheel, nanos now);

/* When wheel_turn() should be called next; NANOS_NEVER: no timer. May be earlier than the next deadline, never later than a tick after. */
nanos wheel_next(const struct wheel *wheel);

#endif
