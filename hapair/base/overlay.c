/*
 * overlay.c: two walks over what was said: the first counts, so that the second only fills.
 */
#include "hapair/base/overlay.h"

#include <stdlib.h>
#include <string.h>

const struct config_pool *config_find_pool(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_pools; i++)
		if (strcmp(config->pools[i].name, name) == 0)
			return &config->pools[i];
	return NULL;
}

const struct config_server *config_find_server(const struct config_pool *pool, const char *name)
{
	for (size_t i = 0; i < pool->n_servers; i++)
		if (strcmp(pool->servers[i].name, name) == 0)
			return &pool->servers[i];
	return NULL;
}

static bool changes_pool(const struct server_wanted *wanted)
{
	return wanted->existence != SERVER_AS_CONFIGURED || wanted->weight != 0;
}

/* Room for what is to come; pools that nobody spoke of stay the file's. */
static bool make_room(struct overlay *o, const struct config *config, size_t n,
		      const struct server_wanted *(*at)(const void *ctx, size_t i), const void *ctx)
{
	size_t *more = calloc(config->n_pools + 1, sizeof(*more)), n_names = 0;
	bool good = more != NULL;

	for (size_t i = 0; good && i < n; i++) {
		const struct server_wanted *wanted = at(ctx, i);
		const struct config_pool *pool = config_find_pool(config, wanted->pool);

		if (!pool || !changes_pool(wanted))
			continue;
		more[pool - config->pools]++;
		n_names += wanted->existence == SERVER_ADDED;
	}
	for (size_t i = 0; good && i < config->n_pools; i++) {
		const struct config_pool *pool = &config->pools[i];

		if (more[i] == 0)
			continue;
		o->servers[i] = calloc(pool->n_servers + more[i], sizeof(*pool->servers));
		good = o->servers[i] != NULL;
		if (good && pool->n_servers)
			memcpy(o->servers[i], pool->servers, pool->n_servers * sizeof(*pool->servers));
	}
	o->names = calloc(n_names + 1, sizeof(*o->names));
	free(more);
	return good && o->names != NULL;
}

/* One more server, or another weight; one that is removed is left without a name for the moment. */
static void put(struct config_pool *pool, const struct config_pool *from, const struct server_wanted *wanted,
		char name[CONFIG_NAME_MAX + 1])
{
	const struct config_server *known = config_find_server(from, wanted->server);
	struct config_server *server;

	if (known) {
		server = &pool->servers[known - from->servers];
		if (wanted->existence == SERVER_REMOVED)
			server->name = NULL;
		else if (wanted->weight)
			server->weight = wanted->weight;
		return;
	}
	if (wanted->existence != SERVER_ADDED)
		return;
	memcpy(name, wanted->server, CONFIG_NAME_MAX + 1);
	server = &pool->servers[pool->n_servers++];
	server->name = name;
	server->address = wanted->address;
	server->weight = wanted->weight ? wanted->weight : wanted->added_weight;
	server->runtime = true;
}

static void close_gaps(struct config_pool *pool)
{
	size_t kept = 0;

	for (size_t i = 0; i < pool->n_servers; i++)
		if (pool->servers[i].name)
			pool->servers[kept++] = pool->servers[i];
	pool->n_servers = kept;
}

struct overlay *overlay_new(const struct config *config, size_t n,
			    const struct server_wanted *(*at)(const void *ctx, size_t i), const void *ctx)
{
	struct overlay *o = calloc(1, sizeof(*o));
	size_t n_names = 0;

	if (!o)
		return NULL;
	o->config = *config;
	o->config.arena = NULL;
	o->config.pools = calloc(config->n_pools + 1, sizeof(*config->pools));
	o->servers = calloc(config->n_pools + 1, sizeof(*o->servers));
	if (!o->config.pools || !o->servers || !make_room(o, config, n, at, ctx)) {
		overlay_free(o);
		return NULL;
	}
	for (size_t i = 0; i < config->n_pools; i++) {
		o->config.pools[i] = config->pools[i];
		if (o->servers[i])
			o->config.pools[i].servers = o->servers[i];
	}
	for (size_t i = 0; i < n; i++) {
		const struct server_wanted *wanted = at(ctx, i);
		const struct config_pool *pool = config_find_pool(config, wanted->pool);

		if (!pool || !changes_pool(wanted))
			continue;
		put(&o->config.pools[pool - config->pools], pool, wanted, o->names[n_names]);
		n_names += wanted->existence == SERVER_ADDED;
	}
	for (size_t i = 0; i < config->n_pools; i++)
		if (o->servers[i])
			close_gaps(&o->config.pools[i]);
	return o;
}

void overlay_free(struct overlay *o)
{
	if (!o)
		return;
	for (size_t i = 0; o->servers && i < o->config.n_pools; i++)
		free(o->servers[i]);
	free(o->servers);
	free(o->names);
	free(o->config.pools);
	free(o);
}

struct server_wanted *wanted_set_place(struct wanted_set *set, const char *pool, const char *server)
{
	struct server_wanted *entry;

	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->entries[i].server, server) == 0 && strcmp(set->entries[i].pool, pool) == 0)
			return &set->entries[i];
	if (set->n == set->room) {
		size_t room = set->room ? set->room * 2 : 16;

		entry = reallocarray(set->entries, room, sizeof(*entry));
		if (!entry)
			return NULL;
		set->entries = entry;
		set->room = room;
	}
	entry = &set->entries[set->n++];
	memset(entry, 0, sizeof(*entry));
	MSG_TEXT(entry->pool, pool);
	MSG_TEXT(entry->server, server);
	return entry;
}

const struct server_wanted *wanted_set_at(const void *set, size_t i)
{
	return &((const struct wanted_set *)set)->entries[i];
}

bool wanted_differs(const struct server_wanted *a, const struct server_wanted *b)
{
	if (a->existence != b->existence || a->weight != b->weight)
		return true;
	return a->existence == SERVER_ADDED &&
	       (a->added_weight != b->added_weight || !addr_equal(&a->address, &b->address));
}
