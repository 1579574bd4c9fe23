/* rooms: proxy/route.c */
/*
 * Routes: who wins, and that no spelling of a path gets around one.
 */
#include "proxy/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct config_route shop[] = {
	{"", "/", 1},
	{"", "/api/", 2},
	{"", "/api/v2/", 3},
	{"", "/api/v2/users", 4},
	{"", "/img", 5},
	{"api.example.com", "", 6},
	{"api.example.com", "/admin/", 7},
	{"*.example.com", "", 8},
	{"*.eu.example.com", "", 9},
	{"*.eu.example.com", "/x/", 10},
	{"only.path.example.org", "/only/", 11},
	{"API.example.com.", "/admin/", 12}, /* again: the first wins */
	{"[fd00::1]", "", 13},
	{"", "/a b/", 14},
	{"", "/admin/", 15},
};

static int find_in(struct config_route *routes, size_t n, size_t fallback, const char *host, const char *path)
{
	struct config_listen listen = {.routes = routes, .n_routes = n, .pool = fallback};
	struct route_entry *storage = calloc(n + 1, sizeof *storage);
	struct route_table t;
	enum route_result r;
	size_t pool = 999;

	route_table_init(&t, storage, &listen);
	r = route_find(&t, span_of(host), span_of(path), &pool);
	free(storage);
	return r == ROUTE_FOUND ? (int)pool : -(int)r;
}

static int find(const char *host, const char *path)
{
	return find_in(shop, sizeof shop / sizeof *shop, 0, host, path);
}

static void the_longest_prefix_wins(void **state)
{
	assert_int_equal(find("x", "/"), 1);
	assert_int_equal(find("x", "/other"), 1);
	assert_int_equal(find("x", "/api"), 1);
	assert_int_equal(find("x", "/api/"), 2);
	assert_int_equal(find("x", "/api/v1"), 2);
	assert_int_equal(find("x", "/api/v2/"), 3);
	assert_int_equal(find("x", "/api/v2/user"), 3);
	assert_int_equal(find("x", "/api/v2/users"), 4);
	assert_int_equal(find("x", "/api/v2/users/7"), 4);
	assert_int_equal(find("x", "/api/v3"), 2);
	assert_int_equal(find("x", "/imgs/1.png"), 5);
	assert_int_equal(find("x", ""), 1);
}

static void the_most_specific_host_wins(void **state)
{
	assert_int_equal(find("api.example.com", "/api/"), 6);
	assert_int_equal(find("API.Example.COM:8080", "/"), 6);
	assert_int_equal(find("api.example.com.", "/"), 6);
	assert_int_equal(find("api.example.com.:443", "/admin/x"), 7);
	assert_int_equal(find("a.example.com", "/"), 8);
	assert_int_equal(find("a.b.example.com", "/"), 8);
	assert_int_equal(find("a.eu.example.com", "/"), 9);
	assert_int_equal(find("a.b.c.d.EU.example.com:1", "/x/y"), 10);
	assert_int_equal(find("eu.example.com", "/"), 8);
	assert_int_equal(find("example.com", "/"), 1);
	assert_int_equal(find("notexample.com", "/"), 1);
	assert_int_equal(find("[fd00::1]:443", "/"), 13);
	assert_int_equal(find("[fd00::1]", "/"), 13);
	assert_int_equal(find("", "/api/"), 2);
}

static void a_host_without_a_fitting_path_gives_way(void **state)
{
	assert_int_equal(find("only.path.example.org", "/only/1"), 11);
	assert_int_equal(find("only.path.example.org", "/api/"), 2);
}

static void where_nothing_fits_the_listeners_pool_or_nobody_answers(void **state)
{
	assert_int_equal(find_in(shop + 1, 1, 42, "x", "/"), 42);
	assert_int_equal(find_in(shop + 1, 1, CONFIG_NO_POOL, "x", "/"), -ROUTE_NONE);
	assert_int_equal(find_in(NULL, 0, 42, "x", "/%zz/.."), 42);
	assert_int_equal(find_in(NULL, 0, CONFIG_NO_POOL, "x", "/"), -ROUTE_NONE);
}

static void no_spelling_gets_around_a_route(void **state)
{
	static const char *const admin[] = {
		"/admin/",       "/%61dmin/",    "/admin%2e/../admin/", "//admin/",
		"/./admin/",     "/x/../admin/", "/api/../admin/x",     "/api/v2/%2e%2E/../admin/",
		"/%2e/admin/",   "/admin/./",    "/admin//x",           "///admin///",
		"/x/..//admin/",
	};

	for (size_t i = 0; i < sizeof admin / sizeof *admin; i++)
		if (find("x", admin[i]) != 15)
			fail_msg("%s goes to %d", admin[i], find("x", admin[i]));
	assert_int_equal(find("x", "/a%20b/c"), 14);
	assert_int_equal(find("x", "/admin/.."), 1);
	assert_int_equal(find("x", "/admin/../"), 1);
	assert_int_equal(find("x", "/admin/."), 15);
	assert_int_equal(find("x", "/admin"), 1);
}

static void what_servers_read_in_different_ways_is_refused(void **state)
{
	static const char *const bad[] = {
		"/..",
		"/../admin/",
		"/x/../../admin/",
		"/%2e%2e/",
		"/api/..%2fadmin/",
		"/api/%2e%2e%2Fadmin/",
		"/api%2f..%2f",
		"/api/..;/admin/",
		"/api/..;x=y/admin/",
		"/api/.;/x",
		"/api/..\\admin/",
		"/api\\..\\admin",
		"/api/%5c..",
		"/api/..%5cadmin",
		"/a%00b",
		"/%",
		"/%2",
		"/%zz",
		"/api/%2g",
		"/x%2f.%2fy",
		"/x/a\\.",
		"/x/;/..;",
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (find("x", bad[i]) != -ROUTE_BAD_PATH)
			fail_msg("%s goes to %d", bad[i], find("x", bad[i]));
}

static void what_only_looks_odd_passes(void **state)
{
	static const char *const good[] = {
		"/x/a%2fb",   "/x/...",  "/x/.hidden", "/x/..hidden", "/x/a..",
		"/x/a;v=1/b", "/x/a\\b", "/x/%25",     "/x/a.b%2Fc",  "/x/..%252fadmin/",
	};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (find("x", good[i]) != 1)
			fail_msg("%s goes to %d", good[i], find("x", good[i]));
}

static void a_path_beyond_the_limit_is_refused_not_overrun(void **state)
{
	static char path[9000];

	memset(path, 'a', sizeof path - 1);
	path[0] = '/';
	path[1] = '%';
	path[2] = '4';
	path[3] = '1';
	assert_int_equal(find("x", path), -ROUTE_BAD_PATH);
	path[8192] = 0;
	assert_int_equal(find("x", path), 1);
}

/* The same answers as a plain search, over many routes in any order. */
static void a_large_table_agrees_with_a_plain_search(void **state)
{
	enum { N = 500 };
	static char hosts[N][16], paths[N][16];
	static struct config_route routes[N];
	static struct route_entry storage[N];
	struct config_listen listen = {.routes = routes, .n_routes = N, .pool = CONFIG_NO_POOL};
	struct route_table t;
	uint32_t random = 1;

	for (int i = 0; i < N; i++) {
		int n = 0;

		random = random * 1664525 + 1013904223;
		snprintf(hosts[i], sizeof hosts[i], "%s%c.d", random >> 28 & 1 ? "*." : "",
			 'a' + (int)(random >> 8) % 3);
		n += snprintf(paths[i], sizeof paths[i], "/");
		for (unsigned d = 0; d < (random >> 20 & 7); d++)
			n += snprintf(paths[i] + n, sizeof paths[i] - (size_t)n, "%c",
				      'a' + (int)(random >> d & 1));
		routes[i] = (struct config_route){hosts[i], paths[i], (size_t)i};
	}
	route_table_init(&t, storage, &listen);
	for (int q = 0; q < 5000; q++) {
		char host[16], path[16];
		size_t pool = 0;
		int best = -1, n = 1;
		enum route_result r;

		random = random * 1664525 + 1013904223;
		snprintf(host, sizeof host, "%s%c.d", random >> 28 & 1 ? "x." : "",
			 'a' + (int)(random >> 8) % 3);
		path[0] = '/';
		for (unsigned d = 0; d < (random >> 20 & 15) && n < 15; d++)
			path[n++] = (char)('a' + (int)(random >> d & 1));
		path[n] = 0;
		for (int i = 0; i < N; i++) {
			bool wild = hosts[i][0] == '*';
			bool fits = wild ? strlen(host) > 3 && strcmp(host + 1, hosts[i] + 1) == 0
					 : strcmp(host, hosts[i]) == 0;

			if (fits && strncmp(path, paths[i], strlen(paths[i])) == 0 &&
			    (best < 0 || strlen(paths[i]) > strlen(paths[best])))
				best = i;
		}
		r = route_find(&t, span_of(host), span_of(path), &pool);
		assert_int_equal(r, best < 0 ? ROUTE_NONE : ROUTE_FOUND);
		if (best >= 0)
			assert_int_equal(pool, best);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_prefix_wins),
		cmocka_unit_test(the_most_specific_host_wins),
		cmocka_unit_test(a_host_without_a_fitting_path_gives_way),
		cmocka_unit_test(where_nothing_fits_the_listeners_pool_or_nobody_answers),
		cmocka_unit_test(no_spelling_gets_around_a_route),
		cmocka_unit_test(what_servers_read_in_different_ways_is_refused),
		cmocka_unit_test(what_only_looks_odd_passes),
		cmocka_unit_test(a_path_beyond_the_limit_is_refused_not_overrun),
		cmocka_unit_test(a_large_table_agrees_with_a_plain_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
