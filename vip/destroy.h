/*
 * destroy.h: ends the connections of the VIPs and tells their clients so, with a reset (SOCK_DESTROY, sock_diag(7)).
 *
 * The kernel sends the reset; it leaves where the fence lets it. Sockets are named by the kernel's own cookie, so that neither a
 * listener nor a connection that took the place of a listed one can be meant. Work is done in small pieces within a budget, in the
 * caller's thread, and never waits. Needs CAP_NET_ADMIN; where the kernel refuses it (CONFIG_INET_DIAG_DESTROY), that is logged
 * once and nothing is destroyed.
 */
#ifndef HAPAIR_VIP_DESTROY_H
#define HAPAIR_VIP_DESTROY_H

#include "hapair/base/addr.h"
#include "hapair/base/clock.h"

#include <stddef.h>

struct destroy;

/* 0 or negative errno. */
int destroy_new(struct destroy **ret);
void destroy_free(struct destroy *destroy);

/* Every connection that these VIPs (16 at most) have is to end. Nothing is done yet; what an earlier call had begun is forgotten. */
void destroy_begin(struct destroy *destroy, const struct ip *vips, size_t n);
/* Goes on until `until`, or one piece longer: tens of connections, or a buffer of the list. True: some may be left. */
bool destroy_go_on(struct destroy *destroy, nanos until);
/* Those that are left live on. */
void destroy_stop(struct destroy *destroy);
/* So many have been ended since destroy_begin(). */
size_t destroy_count(const struct destroy *destroy);

#endif
