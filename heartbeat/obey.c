/*
 * obey.c: what the own node and the operator tell, and what follows at once.
 */
#include "heartbeat/obey.h"

#include "heartbeat/act.h"
#include "heartbeat/core.h"
#include "heartbeat/orders.h"
#include "heartbeat/plant.h"

#include <errno.h>

#define HOLD_DOWN_MAX    SECONDS(60)
#define HOLD_DOWN_FORGET SECONDS(10) /* a claim that lasted so long was a good one */

/* The own node */

void heart_fence_done(struct heart *h, nanos computed, nanos done, struct heart_actions *out)
{
	heart_catch_up(h, done);
	if (h->state != NODE_ACTIVE)
		return;
	if (done - computed <= h->terms.margin / 2 || PLANTED(PLANT_OVERRUN_IGNORED)) {
		h->overran = false;
	} else if (!h->overran && h->fence_end - done > h->terms.margin) {
		h->overran = true;
		act_fence(h, HEART_FENCE, h->fence_end, done, out);
	} else {
		h->overran = false;
		orders_apply(h, ELECTION_OVERRUN, 0,
			     "a renewal of the fence took longer than the margin allows", done, out);
	}
}

void heart_fence_failed(struct heart *h, nanos now, const char *text, struct heart_actions *out)
{
	heart_catch_up(h, now);
	if (h->state == NODE_ACTIVE)
		orders_apply(h, ELECTION_OVERRUN, 0, text, now, out);
}

void heart_fence_refused(struct heart *h, nanos now, const char *text, struct heart_actions *out)
{
	heart_catch_up(h, now);
	if (h->state != NODE_ACTIVE)
		return;
	if (h->hold_down == 0 || now - h->since >= later(h->hold_down, HOLD_DOWN_FORGET))
		h->hold_down = h->terms.dead;
	else
		h->hold_down = sooner(2 * h->hold_down, HOLD_DOWN_MAX);
	h->refused_until = now + h->hold_down;
	orders_apply(h, ELECTION_BROKEN, 0, text, now, out);
}

bool heart_is_void(const struct heart *h, const struct heart_action *action)
{
	return h->state != NODE_ACTIVE && (action->kind == HEART_SEND || action->kind == HEART_FENCE ||
					   action->kind == HEART_CLAIM || action->kind == HEART_ANNOUNCE);
}

void heart_fitness(struct heart *h, enum fitness_class fitness, nanos now, struct heart_actions *out)
{
	unsigned before = out->n;

	heart_catch_up(h, now);
	if (fitness == h->fitness)
		return;
	h->fitness = (uint8_t)fitness;
	h->dirty = true;
	heart_consider(h, now, out);
	if (out->n == before && !h->stopped) /* the peer is to know at once */
		act_beat(h, now, out);
	if (h->state == NODE_ACTIVE && !heart_can_serve(h))
		act_note(h, HEART_STAYS, "this node is unfit, but no fitter one is heard", out);
}

void heart_servers(struct heart *h, bool reached, nanos seen, nanos missed, nanos now,
		   struct heart_actions *out)
{
	uint8_t reach = (uint8_t)(reached ? h->reach | REACH_SERVERS : h->reach & ~REACH_SERVERS);
	nanos owed = heart_owes_proof(h);

	heart_catch_up(h, now);
	h->servers_seen = later(h->servers_seen, seen);
	h->servers_missed = later(h->servers_missed, missed);
	if (reach == h->reach && owed == heart_owes_proof(h))
		return;
	if (reach != h->reach && reached)
		act_note(h, HEART_REACH_BACK, "a server can be connected to again", out);
	else if (reach != h->reach)
		act_note(h, HEART_REACH_LOST, "no server can be connected to", out);
	h->reach = reach;
	heart_consider(h, now, out);
	if (!h->stopped)
		act_beat(h, now, out);
}

void heart_usable(struct heart *h, bool usable, const char *text, nanos now, struct heart_actions *out)
{
	heart_catch_up(h, now);
	if (usable == h->usable)
		return;
	h->usable = usable;
	h->unusable_why = usable ? NULL : text;
	h->dirty = true;
	if (!usable && (h->state != NODE_STARTING || now >= h->start_end))
		orders_apply(h, ELECTION_BROKEN, 0, text, now, out);
	else if (usable && h->refused_until == 0)
		orders_apply(h, ELECTION_MENDED, 0, NULL, now, out);
	heart_consider(h, now, out);
}

void heart_connections(struct heart *h, uint32_t live)
{
	/* Both sides of a split must compare the same numbers. */
	if (!h->split)
		h->connections = live;
}

void heart_witness(struct heart *h, nanos question, enum witness_answer answer, nanos asked, nanos until)
{
	/* What was on its way to a node that wants no key is about to be given back. */
	if (h->settings.witness == WITNESS_ETCD && !h->witness.wanted)
		return;
	witness_hear(&h->witness, question, answer, asked, until);
}

void heart_prepared(struct heart *h, bool ok, nanos now, struct heart_actions *out)
{
	struct heart_handover *o = &h->handover;

	heart_catch_up(h, now);
	if (!o->in_force || (!o->handing && !o->taking))
		return;
	o->ready = ok;
	o->failed = !ok;
	if (h->state == NODE_ACTIVE && o->handing && heart_peer_alive(h, now) && !heart_peer_holds(h))
		orders_go_on_handing(h, now, out);
	else
		act_beat(h, now, out);
}

void heart_drained(struct heart *h, nanos now, struct heart_actions *out)
{
	heart_catch_up(h, now);
	orders_apply(h, ELECTION_DRAINED, 0, NULL, now, out);
	heart_consider(h, now, out);
}

/* The operator */

int heart_switchover(struct heart *h, nanos now, const char **ret_text, struct heart_actions *out)
{
	struct election_standing other = heart_theirs(h);
	const struct election_cell *cell = election_cell(h->state, ELECTION_SWITCHOVER);

	heart_catch_up(h, now);
	*ret_text = cell->why;
	if (h->switching || h->stopping || h->handover.stops) {
		*ret_text = h->switching ? "a switchover is going on" : "the daemon stops";
		return -EALREADY;
	}
	if (cell->act == ELECTION_REFUSE)
		return -EPERM;
	if (!heart_peer_alive(h, now)) {
		*ret_text = "the peer is not heard";
		return -EHOSTUNREACH;
	}
	if (!election_can_serve(&other)) {
		*ret_text = "the peer cannot serve";
		return -EAGAIN;
	}
	h->switching = true;
	h->handover.event = ELECTION_SWITCHOVER;
	if (h->handover.handing)
		return 0; /* to a node of higher priority, just now: it ends the same way */
	if (orders_may_drain(h, now))
		orders_begin_handover(h, ELECTION_SWITCHOVER, now, out);
	else
		orders_give(h, orders_why_plain(h), now, out);
	return 0;
}

void heart_stop(struct heart *h, nanos now, struct heart_actions *out)
{
	struct election_standing other = heart_theirs(h);
	bool first = !h->handover.stops;

	heart_catch_up(h, now);
	if (h->stopping)
		return;
	h->handover.stops = true;
	if (first && (h->handover.handing || h->state == NODE_DRAINING))
		return;
	if (first && h->state == NODE_ACTIVE && orders_may_drain(h, now) && !heart_peer_holds(h) &&
	    election_can_serve(&other))
		orders_begin_handover(h, ELECTION_SWITCHOVER, now, out);
	else
		orders_begin_stop(h, now, out);
}
