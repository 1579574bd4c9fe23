/*
 * frames.h: the frames by which the observer asks for a VIP, and what their answers look like.
 *
 * Sources: ARP RFC 826, ND RFC 4861 4.3 and 4.4, ICMP RFC 792, ICMPv6 RFC 4443, TCP RFC 9293.
 * Every builder returns the length of the frame, at most 128 bytes where not said otherwise, with the
 * Ethernet header.
 */
#ifndef HAPAIR_TOOLS_FRAMES_H
#define HAPAIR_TOOLS_FRAMES_H

#include "hapair/base/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The machine that asks. */
struct frames_self {
	uint8_t mac[6];
	struct ip ip, ip6; /* AF_UNSPEC where the interface has none */
};

/* A packet socket bound to the interface that hears everything on it, and who we are there. Ends the program
 * on failure. */
int frames_open(const char *interface, struct frames_self *ret_self);

bool frames_parse_mac(const char *text, uint8_t ret[6]);

size_t frames_arp_request(const struct frames_self *self, const struct ip *target, uint8_t *frame);
size_t frames_solicitation(const struct frames_self *self, const struct ip *target, uint8_t *frame);
/* `turn` comes back in the answer. */
size_t frames_echo(const struct frames_self *self, const struct ip *to, const uint8_t mac[6], uint32_t turn,
		   uint8_t *frame);
size_t frames_syn(const struct frames_self *self, const struct ip *to, uint16_t port, const uint8_t mac[6],
		  uint32_t turn, uint8_t *frame);

/* UDP over IPv4 from any address, to a MAC; the frame has room for the payload and 42 bytes. */
size_t frames_udp(const struct frames_self *self, const uint8_t mac[6], const struct addr *from,
		  const struct addr *to, const uint8_t *payload, size_t n, uint8_t *frame);
/* Is it one? The payload points into the frame. */
bool frames_read_udp(const uint8_t *frame, size_t n, struct addr *ret_from, struct addr *ret_to,
		     const uint8_t **ret_payload, size_t *ret_n);

enum answer_kind { ANSWER_ARP, ANSWER_NDP, ANSWER_ICMP, ANSWER_ICMP6, ANSWER_TCP, ANSWER_COUNT };

struct answer {
	enum answer_kind kind;
	bool announcement; /* nobody asked: gratuitous ARP, unsolicited NA */
	uint32_t turn;     /* of an echo or a SYN, else 0 */
};

/* Is this frame somebody's answer, to us, for one of the VIPs? */
bool frames_read_answer(const struct frames_self *self, const struct ip *vip, const struct ip *vip6,
			const uint8_t *frame, size_t n, struct answer *ret);

#endif
