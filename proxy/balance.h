/*
 * balance.h: which server of a pool gets the next request or connection. Pure.
 *
 * The servers of a pool are one array of struct balance_server that the main thread and all workers share:
 * `active`, `weight` and `usable` are read and written with __atomic_ operations, relaxed (a pick from
 * numbers that are a moment old is still a good pick). What one worker remembers from pick to pick is its
 * struct balance_state, in memory of the caller.
 *
 *	roundrobin  smooth weighted: weights 5,1,1 give a a b a c a a; no server gets two in a row that it need
 *	            not get
 *	leastconn   fewest active per weight; equals in turn, by weight. Over more than BALANCE_SCAN_MAX servers
 *	            the better of two drawn by weight (power of two choices)
 *	iphash      highest weighted random score (rendezvous hashing): the same client meets the same server on
 *	            every worker and on both nodes; a server that leaves moves only its own clients, a weight that
 *	            changes only the share that it must. Bounded load: a server that would get more than
 *	            BALANCE_BOUND_PERCENT of its fair share (and more than BALANCE_BOUND_FLOOR) is passed over for
 *	            the client's next best, so 5,000 clients behind one address spread over the pool, while a
 *	            quiet pool stays sticky
 *
 * All picks look at usable servers only and leave out those that this request has tried. Up to
 * BALANCE_SERVERS_MAX servers; roundrobin and iphash look at each of them.
 */
#ifndef HAPAIR_PROXY_BALANCE_H
#define HAPAIR_PROXY_BALANCE_H

#include "hapair/base/addr.h"
#include "hapair/base/config.h"
#include "hapair/base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BALANCE_SERVERS_MAX   4000
#define BALANCE_TRIED_MAX     16 /* servers that one request may have tried */
#define BALANCE_SCAN_MAX      64
#define BALANCE_BOUND_PERCENT 125
#define BALANCE_BOUND_FLOOR   16 /* active that a server of average weight may have whatever the bound says */

struct balance_server {
	uint64_t key;    /* balance_server_key(); does not change */
	uint32_t active; /* requests or connections now, node-wide */
	uint16_t weight; /* 1..256 */
	uint8_t usable;  /* 1: takes new requests */
};

struct balance_state {
	enum config_balance kind;
	int32_t *current;  /* the lead of each server over its turn */
	uint64_t random;   /* power of two choices */
	uint32_t heaviest; /* weight met there */
};

enum { BALANCE_NONE_USABLE = -1, BALANCE_ALL_TRIED = -2 };

/* `storage` holds one int32_t for each server and lives as long as the state.
 * `worker` makes workers begin at different servers. */
void balance_init(struct balance_state *s, enum config_balance kind, int32_t *storage, size_t n,
		  uint32_t worker);

/*
 * Index of the server, or BALANCE_NONE_USABLE: no server takes requests; BALANCE_ALL_TRIED: the usable ones
 * were all tried already. `client` is balance_client_key(); only iphash uses it. `tried`: indices, n_tried <=
 * BALANCE_TRIED_MAX. Counting `active` up and down is the caller's.
 */
int balance_pick(struct balance_state *s, const struct balance_server *servers, size_t n, uint64_t client,
		 const uint16_t *tried, size_t n_tried);

/* The server's identity for iphash: by its name in the pool, so that a server that moves to another address
 * keeps its clients. */
uint64_t balance_server_key(struct span name);

/* An IPv4 address as a whole; of an IPv6 address the /64, because privacy extensions change the rest daily.
 */
uint64_t balance_client_key(const struct ip *client);

#endif
