/*
 * loopback.c: addresses and interface settings through libnl-route.
 */
#include "vip/loopback.h"

#include "vip/libnl.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/ip.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet.h>
#include <netlink/socket.h>
#include <stdlib.h>

#define LOOPBACK_INDEX 1 /* of every network namespace */

struct loopback {
	struct nl_sock *socket;
};

int loopback_new(struct loopback **ret)
{
	struct loopback *loopback = calloc(1, sizeof(*loopback));
	int error;

	if (!loopback)
		return -ENOMEM;
	loopback->socket = nl_socket_alloc();
	error = loopback->socket ? libnl_errno(nl_connect(loopback->socket, NETLINK_ROUTE)) : -ENOMEM;
	if (error) {
		loopback_free(loopback);
		return error;
	}
	*ret = loopback;
	return 0;
}

void loopback_free(struct loopback *loopback)
{
	if (!loopback)
		return;
	nl_socket_free(loopback->socket);
	free(loopback);
}

int loopback_fd(const struct loopback *loopback)
{
	return nl_socket_get_fd(loopback->socket);
}

/* --- addresses --- */

static struct rtnl_addr *build(const struct ip *ip)
{
	struct rtnl_addr *addr = libnl_address(ip, ip->family == AF_INET6 ? 128 : 32, LOOPBACK_INDEX);

	if (addr && ip->family == AF_INET)
		rtnl_addr_set_scope(addr, RT_SCOPE_HOST);
	return addr;
}

int loopback_add(struct loopback *loopback, const struct ip *vips, size_t n, nanos lifetime)
{
	uint32_t seconds = (uint32_t)(lifetime / NS_PER_S) + 1;

	for (size_t i = 0; i < n; i++) {
		struct rtnl_addr *addr = build(&vips[i]);
		int error;

		if (!addr)
			return -ENOMEM;
		rtnl_addr_set_valid_lifetime(addr, seconds);
		rtnl_addr_set_preferred_lifetime(addr, vips[i].family == AF_INET6 ? 0 : seconds);
		if (vips[i].family == AF_INET6)
			rtnl_addr_set_flags(addr, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
		error = libnl_errno(rtnl_addr_add(loopback->socket, addr, NLM_F_CREATE | NLM_F_REPLACE));
		rtnl_addr_put(addr);
		if (error)
			return error;
	}
	return 0;
}

int loopback_remove(struct loopback *loopback, const struct ip *vips, size_t n)
{
	int error = 0;

	for (size_t i = 0; i < n; i++) {
		struct rtnl_addr *addr = build(&vips[i]);
		int one;

		if (!addr)
			return -ENOMEM;
		one = libnl_errno(rtnl_addr_delete(loopback->socket, addr, 0));
		rtnl_addr_put(addr);
		if (one && !libnl_says_absent(one))
			error = one;
	}
	return error;
}

/* --- settings --- */

int loopback_read(struct loopback *loopback, struct handover_before *ret)
{
	for (size_t i = 0; i < ret->n; i++) {
		struct rtnl_link *link;
		uint32_t announce = 0, ignore = 0;
		int error = rtnl_link_get_kernel(loopback->socket, (int)ret->devices[i].index, NULL, &link);

		if (error)
			return libnl_errno(error);
		error = rtnl_link_inet_get_conf(link, IPV4_DEVCONF_ARP_ANNOUNCE, &announce);
		if (!error)
			error = rtnl_link_inet_get_conf(link, IPV4_DEVCONF_ARP_IGNORE, &ignore);
		rtnl_link_put(link);
		if (error)
			return libnl_errno(error);
		ret->devices[i].arp_announce = (uint8_t)announce;
		ret->devices[i].arp_ignore = (uint8_t)ignore;
	}
	return 0;
}

int loopback_write(struct loopback *loopback, const struct handover_before *values)
{
	int error = 0;

	for (size_t i = 0; i < values->n; i++) {
		struct rtnl_link *link = rtnl_link_alloc(), *changes = rtnl_link_alloc();
		int one = link && changes ? 0 : -NLE_NOMEM;

		if (!one) {
			rtnl_link_set_ifindex(link, (int)values->devices[i].index);
			rtnl_link_set_ifindex(changes, (int)values->devices[i].index);
			one = rtnl_link_inet_set_conf(changes, IPV4_DEVCONF_ARP_ANNOUNCE,
						      values->devices[i].arp_announce);
		}
		if (!one)
			one = rtnl_link_inet_set_conf(changes, IPV4_DEVCONF_ARP_IGNORE,
						      values->devices[i].arp_ignore);
		if (!one)
			one = rtnl_link_change(loopback->socket, link, changes, 0);
		rtnl_link_put(link);
		rtnl_link_put(changes);
		one = libnl_errno(one);
		if (one && one != -ENODEV && one != -ENOENT)
			error = one;
	}
	return error;
}
