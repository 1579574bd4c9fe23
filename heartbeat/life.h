/*
 * life.h: how a heart begins, goes on after a crash of its process, changes its settings, and is described.
 *
 * Before heart_init() the shell has removed whatever an earlier life left (fence element, address), except where heart_resume()
 * says that the earlier life goes on.
 */
#ifndef HAPAIR_HEARTBEAT_LIFE_H
#define HAPAIR_HEARTBEAT_LIFE_H

#include "heartbeat/heart.h"

/*
 * A new life under a new boot id. `epoch`: the highest one kept on disk, 0 when none. Fitness is DEAD until
 * told, usable is true. A node without a peer is active as soon as it is fit.
 */
void heart_init(struct heart *h, const struct heart_settings *settings, uint64_t boot, uint64_t epoch,
		nanos now, struct heart_actions *out);

/*
 * A new process in the life of an old one. False: there is nothing to resume (use heart_init()). True:
 * carries on with the same boot id; *ret_holds says whether the fence of the old process is still open and
 * goes on (leave fence and address in place; the first actions renew them); when false the shell removes what
 * is left before the first SEND.
 */
bool heart_resume(struct heart *h, const struct heart_settings *settings, const struct memory_record *record,
		  nanos now, bool *ret_holds, struct heart_actions *out);

/* Reload: interval, dead_after, start_wait, preempt, priority, digest and linger may differ; the rest must
 * not. */
void heart_change(struct heart *h, const struct heart_settings *settings, nanos now,
		  struct heart_actions *out);

bool heart_dirty(const struct heart *h);
void heart_save(struct heart *h, nanos now, struct memory_record *ret);

/* For status. */
bool heart_holds(const struct heart *h, nanos now);
/* For people: a gateway that answers is WITNESS_YES, a yes that has ended is WITNESS_UNKNOWN. */
enum witness_answer heart_witness_now(const struct heart *h, nanos now);
/* All but names, addresses, rejected and realtime. */
void heart_describe(const struct heart *h, nanos now, struct msg_pair *ret);

#endif
