/*
 * links.h: the UDP sockets of the heartbeat, one per link, bound to the link's own address.
 *
 * Datagrams leave with DSCP CS6 (network control, RFC 4594) and the queueing priority that goes with it. Only what comes
 * from the configured address and port of the peer's end of the link is delivered, the rest is counted. Never blocks.
 * Functions return 0 or negative errno.
 */
#ifndef HAPAIR_HEARTBEAT_LINKS_H
#define HAPAIR_HEARTBEAT_LINKS_H

#include "hapair/base/addr.h"
#include "hapair/base/config.h"
#include "hapair/base/clock.h"
#include "heartbeat/wire.h"

#include <stddef.h>
#include <stdint.h>

struct links;

/*
 * `local` and `remote` have `n` entries, the i-th of each are the ends of link i. An address that the machine does not have yet
 * is no error: the link works once it is there.
 */
int links_open(const struct addr *local, const struct addr *remote, size_t n, struct links **ret);
void links_close(struct links *links);

size_t links_count(const struct links *links);
int links_fd(const struct links *links, size_t link);

/* -ENETUNREACH and the like are the network's business, not the caller's. */
int links_send(struct links *links, size_t link, const uint8_t *bytes, size_t n);

/* `at`: when it came, as links_arrival() says. */
typedef void links_on_datagram(void *ctx, size_t link, const uint8_t *bytes, size_t n, nanos at);

/*
 * The instant at which a datagram came that the kernel stamped with the wall clock, 0 not at all: how long ago it was, by the wall
 * clock, before now, but no earlier than the link was last read dry. Each of `now` and `before` (that read) is a pair of both clocks.
 * Where the wall clock was set in between, the stamp says nothing, and the datagram counts as having come now. So a clock step
 * changes nothing, and after a standstill of this process its peer looks neither younger nor older than it is.
 */
struct links_instant {
	nanos clock, wall;
};
nanos links_arrival(nanos stamp, const struct links_instant *now, const struct links_instant *before);

/*
 * Delivers everything that had arrived when it was called. Under a flood that is more than one socket buffer it stops
 * there and the descriptor stays readable. Returns how many datagrams came from somebody else than the peer.
 */
unsigned links_read(struct links *links, size_t link, links_on_datagram *on_datagram, void *ctx);

#endif
