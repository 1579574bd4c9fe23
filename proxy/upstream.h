/*
 * upstream.h: one worker's connections to servers, and those of them that wait for another request.
 *
 * An idle connection has a receive in flight, so that its end is known at once; whoever takes it takes that receive too. Idle ones are kept last
 * in, first out, at most UPSTREAM_IDLE_MAX for each server and worker and UPSTREAM_IDLE_FOR each.
 */
#ifndef HAPAIR_PROXY_UPSTREAM_H
#define HAPAIR_PROXY_UPSTREAM_H

#include "proxy/io.h"
#include "proxy/servers.h"

#define UPSTREAM_IDLE_MAX 256
#define UPSTREAM_IDLE_FOR SECONDS(30)

struct upstreams {
	struct io_loop *loop;
	unsigned worker;
	struct slab slab;
	size_t open, limit; /* connections that are not closed */
	struct list idle;   /* all of them, whatever the server; most recently used first */
};

struct upstream {
	struct io_stream stream; /* first; owner: the session, or this while idle */
	struct upstreams *all;
	struct server *server; /* referred to */
	struct list by_server, by_worker;
	struct wheel_timer timer;
	nanos idle_since;
	bool reused; /* it has served a request before */
};

void upstreams_init(struct upstreams *all, struct io_loop *loop, unsigned worker, size_t limit);
void upstreams_close_idle(struct upstreams *all);
void upstreams_done(struct upstreams *all);

/* An idle connection to the server that has waited no longer than `max_age`, its receive in flight; NULL: none. */
struct upstream *upstream_take(struct upstreams *all, struct server *server, nanos max_age,
			       const struct io_handler *handler, void *owner);
/* A new one; on_connected tells. Where there are too many, the oldest idle one is closed for it; NULL: none is idle. `handler` must have on_closed call upstream_closed(). */
struct upstream *upstream_connect(struct upstreams *all, struct server *server,
				  const struct io_handler *handler, void *owner);
/* It can serve another request. No send in flight; a receive may be. */
void upstream_give_back(struct upstream *upstream);
void upstream_close(struct upstream *upstream, enum io_close_how how);
void upstream_closed(struct io_stream *stream);
/* A failed connect that only says that this machine has too little of something: nothing about the server. */
bool upstream_error_is_ours(int error);

static inline struct upstream *upstream_of(struct io_stream *stream)
{
	return (struct upstream *)stream;
}

#endif
