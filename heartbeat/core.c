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

#include "heartbeat/plant.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define STRANGER_BUDGET_WAITS 20
#define SPLIT_INTERVALS       2 /* the winner of a split keeps its fence so long without a grant */
#define BURST_MIN             MS(2)

static nanos later(nanos a, nanos b)
{
	return a > b ? a : b;
}

static nanos sooner(nanos a, nanos b)
{
	return a < b ? a : b;
}

/* What is known of the two nodes */

static struct election_standing mine(const struct heart *h)
{
	return (struct election_standing){
		.usable = h->usable && !h->stopping,
		.fitness = h->fitness,
		.priority = h->settings.priority,
		.node = h->settings.node,
		.connections = h->connections,
		.epoch = h->epoch,
	};
}

static struct election_standing theirs(const struct heart *h)
{
	return (struct election_standing){
		.usable = h->peer.state != NODE_FAULT && !(h->peer.flags & WIRE_GOODBYE),
		.fitness = h->peer.fitness,
		.priority = h->peer.priority,
		.node = h->peer.node,
		.connections = h->peer.connections,
		.epoch = h->peer.epoch,
	};
}

static bool can_serve(const struct heart *h)
{
	struct election_standing me = mine(h);

	return election_can_serve(&me);
}

/* How long this node waits after the peer's last heartbeat. */
static nanos wait_for_peer(const struct heart *h)
{
	return lease_wait(h->terms.dead, h->peer.dead, h->peer.linger);
}

bool heart_peer_alive(const struct heart *h, nanos now)
{
	return h->settings.has_peer && h->detect.boot != 0 && !h->detect.gone &&
	       now - h->detect.heard < wait_for_peer(h);
}

static bool peer_holds(const struct heart *h)
{
	return (h->peer.flags & WIRE_ASKS) && h->peer.state == NODE_ACTIVE;
}

/* Nobody can be there: no peer in the configuration, or it left and nobody came since. */
static bool nobody_there(const struct heart *h)
{
	return !h->settings.has_peer || (h->detect.gone && h->detect.any_heard <= h->detect.heard);
}

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
	if (nobody_there(h))
		return true;
	/* The peer was heard to hold and does not let go: it may be deaf, and then this node is the one that must. */
	return !h->split && detect_quiet(&h->detect, now) >= silence_threshold(h);
}

/* The instant from which a claim on silence is right, if it stays silent. */
static nanos silence_claim_at(const struct heart *h)
{
	nanos at = later(h->promised, h->retry_after);

	if (nobody_there(h))
		return at;
	at = later(at, later(h->not_before, h->detect.quiet_since + wait_for_peer(h)));
	return h->state == NODE_STARTING ? later(at, h->start_end) : at;
}

/* Actions */

static struct heart_action *push(struct heart_actions *out, enum heart_action_kind kind)
{
	struct heart_action *a = &out->list[out->n];

	assert(out->n < HEART_ACTIONS_MAX);
	out->n++;
	memset(a, 0, offsetof(struct heart_action, message));
	a->kind = kind;
	return a;
}

static void note(struct heart *h, enum heart_subject subject, const char *text, struct heart_actions *out)
{
	struct heart_action *a = push(out, HEART_NOTE);

	a->subject = subject;
	a->text = text;
	a->epoch = h->epoch;
	h->dirty = true;
}

static uint16_t flags_now(const struct heart *h, nanos now)
{
	uint16_t flags = 0;

	if (h->asks)
		flags |= WIRE_ASKS;
	else if (now < h->release_until)
		flags |= WIRE_RELEASED | (h->release_by_order ? WIRE_SWITCHOVER : 0);
	if (h->stopping)
		flags |= WIRE_GOODBYE;
	return flags;
}

/* How long this node claims nothing from now on. Saying it binds: the bounds are raised here, before the message leaves. */
static nanos hold_from(struct heart *h, uint16_t flags, nanos now)
{
	if (flags & WIRE_ASKS)
		return 0;
	if (flags & WIRE_GOODBYE)
		return WIRE_FOREVER;
	if (flags & WIRE_RELEASED)
		h->promised = later(h->promised, now + h->terms.dead);
	if (!can_serve(h))
		h->not_before = later(h->not_before, now + h->terms.dead);
	/* Where nobody watched for a while, the wait for silence has begun anew. */
	h->not_before = later(h->not_before, h->detect.quiet_since + wait_for_peer(h));
	return later(later(h->not_before, h->promised) - now, 0);
}

static void send_on(struct heart *h, unsigned link, uint16_t flags, nanos now, struct heart_actions *out)
{
	struct heart_action *a = push(out, HEART_SEND);
	struct wire_message *m = &a->message;
	nanos echo_at = now;

	a->link = link;
	memset(m, 0, sizeof(*m));
	flags |= flags_now(h, now);
	m->version = WIRE_VERSION;
	m->link = (uint8_t)link;
	m->flags = flags;
	m->state = h->state;
	m->fitness = h->fitness;
	for (size_t i = 0; i < h->settings.n_links; i++)
		m->heard_links |= (uint8_t)(h->detect.links[i].up << i);
	m->node = h->settings.node;
	m->boot = h->boot;
	m->sequence = ++h->sequence;
	if (detect_echo(&h->detect, &m->echo_boot, &m->echo_sequence, &echo_at))
		m->echo_ago = now - echo_at;
	m->hold = hold_from(h, flags, now);
	m->epoch = h->epoch;
	m->dead = h->terms.dead;
	m->linger = h->settings.linger;
	m->interval = h->terms.interval;
	m->sent_on_link = ++h->sent_on_link[link];
	m->connections = h->connections;
	m->priority = h->settings.priority;
	m->digest = h->settings.digest;
	h->detect.links[link].sent++;
	lease_sent_note(&h->sent, m->sequence, link, now);
	h->dirty = true;
}

static void beat(struct heart *h, nanos now, struct heart_actions *out)
{
	if (!h->settings.has_peer)
		return;
	for (unsigned i = 0; i < h->settings.n_links; i++)
		send_on(h, i, 0, now, out);
}

static void fence(struct heart *h, enum heart_action_kind kind, nanos until, nanos now,
		  struct heart_actions *out)
{
	struct heart_action *a = push(out, kind);

	a->until = until;
	a->computed = now;
	a->epoch = h->epoch;
	h->fence_end = until;
	h->renewals++;
	h->dirty = true;
}

/* Transitions */

static void transition(struct heart *h, enum election_event event, enum node_state next, const char *why,
		       nanos now, struct heart_actions *out)
{
	struct heart_action *a;

	h->reason = why;
	h->dirty = true;
	if (next == h->state)
		return;
	a = push(out, HEART_TRANSITION);
	a->from = h->state;
	a->to = next;
	a->event = event;
	a->text = why;
	a->epoch = h->epoch;
	h->state = next;
	h->since = now;
}

static void raise_epoch(struct heart *h)
{
	if (!PLANTED(PLANT_EPOCH_KEPT))
		h->epoch = (h->epoch > h->epoch_seen ? h->epoch : h->epoch_seen) + 1;
}

static void ask(struct heart *h, nanos now, struct heart_actions *out)
{
	h->asks = true;
	h->ask_from = h->sequence + 1;
	beat(h, now, out);
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
	h->release_until = 0;
	raise_epoch(h);
	fence(h, HEART_CLAIM, until, now, out);
	transition(h, event, NODE_ACTIVE, why, now, out);
	beat(h, now, out);
	push(out, HEART_EPOCH)->epoch = h->epoch;
}

static bool may_claim_on_silence(const struct heart *h, nanos now)
{
	return can_serve(h) && !heart_peer_alive(h, now) && now >= silence_claim_at(h);
}

static void yield(struct heart *h, enum election_event event, enum node_state next, const char *why,
		  nanos now, struct heart_actions *out)
{
	bool alive = heart_peer_alive(h, now);
	bool comes_back = event == ELECTION_LAPSED && may_claim_on_silence(h, now);

	h->fence_end = h->granted = 0;
	h->on_silence = h->split = h->claimed_by_order = false;
	stop_asking(h);
	if (!PLANTED(PLANT_RELEASE_UNCLOSED))
		push(out, HEART_CLOSE);
	/* A stall with nobody else there: the claim that follows at once keeps the connections. */
	if (!comes_back) {
		if (!PLANTED(PLANT_RELEASE_UNCLOSED))
			push(out, HEART_RELEASE);
		h->retry_after = now + h->terms.dead;
	}
	if (alive && event != ELECTION_SPLIT_LOST) {
		h->release_until = now + 2 * h->terms.dead;
		h->release_by_order = event == ELECTION_SWITCHOVER;
	}
	transition(h, event, next, why, now, out);
	beat(h, now, out);
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
		transition(h, event, cell->next, why, now, out);
		beat(h, now, out);
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
		raise_epoch(h);
		push(out, HEART_ANNOUNCE)->epoch = h->epoch;
		push(out, HEART_EPOCH)->epoch = h->epoch;
		h->reason = why;
		break;
	}
	return cell->act;
}

/* The lease of a holder */

static void extend(struct heart *h, nanos until, nanos now, struct heart_actions *out)
{
	enum heart_action_kind kind = HEART_FENCE;

	if (until - h->fence_end < h->terms.interval / 4)
		return;
	if (PLANTED(PLANT_LAPSED_RENEWED) && now >= h->fence_end)
		kind = HEART_CLAIM;
	fence(h, kind, until, now, out);
}

static void shorten(struct heart *h, nanos until, const char *why, nanos now, struct heart_actions *out)
{
	if (until >= h->fence_end)
		return;
	if (until > now) {
		fence(h, HEART_FENCE, until, now, out);
		return;
	}
	h->lapses++;
	apply(h, ELECTION_LAPSED, 0, why, now, out);
}

/*
 * The peer was heard: what it granted counts from now on, and the lease from silence ends with the silence. Before it does, the
 * peer gets a moment to answer, so that a peer that only slept does not cost the VIP: half of the time for which it said
 * that it claims nothing, at most an interval. That the message was under way for less than that half is assumed here.
 */
static void hear_as_holder(struct heart *h, nanos now, struct heart_actions *out)
{
	nanos until = later(h->granted, h->grace);

	if (nobody_there(h))
		return;
	if (h->on_silence && h->grace != 0 && !PLANTED(PLANT_SILENCE_KEPT)) {
		h->on_silence = false;
		shorten(h, until, "the peer is heard again and may claim: it has not heard this node", now,
			out);
	}
	if (h->state == NODE_ACTIVE && h->granted > h->fence_end)
		extend(h, h->granted, now, out);
}

static nanos grace_of(const struct heart *h, const struct wire_message *m, nanos longest, nanos at)
{
	if (m->flags & WIRE_ASKS)
		return at + SPLIT_INTERVALS * h->terms.interval;
	return at + (m->hold == WIRE_FOREVER ? longest : sooner(m->hold / 2, longest));
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
	struct election_standing me = mine(h), other = theirs(h);

	if (!heart_peer_alive(h, now))
		return;
	if (peer_holds(h)) {
		if (!election_keeps(&me, &other)) {
			apply(h, ELECTION_SPLIT_LOST, 0, NULL, now, out);
			return;
		}
		if (!h->split) {
			h->split = true;
			shorten(h, now + SPLIT_INTERVALS * h->terms.interval, NULL, now, out);
			beat(h, now, out);
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
	else if (election_can_serve(&other) && outranked(h, now))
		apply(h, ELECTION_OUTRANKED, 0, NULL, now, out);
}

static bool goes_first(const struct heart *h, nanos now)
{
	struct election_standing me = mine(h), other = theirs(h);

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
	struct election_standing me = mine(h), other = theirs(h);
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

	if (alive && peer_holds(h)) {
		stop_asking(h);
		h->release_until = 0;
		apply(h, ELECTION_PEER_HOLDS, 0, NULL, now, out);
		return;
	}
	if (!can_serve(h)) {
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

	if (!h->switching)
		return;
	if (heart_peer_alive(h, now) && peer_holds(h)) {
		a = push(out, HEART_SWITCHED);
		a->text = "the peer holds the VIP";
	} else if (h->state == NODE_ACTIVE) {
		a = push(out, HEART_SWITCHED);
		a->error = -ECANCELED;
		a->text = "the peer did not take the VIP; this node holds it again";
	} else if (now >= h->switch_by || h->stopping) {
		a = push(out, HEART_SWITCHED);
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
		push(out, HEART_STOPPED);
	}
}

static void consider(struct heart *h, nanos now, struct heart_actions *out)
{
	if (h->state == NODE_ACTIVE)
		consider_as_holder(h, now, out);
	if (h->state != NODE_ACTIVE && !h->stopping)
		consider_as_waiter(h, now, out);
	end_switchover(h, now, out);
	end_stop(h, now, out);
}

/* Receiving */

static void compare_configuration(struct heart *h, struct heart_actions *out)
{
	bool differs = h->peer.digest != h->settings.digest;

	if (h->config_told && differs == h->config_differs)
		return;
	if (differs)
		note(h, HEART_CONFIG_DIFFERS, "the peer runs another configuration", out);
	else if (h->config_told)
		note(h, HEART_CONFIG_MATCHES, "the peer runs the same configuration", out);
	h->config_told = true;
	h->config_differs = differs;
}

/* Strangers tell it too: an epoch that is skipped does no harm, one that is used twice might. */
static void learn_epoch(struct heart *h, uint64_t epoch, struct heart_actions *out)
{
	if (epoch <= h->epoch_seen)
		return;
	h->epoch_seen = epoch;
	if (epoch > h->epoch)
		push(out, HEART_EPOCH)->epoch = epoch;
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
		note(h, HEART_PEER_SEEN,
		     first ? "a new life of the peer is heard" : "the peer is heard again", out);
	h->peer_lost = false;
	if (!first && m->state != from) {
		note(h, HEART_PEER_STATE, "the peer says so", out);
		out->list[out->n - 1].from = from;
		out->list[out->n - 1].to = m->state;
	}
	compare_configuration(h, out);
	if (m->flags & WIRE_GOODBYE)
		h->detect.gone = true;
	other = theirs(h);
	if (!election_can_serve(&other))
		h->fit_since = 0;
	else if (h->fit_since == 0)
		h->fit_since = at;
}

/* What the newest message grants, as an instant; 0: nothing. Never more than a passive's wait would give now. */
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
	return sooner(end, at + m->dead - lease_margin(m->dead)) - h->settings.linger;
}

static void measure(struct heart *h, unsigned link, const struct wire_message *m, nanos at)
{
	const struct lease_sending *echoed;

	if (m->echo_boot != h->boot)
		return;
	echoed = lease_sent_find(&h->sent, m->echo_sequence);
	if (echoed && echoed->link == link)
		detect_round_trip(&h->detect, link, at - echoed->at - m->echo_ago);
}

static void hear(struct heart *h, unsigned link, const struct wire_message *m, enum detect_verdict verdict,
		 nanos at, struct heart_actions *out)
{
	h->not_before = later(h->not_before, at + lease_wait(h->terms.dead, m->dead, m->linger));
	h->dirty = true;
	measure(h, link, m, at);
	if (!h->detect.links[link].up) {
		h->detect.links[link].up = true;
		note(h, HEART_LINK_UP, "a heartbeat came", out);
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
}

/* A life of the peer that does not hear this node, and may claim when its hold ends. How old the message is cannot be known. */
static void hear_stranger(struct heart *h, const struct wire_message *m, nanos at, struct heart_actions *out)
{
	h->not_before = later(h->not_before, at + lease_wait(h->terms.dead, m->dead, m->linger));
	h->dirty = true;
	learn_epoch(h, m->epoch, out);
	if (h->stranger_told != m->boot) {
		h->stranger_told = m->boot;
		note(h, HEART_PEER_STRANGER, "a life of the peer that has not heard this node", out);
	}
	h->grace = grace_of(h, m, h->terms.dead - h->terms.margin, at);
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
	nanos wait = wait_for_peer(h);

	for (unsigned i = 0; i < h->settings.n_links; i++) {
		struct detect_link *l = &h->detect.links[i];

		if (l->up && now - l->heard >= wait) {
			l->up = l->heard_there = false;
			l->rtt = l->jitter = 0;
			note(h, HEART_LINK_DOWN, "no heartbeat came for dead_after intervals", out);
			out->list[out->n - 1].link = i;
		}
	}
	if (h->detect.boot != 0 && !h->peer_lost && !heart_peer_alive(h, now)) {
		h->peer_lost = true;
		h->fit_since = 0;
		if (h->detect.gone)
			note(h, HEART_PEER_LEFT, "the peer said goodbye", out);
		else
			note(h, HEART_PEER_LOST, "the peer fell silent", out);
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
	beat(h, now, out);
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
			send_on(h, i, WIRE_REPLY, now, out);
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
	} else if (can_serve(h) && h->state != NODE_FAULT) {
		due = sooner(due, later(silence_claim_at(h), now + 1));
	}
	if (h->stopping)
		due = sooner(due, sooner(h->stop_by, h->next_burst));
	return later(due, now);
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
	consider(h, now, out);
	if (h->state == NODE_STARTING && now >= h->start_end && !h->asks)
		apply(h, ELECTION_WAITED, 0, NULL, now, out);
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

void heart_fitness(struct heart *h, enum fitness_class fitness, nanos now, struct heart_actions *out)
{
	unsigned before = out->n;

	if (fitness == h->fitness)
		return;
	h->fitness = (uint8_t)fitness;
	h->dirty = true;
	consider(h, now, out);
	if (out->n == before && !h->stopped) /* the peer is to know at once */
		beat(h, now, out);
	if (h->state == NODE_ACTIVE && !can_serve(h))
		note(h, HEART_STAYS, "this node is unfit, but no fitter one is heard", out);
}

void heart_usable(struct heart *h, bool usable, const char *text, nanos now, struct heart_actions *out)
{
	if (usable == h->usable)
		return;
	h->usable = usable;
	h->dirty = true;
	apply(h, usable ? ELECTION_MENDED : ELECTION_BROKEN, 0, usable ? NULL : text, now, out);
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
}

int heart_switchover(struct heart *h, nanos now, const char **ret_text, struct heart_actions *out)
{
	struct election_standing other = theirs(h);
	const struct election_cell *cell = election_cell(h->state, ELECTION_SWITCHOVER);

	*ret_text = cell->why;
	if (h->switching || h->stopping) {
		*ret_text = h->stopping ? "the daemon stops" : "a switchover is going on";
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
	h->switch_by = now + 2 * h->terms.dead;
	apply(h, ELECTION_SWITCHOVER, 0, NULL, now, out);
	return 0;
}

void heart_stop(struct heart *h, nanos now, struct heart_actions *out)
{
	if (h->stopping)
		return;
	h->stopping = true;
	h->bye_from = h->sequence + 1;
	h->stop_by = now + 2 * h->terms.interval;
	h->next_burst = now + burst_gap(h);
	if (h->state != NODE_ACTIVE)
		stop_asking(h);
	if (apply(h, ELECTION_STOP, 0, NULL, now, out) == ELECTION_IGNORE)
		beat(h, now, out);
	end_switchover(h, now, out);
	end_stop(h, now, out);
}

/* A life */

static void settle(struct heart *h, const struct heart_settings *settings, uint64_t boot)
{
	memset(h, 0, sizeof(*h));
	h->settings = *settings;
	h->terms = lease_terms_of(settings->interval, settings->dead_after);
	h->boot = boot;
	h->usable = true;
	h->reason = "";
}

void heart_init(struct heart *h, const struct heart_settings *settings, uint64_t boot, uint64_t epoch,
		nanos now, struct heart_actions *out)
{
	settle(h, settings, boot);
	h->epoch = epoch;
	h->epoch_seen = epoch ? epoch + 1 : 0; /* the last claim may not have reached the disk */
	h->state = NODE_STARTING;
	h->since = now;
	h->reason = "the daemon starts";
	h->fitness = FITNESS_DEAD;
	detect_init(&h->detect, settings->n_links, now);
	h->start_end = now + later(settings->start_wait, 2 * h->terms.dead);
	/* The safe part of start_wait: an earlier life may have promised D. The rest ends when the peer is heard to hold. */
	h->not_before = now + 2 * h->terms.dead;
	if (PLANTED(PLANT_NO_START_WAIT))
		h->start_end = h->not_before = now;
	h->next_beat = now + h->terms.interval;
	h->due = h->next_beat;
	beat(h, now, out);
}

static bool goes_on(const struct memory_record *r, nanos now)
{
	return r->state == NODE_ACTIVE && now < r->fence_end;
}

static void recall(struct heart *h, const struct memory_record *r)
{
	h->sequence = r->sequence + MEMORY_SEQUENCES;
	h->epoch = r->epoch;
	h->epoch_seen = r->epoch_seen;
	h->ask_from = r->ask_from;
	h->state = r->state;
	h->fitness = r->fitness;
	h->usable = r->usable;
	h->since = r->since;
	h->not_before = r->not_before;
	h->promised = r->promised;
	h->start_end = r->start_end;
	h->retry_after = r->retry_after;
	h->fit_since = r->fit_since;
	h->peer_lost = r->peer_lost;
	h->sent.echoed = r->echoed;
	h->detect = r->detect;
	h->detect.n_links = h->settings.n_links;
	h->peer = r->peer;
	memcpy(h->sent_on_link, r->sent_on_link, sizeof(h->sent_on_link));
	memcpy(h->reason_kept, r->reason, sizeof(h->reason_kept));
	h->reason_kept[MEMORY_REASON - 1] = 0;
	h->reason = h->reason_kept;
}

bool heart_resume(struct heart *h, const struct heart_settings *settings, const struct memory_record *record,
		  nanos now, bool *ret_holds, struct heart_actions *out)
{
	if (record->boot == 0 || record->state >= NODE_STATE_COUNT)
		return false;
	settle(h, settings, record->boot);
	recall(h, record);
	/* Nobody watched while there was no process. */
	detect_unwatched(&h->detect, later(now - record->saved, 0), now);
	h->next_beat = now + h->terms.interval;
	h->due = now;
	*ret_holds = goes_on(record, now);
	if (*ret_holds) {
		h->asks = true;
		h->granted = record->granted;
		h->on_silence = record->on_silence;
		h->claimed_by_order = record->claimed_by_order;
		/* Fails when the fence was closed after the last save, and then nothing was taken back that was released. */
		fence(h, HEART_FENCE, record->fence_end, now, out);
	} else {
		/* What the old process promised or claimed after its last save is not known. */
		h->epoch_seen = (h->epoch_seen > h->epoch ? h->epoch_seen : h->epoch) + 1;
		h->promised = later(h->promised, now + h->terms.dead);
		if (h->state == NODE_ACTIVE)
			transition(h, ELECTION_LAPSED, NODE_PASSIVE,
				   "the lease ran out while the heartbeat role was down", now, out);
	}
	beat(h, now, out);
	return true;
}

void heart_change(struct heart *h, const struct heart_settings *settings, nanos now,
		  struct heart_actions *out)
{
	nanos heard = later(h->detect.any_heard, h->detect.heard);

	h->settings = *settings;
	h->terms = lease_terms_of(settings->interval, settings->dead_after);
	/* Messages sent from now on carry the new D; the wait since the last heartbeat must cover it. */
	if (heard != 0)
		h->not_before = later(h->not_before, heard + wait_for_peer(h));
	h->next_beat = sooner(h->next_beat, now + h->terms.interval);
	h->config_told = false;
	h->dirty = true;
	if (h->detect.boot != 0)
		compare_configuration(h, out);
	beat(h, now, out);
}

bool heart_dirty(const struct heart *h)
{
	return h->dirty;
}

void heart_save(struct heart *h, nanos now, struct memory_record *ret)
{
	size_t length = strnlen(h->reason, MEMORY_REASON - 1);

	memset(ret, 0, sizeof(*ret));
	ret->boot = h->boot;
	ret->sequence = h->sequence;
	ret->epoch = h->epoch;
	ret->epoch_seen = h->epoch_seen;
	ret->ask_from = h->ask_from;
	ret->state = h->state;
	ret->asks = h->asks;
	ret->fitness = h->fitness;
	ret->usable = h->usable;
	ret->on_silence = h->on_silence;
	ret->claimed_by_order = h->claimed_by_order;
	ret->peer_lost = h->peer_lost;
	ret->saved = now;
	ret->since = h->since;
	ret->fence_end = h->fence_end;
	ret->granted = h->granted;
	ret->not_before = h->not_before;
	ret->promised = h->promised;
	ret->start_end = h->start_end;
	ret->retry_after = h->retry_after;
	ret->fit_since = h->fit_since;
	ret->echoed = h->sent.echoed;
	ret->detect = h->detect;
	ret->peer = h->peer;
	memcpy(ret->sent_on_link, h->sent_on_link, sizeof(ret->sent_on_link));
	memcpy(ret->reason, h->reason, length);
	h->dirty = false;
}

bool heart_holds(const struct heart *h, nanos now)
{
	return h->state == NODE_ACTIVE && now < h->fence_end;
}

void heart_describe(const struct heart *h, nanos now, struct msg_pair *ret)
{
	ret->peer_known = h->detect.boot != 0;
	ret->peer_alive = heart_peer_alive(h, now);
	ret->peer_state = h->peer.state;
	ret->peer_epoch = h->peer.epoch;
	ret->config_matches = ret->peer_known && !h->config_differs;
	ret->n_links = (uint32_t)h->settings.n_links;
	for (size_t i = 0; i < h->settings.n_links; i++) {
		const struct detect_link *l = &h->detect.links[i];
		struct msg_pair_link *to = &ret->links[i];

		to->up = l->up;
		to->known = l->heard != 0;
		to->last_heard = l->heard;
		to->rtt = l->rtt;
		to->jitter = l->jitter;
		to->loss = l->loss;
		to->sent = l->sent;
		to->received = l->received;
	}
	ret->renewals = h->renewals;
	ret->lapses = h->lapses;
	ret->lateness_last = h->late_last;
	ret->lateness_max = h->late_max;
	ret->fence_left = heart_holds(h, now) ? h->fence_end - now : 0;
}
