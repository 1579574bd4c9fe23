/*
 * act.h: what the heart knows of the two nodes, and how it writes down what is to be done. Inside of the heart only;
 * nothing here decides.
 *
 * Every act_ function appends to `out` and keeps the books that go with it: sequences and sending times, promises that a message
 * makes, the end of the fence.
 */
#ifndef HAPAIR_HEARTBEAT_ACT_H
#define HAPAIR_HEARTBEAT_ACT_H

#include "heartbeat/heart.h"

#define SPLIT_INTERVALS 2 /* the winner of a split keeps its fence so long without a grant */

struct election_standing heart_mine(const struct heart *h);
struct election_standing heart_theirs(const struct heart *h);
/*
 * What counts when the holder considers giving the VIP away for what it does not reach itself: what the peer has seen since, and it has
 * looked for in vain again after that. Both may have lost the same network, or have it back at the same time.
 */
struct election_standing heart_theirs_proven(const struct heart *h, nanos now);
/* What this node thinks that it reaches, or does not, is too old for that: have every server checked. When that began to be so; 0 it is not. */
nanos heart_owes_proof(const struct heart *h);
/* No answer for ten probes. */
bool heart_gateway_lost(const struct heart *h, nanos now);
/* One of the last three was answered. */
bool heart_gateway_seen(const struct heart *h, nanos now);
bool heart_can_serve(const struct heart *h);
bool heart_peer_holds(const struct heart *h);
/* How long this node waits after the peer's last heartbeat. */
nanos heart_wait(const struct heart *h);
/* No peer in the configuration, or it left and nobody came since. */
bool heart_nobody_there(const struct heart *h);

/* D - m - I - s, with the D that the peer waits when that is shorter, so that silence is believed before its grant ends. */
nanos heart_silence_threshold(const struct heart *h);
/* It was so silent for that long that a holder may believe that nobody hears it. */
bool heart_silent(const struct heart *h, nanos now);
/* How long a fence on silence may last: no longer than the peer's next life waits (life.c), which may be configured shorter. */
nanos heart_silence_lease(const struct heart *h);
/* The instant from which a claim on silence is right, if it stays silent. */
nanos heart_silence_claim_at(const struct heart *h);
bool heart_may_claim_on_silence(const struct heart *h, nanos now);
/*
 * Until when this node may rely on the peer's silence: NANOS_NEVER without a witness, else the end of its yes. After a goodbye also for
 * the time that a new life of the peer waits.
 */
nanos heart_witnessed(const struct heart *h);
/* A claim would be worth a lease. */
bool heart_witnessed_enough(const struct heart *h, nanos now);
/* It holds, or the peer is so silent that it may have to. */
bool heart_wants_witness(const struct heart *h, nanos now);
/* Between heartbeats beyond the ordinary ones. */
nanos heart_burst_gap(const struct heart *h);

/* The action is zero but for its kind; its message is not touched. */
struct heart_action *act_push(struct heart_actions *out, enum heart_action_kind kind);
void act_note(struct heart *h, enum heart_subject subject, const char *text, struct heart_actions *out);
/* One heartbeat on one link; `flags` beside those that the state gives. What it says of the hold binds from here on. */
void act_send(struct heart *h, unsigned link, uint16_t flags, nanos now, struct heart_actions *out);
/* One on every link; nothing where there is no peer. */
void act_beat(struct heart *h, nanos now, struct heart_actions *out);
/* HEART_FENCE or HEART_CLAIM. */
void act_fence(struct heart *h, enum heart_action_kind kind, nanos until, nanos now,
	       struct heart_actions *out);
/* The state and why; told only where the state changes. */
void act_transition(struct heart *h, enum election_event event, enum node_state next, const char *why,
		    nanos now, struct heart_actions *out);
/* Above every epoch that this node knows. */
void act_raise_epoch(struct heart *h);
/* Tells when the peer begins or ends to run another configuration. */
void act_compare_configuration(struct heart *h, struct heart_actions *out);

#endif
