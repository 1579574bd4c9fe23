/*
 * plan.c: see plan.h.
 */
#include "proxy/plan.h"

#include "hapair/base/role.h"
#include "proxy/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct counters *counters_find(struct list *all, const char *name, unsigned n_workers)
{
	list_each(node, all)
	{
		struct listener_counters *c = list_entry(node, struct listener_counters, node);
		if (strcmp(c->name, name) == 0)
			return c->by_worker;
	}
	struct listener_counters *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	size_t size = n_workers * sizeof(struct counters);
	c->by_worker = aligned_alloc(64, size);
	if (c->by_worker == NULL) {
		free(c);
		return NULL;
	}
	memset(c->by_worker, 0, size);
	strncpy(c->name, name, sizeof(c->name) - 1);
	list_push_back(all, &c->node);
	return c->by_worker;
}

static bool speaks_tls(const struct config_listen *listen)
{
	for (size_t i = 0; i < listen->n_binds; i++)
		if (listen->binds[i].tls)
			return true;
	return false;
}

static bool listen_init(struct plan_listen *l, const struct config_listen *configured, struct list *counters,
			unsigned n_workers, int pem_fd, char *why, size_t size)
{
	snprintf(why, size, "out of memory");
	l->counters = counters_find(counters, configured->name, n_workers);
	l->route_storage = calloc(configured->n_routes + 1, sizeof(*l->route_storage));
	if (l->counters == NULL || l->route_storage == NULL)
		return false;
	route_table_init(&l->routes, l->route_storage, configured);
	if (!speaks_tls(configured))
		return true;
	if (pem_fd < 0) {
		snprintf(why, size, "listener %s: no certificate came", configured->name);
		return false;
	}
	char what[200];
	l->tls = tls_context_new(pem_fd, configured->min_version, configured->mode == MODE_HTTP,
				 configured->name, what, sizeof(what));
	if (l->tls == NULL)
		snprintf(why, size, "listener %s: %s", configured->name, what);
	return l->tls != NULL;
}

struct plan *plan_new(const struct config *config, uint64_t generation, const struct servers *servers,
		      struct list *counters, unsigned n_workers, const int *pem_fds, char *why, size_t size)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	if (plan == NULL) {
		snprintf(why, size, "out of memory");
		return NULL;
	}
	role_config_hold(config);
	plan->refs = 1;
	plan->generation = generation;
	plan->config = config;
	plan->listens = calloc(config->n_listens + 1, sizeof(*plan->listens));
	plan->pools = calloc(config->n_pools + 1, sizeof(*plan->pools));
	bool good = plan->listens != NULL && plan->pools != NULL;
	if (!good)
		snprintf(why, size, "out of memory");
	for (size_t i = 0; good && i < config->n_listens; i++)
		good = listen_init(&plan->listens[i], &config->listens[i], counters, n_workers, pem_fds[i],
				   why, size);
	for (size_t i = 0; good && i < config->n_pools; i++)
		plan->pools[i] = servers_pool(servers, config->pools[i].name);
	if (!good) {
		plan_drop(plan);
		return NULL;
	}
	return plan;
}

void plan_drop(struct plan *plan)
{
	if (plan == NULL || __atomic_sub_fetch(&plan->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	for (size_t i = 0; plan->listens != NULL && i < plan->config->n_listens; i++) {
		SSL_CTX_free(plan->listens[i].tls);
		free(plan->listens[i].route_storage);
	}
	free(plan->listens);
	free(plan->pools);
	role_config_drop(plan->config);
	free(plan);
}

int plan_find_listen(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->config->n_listens; i++)
		if (strcmp(plan->config->listens[i].name, name) == 0)
			return (int)i;
	return -1;
}
