/* rooms: heartbeat/lease.c */
/*
 * test_lease.c: the arithmetic that keeps two holders apart.
 */
#include "heartbeat/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static void the_default_terms_are_those_of_the_design(void **state)
{
	struct lease_terms t = lease_terms_of(MS(50), 3);

	(void)state;
	assert_int_equal(t.dead, MS(150));
	assert_int_equal(t.margin, MS(15));
	assert_int_equal(lease_silence(&t), MS(80));
}

static void ten_milliseconds_with_dead_after_three_is_the_floor(void **state)
{
	(void)state;
	assert_null(lease_refusal(MS(10), 3));
	assert_non_null(lease_refusal(MS(10), 2));
	assert_non_null(lease_refusal(MS(10) - 1, 3));
	assert_non_null(lease_refusal(MS(9), 60));
}

static void silence_leaves_room_for_one_lost_heartbeat(void **state)
{
	(void)state;
	for (nanos interval = MS(10); interval <= SECONDS(2); interval += MS(10)) {
		for (unsigned dead_after = 0; dead_after <= 70; dead_after++) {
			struct lease_terms t = lease_terms_of(interval, dead_after);

			if (lease_refusal(interval, dead_after))
				continue;
			assert_true(dead_after >= 3 && dead_after <= LEASE_DEAD_MAX);
			assert_true(lease_silence(&t) > interval);
			/* Silence is believed before a lease from the last echo, up to I + s old, has ended. */
			assert_true(lease_silence(&t) + interval + t.slack <= t.dead - t.margin);
		}
	}
	assert_null(lease_refusal(MS(50), 3));
	assert_null(lease_refusal(SECONDS(1), 3));
	assert_non_null(lease_refusal(SECONDS(61), 3));
}

static void a_grant_counts_from_the_sending(void **state)
{
	nanos sent = SECONDS(100), dead = MS(150);

	(void)state;
	/* A passive that heard it 20 ms ago holds still for 130 ms more. */
	assert_true(lease_grant(sent, MS(20), MS(130), dead) <= sent + dead - lease_margin(dead));
	assert_true(lease_grant(sent, MS(20), MS(130), dead) > sent + dead - lease_margin(dead) - US(100));
}

static void a_grant_never_outlives_the_promise_by_a_slower_clock(void **state)
{
	nanos sent = SECONDS(100), dead = MS(150), ago = SECONDS(3600), hold = MS(150);

	(void)state;
	/* The granting clock ran 900 ppm fast: what it calls `ago` was shorter in truth. */
	assert_true(lease_grant(sent, ago, hold, dead) <= sent + ago - ago * 9 / 10000 + hold);
}

static void a_hold_that_never_ends_grants_forever(void **state)
{
	(void)state;
	assert_true(lease_grant(SECONDS(1), 0, NANOS_NEVER, MS(150)) == NANOS_NEVER);
}

static void a_waiter_waits_the_longer_of_both_and_the_linger(void **state)
{
	(void)state;
	assert_int_equal(lease_wait(MS(150), MS(30), 0), MS(150));
	assert_int_equal(lease_wait(MS(30), MS(150), 0), MS(150));
	assert_int_equal(lease_wait(MS(150), MS(150), SECONDS(3)), MS(3150));
}

static void sendings_are_remembered_for_the_longest_wait(void **state)
{
	static struct lease_sent sent;
	/* Four links, a heartbeat and a reply each, for LEASE_DEAD_MAX intervals. */
	const unsigned needed = 4 * 2 * LEASE_DEAD_MAX;

	(void)state;
	memset(&sent, 0, sizeof(sent));
	for (uint64_t n = 1; n <= 5000; n++)
		lease_sent_note(&sent, n, n % 4, (nanos)n);
	for (uint64_t n = 5000 - needed; n <= 5000; n++)
		assert_int_equal(lease_sent_find(&sent, n)->at, n);
	assert_null(lease_sent_find(&sent, 1));
	assert_null(lease_sent_find(&sent, 5001));
	assert_null(lease_sent_find(&sent, 0));
}

static void the_newest_echo_is_remembered_however_old(void **state)
{
	static struct lease_sent sent;

	(void)state;
	memset(&sent, 0, sizeof(sent));
	lease_sent_note(&sent, 1, 0, 77);
	sent.echoed = *lease_sent_find(&sent, 1);
	for (uint64_t n = 2; n <= 5000; n++)
		lease_sent_note(&sent, n, 0, (nanos)n);
	assert_int_equal(lease_sent_find(&sent, 1)->at, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_default_terms_are_those_of_the_design),
		cmocka_unit_test(ten_milliseconds_with_dead_after_three_is_the_floor),
		cmocka_unit_test(silence_leaves_room_for_one_lost_heartbeat),
		cmocka_unit_test(a_grant_counts_from_the_sending),
		cmocka_unit_test(a_grant_never_outlives_the_promise_by_a_slower_clock),
		cmocka_unit_test(a_hold_that_never_ends_grants_forever),
		cmocka_unit_test(a_waiter_waits_the_longer_of_both_and_the_linger),
		cmocka_unit_test(sendings_are_remembered_for_the_longest_wait),
		cmocka_unit_test(the_newest_echo_is_remembered_however_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
