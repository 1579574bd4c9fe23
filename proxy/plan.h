/*
 * plan.h: one configuration made ready to serve: routes sorted, certificates loaded, names resolved to pools and counters.
 *
 * Immutable once made, shared by all workers, counted references: a reload makes the next plan, and the old one lives until the last
 * connection that uses it has ended. Counters and pools outlive plans.
 */
#ifndef HAPAIR_PROXY_PLAN_H
#define HAPAIR_PROXY_PLAN_H

#include "hapair/base/config.h"
#include "proxy/route.h"
#include "proxy/servers.h"

#include <openssl/ssl.h>

/* One worker's, of one listener. Written by that worker only, read by the main thread; relaxed atomics. */
struct counters {
	uint64_t active, total;
	uint64_t requests, responses[6]; /* by first digit; 0: none could be sent */
	uint64_t bytes_in, bytes_out, retries;
} __attribute__((aligned(64)));

#define COUNT(field, n) __atomic_store_n(&(field), (field) + (n), __ATOMIC_RELAXED)

/* Of a listener by its name, whatever the configuration; never freed. */
struct listener_counters {
	struct list node;
	char name[CONFIG_NAME_MAX + 1];
	struct counters *by_worker;
};

struct plan_listen {
	struct route_table routes;
	struct route_entry *route_storage;
	SSL_CTX *tls;              /* NULL: no bind of it speaks TLS */
	struct counters *counters; /* by worker */
};

struct plan {
	uint32_t refs; /* atomic */
	uint64_t generation;
	const struct config *config;
	struct plan_listen *listens; /* as config->listens */
	struct pool **pools;         /* as config->pools */
};

/*
 * Main thread. `pem_fds`: one descriptor for each listener, -1 for none, the caller's. The servers must have been applied.
 * NULL with `why` filled. Holds the configuration (role_config_hold) until it is freed.
 */
struct plan *plan_new(const struct config *config, uint64_t generation, const struct servers *servers,
		      struct list *counters, unsigned n_workers, const int *pem_fds, char *why, size_t size);

static inline struct plan *plan_hold(struct plan *plan)
{
	__atomic_add_fetch(&plan->refs, 1, __ATOMIC_RELAXED);
	return plan;
}

void plan_drop(struct plan *plan); /* any thread; NULL is fine */

/* The listener of that name, or -1: it is not in this plan. */
int plan_find_listen(const struct plan *plan, const char *name);

/* The counters of a listener, made when there are none yet; NULL: out of memory. */
struct counters *counters_find(struct list *all, const char *name, unsigned n_workers);

#endif
