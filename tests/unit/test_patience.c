/* rooms: hapair/supervisor/patience.c */
#include "hapair/supervisor/patience.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Dies after `life` of running; returns the delay before the next start, which happens on time. */
static nanos live(struct patience *p, nanos *now, nanos life)
{
	nanos delay;

	patience_started(p, *now);
	*now += life;
	delay = patience_died(p, *now);
	*now += delay;
	return delay;
}

static void the_first_restart_is_at_once(void **state)
{
	struct patience p = {0};
	nanos now = SECONDS(100);

	assert_int_equal(live(&p, &now, SECONDS(3600)), 0);
}

static void short_lives_in_a_row_wait_longer_and_longer(void **state)
{
	struct patience p = {0};
	nanos now = SECONDS(100);
	const nanos expected[] = {0,        MS(100),  MS(200),    MS(400),   MS(800),
				  MS(1600), MS(3200), SECONDS(5), SECONDS(5)};

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(live(&p, &now, MS(10)), expected[i]);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(live(&p, &now, MS(10)), PATIENCE_LONGEST);
}

static void a_quiet_life_is_forgiven_what_came_before(void **state)
{
	struct patience p = {0};
	nanos now = SECONDS(100);

	for (int i = 0; i < 5; i++)
		live(&p, &now, MS(10));
	assert_int_equal(live(&p, &now, PATIENCE_QUIET), 0);
	assert_int_equal(live(&p, &now, PATIENCE_QUIET - 1), PATIENCE_FIRST_DELAY);
}

static void ten_silent_turns_are_a_hang(void **state)
{
	struct patience p = {0};

	patience_started(&p, 0);
	for (int i = 1; i < PATIENCE_SILENT_TURNS; i++)
		assert_int_equal(patience_turn(&p, false), PATIENCE_WAIT);
	assert_int_equal(patience_turn(&p, false), PATIENCE_ABORT);
	assert_int_equal(patience_turn(&p, false), PATIENCE_WAIT);
	assert_int_equal(patience_turn(&p, false), PATIENCE_KILL);
	assert_int_equal(patience_turn(&p, false), PATIENCE_KILL);
}

static void a_word_in_time_starts_the_count_again(void **state)
{
	struct patience p = {0};

	for (int i = 0; i < 1000; i++) {
		if (i % (PATIENCE_SILENT_TURNS - 1) == 0)
			patience_heard(&p);
		assert_int_equal(patience_turn(&p, false), PATIENCE_WAIT);
	}
}

static void a_late_turn_proves_nothing(void **state)
{
	struct patience p = {0};

	for (int i = 1; i < PATIENCE_SILENT_TURNS; i++)
		patience_turn(&p, false);
	/* The whole node stood still; the words of the others are still on their way. */
	assert_int_equal(patience_turn(&p, true), PATIENCE_WAIT);
	for (int i = 1; i < PATIENCE_SILENT_TURNS; i++)
		assert_int_equal(patience_turn(&p, false), PATIENCE_WAIT);
}

static void five_frozen_seconds_make_a_late_turn(void **state)
{
	assert_false(patience_turn_is_late(SECONDS(10), SECONDS(11)));
	assert_false(patience_turn_is_late(SECONDS(10), SECONDS(11) + MS(300)));
	assert_true(patience_turn_is_late(SECONDS(10), SECONDS(15)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_restart_is_at_once),
		cmocka_unit_test(short_lives_in_a_row_wait_longer_and_longer),
		cmocka_unit_test(a_quiet_life_is_forgiven_what_came_before),
		cmocka_unit_test(ten_silent_turns_are_a_hang),
		cmocka_unit_test(a_word_in_time_starts_the_count_again),
		cmocka_unit_test(a_late_turn_proves_nothing),
		cmocka_unit_test(five_frozen_seconds_make_a_late_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
