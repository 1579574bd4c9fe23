/*
 * detect.h: who is heard, on which link, how well, and since when not. Pure.
 *
 * Decides whether a signed message of the peer may be believed:
 *   - of its known boot: once (replay window per link);
 *   - of a new boot, or of the known boot after a silence of D: only with an echo of something that I sent within D. The old
 * boot of a new one is retired and never believed again;
 *   - without such an echo, while the known boot is silent: a *stranger*. It proves nothing: it may have waited on the way
 * (for a neighbour's address while a cable was out: seconds), and its sender may be dead. But it keeps this node from concluding
 * that nobody is there: a new boot for a bounded time in all (the budget, refilled by a believed message).
 *
 * Silence is observed time only: where a turn came late, the time that nobody watched does not count.
 */
#ifndef HAPAIR_HEARTBEAT_DETECT_H
#define HAPAIR_HEARTBEAT_DETECT_H

#include "heartbeat/lease.h"
#include "heartbeat/replay.h"
#include "heartbeat/wire.h"

#define DETECT_RETIRED 8

struct detect_link {
	struct replay replay;
	nanos heard;            /* 0 never */
	nanos quiet_since;      /* silence is observed since, on this link */
	bool up;                /* heard within D */
	bool heard_there;       /* the peer says that it hears us on this link */
	enum link_way way;      /* as told; one-way once it was so for a while */
	enum link_way way_seen; /* now, and since when */
	nanos way_since;
	nanos rtt, jitter;                     /* smoothed as in RFC 6298 2; 0 not known */
	uint32_t counted;                      /* the peer's count on this link, newest */
	uint32_t window_sent, window_received; /* for loss */
	double loss;                           /* 0..1, smoothed over windows of 32 datagrams */
	uint64_t sent, received;
};

struct detect {
	size_t n_links;
	struct detect_link links[CONFIG_LINKS_MAX];
	uint64_t boot;     /* of the peer, believed; 0 none yet */
	uint64_t newest;   /* its newest sequence, on any link */
	nanos newest_at;   /* when that was heard */
	nanos heard;       /* the last believed message; 0 never */
	nanos any_heard;   /* the last message, strangers within the budget included */
	nanos quiet_since; /* silence is observed since; moves forward over unobserved time */
	nanos alone_since; /* the same, where only believed messages count */
	bool gone;         /* this boot said goodbye */
	uint64_t retired[DETECT_RETIRED];
	unsigned n_retired; /* ever; the ring wraps */
	struct {
		uint64_t boot;   /* 0 none */
		uint64_t newest; /* its newest sequence, echoed so that it learns that it is heard */
		nanos newest_at;
		nanos budget_end; /* 0: the budget is whole */
	} stranger;
};

enum detect_verdict {
	DETECT_NEWEST,   /* believed, newer than all before: its state counts */
	DETECT_OLD,      /* believed, overtaken by a newer one: proves life only */
	DETECT_NEW_BOOT, /* believed, and the first of a new boot */
	DETECT_STRANGER, /* proves nothing, inhibits for a while */
	DETECT_REPLAY,   /* REJECT_REPLAY */
	DETECT_BOOT,     /* REJECT_BOOT: a retired boot, a stranger beside a live peer or past its budget */
};

void detect_init(struct detect *d, size_t n_links, nanos now);

/* `me`: own boot. `budget`: how long strangers may inhibit in all. */
enum detect_verdict detect_message(struct detect *d, const struct wire_message *m, unsigned link, uint64_t me,
				   const struct lease_sent *sent, nanos dead, nanos budget, nanos at);

/* A round trip on a link. */
void detect_round_trip(struct detect *d, unsigned link, nanos rtt);

/* A turn came `late`: that time was not watched. */
void detect_unwatched(struct detect *d, nanos late, nanos now);

/* Whom to echo: the believed boot while it is heard (or nobody else is), else the newest stranger. False: nobody was heard. */
bool detect_echo(const struct detect *d, uint64_t *ret_boot, uint64_t *ret_sequence, nanos *ret_at);

/*
 * Is the link one-way? To be asked in every turn. `alive`: the peer is heard on some link, so that what it says of this one is news. A link
 * counts as one-way when it was for `wait`: what the peer says is as old as its own wait. True: l->way has changed.
 */
bool detect_way(struct detect *d, unsigned link, bool alive, nanos wait, nanos now);

/* Observed silence. */
nanos detect_quiet(const struct detect *d, nanos now);

#endif
