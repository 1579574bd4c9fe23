/*
 * announce.c: gratuitous ARP, unsolicited neighbour advertisements and probes, as bytes.
 */
#include "vip/announce.h"

#include "vip/checksum.h"

#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <stdbool.h>
#include <string.h>

static const uint8_t broadcast[MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t nobody[16];
static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 0x01};

struct writer {
	uint8_t *at;
};

static void put(struct writer *w, const void *bytes, size_t n)
{
	memcpy(w->at, bytes, n);
	w->at += n;
}

static void put8(struct writer *w, unsigned value)
{
	*w->at++ = (uint8_t)value;
}

static void put16(struct writer *w, unsigned value)
{
	put8(w, value >> 8);
	put8(w, value & 0xff);
}

static void put_ethernet(struct writer *w, const uint8_t *to, const uint8_t *from, unsigned type)
{
	put(w, to, MAC_BYTES);
	put(w, from, MAC_BYTES);
	put16(w, type);
}

static size_t arp(const uint8_t *to, unsigned operation, const uint8_t *mac, const uint8_t *sender_ip,
		  const uint8_t *target_mac, const uint8_t *target_ip, uint8_t *out)
{
	struct writer w = {out};

	put_ethernet(&w, to, mac, ETHERTYPE_ARP);
	put16(&w, ARPHRD_ETHER);
	put16(&w, ETHERTYPE_IP);
	put8(&w, MAC_BYTES);
	put8(&w, 4);
	put16(&w, operation);
	put(&w, mac, MAC_BYTES);
	put(&w, sender_ip, 4);
	put(&w, target_mac, MAC_BYTES);
	put(&w, target_ip, 4);
	return (size_t)(w.at - out);
}

size_t announce_arp_request(const uint8_t mac[MAC_BYTES], const struct ip *vip, uint8_t *out)
{
	return arp(broadcast, ARPOP_REQUEST, mac, vip->bytes, nobody, vip->bytes, out);
}

size_t announce_arp_reply(const uint8_t mac[MAC_BYTES], const struct ip *vip, uint8_t *out)
{
	/* The target is the sender itself, so that a strict receiver sees a reply about a pair that agrees.
	 */
	return arp(broadcast, ARPOP_REPLY, mac, vip->bytes, mac, vip->bytes, out);
}

size_t announce_arp_query(const uint8_t mac[MAC_BYTES], const struct ip *own, const uint8_t *to,
			  const struct ip *whom, uint8_t *out)
{
	return arp(to ? to : broadcast, ARPOP_REQUEST, mac, own->bytes, nobody, whom->bytes, out);
}

/* A neighbour message with at most one link-layer option; the checksum is filled in at the end. */
static size_t neighbour(unsigned type, unsigned flags, const uint8_t *mac, const uint8_t *source,
			const uint8_t *destination, const uint8_t *target, unsigned option, uint8_t *out)
{
	/* RFC 2464 7: the MAC of a multicast group is 33:33 and the last four bytes of its address. */
	uint8_t to[MAC_BYTES] = {0x33, 0x33};
	struct writer w = {out};
	size_t payload = sizeof(struct nd_neighbor_advert) + (option ? 8 : 0);
	uint8_t *addresses, *message;
	uint32_t sum;

	memcpy(to + 2, destination + 12, 4);
	put_ethernet(&w, to, mac, ETHERTYPE_IPV6);
	put8(&w, 0x60);
	put8(&w, 0);
	put16(&w, 0);
	put16(&w, (unsigned)payload);
	put8(&w, IPPROTO_ICMPV6);
	put8(&w, 255); /* hop limit: nobody accepts less (RFC 4861 7.1) */
	addresses = w.at;
	put(&w, source, 16);
	put(&w, destination, 16);
	message = w.at;
	put8(&w, type);
	put8(&w, 0);
	put16(&w, 0);
	put8(&w, flags);
	put(&w, nobody, 3);
	put(&w, target, 16);
	if (option) {
		put8(&w, option);
		put8(&w, 1); /* in units of 8 bytes */
		put(&w, mac, MAC_BYTES);
	}
	/* RFC 2460 8.1: over the pseudo header and the message. */
	sum = checksum_add((uint32_t)payload + IPPROTO_ICMPV6, addresses, 32);
	sum = checksum_end(checksum_add(sum, message, payload));
	message[2] = (uint8_t)(sum >> 8);
	message[3] = (uint8_t)sum;
	return (size_t)(w.at - out);
}

size_t announce_na(const uint8_t mac[MAC_BYTES], const struct ip *vip, uint8_t *out)
{
	const unsigned override = 0x20;

	return neighbour(ND_NEIGHBOR_ADVERT, override, mac, vip->bytes, all_nodes, vip->bytes,
			 ND_OPT_TARGET_LINKADDR, out);
}

static size_t solicit(const uint8_t *mac, const struct ip *vip, uint8_t *out)
{
	/* The group that every holder of such an address has joined (RFC 4291 2.7.1). */
	uint8_t group[16] = {0xff, 0x02, [11] = 0x01, [12] = 0xff};

	memcpy(group + 13, vip->bytes + 13, 3);
	/* From ::, so without a source link-layer option (RFC 4861 4.3). */
	return neighbour(ND_NEIGHBOR_SOLICIT, 0, mac, nobody, group, vip->bytes, 0, out);
}

size_t announce_probe(const uint8_t mac[MAC_BYTES], const struct ip *vip, uint8_t *out)
{
	if (vip->family == AF_INET6)
		return solicit(mac, vip, out);
	return arp(broadcast, ARPOP_REQUEST, mac, nobody, nobody, vip->bytes, out);
}

size_t announce_frames(const uint8_t mac[MAC_BYTES], const struct ip *vip,
		       struct announce_frame out[ANNOUNCE_FRAMES_MAX])
{
	if (vip->family == AF_INET6) {
		out[0].n = announce_na(mac, vip, out[0].bytes);
		return 1;
	}
	out[0].n = announce_arp_request(mac, vip, out[0].bytes);
	out[1].n = announce_arp_reply(mac, vip, out[1].bytes);
	return 2;
}

/* --- when --- */

static const nanos rounds[] = {0, MS(200), MS(1100), MS(3000)};
#define N_ROUNDS    (sizeof(rounds) / sizeof(rounds[0]))
#define FIRST_BURST 3
#define REFRESH     SECONDS(60)

void announce_start(struct announce_schedule *schedule, nanos now)
{
	schedule->claimed = now > 0 ? now : 1;
	schedule->done = 0;
}

void announce_stop(struct announce_schedule *schedule)
{
	*schedule = (struct announce_schedule){0};
}

nanos announce_next(const struct announce_schedule *schedule)
{
	if (!schedule->claimed)
		return NANOS_NEVER;
	if (schedule->done < N_ROUNDS)
		return schedule->claimed + rounds[schedule->done];
	return schedule->claimed + rounds[N_ROUNDS - 1] + REFRESH * (nanos)(schedule->done - N_ROUNDS + 1);
}

unsigned announce_due(struct announce_schedule *schedule, nanos now)
{
	unsigned times;

	if (now < announce_next(schedule))
		return 0;
	times = schedule->done == 0 ? FIRST_BURST : 1;
	/* A late turn sends one round for all that it missed. */
	while (announce_next(schedule) <= now)
		schedule->done++;
	return times;
}
