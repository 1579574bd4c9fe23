/*
 * handover.h [pure]: what a planned switchover needs to know before it begins, and what must be put back after it.
 *
 * Source of the steering rules: vip/DESIGN.md, "A switchover that breaks nothing".
 */
#ifndef HAPAIR_VIP_HANDOVER_H
#define HAPAIR_VIP_HANDOVER_H

#include "hapair/base/addr.h"
#include "hapair/base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HANDOVER_DEVICES_MAX 16
#define HANDOVER_VIPS_MAX    16
#define HANDOVER_NAME_MAX    16 /* IF_NAMESIZE */
#define HANDOVER_MAC         6

/* One interface that carries VIPs, here and at the peer. */
struct handover_device {
	unsigned index;
	char name[HANDOVER_NAME_MAX];
	uint8_t own[HANDOVER_MAC], peer[HANDOVER_MAC];
};

struct handover_plan {
	struct handover_device devices[HANDOVER_DEVICES_MAX];
	size_t n_devices;
	struct ip vips[HANDOVER_VIPS_MAX];
	size_t n_vips;
	bool giving;   /* this node holds, and is to give */
	nanos timeout; /* no connection is served longer than this after the VIP was given */
};

/*
 * Why frames cannot be steered by this plan: static text, or NULL when they can. `heard` are the MACs from which each VIP was last
 * heard to be announced by the other node, all zero where nothing was heard; `port` the device of each VIP.
 */
const char *handover_refusal(const struct handover_plan *plan, const uint8_t heard[][HANDOVER_MAC],
			     const size_t *port);

/* A MAC that one machine can have: not zero, not a group. */
bool handover_mac_is_sane(const uint8_t mac[HANDOVER_MAC]);

/*
 * Settings of interfaces as they were before, as text that the kernel keeps with the steering table. The table and the settings live
 * and die together (with the machine or its network namespace), whatever becomes of the daemon.
 */
struct handover_before {
	struct {
		unsigned index;
		uint8_t arp_announce, arp_ignore;
	} devices[HANDOVER_DEVICES_MAX];
	size_t n;
};

#define HANDOVER_RECORD_MAX 128

/* False when it does not fit. */
bool handover_record_write(const struct handover_before *before, char out[HANDOVER_RECORD_MAX]);
/* False when it is not such a record. */
bool handover_record_read(const char *text, struct handover_before *ret);

#endif
