/*
 * rules.c: the rules, one function each, in the order of the file's blocks.
 */
#include "hapair/config/rules.h"

#include "hapair/config/build.h"
#include "hapair/config/value.h"
#include "heartbeat/lease.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct rules {
	const struct config *config;
	struct config_report *report;
};

#define REPORT_AT(r, word, ...) config_report_add((r)->report, (word)->file, (word)->line, __VA_ARGS__)

static const struct config_word *word_of_block(const struct rules *r, enum config_block_id id, size_t index)
{
	return &config_item_of(r->config, id, index)->words[0];
}

/* The word of an element of a list: where a mistake in it is reported. */
static const struct config_word *word_of_element(const struct rules *r, enum config_block_id id, size_t index,
						 const char *key, size_t element)
{
	return &config_key_of(r->config, id, index, key)->elements[element].words[0];
}

/* The key where it is written, else its block. */
static const struct config_word *word_of_key(const struct rules *r, enum config_block_id id, size_t index,
					     const char *key)
{
	const struct config_item *item = config_key_of(r->config, id, index, key);

	return item ? &item->words[0] : word_of_block(r, id, index);
}

static bool was_given(const struct config_item *block, const char *key)
{
	return block && config_tree_key(block, key) != NULL;
}

static bool good(const struct config_item *block, const char *key)
{
	const struct config_item *item = block ? config_tree_key(block, key) : NULL;

	return !item || !item->bad;
}

/* Addresses. */

static bool is_multicast(const struct ip *ip)
{
	return ip->family == AF_INET ? (ip->bytes[0] & 0xf0) == 0xe0
				     : ip->family == AF_INET6 && ip->bytes[0] == 0xff;
}

static bool is_link_local6(const struct ip *ip)
{
	return ip->family == AF_INET6 && ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

static bool is_broadcast(const struct ip *ip)
{
	return ip->family == AF_INET && ip->bytes[0] == 255 && ip->bytes[1] == 255 && ip->bytes[2] == 255 &&
	       ip->bytes[3] == 255;
}

/* Why nobody can be reached at this address, or NULL. */
static const char *not_unicast(const struct ip *ip)
{
	if (ip_is_wildcard(ip))
		return "this address stands for all; one of them is meant here";
	if (is_multicast(ip) || is_broadcast(ip))
		return "this address belongs to a group";
	if (is_link_local6(ip))
		return "link-local addresses (fe80::) are not supported, since they mean nothing without an "
		       "interface";
	return NULL;
}

/* cluster */

static void check_lease(const struct rules *r)
{
	const struct config_cluster *cluster = &r->config->cluster;
	const struct config_item *item = config_item_of(r->config, BLOCK_CLUSTER, 0);
	char interval[CONFIG_VALUE_TEXT];

	if (!item || !good(item, "interval") || !good(item, "dead_after"))
		return;
	const char *why = lease_refusal(cluster->interval, cluster->dead_after);
	if (!why)
		return;
	const char *key =
		was_given(item, "dead_after") && cluster->dead_after < 3 ? "dead_after" : "interval";
	REPORT_AT(r, word_of_key(r, BLOCK_CLUSTER, 0, key), "interval %s with dead_after %u: %s",
		  config_duration_text(cluster->interval, interval), cluster->dead_after, why);
}

static void check_targets(const struct rules *r)
{
	const struct config *config = r->config;
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < config->cluster.witness.n_targets; i++) {
		const struct ip *ip = &config->cluster.witness.targets[i];
		const struct config_word *word = word_of_element(r, BLOCK_WITNESS, 0, "targets", i);
		const char *why = ip->family == AF_UNSPEC ? NULL : not_unicast(ip);

		if (!why && config_has_vip(config, ip))
			why = "this is a VIP; the witness must be a third machine";
		for (size_t n = 0; n < config->n_nodes; n++)
			for (size_t l = 0; l < config->nodes[n].n_links && !why; l++)
				if (ip_equal(ip, &config->nodes[n].links[l].ip))
					why = "this is one of the nodes; the witness must be a third machine";
		if (why)
			REPORT_AT(r, word, "targets %s: %s", ip_format(ip, text), why);
	}
}

static void check_witness(const struct rules *r)
{
	const struct config_cluster *cluster = &r->config->cluster;
	const struct config_item *item = config_item_of(r->config, BLOCK_WITNESS, 0);
	bool etcd = cluster->witness.kind == WITNESS_ETCD;
	const char *kind = etcd ? "etcd" : "gateway", *other = etcd ? "gateway" : "etcd";
	const char *needs = etcd ? "endpoints" : "targets", *foreign = etcd ? "targets" : "endpoints";
	char text[CONFIG_VALUE_TEXT];

	if (!item || cluster->witness.kind == WITNESS_NONE)
		return;
	if (!was_given(item, needs) && !item->muddled)
		REPORT_AT(r, &item->words[0], "witness %s lacks %s = { ... }", kind, needs);
	if (was_given(item, foreign))
		REPORT_AT(r, &config_tree_key(item, foreign)->words[0],
			  "%s means nothing in witness %s; is witness %s meant?", foreign, kind, other);
	if (!etcd && was_given(item, "ttl"))
		REPORT_AT(r, &config_tree_key(item, "ttl")->words[0],
			  "ttl means nothing in witness gateway; is witness etcd meant?");
	if (etcd && cluster->witness.ttl % SECONDS(1) != 0)
		REPORT_AT(r, word_of_key(r, BLOCK_WITNESS, 0, "ttl"), "ttl %s: etcd counts in whole seconds",
			  config_duration_text(cluster->witness.ttl, text));
	if (r->config->n_nodes == 1)
		REPORT_AT(r, &item->words[0], "a witness decides between two nodes, and there is one only");
	check_targets(r);
}

/* node */

static void check_link(const struct rules *r, size_t node, size_t link)
{
	const struct config *config = r->config;
	const struct addr *address = &config->nodes[node].links[link];
	const struct config_word *word = word_of_element(r, BLOCK_NODE, node, "link", link);
	char text[ADDR_TEXT_MAX];

	if (address->ip.family == AF_UNSPEC)
		return;
	addr_format(address, text);
	const char *why = not_unicast(&address->ip);
	if (why)
		REPORT_AT(r, word, "link %s: %s", text, why);
	if (config_has_vip(config, &address->ip))
		REPORT_AT(r, word,
			  "link %s: this is a VIP, which moves; heartbeats need an address that stays", text);
	for (size_t other = 0; other <= node; other++) {
		size_t end = other == node ? link : config->nodes[other].n_links;
		for (size_t i = 0; i < end; i++)
			if (addr_equal(&config->nodes[other].links[i], address))
				REPORT_AT(r, word, "link %s: node %s has this address already", text,
					  config->nodes[other].name);
	}
}

/* Do the i-th links of two nodes fit together? */
static void check_link_pairs(const struct rules *r)
{
	const struct config_node *first = &r->config->nodes[0], *second = &r->config->nodes[1];
	bool lists_good = config_key_good(r->config, BLOCK_NODE, 0, "link") &&
			  config_key_good(r->config, BLOCK_NODE, 1, "link");

	if (!lists_good)
		return;
	if (first->n_links != second->n_links) {
		size_t fewer = first->n_links < second->n_links ? 0 : 1;
		REPORT_AT(r, word_of_key(r, BLOCK_NODE, fewer, "link"),
			  "node %s has %zu and node %s has %zu links; each link needs both ends",
			  r->config->nodes[fewer].name, r->config->nodes[fewer].n_links,
			  r->config->nodes[1 - fewer].name, r->config->nodes[1 - fewer].n_links);
	}
	for (size_t i = 0; i < first->n_links && i < second->n_links; i++)
		if (first->links[i].ip.family != second->links[i].ip.family)
			REPORT_AT(r, word_of_element(r, BLOCK_NODE, 1, "link", i),
				  "link %zu is IPv4 on one node and IPv6 on the other", i + 1);
}

static void check_nodes(const struct rules *r)
{
	const struct config *config = r->config;

	for (size_t node = 0; node < config->n_nodes; node++) {
		for (size_t link = 0; link < config->nodes[node].n_links; link++)
			check_link(r, node, link);
		if (config->n_nodes == 2 && !config_key_of(config, BLOCK_NODE, node, "link") &&
		    !config_item_of(config, BLOCK_NODE, node)->muddled)
			REPORT_AT(r, word_of_block(r, BLOCK_NODE, node),
				  "node %s lacks link = { ADDRESS:PORT }", config->nodes[node].name);
	}
	if (config->n_nodes != 2)
		return;
	check_link_pairs(r);
	if (config_memory_of(config)->blocks[BLOCK_VIP].n == 0 && !config_memory_of(config)->muddled) {
		const struct config_word *first = word_of_block(r, BLOCK_NODE, 0),
					 *second = word_of_block(r, BLOCK_NODE, 1);
		REPORT_AT(r, second->line > first->line ? first : second,
			  "two nodes and no vip ADDRESS/LENGTH { ... } that one of them could hold");
	}
}

/* vip */

/* The first or the last address of an IPv4 subnet is nobody's (RFC 1122 3.2.1.3), except in the smallest ones (RFC 3021). */
static const char *not_a_host(const struct config_vip *vip)
{
	uint32_t bits;

	if (vip->prefix_len == 0)
		return "the length of the subnet is 0";
	if (vip->ip.family != AF_INET || vip->prefix_len >= 31)
		return NULL;
	memcpy(&bits, vip->ip.bytes, 4);
	uint32_t host = ntohl(bits) & (UINT32_MAX >> vip->prefix_len);
	if (host == 0)
		return "this is the subnet itself, not an address in it";
	return host == UINT32_MAX >> vip->prefix_len ? "this is the broadcast address of the subnet" : NULL;
}

static void check_vips(const struct rules *r)
{
	const struct config *config = r->config;
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < config->n_vips; i++) {
		const struct config_vip *vip = &config->vips[i];
		const struct config_word *word = word_of_block(r, BLOCK_VIP, i);
		if (vip->ip.family == AF_UNSPEC)
			continue;
		const char *why = not_unicast(&vip->ip);
		if (!why)
			why = not_a_host(vip);
		if (why)
			REPORT_AT(r, word, "vip %s/%u: %s", ip_format(&vip->ip, text), vip->prefix_len, why);
		for (size_t j = 0; j < i; j++)
			if (ip_equal(&config->vips[j].ip, &vip->ip)) {
				REPORT_AT(r, word, "a second vip %s; the first is at line %u",
					  ip_format(&vip->ip, text), word_of_block(r, BLOCK_VIP, j)->line);
				break;
			}
	}
}

/* pool */

static void check_check(const struct rules *r, const struct config_pool *pool,
			const struct config_item *check)
{
	static const char *const http_only[] = {"path", "host", "expect"};
	char left[CONFIG_VALUE_TEXT], right[CONFIG_VALUE_TEXT];
	const struct config_item *key = config_tree_key(check, "timeout");

	if (key && !key->bad && good(check, "interval") && pool->check.timeout > pool->check.interval)
		REPORT_AT(r, &key->words[0], "timeout %s is longer than interval %s",
			  config_duration_text(pool->check.timeout, left),
			  config_duration_text(pool->check.interval, right));
	key = config_tree_key(check, "standby_interval");
	if (key && !key->bad && good(check, "interval") &&
	    pool->check.standby_interval < pool->check.interval)
		REPORT_AT(r, &key->words[0], "standby_interval %s is shorter than interval %s",
			  config_duration_text(pool->check.standby_interval, left),
			  config_duration_text(pool->check.interval, right));
	for (size_t i = 0; i < 3 && pool->check.kind == CHECK_TCP; i++) {
		key = config_tree_key(check, http_only[i]);
		if (key && !key->is_block)
			REPORT_AT(r, &key->words[0], "%s means nothing in check tcp; is check http meant?",
				  http_only[i]);
	}
}

static void check_pools(const struct rules *r)
{
	size_t server = 0;
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < r->config->n_pools; i++) {
		const struct config_pool *pool = &r->config->pools[i];
		const struct config_item *check =
			config_tree_key(config_item_of(r->config, BLOCK_POOL, i), "check");
		if (check && check->is_block && !check->bad)
			check_check(r, pool, check);
		for (size_t j = 0; j < pool->n_servers; j++, server++) {
			const struct addr *address = &pool->servers[j].address;
			const char *why = not_unicast(&address->ip);
			if (why)
				REPORT_AT(r, word_of_key(r, BLOCK_SERVER, server, "address"),
					  "address %s: %s", addr_format(address, text), why);
		}
	}
}

/* listen, and who binds what */

struct bound {
	const struct addr *address;
	const char *owner; /* "listen web", "admin" */
	const struct config_word *word;
	size_t order;
};

static int by_port(const void *left, const void *right)
{
	const struct bound *a = left, *b = right;

	if (a->address->port != b->address->port)
		return a->address->port < b->address->port ? -1 : 1;
	return (a->order > b->order) - (a->order < b->order);
}

static void collect_bounds(const struct rules *r, struct bound *bounds)
{
	const struct config *config = r->config;
	struct arena *arena = config_memory_of(config)->arena;
	size_t n = 0;

	for (size_t i = 0; i < config->n_listens; i++) {
		const char *owner = arena_printf(arena, "listen %s", config->listens[i].name);
		for (size_t j = 0; j < config->listens[i].n_binds; j++, n++)
			bounds[n] = (struct bound){&config->listens[i].binds[j].address, owner,
						   word_of_element(r, BLOCK_LISTEN, i, "bind", j), n};
	}
	for (size_t i = 0; i < config->admin.n_binds; i++, n++)
		bounds[n] = (struct bound){&config->admin.binds[i], "admin",
					   word_of_element(r, BLOCK_ADMIN, 0, "bind", i), n};
}

static void report_overlap(const struct rules *r, const struct bound *a, const struct bound *b)
{
	char text[ADDR_TEXT_MAX], other[ADDR_TEXT_MAX];

	/* The later one in the file is the one too many. */
	if (a->word->line < b->word->line && strcmp(a->word->file, b->word->file) == 0) {
		const struct bound *later = b;
		b = a;
		a = later;
	}
	REPORT_AT(r, a->word, "bind %s of %s overlaps %s of %s at line %u", addr_format(a->address, text),
		  a->owner, addr_format(b->address, other), b->owner, b->word->line);
}

static void check_overlaps(const struct rules *r, const struct bound *bounds, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		for (size_t j = i; j-- > 0 && bounds[j].address->port == bounds[i].address->port;) {
			if (bounds[i].address->ip.family != AF_UNSPEC &&
			    addr_overlap(bounds[i].address, bounds[j].address)) {
				report_overlap(r, &bounds[i], &bounds[j]);
				break;
			}
		}
	}
}

static int by_address(const void *left, const void *right)
{
	const struct bound *a = left, *b = right;
	int order = memcmp(a->address->ip.bytes, b->address->ip.bytes, 16);

	if (order)
		return order;
	if (a->address->ip.family != b->address->ip.family)
		return a->address->ip.family < b->address->ip.family ? -1 : 1;
	return (a->address->port > b->address->port) - (a->address->port < b->address->port);
}

/* A server that is one of the listeners here: requests would go round until the ports are used up. */
static void check_loops(const struct rules *r, struct bound *bounds, size_t n)
{
	size_t server = 0;
	char text[ADDR_TEXT_MAX];

	if (n)
		qsort(bounds, n, sizeof *bounds, by_address);
	for (size_t i = 0; i < r->config->n_pools; i++) {
		for (size_t j = 0; j < r->config->pools[i].n_servers; j++, server++) {
			const struct addr *address = &r->config->pools[i].servers[j].address;
			struct bound key = {.address = address};
			if (address->ip.family == AF_UNSPEC || n == 0)
				continue;
			const struct bound *own = bsearch(&key, bounds, n, sizeof key, by_address);
			if (own)
				REPORT_AT(r, word_of_key(r, BLOCK_SERVER, server, "address"),
					  "address %s is bound by %s itself; requests would go round in a "
					  "circle",
					  addr_format(address, text), own->owner);
		}
	}
}

static void check_binds(const struct rules *r)
{
	const struct config *config = r->config;
	size_t n = config->admin.n_binds;
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < config->n_listens; i++)
		n += config->listens[i].n_binds;
	struct bound *bounds = ARENA_ARRAY(config_memory_of(config)->arena, struct bound, n);
	collect_bounds(r, bounds);
	for (size_t i = 0; i < n; i++) {
		const struct ip *ip = &bounds[i].address->ip;
		const char *why = ip_is_wildcard(ip) ? NULL : not_unicast(ip);
		if (ip->family != AF_UNSPEC && why)
			REPORT_AT(r, bounds[i].word, "bind %s: %s", addr_format(bounds[i].address, text),
				  why);
	}
	if (n)
		qsort(bounds, n, sizeof *bounds, by_port);
	check_overlaps(r, bounds, n);
	check_loops(r, bounds, n);
}

static void check_tls(const struct rules *r, size_t index)
{
	const struct config_listen *listen = &r->config->listens[index];
	const struct config_item *tls =
		config_tree_key(config_item_of(r->config, BLOCK_LISTEN, index), "tls");
	bool wanted = false;

	for (size_t i = 0; i < listen->n_binds; i++) {
		if (!listen->binds[i].tls)
			continue;
		if (!tls && !wanted && !config_item_of(r->config, BLOCK_LISTEN, index)->muddled)
			REPORT_AT(r, word_of_element(r, BLOCK_LISTEN, index, "bind", i),
				  "listen %s lacks tls { certificate = ... } for this bind", listen->name);
		wanted = true;
	}
	if (tls && !wanted && config_key_good(r->config, BLOCK_LISTEN, index, "bind"))
		REPORT_AT(r, &tls->words[0], "no bind of listen %s says tls: bind = { ADDRESS:PORT tls }",
			  listen->name);
}

struct routed {
	const struct config_route *route;
	size_t index; /* among all routes */
};

static int by_match(const void *left, const void *right)
{
	const struct routed *a = left, *b = right;
	int order = strcmp(a->route->host, b->route->host);

	if (order == 0)
		order = strcmp(a->route->path, b->route->path);
	return order ? order : (a->index > b->index) - (a->index < b->index);
}

static void check_routes(const struct rules *r, const struct config_listen *listen, size_t first)
{
	struct routed *routed =
		ARENA_ARRAY(config_memory_of(r->config)->arena, struct routed, listen->n_routes);
	size_t n = 0;

	for (size_t i = 0; i < listen->n_routes; i++) {
		const struct config_item *item = config_item_of(r->config, BLOCK_ROUTE, first + i);
		if (listen->mode == MODE_TCP)
			REPORT_AT(r, &item->words[0], "a route needs mode = http; listen %s has mode = tcp",
				  listen->name);
		else if (!was_given(item, "host") && !was_given(item, "path") && !item->muddled)
			REPORT_AT(r, &item->words[0],
				  "a route needs host or path; for all the rest there is pool = ... of the "
				  "listen");
		else if (good(item, "host") && good(item, "path"))
			routed[n++] = (struct routed){&listen->routes[i], first + i};
	}
	if (n)
		qsort(routed, n, sizeof *routed, by_match);
	for (size_t i = 1; i < n; i++)
		if (strcmp(routed[i].route->host, routed[i - 1].route->host) == 0 &&
		    strcmp(routed[i].route->path, routed[i - 1].route->path) == 0)
			REPORT_AT(r, word_of_block(r, BLOCK_ROUTE, routed[i].index),
				  "a second route for this host and path; the other is at line %u",
				  word_of_block(r, BLOCK_ROUTE, routed[i - 1].index)->line);
}

static void check_listens(const struct rules *r)
{
	size_t route = 0;

	for (size_t i = 0; i < r->config->n_listens; i++) {
		const struct config_listen *listen = &r->config->listens[i];
		const struct config_item *item = config_item_of(r->config, BLOCK_LISTEN, i);
		check_tls(r, i);
		if (good(item, "mode"))
			check_routes(r, listen, route);
		route += listen->n_routes;
		if (was_given(item, "pool") || !good(item, "mode") || item->muddled)
			continue;
		if (listen->mode == MODE_TCP)
			REPORT_AT(r, &item->words[0],
				  "listen %s lacks pool = ..., to which a listen of mode = tcp sends "
				  "everything",
				  listen->name);
		else if (listen->n_routes == 0)
			REPORT_AT(r, &item->words[0], "listen %s lacks pool = ... or a route", listen->name);
	}
}

void config_check_rules(const struct config *config, struct config_report *report)
{
	const struct rules r = {config, report};

	check_lease(&r);
	check_witness(&r);
	check_nodes(&r);
	check_vips(&r);
	check_pools(&r);
	check_listens(&r);
	check_binds(&r);
}
