/* rooms: proxy/health.c */
/*
 * What is known of a server, step by step. Every story is a list of events with the state that follows and
 * what is to be told.
 */
#include "proxy/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* msg.c is not linked: the room needs only the numbers. */

#define GOOD    HEALTH_EVENT_CHECK_GOOD
#define BAD     HEALTH_EVENT_CHECK_BAD
#define REFUSED HEALTH_EVENT_REFUSED
#define FAILED  HEALTH_EVENT_CONNECT_FAILED
#define READY   HEALTH_EVENT_READY
#define DRAIN   HEALTH_EVENT_DRAIN
#define MAINT   HEALTH_EVENT_MAINT

#define QUIET     HEALTH_NOTIFY_NONE
#define TELL_DOWN HEALTH_NOTIFY_DOWN
#define TELL_UP   HEALTH_NOTIFY_UP

struct step {
	enum health_event event;
	enum server_state state;
	enum health_notify notify;
	bool check_now;
};

static void play_from(struct health *h, const struct health_policy *policy, const struct step *steps,
		      size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum server_state before = health_state(h);
		nanos since = h->since;
		struct health_outcome o;

		health_step(h, policy, steps[i].event, SECONDS(100 + (nanos)i), &o);
		if (health_state(h) != steps[i].state)
			fail_msg("step %zu: state %d, want %d", i, health_state(h), steps[i].state);
		if (o.notify != steps[i].notify)
			fail_msg("step %zu: notify %d, want %d", i, o.notify, steps[i].notify);
		if (o.check_now != steps[i].check_now)
			fail_msg("step %zu: check_now %d", i, o.check_now);
		assert_int_equal(o.from, before);
		assert_int_equal(o.to, steps[i].state);
		assert_int_equal(o.changed, before != steps[i].state);
		assert_true(h->since == (o.changed ? SECONDS(100 + (nanos)i) : since));
		if (o.changed)
			assert_int_not_equal(o.reason, HEALTH_NO_REASON);
	}
}

static void play(const struct health_policy *policy, const struct step *steps, size_t n)
{
	struct health h;

	health_init(&h, SERVER_UNKNOWN, SECONDS(1));
	play_from(&h, policy, steps, n);
}

#define PLAY(fall, rise, ...)                                                                                \
	do {                                                                                                 \
		const struct step steps[] = {__VA_ARGS__};                                                   \
		play(&(struct health_policy){true, fall, rise}, steps, sizeof steps / sizeof *steps);        \
	} while (0)

static void one_result_decides_from_unknown(void **state)
{
	PLAY(3, 3, {GOOD, SERVER_UP, QUIET, false});
	PLAY(3, 3, {BAD, SERVER_DOWN, TELL_DOWN, false});
}

static void fall_and_rise_count_results_in_a_row(void **state)
{
	PLAY(3, 2, {GOOD, SERVER_UP, QUIET, false}, {BAD, SERVER_UP, QUIET, false},
	     {BAD, SERVER_UP, QUIET, false}, {GOOD, SERVER_UP, QUIET, false}, {BAD, SERVER_UP, QUIET, false},
	     {BAD, SERVER_UP, QUIET, false}, {BAD, SERVER_DOWN, TELL_DOWN, false},
	     {BAD, SERVER_DOWN, QUIET, false}, {GOOD, SERVER_DOWN, QUIET, false},
	     {BAD, SERVER_DOWN, QUIET, false}, {GOOD, SERVER_DOWN, QUIET, false},
	     {GOOD, SERVER_UP, TELL_UP, false});
}

static void a_refused_connect_takes_a_server_out_at_once_and_once(void **state)
{
	PLAY(3, 2, {GOOD, SERVER_UP, QUIET, false}, {REFUSED, SERVER_DOWN, TELL_DOWN, true},
	     {REFUSED, SERVER_DOWN, QUIET, false}, {REFUSED, SERVER_DOWN, QUIET, false},
	     {BAD, SERVER_DOWN, QUIET, false}, {GOOD, SERVER_DOWN, QUIET, false},
	     {REFUSED, SERVER_DOWN, QUIET, true}, {GOOD, SERVER_DOWN, QUIET, false},
	     {GOOD, SERVER_UP, TELL_UP, false});
	PLAY(1, 1, {REFUSED, SERVER_DOWN, TELL_DOWN, true});
}

static void a_suspicion_needs_one_bad_check(void **state)
{
	PLAY(3, 2, {GOOD, SERVER_UP, QUIET, false}, {FAILED, SERVER_UP, QUIET, true},
	     {FAILED, SERVER_UP, QUIET, false}, {BAD, SERVER_DOWN, TELL_DOWN, false},
	     {FAILED, SERVER_DOWN, QUIET, false});
	PLAY(3, 2, {GOOD, SERVER_UP, QUIET, false}, {FAILED, SERVER_UP, QUIET, true},
	     {GOOD, SERVER_UP, QUIET, false}, {BAD, SERVER_UP, QUIET, false});
}

static void own_evidence_outranks_what_was_inherited(void **state)
{
	const struct health_policy policy = {true, 3, 3};
	const struct step bad = {BAD, SERVER_DOWN, TELL_DOWN, false},
			  good = {GOOD, SERVER_UP, TELL_UP, false};
	const struct step refused = {REFUSED, SERVER_DOWN, QUIET, true};
	struct health h;

	health_init(&h, SERVER_UP, 1);
	assert_int_equal(health_state(&h), SERVER_UP);
	play_from(&h, &policy, &bad, 1);
	health_init(&h, SERVER_DOWN, 1);
	play_from(&h, &policy, &good, 1);
	health_init(&h, SERVER_DOWN, 1);
	play_from(&h, &policy, &refused, 1);
	health_init(&h, SERVER_DRAIN, 1);
	assert_int_equal(health_state(&h), SERVER_UNKNOWN);
}

static void the_operator_hides_the_verdict_and_is_not_notified(void **state)
{
	PLAY(1, 1, {GOOD, SERVER_UP, QUIET, false}, {DRAIN, SERVER_DRAIN, QUIET, false},
	     {DRAIN, SERVER_DRAIN, QUIET, false}, {BAD, SERVER_DRAIN, QUIET, false},
	     {READY, SERVER_DOWN, TELL_DOWN, false}, {DRAIN, SERVER_DRAIN, QUIET, false},
	     {GOOD, SERVER_DRAIN, QUIET, false}, {READY, SERVER_UP, TELL_UP, false},
	     {READY, SERVER_UP, QUIET, false});
}

static void after_maintenance_nothing_is_known_and_a_check_follows(void **state)
{
	PLAY(3, 3, {GOOD, SERVER_UP, QUIET, false}, {MAINT, SERVER_MAINT, QUIET, false},
	     {BAD, SERVER_MAINT, QUIET, false}, {REFUSED, SERVER_MAINT, QUIET, false},
	     {FAILED, SERVER_MAINT, QUIET, false}, {READY, SERVER_UNKNOWN, QUIET, true},
	     {GOOD, SERVER_UP, QUIET, false}, {MAINT, SERVER_MAINT, QUIET, false},
	     {DRAIN, SERVER_DRAIN, QUIET, true}, {GOOD, SERVER_DRAIN, QUIET, false},
	     {READY, SERVER_UP, QUIET, false});
}

static void a_down_told_before_maintenance_is_taken_back_after_it(void **state)
{
	PLAY(1, 1, {BAD, SERVER_DOWN, TELL_DOWN, false}, {MAINT, SERVER_MAINT, QUIET, false},
	     {READY, SERVER_UNKNOWN, QUIET, true}, {GOOD, SERVER_UP, TELL_UP, false});
	PLAY(1, 1, {BAD, SERVER_DOWN, TELL_DOWN, false}, {MAINT, SERVER_MAINT, QUIET, false},
	     {READY, SERVER_UNKNOWN, QUIET, true}, {BAD, SERVER_DOWN, QUIET, false});
}

static void without_checks_only_the_operator_counts(void **state)
{
	const struct health_policy policy = {false, 1, 1};
	const struct step steps[] = {{REFUSED, SERVER_UNKNOWN, QUIET, false},
				     {FAILED, SERVER_UNKNOWN, QUIET, false},
				     {BAD, SERVER_UNKNOWN, QUIET, false},
				     {MAINT, SERVER_MAINT, QUIET, false},
				     {READY, SERVER_UNKNOWN, QUIET, false}};

	play(&policy, steps, sizeof steps / sizeof *steps);
}

static void an_unsettled_server_is_checked_sooner(void **state)
{
	const struct health_policy policy = {true, 2, 2};
	static const struct {
		enum health_event event;
		bool unsettled;
	} steps[] = {{GOOD, false}, {BAD, true},  {GOOD, false}, {FAILED, true}, {BAD, false},
		     {BAD, false},  {GOOD, true}, {GOOD, false}, {BAD, true},    {BAD, false}};
	struct health h;

	health_init(&h, SERVER_UNKNOWN, 1);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		struct health_outcome o;

		health_step(&h, &policy, steps[i].event, 2, &o);
		if (o.unsettled != steps[i].unsettled)
			fail_msg("step %zu", i);
	}
}

static void use_follows_state_and_policy(void **state)
{
	const struct health_policy checked = {true, 1, 1}, unchecked = {false, 1, 1};
	struct health_outcome o;
	struct health h;

	health_init(&h, SERVER_UNKNOWN, 1);
	assert_int_equal(health_use(&h, &checked), HEALTH_USE_LAST_RESORT);
	assert_int_equal(health_use(&h, &unchecked), HEALTH_USE_YES);
	health_step(&h, &checked, GOOD, 1, &o);
	assert_int_equal(health_use(&h, &checked), HEALTH_USE_YES);
	health_step(&h, &checked, BAD, 1, &o);
	assert_int_equal(health_use(&h, &checked), HEALTH_USE_NO);
	health_step(&h, &checked, GOOD, 1, &o);
	health_step(&h, &checked, DRAIN, 1, &o);
	assert_int_equal(health_use(&h, &checked), HEALTH_USE_NO);
	assert_int_equal(health_use(&h, &unchecked), HEALTH_USE_NO);
}

static void what_others_found_counts_until_there_is_an_own_result(void **state)
{
	PLAY(3, 3, {HEALTH_EVENT_INHERITED_UP, SERVER_UP, QUIET, false},
	     {HEALTH_EVENT_INHERITED_DOWN, SERVER_DOWN, QUIET, false}, {GOOD, SERVER_UP, TELL_UP, false},
	     {HEALTH_EVENT_INHERITED_DOWN, SERVER_UP, QUIET, false});
	PLAY(3, 3, {HEALTH_EVENT_INHERITED_UP, SERVER_UP, QUIET, false}, {BAD, SERVER_DOWN, TELL_DOWN, false},
	     {HEALTH_EVENT_INHERITED_UP, SERVER_DOWN, QUIET, false});
}

static void what_others_found_down_is_better_than_what_was_found_down_here(void **state)
{
	const struct health_policy checked = {true, 1, 1};
	struct health_outcome o;
	struct health h;

	health_init(&h, SERVER_UNKNOWN, 1);
	health_step(&h, &checked, HEALTH_EVENT_INHERITED_DOWN, 1, &o);
	assert_int_equal(health_use(&h, &checked), HEALTH_USE_SAID_DOWN);
	assert_true(HEALTH_USE_SAID_DOWN > HEALTH_USE_NO && HEALTH_USE_SAID_DOWN < HEALTH_USE_LAST_RESORT);
	health_step(&h, &checked, BAD, 1, &o);
	assert_int_equal(health_use(&h, &checked), HEALTH_USE_NO);
}

/*
 * Whatever comes in whatever order: down and up are told in turn, and a change of state is always a change.
 */
static void notifications_alternate_whatever_happens(void **state)
{
	uint32_t random = 7;

	for (int run = 0; run < 2000; run++) {
		const struct health_policy policy = {true, 1 + random % 3, 1 + random / 3 % 3};
		enum health_notify last = HEALTH_NOTIFY_NONE;
		struct health h;

		health_init(&h, SERVER_UNKNOWN, 0);
		for (int i = 0; i < 100; i++) {
			struct health_outcome o;

			random = random * 1664525 + 1013904223;
			health_step(&h, &policy, (random >> 16) % HEALTH_EVENT_COUNT, i, &o);
			assert_int_equal(o.changed, o.from != o.to);
			/* Another one has told it. */
			if (!h.seen)
				last = h.told_down ? HEALTH_NOTIFY_DOWN : HEALTH_NOTIFY_NONE;
			if (o.notify == HEALTH_NOTIFY_NONE)
				continue;
			assert_int_not_equal(o.notify, last);
			assert_true(last != HEALTH_NOTIFY_NONE || o.notify == HEALTH_NOTIFY_DOWN);
			last = o.notify;
		}
	}
}

static void every_reason_has_a_text(void **state)
{
	for (int i = 1; i < HEALTH_REASON_COUNT; i++)
		assert_true(health_reason_text((enum health_reason)i)[0] != 0);
	assert_string_equal(health_reason_text(HEALTH_REASON_COUNT), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_result_decides_from_unknown),
		cmocka_unit_test(fall_and_rise_count_results_in_a_row),
		cmocka_unit_test(a_refused_connect_takes_a_server_out_at_once_and_once),
		cmocka_unit_test(a_suspicion_needs_one_bad_check),
		cmocka_unit_test(own_evidence_outranks_what_was_inherited),
		cmocka_unit_test(the_operator_hides_the_verdict_and_is_not_notified),
		cmocka_unit_test(after_maintenance_nothing_is_known_and_a_check_follows),
		cmocka_unit_test(a_down_told_before_maintenance_is_taken_back_after_it),
		cmocka_unit_test(without_checks_only_the_operator_counts),
		cmocka_unit_test(an_unsettled_server_is_checked_sooner),
		cmocka_unit_test(use_follows_state_and_policy),
		cmocka_unit_test(what_others_found_counts_until_there_is_an_own_result),
		cmocka_unit_test(what_others_found_down_is_better_than_what_was_found_down_here),
		cmocka_unit_test(notifications_alternate_whatever_happens),
		cmocka_unit_test(every_reason_has_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
