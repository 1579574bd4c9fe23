/*
 * servers.c: see servers.h.
 *
 * A server that left the configuration is freed by the main thread when nobody has referred to it for a while: a worker
 * may have picked it in the very moment in which it became unusable and counted its reference just after.
 */
#include "proxy/servers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define REMOVED_FOR SECONDS(10)

struct pool_turn {
	bool begun;
	struct balance_state state;
	int32_t lead[BALANCE_SERVERS_MAX];
};

struct servers *servers_new(unsigned n_workers)
{
	struct servers *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->n_workers = n_workers;
	list_init(&s->pools);
	s->evidence_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->evidence_fd < 0) {
		free(s);
		return NULL;
	}
	return s;
}

struct pool *servers_pool(const struct servers *servers, const char *name)
{
	list_each(node, &servers->pools) {
		struct pool *pool = list_entry(node, struct pool, node);
		if (strcmp(pool->name, name) == 0)
			return pool;
	}
	return NULL;
}

struct server *pool_server(const struct pool *pool, const char *name)
{
	list_each(node, &pool->all) {
		struct server *server = list_entry(node, struct server, node);
		if (server->configured && strcmp(server->name, name) == 0)
			return server;
	}
	return NULL;
}

static void pool_free(struct pool *pool, unsigned n_workers)
{
	for (unsigned i = 0; pool->turns != NULL && i < n_workers; i++)
		free(pool->turns[i]);
	free(pool->turns);
	free(pool->places);
	free(pool->entries);
	free(pool);
}

/* The large tables are touched only as far as they are used. */
static struct pool *pool_new(struct servers *servers, const char *name)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	if (pool == NULL)
		return NULL;
	list_init(&pool->all);
	strncpy(pool->name, name, sizeof(pool->name) - 1);
	pool->entries = calloc(BALANCE_SERVERS_MAX, sizeof(*pool->entries));
	pool->places = calloc(BALANCE_SERVERS_MAX, sizeof(*pool->places));
	pool->turns = calloc(servers->n_workers, sizeof(*pool->turns));
	bool complete = pool->entries != NULL && pool->places != NULL && pool->turns != NULL;
	for (unsigned i = 0; complete && i < servers->n_workers; i++) {
		pool->turns[i] = calloc(1, sizeof(**pool->turns));
		complete = pool->turns[i] != NULL;
	}
	if (!complete) {
		pool_free(pool, servers->n_workers);
		return NULL;
	}
	list_push_back(&servers->pools, &pool->node);
	return pool;
}

static int place_find(const struct pool *pool)
{
	for (uint32_t i = 0; i < BALANCE_SERVERS_MAX; i++)
		if (pool->places[i] == NULL)
			return (int)i;
	return -E2BIG;
}

static int server_new(struct servers *servers, struct pool *pool, const struct config_server *configured,
		      struct server **ret)
{
	int place = place_find(pool);
	if (place < 0)
		return place;
	size_t size = sizeof(struct server) + servers->n_workers * sizeof(struct server_idle);
	size = (size + 63) & ~(size_t)63;
	struct server *server = aligned_alloc(64, size);
	if (server == NULL)
		return -ENOMEM;
	memset(server, 0, size);
	strncpy(server->name, configured->name, sizeof(server->name) - 1);
	server->pool = pool;
	server->address = configured->address;
	server->index = (uint16_t)place;
	for (unsigned i = 0; i < servers->n_workers; i++)
		list_init(&server->idle[i].list);
	struct balance_server *entry = &pool->entries[place];
	*entry = (struct balance_server){.key = balance_server_key(span_of(server->name))};
	list_push_back(&pool->all, &server->node);
	__atomic_store_n(&pool->places[place], server, __ATOMIC_RELEASE);
	if ((uint32_t)place >= pool->n)
		__atomic_store_n(&pool->n, (uint32_t)place + 1, __ATOMIC_RELEASE);
	*ret = server;
	return 0;
}

static void sweep(struct pool *pool, nanos now)
{
	list_each_safe(node, &pool->all) {
		struct server *server = list_entry(node, struct server, node);
		if (server->configured || now - server->removed_at < REMOVED_FOR ||
		    __atomic_load_n(&server->refs, __ATOMIC_ACQUIRE) != 0 || server_active(server) != 0)
			continue;
		__atomic_store_n(&pool->places[server->index], NULL, __ATOMIC_RELEASE);
		list_remove(&server->node);
		free(server);
	}
}

/* The same name at another address is another server: its connections and its health are not inherited. */
static struct server *match(const struct pool *pool, const struct config_server *configured)
{
	struct server *server = pool_server(pool, configured->name);
	return server != NULL && addr_equal(&server->address, &configured->address) ? server : NULL;
}

static bool still_configured(const struct server *server, const struct config_pool *configured)
{
	for (size_t i = 0; configured != NULL && i < configured->n_servers; i++)
		if (strcmp(configured->servers[i].name, server->name) == 0 &&
		    addr_equal(&configured->servers[i].address, &server->address))
			return true;
	return false;
}

static void pool_remove_others(struct pool *pool, const struct config_pool *configured, nanos now,
			       const struct servers_change *change)
{
	list_each(node, &pool->all) {
		struct server *server = list_entry(node, struct server, node);
		if (!server->configured || still_configured(server, configured))
			continue;
		server->configured = false;
		server->removed_at = now;
		change->removed(change->ctx, server);
	}
}

static int pool_apply(struct servers *servers, struct pool *pool, const struct config_pool *configured,
		      const struct servers_change *change)
{
	pool->configured = true;
	pool->policy = (struct health_policy){
		.checked = configured->check.kind != CHECK_NONE,
		.fall = configured->check.fall,
		.rise = configured->check.rise,
	};
	for (size_t i = 0; i < configured->n_servers; i++) {
		const struct config_server *c = &configured->servers[i];
		struct server *server = match(pool, c);
		bool fresh = server == NULL;
		if (fresh) {
			int r = server_new(servers, pool, c, &server);
			if (r < 0)
				return r;
			server->configured = true;
		}
		__atomic_store_n(&pool->entries[server->index].weight, (uint16_t)c->weight, __ATOMIC_RELAXED);
		if (fresh)
			change->added(change->ctx, server, configured, c);
		else
			change->kept(change->ctx, server, configured, c);
	}
	return 0;
}

int servers_apply(struct servers *servers, const struct config *config, nanos now,
		  const struct servers_change *change)
{
	list_each(node, &servers->pools) {
		struct pool *pool = list_entry(node, struct pool, node);
		const struct config_pool *configured = NULL;
		for (size_t i = 0; i < config->n_pools && configured == NULL; i++)
			if (strcmp(config->pools[i].name, pool->name) == 0)
				configured = &config->pools[i];
		pool->configured = configured != NULL;
		pool_remove_others(pool, configured, now, change);
		pool_refresh(pool);
		sweep(pool, now);
	}
	for (size_t i = 0; i < config->n_pools; i++) {
		struct pool *pool = servers_pool(servers, config->pools[i].name);
		if (pool == NULL)
			pool = pool_new(servers, config->pools[i].name);
		if (pool == NULL)
			return -ENOMEM;
		int r = pool_apply(servers, pool, &config->pools[i], change);
		if (r < 0)
			return r;
		pool_refresh(pool);
	}
	return 0;
}

bool pool_serves(const struct pool *pool)
{
	list_each(node, &pool->all) {
		struct server *server = list_entry(node, struct server, node);
		if (server->configured && health_use(&server->health, &pool->policy) == HEALTH_USE_YES)
			return true;
	}
	return false;
}

void pool_refresh(struct pool *pool)
{
	enum health_use best = HEALTH_USE_NO;
	list_each(node, &pool->all) {
		struct server *server = list_entry(node, struct server, node);
		enum health_use use = health_use(&server->health, &pool->policy);
		if (server->configured && use > best)
			best = use;
	}
	list_each(node, &pool->all) {
		struct server *server = list_entry(node, struct server, node);
		bool usable = server->configured && best != HEALTH_USE_NO &&
			      health_use(&server->health, &pool->policy) == best;
		__atomic_store_n(&pool->entries[server->index].usable, usable, __ATOMIC_RELAXED);
	}
}

bool pool_settled(const struct pool *pool)
{
	list_each(node, &pool->all) {
		struct server *server = list_entry(node, struct server, node);
		if (server->configured && server->target != NULL && server->last_check.at == 0 &&
		    !server->health.inherited && server->health.admin != SERVER_ACTION_MAINT)
			return false;
	}
	return true;
}

struct server *pool_pick(struct pool *pool, unsigned worker, enum config_balance kind,
			 const struct ip *client, const uint16_t *tried, size_t n_tried, int *ret_why)
{
	struct pool_turn *turn = pool->turns[worker];
	if (!turn->begun || turn->state.kind != kind) {
		memset(turn->lead, 0, sizeof(turn->lead));
		balance_init(&turn->state, kind, turn->lead, BALANCE_SERVERS_MAX, worker);
		turn->begun = true;
	}
	uint64_t key = kind == BALANCE_IPHASH ? balance_client_key(client) : 0;
	uint32_t n = __atomic_load_n(&pool->n, __ATOMIC_ACQUIRE);
	int i = balance_pick(&turn->state, pool->entries, n, key, tried, n_tried);
	struct server *server = i < 0 ? NULL : __atomic_load_n(&pool->places[i], __ATOMIC_ACQUIRE);
	*ret_why = i < 0 ? i : BALANCE_NONE_USABLE;
	if (server == NULL)
		return NULL;
	server_hold(server);
	__atomic_add_fetch(&pool->entries[i].active, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&server->total, 1, __ATOMIC_RELAXED);
	return server;
}

void server_release(struct server *server)
{
	__atomic_sub_fetch(&server->pool->entries[server->index].active, 1, __ATOMIC_RELAXED);
	server_drop(server);
}

void server_report(struct servers *servers, struct server *server, uint32_t evidence)
{
	static const uint64_t one = 1;
	if ((__atomic_fetch_or(&server->evidence, evidence, __ATOMIC_RELAXED) & evidence) == evidence)
		return; /* told already and not looked at yet */
	ssize_t r;
	do {
		r = write(servers->evidence_fd, &one, sizeof(one));
	} while (r < 0 && errno == EINTR);
}
