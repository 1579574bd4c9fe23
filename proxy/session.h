/*
 * session.h: a client's connection and the requests on it, from accept to close.
 */
#ifndef HAPAIR_PROXY_SESSION_H
#define HAPAIR_PROXY_SESSION_H

#include "hapair/base/addr.h"

#include <stdbool.h>
#include <stdint.h>

struct plan;
struct session;
struct slab;
struct worker;

/* Both with room for `limit`: one of each for every connection. */
void session_slabs_init(struct slab *sessions, struct slab *partial_heads, size_t limit);

/* Takes `fd`, a connection from `peer` to a bind of the listener `listen` of `plan`. */
void session_accept(struct worker *worker, struct plan *plan, uint32_t listen, bool tls, int fd,
		    const struct addr *peer);

/* For every session of the worker. */
enum session_wish {
	SESSION_END_IDLE, /* close those without a request; the others end with their present one */
	SESSION_END_VIP,  /* close those whose own address is one of the VIPs */
	SESSION_END_ALL,
};
void sessions_end(struct worker *worker, enum session_wish wish);

#endif
