/*
 * gateway.h: does any of these addresses answer? The probes of the witness "gateway".
 *
 * An IPv4 address in a subnet of this machine is asked by ARP (RFC 826), which every host answers; the others by ICMP echo
 * (RFC 792, RFC 4443 4.1). What is told is when the answered probe was *sent*, so that an answer proves nothing that is older. An
 * ARP answer names no probe: it counts for the oldest one that waits. Never waits itself; needs CAP_NET_RAW. Functions return 0 or
 * negative errno.
 */
#ifndef HAPAIR_VIP_GATEWAY_H
#define HAPAIR_VIP_GATEWAY_H

#include "hapair/base/addr.h"
#include "hapair/base/clock.h"

#include <stddef.h>

#define GATEWAY_TARGETS_MAX 8

struct gateway;

/* `vips`: never used as an own address. */
int gateway_new(const struct ip *targets, size_t n, const struct ip *vips, size_t n_vips,
		struct gateway **ret);
void gateway_free(struct gateway *gateway);

/* Readable when gateway_read() has something to do. Closed by gateway_free(). */
int gateway_fd(const struct gateway *gateway);

/* Asks all of them. A machine that has lost its way asks too: who can't be asked does not answer. */
void gateway_probe(struct gateway *gateway, nanos now);

/* Reads all answers. When the newest answered probe, to any target, was sent; 0: none ever was. */
nanos gateway_read(struct gateway *gateway);

#endif
