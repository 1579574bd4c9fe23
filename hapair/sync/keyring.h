/*
 * keyring.h: the keys for TLS session tickets that both nodes know. Pure.
 *
 * Time is cut into periods of TICKET_PERIOD_MS of the wall clock. A period's keys are made at random one period ahead, by whichever
 * node knows none, and told to the other. Both may make one at the same time: then a period has two, and the one with the smaller
 * name encrypts on both nodes. The keys of the previous, the present and the next period are accepted, so a ticket is good for one
 * period at least, on either node, and a clock that is off by less than a period costs nothing. A ticket whose key is not known is
 * no error: the client makes a whole handshake.
 */
#ifndef HAPAIR_SYNC_KEYRING_H
#define HAPAIR_SYNC_KEYRING_H

#include "hapair/base/msg.h"

#include <stdbool.h>
#include <stdint.h>

#define TICKET_PERIOD_MS (2 * 3600 * (int64_t)1000)

/* Forgets what is out of its time, wiped. True when anything was. */
bool keyring_expire(struct msg_ticket_keys *ring, uint64_t period);

/* True when it is new here, in time, and there was room for it. */
bool keyring_add(struct msg_ticket_keys *ring, const struct ticket_key *key, uint64_t period);

/* Whether there is no key of that period. */
bool keyring_lacks(const struct msg_ticket_keys *ring, uint64_t period);

/* Sets ring->newest for this period; where it has no key, the nearest older one, else any. */
void keyring_choose(struct msg_ticket_keys *ring, uint64_t period);

#endif
