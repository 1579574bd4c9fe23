/*
 * servers.h: the pools and servers of this process, shared by the main thread and the workers.
 *
 * The main thread makes, changes and removes; workers pick, count and report. What both touch is atomic; nothing is
 * locked. A pool lives as long as the process, and a server keeps its place (index) in its pool as long as anybody refers
 * to it, so a reload changes what is usable but moves nothing under a worker's feet.
 */
#ifndef HAPAIR_PROXY_SERVERS_H
#define HAPAIR_PROXY_SERVERS_H

#include "hapair/base/config.h"
#include "hapair/base/list.h"
#include "proxy/balance.h"
#include "proxy/checker.h"
#include "proxy/health.h"

struct pool;

/* What a worker learned about a server, for the main thread; bits. */
enum { EVIDENCE_REFUSED = 1, EVIDENCE_FAILED = 2 };

/* One worker's idle connections to a server; only that worker touches it. */
struct server_idle {
	struct list list; /* most recently used first */
	unsigned n;
} __attribute__((aligned(64)));

struct server {
	struct list node; /* in pool->all */
	struct pool *pool;
	char name[CONFIG_NAME_MAX + 1];
	struct addr address;
	uint16_t index;
	bool configured; /* main thread: in the current configuration */
	nanos removed_at;
	struct health health; /* main thread, as all down to last_check */
	struct checker_target *target;
	struct checker_result last_check;
	uint32_t refs;             /* atomic: workers that use it */
	uint32_t evidence;         /* atomic: EVIDENCE_ bits */
	uint64_t total;            /* atomic: requests or connections given to it */
	uint64_t failed;           /* atomic: of them, not answered */
	struct server_idle idle[]; /* by worker */
};

struct pool_turn; /* one worker's balance state */

struct pool {
	struct list node; /* in servers->pools */
	char name[CONFIG_NAME_MAX + 1];
	bool configured;
	struct health_policy policy;    /* main thread */
	struct list all;                /* of struct server, also those on their way out */
	uint32_t n;                     /* atomic: places ever used */
	struct balance_server *entries; /* BALANCE_SERVERS_MAX places */
	struct server **places;         /* atomic pointers; NULL: free */
	struct pool_turn **turns;       /* by worker */
};

struct servers {
	unsigned n_workers;
	struct list pools;
	int evidence_fd; /* eventfd: a worker has left evidence */
};

/* NULL when out of memory or descriptors. Lives to the end of the process. */
struct servers *servers_new(unsigned n_workers);

/* --- main thread ------------------------------------------------------------------------------------------------ */

/* Makes pools and servers what `config` says; those that are in it no more become unusable and, when nobody refers to
 * them any longer, go. `added` and `removed` are called for the servers concerned (`config_pool` is where it stands);
 * `kept` for the others. -ENOMEM, -E2BIG (more servers than places), or 0. */
struct servers_change {
	void (*added)(void *ctx, struct server *server, const struct config_pool *pool,
		      const struct config_server *configured);
	void (*kept)(void *ctx, struct server *server, const struct config_pool *pool,
		     const struct config_server *configured);
	void (*removed)(void *ctx, struct server *server);
	void *ctx;
};
int servers_apply(struct servers *servers, const struct config *config, nanos now,
		  const struct servers_change *change);

/* NULL: none such. */
struct pool *servers_pool(const struct servers *servers, const char *name);
struct server *pool_server(const struct pool *pool, const char *name); /* configured ones only */

/* After a change of health in it: which servers take requests now. */
void pool_refresh(struct pool *pool);
/* True when of every server that is checked something is known: a result, or what was found before. */
bool pool_settled(const struct pool *pool);
/* True when one of them is known to be up, or none is ever checked. */
bool pool_serves(const struct pool *pool);

/* --- workers ------------------------------------------------------------------------------------------------------ */

/* The server for a new request, counted as active and referred to until server_release(); NULL with the reason
 * (BALANCE_NONE_USABLE, BALANCE_ALL_TRIED). */
struct server *pool_pick(struct pool *pool, unsigned worker, enum config_balance kind,
			 const struct ip *client, const uint16_t *tried, size_t n_tried, int *ret_why);
void server_release(struct server *server);

/* A reference without activity: an idle connection. */
static inline void server_hold(struct server *server)
{
	__atomic_add_fetch(&server->refs, 1, __ATOMIC_RELAXED);
}

static inline void server_drop(struct server *server)
{
	__atomic_sub_fetch(&server->refs, 1, __ATOMIC_RELEASE);
}

static inline bool server_usable(const struct server *server)
{
	return __atomic_load_n(&server->pool->entries[server->index].usable, __ATOMIC_RELAXED);
}

static inline uint32_t server_active(const struct server *server)
{
	return __atomic_load_n(&server->pool->entries[server->index].active, __ATOMIC_RELAXED);
}

/* Tells the main thread at once. */
void server_report(struct servers *servers, struct server *server, uint32_t evidence);
static inline void server_count_failure(struct server *server)
{
	__atomic_add_fetch(&server->failed, 1, __ATOMIC_RELAXED);
}

#endif
