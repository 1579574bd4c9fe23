/*
 * worker.h: one thread that serves connections. Workers share the plan (immutable), the servers (atomic) and nothing else.
 *
 * The main thread tells a worker what it wants by worker_set_...(); each replaces what was wanted before and wakes it.
 */
#ifndef HAPAIR_PROXY_WORKER_H
#define HAPAIR_PROXY_WORKER_H

#include "proxy/access_log.h"
#include "proxy/http.h"
#include "proxy/io.h"
#include "proxy/plan.h"
#include "proxy/servers.h"
#include "proxy/slab.h"
#include "proxy/upstream.h"

#include <pthread.h>

/* A listening socket, and what it belongs to in the plan of the same generation. */
struct worker_bind {
	int fd;
	uint32_t listen, bind;
};

/* What the main thread wants, under the lock. */
struct worker_orders {
	pthread_mutex_t lock;
	struct plan *plan;         /* a fresh one, referred to; NULL: as before */
	struct worker_bind *binds; /* that go with it */
	size_t n_binds;
	bool accepting; /* else connections wait in the socket's queue */
	bool stopping;  /* no more accepting, end what is idle, stop when nothing is left */
	nanos end_at;   /* connections to a VIP that we do not hold any more end then; NANOS_NEVER */
	nanos stop_at;  /* stopping: what is left then is cut off */
};

struct worker {
	unsigned index;
	pthread_t thread;
	struct io_loop *loop;
	struct servers *servers;
	struct worker_orders orders;
	bool gone;            /* atomic: the thread has ended */
	uint32_t asked, seen; /* atomic: see worker_missed() */
	unsigned missed;      /* the main thread's */
	bool listener_lost;   /* atomic: a listening socket does not work any more */

	/* the worker's own from here on */
	struct plan *plan;
	struct list listeners; /* of struct listener in worker.c */
	struct slab sessions, partial_heads;
	struct list all; /* sessions */
	struct upstreams upstreams;
	bool stopping;
	bool releasing; /* the VIP was given away: responses end their connections */
	nanos end_at, stop_at;
	struct wheel_timer end_timer, stop_timer, flush_timer;
	struct access_batch access;
	/* own errors are logged, but not a million of them */
	nanos complaints_from;
	unsigned complaints, complaints_dropped;
	/* heads are parsed here and looked at at once */
	struct http_request request;
	struct http_response response;
};

/* Starts the thread; it does nothing before its first plan. 0 or negative errno. */
int worker_start(struct worker *worker, unsigned index, struct servers *servers, struct access_log *log,
		 size_t connections_max);

/* Takes the descriptors and a reference of its own on the plan. 0 or -ENOMEM (then the descriptors are closed). */
int worker_set_plan(struct worker *worker, struct plan *plan, const struct worker_bind *binds,
		    size_t n_binds);
void worker_set_accepting(struct worker *worker, bool accepting);
void worker_set_end(struct worker *worker, nanos end_at); /* NANOS_NEVER: the VIP is ours */
void worker_stop(struct worker *worker, nanos stop_at);
void worker_join(struct worker *worker);
/* Asks the worker for a sign of life; how many times it has not answered in a row. */
unsigned worker_missed(struct worker *worker);

/* For sessions: a line in the log unless there were too many lately. */
void worker_complain(struct worker *worker, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* For sessions: the last one is gone, or the like: looks whether it is time to stop. */
void worker_session_ended(struct worker *worker);

#endif
