/*
 * client_flows.h: which clients have connections with the node that holds the VIPs, so that the other one can tell them when it is lost.
 *
 * The holder (or who drains) lists its connections from the kernel (flows.h), five times a second or as often as a twentieth of a processor
 * allows, and says what is new and what is gone. It is said on the channel of replication.h, in slices:
 *
 *   {"flows": {"anew": true}}                forget what you know
 *   {"flows": {"new": TEXT, "gone": TEXT}}   flow_text.h; each at most FLOWS_TEXT long, and either may be missing
 *
 * A connection that is younger than the time between two lists is not known. At most FLOW_TABLE_MAX are.
 *
 * When heartbeat asks (it has claimed, and nobody serves those connections on), it is given them all, 64 a millisecond, four times
 * within the next seconds.
 */
#ifndef HAPAIR_ADMIN_CLIENT_FLOWS_H
#define HAPAIR_ADMIN_CLIENT_FLOWS_H

#include "hapair/admin/snapshot.h"
#include "hapair/base/role.h"
#include "hapair/sync/channel.h"

struct client_flows;

/* NULL when out of memory. `rt`, `snapshot` and `channel` outlive it. Opens its way to the kernel: before the sandbox. */
struct client_flows *client_flows_new(struct role_runtime *rt, const struct snapshot *snapshot,
				      struct channel *channel);
void client_flows_free(struct client_flows *cf);

/* What the channel's handler is told. */
void client_flows_up(struct client_flows *cf);
void client_flows_down(struct client_flows *cf);
void client_flows_room(struct client_flows *cf);
/* False: not a word that a peer may say. */
bool client_flows_hear(struct client_flows *cf, const json_t *flows);

/* Heartbeat asks. */
void client_flows_wanted(struct client_flows *cf);

/* Connections of this node that the peer knows of (or is about to), and of the peer's that are known here. */
size_t client_flows_own(const struct client_flows *cf);
size_t client_flows_peers(const struct client_flows *cf);

#endif
