/*
 * orders.h: what the heart orders: the table of the election carried out, and the handing over of the VIP. Inside of the heart only.
 */
#ifndef HAPAIR_HEARTBEAT_ORDERS_H
#define HAPAIR_HEARTBEAT_ORDERS_H

#include "heartbeat/heart.h"

/* The one place where the table is obeyed. `until`: the end of the lease for a cell that claims; `why` NULL is the cell's. */
enum election_act orders_apply(struct heart *h, enum election_event event, nanos until, const char *why,
			       nanos now, struct heart_actions *out);
/* What was granted to it meanwhile is void: a later asking begins with a later sequence. */
void orders_stop_asking(struct heart *h);

/* Can the VIP be handed over now without breaking connections? If not: why (static). */
bool orders_may_drain(const struct heart *h, nanos now);
const char *orders_why_plain(const struct heart *h);
void orders_begin_handover(struct heart *h, enum election_event event, nanos now, struct heart_actions *out);
/* `plain`: why connections break; NULL: both nodes are prepared. */
void orders_give(struct heart *h, const char *plain, nanos now, struct heart_actions *out);
/* As the holder: the peer is alive and does not hold. */
void orders_go_on_handing(struct heart *h, nanos now, struct heart_actions *out);
/* What follows from the peer's state and from time, and whether anything that is in force still should be. */
void orders_settle(struct heart *h, nanos now, struct heart_actions *out);

void orders_begin_stop(struct heart *h, nanos now, struct heart_actions *out);
/* Tell how a switchover or a stop ended, once it has. */
void orders_end_switchover(struct heart *h, nanos now, struct heart_actions *out);
void orders_end_stop(struct heart *h, nanos now, struct heart_actions *out);

#endif
