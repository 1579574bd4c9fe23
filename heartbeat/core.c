/*
 * core.c: what a node does with what it hears, and when.
 *
 * Reading order: heart_receive() and heart_turn() at the end are the two doors. Both lead to consider(), which derives the
 * events of the election from lease and detection; apply() looks the event up in the table and does what the cell says.
 *
 * Invariants:
 *   - fence_end != 0 exactly while the state is active. What the kernel was told last is fence_end or earlier.
 *   - Only claim() opens a fence; extend() and shorten() change the end of an open one; yield() closes it.
 *   - A message that says less than "I ask" is written only after the CLOSE that made it true.
 *   - not_before and promised only grow; every hold on the wire is covered by them.
 */
#include "heartbeat/core.h"

#include "heartbeat/act.h"
#include "heartbeat/plant.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define STRANGER_BUDGET_WAITS 20
#define SPLIT_INTERVALS       2 /* the winner of a split keeps its fence so long without a grant */
#define BURST_MIN             MS(2)
#define HOLD_DOWN_MAX         SECONDS(60)
#define HOLD_DOWN_FORGET      SECONDS(10) /* a claim that lasted so long was a good one */
#define PREPARE_WAIT          SECONDS(3)  /* for both nodes to be prepared; then the VIP is given plainly */

/* D - m - I - s, with the D that the peer waits when that is shorter, so that silence is believed before its grant ends. */
static nanos silence_threshold(const struct heart *h)
{
	struct lease_terms t = h->terms;

	if (h->peer.dead != 0 && h->peer.dead < t.dead) {
		t.dead = h->peer.dead;
		t.margin = lease_margin(t.dead);
	}
	return later(lease_silence(&t), t.interval);
}

static bool silent(const struct heart *h, nanos now)
{
	if (heart_nobody_there(h))
		return true;
	/* The peer was heard to hold and does not let go: it may be deaf, and then this node is the one that must. */
	return !h->split && detect_quiet(&h->detect, now) >= silence_threshold(h);
}

/* The instant from which a claim on silence is right, if it stays silent. */
static nanos silence_claim_at(const struct heart *h)
{
	nanos at = later(h->promised, h->retry_after);

	if (heart_nobody_there(h))
		return at;
	at = later(at, later(h->not_before, h->detect.quiet_since + heart_wait(h)));
	return h->state == NODE_STARTING ? later(at, h->start_end) : at;
}

static void ask(struct heart *h, nanos now, struct heart_actions *out)
{
	h->asks = true;
	h->ask_from = h->sequence + 1;
	act_beat(h, now, out);
}

/* What was granted to it meanwhile is void: a later asking begins with a later sequence. */
static void stop_asking(struct heart *h)
{
	h->asks = false;
	h->dirty = true;
}

static void claim(struct heart *h, enum election_event event, const char *why, nanos until, nanos now,
		  struct heart_actions *out)
{
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

static bool may_claim_on_silence(const struct heart *h, nanos now)
{
	return heart_can_serve(h) && !heart_peer_alive(h, now) && now >= silence_claim_at(h);
}

static void yield(struct heart *h, enum election_event event, enum node_state next, const char *why,
		  nanos now, struct heart_actions *out)
{
	bool alive = heart_peer_alive(h, now);
	bool comes_back = event == ELECTION_LAPSED && may_claim_on_silence(h, now);

	h->fence_end = h->granted = 0;
	h->on_silence = h->split = h->claimed_by_order = h->handover.handing = false;
	stop_asking(h);
	if (next == NODE_DRAINING) {
		h->handover.until = now + h->settings.drain_timeout;
		if (!PLANTED(PLANT_RELEASE_UNCLOSED))
			act_push(out, HEART_DRAIN);
	} else if (!PLANTED(PLANT_RELEASE_UNCLOSED)) {
		act_push(out, HEART_CLOSE);
	}
	/* A stall with nobody else there: the claim that follows at once keeps the connections. */
	if (!comes_back) {
		if (!PLANTED(PLANT_RELEASE_UNCLOSED) && next != NODE_DRAINING)
			act_push(out, HEART_RELEASE);
		h->retry_after = now + h->terms.dead;
	}
	if (alive && event != ELECTION_SPLIT_LOST) {
		h->release_until = now + 2 * h->terms.dead;
		h->release_by_order =
			(event == ELECTION_SWITCHOVER ||
			 (event == ELECTION_PREPARED && h->handover.event == ELECTION_SWITCHOVER)) &&
			!h->handover.stops;
	}
	act_transition(h, event, next, why, now, out);
	act_beat(h, now, out);
}

/* The one place where the table is obeyed. `until`: the end of the lease for a cell that claims; `why` NULL is the cell's. */
static enum election_act apply(struct heart *h, enum election_event event, nanos until, const char *why,
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
		stop_asking(h);
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

static bool may_drain(const struct heart *h, nanos now)
{
	return h->settings.can_drain && h->settings.drain_timeout > 0 && heart_can_serve(h) &&
	       heart_peer_alive(h, now) && (h->peer.handover & WIRE_CAN_DRAIN);
}

static const char *why_plain(const struct heart *h)
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

static void begin_handover(struct heart *h, enum election_event event, nanos now, struct heart_actions *out)
{
	h->handover.handing = true;
	h->handover.event = event;
	h->handover.by = now + PREPARE_WAIT;
	h->handover.plain = NULL;
	ask_to_prepare(h, true, now, out);
}

static void give(struct heart *h, const char *plain, nanos now, struct heart_actions *out)
{
	const char *why = NULL;

	h->handover.handing = false;
	h->handover.plain = plain;
	h->switch_by = now + 2 * h->terms.dead;
	if (h->handover.stops)
		why = "the daemon stops";
	else if (!plain && h->handover.event == ELECTION_SWITCHOVER)
		why = "switchover by the operator; connections are served to their end";
	apply(h, plain ? h->handover.event : ELECTION_PREPARED, 0, why, now, out);
}

/* As the holder: the peer is alive and does not hold. */
static void go_on_handing(struct heart *h, nanos now, struct heart_actions *out)
{
	struct heart_handover *o = &h->handover;

	if (o->ready && (h->peer.handover & WIRE_PREPARED))
		give(h, NULL, now, out);
	else if (o->failed)
		give(h, "this node could not prepare", now, out);
	else if (h->peer.handover & WIRE_CANNOT)
		give(h, "the peer could not prepare", now, out);
	else if (now >= o->by)
		give(h, "the preparation took too long", now, out);
}

static void begin_stop(struct heart *h, nanos now, struct heart_actions *out);

/* What follows from the peer's state and from time, and whether anything that is in force still should be. */
static void settle_handover(struct heart *h, nanos now, struct heart_actions *out)
{
	struct heart_handover *o = &h->handover;
	bool alive = heart_peer_alive(h, now), gives = alive && (h->peer.handover & WIRE_PREPARE);
	bool drains = alive && h->peer.state == NODE_DRAINING;

	if (h->state == NODE_DRAINING && now >= o->until)
		apply(h, ELECTION_DRAINED, 0, "drain_timeout is over", now, out);
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
		begin_stop(h, now, out);
}

void heart_prepared(struct heart *h, bool ok, nanos now, struct heart_actions *out)
{
	struct heart_handover *o = &h->handover;

	if (!o->in_force || (!o->handing && !o->taking))
		return;
	o->ready = ok;
	o->failed = !ok;
	if (h->state == NODE_ACTIVE && o->handing && heart_peer_alive(h, now) && !heart_peer_holds(h))
		go_on_handing(h, now, out);
	else
		act_beat(h, now, out);
}

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
	apply(h, ELECTION_LAPSED, 0, why, now, out);
}

/*
 * The peer was heard: what it granted counts from now on, and the lease from silence ends with the silence. Before it does, the
 * peer gets a moment to answer, so that a peer that only slept does not cost the VIP: half of the time for which it said
 * that it claims nothing, at most an interval. Here it is assumed that the message took less than s, or than that half.
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

static nanos grace_of(const struct heart *h, const struct wire_message *m, nanos longest, nanos at)
{
	if (m->state == NODE_ACTIVE)
		return at + SPLIT_INTERVALS * h->terms.interval;
	if (m->hold == WIRE_FOREVER)
		return at + longest;
	return at + later(sooner(longest, sooner(m->hold / 2, m->hold - h->terms.slack)), 0);
}

/* Deciding */

static bool outranked(const struct heart *h, nanos now)
{
	return h->settings.preempt && !h->claimed_by_order && h->fit_since != 0 &&
	       now - h->fit_since >= h->settings.start_wait && h->peer.fitness == h->fitness &&
	       h->peer.priority > h->settings.priority;
}

static void consider_as_holder(struct heart *h, nanos now, struct heart_actions *out)
{
	struct election_standing me = heart_mine(h), other = heart_theirs(h);

	if (!heart_peer_alive(h, now))
		return;
	if (heart_peer_holds(h)) {
		if (!election_keeps(&me, &other)) {
			apply(h, ELECTION_SPLIT_LOST, 0, NULL, now, out);
			return;
		}
		if (!h->split) {
			h->split = true;
			shorten(h, now + SPLIT_INTERVALS * h->terms.interval, NULL, now, out);
			act_beat(h, now, out);
		}
		apply(h, ELECTION_SPLIT_WON, 0, NULL, now, out);
		return;
	}
	if (h->peer.flags & WIRE_ASKS)
		return;
	if (h->split) {
		h->split = false;
		apply(h, ELECTION_SPLIT_ENDED, 0, NULL, now, out);
	}
	if (election_fitter(&other, &me))
		apply(h, ELECTION_PEER_FITTER, 0, NULL, now, out);
	else if (h->handover.handing)
		go_on_handing(h, now, out);
	else if (election_can_serve(&other) && outranked(h, now) && may_drain(h, now))
		begin_handover(h, ELECTION_OUTRANKED, now, out);
	else if (election_can_serve(&other) && outranked(h, now))
		apply(h, ELECTION_OUTRANKED, 0, NULL, now, out);
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
			stop_asking(h);
		return;
	}
	if (worth_it && answers_my_ask(h))
		apply(h, ELECTION_GRANTED, h->offer, NULL, now, out);
	else if (worth_it && (h->peer.flags & WIRE_RELEASED) && now >= h->promised)
		apply(h, ELECTION_RELEASED, h->offer, NULL, now, out);
	else if (!h->asks && now >= h->retry_after && goes_first(h, now))
		apply(h, ELECTION_FIRST, 0, NULL, now, out);
	if (PLANTED(PLANT_CLAIM_UNGRANTED) && h->asks && h->state != NODE_ACTIVE)
		apply(h, ELECTION_GRANTED, now + h->terms.dead - h->terms.margin, NULL, now, out);
}

static void consider_as_waiter(struct heart *h, nanos now, struct heart_actions *out)
{
	bool alive = heart_peer_alive(h, now);

	if (alive && heart_peer_holds(h)) {
		stop_asking(h);
		h->release_until = 0;
		if (h->state != NODE_STARTING || h->usable) /* else end_start() says what it becomes */
			apply(h, ELECTION_PEER_HOLDS, 0, NULL, now, out);
		return;
	}
	if (!heart_can_serve(h)) {
		stop_asking(h);
		return;
	}
	if (alive)
		consider_with_peer(h, now, out);
	else if (may_claim_on_silence(h, now))
		apply(h, ELECTION_SILENCE, now + h->terms.dead,
		      h->settings.has_peer ? NULL : "there is no other node", now, out);
}

static void end_switchover(struct heart *h, nanos now, struct heart_actions *out)
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

static void end_stop(struct heart *h, nanos now, struct heart_actions *out)
{
	bool heard = h->peer.echo_boot == h->boot && h->peer.echo_sequence >= h->bye_from;

	if (!h->stopping || h->stopped)
		return;
	if (heard || now >= h->stop_by || !heart_peer_alive(h, now)) {
		h->stopped = true;
		act_push(out, HEART_STOPPED);
	}
}

static void consider(struct heart *h, nanos now, struct heart_actions *out)
{
	if (h->state == NODE_ACTIVE)
		consider_as_holder(h, now, out);
	if (h->state != NODE_ACTIVE && !h->stopping)
		consider_as_waiter(h, now, out);
	settle_handover(h, now, out);
	end_switchover(h, now, out);
	end_stop(h, now, out);
}

/* Receiving */

/* Strangers tell it too: an epoch that is skipped does no harm, one that is used twice might. */
static void learn_epoch(struct heart *h, uint64_t epoch, struct heart_actions *out)
{
	if (epoch <= h->epoch_seen)
		return;
	h->epoch_seen = epoch;
	if (epoch > h->epoch)
		act_push(out, HEART_EPOCH)->epoch = epoch;
}

static void note_peer(struct heart *h, const struct wire_message *m, enum detect_verdict verdict, nanos at,
		      struct heart_actions *out)
{
	struct election_standing other;
	enum node_state from = h->peer.state;
	bool first = verdict == DETECT_NEW_BOOT;

	h->peer = *m;
	learn_epoch(h, m->epoch, out);
	if (first || h->peer_lost)
		act_note(h, HEART_PEER_SEEN,
			 first ? "a new life of the peer is heard" : "the peer is heard again", out);
	h->peer_lost = false;
	if (!first && m->state != from) {
		act_note(h, HEART_PEER_STATE, "the peer says so", out);
		out->list[out->n - 1].from = from;
		out->list[out->n - 1].to = m->state;
	}
	act_compare_configuration(h, out);
	if (m->flags & WIRE_GOODBYE)
		h->detect.gone = true;
	other = heart_theirs(h);
	if (!election_can_serve(&other))
		h->fit_since = 0;
	else if (h->fit_since == 0)
		h->fit_since = at;
}

/* What the newest message grants, as an instant; 0: nothing. Never more than the own D gives, whatever the peer holds. */
static nanos offer_of(struct heart *h, const struct wire_message *m, nanos at)
{
	const struct lease_sending *echoed;
	nanos end;

	if (m->echo_boot != h->boot)
		return 0;
	echoed = lease_sent_find(&h->sent, m->echo_sequence);
	if (!echoed)
		return 0;
	if (echoed->sequence > h->sent.echoed.sequence)
		h->sent.echoed = *echoed;
	if (m->flags & WIRE_ASKS)
		return 0;
	if (PLANTED(PLANT_LEASE_FROM_RENEWAL))
		return at + h->terms.dead;
	end = lease_grant(echoed->at, m->echo_ago, m->hold, m->dead);
	/* It was not sent after it came, even if this machine's clock stood still since the echoed one was sent. */
	if (m->hold != WIRE_FOREVER)
		end = sooner(end, at + m->hold - lease_margin(m->dead));
	return sooner(end, at + h->terms.dead - h->terms.margin) - h->settings.linger;
}

/*
 * An echo names the newest that was heard on any link, which is mostly what was sent on the last one. What went out on another link
 * than it came back on took half of either's round trip, as far as links are as fast in both directions.
 */
static void measure(struct heart *h, unsigned link, const struct wire_message *m, nanos at)
{
	const struct lease_sending *echoed;
	nanos trip, other;

	if (m->echo_boot != h->boot)
		return;
	echoed = lease_sent_find(&h->sent, m->echo_sequence);
	if (!echoed || echoed->link >= h->settings.n_links)
		return;
	trip = at - echoed->at - m->echo_ago;
	if (echoed->link == link) {
		detect_round_trip(&h->detect, link, trip);
		return;
	}
	other = h->detect.links[echoed->link].rtt;
	if (other != 0 && 2 * trip > other)
		detect_round_trip(&h->detect, link, 2 * trip - other);
}

static void hear(struct heart *h, unsigned link, const struct wire_message *m, enum detect_verdict verdict,
		 nanos at, struct heart_actions *out)
{
	h->not_before = later(h->not_before, at + lease_wait(h->terms.dead, m->dead, m->linger));
	h->dirty = true;
	measure(h, link, m, at);
	if (!h->detect.links[link].up) {
		h->detect.links[link].up = true;
		act_note(h, HEART_LINK_UP, "a heartbeat came", out);
		out->list[out->n - 1].link = link;
	}
	if (verdict != DETECT_OLD || h->grace == 0)
		h->grace = grace_of(h, m, h->terms.interval, at);
	if (verdict == DETECT_OLD)
		return;
	note_peer(h, m, verdict, at, out);
	h->offer = offer_of(h, m, at);
	if (h->state == NODE_ACTIVE)
		h->granted = later(h->granted, h->offer);
	/* Its promises ended before it claimed, whatever this clock thinks of them. */
	if (heart_peer_holds(h))
		h->granted = 0;
}

/* A life of the peer that does not hear this node, and may claim when its hold ends. How old the message is cannot be known. */
static void hear_stranger(struct heart *h, const struct wire_message *m, nanos at, struct heart_actions *out)
{
	h->not_before = later(h->not_before, at + lease_wait(h->terms.dead, m->dead, m->linger));
	h->dirty = true;
	learn_epoch(h, m->epoch, out);
	/* Two that just started are strangers for a moment; that is no news. */
	if (h->stranger != m->boot) {
		h->stranger = m->boot;
		h->stranger_since = at;
		h->stranger_told = false;
	} else if (!h->stranger_told && at - h->stranger_since >= h->terms.dead) {
		h->stranger_told = true;
		act_note(h, HEART_PEER_STRANGER, "a life of the peer that has not heard this node", out);
	}
	h->grace = grace_of(h, m, h->terms.dead - h->terms.margin, at);
	if (m->state == NODE_ACTIVE && h->state == NODE_ACTIVE) {
		h->split = true;
		h->granted = 0;
	}
}

int heart_receive(struct heart *h, unsigned link, const struct wire_message *m, nanos at,
		  struct heart_actions *out)
{
	nanos budget = later(h->settings.start_wait, STRANGER_BUDGET_WAITS * h->terms.dead);
	enum detect_verdict verdict;

	if (!h->settings.has_peer || m->node != h->settings.peer)
		return REJECT_NODE;
	if (link >= h->settings.n_links || m->link != link)
		return REJECT_LINK;
	verdict = detect_message(&h->detect, m, link, h->boot, &h->sent, h->terms.dead, budget, at);
	switch (verdict) {
	case DETECT_BOOT:
		return REJECT_BOOT;
	case DETECT_REPLAY:
		return REJECT_REPLAY;
	case DETECT_STRANGER:
		hear_stranger(h, m, at, out);
		break;
	case DETECT_NEWEST:
	case DETECT_OLD:
	case DETECT_NEW_BOOT:
		hear(h, link, m, verdict, at, out);
		break;
	}
	if (!(m->flags & WIRE_REPLY))
		h->reply_due |= 1u << link;
	return REJECT_NONE;
}

/* Time */

static void watch_links(struct heart *h, nanos now, struct heart_actions *out)
{
	nanos wait = heart_wait(h);

	for (unsigned i = 0; i < h->settings.n_links; i++) {
		struct detect_link *l = &h->detect.links[i];

		if (l->up && now - l->heard >= wait) {
			l->up = l->heard_there = false;
			l->rtt = l->jitter = 0;
			if (h->detect.gone) /* it said that it would */
				continue;
			act_note(h, HEART_LINK_DOWN, "no heartbeat came for dead_after intervals", out);
			out->list[out->n - 1].link = i;
		}
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
	if (now >= h->fence_end && !PLANTED(PLANT_LAPSED_RENEWED)) {
		h->lapses++;
		apply(h, ELECTION_LAPSED, 0, NULL, now, out);
		return;
	}
	hear_as_holder(h, now, out);
	if (h->state == NODE_ACTIVE && silent(h, now)) {
		h->on_silence = true;
		extend(h, now + h->terms.dead, now, out);
	}
}

static bool short_of_lease(const struct heart *h, nanos now)
{
	return h->state == NODE_ACTIVE && h->settings.has_peer && !h->on_silence &&
	       h->fence_end - now < h->terms.interval;
}

static nanos burst_gap(const struct heart *h)
{
	return later(h->terms.interval / 4, BURST_MIN);
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
	h->next_burst = now + burst_gap(h);
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
			due = sooner(due, later(h->next_burst, h->fence_end - h->terms.interval + 1));
			if (!h->split)
				due = sooner(due,
					     later(h->detect.quiet_since + silence_threshold(h), now + 1));
		}
	} else if (heart_can_serve(h) && h->state != NODE_FAULT) {
		due = sooner(due, later(silence_claim_at(h), now + 1));
	}
	if (h->handover.handing)
		due = sooner(due, h->handover.by);
	if (h->state == NODE_DRAINING)
		due = sooner(due, h->handover.until);
	if (h->stopping)
		due = sooner(due, sooner(h->stop_by, h->next_burst));
	if (h->refused_until)
		due = sooner(due, h->refused_until);
	return later(due, now);
}

/* A starting node waits: for a carrier that is not there yet, and for a peer that it may claim beside. */
static void end_start(struct heart *h, nanos now, struct heart_actions *out)
{
	if (h->state != NODE_STARTING || h->asks || now < h->start_end)
		return;
	if (h->usable)
		apply(h, ELECTION_WAITED, 0, NULL, now, out);
	else
		apply(h, ELECTION_BROKEN, 0, h->unusable_why, now, out);
}

static void end_hold_down(struct heart *h, nanos now, struct heart_actions *out)
{
	if (h->refused_until == 0 || now < h->refused_until)
		return;
	h->refused_until = 0;
	h->dirty = true;
	if (h->usable)
		apply(h, ELECTION_MENDED, 0, "what the kernel refused is tried again", now, out);
}

void heart_turn(struct heart *h, nanos now, struct heart_actions *out)
{
	nanos late = later(now - h->due, 0);
	unsigned before = out->n;

	h->late_last = late;
	h->late_max = later(h->late_max, late);
	if (late > h->terms.slack)
		detect_unwatched(&h->detect, late, now);
	watch_links(h, now, out);
	if (h->state == NODE_ACTIVE)
		keep_lease(h, now, out);
	h->grace = 0;
	end_hold_down(h, now, out);
	consider(h, now, out);
	end_start(h, now, out);
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

/* The own node */

void heart_fence_done(struct heart *h, nanos computed, nanos done, struct heart_actions *out)
{
	if (h->state == NODE_ACTIVE && done - computed > h->terms.margin / 2)
		apply(h, ELECTION_OVERRUN, 0, "a renewal of the fence took longer than the margin allows",
		      done, out);
}

void heart_fence_failed(struct heart *h, nanos now, const char *text, struct heart_actions *out)
{
	if (h->state == NODE_ACTIVE)
		apply(h, ELECTION_OVERRUN, 0, text, now, out);
}

void heart_fence_refused(struct heart *h, nanos now, const char *text, struct heart_actions *out)
{
	if (h->state != NODE_ACTIVE)
		return;
	if (h->hold_down == 0 || now - h->since >= later(h->hold_down, HOLD_DOWN_FORGET))
		h->hold_down = h->terms.dead;
	else
		h->hold_down = sooner(2 * h->hold_down, HOLD_DOWN_MAX);
	h->refused_until = now + h->hold_down;
	apply(h, ELECTION_BROKEN, 0, text, now, out);
}

void heart_fitness(struct heart *h, enum fitness_class fitness, nanos now, struct heart_actions *out)
{
	unsigned before = out->n;

	if (fitness == h->fitness)
		return;
	h->fitness = (uint8_t)fitness;
	h->dirty = true;
	consider(h, now, out);
	if (out->n == before && !h->stopped) /* the peer is to know at once */
		act_beat(h, now, out);
	if (h->state == NODE_ACTIVE && !heart_can_serve(h))
		act_note(h, HEART_STAYS, "this node is unfit, but no fitter one is heard", out);
}

void heart_usable(struct heart *h, bool usable, const char *text, nanos now, struct heart_actions *out)
{
	if (usable == h->usable)
		return;
	h->usable = usable;
	h->unusable_why = usable ? NULL : text;
	h->dirty = true;
	if (!usable && (h->state != NODE_STARTING || now >= h->start_end))
		apply(h, ELECTION_BROKEN, 0, text, now, out);
	else if (usable && h->refused_until == 0)
		apply(h, ELECTION_MENDED, 0, NULL, now, out);
	consider(h, now, out);
}

void heart_connections(struct heart *h, uint32_t live)
{
	/* Both sides of a split must compare the same numbers. */
	if (!h->split)
		h->connections = live;
}

void heart_drained(struct heart *h, nanos now, struct heart_actions *out)
{
	apply(h, ELECTION_DRAINED, 0, NULL, now, out);
	consider(h, now, out);
}

int heart_switchover(struct heart *h, nanos now, const char **ret_text, struct heart_actions *out)
{
	struct election_standing other = heart_theirs(h);
	const struct election_cell *cell = election_cell(h->state, ELECTION_SWITCHOVER);

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
	if (may_drain(h, now))
		begin_handover(h, ELECTION_SWITCHOVER, now, out);
	else
		give(h, why_plain(h), now, out);
	return 0;
}

static void begin_stop(struct heart *h, nanos now, struct heart_actions *out)
{
	h->stopping = true;
	h->handover.handing = h->handover.taking = false;
	h->bye_from = h->sequence + 1;
	h->stop_by = now + 2 * h->terms.interval;
	h->next_burst = now + burst_gap(h);
	if (h->state != NODE_ACTIVE)
		stop_asking(h);
	if (apply(h, ELECTION_STOP, 0, NULL, now, out) == ELECTION_IGNORE)
		act_beat(h, now, out);
	settle_handover(h, now, out);
	end_switchover(h, now, out);
	end_stop(h, now, out);
}

void heart_stop(struct heart *h, nanos now, struct heart_actions *out)
{
	struct election_standing other = heart_theirs(h);
	bool first = !h->handover.stops;

	if (h->stopping)
		return;
	h->handover.stops = true;
	if (first && (h->handover.handing || h->state == NODE_DRAINING))
		return;
	if (first && h->state == NODE_ACTIVE && may_drain(h, now) && !heart_peer_holds(h) &&
	    election_can_serve(&other))
		begin_handover(h, ELECTION_SWITCHOVER, now, out);
	else
		begin_stop(h, now, out);
}
