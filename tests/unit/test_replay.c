/* rooms: heartbeat/replay.c */
/*
 * test_replay.c: a sequence passes once.
 */
#include "heartbeat/replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void a_sequence_passes_once(void **state)
{
	struct replay r;

	(void)state;
	replay_reset(&r, 0);
	for (uint64_t n = 1; n < 2000; n++) {
		assert_true(replay_accept(&r, n));
		assert_false(replay_accept(&r, n));
	}
}

static void zero_and_the_last_number_never_pass(void **state)
{
	struct replay r;

	(void)state;
	replay_reset(&r, 0);
	assert_false(replay_accept(&r, 0));
	assert_false(replay_accept(&r, UINT64_MAX));
	assert_true(replay_accept(&r, UINT64_MAX - 1));
}

static void what_was_overtaken_passes_within_the_window(void **state)
{
	struct replay r;

	(void)state;
	replay_reset(&r, 0);
	assert_true(replay_accept(&r, 10000));
	assert_true(replay_accept(&r, 10000 - REPLAY_WINDOW + 1));
	assert_false(replay_accept(&r, 10000 - REPLAY_WINDOW + 1));
	assert_false(replay_accept(&r, 10000 - REPLAY_WINDOW));
	assert_false(replay_accept(&r, 1));
}

static void a_jump_forgets_nothing_that_is_still_in_the_window(void **state)
{
	struct replay r;

	(void)state;
	for (uint64_t jump = 1; jump < 3 * REPLAY_WINDOW; jump += 7) {
		replay_reset(&r, 0);
		assert_true(replay_accept(&r, 5000));
		assert_true(replay_accept(&r, 5000 + jump));
		assert_false(replay_accept(&r, 5000));
		assert_false(replay_accept(&r, 5000 + jump));
		assert_true(replay_accept(&r, 5000 + jump - 1) || jump == 1);
	}
}

static void everything_up_to_the_floor_is_seen(void **state)
{
	struct replay r;

	(void)state;
	replay_reset(&r, 900);
	assert_false(replay_accept(&r, 900));
	assert_false(replay_accept(&r, 700));
	assert_true(replay_accept(&r, 902));
	assert_true(replay_accept(&r, 901));
	assert_false(replay_accept(&r, 899));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sequence_passes_once),
		cmocka_unit_test(zero_and_the_last_number_never_pass),
		cmocka_unit_test(what_was_overtaken_passes_within_the_window),
		cmocka_unit_test(a_jump_forgets_nothing_that_is_still_in_the_window),
		cmocka_unit_test(everything_up_to_the_floor_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
