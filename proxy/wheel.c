/*
 * wheel.c: see wheel.h.
 *
 * Invariant: a linked timer with tick T sits at the lowest level whose slots still distinguish T from `now`, in the slot
 * (T >> 6 level) mod 64, and T > now. When `now` enters a slot of a higher level, its timers are put down to lower levels.
 */
#include "proxy/wheel.h"

#define BITS       6
#define MASK       ((uint64_t)WHEEL_SLOTS - 1)
#define SPAN_TICKS ((uint64_t)1 << (BITS * WHEEL_LEVELS))

static uint64_t tick_floor(nanos t)
{
	return t <= 0 ? 0 : (uint64_t)t >> WHEEL_TICK_SHIFT;
}

/* The first tick that begins at or after the deadline. */
static uint64_t tick_ceil(nanos t)
{
	return t <= 0 ? 0 : ((uint64_t)t + ((1u << WHEEL_TICK_SHIFT) - 1)) >> WHEEL_TICK_SHIFT;
}

void wheel_init(struct wheel *wheel, nanos now)
{
	wheel->now = tick_floor(now);
	for (int level = 0; level < WHEEL_LEVELS; level++) {
		wheel->occupied[level] = 0;
		for (int slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&wheel->slots[level][slot]);
	}
}

void wheel_timer_init(struct wheel_timer *timer, void (*fire)(struct wheel_timer *timer))
{
	list_init(&timer->node);
	timer->deadline = NANOS_NEVER;
	timer->tick = 0;
	timer->fire = fire;
}

static void link_at(struct wheel *wheel, struct wheel_timer *timer, uint64_t tick)
{
	if (tick <= wheel->now)
		tick = wheel->now + 1;
	/* Too far for the wheel: looked at again when it comes round. */
	if (tick - wheel->now >= SPAN_TICKS)
		tick = wheel->now + SPAN_TICKS - 1;
	/* The highest group of bits in which the tick differs from now names the level. */
	uint64_t differs = tick ^ wheel->now;
	int level = 0;
	while (level < WHEEL_LEVELS - 1 && differs >> (BITS * (level + 1)) != 0)
		level++;
	unsigned slot = (unsigned)(tick >> (BITS * level) & MASK);
	timer->tick = tick;
	timer->level = (uint8_t)level;
	timer->slot = (uint8_t)slot;
	wheel->occupied[level] |= (uint64_t)1 << slot;
	list_push_back(&wheel->slots[level][slot], &timer->node);
}

void wheel_set(struct wheel *wheel, struct wheel_timer *timer, nanos deadline)
{
	timer->deadline = deadline;
	if (deadline == NANOS_NEVER) {
		list_remove(&timer->node);
		return;
	}
	uint64_t tick = tick_ceil(deadline);
	if (list_linked(&timer->node)) {
		if (timer->tick <= tick)
			return;
		list_remove(&timer->node);
	}
	link_at(wheel, timer, tick);
}

void wheel_cancel(struct wheel_timer *timer)
{
	timer->deadline = NANOS_NEVER;
	list_remove(&timer->node);
}

/* Takes all of a slot onto `to`. */
static void take_slot(struct wheel *wheel, int level, unsigned slot, struct list *to)
{
	struct list *from = &wheel->slots[level][slot];
	wheel->occupied[level] &= ~((uint64_t)1 << slot);
	list_init(to);
	if (list_empty(from))
		return;
	*to = *from;
	to->next->prev = to->prev->next = to;
	list_init(from);
}

static void turn_one(struct wheel *wheel)
{
	struct list due;
	/* Entering a slot of a higher level: its timers go down to where they belong now. */
	for (int level = WHEEL_LEVELS - 1; level > 0; level--) {
		if ((wheel->now & (((uint64_t)1 << (BITS * level)) - 1)) != 0)
			continue;
		take_slot(wheel, level, (unsigned)(wheel->now >> (BITS * level) & MASK), &due);
		while (!list_empty(&due)) {
			struct wheel_timer *timer = list_entry(due.next, struct wheel_timer, node);
			list_remove(&timer->node);
			uint64_t tick = tick_ceil(timer->deadline);
			if (tick <= wheel->now) {
				/* Due in this very tick: into the slot that is taken below. */
				unsigned slot = (unsigned)(wheel->now & MASK);
				timer->tick = wheel->now;
				wheel->occupied[0] |= (uint64_t)1 << slot;
				list_push_back(&wheel->slots[0][slot], &timer->node);
			} else {
				link_at(wheel, timer, tick);
			}
		}
	}
	take_slot(wheel, 0, (unsigned)(wheel->now & MASK), &due);
	while (!list_empty(&due)) {
		struct wheel_timer *timer = list_entry(due.next, struct wheel_timer, node);
		list_remove(&timer->node);
		uint64_t tick = tick_ceil(timer->deadline);
		if (tick > wheel->now) {
			link_at(wheel, timer, tick);
			continue;
		}
		timer->deadline = NANOS_NEVER;
		timer->fire(timer);
	}
}

/* The next tick at which something has to be looked at; UINT64_MAX: none. */
static uint64_t next_tick(const struct wheel *wheel)
{
	uint64_t best = UINT64_MAX;
	for (int level = 0; level < WHEEL_LEVELS; level++) {
		if (wheel->occupied[level] == 0)
			continue;
		uint64_t at = wheel->now >> (BITS * level);
		unsigned current = (unsigned)(at & MASK);
		/* Rotate so that bit 0 is the slot after the current one. */
		unsigned shift = (current + 1) & (unsigned)MASK;
		uint64_t ahead = wheel->occupied[level] >> shift;
		if (shift != 0)
			ahead |= wheel->occupied[level] << (WHEEL_SLOTS - shift);
		uint64_t tick = (at + 1 + (uint64_t)__builtin_ctzll(ahead)) << (BITS * level);
		if (tick < best)
			best = tick;
	}
	return best;
}

void wheel_turn(struct wheel *wheel, nanos now)
{
	uint64_t until = tick_floor(now);
	while (wheel->now < until) {
		uint64_t tick = next_tick(wheel);
		if (tick > until) {
			wheel->now = until;
			return;
		}
		wheel->now = tick;
		turn_one(wheel);
	}
}

nanos wheel_next(const struct wheel *wheel)
{
	uint64_t tick = next_tick(wheel);
	return tick == UINT64_MAX ? NANOS_NEVER : (nanos)(tick << WHEEL_TICK_SHIFT);
}
