/*
 * lease.h: how long this node may hold the VIP, and how long it must not claim it. Pure arithmetic over
 * instants of the own clock; heartbeat/DESIGN.md has the argument.
 *
 *   I interval    D dead = dead_after * I    m margin = max(2 ms, D/10)    s slack for delay = 5 ms
 *
 *   holder   a message of the peer that does not ask, echoes my heartbeat X heard `ago` before it was sent,
 * and says "I hold still for `hold`" is worth: sent(X) + ago + hold - m. It left the peer no earlier than
 * sent(X) + ago, because X arrived no earlier than it was sent. For a passive that waits D since X that is
 * sent(X) + D - m. silence  nothing heard for D - m - I - s: the peer is dead or both directions are cut: now
 * + D. The first datagram that is heard again ends that right at once, and what it grants counts instead.
 *   waiter   not before last heard + max(own D, peer's D) + the peer's linger; not before what was promised
 * on the wire.
 */
#ifndef HAPAIR_HEARTBEAT_LEASE_H
#define HAPAIR_HEARTBEAT_LEASE_H

#include "hapair/base/clock.h"

#include <stdbool.h>
#include <stdint.h>

#define LEASE_SLACK    MS(5)
#define LEASE_DEAD_MAX 60 /* dead_after, at most: what was sent within D must be remembered */
#define LEASE_SENT     1024

struct lease_terms {
	nanos interval, dead, margin, slack;
};

struct lease_terms lease_terms_of(nanos interval, unsigned dead_after);

/* m for a wait of `dead`. */
nanos lease_margin(nanos dead);

/*
 * May these settings be used? D - m - I - s > I: two heartbeats fit into the time after which silence is
 * believed, so that one lost heartbeat never looks like a dead peer. NULL, or why not in a static text. 10 ms
 * with dead_after 3 is the floor.
 */
const char *lease_refusal(nanos interval, unsigned dead_after);

/* D - m - I - s. */
nanos lease_silence(const struct lease_terms *terms);

/* When each of the newest datagrams was sent; an instant no later than the real sending. */
struct lease_sent {
	struct lease_sending {
		uint64_t sequence;
		nanos at;
		uint8_t link;
	} ring[LEASE_SENT];
	struct lease_sending echoed; /* the newest that the peer has echoed, kept however old it is */
};

void lease_sent_note(struct lease_sent *sent, uint64_t sequence, unsigned link, nanos at);
/* NULL: not remembered, or never sent. */
const struct lease_sending *lease_sent_find(const struct lease_sent *sent, uint64_t sequence);

/*
 * What a message is worth: the end of the lease that it grants. `sent`: when the heartbeat that it echoes was
 * sent. `ago`, `hold` as on the wire; one 1,024th of `ago` is given away for clocks of different pace.
 * Subtracts the margin for `dead`, the D that the message carries. NANOS_NEVER when the hold is forever.
 */
nanos lease_grant(nanos sent, nanos ago, nanos hold, nanos dead);

/* How long a waiter waits after the last heartbeat: max(own, peer's) + linger. */
nanos lease_wait(nanos own_dead, nanos peer_dead, nanos peer_linger);

#endif
