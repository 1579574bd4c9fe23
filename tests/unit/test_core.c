/* rooms: heartbeat/core.c heartbeat/hear.c heartbeat/obey.c heartbeat/orders.c heartbeat/act.c heartbeat/damping.c heartbeat/life.c heartbeat/detect.c heartbeat/election.c heartbeat/lease.c heartbeat/replay.c heartbeat/witness.c */
/*
 * test_core.c: the stories of a pair: start, silence, split. The simulator (tests/sim) goes through what nobody thought of; these are
 * the ones that somebody did.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/heart_story.h"

static void both_started_at_once_make_one_active_with_one_transition_each(void **state)
{
	(void)state;
	assert_true(stage_holds(&s, 0));
	assert_false(stage_holds(&s, 1));
	assert_int_equal(s.nodes[0].heart.state, NODE_ACTIVE);
	assert_int_equal(s.nodes[1].heart.state, NODE_PASSIVE);
	assert_int_equal(s.nodes[0].transitions, 1);
	assert_int_equal(s.nodes[1].transitions, 1);
	assert_true(s.nodes[0].claimed_at < SECONDS(500) + 3 * INTERVAL);
	assert_false(s.overlapped);
}

static void a_node_alone_is_active_after_start_wait(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	s.cut_link = -1;
	s.now = SECONDS(500);
	stage_boot(&s, 1);
	stage_run(&s, SECONDS(1) - STEP);
	assert_false(stage_holds(&s, 1));
	stage_run(&s, 2 * STEP);
	assert_true(stage_holds(&s, 1));
}

static void a_single_node_configuration_waits_for_nothing(void **state)
{
	struct heart_settings settings = stage_settings(0);

	(void)state;
	memset(&s, 0, sizeof(s));
	s.cut_link = -1;
	settings.has_peer = false;
	settings.n_links = 0;
	s.now = SECONDS(500);
	stage_boot_with(&s, 0, &settings);
	assert_true(stage_holds(&s, 0));
	stage_run(&s, SECONDS(5));
	assert_int_equal(s.nodes[0].claims, 1);
	assert_int_equal(s.nodes[0].transitions, 1);
}

static void passive_waits_out_the_old_lease(void **state)
{
	nanos killed;

	(void)state;
	killed = s.now;
	kill_node(0);
	while (!stage_holds(&s, 1))
		stage_step(&s);
	assert_false(s.overlapped);
	/* Not before the last heartbeat + D, and not much later than the kill + D. */
	assert_true(s.now - killed <= DEAD + MS(1));
	assert_true(s.now >= s.nodes[1].heart.detect.heard + DEAD);
	assert_true(s.nodes[0].fence_until < s.now);
}

static void the_death_of_the_passive_never_closes_the_fence(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++) {
		stage_begin(&s);
		stage_run(&s, i * MS(3));
		kill_node(1);
		for (int k = 0; k < 20000; k++) {
			stage_step(&s);
			assert_true(stage_holds(&s, 0));
		}
		assert_int_equal(s.nodes[0].claims, 1);
	}
}

static void an_active_that_is_not_heard_yields_before_the_other_claims(void **state)
{
	(void)state;
	s.cut[1] = true; /* nothing reaches the passive */
	stage_run(&s, SECONDS(1));
	assert_false(s.overlapped);
	assert_true(stage_holds(&s, 1));
	assert_int_equal(s.nodes[1].claims, 1);
	s.cut[1] = false;
	stage_run(&s, SECONDS(1));
	assert_true(stage_holds(&s, 1));
	assert_int_equal(s.nodes[0].claims, 1);
}

static void an_active_that_hears_nothing_but_is_heard_keeps_the_vip(void **state)
{
	(void)state;
	s.cut[0] = true;
	for (int k = 0; k < 20000; k++) {
		stage_step(&s);
		assert_true(stage_holds(&s, 0));
	}
	assert_int_equal(s.nodes[1].claims, 0);
}

static void a_split_heals_within_two_intervals_with_a_higher_epoch(void **state)
{
	uint64_t before;

	(void)state;
	s.cut[0] = s.cut[1] = true;
	stage_run(&s, SECONDS(1));
	assert_true(stage_holds(&s, 0) && stage_holds(&s, 1));
	before = s.nodes[1].heart.epoch;
	s.cut[0] = s.cut[1] = false;
	stage_run(&s, 2 * INTERVAL);
	assert_true(stage_holds(&s, 0) != stage_holds(&s, 1));
	/* The newer epoch won, and is announced again. */
	assert_true(stage_holds(&s, 1));
	assert_int_equal(s.nodes[1].announces, 1);
	assert_true(s.nodes[1].heart.epoch > before);
	assert_string_equal(s.nodes[0].last_why, "both held it, and the peer keeps it");
}

static void after_a_split_the_one_with_the_clients_keeps(void **state)
{
	(void)state;
	heart_connections(&s.nodes[0].heart, 12);
	s.cut[0] = s.cut[1] = true;
	stage_run(&s, SECONDS(1));
	s.cut[0] = s.cut[1] = false;
	stage_run(&s, 2 * INTERVAL);
	assert_true(stage_holds(&s, 0));
	assert_false(stage_holds(&s, 1));
	assert_true(s.nodes[0].heart.epoch > 2);
}

static void a_lapsed_fence_is_not_renewed(void **state)
{
	unsigned claims = s.nodes[0].claims;

	(void)state;
	s.nodes[0].fence_until = s.now; /* the kernel let it lapse */
	stage_run(&s, INTERVAL);
	assert_int_equal(s.nodes[0].claims, claims);
	assert_true(stage_holds(&s, 1));
}

/* Which waits two of its D from its start, whatever its earlier life had promised. */
static void no_lease_outlives_the_wait_of_the_peers_next_life(void **state)
{
	struct heart_settings short_one = stage_settings(1);
	nanos longest = 0;

	(void)state;
	short_one.interval = MS(20);
	memset(&s, 0, sizeof(s));
	s.now = SECONDS(500);
	stage_boot(&s, 0);
	stage_boot_with(&s, 1, &short_one);
	stage_run(&s, SECONDS(1));
	assert_true(stage_holds(&s, 0));
	for (unsigned i = 0; i < 1000; i++) {
		if (i == 500)
			kill_node(1);
		stage_run(&s, STEP);
		assert_true(stage_holds(&s, 0));
		if (s.nodes[0].heart.fence_end - s.now > longest)
			longest = s.nodes[0].heart.fence_end - s.now;
	}
	assert_true(longest > INTERVAL);
	assert_true(longest < 2 * 3 * short_one.interval);
}

static void a_late_turn_proves_no_silence(void **state)
{
	(void)state;
	/* The passive sleeps for a second, and what came meanwhile is lost. */
	kill_node(1);
	stage_run(&s, SECONDS(1));
	s.nodes[1].runs = true;
	s.n_flight = 0;
	stage_run(&s, SECONDS(1));
	assert_int_equal(s.nodes[1].claims, 0);
	assert_int_equal(s.nodes[1].links_down, 0);
	assert_int_equal(s.nodes[1].lost, 0);
	assert_int_equal(s.nodes[0].claims, 1);
	assert_true(stage_holds(&s, 0));
}

static void news_that_comes_after_a_standstill_proves_no_silence(void **state)
{
	(void)state;
	do_fitness(1, FITNESS_DEAD);
	stage_run(&s, INTERVAL);
	kill_node(1);
	stage_run(&s, SECONDS(1));
	s.nodes[1].runs = true;
	assert_true(heart_overdue(&s.nodes[1].heart, s.now));
	do_fitness(1, FITNESS_OK); /* before any link was read */
	assert_int_equal(s.nodes[1].claims, 0);
	stage_run(&s, SECONDS(1));
	assert_int_equal(s.nodes[1].claims, 0);
	assert_true(stage_holds(&s, 0));
}

static void silence_is_judged_only_after_the_links_were_read(void **state)
{
	(void)state;
	s.cut[1] = true;
	while (s.now < s.nodes[1].heart.detect.heard + DEAD - STEP)
		stage_step(&s);
	s.now += 2 * STEP;
	out.n = 0;
	heart_drained(&s.nodes[1].heart, s.now, &out); /* any news */
	stage_perform(&s, 1, &out);
	assert_int_equal(s.nodes[1].claims, 0);
	stage_step(&s);
	assert_int_equal(s.nodes[1].claims, 1);
}

static void a_lease_that_runs_low_is_probed_for_at_a_bounded_rate(void **state)
{
	struct heart *h = &s.nodes[0].heart;
	nanos low, low_for;
	unsigned sent;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct heart_settings settings = stage_settings(i);

		settings.dead_after = 10;
		out.n = 0;
		heart_change(&s.nodes[i].heart, &settings, s.now, &out);
		stage_perform(&s, i, &out);
	}
	stage_run(&s, SECONDS(1));
	kill_node(1);
	low = h->fence_end - (h->terms.dead - h->terms.margin) / 2;
	sent = s.nodes[0].sent;
	stage_run(&s, low - STEP - s.now);
	assert_in_range((s.nodes[0].sent - sent) / 2, 3, 5); /* on both links, every interval */
	sent = s.nodes[0].sent;
	while (!h->on_silence)
		stage_step(&s);
	low_for = s.now - low;
	assert_true(low_for > 3 * INTERVAL);
	assert_in_range((s.nodes[0].sent - sent) / 2, low_for / (INTERVAL / 4), 2 * low_for / (INTERVAL / 4));
	/* Now it has what it needs, and every interval is enough again. */
	sent = s.nodes[0].sent;
	stage_run(&s, SECONDS(1));
	assert_in_range((s.nodes[0].sent - sent) / 2, 19, 21);
	assert_true(stage_holds(&s, 0));
}

static void let_both_preempt(void)
{
	for (unsigned i = 0; i < 2; i++) {
		struct heart_settings settings = stage_settings(i);

		settings.preempt = true;
		out.n = 0;
		heart_change(&s.nodes[i].heart, &settings, s.now, &out);
		stage_perform(&s, i, &out);
	}
}

static void preempt_gives_the_vip_back_to_the_higher_priority(void **state)
{
	(void)state;
	let_both_preempt();
	do_fitness(0, FITNESS_DEAD);
	stage_run(&s, SECONDS(1));
	assert_true(stage_holds(&s, 1));
	do_fitness(0, FITNESS_OK);
	stage_run(&s, MS(900));
	assert_true(stage_holds(&s, 1)); /* it has to be fit for start_wait */
	stage_run(&s, MS(200));
	assert_true(stage_holds(&s, 0));
	assert_false(s.overlapped);
}

static void preempt_gives_nothing_to_a_node_that_has_just_let_go(void **state)
{
	nanos nobody = 0;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct heart_settings settings = stage_settings(i);

		settings.preempt = true;
		settings.start_wait = INTERVAL; /* shorter than what it promised */
		out.n = 0;
		heart_change(&s.nodes[i].heart, &settings, s.now, &out);
		stage_perform(&s, i, &out);
	}
	s.nodes[0].fence_until = s.now; /* the kernel let it lapse */
	while (!stage_holds(&s, 1))
		stage_step(&s);
	for (nanos end = s.now + SECONDS(1); s.now < end; stage_step(&s))
		nobody += stage_holds(&s, 0) || stage_holds(&s, 1) ? 0 : STEP;
	assert_true(stage_holds(&s, 0));
	assert_true(nobody <= MS(1));
}

static void preempt_does_not_undo_the_operators_switchover(void **state)
{
	(void)state;
	let_both_preempt();
	assert_int_equal(switch_over(0), 0);
	stage_run(&s, SECONDS(5));
	assert_true(stage_holds(&s, 1));
}

static void every_claim_has_a_higher_epoch_than_all_before(void **state)
{
	uint64_t newest = 0;

	(void)state;
	for (int i = 0; i < 6; i++) {
		unsigned holder = stage_holds(&s, 1);

		assert_true(s.nodes[holder].heart.epoch > newest);
		newest = s.nodes[holder].heart.epoch;
		kill_node(holder);
		stage_run(&s, SECONDS(1));
		stage_boot(&s, holder);
		stage_run(&s, SECONDS(2));
	}
	assert_int_equal(newest, 6);
}

/* The cable of node 0 goes down and up, `n` times. */
static void flap(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		do_usable(0, false);
		stage_run(&s, MS(500));
		do_usable(0, true);
		stage_run(&s, SECONDS(3));
	}
}

static void a_flapping_node_is_held_down(void **state)
{
	(void)state;
	let_both_preempt();
	flap(10);
	/* Away, back, away, back; away for good. */
	assert_int_equal(s.nodes[0].claims, 3);
	assert_int_equal(s.nodes[1].claims, 3);
	assert_int_equal(s.nodes[0].held_down, 1);
	assert_int_equal(s.nodes[1].held_down, 1);
	assert_true(stage_holds(&s, 1));
	assert_int_equal(s.nodes[0].calm, 0);
	stage_run(&s, DAMPING_HOLD);
	assert_true(stage_holds(&s, 0));
	assert_int_equal(s.nodes[0].calm, 1);
	assert_false(s.overlapped);
}

static void a_held_down_node_takes_over_from_a_dead_peer_without_delay(void **state)
{
	nanos killed;

	(void)state;
	let_both_preempt();
	flap(3);
	assert_true(damping_holds(&s.nodes[0].heart.damping, s.now) && stage_holds(&s, 1));
	killed = s.now;
	kill_node(1);
	while (!stage_holds(&s, 0))
		stage_step(&s);
	assert_true(s.now - killed <= DEAD + MS(1));
}

static void a_held_down_node_gets_the_vip_from_a_peer_that_cannot_serve(void **state)
{
	(void)state;
	let_both_preempt();
	flap(3);
	assert_true(stage_holds(&s, 1));
	do_fitness(1, FITNESS_DEAD);
	stage_run(&s, MS(1));
	assert_true(stage_holds(&s, 0));
}

static void a_holder_gives_nothing_to_preference_while_it_is_held_down_itself(void **state)
{
	(void)state;
	let_both_preempt();
	flap(3);
	/* The other one has forgotten: it was started again. */
	kill_node(0);
	stage_run(&s, MS(1));
	stage_boot(&s, 0);
	let_both_preempt();
	stage_run(&s, SECONDS(10));
	assert_int_equal(s.nodes[0].held_down, 0);
	assert_true(stage_holds(&s, 1));
}

static void what_an_operator_orders_is_no_move_and_is_done(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(switch_over(i % 2), 0);
		stage_run(&s, SECONDS(1));
		assert_true(stage_holds(&s, !(i % 2)));
	}
	assert_int_equal(s.nodes[0].heart.damping.moved + s.nodes[1].heart.damping.moved, 0);
	let_both_preempt();
	flap(3);
	assert_true(damping_holds(&s.nodes[0].heart.damping, s.now));
	assert_int_equal(switch_over(1), 0);
	stage_run(&s, SECONDS(1));
	assert_true(stage_holds(&s, 0));
}

static void a_stall_with_nobody_else_there_is_no_move(void **state)
{
	(void)state;
	kill_node(1);
	stage_run(&s, SECONDS(1));
	for (unsigned i = 0; i < 5; i++) {
		s.now += DEAD;
		stage_run(&s, SECONDS(1));
		assert_true(stage_holds(&s, 0));
	}
	assert_true(s.nodes[0].heart.lapses >= 5);
	assert_int_equal(s.nodes[0].heart.damping.moved, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(both_started_at_once_make_one_active_with_one_transition_each),
		STORY(a_node_alone_is_active_after_start_wait),
		STORY(a_single_node_configuration_waits_for_nothing),
		STORY(passive_waits_out_the_old_lease),
		STORY(the_death_of_the_passive_never_closes_the_fence),
		STORY(an_active_that_is_not_heard_yields_before_the_other_claims),
		STORY(an_active_that_hears_nothing_but_is_heard_keeps_the_vip),
		STORY(a_split_heals_within_two_intervals_with_a_higher_epoch),
		STORY(after_a_split_the_one_with_the_clients_keeps),
		STORY(a_lapsed_fence_is_not_renewed),
		STORY(no_lease_outlives_the_wait_of_the_peers_next_life),
		STORY(a_late_turn_proves_no_silence),
		STORY(silence_is_judged_only_after_the_links_were_read),
		STORY(news_that_comes_after_a_standstill_proves_no_silence),
		STORY(a_lease_that_runs_low_is_probed_for_at_a_bounded_rate),
		STORY(preempt_gives_the_vip_back_to_the_higher_priority),
		STORY(preempt_gives_nothing_to_a_node_that_has_just_let_go),
		STORY(preempt_does_not_undo_the_operators_switchover),
		STORY(every_claim_has_a_higher_epoch_than_all_before),
		STORY(a_flapping_node_is_held_down),
		STORY(a_held_down_node_takes_over_from_a_dead_peer_without_delay),
		STORY(a_held_down_node_gets_the_vip_from_a_peer_that_cannot_serve),
		STORY(a_holder_gives_nothing_to_preference_while_it_is_held_down_itself),
		STORY(what_an_operator_orders_is_no_move_and_is_done),
		STORY(a_stall_with_nobody_else_there_is_no_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
