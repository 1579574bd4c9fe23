/*
 * election.h: who shall hold the VIP. Pure: an order between two nodes and a table with every state x event
 * cell.
 *
 * Order when nobody holds: can serve at all; fitness class; what it reaches; priority; node id. An active keeps what it has
 * (no preemption by default), unless the other is of a higher fitness class or reaches more. After a split: fitness class, reach,
 * more live client connections, epoch, node id. Node ids differ, so equal is impossible.
 *
 * The table does not say when an event happens (heart_consider() derives them from lease and detection), only what
 * follows.
 */
#ifndef HAPAIR_HEARTBEAT_ELECTION_H
#define HAPAIR_HEARTBEAT_ELECTION_H

#include "hapair/base/msg.h"

#include <stdbool.h>
#include <stdint.h>

/* What a node reaches. A node without servers answers nobody well, one without the gateway some: so servers weigh more. */
enum election_reach {
	REACH_GATEWAY = 1 << 0, /* or none is configured */
	REACH_SERVERS = 1 << 1, /* at least one of those that are checked, or none is */
	REACH_ALL = REACH_GATEWAY | REACH_SERVERS,
};

struct election_standing {
	bool usable; /* the interfaces of the VIPs are there, the kernel lets it, the node is not stopping */
	uint8_t fitness; /* enum fitness_class */
	uint32_t priority;
	uint64_t node;
	uint32_t connections;
	uint64_t epoch;
	uint8_t reach; /* enum election_reach, the bits; compared within a class */
};

/* A class below this answers no client, so it claims nothing, not even alone. */
bool election_can_serve(const struct election_standing *a);

/* When nobody holds: does `a` go before `b`? One of (a, b) and (b, a) is true. */
bool election_first(const struct election_standing *a, const struct election_standing *b);

/* The active `a` should give the VIP to `b`, because b can serve and is of a higher class, or of the same and reaches more. */
bool election_fitter(const struct election_standing *b, const struct election_standing *a);

/* Both hold: does `a` keep? One of (a, b) and (b, a) is true. */
bool election_keeps(const struct election_standing *a, const struct election_standing *b);

enum election_event {
	ELECTION_SILENCE,     /* every wait is over, nobody was heard, this node can serve */
	ELECTION_FIRST,       /* the peer is heard, nobody holds, this node goes first */
	ELECTION_GRANTED,     /* the peer granted what this node asked for */
	ELECTION_RELEASED,    /* the peer released the VIP to this node, which can serve */
	ELECTION_PEER_HOLDS,  /* the peer is heard to hold */
	ELECTION_WAITED,      /* start_wait is over and this node may not or cannot claim */
	ELECTION_SPLIT_WON,   /* both hold; this node keeps */
	ELECTION_SPLIT_LOST,  /* both hold; the other keeps */
	ELECTION_SPLIT_ENDED, /* the other has let go */
	ELECTION_LAPSED,      /* the own fence ran out */
	ELECTION_OVERRUN,     /* a renewal took longer than the margin allows, or came too late */
	ELECTION_PEER_FITTER, /* the peer is alive and of a higher class */
	ELECTION_OUTRANKED,   /* preempt: the peer is as fit and of a higher priority */
	ELECTION_SWITCHOVER,  /* the operator's order, and the peer can take it: plainly */
	ELECTION_PREPARED,    /* an order to give the VIP, and both nodes are prepared to break nothing */
	ELECTION_BROKEN,      /* this node cannot hold the VIP: an interface is gone, the kernel refused it */
	ELECTION_MENDED,      /* it can again, or may try again */
	ELECTION_DRAINED,     /* the connections of a given-away VIP have ended */
	ELECTION_STOP,        /* the daemon stops */
	ELECTION_EVENT_COUNT
};

enum election_act {
	ELECTION_IGNORE, /* stay; the cell says why */
	ELECTION_MOVE,   /* change the state, nothing else */
	ELECTION_ASK,    /* ask the peer for a grant */
	ELECTION_CLAIM,  /* next epoch, address, fence, announce */
	ELECTION_YIELD, /* close the fence, remove the address, tell the peer; to draining: but for connections */
	ELECTION_RAISE,  /* next epoch, announce again */
	ELECTION_REFUSE, /* a command that cannot be done here */
};

struct election_cell {
	enum election_act act;
	enum node_state next;
	const char *why; /* reads after "because" */
};

/* Every cell is filled. */
const struct election_cell *election_cell(enum node_state state, enum election_event event);
const char *election_event_name(enum election_event event); /* "silence", "peer_fitter", ... */

#endif
