/*
 * announce.h [pure]: what a node says on the wire about a VIP, byte by byte, and when.
 *
 * Frames are whole Ethernet II frames, ready for a packet socket. `mac` is the sender's; `out` has room for
 * ANNOUNCE_FRAME_MAX. Each builder returns the frame's length.
 *
 * Sources: RFC 826, RFC 5227 (address conflict detection) 2.1.1 and 3, RFC 4861 4.3, 4.4 and 7.2.6, RFC
 * 4862 5.4.2, RFC 2464 7.
 */
#ifndef HAPAIR_VIP_ANNOUNCE_H
#define HAPAIR_VIP_ANNOUNCE_H

#include "hapair/base/addr.h"
#include "hapair/base/clock.h"

#include <stddef.h>
#include <stdint.h>

#define MAC_BYTES          6
#define ANNOUNCE_FRAME_MAX 86

/* "The VIP is here": ARP request with sender = target = VIP, the form that RFC 5227 3 recommends. IPv4 only.
 */
size_t announce_arp_request(const uint8_t mac[MAC_BYTES], const struct ip *vip, uint8_t *out);

/* The same as a broadcast reply, for hosts that learn from replies only. IPv4 only. */
size_t announce_arp_reply(const uint8_t mac[MAC_BYTES], const struct ip *vip, uint8_t *out);

/* The same for IPv6: unsolicited neighbour advertisement to all nodes, override set, not solicited. */
size_t announce_na(const uint8_t mac[MAC_BYTES], const struct ip *vip, uint8_t *out);

/* "Does anybody hold the VIP?", without saying that we do: ARP probe or neighbour solicitation from ::.
 * Either family. */
size_t announce_probe(const uint8_t mac[MAC_BYTES], const struct ip *vip, uint8_t *out);

/* "Who has `whom`? Tell `own`": the ordinary ARP request, to the MAC `to`, or NULL: to all. IPv4 only. */
size_t announce_arp_query(const uint8_t mac[MAC_BYTES], const struct ip *own, const uint8_t *to,
			  const struct ip *whom, uint8_t *out);

/* All frames that announce one VIP once. */
#define ANNOUNCE_FRAMES_MAX 2
struct announce_frame {
	uint8_t bytes[ANNOUNCE_FRAME_MAX];
	size_t n;
};
size_t announce_frames(const uint8_t mac[MAC_BYTES], const struct ip *vip,
		       struct announce_frame out[ANNOUNCE_FRAMES_MAX]);

/*
 * When: three at once, again 0.2, 1.1 and 3 s after the claim (kernels ignore a change within their ARP
 * locktime of 1 s, and a switch may still be learning), then every 60 s. Zero-initialised: nothing is due,
 * ever.
 */
struct announce_schedule {
	nanos claimed; /* 0: idle */
	unsigned done; /* rounds sent */
};

void announce_start(struct announce_schedule *schedule, nanos now);
void announce_stop(struct announce_schedule *schedule);

/* The instant of the next round, NANOS_NEVER when idle. */
nanos announce_next(const struct announce_schedule *schedule);

/* How often everything is to be announced at `now`; 0 when nothing is due. What is returned counts as sent.
 */
unsigned announce_due(struct announce_schedule *schedule, nanos now);

#endif
