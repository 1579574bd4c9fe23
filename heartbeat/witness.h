/*
 * witness.h: a third machine's word for the moment in which the peer is silent. Pure.
 *
 * Silence looks the same whether the peer is dead or both nodes are cut from each other. With a witness a node believes in silence only
 * as long as the witness says yes:
 *
 *   gateway  yes: a target answered a probe that followed the heartbeat of `asked`. It only tells a node that is cut off from one that is
 *            not: two nodes that both reach it both hear yes, and then all is as without a witness.
 *   etcd     yes: this node holds the key of the cluster, at least until `until`. Only one can.
 *
 * Who hears the peer does not ask: the ordinary path, planned moves and releases need no witness. The rules are heart_witnessed()'s
 * (act.h), the argument is in DESIGN.md, section 10.
 *
 * A question is named by the instant at which it was put. What is answered to an older one is not looked at: between two of them
 * the key may have been given back.
 */
#ifndef HAPAIR_HEARTBEAT_WITNESS_H
#define HAPAIR_HEARTBEAT_WITNESS_H

#include "hapair/base/msg.h"

#include <stdbool.h>

struct witness {
	bool wanted;    /* this node holds the VIP or may be about to claim it on silence */
	nanos question; /* since when `wanted` is what it is; 0: nobody said yet */
	enum witness_answer answer;
	nanos asked; /* when the request that was answered last was sent */
	nanos until; /* the yes counts until then; 0: none */
};

/* When nothing is wanted any more, the yes is void at once: its holder is about to give it back. */
void witness_want(struct witness *w, bool wanted, nanos now);

/* `asked` and `until` count with WITNESS_YES only. */
void witness_hear(struct witness *w, nanos question, enum witness_answer answer, nanos asked, nanos until);

/* gateway: between two probes, at least, while the peer is heard. */
nanos witness_calm_pace(nanos interval);

/*
 * gateway: should a probe follow the heartbeat that has just been sent? While the peer is heard (`quiet` is short), calmly; from the first
 * one that is missing on, with each. `since`: the last probe.
 */
bool witness_probe_due(nanos since, nanos quiet, nanos interval);

#endif
