/*
 * packet.h: raw frames on one interface: sends what announce.h builds, hears what conflict.h reads.
 *
 * One object per interface and family: ARP for IPv4 VIPs, neighbour solicitations and advertisements for IPv6
 * VIPs; the kernel filters out the rest, and what we send ourselves. Frames go out through the fence like
 * everything else. Needs CAP_NET_RAW to open. Functions return 0 or negative errno.
 */
#ifndef HAPAIR_VIP_PACKET_H
#define HAPAIR_VIP_PACKET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PACKET_FRAME_MAX 256 /* of what is heard; longer frames are cut */

struct packet;

/* `family` AF_INET or AF_INET6. */
int packet_open(unsigned ifindex, int family, struct packet **ret);
void packet_close(struct packet *packet);

/* Becomes readable; non-blocking. Closed by packet_close(). */
int packet_fd(const struct packet *packet);

/* One whole Ethernet frame. Never waits: -EAGAIN, -ENOBUFS when the interface's queue is full, -ENETDOWN. */
int packet_send(struct packet *packet, const uint8_t *frame, size_t n);

/* Bytes of the next frame, or -EAGAIN when there is none. */
ssize_t packet_receive(struct packet *packet, uint8_t frame[PACKET_FRAME_MAX]);

#endif
