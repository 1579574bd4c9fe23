/* rooms: heartbeat/detect.c heartbeat/lease.c heartbeat/replay.c */
/*
 * test_detect.c: whom to believe, and what counts as silence.
 */
#include "heartbeat/detect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#define ME     77
#define DEAD   MS(150)
#define BUDGET SECONDS(3)

static struct detect d;
static struct lease_sent sent;
static nanos now;

static int fresh(void **state)
{
	(void)state;
	now = SECONDS(1000);
	detect_init(&d, 2, now);
	memset(&sent, 0, sizeof(sent));
	lease_sent_note(&sent, 1, 0, now);
	return 0;
}

static enum detect_verdict hear(uint64_t boot, uint64_t sequence, uint64_t echo_boot, uint64_t echo,
				unsigned link)
{
	struct wire_message m = {.boot = boot,
				 .sequence = sequence,
				 .echo_boot = echo_boot,
				 .echo_sequence = echo,
				 .sent_on_link = 1};

	return detect_message(&d, &m, link, ME, &sent, DEAD, BUDGET, now);
}

static void a_boot_that_echoes_what_was_just_sent_is_believed(void **state)
{
	(void)state;
	now += MS(1);
	assert_int_equal(hear(5, 1, ME, 1, 0), DETECT_NEW_BOOT);
	assert_int_equal(d.boot, 5);
	assert_int_equal(hear(5, 2, ME, 1, 0), DETECT_NEWEST);
}

static void an_old_echo_proves_nothing(void **state)
{
	(void)state;
	now += DEAD + 1;
	assert_int_equal(hear(5, 1, ME, 1, 0), DETECT_STRANGER);
	assert_int_equal(d.boot, 0);
}

static void an_echo_of_another_life_of_mine_proves_nothing(void **state)
{
	(void)state;
	assert_int_equal(hear(5, 1, ME + 1, 1, 0), DETECT_STRANGER);
	assert_int_equal(hear(5, 2, 0, 0, 0), DETECT_STRANGER);
}

static void every_sequence_is_heard_once_on_its_link(void **state)
{
	(void)state;
	hear(5, 1, ME, 1, 0);
	assert_int_equal(hear(5, 1, ME, 1, 0), DETECT_REPLAY);
	assert_int_equal(hear(5, 4, ME, 1, 1), DETECT_NEWEST);
	assert_int_equal(hear(5, 3, ME, 1, 0), DETECT_OLD);
	assert_int_equal(hear(5, 3, ME, 1, 0), DETECT_REPLAY);
}

static void a_retired_boot_is_never_believed_again(void **state)
{
	(void)state;
	hear(5, 1, ME, 1, 0);
	assert_int_equal(hear(6, 1, ME, 1, 0), DETECT_NEW_BOOT);
	assert_int_equal(hear(5, 2, ME, 1, 0), DETECT_BOOT);
	now += 10 * DEAD;
	assert_int_equal(hear(5, 3, ME, 1, 0), DETECT_BOOT);
	assert_int_equal(hear(5, 3, 0, 0, 0), DETECT_BOOT);
}

static void a_stranger_beside_a_live_peer_is_refused(void **state)
{
	(void)state;
	hear(5, 1, ME, 1, 0);
	now += DEAD;
	assert_int_equal(hear(6, 1, 0, 0, 0), DETECT_BOOT);
	now += 1;
	assert_int_equal(hear(6, 2, 0, 0, 0), DETECT_STRANGER);
}

static void after_a_silence_the_known_boot_must_prove_itself_again(void **state)
{
	(void)state;
	hear(5, 1, ME, 1, 0);
	now += DEAD;
	assert_int_equal(hear(5, 2, ME, 1, 0), DETECT_NEWEST);
	now += DEAD + 1;
	assert_int_equal(hear(5, 3, ME, 1, 0),
			 DETECT_STRANGER); /* it may have waited on the way, for as long as the silence */
	assert_int_equal(hear(5, 3, ME, 1, 0), DETECT_REPLAY);
	assert_int_equal(hear(5, 2, ME, 1, 1),
			 DETECT_REPLAY); /* and a recording does not even break the silence */
	assert_int_equal(detect_quiet(&d, now), 0);
	now += MS(1);
	lease_sent_note(&sent, 2, 0, now);
	assert_int_equal(hear(5, 4, ME, 2, 0), DETECT_NEWEST);
	assert_int_equal(hear(5, 5, 0, 0, 0), DETECT_NEWEST);
}

static void a_known_boot_breaks_the_silence_for_as_long_as_it_is_heard(void **state)
{
	(void)state;
	hear(5, 1, ME, 1, 0);
	now += DEAD + 1;
	for (uint64_t sequence = 2; sequence < 2000; sequence++, now += MS(50))
		assert_int_equal(hear(5, sequence, 0, 0, 0), DETECT_STRANGER);
}

static void what_the_known_boot_said_as_a_stranger_is_not_heard_twice(void **state)
{
	(void)state;
	hear(5, 1, ME, 1, 0);
	now += DEAD + 1;
	assert_int_equal(hear(5, 2, 0, 0, 0), DETECT_STRANGER);
	lease_sent_note(&sent, 2, 0, now);
	assert_int_equal(hear(5, 3, ME, 2, 0), DETECT_NEWEST);
	assert_int_equal(hear(5, 2, 0, 0, 0), DETECT_REPLAY);
}

static void a_stranger_breaks_the_silence_for_a_bounded_time(void **state)
{
	nanos first = now;
	uint64_t sequence = 1;

	(void)state;
	while (hear(6, sequence++, 0, 0, 0) == DETECT_STRANGER) {
		assert_int_equal(detect_quiet(&d, now), 0);
		now += MS(50);
	}
	assert_true(now - first > BUDGET && now - first < BUDGET + MS(100));
	now += MS(50);
	assert_true(detect_quiet(&d, now) >= MS(50));
	/* Nor does another one get more. */
	assert_int_equal(hear(7, 1, 0, 0, 0), DETECT_BOOT);
	/* It can still prove itself, and that fills the budget again. */
	lease_sent_note(&sent, 2, 0, now);
	assert_int_equal(hear(6, 1000, ME, 2, 0), DETECT_NEW_BOOT);
	now += DEAD + 1;
	assert_int_equal(hear(8, 1, 0, 0, 0), DETECT_STRANGER);
}

static void a_strangers_words_are_not_heard_twice(void **state)
{
	(void)state;
	assert_int_equal(hear(5, 3, 0, 0, 0), DETECT_STRANGER);
	assert_int_equal(hear(5, 3, 0, 0, 0), DETECT_REPLAY);
	assert_int_equal(hear(5, 4, ME, 1, 0), DETECT_NEW_BOOT);
	assert_int_equal(hear(5, 3, 0, 0, 0), DETECT_REPLAY);
	assert_int_equal(hear(5, 2, 0, 0, 1), DETECT_REPLAY);
}

static void the_newest_stranger_is_echoed_so_that_it_can_prove_itself(void **state)
{
	uint64_t boot, sequence;
	nanos at;

	(void)state;
	assert_false(detect_echo(&d, &boot, &sequence, &at));
	hear(6, 9, 0, 0, 0);
	assert_true(detect_echo(&d, &boot, &sequence, &at));
	assert_int_equal(boot, 6);
	assert_int_equal(sequence, 9);
	now += MS(1);
	hear(7, 3, ME, 1, 0);
	assert_true(detect_echo(&d, &boot, &sequence, &at));
	assert_int_equal(boot, 7);
}

static void time_that_nobody_watched_is_no_silence(void **state)
{
	(void)state;
	now += MS(40);
	detect_unwatched(&d, MS(30), now);
	assert_int_equal(detect_quiet(&d, now), MS(10));
	detect_unwatched(&d, SECONDS(5), now);
	assert_int_equal(detect_quiet(&d, now), 0);
}

static void loss_is_counted_by_what_the_peer_sent(void **state)
{
	(void)state;
	hear(5, 1, ME, 1, 0);
	for (uint32_t n = 2; n < 400; n++) {
		struct wire_message m = {.boot = 5, .sequence = n, .sent_on_link = n};

		if (n % 4 != 0)
			detect_message(&d, &m, 0, ME, &sent, DEAD, BUDGET, now);
	}
	assert_true(d.links[0].loss > 0.2 && d.links[0].loss < 0.3);
}

static void round_trips_are_smoothed(void **state)
{
	(void)state;
	detect_round_trip(&d, 0, US(800));
	assert_int_equal(d.links[0].rtt, US(800));
	assert_int_equal(d.links[0].jitter, US(400));
	detect_round_trip(&d, 0, US(1600));
	assert_int_equal(d.links[0].rtt, US(900));
	detect_round_trip(&d, 1, -5);
	assert_int_equal(d.links[1].rtt, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_boot_that_echoes_what_was_just_sent_is_believed, fresh),
		cmocka_unit_test_setup(an_old_echo_proves_nothing, fresh),
		cmocka_unit_test_setup(an_echo_of_another_life_of_mine_proves_nothing, fresh),
		cmocka_unit_test_setup(every_sequence_is_heard_once_on_its_link, fresh),
		cmocka_unit_test_setup(a_retired_boot_is_never_believed_again, fresh),
		cmocka_unit_test_setup(a_stranger_beside_a_live_peer_is_refused, fresh),
		cmocka_unit_test_setup(after_a_silence_the_known_boot_must_prove_itself_again, fresh),
		cmocka_unit_test_setup(a_known_boot_breaks_the_silence_for_as_long_as_it_is_heard, fresh),
		cmocka_unit_test_setup(what_the_known_boot_said_as_a_stranger_is_not_heard_twice, fresh),
		cmocka_unit_test_setup(a_stranger_breaks_the_silence_for_a_bounded_time, fresh),
		cmocka_unit_test_setup(a_strangers_words_are_not_heard_twice, fresh),
		cmocka_unit_test_setup(the_newest_stranger_is_echoed_so_that_it_can_prove_itself, fresh),
		cmocka_unit_test_setup(time_that_nobody_watched_is_no_silence, fresh),
		cmocka_unit_test_setup(loss_is_counted_by_what_the_peer_sent, fresh),
		cmocka_unit_test_setup(round_trips_are_smoothed, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
