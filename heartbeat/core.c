/*
 * core.c: what a node does when.
 *
 * heart_turn() is the door. heart_consider() derives the events of the election from lease and detection; orders.c carries out
 * what the table says to them. hear.c is what a datagram tells, obey.c what the own node and the operator do.
 */
#include "heartbeat/core.h"

#include "heartbeat/act.h"
#include "heartbeat/orders.h"
#include "heartbeat/plant.h"

/* The lease of a holder */

static void extend(struct heart *h, nanos until, nanos now, struct heart_actions *out)
{
	enum heart_action_kind kind = HEART_FENCE;

	if (until - h->fence_end < h->terms.interval / 4)
		return;
	if (PLANTED(PLANT_LAPSED_RENEWED) && now >= h->fence_end)
		kind = HEART_CLAIM;
	act_fence(h, kind, until, now, out);
}

static void shorten(struct heart *h, nanos until, const char *why, nanos now, struct heart_actions *out)
{
	if (until >= h->fence_end)
		return;
	if (until > now) {
		act_fence(h, HEART_FENCE, until, now, out);
		return;
	}
	h->lapses++;
	orders_apply(h, ELECTION_LAPSED, 0, why, now, out);
}

/*
 * The peer was heard: what it granted counts from now on, and the lease from silence ends with the silence. Before it does, the
 * peer gets the time for which it said that it claims nothing, so that neither a peer that only slept nor a late message of a dead
 * one costs the VIP. Here it is assumed that the message took less than s.
 */
static void hear_as_holder(struct heart *h, nanos now, struct heart_actions *out)
{
	nanos until = later(h->granted, h->grace);

	if (heart_nobody_there(h))
		return;
	if (h->grace != 0 && !PLANTED(PLANT_SILENCE_KEPT)) {
		h->on_silence = false;
		/* Also when an earlier grace, of a message that was under way for longer, is not over yet. */
		if (h->fence_end > h->granted)
			shorten(h, until, "the peer is heard again and may claim: it has not heard this node",
				now, out);
	}
	if (h->state == NODE_ACTIVE && h->granted > h->fence_end)
		extend(h, h->granted, now, out);
}

/* Deciding */

/* Preference waits until both nodes are calm. Nothing else does: a move that serves clients is never damped. */
static bool outranked(const struct heart *h, nanos now)
{
	/* Its last promise is over too, even if it stood still meanwhile; and it is there right now. */
	nanos enough = later(h->settings.start_wait, 2 * heart_wait(h));

	return h->settings.preempt && !damping_holds(&h->damping, now) && !(h->peer.flags & WIRE_HELD_DOWN) &&
	       !h->claimed_by_order && now - h->detect.heard <= 2 * h->terms.interval && h->fit_since != 0 &&
	       now - h->fit_since >= enough && h->peer.fitness == h->fitness &&
	       heart_theirs(h).reach >= h->reach && h->peer.priority > h->settings.priority;
}

static const char *why_fitter(const struct election_standing *other, const struct election_standing *me)
{
	if (!me->usable || other->fitness != me->fitness)
		return NULL;
	return (other->reach & ~me->reach) & REACH_SERVERS
		       ? "this node reaches no server, and the peer does"
		       : "this node lost the gateway, and the peer did not";
}

static void consider_as_holder(struct heart *h, nanos now, struct heart_actions *out)
{
	struct election_standing me = heart_mine(h), other = heart_theirs(h),
				 proven = heart_theirs_proven(h, now);

	if (!heart_peer_alive(h, now))
		return;
	if (heart_peer_holds(h)) {
		if (!election_keeps(&me, &other)) {
			orders_apply(h, ELECTION_SPLIT_LOST, 0, NULL, now, out);
			return;
		}
		if (!h->split) {
			h->split = true;
			shorten(h, now + SPLIT_INTERVALS * h->terms.interval, NULL, now, out);
			act_beat(h, now, out);
		}
		orders_apply(h, ELECTION_SPLIT_WON, 0, NULL, now, out);
		return;
	}
	if (h->peer.flags & WIRE_ASKS)
		return;
	if (h->split) {
		h->split = false;
		orders_apply(h, ELECTION_SPLIT_ENDED, 0, NULL, now, out);
	}
	if (election_fitter(&proven, &me))
		orders_apply(h, ELECTION_PEER_FITTER, 0, why_fitter(&proven, &me), now, out);
	else if (h->handover.handing)
		orders_go_on_handing(h, now, out);
	else if (election_can_serve(&other) && outranked(h, now)) {
		if (orders_may_drain(h, now))
			orders_begin_handover(h, ELECTION_OUTRANKED, now, out);
		else
			orders_apply(h, ELECTION_OUTRANKED, 0, NULL, now, out);
	}
}

static bool goes_first(const struct heart *h, nanos now)
{
	struct election_standing me = heart_mine(h), other = heart_theirs(h);

	/* Both are starting and the peer's proxy is not up yet: it gets the time of start_wait, so that milliseconds do not
	 * decide what priority is meant to. */
	if (h->state == NODE_STARTING && h->peer.state == NODE_STARTING && now < h->start_end)
		other.fitness = FITNESS_COUNT - 1;
	return election_first(&me, &other);
}

static bool answers_my_ask(const struct heart *h)
{
	return h->asks && h->peer.echo_boot == h->boot && h->peer.echo_sequence >= h->ask_from;
}

/* The peer is alive and does not hold. */
static void consider_with_peer(struct heart *h, nanos now, struct heart_actions *out)
{
	struct election_standing me = heart_mine(h), other = heart_theirs(h);
	bool worth_it = h->offer > now + h->terms.margin;

	if (h->peer.flags & WIRE_ASKS) {
		/* Both ask: the one that does not go first steps back, and its next message grants. */
		if (h->asks && election_first(&other, &me))
			orders_stop_asking(h);
		return;
	}
	if (worth_it && answers_my_ask(h))
		orders_apply(h, ELECTION_GRANTED, h->offer, NULL, now, out);
	else if (worth_it && (h->peer.flags & WIRE_RELEASED) && now >= h->promised)
		orders_apply(h, ELECTION_RELEASED, h->offer, NULL, now, out);
	else if (!h->asks && now >= h->retry_after && goes_first(h, now))
		orders_apply(h, ELECTION_FIRST, 0, NULL, now, out);
	if (PLANTED(PLANT_CLAIM_UNGRANTED) && h->asks && h->state != NODE_ACTIVE)
		orders_apply(h, ELECTION_GRANTED, now + h->terms.dead - h->terms.margin, NULL, now, out);
}

/* The wait is over, and only the witness' yes is missing. */
static void tell_withheld(struct heart *h, nanos now, struct heart_actions *out)
{
	if (h->withheld_told || now < heart_silence_claim_at(h))
		return;
	h->withheld_told = true;
	act_note(h, HEART_WITHHELD, "the peer is silent, but the witness does not say yes", out);
}

static void consider_as_waiter(struct heart *h, bool all_read, nanos now, struct heart_actions *out)
{
	bool alive = heart_peer_alive(h, now);

	if (alive)
		h->withheld_told = false;
	if (alive && heart_peer_holds(h)) {
		orders_stop_asking(h);
		h->release_until = 0;
		if (h->state != NODE_STARTING || h->usable) /* else end_start() says what it becomes */
			orders_apply(h, ELECTION_PEER_HOLDS, 0, NULL, now, out);
		return;
	}
	if (!heart_can_serve(h)) {
		orders_stop_asking(h);
		return;
	}
	if (alive)
		consider_with_peer(h, now, out);
	else if ((all_read || !h->settings.has_peer) && heart_may_claim_on_silence(h, now))
		orders_apply(h, ELECTION_SILENCE, sooner(now + heart_silence_lease(h), heart_witnessed(h)),
			     h->settings.has_peer ? NULL : "there is no other node", now, out);
	else if (!heart_witnessed_enough(h, now))
		tell_withheld(h, now, out);
}

static void consider(struct heart *h, bool all_read, nanos now, struct heart_actions *out)
{
	if (h->state == NODE_ACTIVE)
		consider_as_holder(h, now, out);
	if (h->state != NODE_ACTIVE && !h->stopping)
		consider_as_waiter(h, all_read, now, out);
	orders_settle(h, now, out);
	orders_end_switchover(h, now, out);
	orders_end_stop(h, now, out);
}

void heart_consider(struct heart *h, nanos now, struct heart_actions *out)
{
	consider(h, false, now, out);
}

/* Time */

static void tell_way(struct heart *h, unsigned link, struct heart_actions *out)
{
	const struct detect_link *l = &h->detect.links[link];

	h->dirty = true;
	if (l->way != LINK_PLAIN)
		act_note(h, HEART_LINK_ONE_WAY, "only one of the nodes hears the other", out);
	else if (l->up && l->heard_there)
		act_note(h, HEART_LINK_TWO_WAY, "both nodes hear each other", out);
	else
		return; /* down by now, which is told */
	out->list[out->n - 1].link = link;
}

static void watch_links(struct heart *h, nanos now, struct heart_actions *out)
{
	nanos wait = heart_wait(h);

	for (unsigned i = 0; i < h->settings.n_links; i++) {
		struct detect_link *l = &h->detect.links[i];

		if (l->up && now - l->quiet_since >= wait) {
			l->up = l->heard_there = false;
			l->rtt = l->jitter = 0;
			if (h->detect.gone) /* it said that it would */
				continue;
			act_note(h, HEART_LINK_DOWN, "no heartbeat came for dead_after intervals", out);
			out->list[out->n - 1].link = i;
		}
	}
	for (unsigned i = 0; i < h->settings.n_links; i++) {
		if (detect_way(&h->detect, i, heart_peer_alive(h, now), wait, now))
			tell_way(h, i, out);
	}
	if (h->detect.boot != 0 && !h->peer_lost && !heart_peer_alive(h, now)) {
		h->peer_lost = true;
		h->fit_since = 0;
		if (h->detect.gone)
			act_note(h, HEART_PEER_LEFT, "the peer said goodbye", out);
		else
			act_note(h, HEART_PEER_LOST, "the peer fell silent", out);
	}
}

static void keep_lease(struct heart *h, nanos now, struct heart_actions *out)
{
	nanos witnessed = heart_witnessed(h);

	if (now >= h->fence_end && !PLANTED(PLANT_LAPSED_RENEWED)) {
		h->lapses++;
		orders_apply(h, ELECTION_LAPSED, 0,
			     heart_silent(h, now) && witnessed <= now
				     ? "the peer is silent and the witness does not say yes"
				     : NULL,
			     now, out);
		return;
	}
	hear_as_holder(h, now, out);
	if (h->state == NODE_ACTIVE && heart_silent(h, now) && witnessed > h->fence_end) {
		h->on_silence = true;
		extend(h, sooner(now + heart_silence_lease(h), witnessed), now, out);
	}
}

/* The last good grant was so long ago that one more lost heartbeat would be felt. */
static nanos burst_from(const struct heart *h)
{
	return h->fence_end - (h->terms.dead - h->terms.margin) / 2;
}

static bool short_of_lease(const struct heart *h, nanos now)
{
	return h->state == NODE_ACTIVE && h->settings.has_peer && !h->on_silence && now >= burst_from(h);
}

static void send_due(struct heart *h, nanos now, struct heart_actions *out)
{
	bool burst = (short_of_lease(h, now) || h->stopping) && now >= h->next_burst;

	if (now >= h->next_beat) {
		h->next_beat += h->terms.interval;
		if (h->next_beat <= now)
			h->next_beat = now + h->terms.interval;
	} else if (!burst) {
		return;
	}
	h->next_burst = now + heart_burst_gap(h);
	act_beat(h, now, out);
}

static bool sent_since(const struct heart_actions *out, unsigned from, unsigned link)
{
	for (unsigned i = from; i < out->n; i++) {
		if (out->list[i].kind == HEART_SEND && out->list[i].link == link)
			return true;
	}
	return false;
}

/* Echo on receipt, but after everything was read: an echo of the oldest in a full buffer would grant nothing. */
static void reply(struct heart *h, unsigned before, nanos now, struct heart_actions *out)
{
	for (unsigned i = 0; i < h->settings.n_links && h->reply_due; i++) {
		if ((h->reply_due >> i & 1) && !sent_since(out, before, i))
			act_send(h, i, WIRE_REPLY, now, out);
	}
	h->reply_due = 0;
}

static nanos next_due(const struct heart *h, nanos now)
{
	nanos due = h->next_beat;

	if (h->state == NODE_ACTIVE) {
		due = sooner(due, h->fence_end);
		if (h->settings.has_peer && !h->on_silence) {
			due = sooner(due, later(h->next_burst, burst_from(h)));
			if (!h->split && heart_witnessed(h) > h->fence_end)
				due = sooner(due, later(h->detect.quiet_since + heart_silence_threshold(h),
							now + 1));
		}
	} else if (heart_can_serve(h) && h->state != NODE_FAULT && heart_witnessed_enough(h, now)) {
		due = sooner(due, later(heart_silence_claim_at(h), now + 1));
	}
	if (h->handover.handing)
		due = sooner(due, h->handover.by);
	if (h->state == NODE_DRAINING)
		due = sooner(due, h->handover.until);
	if (h->stopping)
		due = sooner(due, sooner(h->stop_by, h->next_burst));
	if (h->refused_until)
		due = sooner(due, h->refused_until);
	if (h->held_down)
		due = sooner(due, h->damping.until);
	return later(due, now);
}

/* A starting node waits: for a carrier that is not there yet, and for a peer that it may claim beside. */
static void end_start(struct heart *h, nanos now, struct heart_actions *out)
{
	if (h->state != NODE_STARTING || h->asks || now < h->start_end)
		return;
	if (h->usable)
		orders_apply(h, ELECTION_WAITED, 0, NULL, now, out);
	else
		orders_apply(h, ELECTION_BROKEN, 0, h->unusable_why, now, out);
}

static void end_hold_down(struct heart *h, nanos now, struct heart_actions *out)
{
	if (h->refused_until == 0 || now < h->refused_until)
		return;
	h->refused_until = 0;
	h->dirty = true;
	if (h->usable)
		orders_apply(h, ELECTION_MENDED, 0, "what the kernel refused is tried again", now, out);
}

static void look_for_gateway(struct heart *h, nanos now, struct heart_actions *out)
{
	uint8_t reach = (uint8_t)(h->reach & ~REACH_GATEWAY);

	if (!heart_gateway_lost(h, now))
		reach |= REACH_GATEWAY;
	if (reach == h->reach)
		return;
	if (reach & REACH_GATEWAY)
		act_note(h, HEART_REACH_BACK, "the gateway answers again", out);
	else
		act_note(h, HEART_REACH_LOST, "the gateway does not answer", out);
	h->reach = reach;
	heart_consider(h, now, out);
	act_beat(h, now, out);
}

static void end_damping(struct heart *h, nanos now, struct heart_actions *out)
{
	if (!h->held_down || damping_holds(&h->damping, now))
		return;
	h->held_down = false;
	act_note(h, HEART_CALM, "the hold-down is over", out);
	act_beat(h, now, out);
}

void heart_catch_up(struct heart *h, nanos now)
{
	nanos late = now - h->due;

	if (late < 0)
		return;
	h->late_last = late;
	h->late_max = later(h->late_max, late);
	if (late > h->terms.slack)
		detect_unwatched(&h->detect, late, now);
	h->due = now;
}

void heart_turn(struct heart *h, nanos now, struct heart_actions *out)
{
	unsigned before = out->n;

	heart_catch_up(h, now);
	watch_links(h, now, out);
	if (h->state == NODE_ACTIVE)
		keep_lease(h, now, out);
	h->grace = 0;
	end_hold_down(h, now, out);
	end_damping(h, now, out);
	consider(h, true, now, out);
	end_start(h, now, out);
	look_for_gateway(h, now, out);
	witness_want(&h->witness, heart_wants_witness(h, now), now);
	if (!h->stopped) {
		send_due(h, now, out);
		reply(h, before, now, out);
	}
	h->due = h->stopped ? NANOS_NEVER : next_due(h, now);
}

nanos heart_due(const struct heart *h)
{
	return h->due;
}

bool heart_overdue(const struct heart *h, nanos now)
{
	return now - h->due > h->terms.slack;
}
