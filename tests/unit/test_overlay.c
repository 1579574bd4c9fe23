/* rooms: hapair/base/overlay.c hapair/base/msg.c hapair/base/addr.c */
#include "hapair/base/overlay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct config_server servers[] = {{.name = "s1", .weight = 2}, {.name = "s2", .weight = 1}};
static struct config_pool pools[] = {{.name = "web", .servers = servers, .n_servers = 2, .retries = 3},
				     {.name = "api"}};
static const struct config file = {.pools = pools, .n_pools = 2};

static struct server_wanted *place(struct wanted_set *set, const char *server)
{
	return wanted_set_place(set, "web", server);
}

static struct overlay *overlay_of(struct wanted_set *set)
{
	struct overlay *o = overlay_new(&file, set->n, wanted_set_at, set);

	assert_non_null(o);
	return o;
}

static void what_nobody_spoke_of_is_the_file(void **state)
{
	struct wanted_set set = {0};
	struct overlay *o;

	place(&set, "s1")->action = SERVER_ACTION_DRAIN;
	o = overlay_of(&set);
	assert_ptr_equal(o->config.pools[0].servers, servers);
	assert_int_equal(o->config.pools[0].n_servers, 2);
	overlay_free(o);
	free(set.entries);
}

static void servers_come_go_and_change_their_weight(void **state)
{
	struct wanted_set set = {0};
	struct server_wanted *added = place(&set, "s3");
	struct overlay *o;
	const struct config_pool *pool;

	added->existence = SERVER_ADDED;
	added->added_weight = 5;
	addr_parse(span_of("10.0.0.3:80"), &added->address);
	place(&set, "s1")->existence = SERVER_REMOVED;
	place(&set, "s2")->weight = 9;
	o = overlay_of(&set);
	free(set.entries); /* copied */
	pool = config_find_pool(&o->config, "web");
	assert_int_equal(pool->n_servers, 2);
	assert_int_equal(pool->retries, 3);
	assert_null(config_find_server(pool, "s1"));
	assert_int_equal(config_find_server(pool, "s2")->weight, 9);
	assert_false(config_find_server(pool, "s2")->runtime);
	assert_int_equal(config_find_server(pool, "s3")->weight, 5);
	assert_int_equal(config_find_server(pool, "s3")->address.port, 80);
	assert_true(config_find_server(pool, "s3")->runtime);
	assert_int_equal(servers[1].weight, 1);
	overlay_free(o);
}

static void where_the_file_names_a_server_its_address_counts(void **state)
{
	struct wanted_set set = {0};
	struct server_wanted *added = place(&set, "s1");
	struct overlay *o;

	added->existence = SERVER_ADDED;
	added->added_weight = 5;
	addr_parse(span_of("10.0.0.3:80"), &added->address);
	o = overlay_of(&set);
	assert_int_equal(o->config.pools[0].n_servers, 2);
	assert_int_equal(o->config.pools[0].servers[0].address.port, 0);
	assert_int_equal(o->config.pools[0].servers[0].weight, 2);
	overlay_free(o);
	free(set.entries);
}

static void a_pool_that_the_file_does_not_have_is_passed_over(void **state)
{
	struct wanted_set set = {0};
	struct overlay *o;

	wanted_set_place(&set, "gone", "s1")->existence = SERVER_ADDED;
	wanted_set_place(&set, "api", "s1")->existence = SERVER_REMOVED;
	o = overlay_of(&set);
	assert_int_equal(o->config.n_pools, 2);
	assert_int_equal(o->config.pools[1].n_servers, 0);
	overlay_free(o);
	free(set.entries);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_nobody_spoke_of_is_the_file),
		cmocka_unit_test(servers_come_go_and_change_their_weight),
		cmocka_unit_test(where_the_file_names_a_server_its_address_counts),
		cmocka_unit_test(a_pool_that_the_file_does_not_have_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
