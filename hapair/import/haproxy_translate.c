/*
 * haproxy_translate.c: from sections to pools and listens. A backend becomes a pool, a frontend a listen, a listen both.
 */
#include "hapair/import/haproxy_model.h"

#include "hapair/config/options.h"
#include "hapair/config/value.h"

#include <string.h>

/* Addresses: [ipv4@|ipv6@]HOST:PORT, of which HOST may be IPv6 without brackets. NULL, or why not. */

static struct span without_family(const char *text)
{
	if (strncmp(text, "ipv4@", 5) == 0 || strncmp(text, "ipv6@", 5) == 0)
		text += 5;
	return span_of(text);
}

static const char *read_address(const char *text, struct addr *ret)
{
	struct span s = without_family(text);
	const char *colon = memrchr(s.p, ':', s.n);
	struct addr address = {0};
	uint64_t port;

	if (addr_parse(s, ret) == 0)
		return NULL;
	if (*s.p == '/' || strchr(s.p, '@'))
		return "hapair knows IP addresses with ports only";
	if (!colon || !*(colon + 1))
		return "it has no port; HAProxy would take that of the client's connection";
	if (ip_parse((struct span){s.p, (size_t)(colon - s.p)}, &address.ip) < 0)
		return "hapair asks no name servers; write its address";
	if (config_count_parse(colon + 1, &port) || port == 0 || port > 65535)
		return "hapair has no ports that follow the client's";
	address.port = (uint16_t)port;
	*ret = address;
	return NULL;
}

static bool is_unspecified(const struct ip *ip)
{
	static const uint8_t zero[16];

	return memcmp(ip->bytes, zero, sizeof zero) == 0;
}

/* Pools. */

static struct target_pool *find_pool(const struct haproxy *h, const char *backend)
{
	const char *name = target_name(h->arena, backend);

	for (struct target_pool *pool = h->target->pools; pool; pool = pool->next)
		if (strcmp(pool->name, name) == 0)
			return pool;
	return NULL;
}

static void set_check(struct target_pool *pool, const struct haproxy_proxy *p, const struct haproxy_server *s)
{
	pool->check = p->ask_http ? CHECK_HTTP : CHECK_TCP;
	if (p->ask_http) {
		pool->check_path = p->ask_path;
		pool->check_host = p->ask_host;
		pool->check_expect = p->ask_expect;
	}
	pool->check_port = s->check_port;
	pool->check_interval = s->interval;
	pool->check_timeout = s->interval;
	if (p->timeouts[TIMEOUT_CHECK] > 0 && p->timeouts[TIMEOUT_CHECK] < s->interval)
		pool->check_timeout = p->timeouts[TIMEOUT_CHECK];
	pool->check_rise = s->rise;
	pool->check_fall = s->fall;
}

static void note_check_differs(struct haproxy *h, struct target_pool *pool,
			       const struct haproxy_server *first, const struct haproxy_server *s)
{
	if (!s->checked)
		note_add(&pool->notes, h->arena, &s->line,
			 "it had no check; a pool of hapair checks all servers");
	else if (first->interval != s->interval || first->rise != s->rise || first->fall != s->fall ||
		 first->check_port != s->check_port)
		note_add(&pool->notes, h->arena, &s->line,
			 "its check differs from that of server %s; a pool of hapair has one", first->name);
}

static void add_server(struct haproxy *h, struct target_pool *pool, const struct haproxy_server *s)
{
	struct target_server *server = arena_alloc(h->arena, sizeof *server), **to = &pool->servers;
	const char *why = s->left_out ? s->left_out : read_address(s->address, &server->address);

	if (!why && is_unspecified(&server->address.ip))
		why = "hapair does not connect to where the client meant to";
	if (!why && s->weight == 0)
		why = "weight 0 takes no requests: hapair server add, once it is wanted";
	if (why) {
		note_add(&pool->notes, h->arena, &s->line, "left out: %s", why);
		return;
	}
	server->name = target_name(h->arena, s->name);
	server->weight = s->weight;
	if (s->max_connections && config_option_find(BLOCK_SERVER, "max_connections")->supported)
		server->max_connections = s->max_connections;
	else if (s->max_connections)
		note_add(&pool->notes, h->arena, &s->line,
			 "maxconn: hapair has no limit of connections to a server");
	while (*to)
		to = &(*to)->next;
	*to = server;
}

static void translate_backend(struct haproxy *h, struct haproxy_proxy *p)
{
	struct target_pool *pool = target_add_pool(h->target, target_name(h->arena, p->name));
	const struct haproxy_server *first = p->servers;

	notes_move(&p->notes, &pool->notes);
	pool->balance = p->balance;
	pool->connect_timeout = p->timeouts[TIMEOUT_CONNECT];
	pool->response_timeout = p->http ? p->timeouts[TIMEOUT_SERVER] : -1;
	pool->retries = p->retries;
	if (!p->http && p->timeouts[TIMEOUT_SERVER] != p->timeouts[TIMEOUT_CLIENT] &&
	    p->timeouts[TIMEOUT_CLIENT] >= 0)
		note_add(&pool->notes, h->arena, &p->line,
			 "its timeout server is not the clients'; tunnel_timeout of the listen is for both "
			 "directions");
	for (const struct haproxy_server *s = p->servers; s; s = s->next)
		add_server(h, pool, s);
	while (first && !first->checked)
		first = first->next;
	if (first) {
		set_check(pool, p, first);
		for (const struct haproxy_server *s = p->servers; s; s = s->next)
			if (!s->left_out)
				note_check_differs(h, pool, first, s);
		if (p->ask_http && !p->ask_expect)
			note_add(&pool->notes, h->arena, &p->line,
				 "a check without http-check expect takes every 2xx and 3xx; hapair takes "
				 "200");
	}
	for (const struct haproxy_acl_line *a = p->kind == HAPROXY_BACKEND ? p->acl_lines : NULL; a;
	     a = a->next)
		note_add(&pool->notes, h->arena, &a->line, "a pool has no conditions");
	if (!pool->servers) {
		note_add(&pool->notes, h->arena, &p->line, "no server of it could be translated");
		target_drop_pool(h->target, pool->name);
	}
}

/* Listens. */

static const struct addr admin_address = {{AF_INET, {127, 0, 0, 1}}, 9600};

static const char *add_bind(struct haproxy *h, struct target_listen *listen, const struct addr *address,
			    bool tls)
{
	for (const struct target_listen *l = h->target->listens; l; l = l->next)
		for (size_t i = 0; i < l->n_binds; i++)
			if (addr_overlap(&l->binds[i].address, address))
				return "another bind has this address already";
	if (addr_overlap(&admin_address, address))
		return "hapair's own page is at 127.0.0.1:9600; move one of them";
	if (listen->n_binds == sizeof listen->binds / sizeof *listen->binds)
		return "a listen of hapair has at most 64 addresses";
	listen->binds[listen->n_binds++] = (struct config_bind){*address, tls};
	return NULL;
}

/* ADDRESS:PORT[-PORT] */
static const char *add_binds(struct haproxy *h, struct target_listen *listen, const struct haproxy_bind *b,
			     const char *text)
{
	struct span s = without_family(text);
	const char *colon = memrchr(s.p, ':', s.n), *dash, *why = NULL;
	struct addr address = {0}, other = {{AF_INET, {0}}, 0};
	uint64_t first, last;
	struct span host;

	if (*s.p == '/' || strchr(s.p, '@') || !colon)
		return "hapair binds ADDRESS:PORT";
	dash = strchr(colon, '-');
	if (config_count_parse(arena_text(h->arena, (struct span){colon + 1, dash ? (size_t)(dash - colon - 1)
										  : strlen(colon + 1)}),
			       &first) ||
	    (dash && config_count_parse(dash + 1, &last)))
		return "no port";
	if (!dash)
		last = first;
	if (first == 0 || last > 65535 || first > last)
		return "no port";
	host = (struct span){s.p, (size_t)(colon - s.p)};
	if (host.n > 1 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = (struct span){host.p + 1, host.n - 2};
	if (host.n == 0 || span_equal(host, SPAN("*")))
		address.ip = other.ip;
	else if (ip_parse(host, &address.ip) < 0)
		return "hapair asks no name servers; write the address";
	for (uint64_t port = first; port <= last && !why; port++) {
		address.port = other.port = (uint16_t)port;
		why = add_bind(h, listen, &address, b->tls);
		/* Linux gives the IPv6 wildcard IPv4 as well, unless told otherwise; hapair never. */
		if (!why && address.ip.family == AF_INET6 && is_unspecified(&address.ip) && !b->v6only)
			add_bind(h, listen, &other, b->tls);
	}
	return why;
}

static void translate_bind(struct haproxy *h, struct target_listen *listen, const struct haproxy_bind *b)
{
	const char *rest = b->addresses, *why = b->left_out;

	if (!why && b->tls && !*b->certificate && !*listen->certificate)
		why = "TLS needs a certificate: tls { certificate = FILE }";
	while (*rest && !why) {
		size_t n = strcspn(rest, ",");

		why = add_binds(h, listen, b, arena_text(h->arena, (struct span){rest, n}));
		rest += n + (rest[n] == ',');
	}
	if (why) {
		note_add(&listen->notes, h->arena, &b->line, "left out: %s", why);
		return;
	}
	if (b->tls && *listen->certificate && *b->certificate &&
	    strcmp(listen->certificate, b->certificate) != 0)
		note_add(&listen->notes, h->arena, &b->line,
			 "a listen of hapair has one certificate, the first");
	if (b->tls && !*listen->certificate) {
		listen->certificate = b->certificate;
		listen->min_version = b->min_version;
	}
}

/* The rules of a frontend in their order. */
struct rules {
	struct rule *all;
	size_t n;
};

static void add_rule(struct haproxy *h, struct rules *rules, const struct match *match, const char *pool)
{
	if ((rules->n & (rules->n - 1)) == 0) { /* full: 0, 1, 2, 4, ... */
		struct rule *more = ARENA_ARRAY(h->arena, struct rule, rules->n ? 2 * rules->n : 1);

		if (rules->n)
			memcpy(more, rules->all, rules->n * sizeof *more);
		rules->all = more;
	}
	rules->all[rules->n++] = (struct rule){*match, pool};
}

/* NULL, or why not. */
static const char *translate_use(struct haproxy *h, struct haproxy_proxy *p, const struct haproxy_use *use,
				 struct rules *rules, const char **ret_differs)
{
	static const struct match any = {"", ""};
	const struct target_pool *pool = find_pool(h, use->backend);
	struct match_set set = {0};
	const char *why = use->wrong;
	bool news = false;

	if (!why && use->condition)
		why = condition_read(p->acls, use->condition, use->n_condition, h->arena, &set, ret_differs);
	if (why)
		return why;
	if (!pool)
		return "there is no pool for it; others may get its requests";
	if (!p->http && use->condition)
		return "a listen of mode = tcp has one pool";
	if (!use->condition)
		add_rule(h, rules, &any, pool->name);
	for (size_t i = 0; i < set.n; i++) {
		bool covered = false;

		for (size_t j = 0; j < rules->n && !covered; j++)
			covered = match_covers(&rules->all[j].match, &set.all[i]);
		news |= !covered;
		add_rule(h, rules, &set.all[i], pool->name);
	}
	if (use->condition && set.n == 0)
		return "nothing can match all of it";
	return news || !use->condition ? NULL : "what it matches goes elsewhere before";
}

static void set_routes(struct haproxy *h, struct target_listen *listen, const struct rules *rules,
		       const struct import_line *line)
{
	struct routes routes = routes_of(rules->all, rules->n, h->arena);
	struct target_route **to = &listen->routes;

	if (routes.too_many)
		note_add(&listen->notes, h->arena, line,
			 "so many rules that not all overlaps were looked at: the first may not win");
	for (size_t i = 0; i < routes.n; i++) {
		const struct routed *r = &routes.all[i];
		struct target_route *route;

		if (!*r->rule.match.host && !*r->rule.match.path) {
			listen->pool = r->rule.pool;
			continue;
		}
		route = arena_alloc(h->arena, sizeof *route);
		*route = (struct target_route){NULL, r->rule.match.host, r->rule.match.path, r->rule.pool,
					       r->derived};
		*to = route;
		to = &route->next;
	}
}

static void translate_rules(struct haproxy *h, struct haproxy_proxy *p, struct target_listen *listen)
{
	static const struct match any = {"", ""};
	struct rules rules = {0};
	const struct target_pool *own = p->servers ? find_pool(h, p->name) : NULL, *fallback = own;

	for (const struct haproxy_use *use = p->uses; use; use = use->next) {
		const char *differs = NULL, *why = translate_use(h, p, use, &rules, &differs);

		if (why || differs)
			note_add(&listen->notes, h->arena, &use->line, "%s", why ? why : differs);
	}
	if (*p->default_backend) {
		fallback = find_pool(h, p->default_backend);
		if (!fallback)
			note_add(&listen->notes, h->arena, &p->default_line, "there is no pool for it");
	}
	if (fallback)
		add_rule(h, &rules, &any, fallback->name);
	set_routes(h, listen, &rules, &p->line);
	for (const struct haproxy_acl_line *a = p->acl_lines; a; a = a->next) {
		const struct acl *acl = a->acl;
		const char *why = acl->wrong   ? acl->wrong
				  : !acl->used ? "nothing that was translated uses it"
					       : acl->differs;

		if (why)
			note_add(&listen->notes, h->arena, &a->line, "%s", why);
	}
}

static void translate_frontend(struct haproxy *h, struct haproxy_proxy *p)
{
	struct target_listen *listen = target_add_listen(h->target, target_name(h->arena, p->name));

	notes_move(&p->notes, &listen->notes);
	listen->tcp = !p->http;
	for (const struct haproxy_bind *b = p->binds; b; b = b->next)
		translate_bind(h, listen, b);
	if (p->http) {
		listen->header_timeout = p->timeouts[TIMEOUT_REQUEST];
		listen->idle_timeout = p->timeouts[TIMEOUT_CLIENT];
		listen->tunnel_timeout = p->timeouts[TIMEOUT_TUNNEL];
	} else {
		listen->tunnel_timeout = p->timeouts[TIMEOUT_TUNNEL] >= 0 ? p->timeouts[TIMEOUT_TUNNEL]
									  : p->timeouts[TIMEOUT_CLIENT];
	}
	translate_rules(h, p, listen);
	if (listen->n_binds && (*listen->pool || (listen->routes && p->http)))
		return;
	note_add(&listen->notes, h->arena, &p->line,
		 listen->n_binds ? "it leads to no pool" : "no address of it could be translated");
	target_drop_listen(h->target, listen->name);
}

void haproxy_translate(struct haproxy *h)
{
	for (struct haproxy_proxy *p = h->proxies; p; p = p->next) {
		if (p->kind == HAPROXY_DEFAULTS)
			notes_move(&p->notes, &h->target->general);
		else if (p->kind == HAPROXY_BACKEND || (p->kind == HAPROXY_LISTEN && p->servers))
			translate_backend(h, p);
	}
	for (struct haproxy_proxy *p = h->proxies; p; p = p->next)
		if (p->kind == HAPROXY_FRONTEND || p->kind == HAPROXY_LISTEN)
			translate_frontend(h, p);
}
