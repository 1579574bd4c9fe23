/*
 * packet.c: AF_PACKET sockets, packet(7).
 */
#include "vip/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

struct packet {
	int fd;
	unsigned ifindex;
	uint16_t protocol; /* host order */
};

/* IPv6 next header at 14 + 6, ICMPv6 type behind the fixed header at 14 + 40. */
static struct sock_filter neighbour_messages[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 4),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 54),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ND_NEIGHBOR_SOLICIT, 1, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ND_NEIGHBOR_ADVERT, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, PACKET_FRAME_MAX),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

static struct sock_filter every_arp[] = {
	BPF_STMT(BPF_RET | BPF_K, PACKET_FRAME_MAX),
};

static int prepare(struct packet *packet, int family)
{
	struct sock_fprog filter = {.len = sizeof(every_arp) / sizeof(every_arp[0]), .filter = every_arp};
	struct sockaddr_ll where = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(packet->protocol),
		.sll_ifindex = (int)packet->ifindex,
	};
	int on = 1;

	if (family == AF_INET6)
		filter =
			(struct sock_fprog){.len = sizeof(neighbour_messages) / sizeof(neighbour_messages[0]),
					    .filter = neighbour_messages};
	if (setsockopt(packet->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)))
		return -errno;
	/* Linux 4.20; conflict.h knows our own frames anyway. */
	if (setsockopt(packet->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) &&
	    errno != ENOPROTOOPT)
		return -errno;
	if (bind(packet->fd, (struct sockaddr *)&where, sizeof(where)))
		return -errno;
	return 0;
}

int packet_open(unsigned ifindex, int family, struct packet **ret)
{
	struct packet *packet = calloc(1, sizeof(*packet));
	int error;

	if (!packet)
		return -ENOMEM;
	packet->ifindex = ifindex;
	packet->protocol = family == AF_INET6 ? ETHERTYPE_IPV6 : ETHERTYPE_ARP;
	/* Protocol 0 hears nothing until bind(), when the filter is in place. */
	packet->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	error = packet->fd < 0 ? -errno : prepare(packet, family);
	if (error)
		packet_close(packet);
	else
		*ret = packet;
	return error;
}

void packet_close(struct packet *packet)
{
	if (!packet)
		return;
	if (packet->fd >= 0)
		close(packet->fd);
	free(packet);
}

int packet_fd(const struct packet *packet)
{
	return packet->fd;
}

int packet_send(struct packet *packet, const uint8_t *frame, size_t n)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(packet->protocol),
		.sll_ifindex = (int)packet->ifindex,
		.sll_halen = ETHER_ADDR_LEN,
	};

	memcpy(to.sll_addr, frame, ETHER_ADDR_LEN);
	if (sendto(packet->fd, frame, n, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return 0;
}

ssize_t packet_receive(struct packet *packet, uint8_t frame[PACKET_FRAME_MAX])
{
	ssize_t n;

	do
		n = recv(packet->fd, frame, PACKET_FRAME_MAX, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}
