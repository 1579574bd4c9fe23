/*
 * act.c: what the heart knows of the two nodes, and how it says what is to be done. No decision is made here.
 */
#include "heartbeat/act.h"

#include "heartbeat/plant.h"

#include <assert.h>
#include <string.h>

/* In calm probes: so many without an answer, and it is lost; an answer to one of the last so many, and it is seen. */
#define GATEWAY_LOST  10
#define GATEWAY_FRESH 3

#define BURST_MIN MS(2)

struct election_standing heart_mine(const struct heart *h)
{
	return (struct election_standing){
		.usable = h->usable && h->refused_until == 0 && !h->stopping,
		.fitness = h->fitness,
		.reach = h->reach,
		.priority = h->settings.priority,
		.node = h->settings.node,
		.connections = h->connections,
		.epoch = h->epoch,
	};
}

struct election_standing heart_theirs(const struct heart *h)
{
	return (struct election_standing){
		.usable = h->peer.state != NODE_FAULT && !(h->peer.flags & WIRE_GOODBYE),
		.fitness = h->peer.fitness,
		.reach = (uint8_t)((h->peer.flags & WIRE_NO_SERVERS ? 0 : REACH_SERVERS) |
				   (h->peer.flags & WIRE_NO_GATEWAY ? 0 : REACH_GATEWAY)),
		.priority = h->peer.priority,
		.node = h->peer.node,
		.connections = h->peer.connections,
		.epoch = h->peer.epoch,
	};
}

struct election_standing heart_theirs_proven(const struct heart *h, nanos now)
{
	struct election_standing other = heart_theirs(h);
	uint8_t seen = 0;

	if (h->peer_sees_servers != 0 && h->servers_missed > h->peer_sees_servers)
		seen |= REACH_SERVERS;
	if (h->peer_sees_gateway != 0 &&
	    now - h->peer_sees_gateway > GATEWAY_FRESH * witness_calm_pace(h->terms.interval))
		seen |= REACH_GATEWAY;
	other.reach &= h->reach | seen;
	return other;
}

nanos heart_owes_proof(const struct heart *h)
{
	if (h->reach & REACH_SERVERS)
		return h->state != NODE_ACTIVE && h->servers_seen <= h->peer_lacks ? h->peer_lacks : 0;
	return h->state == NODE_ACTIVE && h->servers_missed <= h->peer_sees_servers ? h->peer_sees_servers
										    : 0;
}

bool heart_gateway_seen(const struct heart *h, nanos now)
{
	return h->witness.asked != 0 &&
	       now - h->witness.asked <= GATEWAY_FRESH * witness_calm_pace(h->terms.interval);
}

bool heart_gateway_lost(const struct heart *h, nanos now)
{
	return h->settings.witness == WITNESS_GATEWAY &&
	       now - later(h->witness.asked, h->gateway_floor) >
		       GATEWAY_LOST * witness_calm_pace(h->terms.interval);
}

bool heart_can_serve(const struct heart *h)
{
	struct election_standing me = heart_mine(h);

	return election_can_serve(&me);
}

/* How long this node waits after the peer's last heartbeat. */
nanos heart_wait(const struct heart *h)
{
	return lease_wait(h->terms.dead, h->peer.dead, h->peer.linger);
}

bool heart_peer_alive(const struct heart *h, nanos now)
{
	return h->settings.has_peer && h->detect.boot != 0 && !h->detect.gone &&
	       now - h->detect.alone_since < heart_wait(h);
}

bool heart_peer_holds(const struct heart *h)
{
	return (h->peer.flags & WIRE_ASKS) && h->peer.state == NODE_ACTIVE;
}

bool heart_peer_holds_now(const struct heart *h, nanos now)
{
	return heart_peer_alive(h, now) && heart_peer_holds(h);
}

/* Nobody can be there: no peer in the configuration, or it left and nobody came since. */
bool heart_nobody_there(const struct heart *h)
{
	return !h->settings.has_peer || (h->detect.gone && h->detect.any_heard <= h->detect.heard);
}

nanos heart_silence_threshold(const struct heart *h)
{
	struct lease_terms t = h->terms;

	if (h->peer.dead != 0 && h->peer.dead < t.dead) {
		t.dead = h->peer.dead;
		t.margin = lease_margin(t.dead);
	}
	return later(lease_silence(&t), t.interval);
}

bool heart_silent(const struct heart *h, nanos now)
{
	if (heart_nobody_there(h))
		return true;
	/* The peer was heard to hold and does not let go: it may be deaf, and then this node is the one that must. */
	return (!h->split || PLANTED(PLANT_DEAF_WINNER)) &&
	       detect_quiet(&h->detect, now) >= heart_silence_threshold(h);
}

nanos heart_silence_lease(const struct heart *h)
{
	/* No configuration is allowed a D in which this is little; a claim needs more than nothing all the same. */
	nanos next_life = later(2 * h->peer.dead - lease_margin(h->peer.dead), h->terms.interval);

	return h->peer.dead == 0 ? h->terms.dead : sooner(h->terms.dead, next_life);
}

nanos heart_silence_claim_at(const struct heart *h)
{
	nanos at = later(h->promised, h->retry_after);

	if (heart_nobody_there(h))
		return at;
	at = later(at, later(h->not_before, h->detect.quiet_since + heart_wait(h)));
	return h->state == NODE_STARTING ? later(at, h->start_end) : at;
}

/* It said goodbye: until its next life may claim on silence, and D less for clocks and what was under way. */
static nanos alone_until(const struct heart *h)
{
	if (!heart_nobody_there(h))
		return 0;
	return h->detect.heard + later(h->settings.witness_wait, 2 * h->terms.dead) - h->terms.dead;
}

nanos heart_witnessed(const struct heart *h)
{
	const struct witness *w = &h->witness;
	nanos yes = w->until;

	if (!h->settings.has_peer || h->settings.witness == WITNESS_NONE || PLANTED(PLANT_WITNESS_UNASKED))
		return NANOS_NEVER;
	/* That a gateway was reached before the silence says nothing about it. A key is a key. */
	if (h->settings.witness == WITNESS_GATEWAY && w->asked <= h->detect.quiet_since)
		yes = 0;
	return later(alone_until(h), yes);
}

bool heart_witnessed_enough(const struct heart *h, nanos now)
{
	return heart_witnessed(h) > now + h->terms.margin;
}

bool heart_may_claim_on_silence(const struct heart *h, nanos now)
{
	return heart_can_serve(h) && !heart_peer_alive(h, now) && now >= heart_silence_claim_at(h) &&
	       heart_witnessed_enough(h, now);
}

bool heart_wants_witness(const struct heart *h, nanos now)
{
	if (!h->settings.has_peer || h->settings.witness == WITNESS_NONE)
		return false;
	if (h->state == NODE_ACTIVE)
		return true;
	return heart_can_serve(h) && h->state != NODE_FAULT &&
	       detect_quiet(&h->detect, now) >= heart_silence_threshold(h);
}

nanos heart_burst_gap(const struct heart *h)
{
	return later(h->terms.interval / 4, BURST_MIN);
}

struct heart_action *act_push(struct heart_actions *out, enum heart_action_kind kind)
{
	struct heart_action *a = &out->list[out->n];

	assert(out->n < HEART_ACTIONS_MAX);
	out->n++;
	memset(a, 0, offsetof(struct heart_action, message));
	a->kind = kind;
	return a;
}

void act_note(struct heart *h, enum heart_subject subject, const char *text, struct heart_actions *out)
{
	struct heart_action *a = act_push(out, HEART_NOTE);

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
	if (damping_holds(&h->damping, now))
		flags |= WIRE_HELD_DOWN;
	if (!(h->reach & REACH_SERVERS))
		flags |= WIRE_NO_SERVERS;
	else if (h->peer_lacks != 0 && h->servers_seen > h->peer_lacks)
		flags |= WIRE_SEES_SERVERS;
	if (!(h->reach & REACH_GATEWAY))
		flags |= WIRE_NO_GATEWAY;
	else if (heart_gateway_seen(h, now))
		flags |= WIRE_SEES_GATEWAY;
	return flags;
}

/* How long this node claims nothing from now on. Saying it binds: the bounds are raised here, before the message leaves. */
static nanos hold_from(struct heart *h, uint16_t flags, nanos now)
{
	if (h->state == NODE_ACTIVE)
		return 0;
	if (flags & WIRE_GOODBYE)
		return WIRE_FOREVER;
	if ((flags & WIRE_RELEASED) && !PLANTED(PLANT_PROMISE_BROKEN))
		h->promised = later(h->promised, now + h->terms.dead);
	/* Where only the witness' yes is missing, the wait may be over long since, and a peer that comes back needs time to answer. */
	if (!heart_can_serve(h) || (!heart_peer_alive(h, now) && !heart_witnessed_enough(h, now)))
		h->not_before = later(h->not_before, now + h->terms.dead);
	/* Where nobody watched for a while, the wait for silence has begun anew. */
	h->not_before = later(h->not_before, h->detect.quiet_since + heart_wait(h));
	return later(later(h->not_before, h->promised) - now, 0);
}

static uint8_t handover_now(const struct heart *h)
{
	const struct heart_handover *o = &h->handover;
	uint8_t bits = 0;

	if (h->settings.can_drain && !h->stopping)
		bits |= WIRE_CAN_DRAIN;
	if (o->handing)
		bits |= WIRE_PREPARE;
	if (o->taking && o->ready)
		bits |= WIRE_PREPARED;
	if (o->taking && o->failed)
		bits |= WIRE_CANNOT;
	return bits;
}

void act_send(struct heart *h, unsigned link, uint16_t flags, nanos now, struct heart_actions *out)
{
	struct heart_action *a = act_push(out, HEART_SEND);
	struct wire_message *m = &a->message;
	nanos echo_at = now;

	a->link = link;
	memset(m, 0, sizeof(*m));
	flags |= flags_now(h, now);
	m->version = WIRE_VERSION;
	m->link = (uint8_t)link;
	m->flags = flags;
	m->state = h->state;
	/* A fault says itself that nothing can be given to this node; a starting node has to say it so. */
	m->fitness = h->state == NODE_STARTING && !h->usable ? FITNESS_DEAD : h->fitness;
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
	m->handover = handover_now(h);
	h->detect.links[link].sent++;
	lease_sent_note(&h->sent, m->sequence, link, now);
	h->dirty = true;
}

void act_beat(struct heart *h, nanos now, struct heart_actions *out)
{
	if (!h->settings.has_peer)
		return;
	h->beat_at = now;
	for (unsigned i = 0; i < h->settings.n_links; i++)
		act_send(h, i, 0, now, out);
}

void act_fence(struct heart *h, enum heart_action_kind kind, nanos until, nanos now,
	       struct heart_actions *out)
{
	struct heart_action *a = act_push(out, kind);

	a->until = until;
	a->computed = now;
	a->epoch = h->epoch;
	h->fence_end = until;
	h->renewals++;
	h->dirty = true;
}

void act_transition(struct heart *h, enum election_event event, enum node_state next, const char *why,
		    nanos now, struct heart_actions *out)
{
	struct heart_action *a;

	h->reason = why;
	h->dirty = true;
	if (next == h->state)
		return;
	a = act_push(out, HEART_TRANSITION);
	a->from = h->state;
	a->to = next;
	a->event = event;
	a->text = why;
	a->epoch = h->epoch;
	h->state = next;
	h->since = now;
}

void act_raise_epoch(struct heart *h)
{
	if (!PLANTED(PLANT_EPOCH_KEPT))
		h->epoch = (h->epoch > h->epoch_seen ? h->epoch : h->epoch_seen) + 1;
}

void act_compare_configuration(struct heart *h, struct heart_actions *out)
{
	bool differs = h->peer.digest != h->settings.digest;

	if (h->config_told && differs == h->config_differs)
		return;
	if (differs)
		act_note(h, HEART_CONFIG_DIFFERS, "the peer runs another configuration", out);
	else if (h->config_told)
		act_note(h, HEART_CONFIG_MATCHES, "the peer runs the same configuration", out);
	h->config_told = true;
	h->config_differs = differs;
}
