/* rooms: proxy/balance.c */
/*
 * Picks: exact sequences, who is left out, who stays where, and the bound.
 */
#include "proxy/balance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct pool {
	size_t n;
	struct balance_server *servers;
	int32_t *storage;
	struct balance_state state;
};

static struct pool pool_new(enum config_balance kind, size_t n, const uint16_t *weights, uint32_t worker)
{
	struct pool p = {n, calloc(n, sizeof *p.servers), calloc(n, sizeof *p.storage), {0}};

	for (size_t i = 0; i < n; i++) {
		char name[24];

		snprintf(name, sizeof name, "s%zu", i);
		p.servers[i] = (struct balance_server){balance_server_key(span_of(name)), 0,
						       weights ? weights[i] : 1, 1};
	}
	balance_init(&p.state, kind, p.storage, n, worker);
	return p;
}

static void pool_free(struct pool *p)
{
	free(p->servers);
	free(p->storage);
}

static int pick(struct pool *p, uint64_t client)
{
	return balance_pick(&p->state, p->servers, p->n, client, NULL, 0);
}

static void assert_sequence(struct pool *p, const char *want)
{
	for (size_t i = 0; want[i]; i++) {
		int got = pick(p, 0);

		if (got != want[i] - 'a')
			fail_msg("pick %zu of %s is %c", i, want, 'a' + got);
	}
}

static void roundrobin_is_smooth_and_exact(void **state)
{
	static const struct {
		uint16_t weights[4];
		size_t n;
		const char *want;
	} cases[] = {
		{{5, 1, 1}, 3, "aabacaaaabacaa"}, {{1, 1, 1}, 3, "abcabcabc"},
		{{3, 2, 1}, 3, "abacbaabacba"},   {{2, 1}, 2, "abaaba"},
		{{256, 1}, 2, "aaaaaaaaaaaa"},    {{7}, 1, "aaa"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct pool p = pool_new(BALANCE_ROUNDROBIN, cases[i].n, cases[i].weights, 0);

		assert_sequence(&p, cases[i].want);
		pool_free(&p);
	}
}

static void workers_begin_at_different_servers(void **state)
{
	static const char *const want[] = {"abcabc", "bacbac", "cabcab", "abcabc"};

	for (uint32_t worker = 0; worker < 4; worker++) {
		struct pool p = pool_new(BALANCE_ROUNDROBIN, 3, NULL, worker);

		assert_sequence(&p, want[worker]);
		pool_free(&p);
	}
}

static void a_server_that_comes_back_is_one_among_equals(void **state)
{
	struct pool p = pool_new(BALANCE_ROUNDROBIN, 3, NULL, 0);

	assert_sequence(&p, "a");
	p.servers[1].usable = 0;
	for (int i = 0; i < 100; i++)
		assert_int_not_equal(pick(&p, 0), 1);
	p.servers[1].usable = 1;
	for (int round = 0; round < 3; round++) {
		int seen = 0;

		for (int i = 0; i < 3; i++)
			seen |= 1 << pick(&p, 0);
		assert_int_equal(seen, 7);
	}
	pool_free(&p);
}

static void weights_may_change_at_run_time(void **state)
{
	struct pool p = pool_new(BALANCE_ROUNDROBIN, 2, (const uint16_t[]){256, 1}, 0);
	int count[2] = {0};

	for (int i = 0; i < 50; i++)
		pick(&p, 0);
	p.servers[0].weight = 1;
	p.servers[1].weight = 3;
	for (int i = 0; i < 4000; i++)
		count[pick(&p, 0)]++;
	assert_in_range(count[1], 2900, 3100);
	pool_free(&p);
}

static void every_way_leaves_out_the_tried_and_names_who_is_missing(void **state)
{
	for (int kind = BALANCE_ROUNDROBIN; kind <= BALANCE_IPHASH; kind++) {
		static const size_t sizes[] = {3, 100};

		for (size_t s = 0; s < 2; s++) {
			struct pool p = pool_new((enum config_balance)kind, sizes[s], NULL, 0);
			uint16_t tried[3];

			for (size_t i = 3; i < p.n; i++)
				p.servers[i].usable = 0;
			for (size_t i = 0; i < 3; i++) {
				int got = balance_pick(&p.state, p.servers, p.n, 77, tried, i);

				assert_in_range(got, 0, 2);
				for (size_t t = 0; t < i; t++)
					assert_int_not_equal(got, tried[t]);
				tried[i] = (uint16_t)got;
			}
			assert_int_equal(balance_pick(&p.state, p.servers, p.n, 77, tried, 3),
					 BALANCE_ALL_TRIED);
			for (size_t i = 0; i < 3; i++)
				p.servers[i].usable = 0;
			assert_int_equal(balance_pick(&p.state, p.servers, p.n, 77, tried, 3),
					 BALANCE_NONE_USABLE);
			assert_int_equal(balance_pick(&p.state, p.servers, 0, 77, NULL, 0),
					 BALANCE_NONE_USABLE);
			pool_free(&p);
		}
	}
}

static void leastconn_takes_the_least_loaded_for_its_weight(void **state)
{
	struct pool p = pool_new(BALANCE_LEASTCONN, 3, (const uint16_t[]){1, 2, 4}, 0);
	int count[3] = {0};

	p.servers[0].active = 1;
	p.servers[1].active = 1;
	p.servers[2].active = 3;
	assert_int_equal(pick(&p, 0), 1);
	p.servers[0].active = p.servers[1].active = p.servers[2].active = 0;
	/* Connections that stay: the load ends up as the weights are. */
	for (int i = 0; i < 700; i++) {
		int got = pick(&p, 0);

		p.servers[got].active++;
		count[got]++;
	}
	assert_in_range(count[0], 99, 101);
	assert_in_range(count[1], 199, 201);
	assert_in_range(count[2], 399, 401);
	pool_free(&p);
}

static void idle_equals_take_turns_by_weight(void **state)
{
	struct pool p = pool_new(BALANCE_LEASTCONN, 3, (const uint16_t[]){5, 1, 1}, 0);

	assert_sequence(&p, "aabacaa");
	pool_free(&p);
	p = pool_new(BALANCE_LEASTCONN, 3, NULL, 0);
	p.servers[1].active = 1;
	assert_sequence(&p, "acac");
	pool_free(&p);
}

static void over_many_servers_the_better_of_two_is_taken(void **state)
{
	enum { N = 1000, EACH = 20 };
	uint16_t weights[N];
	struct pool p;
	uint32_t most = 0;

	for (size_t i = 0; i < N; i++)
		weights[i] = i % 2 ? 3 : 1;
	p = pool_new(BALANCE_LEASTCONN, N, weights, 0);
	for (int i = 0; i < N * EACH; i++)
		p.servers[pick(&p, 0)].active++;
	for (size_t i = 0; i < N; i++)
		if (p.servers[i].active * (3 / weights[i]) > most)
			most = p.servers[i].active * (3 / weights[i]);
	/* 30 is the mean for weight 3; one random choice alone would reach about 50 */
	assert_in_range(most, 30, 40);
	pool_free(&p);
}

static uint64_t client(uint32_t i)
{
	struct ip ip = {.family = AF_INET, .bytes = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};

	return balance_client_key(&ip);
}

static void iphash_shares_clients_by_weight(void **state)
{
	struct pool p = pool_new(BALANCE_IPHASH, 4, (const uint16_t[]){1, 1, 2, 4}, 0);
	int count[4] = {0};

	for (uint32_t i = 0; i < 80000; i++)
		count[pick(&p, client(i))]++;
	assert_in_range(count[0], 9600, 10400);
	assert_in_range(count[1], 9600, 10400);
	assert_in_range(count[2], 19500, 20500);
	assert_in_range(count[3], 39400, 40600);
	pool_free(&p);
}

static void a_server_that_leaves_moves_only_its_own_clients(void **state)
{
	enum { CLIENTS = 20000 };
	static int before[CLIENTS];
	struct pool p = pool_new(BALANCE_IPHASH, 10, NULL, 0);
	int spread[10] = {0}, moved = 0;

	for (uint32_t i = 0; i < CLIENTS; i++)
		before[i] = pick(&p, client(i));
	p.servers[3].usable = 0;
	for (uint32_t i = 0; i < CLIENTS; i++) {
		int now = pick(&p, client(i));

		if (before[i] != 3) {
			assert_int_equal(now, before[i]);
		} else {
			spread[now]++;
			moved++;
		}
	}
	/* and those go to all the others alike */
	for (int i = 0; i < 10; i++)
		if (i != 3)
			assert_in_range(spread[i], moved / 9 * 8 / 10, moved / 9 * 12 / 10);
	p.servers[3].usable = 1;
	for (uint32_t i = 0; i < CLIENTS; i++)
		assert_int_equal(pick(&p, client(i)), before[i]);
	pool_free(&p);
}

static void a_weight_moves_only_the_share_that_it_must(void **state)
{
	enum { CLIENTS = 20000 };
	static int before[CLIENTS];
	struct pool p = pool_new(BALANCE_IPHASH, 4, NULL, 0);
	int moved = 0;

	for (uint32_t i = 0; i < CLIENTS; i++)
		before[i] = pick(&p, client(i));
	p.servers[0].weight = 2;
	for (uint32_t i = 0; i < CLIENTS; i++) {
		int now = pick(&p, client(i));

		if (now != before[i])
			assert_int_equal(now, 0);
		moved += now != before[i];
	}
	/* from 1/4 to 2/5 */
	assert_in_range(moved, CLIENTS * 13 / 100, CLIENTS * 17 / 100);
	pool_free(&p);
}

static void the_order_of_servers_does_not_matter(void **state)
{
	struct pool a = pool_new(BALANCE_IPHASH, 8, NULL, 0), b = pool_new(BALANCE_IPHASH, 8, NULL, 3);

	for (size_t i = 0; i < 8; i++)
		b.servers[i] = a.servers[7 - i];
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(pick(&a, client(i)), 7 - pick(&b, client(i)));
	pool_free(&a);
	pool_free(&b);
}

/* A picture of the hash: both nodes and every later version must send these clients to the same servers. */
static void the_hash_never_changes(void **state)
{
	static const char want[] = "ghgddeehcchfbehhdbdgefdhhhfghfbchebhhffcfgeedehe";
	struct pool p = pool_new(BALANCE_IPHASH, 8, (const uint16_t[]){1, 2, 3, 4, 5, 6, 7, 8}, 0);
	char got[sizeof want];

	for (uint32_t i = 0; i < sizeof want - 1; i++)
		got[i] = (char)('a' + pick(&p, client(i * 7919)));
	got[sizeof want - 1] = 0;
	assert_string_equal(got, want);
	pool_free(&p);
}

static void clients_behind_one_address_spread_within_the_bound(void **state)
{
	struct pool p = pool_new(BALANCE_IPHASH, 5, (const uint16_t[]){1, 1, 1, 1, 4}, 0);
	uint64_t office = client(4711);
	unsigned used = 0;

	for (uint32_t i = 0; i < 5000; i++) {
		int got = pick(&p, office);
		uint64_t weight;

		assert_in_range(got, 0, 4);
		weight = p.servers[got].weight;
		p.servers[got].active++;
		/* its fair share of all now, a quarter more, rounded up; or the floor: 16 for the average weight of 8 / 5 */
		if (p.servers[got].active > ((i + 1) * weight * 125 + 799) / 800 &&
		    p.servers[got].active > (16 * weight * 5 + 7) / 8)
			fail_msg("server %d has %u of %u", got, p.servers[got].active, i + 1);
	}
	/* So the office fills no server beyond its bound, and as many as that takes. */
	for (size_t i = 0; i < 5; i++)
		used += p.servers[i].active > 0;
	assert_true(used >= 4);
	pool_free(&p);
}

static void a_quiet_pool_stays_sticky(void **state)
{
	struct pool p = pool_new(BALANCE_IPHASH, 4, NULL, 0);
	int home = pick(&p, client(1));

	for (uint32_t i = 0; i < BALANCE_BOUND_FLOOR; i++) {
		assert_int_equal(pick(&p, client(1)), home);
		p.servers[home].active++;
	}
	assert_int_not_equal(pick(&p, client(1)), home);
	pool_free(&p);
}

static void where_all_the_others_were_tried_the_bound_gives_way(void **state)
{
	struct pool p = pool_new(BALANCE_IPHASH, 3, NULL, 0);
	const uint16_t tried[] = {0, 2};

	p.servers[1].active = 1000;
	assert_int_equal(balance_pick(&p.state, p.servers, 3, client(1), tried, 2), 1);
	pool_free(&p);
}

static void an_ipv6_client_is_its_64_bit_prefix(void **state)
{
	struct ip a = {.family = AF_INET6, .bytes = {0xfd, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3}}, b = a;

	b.bytes[15] = 9;
	assert_true(balance_client_key(&a) == balance_client_key(&b));
	b.bytes[7] = 3;
	assert_true(balance_client_key(&a) != balance_client_key(&b));
}

static void four_thousand_servers_are_served(void **state)
{
	for (int kind = BALANCE_ROUNDROBIN; kind <= BALANCE_IPHASH; kind++) {
		struct pool p = pool_new((enum config_balance)kind, BALANCE_SERVERS_MAX, NULL, 0);
		unsigned used = 0;

		for (uint32_t i = 0; i < 20000; i++)
			p.servers[pick(&p, client(i))].active++;
		for (size_t i = 0; i < p.n; i++)
			used += p.servers[i].active > 0;
		assert_true(used > 3900);
		pool_free(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roundrobin_is_smooth_and_exact),
		cmocka_unit_test(workers_begin_at_different_servers),
		cmocka_unit_test(a_server_that_comes_back_is_one_among_equals),
		cmocka_unit_test(weights_may_change_at_run_time),
		cmocka_unit_test(every_way_leaves_out_the_tried_and_names_who_is_missing),
		cmocka_unit_test(leastconn_takes_the_least_loaded_for_its_weight),
		cmocka_unit_test(idle_equals_take_turns_by_weight),
		cmocka_unit_test(over_many_servers_the_better_of_two_is_taken),
		cmocka_unit_test(iphash_shares_clients_by_weight),
		cmocka_unit_test(a_server_that_leaves_moves_only_its_own_clients),
		cmocka_unit_test(a_weight_moves_only_the_share_that_it_must),
		cmocka_unit_test(the_order_of_servers_does_not_matter),
		cmocka_unit_test(the_hash_never_changes),
		cmocka_unit_test(clients_behind_one_address_spread_within_the_bound),
		cmocka_unit_test(a_quiet_pool_stays_sticky),
		cmocka_unit_test(where_all_the_others_were_tried_the_bound_gives_way),
		cmocka_unit_test(an_ipv6_client_is_its_64_bit_prefix),
		cmocka_unit_test(four_thousand_servers_are_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
