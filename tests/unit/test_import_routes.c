/* rooms: hapair/import/routes.c hapair/config/arena.c proxy/route.c
 *
 * First match becomes closest match: random rules, each request asked of both, the second time by the proxy's own table.
 */
#include "hapair/import/routes.h"
#include "proxy/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const hosts[] = {"", "a.example", "b.a.example", "*.a.example", "*.example", "c.example"};
static const char *const paths[] = {"", "/", "/x", "/x/", "/x/y", "/xy", "/z"};
static const char *const pools[] = {"0", "1", "2"};

#define N(table) (sizeof(table) / sizeof *(table))

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static bool matches(const struct match *m, const char *host, const char *path)
{
	size_t n = strlen(m->host), nh = strlen(host);
	bool host_fits =
		!n || (m->host[0] == '*' ? nh > n - 1 && strcmp(host + nh - (n - 1), m->host + 1) == 0
					 : strcmp(m->host, host) == 0);

	return host_fits && strncmp(path, m->path, strlen(m->path)) == 0;
}

/* The pool of the first rule; 99: none. */
static size_t first_match(const struct rule *rules, size_t n, const char *host, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (matches(&rules[i].match, host, path))
			return (size_t)(rules[i].pool[0] - '0');
	return 99;
}

static size_t by_proxy(const struct routes *routes, const char *host, const char *path)
{
	struct config_route all[64];
	struct route_entry entries[64];
	struct config_listen listen = {.routes = all, .pool = 99};
	struct route_table table;
	size_t pool = 99;

	assert_true(routes->n <= N(all));
	for (size_t i = 0; i < routes->n; i++) {
		const struct rule *rule = &routes->all[i].rule;

		if (!*rule->match.host && !*rule->match.path)
			listen.pool = (size_t)(rule->pool[0] - '0');
		else
			all[listen.n_routes++] = (struct config_route){rule->match.host, rule->match.path,
								       (size_t)(rule->pool[0] - '0')};
	}
	route_table_init(&table, entries, &listen);
	assert_int_equal(route_find(&table, span_of(host), span_of(path), &pool), ROUTE_FOUND);
	return pool;
}

static void the_proxy_sends_each_request_where_the_first_rule_would(void **state)
{
	static const char *const asked_hosts[] = {"a.example", "b.a.example", "q.a.example",
						  "c.example", "d.example",   "other"};
	static const char *const asked_paths[] = {"/",   "/x",   "/x/", "/x/y", "/x/y/z",
						  "/xy", "/xyz", "/z",  "/q"};
	uint32_t seed = 1;
	size_t derived = 0;

	for (int round = 0; round < 3000; round++) {
		struct arena *arena = arena_new();
		struct rule rules[8];
		size_t n = 1 + next(&seed) % N(rules);
		struct routes routes;

		for (size_t i = 0; i < n; i++)
			rules[i] =
				(struct rule){{hosts[next(&seed) % N(hosts)], paths[next(&seed) % N(paths)]},
					      pools[next(&seed) % N(pools)]};
		routes = routes_of(rules, n, arena);
		assert_false(routes.too_many);
		for (size_t i = 0; i < routes.n; i++)
			derived += routes.all[i].derived;
		for (size_t h = 0; h < N(asked_hosts); h++)
			for (size_t p = 0; p < N(asked_paths); p++)
				if (first_match(rules, n, asked_hosts[h], asked_paths[p]) !=
				    by_proxy(&routes, asked_hosts[h], asked_paths[p]))
					fail_msg("round %d: %s%s", round, asked_hosts[h], asked_paths[p]);
		arena_free(arena);
	}
	assert_true(derived > 500); /* else nothing was tried */
}

static void a_rule_that_is_never_reached_makes_no_route(void **state)
{
	static const struct rule rules[] = {
		{{"", "/a"}, "0"}, {{"", "/ab"}, "1"}, {{"x", "/ab"}, "2"}, {{"x", ""}, "2"}};
	struct arena *arena = arena_new();
	struct routes routes = routes_of(rules, N(rules), arena);

	assert_int_equal(routes.n, 3);
	assert_string_equal(routes.all[2].rule.match.host, "x");
	assert_string_equal(routes.all[2].rule.match.path, "/a");
	assert_true(routes.all[2].derived);
	arena_free(arena);
}

static void more_rules_than_are_looked_at_are_told(void **state)
{
	static struct rule rules[RULES_MAX + 1];
	struct arena *arena = arena_new();

	for (size_t i = 0; i < N(rules); i++)
		rules[i] = (struct rule){{arena_printf(arena, "h%zu", i), ""}, "0"};
	assert_true(routes_of(rules, N(rules), arena).too_many);
	assert_false(routes_of(rules, N(rules) - 1, arena).too_many);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_proxy_sends_each_request_where_the_first_rule_would),
		cmocka_unit_test(a_rule_that_is_never_reached_makes_no_route),
		cmocka_unit_test(more_rules_than_are_looked_at_are_told),
	};

	return cmocka_run_group_tests_name("import_routes", tests, NULL, NULL);
}
