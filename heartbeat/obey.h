/*
 * obey.h: what the shell tells the heart: the kernel's answers, the proxy's fitness, the operator's orders.
 */
#ifndef HAPAIR_HEARTBEAT_OBEY_H
#define HAPAIR_HEARTBEAT_OBEY_H

#include "heartbeat/heart.h"

/* A FENCE or CLAIM was done at `done`; `computed` is the action's. */
void heart_fence_done(struct heart *h, nanos computed, nanos done, struct heart_actions *out);
/* It came too late: the element had lapsed, or too little was left. `text`: static, why. */
void heart_fence_failed(struct heart *h, nanos now, const char *text, struct heart_actions *out);
/*
 * The kernel refuses it, and is likely to do so again: a fault for a hold-down of D, doubled with each refusal up to a minute;
 * meanwhile the peer may hold. A claim that lasted 10 s, and longer than the hold-down before it, ends the doubling.
 */
void heart_fence_refused(struct heart *h, nanos now, const char *text, struct heart_actions *out);

/*
 * Of the actions of a call, after one of them led to heart_fence_failed() or _refused(): does this one stand on a fence that nobody has
 * any more? It is left out then; what has happened is told all the same, in its order.
 */
bool heart_is_void(const struct heart *h, const struct heart_action *action);

void heart_fitness(struct heart *h, enum fitness_class fitness, nanos now, struct heart_actions *out);
/* Of the servers that are checked, is any reached? `seen`, `missed`: the proxy's answers when it was last asked to look; 0 none. */
void heart_servers(struct heart *h, bool reached, nanos seen, nanos missed, nanos now,
		   struct heart_actions *out);
/* False: an interface of a VIP is gone or has no carrier; `text`: static, what is wrong. A starting node says so at the end of
 * start_wait only. */
void heart_usable(struct heart *h, bool usable, const char *text, nanos now, struct heart_actions *out);
void heart_connections(struct heart *h, uint32_t live);

/*
 * What the witness said; see witness.h. A turn must follow. The shell asks on while heart.witness.wanted, and tells the witness when
 * heart.witness.question is another one.
 */
void heart_witness(struct heart *h, nanos question, enum witness_answer answer, nanos asked, nanos until);

/* The answer to HEART_PREPARE, at once or later: `ok`, or nothing is prepared and nothing has changed. */
void heart_prepared(struct heart *h, bool ok, nanos now, struct heart_actions *out);
/* After HEART_DRAIN: no connection is left, or it could not be done. */
void heart_drained(struct heart *h, nanos now, struct heart_actions *out);

/*
 * Hands the VIP to the peer, without breaking connections where both can. 0: begun, HEART_SWITCHED follows when the peer holds. -EPERM: this node does not hold it;
 * -EHOSTUNREACH: the peer is not heard; -EAGAIN: the peer cannot serve; -EALREADY: one is going on.
 * *ret_text: static, for people, also on success.
 */
int heart_switchover(struct heart *h, nanos now, const char **ret_text, struct heart_actions *out);

/*
 * Gives up the VIP, says goodbye; HEART_STOPPED follows at once or within a few intervals. Where connections need not break, it
 * follows when the last one has ended, after drain_timeout, or a few intervals after a second call.
 */
void heart_stop(struct heart *h, nanos now, struct heart_actions *out);

#endif
