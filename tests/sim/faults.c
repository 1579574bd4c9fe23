/*
 * faults.c: what goes wrong in a schedule. Faults overlap as chance has it; what a node or path suffers now is computed from
 * the list of active ones, so that the end of one never undoes another.
 */
#include "tests/sim/world.h"

#include <stdio.h>
#include <string.h>

void faults_post(struct world *w)
{
	w->n_faults = (unsigned)w->plan->n_faults;
	for (unsigned i = 0; i < w->n_faults; i++) {
		struct fault *f = &w->faults[i];

		f->p = w->plan->faults[i];
		w->recording |= f->p.kind == FAULT_REPLAY;
		world_post(w, f->p.at, EVENT_FAULT_START, i);
		world_post(w, f->p.until, EVENT_FAULT_END, i);
	}
}

static bool goes_down(enum fault_kind kind)
{
	return kind == FAULT_ROLE || kind == FAULT_KILL || kind == FAULT_MACHINE || kind == FAULT_LEAVE ||
	       kind == FAULT_UPGRADE;
}

static void compute_paths(struct world *w)
{
	memset(w->paths, 0, sizeof(w->paths));
	for (unsigned i = 0; i < w->n_faults; i++) {
		const struct fault *f = &w->faults[i];

		for (unsigned bit = 0; f->active && bit < 2 * LINKS; bit++) {
			struct path *path = &w->paths[bit / 2][bit % 2];

			if (!(f->p.cuts >> bit & 1))
				continue;
			if (f->p.kind == FAULT_CUT)
				path->cut = true;
			else if (f->p.kind == FAULT_LOSS)
				path->loss = 10 + f->p.amount % 51;
			else if (f->p.kind == FAULT_DUPLICATE)
				path->duplicate = 10 + f->p.amount % 51;
			else if (f->p.kind == FAULT_DELAY)
				path->delay_max = 1 + (nanos)f->p.amount * (3 * w->dead) / 1000000;
			else if (f->p.kind == FAULT_REORDER)
				path->reorders = true;
			else if (f->p.kind == FAULT_SPIKE && f->p.until > path->spike_until)
				path->spike_until = f->p.until;
			else if (f->p.kind == FAULT_FLAP) {
				path->flap_from = f->p.at;
				path->flap_period =
					w->interval / 2 + (nanos)f->p.amount * (4 * w->interval) / 1000000;
			}
		}
	}
}

static void suffer(struct world *w, struct node *n, const struct fault *f, bool *frozen, bool *paused)
{
	bool still = f->p.kind == FAULT_STEP && n->held;

	*frozen |=
		f->p.kind == FAULT_STOP || f->p.kind == FAULT_STALL || f->p.kind == FAULT_VM_PAUSE || still;
	*paused |= f->p.kind == FAULT_VM_PAUSE || (still && f->p.amount % 2);
	if (f->p.kind == FAULT_WAVER && n->fitness == FITNESS_OK)
		n->fitness = n->wavering;
	if (f->p.kind == FAULT_UNFIT)
		n->fitness = FITNESS_DEAD;
	n->usable &= f->p.kind != FAULT_BROKEN;
	n->refuses |= f->p.kind == FAULT_REFUSE;
	n->unwitnessed |= f->p.kind == FAULT_WITNESS;
	if (f->p.kind == FAULT_SLOW)
		n->slow_max = US(200) + (nanos)f->p.amount * w->dead / 4 / 1000000;
	if (f->p.kind == FAULT_LATE)
		n->late_max = MS(1) + (nanos)f->p.amount * w->dead / 1000000;
}

static void compute_node(struct world *w, struct node *n)
{
	bool frozen = false, paused = false, was_usable = n->usable;
	enum fitness_class was = n->fitness;

	n->slow_max = n->late_max = 0;
	n->fitness = FITNESS_OK;
	n->usable = true;
	n->refuses = n->unwitnessed = false;
	for (unsigned i = 0; i < w->n_faults; i++) {
		if (w->faults[i].active && w->faults[i].p.node == n->id)
			suffer(w, n, &w->faults[i], &frozen, &paused);
	}
	if (frozen != n->frozen || paused != n->paused)
		node_freeze(w, n, frozen, paused);
	if (n->fitness != was || n->usable != was_usable)
		node_sync(w, n);
}

void faults_hold(struct world *w, struct node *n)
{
	compute_node(w, n);
}

/* The proxy of a node is up, down, or has no listener, for a while. */
void faults_waver(struct world *w, unsigned index)
{
	struct fault *f = &w->faults[index];
	struct node *n = &w->nodes[f->p.node];

	if (!f->active)
		return;
	n->wavering = (enum fitness_class)rng_below(&w->rng, FITNESS_COUNT);
	world_post(w, w->now + rng_between(&w->rng, MS(1), 3 * w->interval), EVENT_WAVER, index);
	compute_node(w, n);
}

static bool down(const struct world *w, unsigned node)
{
	for (unsigned i = 0; i < w->n_faults; i++) {
		if (w->faults[i].active && w->faults[i].p.node == node && goes_down(w->faults[i].p.kind))
			return true;
	}
	return false;
}

static void reload(struct world *w, struct node *n, const struct fault *f)
{
	static const unsigned halves[] = {2, 3, 4};

	/* Both kinds of change: longer and shorter. What is refused by check is not tried. */
	nanos interval = n->settings.interval * (nanos)halves[f->p.amount % 3] / (f->p.amount & 64 ? 2 : 3);

	if (lease_refusal(interval, n->settings.dead_after) != NULL)
		interval = n->settings.interval;
	n->settings.interval = interval;
	n->settings.digest = 2 + f->p.amount;
	node_sync(w, n);
}

/* For something in the middle of a turn: what would be resumed is what was saved before it. False: there will be no turn. */
static bool arm(struct world *w, struct node *n)
{
	if (!n->role_up || n->frozen)
		return false;
	heart_save(&n->heart, node_local(w, n), &n->record);
	return n->has_record = true;
}

void faults_start(struct world *w, unsigned index)
{
	struct fault *f = &w->faults[index];
	struct node *n = &w->nodes[f->p.node];

	world_trace(w, "---- %s begins: node %c, paths %x, %.3f ms", fault_name(f->p.kind), 'A' + f->p.node,
		    f->p.cuts, (double)(f->p.until - f->p.at) / 1e6);
	check_fault_start(w, f);
	f->active = true;
	switch (f->p.kind) {
	case FAULT_ROLE:
		/* Half of the time it dies in the middle of a wake-up, after some of its actions. */
		if (f->p.amount % 2)
			n->crash_armed = arm(w, n);
		if (n->crash_armed)
			n->crash_after = f->p.amount / 2 % 8;
		else
			node_end_role(w, n, false);
		break;
	case FAULT_STEP:
		n->step_armed = arm(w, n);
		n->step_after = f->p.amount / 2 % 8;
		break;
	case FAULT_WAVER:
		n->wavering = FITNESS_DEAD;
		world_post(w, w->now, EVENT_WAVER, index);
		break;
	case FAULT_MACHINE:
		n->machine_up = false;
		node_close(n);
		/* fall through */
	case FAULT_KILL:
		node_end_role(w, n, true);
		break;
	case FAULT_LEAVE:
	case FAULT_UPGRADE:
		node_leave(w, n);
		break;
	case FAULT_SWITCH:
		node_switchover(w, n);
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
	return (f->p.kind == FAULT_STALL || f->p.kind == FAULT_VM_PAUSE) && w->nodes[f->p.node].frozen;
}

void faults_end(struct world *w, unsigned index)
{
	struct fault *f = &w->faults[index];
	struct node *n = &w->nodes[f->p.node];

	world_trace(w, "---- %s ends: node %c", fault_name(f->p.kind), 'A' + f->p.node);
	f->active = false;
	f->over = true;
	if (loses_buffer(w, f))
		node_lose_buffer(w, n);
	if (f->p.kind == FAULT_STEP)
		n->step_armed = false;
	if (f->p.kind == FAULT_RELOAD)
		reload(w, &w->nodes[!f->p.node], f);
	compute_paths(w);
	compute_node(w, n);
	if (goes_down(f->p.kind) && !down(w, f->p.node)) {
		n->crash_armed = false;
		/* A daemon that could not be stopped properly in this time is killed. */
		if (f->p.kind == FAULT_LEAVE || f->p.kind == FAULT_UPGRADE)
			node_end_role(w, n, true);
		if (f->p.kind == FAULT_UPGRADE) {
			n->old = !n->old;
			n->settings.can_drain = w->plan->can_drain[n->id] && !n->old;
		}
		n->machine_up = true;
		node_start_role(w, n);
	}
	check_fault_end(w, f);
}
