/* rooms: proxy/servers.c proxy/balance.c proxy/health.c hapair/base/addr.c */
/*
 * The live table: who is picked follows health, weights and reloads, and nobody's place moves while somebody refers to it.
 */
#include "proxy/servers.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define N 4

/* Tables live as long as the process; they are kept in reach, each test has its own. */
static struct servers *servers, *every[16];
static size_t n_every;
static struct config_server configured[N];
static struct config_pool pool_config;
static struct config config;
static int added, kept, removed;

static void on_added(void *ctx, struct server *server, const struct config_pool *pool,
		     const struct config_server *c)
{
	health_init(&server->health, SERVER_UNKNOWN, 1);
	added++;
}

static void on_kept(void *ctx, struct server *server, const struct config_pool *pool,
		    const struct config_server *c)
{
	kept++;
}

static void on_removed(void *ctx, struct server *server)
{
	removed++;
}

static int apply(nanos now)
{
	const struct servers_change change = {on_added, on_kept, on_removed, NULL};
	added = kept = removed = 0;
	return servers_apply(servers, &config, now, &change);
}

/* Servers a, b, c, d of weight 1 in a checked pool; three of them in the configuration. */
static int set_up(void **state)
{
	static const char *const names[N] = {"a", "b", "c", "d"};
	servers = every[n_every++] = servers_new(2);
	assert_non_null(servers);
	for (size_t i = 0; i < N; i++) {
		configured[i] = (struct config_server){.name = names[i], .weight = 1};
		configured[i].address.ip.family = AF_INET;
		configured[i].address.port = (uint16_t)(1000 + i);
	}
	pool_config = (struct config_pool){.name = "web", .servers = configured, .n_servers = 3};
	pool_config.check.kind = CHECK_TCP;
	pool_config.check.fall = pool_config.check.rise = 1;
	config = (struct config){.pools = &pool_config, .n_pools = 1};
	assert_int_equal(apply(SECONDS(1)), 0);
	return 0;
}

static struct pool *pool(void)
{
	return servers_pool(servers, "web");
}

static struct server *server(const char *name)
{
	return pool_server(pool(), name);
}

static void happen(const char *name, enum health_event event)
{
	struct health_outcome outcome;
	health_step(&server(name)->health, &pool()->policy, event, 2, &outcome);
	pool_refresh(pool());
}

static struct server *pick(enum config_balance kind)
{
	int why;
	return pool_pick(pool(), 0, kind, &(struct ip){.family = AF_INET}, NULL, 0, &why);
}

/* The names of the next n picks, each given back at once. */
static const char *picks(enum config_balance kind, size_t n)
{
	static char text[64];
	for (size_t i = 0; i < n; i++) {
		struct server *s = pick(kind);
		text[i] = s != NULL ? s->name[0] : '-';
		if (s != NULL)
			server_release(s);
	}
	text[n] = '\0';
	return text;
}

static void unknown_servers_serve_until_one_is_up(void **state)
{
	assert_string_equal(picks(BALANCE_ROUNDROBIN, 6), "abcabc");
	assert_false(pool_serves(pool()));
	happen("b", HEALTH_EVENT_CHECK_GOOD);
	assert_true(pool_serves(pool()));
	assert_string_equal(picks(BALANCE_ROUNDROBIN, 3), "bbb");
}

static void nobody_up_is_told_as_such(void **state)
{
	int why = 0;
	happen("a", HEALTH_EVENT_CHECK_BAD);
	happen("b", HEALTH_EVENT_CHECK_BAD);
	happen("c", HEALTH_EVENT_MAINT);
	assert_null(pool_pick(pool(), 0, BALANCE_ROUNDROBIN, NULL, NULL, 0, &why));
	assert_int_equal(why, BALANCE_NONE_USABLE);
	happen("a", HEALTH_EVENT_CHECK_GOOD);
	const uint16_t tried[] = {server("a")->index};
	assert_null(pool_pick(pool(), 0, BALANCE_ROUNDROBIN, NULL, tried, 1, &why));
	assert_int_equal(why, BALANCE_ALL_TRIED);
}

static void leastconn_follows_what_is_active_and_weights(void **state)
{
	struct server *held[12];
	unsigned a = 0;
	configured[0].weight = 2;
	assert_int_equal(apply(SECONDS(2)), 0);
	for (size_t i = 0; i < 12; i++) {
		held[i] = pick(BALANCE_LEASTCONN);
		a += held[i] == server("a");
	}
	assert_int_equal(a, 6);
	assert_int_equal(server_active(server("a")), 6);
	assert_int_equal(server_active(server("b")), 3);
	/* b becomes free: it gets the next ones, whoever's turn it is. */
	for (size_t i = 0; i < 12; i++)
		if (held[i] == server("b"))
			server_release(held[i]);
	assert_string_equal(picks(BALANCE_LEASTCONN, 3), "bbb");
}

static void a_new_weight_counts_with_the_next_pick(void **state)
{
	assert_string_equal(picks(BALANCE_ROUNDROBIN, 3), "abc");
	configured[1].weight = 4;
	assert_int_equal(apply(SECONDS(2)), 0);
	assert_int_equal(kept, 3);
	assert_string_equal(picks(BALANCE_ROUNDROBIN, 6), "babbcb");
}

static void all_workers_see_what_one_has_picked(void **state)
{
	int why;
	struct server *first = pool_pick(pool(), 0, BALANCE_LEASTCONN, NULL, NULL, 0, &why);
	struct server *second = pool_pick(pool(), 1, BALANCE_LEASTCONN, NULL, NULL, 0, &why);
	assert_ptr_not_equal(first, second);
}

static void a_server_that_leaves_keeps_its_place_while_it_is_used(void **state)
{
	struct server *b = server("b");
	uint16_t place = b->index;
	server_hold(b);
	configured[1] = configured[3]; /* a d c */
	assert_int_equal(apply(SECONDS(2)), 0);
	assert_int_equal(added, 1);
	assert_int_equal(kept, 2);
	assert_int_equal(removed, 1);
	assert_null(server("b"));
	assert_null(strchr(picks(BALANCE_ROUNDROBIN, 9), 'b'));
	assert_int_not_equal(server("d")->index, place);
	/* Long after: still referred to, still there. */
	assert_int_equal(apply(SECONDS(60)), 0);
	assert_ptr_equal(pool()->places[place], b);
	server_drop(b);
	assert_int_equal(apply(SECONDS(61)), 0);
	assert_null(pool()->places[place]);
}

static void a_server_that_just_left_is_not_freed_at_once(void **state)
{
	uint16_t place = server("c")->index;
	pool_config.n_servers = 2;
	assert_int_equal(apply(SECONDS(2)), 0);
	assert_int_equal(apply(SECONDS(3)), 0);
	assert_non_null(pool()->places[place]);
}

static void another_address_is_another_server(void **state)
{
	struct server *a = server("a");
	happen("a", HEALTH_EVENT_CHECK_GOOD);
	configured[0].address.port = 99;
	assert_int_equal(apply(SECONDS(2)), 0);
	assert_int_equal(added, 1);
	assert_int_equal(removed, 1);
	assert_ptr_not_equal(server("a"), a);
	assert_int_equal(health_state(&server("a")->health), SERVER_UNKNOWN);
}

static void a_pool_that_left_serves_nobody(void **state)
{
	config.n_pools = 0;
	assert_int_equal(apply(SECONDS(2)), 0);
	assert_int_equal(removed, 3);
	assert_string_equal(picks(BALANCE_ROUNDROBIN, 1), "-");
	config.n_pools = 1;
	assert_int_equal(apply(SECONDS(3)), 0);
	assert_int_equal(added, 3);
	assert_string_equal(picks(BALANCE_ROUNDROBIN, 1), "a");
}

static void settled_when_all_who_are_checked_have_a_result(void **state)
{
	static struct checker_target *const some = (struct checker_target *)&servers;
	assert_true(pool_settled(pool())); /* nobody is checked yet */
	server("a")->target = server("b")->target = server("c")->target = some;
	assert_false(pool_settled(pool()));
	server("a")->last_check.at = server("b")->last_check.at = 5;
	assert_false(pool_settled(pool()));
	happen("c", HEALTH_EVENT_MAINT);
	assert_true(pool_settled(pool()));
}

static bool told(void)
{
	struct pollfd p = {.fd = servers->evidence_fd, .events = POLLIN};
	uint64_t count;
	return poll(&p, 1, 0) == 1 && read(p.fd, &count, sizeof(count)) == sizeof(count);
}

static void evidence_is_told_once_until_it_is_looked_at(void **state)
{
	struct server *a = server("a");
	server_report(servers, a, EVIDENCE_REFUSED);
	assert_true(told());
	server_report(servers, a, EVIDENCE_REFUSED);
	assert_false(told());
	server_report(servers, a, EVIDENCE_FAILED);
	assert_true(told());
	assert_int_equal(a->evidence, EVIDENCE_REFUSED | EVIDENCE_FAILED);
	a->evidence = 0;
	server_report(servers, a, EVIDENCE_REFUSED);
	assert_true(told());
}

static void more_servers_than_places_are_refused(void **state)
{
	struct config_server *many = calloc(BALANCE_SERVERS_MAX + 1, sizeof(*many));
	char(*names)[8] = calloc(BALANCE_SERVERS_MAX + 1, sizeof(*names));
	for (size_t i = 0; i <= BALANCE_SERVERS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "m%zu", i);
		many[i] = (struct config_server){.name = names[i], .weight = 1};
	}
	pool_config.name = "many";
	pool_config.servers = many;
	pool_config.n_servers = BALANCE_SERVERS_MAX + 1;
	assert_int_equal(apply(SECONDS(2)), -E2BIG);
	free(many);
	free(names);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unknown_servers_serve_until_one_is_up),
		TEST(nobody_up_is_told_as_such),
		TEST(leastconn_follows_what_is_active_and_weights),
		TEST(a_new_weight_counts_with_the_next_pick),
		TEST(all_workers_see_what_one_has_picked),
		TEST(a_server_that_leaves_keeps_its_place_while_it_is_used),
		TEST(a_server_that_just_left_is_not_freed_at_once),
		TEST(another_address_is_another_server),
		TEST(a_pool_that_left_serves_nobody),
		TEST(settled_when_all_who_are_checked_have_a_result),
		TEST(evidence_is_told_once_until_it_is_looked_at),
		TEST(more_servers_than_places_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
