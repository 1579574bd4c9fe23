/*
 * faults.c: what goes wrong in a schedule. Faults overlap as chance has it; what a node or path suffers now is computed from
 * the list of active ones, so that the end of one never undoes another.
 */
#include "tests/sim/world.h"

#include <stdio.h>
#include <string.h>

const char *fault_name(enum fault_kind kind)
{
	static const char *const names[FAULT_COUNT] = {
		"loss",     "delay",      "duplicates",  "cut",         "stop",   "stall",
		"vm pause", "role crash", "kill",        "machine",     "leave",  "unfit",
		"broken",   "switchover", "slow kernel", "late timers", "replay", "reload"};

	return names[kind];
}

static nanos duration_of(struct world *w, enum fault_kind kind)
{
	switch (kind) {
	case FAULT_ROLE:
		return rng_between(&w->rng, MS(3), rng_chance(&w->rng, 70) ? w->dead / 2 : 3 * w->dead);
	case FAULT_STOP:
	case FAULT_STALL:
	case FAULT_VM_PAUSE:
		return rng_between(&w->rng, MS(1), 3 * w->dead);
	case FAULT_SWITCH:
	case FAULT_SLOW:
	case FAULT_LATE:
		return rng_between(&w->rng, w->interval, 4 * w->dead);
	default:
		return rng_between(&w->rng, MS(1), 12 * w->dead);
	}
}

static unsigned choose_cuts(struct world *w)
{
	switch (rng_below(&w->rng, 5)) {
	case 0: /* everything */
		return (1u << 2 * LINKS) - 1;
	case 1: /* everything towards one node */
		return rng_chance(&w->rng, 50) ? 0x5 : 0xa;
	case 2: /* one link */
		return rng_chance(&w->rng, 50) ? 0x3 : 0xc;
	case 3: /* nothing reaches one node, and half of what it sends is lost too */
		return rng_chance(&w->rng, 50) ? 0x7 : 0xb;
	default:
		return 1 + (unsigned)rng_below(&w->rng, (1u << 2 * LINKS) - 1);
	}
}

static void choose(struct world *w, struct fault *f, enum fault_kind kind, nanos from)
{
	memset(f, 0, sizeof(*f));
	f->kind = kind;
	f->node = (unsigned)rng_below(&w->rng, 2);
	f->at = rng_between(&w->rng, from, w->end - w->interval);
	f->until = f->at + duration_of(w, kind);
	f->cuts = choose_cuts(w);
	f->amount = (unsigned)rng_below(&w->rng, 1000000);
}

void faults_choose(struct world *w)
{
	/* The start is calm, so that it can be judged. */
	nanos from = w->start_wait + 3 * w->dead + 4 * w->interval, end = w->end;

	w->n_faults = 3 + (unsigned)rng_below(&w->rng, 2);
	for (unsigned i = 0; i < w->n_faults; i++) {
		struct fault *f = &w->faults[i];

		choose(w, f, (enum fault_kind)rng_below(&w->rng, FAULT_COUNT), from);
		/* Faults like company: half of them begin close to the one before. */
		if (i > 0 && rng_chance(&w->rng, 50)) {
			nanos length = f->until - f->at;

			f->at = w->faults[i - 1].at + rng_between(&w->rng, 0, 3 * w->dead);
			if (f->at >= end)
				f->at = end - w->interval;
			f->until = f->at + length;
		}
		w->recording |= f->kind == FAULT_REPLAY;
		world_post(w, f->at, EVENT_FAULT_START, i);
		world_post(w, f->until, EVENT_FAULT_END, i);
	}
}

static bool goes_down(enum fault_kind kind)
{
	return kind == FAULT_ROLE || kind == FAULT_KILL || kind == FAULT_MACHINE || kind == FAULT_LEAVE;
}

static void compute_paths(struct world *w)
{
	memset(w->paths, 0, sizeof(w->paths));
	for (unsigned i = 0; i < w->n_faults; i++) {
		const struct fault *f = &w->faults[i];

		for (unsigned bit = 0; f->active && bit < 2 * LINKS; bit++) {
			struct path *path = &w->paths[bit / 2][bit % 2];

			if (!(f->cuts >> bit & 1))
				continue;
			if (f->kind == FAULT_CUT)
				path->cut = true;
			else if (f->kind == FAULT_LOSS)
				path->loss = 10 + f->amount % 51;
			else if (f->kind == FAULT_DUPLICATE)
				path->duplicate = 10 + f->amount % 51;
			else if (f->kind == FAULT_DELAY)
				path->delay_max = 1 + (nanos)f->amount * (3 * w->dead) / 1000000;
		}
	}
}

static void compute_node(struct world *w, struct node *n)
{
	bool frozen = false, paused = false, fit = true, usable = true;
	bool was_fit = n->fit, was_usable = n->usable;

	n->slow_max = n->late_max = 0;
	for (unsigned i = 0; i < w->n_faults; i++) {
		const struct fault *f = &w->faults[i];

		if (!f->active || f->node != n->id)
			continue;
		frozen |= f->kind == FAULT_STOP || f->kind == FAULT_STALL || f->kind == FAULT_VM_PAUSE;
		paused |= f->kind == FAULT_VM_PAUSE;
		fit &= f->kind != FAULT_UNFIT;
		usable &= f->kind != FAULT_BROKEN;
		if (f->kind == FAULT_SLOW)
			n->slow_max = US(200) + (nanos)f->amount * w->dead / 10 / 1000000;
		if (f->kind == FAULT_LATE)
			n->late_max = MS(1) + (nanos)f->amount * w->dead / 1000000;
	}
	n->fit = fit;
	n->usable = usable;
	if (frozen != n->frozen || paused != n->paused)
		world_freeze(w, n, frozen, paused);
	if (fit != was_fit || usable != was_usable)
		world_sync(w, n);
}

static bool down(const struct world *w, unsigned node)
{
	for (unsigned i = 0; i < w->n_faults; i++) {
		if (w->faults[i].active && w->faults[i].node == node && goes_down(w->faults[i].kind))
			return true;
	}
	return false;
}

static void reload(struct world *w, struct node *n, const struct fault *f)
{
	static const unsigned halves[] = {2, 3, 4};

	/* Both kinds of change: longer and shorter. What is refused by check is not tried. */
	nanos interval = n->settings.interval * (nanos)halves[f->amount % 3] / (f->amount & 64 ? 2 : 3);

	if (lease_refusal(interval, n->settings.dead_after) != NULL)
		interval = n->settings.interval;
	n->settings.interval = interval;
	n->settings.digest = 2 + f->amount;
	world_sync(w, n);
}

void faults_start(struct world *w, unsigned index)
{
	struct fault *f = &w->faults[index];
	struct node *n = &w->nodes[f->node];

	world_trace(w, "---- %s begins: node %c, paths %x, %.3f ms", fault_name(f->kind), 'A' + f->node,
		    f->cuts, (double)(f->until - f->at) / 1e6);
	check_fault_start(w, f);
	f->active = true;
	switch (f->kind) {
	case FAULT_ROLE:
		/* Half of the time it dies in the middle of a wake-up, after some of its actions. */
		if (f->amount % 2 && n->role_up && !n->frozen) {
			heart_save(&n->heart, world_local(w, n), &n->record);
			n->has_record = n->crash_armed = true;
			n->crash_after = f->amount / 2 % 8;
		} else {
			world_end_role(w, n, false);
		}
		break;
	case FAULT_MACHINE:
		n->machine_up = false;
		world_close(n);
		/* fall through */
	case FAULT_KILL:
		world_end_role(w, n, true);
		break;
	case FAULT_LEAVE:
		world_leave(w, n);
		break;
	case FAULT_SWITCH:
		world_switchover(w, n);
		break;
	case FAULT_RELOAD:
		reload(w, n, f);
		break;
	case FAULT_REPLAY:
		world_post(w, w->now, EVENT_ATTACK, index);
		break;
	default:
		break;
	}
	compute_paths(w);
	compute_node(w, n);
}

static bool loses_buffer(const struct world *w, const struct fault *f)
{
	return (f->kind == FAULT_STALL || f->kind == FAULT_VM_PAUSE) && w->nodes[f->node].frozen;
}

void faults_end(struct world *w, unsigned index)
{
	struct fault *f = &w->faults[index];
	struct node *n = &w->nodes[f->node];

	world_trace(w, "---- %s ends: node %c", fault_name(f->kind), 'A' + f->node);
	f->active = false;
	f->over = true;
	if (loses_buffer(w, f))
		world_lose_buffer(w, n);
	if (f->kind == FAULT_RELOAD)
		reload(w, &w->nodes[!f->node], f);
	compute_paths(w);
	compute_node(w, n);
	if (goes_down(f->kind) && !down(w, f->node)) {
		n->crash_armed = false;
		/* A daemon that could not be stopped properly in this time is killed. */
		if (f->kind == FAULT_LEAVE)
			world_end_role(w, n, true);
		n->machine_up = true;
		world_start_role(w, n);
	}
	check_fault_end(w, f);
}
