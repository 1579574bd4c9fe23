/*
 * frames.c: bytes of ARP, neighbour discovery, echo and SYN, out and in.
 */
#include "tests/tools/lib/frames.h"

#include "tests/tools/lib/instrument.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <linux/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ICMP_ECHO_REPLY   0 /* RFC 792; the header that names them clashes with struct ip */
#define ICMP_ECHO_REQUEST 8
#define OBSERVER_ID       0x4f42
#define SEQUENCE_STEP 1000 /* of a SYN's sequence, by turn */
#define OBSERVER_PORT     60999

bool frames_parse_mac(const char *text, uint8_t ret[6])
{
	unsigned b[6];

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6)
		return false;
	for (int i = 0; i < 6; i++)
		ret[i] = (uint8_t)b[i];
	return true;
}

int frames_open(const char *interface, struct frames_self *ret_self)
{
	struct sockaddr_ll sa = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct packet_mreq all = {.mr_type = PACKET_MR_PROMISC};
	int size = 8 << 20, fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct ifaddrs *addresses, *a;
	struct addr addr;

	sa.sll_ifindex = (int)if_nametoindex(interface);
	all.mr_ifindex = sa.sll_ifindex;
	if (fd < 0 || sa.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
		die("packet socket on %s: %s", interface, strerror(errno));
	setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	memset(ret_self, 0, sizeof(*ret_self));
	if (getifaddrs(&addresses) != 0)
		die("getifaddrs: %s", strerror(errno));
	for (a = addresses; a; a = a->ifa_next) {
		if (!a->ifa_addr || strcmp(a->ifa_name, interface) != 0)
			continue;
		if (a->ifa_addr->sa_family == AF_PACKET)
			memcpy(ret_self->mac, ((struct sockaddr_ll *)a->ifa_addr)->sll_addr, 6);
		else if (addr_from_sockaddr(a->ifa_addr, &addr) < 0)
			continue;
		else if (addr.ip.family == AF_INET)
			ret_self->ip = addr.ip;
		else if (addr.ip.bytes[0] != 0xfe) /* not link-local */
			ret_self->ip6 = addr.ip;
	}
	freeifaddrs(addresses);
	if (ret_self->ip.family != AF_INET)
		die("%s has no IPv4 address", interface);
	return fd;
}

/* The Internet checksum of RFC 1071, with a pseudo-header's sum to begin with. */
static uint16_t checksum(const void *bytes, size_t n, uint32_t sum)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	if (n % 2)
		sum += (uint32_t)p[n - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static uint32_t sum_words(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return sum;
}

static uint8_t *put_ethernet(uint8_t *frame, const uint8_t to[6], const uint8_t from[6], uint16_t type)
{
	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
	return frame + 14;
}

static uint8_t *put_ipv4(uint8_t *p, const struct ip *from, const struct ip *to, uint8_t protocol,
			 size_t payload)
{
	struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = protocol};

	ip.tot_len = htons((uint16_t)(sizeof(ip) + payload));
	memcpy(&ip.saddr, from->bytes, 4);
	memcpy(&ip.daddr, to->bytes, 4);
	ip.check = checksum(&ip, sizeof(ip), 0);
	memcpy(p, &ip, sizeof(ip));
	return p + sizeof(ip);
}

static uint8_t *put_ipv6(uint8_t *p, const struct ip *from, const uint8_t to[16], uint8_t protocol,
			 size_t payload)
{
	struct ip6_hdr ip = {.ip6_ctlun.ip6_un1 = {htonl(6u << 28), htons((uint16_t)payload), protocol, 255}};

	memcpy(&ip.ip6_src, from->bytes, 16);
	memcpy(&ip.ip6_dst, to, 16);
	memcpy(p, &ip, sizeof(ip));
	return p + sizeof(ip);
}

static uint32_t pseudo_ipv6(const struct ip *from, const uint8_t to[16], uint8_t protocol, size_t payload)
{
	return sum_words(from->bytes, 16) + sum_words(to, 16) + protocol + (uint32_t)payload;
}

size_t frames_arp_request(const struct frames_self *self, const struct ip *target, uint8_t *frame)
{
	static const uint8_t everyone[6] = {255, 255, 255, 255, 255, 255};
	struct ether_arp arp = {.ea_hdr = {htons(ARPHRD_ETHER), htons(ETH_P_IP), 6, 4, htons(ARPOP_REQUEST)}};
	uint8_t *p = put_ethernet(frame, everyone, self->mac, ETH_P_ARP);

	memcpy(arp.arp_sha, self->mac, 6);
	memcpy(arp.arp_spa, self->ip.bytes, 4);
	memcpy(arp.arp_tpa, target->bytes, 4);
	memcpy(p, &arp, sizeof(arp));
	return 14 + sizeof(arp);
}

size_t frames_solicitation(const struct frames_self *self, const struct ip *target, uint8_t *frame)
{
	/* The solicited-node group of RFC 4291 2.7.1, and its MAC, RFC 2464 7. */
	uint8_t group[16] = {
		0xff, 0x02, [11] = 1, [12] = 0xff, target->bytes[13], target->bytes[14], target->bytes[15]};
	uint8_t mac[6] = {0x33, 0x33, 0xff, target->bytes[13], target->bytes[14], target->bytes[15]};
	uint8_t message[32] = {ND_NEIGHBOR_SOLICIT, [24] = ND_OPT_SOURCE_LINKADDR, 1};
	uint8_t *p = put_ethernet(frame, mac, self->mac, ETH_P_IPV6);
	uint16_t sum;

	memcpy(message + 8, target->bytes, 16);
	memcpy(message + 26, self->mac, 6);
	sum = checksum(message, sizeof(message),
		       pseudo_ipv6(&self->ip6, group, IPPROTO_ICMPV6, sizeof(message)));
	memcpy(message + 2, &sum, 2);
	p = put_ipv6(p, &self->ip6, group, IPPROTO_ICMPV6, sizeof(message));
	memcpy(p, message, sizeof(message));
	return 14 + 40 + sizeof(message);
}

size_t frames_echo(const struct frames_self *self, const struct ip *to, const uint8_t mac[6], uint32_t turn,
		   uint8_t *frame)
{
	bool v6 = to->family == AF_INET6;
	uint8_t message[12] = {v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO_REQUEST, [4] = OBSERVER_ID >> 8,
			       OBSERVER_ID & 0xff};
	uint8_t *p = put_ethernet(frame, mac, self->mac, v6 ? ETH_P_IPV6 : ETH_P_IP);
	uint16_t sum;

	message[6] = (uint8_t)(turn >> 8);
	message[7] = (uint8_t)turn;
	memcpy(message + 8, &turn, 4);
	sum = checksum(message, sizeof(message),
		       v6 ? pseudo_ipv6(&self->ip6, to->bytes, IPPROTO_ICMPV6, sizeof(message)) : 0);
	memcpy(message + 2, &sum, 2);
	p = v6 ? put_ipv6(p, &self->ip6, to->bytes, IPPROTO_ICMPV6, sizeof(message))
	       : put_ipv4(p, &self->ip, to, IPPROTO_ICMP, sizeof(message));
	memcpy(p, message, sizeof(message));
	return (size_t)(p - frame) + sizeof(message);
}

size_t frames_syn(const struct frames_self *self, const struct ip *to, uint16_t port, const uint8_t mac[6],
		  uint32_t turn, uint8_t *frame)
{
	struct tcphdr tcp = {.syn = 1, .doff = 5, .window = htons(1024)};
	uint8_t *p = put_ethernet(frame, mac, self->mac, ETH_P_IP);

	tcp.source = htons((uint16_t)(OBSERVER_PORT - turn % 4000));
	tcp.dest = htons(port);
	tcp.seq = htonl(turn * SEQUENCE_STEP);
	tcp.check = checksum(&tcp, sizeof(tcp),
			     sum_words(self->ip.bytes, 4) + sum_words(to->bytes, 4) + IPPROTO_TCP +
				     (uint32_t)sizeof(tcp));
	p = put_ipv4(p, &self->ip, to, IPPROTO_TCP, sizeof(tcp));
	memcpy(p, &tcp, sizeof(tcp));
	return (size_t)(p - frame) + sizeof(tcp);
}

size_t frames_udp(const struct frames_self *self, const uint8_t mac[6], const struct addr *from,
		  const struct addr *to, const uint8_t *payload, size_t n, uint8_t *frame)
{
	uint8_t *p = put_ethernet(frame, mac, self->mac, ETH_P_IP);
	/* A checksum of zero is none, RFC 768. */
	uint16_t udp[4] = {htons(from->port), htons(to->port), htons((uint16_t)(8 + n)), 0};

	p = put_ipv4(p, &from->ip, &to->ip, IPPROTO_UDP, sizeof(udp) + n);
	memcpy(p, udp, sizeof(udp));
	memcpy(p + sizeof(udp), payload, n);
	return (size_t)(p - frame) + sizeof(udp) + n;
}

bool frames_read_udp(const uint8_t *frame, size_t n, struct addr *ret_from, struct addr *ret_to,
		     const uint8_t **ret_payload, size_t *ret_n)
{
	size_t head = n >= 42 ? (size_t)(frame[14] & 15) * 4 : 0, length;
	const uint8_t *udp = frame + 14 + head;

	if (head < 20 || (frame[12] << 8 | frame[13]) != ETH_P_IP || frame[23] != IPPROTO_UDP ||
	    n < 14 + head + 8)
		return false;
	length = (size_t)(udp[4] << 8 | udp[5]);
	if (length < 8 || length > n - 14 - head)
		return false;
	memset(ret_from, 0, sizeof(*ret_from));
	memset(ret_to, 0, sizeof(*ret_to));
	ret_from->ip.family = ret_to->ip.family = AF_INET;
	memcpy(ret_from->ip.bytes, frame + 26, 4);
	memcpy(ret_to->ip.bytes, frame + 30, 4);
	ret_from->port = (uint16_t)(udp[0] << 8 | udp[1]);
	ret_to->port = (uint16_t)(udp[2] << 8 | udp[3]);
	*ret_payload = udp + 8;
	*ret_n = length - 8;
	return true;
}

static bool read_arp(const struct frames_self *self, const struct ip *vip, const uint8_t *p, size_t n,
		     struct answer *ret)
{
	struct ether_arp arp;

	if (n < sizeof(arp))
		return false;
	memcpy(&arp, p, sizeof(arp));
	if (memcmp(arp.arp_spa, vip->bytes, 4) != 0)
		return false;
	ret->kind = ANSWER_ARP;
	ret->announcement = memcmp(arp.arp_tpa, vip->bytes, 4) == 0;
	return ret->announcement ||
	       (arp.ea_hdr.ar_op == htons(ARPOP_REPLY) && memcmp(arp.arp_tpa, self->ip.bytes, 4) == 0);
}

static bool read_ipv4(const struct frames_self *self, const struct ip *vip, const uint8_t *p, size_t n,
		      struct answer *ret)
{
	size_t head = n >= 20 ? (size_t)(p[0] & 15) * 4 : 0;

	if (head < 20 || n < head + 12 || memcmp(p + 12, vip->bytes, 4) != 0 ||
	    memcmp(p + 16, self->ip.bytes, 4) != 0)
		return false;
	p += head;
	if (p[-(ptrdiff_t)head + 9] == IPPROTO_ICMP && p[0] == ICMP_ECHO_REPLY &&
	    (p[4] << 8 | p[5]) == OBSERVER_ID) {
		ret->kind = ANSWER_ICMP;
		memcpy(&ret->turn, p + 8, 4);
		return true;
	}
	/* A reset shows that the address is taken in as well as an accepted SYN does. */
	if (p[-(ptrdiff_t)head + 9] == IPPROTO_TCP && n >= head + 20) {
		uint32_t acknowledged;

		memcpy(&acknowledged, p + 8, 4);
		ret->kind = ANSWER_TCP;
		ret->turn = (ntohl(acknowledged) - 1) / SEQUENCE_STEP;
		return (p[13] & TH_ACK) != 0; /* what acknowledges nothing answers nothing */
	}
	return false;
}

static bool read_ipv6(const struct frames_self *self, const struct ip *vip6, const uint8_t *p, size_t n,
		      struct answer *ret)
{
	if (n < 52 || p[6] != IPPROTO_ICMPV6)
		return false;
	if (p[40] == ND_NEIGHBOR_ADVERT && n >= 64 && memcmp(p + 48, vip6->bytes, 16) == 0) {
		ret->kind = ANSWER_NDP;
		ret->announcement = !(p[44] & 0x40); /* not solicited */
		return ret->announcement || memcmp(p + 24, self->ip6.bytes, 16) == 0;
	}
	if (p[40] == ICMP6_ECHO_REPLY && memcmp(p + 8, vip6->bytes, 16) == 0 &&
	    (p[44] << 8 | p[45]) == OBSERVER_ID) {
		ret->kind = ANSWER_ICMP6;
		memcpy(&ret->turn, p + 48, 4);
		return true;
	}
	return false;
}

bool frames_read_answer(const struct frames_self *self, const struct ip *vip, const struct ip *vip6,
			const uint8_t *frame, size_t n, struct answer *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (n < 14)
		return false;
	switch (frame[12] << 8 | frame[13]) {
	case ETH_P_ARP:
		return read_arp(self, vip, frame + 14, n - 14, ret);
	case ETH_P_IP:
		return read_ipv4(self, vip, frame + 14, n - 14, ret);
	case ETH_P_IPV6:
		return vip6->family == AF_INET6 && read_ipv6(self, vip6, frame + 14, n - 14, ret);
	default:
		return false;
	}
}
