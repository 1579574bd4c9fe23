/*
 * hear.c: what a datagram tells. It only takes note; what follows from all that was read is decided by heart_turn().
 *
 * Invariant: not_before and promised only grow; every hold on the wire is covered by them.
 */
#include "heartbeat/hear.h"

#include "heartbeat/act.h"
#include "heartbeat/plant.h"

#define STRANGER_BUDGET_WAITS 20

/* Strangers tell it too: an epoch that is skipped does no harm, one that is used twice might. */
static void learn_epoch(struct heart *h, uint64_t epoch, struct heart_actions *out)
{
	if (epoch <= h->epoch_seen)
		return;
	h->epoch_seen = epoch;
	if (epoch > h->epoch)
		act_push(out, HEART_EPOCH)->epoch = epoch;
}

static void since(nanos *begin, bool is_so, nanos at)
{
	if (!is_so)
		*begin = 0;
	else if (*begin == 0)
		*begin = at;
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
	since(&h->peer_lacks, m->flags & WIRE_NO_SERVERS, at);
	since(&h->peer_sees_servers, m->flags & WIRE_SEES_SERVERS, at);
	since(&h->peer_sees_gateway, m->flags & WIRE_SEES_GATEWAY, at);
	other = heart_theirs(h);
	/* What let go a moment ago has promised to take nothing for D, and is to show that it is well. */
	since(&h->fit_since, election_can_serve(&other) && !(m->flags & WIRE_RELEASED), at);
}

/* What the newest message grants, as an instant; 0: nothing. Never more than the own D gives, whatever the peer holds. */
static nanos offer_of(struct heart *h, const struct wire_message *m, nanos at)
{
	const struct lease_sending *echoed;
	nanos end, hold = m->hold;

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
	/* The next life of the peer knows nothing of the hold and waits two D of its own (life.c), which may be shorter than one of this node's. */
	if (!PLANTED(PLANT_NEXT_LIFE_BOUND))
		hold = sooner(hold, 2 * m->dead + h->settings.linger);
	end = lease_grant(echoed->at, m->echo_ago, hold, m->dead);
	/* It was not sent after it came, even if this machine's clock stood still since the echoed one was sent. */
	if (m->hold != WIRE_FOREVER && !PLANTED(PLANT_CLOCK_STOOD))
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

/*
 * Its sender claims nothing for `hold` from the sending, which was less than s ago: then this node has told the silence anew, or heard an
 * answer. A peer that is believed answers within an interval.
 */
static nanos grace_of(const struct heart *h, const struct wire_message *m, nanos longest, nanos at)
{
	nanos still = sooner(m->hold, h->terms.dead) - h->terms.margin - h->terms.slack;

	if (m->state == NODE_ACTIVE)
		return at + SPLIT_INTERVALS * h->terms.interval;
	if (PLANTED(PLANT_WHOLE_HOLD_AS_GRACE))
		return at + sooner(longest, m->hold);
	return at + later(sooner(longest, still), 0);
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
	if (verdict == DETECT_OLD && !PLANTED(PLANT_OVERTAKEN_COUNTS))
		return;
	note_peer(h, m, verdict, at, out);
	h->offer = offer_of(h, m, at);
	if (h->state == NODE_ACTIVE)
		h->granted = later(h->granted, h->offer);
	/* Its promises ended before it claimed, whatever this clock thinks of them. */
	if (heart_peer_holds(h) && !PLANTED(PLANT_GRANT_KEPT))
		h->granted = 0;
}

/* Of a life of the peer that does not hear this node and may claim when its hold ends; or of one that is over. How old the message is
 * cannot be known. */
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
	h->grace = grace_of(h, m, h->terms.dead, at);
	if (m->state == NODE_ACTIVE && h->state == NODE_ACTIVE && !PLANTED(PLANT_STRANGER_MAY_HOLD)) {
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
	verdict = detect_message(&h->detect, m, link, h->boot, &h->sent, heart_wait(h), budget, at);
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
