/*
 * orders.c: what is to be done. orders_apply() looks the event up in the table and does what the cell says; the rest is the
 * handing over, step by step.
 *
 * Invariants:
 *   - fence_end != 0 exactly while the state is active. What the kernel was told last is fence_end or earlier.
 *   - Only claim() opens a fence; yield() closes it. core.c changes the end of an open one.
 *   - A message that says less than "I ask" is written only after the CLOSE that made it true.
 */
#include "heartbeat/orders.h"

#include "heartbeat/act.h"
#include "heartbeat/plant.h"

#include <errno.h>

#define PREPARE_WAIT SECONDS(3) /* for both nodes to be prepared; then the VIP is given plainly */

static void ask(struct heart *h, nanos now, struct heart_actions *out)
{
	h->asks = true;
	h->ask_from = h->sequence + 1;
	act_beat(h, now, out);
}

void orders_stop_asking(struct heart *h)
{
	h->asks = false;
	h->dirty = true;
}

/* Claims and yields that no operator ordered; the first claim of a life is none. */
static void count_move(struct heart *h, nanos now, struct heart_actions *out)
{
	if (!h->settings.has_peer || h->state == NODE_STARTING)
		return;
	h->dirty = true;
	if (!damping_move(&h->damping, now))
		return;
	h->held_down = true;
	act_note(h, HEART_HELD_DOWN, "it moved too often", out);
}

static bool claim_is_ordered(const struct heart *h, enum election_event event)
{
	return event == ELECTION_RELEASED ? (h->peer.flags & (WIRE_SWITCHOVER | WIRE_GOODBYE)) != 0
					  : event == ELECTION_SILENCE && h->detect.gone;
}

static void claim(struct heart *h, enum election_event event, const char *why, nanos until, nanos now,
		  struct heart_actions *out)
{
	/* What comes back in the instant in which it lapsed has not moved. */
	bool came_back = event == ELECTION_SILENCE && h->since == now;

	if (!came_back && !claim_is_ordered(h, event))
		count_move(h, now, out);
	if (!h->asks)
		h->ask_from = h->sequence + 1;
	h->asks = true;
	h->on_silence = event == ELECTION_SILENCE;
	h->granted = h->on_silence ? 0 : until;
	h->split = false;
	h->claimed_by_order = event == ELECTION_RELEASED && (h->peer.flags & WIRE_SWITCHOVER);
	h->handover.taking = false;
	h->release_until = 0;
	act_raise_epoch(h);
	act_fence(h, HEART_CLAIM, until, now, out);
	act_transition(h, event, NODE_ACTIVE, why, now, out);
	act_beat(h, now, out);
	act_push(out, HEART_EPOCH)->epoch = h->epoch;
}

static void yield(struct heart *h, enum election_event event, enum node_state next, const char *why,
		  nanos now, struct heart_actions *out)
{
	bool alive = heart_peer_alive(h, now);
	bool comes_back = event == ELECTION_LAPSED && heart_may_claim_on_silence(h, now);
	bool ordered = event == ELECTION_SWITCHOVER || event == ELECTION_STOP ||
		       (event == ELECTION_PREPARED && h->handover.event == ELECTION_SWITCHOVER);

	if (!comes_back && !ordered)
		count_move(h, now, out);
	h->fence_end = h->granted = 0;
	h->on_silence = h->split = h->claimed_by_order = h->handover.handing = false;
	orders_stop_asking(h);
	if (next == NODE_DRAINING) {
		h->handover.until = now + h->settings.drain_timeout;
		if (!PLANTED(PLANT_RELEASE_UNCLOSED) && !PLANTED(PLANT_DRAINER_HOLDS))
			act_push(out, HEART_DRAIN);
	} else if (!PLANTED(PLANT_RELEASE_UNCLOSED)) {
		act_push(out, HEART_CLOSE);
	}
	/* A stall with nobody else there: the claim that follows at once keeps the connections. */
	if (!comes_back) {
		if (!PLANTED(PLANT_RELEASE_UNCLOSED) && next != NODE_DRAINING) {
			act_push(out, HEART_RESET);
			act_push(out, HEART_RELEASE);
		}
		h->retry_after = now + h->terms.dead;
	}
	if (alive && event != ELECTION_SPLIT_LOST) {
		h->release_until = now + 2 * h->terms.dead;
		h->release_by_order = ordered && event != ELECTION_STOP && !h->handover.stops;
	}
	act_transition(h, event, next, why, now, out);
	act_beat(h, now, out);
}

enum election_act orders_apply(struct heart *h, enum election_event event, nanos until, const char *why,
			       nanos now, struct heart_actions *out)
{
	const struct election_cell *cell = election_cell(h->state, event);

	if (!why)
		why = cell->why;
	switch (cell->act) {
	case ELECTION_IGNORE:
	case ELECTION_REFUSE:
		break;
	case ELECTION_MOVE:
		orders_stop_asking(h);
		act_transition(h, event, cell->next, why, now, out);
		act_beat(h, now, out);
		break;
	case ELECTION_ASK:
		ask(h, now, out);
		break;
	case ELECTION_CLAIM:
		claim(h, event, why, until, now, out);
		break;
	case ELECTION_YIELD:
		yield(h, event, cell->next, why, now, out);
		break;
	case ELECTION_RAISE:
		act_raise_epoch(h);
		act_push(out, HEART_ANNOUNCE)->epoch = h->epoch;
		act_push(out, HEART_EPOCH)->epoch = h->epoch;
		h->reason = why;
		break;
	}
	return cell->act;
}

/* Handing over without breaking connections */

bool orders_may_drain(const struct heart *h, nanos now)
{
	return h->settings.can_drain && h->settings.drain_timeout > 0 && heart_can_serve(h) &&
	       heart_peer_alive(h, now) && (h->peer.handover & WIRE_CAN_DRAIN);
}

const char *orders_why_plain(const struct heart *h)
{
	if (!h->settings.can_drain)
		return "this machine cannot steer frames (nftables)";
	if (h->settings.drain_timeout <= 0)
		return "drain_timeout is 0";
	if (!heart_can_serve(h))
		return "the proxy of this node does not serve";
	return h->peer.version < WIRE_VERSION ? "the peer is of an older version"
					      : "the peer cannot steer frames";
}

static void ask_to_prepare(struct heart *h, bool giving, nanos now, struct heart_actions *out)
{
	h->handover.in_force = true;
	h->handover.ready = h->handover.failed = false;
	act_push(out, HEART_PREPARE)->giving = giving;
	act_beat(h, now, out);
}

void orders_begin_handover(struct heart *h, enum election_event event, nanos now, struct heart_actions *out)
{
	h->handover.handing = true;
	h->handover.event = event;
	h->handover.by = now + PREPARE_WAIT;
	h->handover.plain = NULL;
	ask_to_prepare(h, true, now, out);
}

void orders_give(struct heart *h, const char *plain, nanos now, struct heart_actions *out)
{
	const char *why = NULL;

	h->handover.handing = false;
	h->handover.plain = plain;
	h->switch_by = now + 2 * h->terms.dead;
	if (h->handover.stops)
		why = "the daemon stops";
	else if (!plain && h->handover.event == ELECTION_SWITCHOVER)
		why = "switchover by the operator; connections are served to their end";
	orders_apply(h, plain ? h->handover.event : ELECTION_PREPARED, 0, why, now, out);
}

void orders_go_on_handing(struct heart *h, nanos now, struct heart_actions *out)
{
	struct heart_handover *o = &h->handover;

	if (o->ready && (h->peer.handover & WIRE_PREPARED))
		orders_give(h, NULL, now, out);
	else if (o->failed)
		orders_give(h, "this node could not prepare", now, out);
	else if (h->peer.handover & WIRE_CANNOT)
		orders_give(h, "the peer could not prepare", now, out);
	else if (now >= o->by)
		orders_give(h, "the preparation took too long", now, out);
}

void orders_end_switchover(struct heart *h, nanos now, struct heart_actions *out)
{
	struct heart_action *a;

	if (!h->switching || h->handover.handing)
		return;
	if (heart_peer_alive(h, now) && heart_peer_holds(h)) {
		a = act_push(out, HEART_SWITCHED);
		a->text = "the peer holds the VIP";
	} else if (h->state == NODE_ACTIVE) {
		a = act_push(out, HEART_SWITCHED);
		a->error = -ECANCELED;
		a->text = "the peer did not take the VIP; this node holds it";
	} else if (now >= h->switch_by || h->stopping) {
		a = act_push(out, HEART_SWITCHED);
		a->error = -ETIMEDOUT;
		a->text = "the peer was not heard to hold the VIP";
	} else {
		return;
	}
	h->switching = false;
}

void orders_end_stop(struct heart *h, nanos now, struct heart_actions *out)
{
	bool heard = h->peer.echo_boot == h->boot && h->peer.echo_sequence >= h->bye_from;

	if (!h->stopping || h->stopped)
		return;
	if (heard || now >= h->stop_by || !heart_peer_alive(h, now)) {
		h->stopped = true;
		act_push(out, HEART_STOPPED);
	}
}

void orders_begin_stop(struct heart *h, nanos now, struct heart_actions *out)
{
	h->stopping = true;
	h->handover.handing = h->handover.taking = false;
	h->bye_from = h->sequence + 1;
	h->stop_by = now + 2 * h->terms.interval;
	h->next_burst = now + heart_burst_gap(h);
	if (h->state != NODE_ACTIVE)
		orders_stop_asking(h);
	if (orders_apply(h, ELECTION_STOP, 0, NULL, now, out) == ELECTION_IGNORE)
		act_beat(h, now, out);
	orders_settle(h, now, out);
	orders_end_switchover(h, now, out);
	orders_end_stop(h, now, out);
}

void orders_settle(struct heart *h, nanos now, struct heart_actions *out)
{
	struct heart_handover *o = &h->handover;
	bool alive = heart_peer_alive(h, now), gives = alive && (h->peer.handover & WIRE_PREPARE);
	bool drains = alive && h->peer.state == NODE_DRAINING;

	if (h->state == NODE_DRAINING && now >= o->until)
		orders_apply(h, ELECTION_DRAINED, 0, "drain_timeout is over", now, out);
	if (o->handing && !alive)
		o->handing = false;
	if (h->state != NODE_ACTIVE && gives && !o->taking && !h->stopping && h->settings.can_drain) {
		o->taking = true;
		ask_to_prepare(h, false, now, out);
	} else if (o->taking && !gives && !drains) {
		o->taking = false;
	}
	if (o->in_force && !o->handing && !o->taking && !drains && h->state != NODE_DRAINING) {
		o->in_force = o->ready = o->failed = false;
		act_push(out, HEART_UNDRAIN);
	}
	if (o->stops && !o->handing && h->state != NODE_DRAINING && !h->stopping)
		orders_begin_stop(h, now, out);
}
