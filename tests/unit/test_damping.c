/* rooms: heartbeat/damping.c */
/*
 * test_damping.c: how many moves are too many, and for how long.
 */
#include "heartbeat/damping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const nanos begin = SECONDS(1000);

/* `n` moves, `every` so long, the first at `at`. How many of them began a hold-down. */
static unsigned moves(struct damping *d, nanos at, unsigned n, nanos every)
{
	unsigned began = 0;

	for (unsigned i = 0; i < n; i++)
		began += damping_move(d, at + i * every);
	return began;
}

static void the_fourth_move_within_a_minute_begins_a_hold_down(void **state)
{
	struct damping d = {0};

	assert_int_equal(moves(&d, begin, 3, SECONDS(20)), 0);
	assert_false(damping_holds(&d, begin + SECONDS(60)));
	assert_true(damping_move(&d, begin + SECONDS(60)));
	assert_true(damping_holds(&d, begin + SECONDS(60)));
	assert_true(damping_holds(&d, begin + SECONDS(90) - 1));
	assert_false(damping_holds(&d, begin + SECONDS(90)));
}

static void slower_moves_are_never_held_down(void **state)
{
	struct damping d = {0};

	assert_int_equal(moves(&d, begin, 100, SECONDS(20) + 1), 0);
}

static void the_first_moves_are_counted_from_the_start_of_the_machine_too(void **state)
{
	struct damping d = {0};

	assert_int_equal(moves(&d, SECONDS(1), 3, SECONDS(1)), 0);
	assert_true(damping_move(&d, SECONDS(4)));
}

static void each_relapse_doubles_it_up_to_five_minutes(void **state)
{
	static const nanos lengths[] = {SECONDS(30),  SECONDS(60),  SECONDS(120),
					SECONDS(240), SECONDS(300), SECONDS(300)};
	struct damping d = {0};
	nanos at = begin;

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		assert_int_equal(moves(&d, at, 4, SECONDS(1)), 1);
		assert_int_equal(d.until - (at + SECONDS(3)), lengths[i]);
		at = d.until + SECONDS(1);
	}
}

static void a_relapse_during_the_hold_down_counts_anew(void **state)
{
	struct damping d = {0};

	assert_int_equal(moves(&d, begin, 4, SECONDS(1)), 1);
	assert_int_equal(moves(&d, begin + SECONDS(5), 3, SECONDS(1)), 0);
	assert_true(damping_move(&d, begin + SECONDS(8)));
	assert_int_equal(d.until, begin + SECONDS(68));
}

static void after_calm_it_is_forgotten(void **state)
{
	struct damping d = {0};

	assert_int_equal(moves(&d, begin, 4, 0), 1);
	assert_int_equal(moves(&d, d.until + DAMPING_CALM - 1, 4, 0), 1);
	assert_int_equal(d.hold, SECONDS(60));
	assert_int_equal(moves(&d, d.until + DAMPING_CALM, 4, 0), 1);
	assert_int_equal(d.hold, SECONDS(30));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fourth_move_within_a_minute_begins_a_hold_down),
		cmocka_unit_test(slower_moves_are_never_held_down),
		cmocka_unit_test(the_first_moves_are_counted_from_the_start_of_the_machine_too),
		cmocka_unit_test(each_relapse_doubles_it_up_to_five_minutes),
		cmocka_unit_test(a_relapse_during_the_hold_down_counts_anew),
		cmocka_unit_test(after_calm_it_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
