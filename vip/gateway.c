/*
 * gateway.c: ARP through packet.h, ICMP through raw sockets, icmp(7), raw(7).
 */
#include "vip/gateway.h"

#include "vip/announce.h"
#include "vip/checksum.h"
#include "vip/packet.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <linux/icmp.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define SENT       64         /* probes that may still be answered */
#define LOOK_AGAIN SECONDS(5) /* without an answer, addresses and interfaces may have changed */
#define READ_MAX   64         /* frames a turn, of each socket */
#define ARP_BYTES  (ETH_HLEN + sizeof(struct ether_arp))

struct target {
	struct ip ip;
	struct packet *packet; /* NULL: by ICMP */
	uint8_t own_mac[ETH_ALEN], mac[ETH_ALEN];
	struct ip own;
	nanos waiting;    /* the oldest ARP probe without an answer; 0 none */
	nanos sent[SENT]; /* ICMP probes, by sequence */
	nanos answered;   /* when the newest answered one was sent */
	nanos looked;     /* for the way to it */
};

/* ICMP and ICMPv6 echo look alike (RFC 4443 4.1). */
struct echo {
	uint8_t type, code;
	uint16_t checksum, id, short_sequence;
	uint64_t cookie, sequence;
};

struct gateway {
	int epoll, icmp, icmp6; /* -1: not open */
	uint64_t cookie, sequence;
	size_t n, n_vips;
	struct target targets[GATEWAY_TARGETS_MAX];
	struct ip vips[];
};

/* --- the way to a target --- */

static bool is_vip(const struct gateway *g, const struct ip *ip)
{
	for (size_t i = 0; i < g->n_vips; i++)
		if (ip_equal(&g->vips[i], ip))
			return true;
	return false;
}

static uint8_t mask_bits(const struct sockaddr *mask)
{
	struct addr addr;

	if (!mask || addr_from_sockaddr(mask, &addr) < 0)
		return 32;
	return (uint8_t)(__builtin_popcount(addr.ip.bytes[0]) + __builtin_popcount(addr.ip.bytes[1]) +
			 __builtin_popcount(addr.ip.bytes[2]) + __builtin_popcount(addr.ip.bytes[3]));
}

/* The interface in whose subnet the target is, with this machine's address there; NULL: none. */
static const struct ifaddrs *find_subnet(const struct gateway *g, const struct ifaddrs *all, struct target *t)
{
	struct addr own;

	for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
		if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET || (a->ifa_flags & IFF_NOARP) ||
		    (a->ifa_flags & IFF_LOOPBACK) || addr_from_sockaddr(a->ifa_addr, &own) < 0)
			continue;
		if (is_vip(g, &own.ip) || !ip_in_prefix(&t->ip, &own.ip, mask_bits(a->ifa_netmask)))
			continue;
		t->own = own.ip;
		return a;
	}
	return NULL;
}

/* Its index, 0 when there is none; and its MAC. */
static unsigned find_interface(const struct ifaddrs *all, const char *name, struct target *t)
{
	for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
		const struct sockaddr_ll *link = (const struct sockaddr_ll *)a->ifa_addr;

		if (link && link->sll_family == AF_PACKET && link->sll_halen == ETH_ALEN &&
		    strcmp(a->ifa_name, name) == 0) {
			memcpy(t->own_mac, link->sll_addr, ETH_ALEN);
			return (unsigned)link->sll_ifindex;
		}
	}
	return 0;
}

static void listen_to(struct gateway *g, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	epoll_ctl(g->epoll, EPOLL_CTL_ADD, fd, &event);
}

/* On-link: an ARP socket there. Otherwise, or where that is refused, ICMP. */
static void look_for(struct gateway *g, struct target *t, nanos now)
{
	struct ifaddrs *all = NULL;
	const struct ifaddrs *on;
	unsigned ifindex;

	t->looked = now;
	packet_close(t->packet);
	t->packet = NULL;
	memset(t->mac, 0xff, ETH_ALEN);
	if (t->ip.family != AF_INET || getifaddrs(&all) < 0)
		return;
	on = find_subnet(g, all, t);
	ifindex = on ? find_interface(all, on->ifa_name, t) : 0;
	if (ifindex && packet_open(ifindex, AF_INET, &t->packet) == 0)
		listen_to(g, packet_fd(t->packet));
	freeifaddrs(all);
}

/* --- ARP --- */

static void probe_arp(struct target *t, nanos now)
{
	uint8_t frame[ANNOUNCE_FRAME_MAX];
	/* Unicast where it is known to answer, as kernels do. */
	size_t n = announce_arp_query(t->own_mac, &t->own, t->waiting ? NULL : t->mac, &t->ip, frame);

	if (t->waiting == 0 || now - t->waiting > SECONDS(1))
		t->waiting = now;
	packet_send(t->packet, frame, n);
}

static void read_arp(struct target *t)
{
	uint8_t frame[PACKET_FRAME_MAX];
	struct ether_arp arp;

	for (int i = 0; i < READ_MAX; i++) {
		ssize_t n = packet_receive(t->packet, frame);

		if (n < 0)
			return;
		if (n < (ssize_t)ARP_BYTES || memcmp(frame, t->own_mac, ETH_ALEN) != 0)
			continue;
		memcpy(&arp, frame + ETH_HLEN, sizeof(arp));
		if (ntohs(arp.ea_hdr.ar_op) != ARPOP_REPLY || memcmp(arp.arp_spa, t->ip.bytes, 4) != 0 ||
		    memcmp(arp.arp_tpa, t->own.bytes, 4) != 0 || t->waiting == 0)
			continue;
		memcpy(t->mac, arp.arp_sha, ETH_ALEN);
		t->answered = t->waiting;
		t->waiting = 0;
	}
}

/* --- ICMP --- */

static void probe_icmp(struct gateway *g, struct target *t, nanos now)
{
	bool ipv6 = t->ip.family == AF_INET6;
	struct addr to = {.ip = t->ip};
	struct sockaddr_storage address;
	socklen_t len = addr_to_sockaddr(&to, &address);
	struct echo echo = {
		.type = ipv6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO,
		.id = (uint16_t)g->cookie,
		.short_sequence = htons((uint16_t)g->sequence),
		.cookie = g->cookie,
		.sequence = g->sequence,
	};

	if (!ipv6) /* the kernel does it for ICMPv6 */
		echo.checksum = htons(checksum_end(checksum_add(0, &echo, sizeof(echo))));
	t->sent[g->sequence % SENT] = now;
	sendto(ipv6 ? g->icmp6 : g->icmp, &echo, sizeof(echo), MSG_DONTWAIT, (struct sockaddr *)&address,
	       len);
}

static void take_echo(struct gateway *g, const struct ip *from, const struct echo *echo)
{
	if (echo->cookie != g->cookie || echo->sequence > g->sequence || g->sequence - echo->sequence >= SENT)
		return;
	for (size_t i = 0; i < g->n; i++) {
		struct target *t = &g->targets[i];
		nanos sent = t->sent[echo->sequence % SENT];

		if (ip_equal(&t->ip, from) && sent > t->answered)
			t->answered = sent;
	}
}

static void read_icmp(struct gateway *g, int fd, bool ipv6)
{
	uint8_t packet[128];
	struct sockaddr_storage from;
	struct addr sender;
	struct echo echo;

	for (int i = 0; i < READ_MAX && fd >= 0; i++) {
		socklen_t len = sizeof(from);
		ssize_t n =
			recvfrom(fd, packet, sizeof(packet), MSG_DONTWAIT, (struct sockaddr *)&from, &len);
		/* IPv4 comes with its header, of as many words as it says. */
		size_t skip = ipv6 ? 0 : 4 * (packet[0] & 15u);

		if (n < 0)
			return;
		if ((size_t)n < skip + sizeof(echo) ||
		    addr_from_sockaddr((struct sockaddr *)&from, &sender) < 0)
			continue;
		memcpy(&echo, packet + skip, sizeof(echo));
		if (echo.type == (ipv6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY))
			take_echo(g, &sender.ip, &echo);
	}
}

static int open_icmp(struct gateway *g, bool ipv6)
{
	int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	struct icmp_filter filter = {~(1u << ICMP_ECHOREPLY)};
	struct icmp6_filter filter6;
	int failed;

	if (fd < 0)
		return -errno;
	ICMP6_FILTER_SETBLOCKALL(&filter6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter6);
	failed = ipv6 ? setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter6, sizeof(filter6))
		      : setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter));
	*(ipv6 ? &g->icmp6 : &g->icmp) = fd;
	listen_to(g, fd);
	return failed ? -errno : 0;
}

/* --- the whole --- */

int gateway_new(const struct ip *targets, size_t n, const struct ip *vips, size_t n_vips,
		struct gateway **ret)
{
	struct gateway *g = calloc(1, sizeof(*g) + n_vips * sizeof(*vips));
	int error;

	if (!g)
		return -ENOMEM;
	g->icmp = g->icmp6 = -1;
	g->n = n < GATEWAY_TARGETS_MAX ? n : GATEWAY_TARGETS_MAX;
	g->n_vips = n_vips;
	if (n_vips)
		memcpy(g->vips, vips, n_vips * sizeof(*vips));
	g->epoll = epoll_create1(EPOLL_CLOEXEC);
	error = g->epoll < 0 || getrandom(&g->cookie, sizeof(g->cookie), 0) < 0 ? -errno : 0;
	if (!error)
		error = open_icmp(g, false);
	for (size_t i = 0; i < g->n; i++)
		g->targets[i].ip = targets[i];
	for (size_t i = 0; i < g->n && !error && g->icmp6 < 0; i++)
		if (targets[i].family == AF_INET6)
			error = open_icmp(g, true);
	for (size_t i = 0; i < g->n && !error; i++)
		look_for(g, &g->targets[i], 0);
	if (error)
		gateway_free(g);
	else
		*ret = g;
	return error;
}

void gateway_free(struct gateway *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n; i++)
		packet_close(g->targets[i].packet);
	if (g->icmp >= 0)
		close(g->icmp);
	if (g->icmp6 >= 0)
		close(g->icmp6);
	if (g->epoll >= 0)
		close(g->epoll);
	free(g);
}

int gateway_fd(const struct gateway *g)
{
	return g->epoll;
}

void gateway_probe(struct gateway *g, nanos now)
{
	g->sequence++;
	for (size_t i = 0; i < g->n; i++) {
		struct target *t = &g->targets[i];
		nanos known = t->answered > t->looked ? t->answered : t->looked;

		if (now - known >= LOOK_AGAIN)
			look_for(g, t, now);
		if (t->packet)
			probe_arp(t, now);
		else
			probe_icmp(g, t, now);
	}
}

nanos gateway_read(struct gateway *g)
{
	nanos newest = 0;

	read_icmp(g, g->icmp, false);
	read_icmp(g, g->icmp6, true);
	for (size_t i = 0; i < g->n; i++) {
		if (g->targets[i].packet)
			read_arp(&g->targets[i]);
		newest = g->targets[i].answered > newest ? g->targets[i].answered : newest;
	}
	return newest;
}
