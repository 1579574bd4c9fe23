/* rooms: heartbeat/core.c heartbeat/hear.c heartbeat/obey.c heartbeat/orders.c heartbeat/act.c heartbeat/damping.c heartbeat/life.c heartbeat/detect.c heartbeat/election.c heartbeat/lease.c heartbeat/replay.c heartbeat/witness.c */
/*
 * test_witness.c: the stories of a pair with a third machine: a gateway that both probe, an etcd with one key for the two.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "heartbeat/act.h"
#include "tests/unit/heart_story.h"

#define TTL   SECONDS(2)
#define RETRY MS(50)

/* What stands between the nodes and their witness. */
static struct third {
	bool etcd;
	bool reached[2];
	int owner; /* of the key; -1 nobody */
	nanos expires;
	nanos asked[2]; /* the last probe or request */
	nanos known[2]; /* question that node i's admin was told last */
	bool asks_for_key[2];
	unsigned moves;
} third;

static void answer(unsigned i, enum witness_answer word, nanos until)
{
	heart_witness(&s.nodes[i].heart, s.nodes[i].heart.witness.question, word, third.asked[i], until);
}

/* As ask.c does it. */
static void ask_gateway(unsigned i)
{
	struct heart *h = &s.nodes[i].heart;

	if (h->beat_at <= third.asked[i] ||
	    !witness_probe_due(h->beat_at - third.asked[i], detect_quiet(&h->detect, s.now), INTERVAL))
		return;
	third.asked[i] = h->beat_at;
	if (third.reached[i])
		answer(i, WITNESS_YES, third.asked[i] + DEAD - h->terms.margin);
}

/* As admin does it: takes the key when it is free, keeps it while it is wanted, gives it back else. */
static void ask_etcd(unsigned i)
{
	const struct witness *w = &s.nodes[i].heart.witness;

	if (s.now < third.asked[i] + RETRY || !third.reached[i] || w->question == 0)
		return;
	third.asked[i] = s.now;
	if (third.owner >= 0 && s.now >= third.expires)
		third.owner = -1;
	if (!w->wanted) {
		if (third.owner == (int)i)
			third.owner = -1;
		return;
	}
	if (third.owner < 0) {
		third.owner = (int)i;
		third.moves++;
	}
	if (third.owner == (int)i)
		third.expires = s.now + TTL;
	answer(i, third.owner == (int)i ? WITNESS_YES : WITNESS_NO, third.expires - MS(10));
}

static void run(nanos duration)
{
	for (nanos end = s.now + duration; s.now < end;) {
		for (unsigned i = 0; i < 2; i++) {
			if (!s.nodes[i].runs)
				continue;
			if (third.etcd)
				ask_etcd(i);
			else
				ask_gateway(i);
		}
		stage_step(&s);
	}
}

static struct heart_settings settings_of(unsigned i)
{
	struct heart_settings settings = stage_settings(i);

	settings.witness = third.etcd ? WITNESS_ETCD : WITNESS_GATEWAY;
	settings.witness_wait = third.etcd ? TTL + SECONDS(2) : 0;
	return settings;
}

static void boot(unsigned i)
{
	struct heart_settings settings = settings_of(i);

	stage_boot_with(&s, i, &settings);
}

/* `phase`: between the heartbeats of the two. */
static int with(bool etcd, nanos phase)
{
	third = (struct third){.etcd = etcd, .reached = {true, true}, .owner = -1};
	memset(&s, 0, sizeof(s));
	s.cut_link = -1;
	s.now = SECONDS(500);
	boot(0);
	run(phase);
	boot(1);
	run(SECONDS(3));
	return stage_holds(&s, 0) && !stage_holds(&s, 1) ? 0 : -1;
}

static int with_gateway(void **state)
{
	return with(false, 0);
}

static int with_etcd(void **state)
{
	return with(true, 0);
}

static void cut(bool is_cut)
{
	s.cut[0] = s.cut[1] = is_cut;
}

/* The gateway */

static void the_one_without_the_gateway_lets_go_and_the_other_claims(void **state)
{
	nanos cut_at = s.now;

	cut(true);
	third.reached[0] = false;
	run(DEAD + MS(60));
	assert_true(stage_holds(&s, 1));
	assert_true(s.nodes[1].claimed_at - cut_at <= DEAD + INTERVAL);
	run(SECONDS(1));
	assert_false(stage_holds(&s, 0));
	assert_true(stage_holds(&s, 1));
	assert_string_equal(s.nodes[0].last_why, "the peer is silent and the witness does not say yes");
	cut(false);
	third.reached[0] = true;
	run(SECONDS(1));
	assert_true(stage_holds(&s, 1) && !stage_holds(&s, 0));
}

static void a_passive_without_the_gateway_claims_nothing(void **state)
{
	cut(true);
	third.reached[1] = false;
	run(SECONDS(3));
	assert_true(stage_holds(&s, 0));
	assert_int_equal(s.nodes[1].claims, 0);
	assert_false(s.overlapped);
	/* It sees the gateway again, and cannot know that the other does too. */
	third.reached[1] = true;
	run(SECONDS(1));
	assert_true(stage_holds(&s, 0) && stage_holds(&s, 1));
}

static void a_gateway_that_both_see_decides_nothing(void **state)
{
	cut(true);
	run(SECONDS(1));
	assert_true(stage_holds(&s, 0) && stage_holds(&s, 1));
	cut(false);
	run(SECONDS(1));
	assert_true(stage_holds(&s, 0) != stage_holds(&s, 1));
}

static void a_gateway_that_answers_is_shown_without_a_break(void **state)
{
	for (int i = 0; i < 10000; i++) {
		run(STEP);
		assert_int_equal(heart_witness_now(&s.nodes[0].heart, s.now), WITNESS_YES);
		assert_int_equal(heart_witness_now(&s.nodes[1].heart, s.now), WITNESS_YES);
	}
	third.reached[0] = false;
	run(MS(500));
	assert_int_equal(heart_witness_now(&s.nodes[0].heart, s.now), WITNESS_UNKNOWN);
}

static void a_lost_gateway_alone_moves_nothing(void **state)
{
	third.reached[0] = third.reached[1] = false;
	run(SECONDS(5));
	assert_true(stage_holds(&s, 0));
	assert_int_equal(s.nodes[0].heart.lapses, 0);
	assert_int_equal(s.nodes[0].claims, 1);
}

static void a_dead_active_is_replaced_as_fast_as_without_a_witness(void **state)
{
	nanos died = s.now;

	kill_node(0);
	run(SECONDS(1));
	assert_int_equal(s.nodes[1].claims, 1);
	assert_true(s.nodes[1].claimed_at - died <= DEAD + MS(1));
}

static void the_death_of_the_passive_does_not_close_the_fence(void **state)
{
	kill_node(1);
	for (int i = 0; i < 50000; i++) {
		run(STEP);
		assert_true(stage_holds(&s, 0));
	}
	assert_int_equal(s.nodes[0].claims, 1);
	/* It goes with the gateway, and comes back with it. */
	third.reached[0] = false;
	run(SECONDS(1));
	assert_false(stage_holds(&s, 0));
	third.reached[0] = true;
	run(MS(500));
	assert_true(stage_holds(&s, 0));
}

static void planned_moves_ask_no_gateway(void **state)
{
	nanos ordered = s.now;

	third.reached[0] = third.reached[1] = false;
	run(SECONDS(1));
	ordered = s.now;
	assert_int_equal(switch_over(0), 0);
	run(MS(200));
	assert_true(stage_holds(&s, 1) && !stage_holds(&s, 0));
	assert_true(s.nodes[1].claimed_at - ordered <= MS(1));
}

static void a_goodbye_is_followed_at_once_and_then_the_gateway_counts(void **state)
{
	nanos now = s.now;

	third.reached[1] = false;
	run(SECONDS(1));
	now = s.now;
	out.n = 0;
	heart_stop(&s.nodes[0].heart, s.now, &out);
	stage_perform(&s, 0, &out);
	run(DEAD / 2);
	assert_true(stage_holds(&s, 1));
	assert_true(s.nodes[1].claimed_at - now <= MS(1));
	run(SECONDS(1));
	assert_false(stage_holds(&s, 1)); /* the peer may be back, and cut off */
}

/* Answers that come too late or to another question */

static void an_answer_to_an_older_question_is_not_looked_at(void **state)
{
	struct witness w = {0};
	nanos old;

	witness_want(&w, true, SECONDS(1));
	old = w.question;
	witness_hear(&w, old, WITNESS_YES, SECONDS(1), SECONDS(9));
	assert_int_equal(w.until, SECONDS(9));
	witness_want(&w, false, SECONDS(2));
	assert_int_equal(w.until, 0);
	witness_want(&w, true, SECONDS(2)); /* in the same nanosecond */
	assert_true(w.question > old);
	witness_hear(&w, old, WITNESS_YES, SECONDS(1), SECONDS(9));
	assert_int_equal(w.until, 0);
	assert_int_equal(w.answer, WITNESS_UNKNOWN);
	witness_hear(&w, w.question, WITNESS_NO, SECONDS(2), SECONDS(9));
	assert_int_equal(w.until, 0);
}

static void probes_are_calm_while_the_peer_is_heard_and_go_with_each_heartbeat_else(void **state)
{
	for (nanos interval = MS(10); interval <= MS(1000); interval += MS(10)) {
		nanos calm = later(interval, MS(100));

		assert_true(witness_probe_due(calm, interval - 1, interval));
		assert_false(witness_probe_due(calm - 1, interval - 1, interval));
		assert_true(witness_probe_due(interval / 4, interval, interval)); /* a burst */
		assert_false(witness_probe_due(interval / 10, interval, interval));
	}
}

/* Whenever in an interval the cut comes: what one node believes has ended before the other claims. */
static void a_node_that_loses_both_at_once_never_overlaps(void **state)
{
	for (nanos at = 0; at < 2 * INTERVAL; at += MS(2)) {
		assert_int_equal(with(false, at * 7 % INTERVAL), 0);
		run(at);
		cut(true);
		third.reached[0] = false;
		run(DEAD + MS(60));
		assert_true(stage_holds(&s, 1) && !stage_holds(&s, 0));
		assert_false(s.overlapped);
	}
}

static void a_yes_from_before_the_silence_claims_nothing(void **state)
{
	/* The last calm probe was answered just before everything was cut. */
	third.reached[1] = false;
	third.asked[1] = s.now;
	answer(1, WITNESS_YES, s.now + SECONDS(60));
	run(INTERVAL); /* the peer is heard once more */
	cut(true);
	run(SECONDS(2));
	assert_int_equal(s.nodes[1].claims, 0);
}

static void nobody_spins_while_the_witness_is_silent(void **state)
{
	cut(true);
	third.reached[0] = third.reached[1] = false;
	run(MS(70));
	for (int i = 0; i < 20000; i++) {
		run(STEP);
		for (unsigned n = 0; n < 2; n++)
			assert_true(heart_due(&s.nodes[n].heart) > s.now + US(1));
	}
}

static void no_fence_outlives_the_yes_that_it_stands_on(void **state)
{
	cut(true);
	run(MS(300));
	third.reached[0] = false;
	for (nanos until = s.nodes[0].heart.witness.until; s.now < until + MS(50);) {
		run(STEP);
		assert_true(s.nodes[0].fence_until <= until);
	}
	assert_false(stage_holds(&s, 0));
}

/* An active whose yes is missing asks the peer for its lease with more datagrams, as without a witness. */
static void a_holder_short_of_its_lease_asks_more_often(void **state)
{
	uint64_t before;

	third.reached[0] = false;
	run(MS(200));
	cut(true);
	while (s.nodes[0].fence_until - s.now >= INTERVAL)
		run(STEP);
	before = s.nodes[0].heart.sequence;
	while (stage_holds(&s, 0)) {
		assert_false(s.nodes[0].heart.on_silence);
		run(STEP);
	}
	assert_true(s.nodes[0].heart.sequence - before > 3 * 2); /* two links */
}

/* etcd */

static void both_cut_and_the_key_keeps_the_vip_where_it_is(void **state)
{
	for (int round = 0; round < 10; round++) {
		cut(true);
		run(SECONDS(3));
		assert_true(stage_holds(&s, 0) && !stage_holds(&s, 1));
		cut(false);
		run(SECONDS(1));
	}
	assert_int_equal(s.nodes[0].heart.lapses, 0);
	assert_int_equal(third.moves, 1);
	assert_false(s.overlapped);
}

static void an_active_that_lost_etcd_too_is_replaced_when_its_lease_has_ended(void **state)
{
	nanos cut_at = s.now;

	cut(true);
	third.reached[0] = false;
	run(TTL + MS(200));
	assert_false(stage_holds(&s, 0));
	assert_true(stage_holds(&s, 1));
	assert_false(s.overlapped);
	assert_true(s.nodes[1].claimed_at - cut_at <= TTL + 2 * RETRY);
}

static void etcd_lost_while_active_moves_nothing_until_the_peer_is_silent_too(void **state)
{
	third.reached[0] = third.reached[1] = false;
	run(3 * TTL);
	assert_true(stage_holds(&s, 0));
	assert_int_equal(s.nodes[0].heart.lapses, 0);
	kill_node(1);
	run(SECONDS(1));
	assert_false(stage_holds(&s, 0));
	third.reached[0] = true; /* it is back */
	run(SECONDS(1));
	assert_true(stage_holds(&s, 0));
}

static void a_dead_active_is_replaced_within_its_lease(void **state)
{
	nanos died = s.now;

	kill_node(0);
	run(TTL + MS(200));
	assert_true(stage_holds(&s, 1));
	assert_true(s.nodes[1].claimed_at - died <= TTL + 2 * RETRY);
}

static void the_key_follows_a_planned_move_and_does_not_slow_it(void **state)
{
	nanos ordered = s.now;

	assert_int_equal(switch_over(0), 0);
	run(MS(20));
	assert_true(stage_holds(&s, 1));
	assert_true(s.nodes[1].claimed_at - ordered <= MS(1));
	run(MS(300));
	assert_int_equal(third.owner, 1);
	/* Now a cut leaves it where it is. */
	cut(true);
	run(3 * TTL);
	assert_true(stage_holds(&s, 1) && !stage_holds(&s, 0));
	assert_false(s.overlapped);
}

static void a_cut_before_the_key_has_followed_leaves_one_at_most(void **state)
{
	assert_int_equal(switch_over(0), 0);
	run(MS(5));
	assert_true(stage_holds(&s, 1));
	third.reached[1] = false; /* the key was given back or not, the new holder never gets it */
	cut(true);
	for (int i = 0; i < 60000; i++) {
		run(STEP);
		assert_true(stage_holds(&s, 0) + stage_holds(&s, 1) <= 1);
	}
	assert_true(stage_holds(&s, 0));
}

static void a_yes_that_comes_when_nothing_is_wanted_is_none(void **state)
{
	struct witness *w = &s.nodes[1].heart.witness;

	assert_false(w->wanted);
	heart_witness(&s.nodes[1].heart, w->question, WITNESS_YES, s.now, s.now + TTL);
	third.reached[0] = third.reached[1] = false; /* so it is never corrected */
	cut(true);
	run(TTL - MS(100));
	assert_int_equal(s.nodes[1].claims, 0);
	assert_false(s.overlapped);
}

static void after_a_goodbye_the_vip_stays_although_the_key_is_not_given_back(void **state)
{
	third.reached[0] = false; /* its last word to etcd is lost */
	out.n = 0;
	heart_stop(&s.nodes[0].heart, s.now, &out);
	stage_perform(&s, 0, &out);
	run(MS(20));
	for (int i = 0; i < 60000; i++) {
		run(STEP);
		assert_true(stage_holds(&s, 1));
	}
	assert_int_equal(third.owner, 1);
}

/* The new life is cut off and may still have the key of the old one. */
static void a_new_life_after_a_goodbye_waits_longer_than_the_other_relies_on_it(void **state)
{
	third.reached[0] = false;
	out.n = 0;
	heart_stop(&s.nodes[0].heart, s.now, &out);
	stage_perform(&s, 0, &out);
	run(MS(20));
	assert_true(stage_holds(&s, 1));
	cut(true);
	third.reached[0] = true;
	third.reached[1] = false;
	boot(0);
	for (int i = 0; i < 80000; i++) {
		run(STEP);
		assert_true(stage_holds(&s, 0) + stage_holds(&s, 1) <= 1);
	}
	assert_true(stage_holds(&s, 0));
}

static void a_restarted_role_keeps_the_vip_with_a_new_answer(void **state)
{
	struct heart_settings settings = settings_of(0);
	struct memory_record record;
	bool holds;

	cut(true);
	run(SECONDS(1));
	heart_save(&s.nodes[0].heart, s.now, &record);
	out.n = 0;
	assert_true(heart_resume(&s.nodes[0].heart, &settings, &record, s.now + MS(5), &holds, &out));
	stage_perform(&s, 0, &out);
	assert_true(holds);
	run(3 * TTL);
	assert_true(stage_holds(&s, 0));
	assert_int_equal(s.nodes[0].claims, 1);
	assert_false(s.overlapped);
}

static void another_witness_after_a_reload_has_not_said_yes(void **state)
{
	struct heart_settings settings = settings_of(0);
	nanos question = s.nodes[0].heart.witness.question;

	settings.witness = WITNESS_GATEWAY;
	out.n = 0;
	heart_change(&s.nodes[0].heart, &settings, s.now, &out);
	stage_perform(&s, 0, &out);
	assert_int_equal(s.nodes[0].heart.witness.until, 0);
	stage_step(&s);
	assert_true(s.nodes[0].heart.witness.question > question);
	assert_true(s.nodes[0].heart.witness.wanted);
	heart_witness(&s.nodes[0].heart, question, WITNESS_YES, s.now, s.now + SECONDS(9));
	assert_int_equal(s.nodes[0].heart.witness.until, 0);
}

int main(void)
{
#define GATEWAY(name) cmocka_unit_test_setup(name, with_gateway)
#define ETCD(name)    cmocka_unit_test_setup(name, with_etcd)
	const struct CMUnitTest tests[] = {
		GATEWAY(the_one_without_the_gateway_lets_go_and_the_other_claims),
		cmocka_unit_test(a_node_that_loses_both_at_once_never_overlaps),
		GATEWAY(a_passive_without_the_gateway_claims_nothing),
		GATEWAY(a_gateway_that_both_see_decides_nothing),
		GATEWAY(a_gateway_that_answers_is_shown_without_a_break),
		GATEWAY(a_lost_gateway_alone_moves_nothing),
		GATEWAY(a_dead_active_is_replaced_as_fast_as_without_a_witness),
		GATEWAY(the_death_of_the_passive_does_not_close_the_fence),
		GATEWAY(planned_moves_ask_no_gateway),
		GATEWAY(a_goodbye_is_followed_at_once_and_then_the_gateway_counts),
		GATEWAY(a_yes_from_before_the_silence_claims_nothing),
		GATEWAY(no_fence_outlives_the_yes_that_it_stands_on),
		ETCD(no_fence_outlives_the_yes_that_it_stands_on),
		GATEWAY(a_holder_short_of_its_lease_asks_more_often),
		GATEWAY(nobody_spins_while_the_witness_is_silent),
		cmocka_unit_test(an_answer_to_an_older_question_is_not_looked_at),
		cmocka_unit_test(probes_are_calm_while_the_peer_is_heard_and_go_with_each_heartbeat_else),
		ETCD(both_cut_and_the_key_keeps_the_vip_where_it_is),
		ETCD(an_active_that_lost_etcd_too_is_replaced_when_its_lease_has_ended),
		ETCD(etcd_lost_while_active_moves_nothing_until_the_peer_is_silent_too),
		ETCD(a_dead_active_is_replaced_within_its_lease),
		ETCD(the_key_follows_a_planned_move_and_does_not_slow_it),
		ETCD(a_cut_before_the_key_has_followed_leaves_one_at_most),
		ETCD(a_yes_that_comes_when_nothing_is_wanted_is_none),
		ETCD(after_a_goodbye_the_vip_stays_although_the_key_is_not_given_back),
		ETCD(a_new_life_after_a_goodbye_waits_longer_than_the_other_relies_on_it),
		ETCD(another_witness_after_a_reload_has_not_said_yes),
		ETCD(a_restarted_role_keeps_the_vip_with_a_new_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
