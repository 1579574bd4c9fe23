/*
 * etcd_witness.h: the key of the cluster in an etcd, taken, kept and given back for heartbeat.
 *
 * The key /hapair/CLUSTER/holder has this node's name as its value and hangs on a lease of `ttl`. It is taken by a transaction that
 * succeeds only where there is none, and given back by revoking the lease. A key under this node's own name is one of an earlier
 * admin, for a node has one at a time: it is put under the new lease.
 *
 * A yes counts from the sending of the request that granted or renewed the lease, for what etcd granted less a margin; etcd ends a
 * lease no earlier than that after it got the request. What is unknown (no answer, half of one) is never a yes and never ends one.
 *
 * Speaks etcd's JSON gateway (v3, POST, bytes in base64, 64-bit numbers as text) over HTTP, one request at a time, to one endpoint
 * until it fails.
 */
#ifndef HAPAIR_ADMIN_ETCD_WITNESS_H
#define HAPAIR_ADMIN_ETCD_WITNESS_H

#include "hapair/base/config.h"
#include "hapair/base/msg.h"

#include <event2/event.h>

struct etcd_witness;

/* `tell` is called with every answer. NULL: out of memory. The configuration is only looked at during the call. */
struct etcd_witness *etcd_witness_new(struct event_base *base, const struct config *config, const char *node,
				      void (*tell)(void *ctx, const struct msg_witness *answer), void *ctx);
/* The key stays until its lease ends. */
void etcd_witness_free(struct etcd_witness *w);

/* What heartbeat wants from now on; an answer that is known is told again under the new question. */
void etcd_witness_ask(struct etcd_witness *w, const struct msg_witness_ask *ask);

/* Heartbeat is gone: nothing is renewed and nothing given back until it asks again. */
void etcd_witness_pause(struct etcd_witness *w);

#endif
