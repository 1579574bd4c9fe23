/*
 * wire.h: one heartbeat as bytes. Pure: bytes in, a struct or a named reason out.
 *
 * All integers are big-endian. Durations on the wire are microseconds; there is no clock on the wire.
 *
 *        0               1               2               3
 *       +---------------+---------------+---------------+---------------+
 *     0 |                     magic  "hapr"                             |
 *       +---------------+---------------+---------------+---------------+
 *     4 |    version    |     link      |             flags             |
 *       +---------------+---------------+---------------+---------------+
 *     8 |            cluster id, 16 bytes                               |
 *       +---------------+---------------+---------------+---------------+
 *    24 |                        key id                                 |
 *       +---------------+---------------+---------------+---------------+
 *    28 |     state     |    fitness    |  heard links  |       0       |
 *       +---------------+---------------+---------------+---------------+
 *    32 |            node id, 8 bytes                                   |
 *    40 |            boot id of the sender, 8 bytes                     |
 *    48 |            sequence, 8 bytes                                  |
 *       +---------------+---------------+---------------+---------------+
 *    56 |      echo: boot id of the receiver, 8 bytes, 0 never heard    |
 *    64 |      echo: its newest sequence that was heard, 8 bytes        |
 *    72 |      echo: heard how long before this was sent                |
 *       +---------------+---------------+---------------+---------------+
 *    76 |      hold: the sender claims no sooner after this was sent    |
 *    80 |            epoch, 8 bytes                                     |
 *    88 |      dead: the sender's D                                     |
 *    92 |      linger: addresses may answer so long after the fence     |
 *    96 |      interval                                                 |
 *   100 |      datagrams sent on this link, this one included           |
 *   104 |      live client connections                                  |
 *   108 |      priority                                                 |
 *   112 |            version of what sync carries, 8 bytes              |
 *   120 |            configuration digest, its first 8 bytes            |
 *       +---------------+---------------+---------------+---------------+
 *   128 |  handover     |  number of m. |               0               |
 *   132 |      MACs of the interfaces of the VIPs, 16 of 6 bytes        |
 *       +---------------+---------------+---------------+---------------+
 *   228 |            HMAC-SHA256 over every byte before it, 32 bytes    |
 *       +---------------+---------------+---------------+---------------+
 *   260
 *
 * Another version may add fields before the MAC, which is always the last 32 bytes; the first 128 bytes keep place and meaning in
 * every version. So a node in the middle of a rolling upgrade is alive, echoes and grants. Version 1 ended at 128: of such a peer
 * handover is 0 and no MAC is known, and a switchover to it is a plain one.
 */
#ifndef HAPAIR_HEARTBEAT_WIRE_H
#define HAPAIR_HEARTBEAT_WIRE_H

#include "hapair/base/clock.h"
#include "hapair/base/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_VERSION   2
#define WIRE_MAC_BYTES 32
#define WIRE_BASE      128 /* what every version has */
#define WIRE_HEAD      228
#define WIRE_SIZE_MIN  (WIRE_BASE + WIRE_MAC_BYTES)
#define WIRE_SIZE      (WIRE_HEAD + WIRE_MAC_BYTES) /* what this version sends */
#define WIRE_SIZE_MAX  512                          /* what any version may send */
#define WIRE_CLUSTER   16
#define WIRE_MACS      16
#define WIRE_MAC       6

/* Reasons are the REJECT_* of hapair/base/msg.h. */
#define REJECT_NONE (-1)

/* A hold that never ends, for a sender that said goodbye. */
#define WIRE_FOREVER NANOS_NEVER

enum wire_flag {
	WIRE_REPLY = 1 << 0,    /* answers a heartbeat; is not answered itself */
	WIRE_ASKS = 1 << 1,     /* the sender holds the VIP or asks for it: an echo of this is a grant */
	WIRE_RELEASED = 1 << 2, /* the sender held epoch-th lease, closed its fence, and gives the VIP to the
				   receiver */
	WIRE_GOODBYE = 1 << 3,  /* the sender stops and claims nothing any more in this boot */
	WIRE_SWITCHOVER = 1 << 4, /* with RELEASED: by the operator's order */
	WIRE_HELD_DOWN = 1 << 5,  /* the sender moved too often: no preference for it */
	/* What the sender reaches (election.h). Older versions say none of these, and so reach all. */
	WIRE_NO_SERVERS = 1 << 6,
	WIRE_NO_GATEWAY = 1 << 7,
	WIRE_SEES_SERVERS = 1 << 8, /* it reached a server since the receiver says that it reaches none */
	WIRE_SEES_GATEWAY = 1 << 9, /* it reached the gateway just now */
};

/* Of a switchover that breaks nothing: vip/DESIGN.md. */
enum wire_handover {
	WIRE_CAN_DRAIN = 1 << 0, /* the sender knows how to, and its machine lets it */
	WIRE_PREPARE = 1 << 1,   /* the sender holds the VIP and is about to give it: be prepared */
	WIRE_PREPARED = 1 << 2,  /* the sender is: give it */
	WIRE_CANNOT = 1 << 3,    /* the sender tried and cannot */
};

struct wire_message {
	uint8_t version; /* wire_encode() sends WIRE_VERSION whatever this says */
	uint8_t link;
	uint16_t flags;
	uint8_t state;       /* enum node_state */
	uint8_t fitness;     /* enum fitness_class */
	uint8_t heard_links; /* bit i: the receiver is heard on link i */
	uint64_t node, boot, sequence;
	uint64_t echo_boot, echo_sequence;
	nanos echo_ago;
	nanos hold; /* rounded down to microseconds by the wire; WIRE_FOREVER */
	uint64_t epoch;
	nanos dead, linger, interval;
	uint32_t sent_on_link;
	uint32_t connections;
	uint32_t priority;
	uint64_t sync_version;
	uint64_t digest;
	uint8_t handover; /* enum wire_handover */
	uint8_t n_macs;   /* at most WIRE_MACS */
	uint8_t macs[WIRE_MACS][WIRE_MAC];
};

/* The first eight bytes of a digest or a hash, as the wire's number. */
uint64_t wire_number(const uint8_t bytes[8]);

/*
 * The cheap checks, before any HMAC: REJECT_SHORT, _MAGIC, _VERSION (0, or a length that no version has),
 * _CLUSTER, or REJECT_NONE.
 */
int wire_check(const uint8_t *bytes, size_t n, const uint8_t cluster[WIRE_CLUSTER]);

/* Both only for bytes that passed wire_check(). A state or fitness that this version does not know becomes
 * FAULT or DEAD. */
uint32_t wire_key_id(const uint8_t *bytes);
void wire_decode(const uint8_t *bytes, size_t n, struct wire_message *ret);

/* All but the MAC, which is left zero. Durations are cut to the range of the field. */
void wire_encode(const struct wire_message *m, const uint8_t cluster[WIRE_CLUSTER], uint32_t key_id,
		 uint8_t out[WIRE_SIZE]);

#endif
