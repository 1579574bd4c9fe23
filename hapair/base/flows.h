/*
 * flows.h: the TCP connections of this machine that end at a VIP, as the kernel knows them (sock_diag(7), inet_diag).
 *
 * The kernel's list and not the proxy's counts: a connection that the proxy has closed still has to carry what lies in its buffers
 * to a slow client. Reading it needs no capability. Functions return 0 or negative errno.
 */
#ifndef HAPAIR_BASE_FLOWS_H
#define HAPAIR_BASE_FLOWS_H

#include "hapair/base/flow.h"

#include <stddef.h>

struct inet_diag_sockid; /* linux/inet_diag.h: what the kernel calls that one socket */

typedef void flow_each(void *ctx, const struct flow *flow, const struct inet_diag_sockid *id);

struct flows;

/* Opens the channel to the kernel. */
int flows_new(struct flows **ret);
void flows_free(struct flows *flows);
/* The same number for its whole life; readable while flows_more() has more. */
int flows_fd(const struct flows *flows);

/*
 * A list in pieces. flows_begin() asks for it (-EBUSY: an earlier one is not at its end; flows_free() is the way out); each
 * flows_more() takes what one buffer holds, a few hundred connections in a fraction of a millisecond, and calls `each` (may be NULL)
 * for every connection of a VIP that is not over (also half open and closing ones; not TIME_WAIT). 1: there is more; 0: that was all.
 * A connection that begins or ends meanwhile may be in it or not. `vips` must live as long. Never waits.
 */
int flows_begin(struct flows *flows, const struct ip *vips, size_t n_vips);
int flows_more(struct flows *flows, flow_each *each, void *ctx);
/* Of the list just ended or under way: how many connections still have something to do here. */
long flows_live(const struct flows *flows);

/* The whole of it, and flows_live(), or negative errno. Tens of milliseconds with a hundred thousand connections. */
long flows_list(struct flows *flows, const struct ip *vips, size_t n_vips, flow_each *each, void *ctx);

#endif
