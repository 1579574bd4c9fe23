/*
 * conflict.c: reading ARP and neighbour advertisements with the suspicion that they deserve.
 */
#include "vip/conflict.h"

#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <string.h>

enum {
	ETHERNET = 14,
	ARP_BYTES = 28,
	IPV6_BYTES = 40,
	ND_BYTES = 24, /* solicitation and advertisement up to their options */
};

static unsigned read16(const uint8_t *p)
{
	return (unsigned)(p[0] << 8 | p[1]);
}

static bool is_zero(const uint8_t *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

static bool usable(const uint8_t *mac, const uint8_t *own_mac)
{
	/* A group address holds nothing (RFC 826 has no such sender). */
	return !(mac[0] & 1) && !is_zero(mac, MAC_BYTES) && memcmp(mac, own_mac, MAC_BYTES) != 0;
}

static enum conflict_claim read_arp(const uint8_t *arp, size_t n, const struct ip *vip,
				    const uint8_t *own_mac, uint8_t *ret_mac)
{
	const uint8_t *sender_mac = arp + 8, *sender_ip = arp + 14, *target_ip = arp + 24;
	unsigned operation;

	if (n < ARP_BYTES || read16(arp) != ARPHRD_ETHER || read16(arp + 2) != ETHERTYPE_IP ||
	    arp[4] != MAC_BYTES || arp[5] != 4)
		return CONFLICT_NOTHING;
	operation = read16(arp + 6);
	if ((operation != ARPOP_REQUEST && operation != ARPOP_REPLY) || !usable(sender_mac, own_mac))
		return CONFLICT_NOTHING;
	memcpy(ret_mac, sender_mac, MAC_BYTES);
	if (memcmp(sender_ip, vip->bytes, 4) == 0)
		return CONFLICT_HOLDER;
	if (operation == ARPOP_REQUEST && is_zero(sender_ip, 4) && memcmp(target_ip, vip->bytes, 4) == 0)
		return CONFLICT_ENQUIRER;
	return CONFLICT_NOTHING;
}

/* The MAC of a link-layer option of that type, or NULL. Malformed options end the search (RFC 4861 6.1). */
static const uint8_t *find_option(const uint8_t *options, size_t n, unsigned type)
{
	while (n >= 8) {
		size_t length = (size_t)options[1] * 8;

		if (length == 0 || length > n)
			return NULL;
		if (options[0] == type && length == 8)
			return options + 2;
		options += length;
		n -= length;
	}
	return NULL;
}

static enum conflict_claim read_neighbour(const uint8_t *frame, size_t n, const struct ip *vip,
					  const uint8_t *own_mac, uint8_t *ret_mac)
{
	const uint8_t *ip = frame + ETHERNET, *nd = ip + IPV6_BYTES, *source = ip + 8, *target = nd + 8;
	const uint8_t *mac = frame + MAC_BYTES, *option;
	size_t payload;

	if (n < ETHERNET + IPV6_BYTES + ND_BYTES || ip[0] >> 4 != 6 || ip[6] != IPPROTO_ICMPV6 ||
	    ip[7] != 255)
		return CONFLICT_NOTHING;
	payload = read16(ip + 4);
	if (payload < ND_BYTES || payload > n - ETHERNET - IPV6_BYTES || nd[1] != 0 ||
	    memcmp(target, vip->bytes, 16) != 0)
		return CONFLICT_NOTHING;
	if (nd[0] == ND_NEIGHBOR_ADVERT) {
		/* What neighbours will send to is the option; without one, the frame's sender. */
		option = find_option(nd + ND_BYTES, payload - ND_BYTES, ND_OPT_TARGET_LINKADDR);
		if (option)
			mac = option;
		if (!usable(mac, own_mac))
			return CONFLICT_NOTHING;
		memcpy(ret_mac, mac, MAC_BYTES);
		return CONFLICT_HOLDER;
	}
	if (nd[0] == ND_NEIGHBOR_SOLICIT && is_zero(source, 16) && usable(mac, own_mac)) {
		memcpy(ret_mac, mac, MAC_BYTES);
		return CONFLICT_ENQUIRER;
	}
	return CONFLICT_NOTHING;
}

enum conflict_claim conflict_read(const uint8_t *frame, size_t n, const struct ip *vip,
				  const uint8_t own_mac[MAC_BYTES], uint8_t ret_mac[MAC_BYTES])
{
	unsigned type;

	if (n < ETHERNET)
		return CONFLICT_NOTHING;
	type = read16(frame + 12);
	if (type == ETHERTYPE_ARP && vip->family == AF_INET)
		return read_arp(frame + ETHERNET, n - ETHERNET, vip, own_mac, ret_mac);
	if (type == ETHERTYPE_IPV6 && vip->family == AF_INET6)
		return read_neighbour(frame, n, vip, own_mac, ret_mac);
	return CONFLICT_NOTHING;
}

struct conflict_advice conflict_heard(struct conflict *conflict, const uint8_t mac[MAC_BYTES], bool held,
				      nanos now)
{
	struct conflict_advice advice = {0};
	bool known = conflict->count && memcmp(conflict->mac, mac, MAC_BYTES) == 0;

	advice.report = !known || now - conflict->last_report >= CONFLICT_REPORT_INTERVAL;
	advice.defend =
		held && (!conflict->last_defence || now - conflict->last_defence >= CONFLICT_DEFEND_INTERVAL);
	memcpy(conflict->mac, mac, MAC_BYTES);
	conflict->last_heard = now;
	conflict->count++;
	if (advice.report)
		conflict->last_report = now;
	if (advice.defend)
		conflict->last_defence = now;
	return advice;
}

bool conflict_since(const struct conflict *conflict, nanos since)
{
	return conflict->count && conflict->last_heard >= since;
}
