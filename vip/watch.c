/*
 * watch.c: route notifications through libmnl. One socket is subscribed, another asks for lists.
 */
#include "vip/watch.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BUFFER_SIZE 65536
#define QUEUE_SIZE                                                                                           \
	(1 << 20) /* of notifications; thousands of interfaces may come and go on a container host */

/* IFF_RUNNING, RFC 2863's operational state, follows the carrier with the delay of the kernel's link watch; IFF_LOWER_UP
 * (linux/if.h, which net/if.h can't be beside) is the carrier itself. */
#define LOWER_UP (1 << 16)
#define CARRIES  (IFF_UP | IFF_RUNNING | LOWER_UP)

struct watch {
	struct mnl_socket *news, *ask;
	const struct watch_handler *handler;
	void *ctx;
	uint32_t seq;
	char buffer[BUFFER_SIZE];
};

static struct mnl_socket *open_socket(int flags, unsigned groups)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | flags);

	if (socket && mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0) {
		int error = errno;

		mnl_socket_close(socket);
		errno = error;
		return NULL;
	}
	return socket;
}

int watch_new(const struct watch_handler *handler, void *ctx, struct watch **ret)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int size = QUEUE_SIZE;

	if (!watch)
		return -ENOMEM;
	watch->handler = handler;
	watch->ctx = ctx;
	watch->news = open_socket(SOCK_NONBLOCK, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
	watch->ask = watch->news ? open_socket(0, 0) : NULL;
	if (!watch->ask) {
		int error = -errno;

		watch_free(watch);
		return error;
	}
	if (setsockopt(mnl_socket_get_fd(watch->news), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(mnl_socket_get_fd(watch->news), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	*ret = watch;
	return 0;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	if (watch->news)
		mnl_socket_close(watch->news);
	if (watch->ask)
		mnl_socket_close(watch->ask);
	free(watch);
}

int watch_fd(const struct watch *watch)
{
	return mnl_socket_get_fd(watch->news);
}

static void tell_link(struct watch *watch, const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	struct watch_link link = {
		.index = (unsigned)info->ifi_index,
		.present = nlh->nlmsg_type == RTM_NEWLINK,
		.up = info->ifi_flags & IFF_UP,
		.carrier = (info->ifi_flags & CARRIES) == CARRIES,
		.ethernet = info->ifi_type == ARPHRD_ETHER && !(info->ifi_flags & IFF_NOARP),
	};

	/* Bridges send a second kind of RTM_NEWLINK about their ports; it says nothing about the interface.
	 */
	if (info->ifi_family != AF_UNSPEC)
		return;
	mnl_attr_for_each(attr, nlh, sizeof(*info))
	{
		if (mnl_attr_get_type(attr) == IFLA_IFNAME)
			snprintf(link.name, sizeof(link.name), "%s", mnl_attr_get_str(attr));
		else if (mnl_attr_get_type(attr) == IFLA_ADDRESS &&
			 mnl_attr_get_payload_len(attr) == sizeof(link.mac))
			memcpy(link.mac, mnl_attr_get_payload(attr), sizeof(link.mac));
	}
	watch->handler->on_link(watch->ctx, &link);
}

static void tell_address(struct watch *watch, const struct nlmsghdr *nlh, bool listed)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(nlh);
	size_t len = info->ifa_family == AF_INET6 ? 16 : 4;
	const struct nlattr *attr;
	struct watch_address address = {
		.ifindex = info->ifa_index,
		.ip = {.family = info->ifa_family},
		.prefix_len = info->ifa_prefixlen,
		.present = nlh->nlmsg_type == RTM_NEWADDR,
		.port = listed ? 0 : nlh->nlmsg_pid,
	};
	bool known = false;

	if (info->ifa_family != AF_INET && info->ifa_family != AF_INET6)
		return;
	mnl_attr_for_each(attr, nlh, sizeof(*info))
	{
		uint16_t type = mnl_attr_get_type(attr);

		/* With a peer address IFA_ADDRESS is the peer's and IFA_LOCAL ours; IPv6 has IFA_ADDRESS
		 * only. */
		if (mnl_attr_get_payload_len(attr) != len ||
		    (type != IFA_LOCAL && (type != IFA_ADDRESS || known)))
			continue;
		memcpy(address.ip.bytes, mnl_attr_get_payload(attr), len);
		known = known || type == IFA_LOCAL;
	}
	watch->handler->on_address(watch->ctx, &address);
}

static void tell(struct watch *watch, const struct nlmsghdr *nlh, bool listed)
{
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		tell_link(watch, nlh);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		tell_address(watch, nlh, listed);
		break;
	default:
		break;
	}
}

void watch_read(struct watch *watch)
{
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(watch->news, watch->buffer, sizeof(watch->buffer));
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOBUFS || errno == ENOSPC)) {
			watch->handler->on_lost(watch->ctx);
			continue;
		}
		if (n <= 0)
			return;
		for (struct nlmsghdr *nlh = (struct nlmsghdr *)watch->buffer; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left))
			tell(watch, nlh, false);
	}
}

/* 1: the list goes on; 0: that was its end; or negative errno. A list that changed meanwhile
 * (NLM_F_DUMP_INTR) is taken as it is: notifications tell what changed. */
static int read_listed(struct watch *watch, const char *buffer, size_t n, uint32_t seq)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)buffer;
	int left = (int)n;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_seq != seq)
			continue;
		if (nlh->nlmsg_type == NLMSG_DONE)
			return 0;
		if (nlh->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error;
		tell(watch, nlh, true);
	}
	return 1;
}

/* Sends a question and hears the answer, of one message or a list. */
static int ask(struct watch *watch, struct nlmsghdr *nlh, char *buffer)
{
	int more = 1;

	nlh->nlmsg_seq = ++watch->seq;
	if (mnl_socket_sendto(watch->ask, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (more > 0) {
		ssize_t n = mnl_socket_recvfrom(watch->ask, buffer, BUFFER_SIZE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		more = read_listed(watch, buffer, (size_t)n, watch->seq);
	}
	return more;
}

/* Not the buffer of watch_read(): on_lost() lists in the middle of reading. */
static char answer[BUFFER_SIZE];

static int list(struct watch *watch, uint16_t type)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(answer);
	struct rtgenmsg *any;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	any = mnl_nlmsg_put_extra_header(nlh, type == RTM_GETLINK ? sizeof(struct ifinfomsg)
								  : sizeof(struct ifaddrmsg));
	any->rtgen_family = AF_UNSPEC;
	return ask(watch, nlh, answer);
}

int watch_list(struct watch *watch)
{
	int error = list(watch, RTM_GETLINK);

	return error ? error : list(watch, RTM_GETADDR);
}

int watch_ask(struct watch *watch, unsigned index)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(answer);
	struct ifinfomsg *info;

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = (int)index;
	return ask(watch, nlh, answer);
}
