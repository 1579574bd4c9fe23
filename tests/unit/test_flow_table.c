/* rooms: hapair/sync/flow_table.c hapair/base/addr.c */
#include "hapair/sync/flow_table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct flow_table *table, *peer;

static int set_up(void **state)
{
	table = calloc(1, sizeof(*table));
	peer = calloc(1, sizeof(*peer));
	assert_true(table && peer);
	flow_table_init(table, 1);
	flow_table_init(peer, 2);
	return 0;
}

static int tear_down(void **state)
{
	free(table);
	free(peer);
	return 0;
}

/* Number i of more than there is room for. */
static struct flow flow(unsigned i)
{
	struct flow f = {.client = {.port = (uint16_t)i}, .vip = {.port = 80}};

	f.client.ip = (struct ip){AF_INET, {10, 0, (uint8_t)(i >> 16), 1}};
	f.vip.ip = (struct ip){AF_INET, {10, 0, 0, 50}};
	return f;
}

static void see(unsigned from, unsigned to)
{
	flow_table_scan_begin(table);
	for (unsigned i = from; i < to; i++) {
		struct flow f = flow(i);

		flow_table_see(table, &f);
	}
	flow_table_scan_end(table);
}

/* At most `max` news, told to the peer; how many there were. */
static unsigned tell(unsigned max, unsigned *ret_gone)
{
	struct flow f;
	unsigned n = 0, gone = 0;

	for (enum flow_news news; n < max && (news = flow_table_news(table, &f)) != FLOW_NO_NEWS; n++) {
		if (news == FLOW_IS_NEW)
			assert_int_equal(flow_table_add(peer, &f), 1);
		else
			assert_true(flow_table_remove(peer, &f));
		gone += news == FLOW_IS_GONE;
	}
	if (ret_gone)
		*ret_gone = gone;
	return n;
}

static void both_have(unsigned from, unsigned to)
{
	struct flow before = flow(from - 1), after = flow(to);

	assert_int_equal(table->n, to - from);
	assert_int_equal(peer->n, to - from);
	assert_false(from && flow_table_remove(peer, &before));
	assert_false(flow_table_remove(peer, &after));
	for (unsigned i = from; i < to; i++) {
		struct flow f = flow(i);

		assert_int_equal(flow_table_add(peer, &f), 0);
	}
}

static void what_is_there_is_told_once(void **state)
{
	see(0, 1000);
	assert_int_equal(tell(~0u, NULL), 1000);
	both_have(0, 1000);
	see(0, 1000);
	assert_int_equal(tell(~0u, NULL), 0);
}

static void what_comes_and_goes_is_told_and_nothing_else(void **state)
{
	unsigned gone;

	see(0, 1000);
	tell(~0u, NULL);
	see(300, 1200);
	assert_int_equal(tell(~0u, &gone), 500);
	assert_int_equal(gone, 300);
	both_have(300, 1200);
	see(0, 0);
	assert_int_equal(tell(~0u, &gone), 900);
	assert_int_equal(gone, 900);
	assert_int_equal(table->n + peer->n, 0);
}

static void what_went_before_it_was_told_is_no_news(void **state)
{
	see(0, 1000);
	assert_int_equal(tell(400, NULL), 400);
	see(1000, 1100);
	assert_int_equal(tell(~0u, NULL), 500); /* the 400 are gone, 100 new */
	both_have(1000, 1100);
}

static void a_peer_that_knows_nothing_is_told_all_again(void **state)
{
	see(0, 1000);
	tell(700, NULL);
	flow_table_clear(peer);
	flow_table_untell(table);
	assert_int_equal(tell(~0u, NULL), 1000);
	both_have(0, 1000);
}

static void a_full_table_says_how_many_it_refused_and_is_right_again(void **state)
{
	struct flow more = flow(FLOW_TABLE_MAX + 7);

	see(0, FLOW_TABLE_MAX + 7);
	assert_int_equal(table->refused, 7);
	assert_int_equal(flow_table_add(table, &more), -ENOSPC);
	assert_int_equal(tell(~0u, NULL), FLOW_TABLE_MAX);
	both_have(0, FLOW_TABLE_MAX);
	see(7, FLOW_TABLE_MAX + 7); /* the new ones do not fit before the gone have gone */
	assert_int_equal(table->refused, 7);
	assert_int_equal(tell(~0u, NULL), 7);
	see(7, FLOW_TABLE_MAX + 7);
	assert_int_equal(table->refused, 0);
	assert_int_equal(tell(~0u, NULL), 7);
	both_have(7, FLOW_TABLE_MAX + 7);
}

/* Against a model that is a plain array; where slots collide and are freed in every order. */
static void a_random_life_ends_as_the_model_says(void **state)
{
	static bool there[3000];
	unsigned n = 0, x = 1;

	for (unsigned step = 0; step < 200000; step++) {
		struct flow f;
		unsigned i;

		x = x * 1103515245 + 12345;
		i = (x >> 8) % 3000;
		f = flow(i);
		if (x >> 31) {
			assert_int_equal(flow_table_add(table, &f), !there[i]);
			there[i] = true;
		} else {
			assert_int_equal(flow_table_remove(table, &f), there[i]);
			there[i] = false;
		}
	}
	for (unsigned i = 0; i < 3000; i++)
		n += there[i];
	assert_int_equal(table->n, n);
	for (unsigned i = 0; i < 3000; i++) {
		struct flow f = flow(i);

		assert_int_equal(flow_table_remove(table, &f), there[i]);
	}
	for (size_t i = 0; i < FLOW_TABLE_SLOTS; i++)
		assert_int_equal(table->slots[i], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_there_is_told_once),
		TEST(what_comes_and_goes_is_told_and_nothing_else),
		TEST(what_went_before_it_was_told_is_no_news),
		TEST(a_peer_that_knows_nothing_is_told_all_again),
		TEST(a_full_table_says_how_many_it_refused_and_is_right_again),
		TEST(a_random_life_ends_as_the_model_says),
	};

	return cmocka_run_group_tests_name("flow_table", tests, NULL, NULL);
}
