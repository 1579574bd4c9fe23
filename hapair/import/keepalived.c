/* keepalived.c: the blocks of the file, and virtual_server, which becomes a pool and a listen. */
#include "hapair/import/keepalived.h"

#include "hapair/config/value.h"
#include "hapair/import/keepalived_vrrp.h"

#include <string.h>

static bool is(const struct keepalived_item *item, const char *keyword)
{
	return strcmp(item->words[0], keyword) == 0;
}

static const char *argument(const struct keepalived_item *item, size_t i)
{
	return item && item->n > i ? item->words[i] : "";
}

/* `IP PORT` behind a keyword. */
static bool read_endpoint(const struct keepalived_item *item, struct addr *ret)
{
	uint64_t port;

	if (ip_parse(span_of(argument(item, 1)), &ret->ip) < 0 ||
	    config_count_parse(argument(item, 2), &port) || port == 0 || port > 65535)
		return false;
	ret->port = (uint16_t)port;
	return true;
}

static bool read_seconds(const char *text, nanos *ret)
{
	uint64_t seconds;

	if (config_count_parse(text, &seconds) || seconds == 0 || seconds > 86400)
		return false;
	*ret = (nanos)seconds * SECONDS(1);
	return true;
}

static const char *read_algorithm(struct target_pool *pool, const char *name)
{
	static const struct {
		const char *name, *ours;
	} known[] = {{"rr", "roundrobin"},
		     {"wrr", "roundrobin"},
		     {"lc", "leastconn"},
		     {"wlc", "leastconn"},
		     {"sh", "iphash"}};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i].name, name) == 0) {
			pool->balance = known[i].ours;
			return NULL;
		}
	return "hapair has roundrobin, leastconn and iphash";
}

/* A checker of a real server, which is the pool's. */
static void read_checker(struct target *t, struct target_pool *pool, const struct keepalived_item *checker)
{
	bool http = is(checker, "HTTP_GET");
	uint64_t n;

	if (pool->check == CHECK_NONE)
		pool->check = http ? CHECK_HTTP : CHECK_TCP;
	else if ((pool->check == CHECK_HTTP) != http)
		note_add(&pool->notes, t->arena, &checker->line,
			 "a pool of hapair has one check, that of its first server");
	for (const struct keepalived_item *item = checker->children; item; item = item->next) {
		if (is(item, "connect_port") && !config_count_parse(argument(item, 1), &n) && n > 0 &&
		    n < 65536) {
			pool->check_port = (unsigned)n;
		} else if (is(item, "connect_timeout") &&
			   read_seconds(argument(item, 1), &pool->check_timeout)) {
			;
		} else if (http && is(item, "url")) {
			for (const struct keepalived_item *u = item->children; u; u = u->next) {
				if (is(u, "path") && !config_path_wrong(argument(u, 1)))
					pool->check_path = u->words[1];
				else if (is(u, "status_code") && !config_count_parse(argument(u, 1), &n) &&
					 n >= 100 && n < 600)
					pool->check_expect = (unsigned)n;
				else
					note_add(&pool->notes, t->arena, &u->line,
						 "a check has one path and one status");
			}
		} else {
			note_add(&pool->notes, t->arena, &item->line,
				 "a check of hapair has nothing like it");
		}
	}
}

static void read_real(struct target *t, struct target_pool *pool, const struct keepalived_item *real)
{
	struct target_server *server = arena_alloc(t->arena, sizeof *server), **to = &pool->servers;
	unsigned number = 1;
	uint64_t weight = 1;

	if (!read_endpoint(real, &server->address)) {
		keepalived_note_all(t, &pool->notes, real, "left out: an address and a port are wanted");
		return;
	}
	for (const struct keepalived_item *item = real->children; item; item = item->next) {
		if (is(item, "weight") && !config_count_parse(argument(item, 1), &weight) && weight <= 256)
			continue;
		if (is(item, "TCP_CHECK") || is(item, "HTTP_GET"))
			read_checker(t, pool, item);
		else
			keepalived_note_all(t, &pool->notes, item, "a server of hapair has nothing like it");
	}
	if (weight == 0) {
		note_add(&pool->notes, t->arena, &real->line,
			 "left out: weight 0 takes no requests: hapair server add, once it is wanted");
		return;
	}
	server->weight = (unsigned)weight;
	for (; *to; to = &(*to)->next)
		number++;
	server->name = arena_printf(t->arena, "s%u", number);
	*to = server;
}

static const char *read_virtual_item(struct target *t, struct target_pool *pool,
				     const struct keepalived_item *item)
{
	if (is(item, "delay_loop"))
		return read_seconds(argument(item, 1), &pool->check_interval) ? NULL : "no time";
	if (is(item, "lb_algo") || is(item, "lvs_sched"))
		return read_algorithm(pool, argument(item, 1));
	if (is(item, "lb_kind") || is(item, "lvs_method"))
		return "hapair is a proxy: servers see the node's address, and their answers come through it";
	if (is(item, "protocol"))
		return strcmp(argument(item, 1), "TCP") == 0 ? NULL : "hapair passes on TCP only";
	if (is(item, "persistence_timeout"))
		return "balance = iphash keeps a client with a server, for as long as the servers stay the "
		       "same";
	if (is(item, "sorry_server"))
		return "hapair has no spare servers";
	return "hapair has nothing like it";
}

static void read_virtual(struct target *t, const struct keepalived_item *block)
{
	const struct keepalived_item *protocol = keepalived_child(block, "protocol");
	struct addr address;
	char text[ADDR_TEXT_MAX];
	const char *name;
	struct target_pool *pool;
	struct target_listen *listen;

	if (!read_endpoint(block, &address) || (protocol && strcmp(argument(protocol, 1), "TCP") != 0)) {
		keepalived_note_all(t, &t->left_out, block,
				    "hapair passes on TCP to one address and port only");
		return;
	}
	name = target_name(t->arena, arena_printf(t->arena, "vs-%s", addr_format(&address, text)));
	pool = target_add_pool(t, name);
	pool->check_rise = pool->check_fall = 1;
	for (const struct keepalived_item *item = block->children; item; item = item->next) {
		const char *why = NULL;

		if (is(item, "real_server"))
			read_real(t, pool, item);
		else
			why = read_virtual_item(t, pool, item);
		if (why)
			keepalived_note_all(t, &pool->notes, item, why);
	}
	if (pool->check_interval >= 0 && pool->check_timeout > pool->check_interval)
		pool->check_timeout = pool->check_interval; /* hapair gives up before it asks again */
	if (!pool->servers) {
		note_add(&pool->notes, t->arena, &block->line, "no server of it could be translated");
		target_drop_pool(t, name);
		return;
	}
	listen = target_add_listen(t, name);
	listen->tcp = true;
	listen->pool = name;
	listen->binds[listen->n_binds++] = (struct config_bind){address, false};
}

static const char *read_foreign(const struct keepalived_item *item)
{
	static const struct {
		const char *keyword, *why;
	} known[] = {
		{"vrrp_script", "hapair sees its own processes die at once, and runs no scripts to decide"},
		{"vrrp_track_process", "hapair sees its own processes die at once"},
		{"vrrp_sync_group", "all VIPs of a pair move together in any case"},
		{"virtual_server_group", "hapair wants the addresses in the listen"},
		{"include", "hapair import reads one file; import what it names too"},
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (is(item, known[i].keyword))
			return known[i].why;
	return "hapair has nothing like it";
}

void keepalived_import(struct target *t, const char *file, struct span text, const char *host)
{
	const struct keepalived_item *root, *globals, *router;

	file = arena_text(t->arena, span_of(file));
	root = keepalived_tree(file, text, t->arena, &t->general);
	globals = keepalived_child(root, "global_defs");
	router = globals ? keepalived_child(globals, "router_id") : NULL;
	for (const struct keepalived_item *item = root->children; item; item = item->next) {
		if (is(item, "global_defs")) {
			for (const struct keepalived_item *line = item->children; line; line = line->next)
				if (line != router)
					keepalived_note_all(t, &t->pair, line, "hapair has nothing like it");
		} else if (is(item, "vrrp_instance")) {
			keepalived_instance(t, item,
					    target_name(t->arena, router ? argument(router, 1) : host));
		} else if (is(item, "virtual_server")) {
			read_virtual(t, item);
		} else {
			keepalived_note_all(t, &t->pair, item, read_foreign(item));
		}
	}
}
