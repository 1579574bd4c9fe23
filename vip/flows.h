/*
 * flows.h: the TCP connections of this machine that end at a VIP, as the kernel knows them (sock_diag(7), inet_diag).
 *
 * The kernel's list and not the proxy's counts: a connection that the proxy has closed still has to carry what lies in its buffers
 * to a slow client.
 */
#ifndef HAPAIR_VIP_FLOWS_H
#define HAPAIR_VIP_FLOWS_H

#include "hapair/base/addr.h"

#include <stddef.h>
#include <stdint.h>

struct flow {
	struct ip client, vip;
	uint16_t client_port, vip_port; /* network byte order */
};

struct flows;

int flows_new(struct flows **ret);
void flows_free(struct flows *flows);
int flows_fd(const struct flows *flows);

/*
 * Calls `each` for every connection of a VIP that is not over (also half open and closing ones; not TIME_WAIT). Returns how many of
 * them still have something to do here, or negative errno. `each` may be NULL. Takes as long as the kernel needs to walk its
 * table: milliseconds, tens of them with a hundred thousand connections.
 */
long flows_list(struct flows *flows, const struct ip *vips, size_t n_vips,
		void (*each)(void *ctx, const struct flow *flow), void *ctx);

#endif
