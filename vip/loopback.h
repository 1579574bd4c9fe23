/*
 * loopback.h: the VIPs as addresses of `lo`, so that sockets live on while no interface carries the VIP.
 *
 * An address of lo is never told to anybody: the interfaces of the VIPs are set to arp_ignore=1 (answer only for an interface's own
 * addresses) and arp_announce=2 (ask in the name of an interface's own address), through netlink (IFLA_INET_CONF), which needs no
 * /proc. IPv6 behaves so by itself. The addresses have host scope, so that they never become a source address by themselves, and
 * a lifetime: the kernel sweeps them away at the end of a drain whatever becomes of the daemon. Takes the RTNL lock: for a
 * thread that may wait. Functions return 0 or negative errno. Source: Documentation/networking/ip-sysctl.rst.
 */
#ifndef HAPAIR_VIP_LOOPBACK_H
#define HAPAIR_VIP_LOOPBACK_H

#include "vip/handover.h"

struct loopback;

int loopback_new(struct loopback **ret);
void loopback_free(struct loopback *loopback);
int loopback_fd(const struct loopback *loopback);

/* For `lifetime` (cut to seconds, one more); an address that is there gets the new one. */
int loopback_add(struct loopback *loopback, const struct ip *vips, size_t n, nanos lifetime);
/* 0 also for those that were not there. */
int loopback_remove(struct loopback *loopback, const struct ip *vips, size_t n);

/* The present settings of the devices in `ret` (fill in index and n). */
int loopback_read(struct loopback *loopback, struct handover_before *ret);
/* Sets arp_announce and arp_ignore of each device; one that is gone is skipped. */
int loopback_write(struct loopback *loopback, const struct handover_before *values);

#endif
