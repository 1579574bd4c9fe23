/* rooms: heartbeat/core.c heartbeat/hear.c heartbeat/obey.c heartbeat/orders.c heartbeat/act.c heartbeat/damping.c heartbeat/life.c heartbeat/detect.c heartbeat/election.c heartbeat/lease.c heartbeat/replay.c */
/*
 * test_obey.c: what the kernel, the proxy and the operator tell, and what follows.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/heart_story.h"

static void an_unfit_active_hands_over_in_the_same_turn(void **state)
{
	(void)state;
	do_fitness(0, FITNESS_DEAD);
	assert_false(stage_holds(&s, 0));
	assert_true(s.nodes[0].closed_at == s.now);
	stage_step(&s);
	assert_true(stage_holds(&s, 1));
	do_fitness(0, FITNESS_OK);
	stage_run(&s, SECONDS(5));
	assert_true(stage_holds(&s, 1)); /* no way back without a reason */
	assert_int_equal(s.nodes[0].claims, 1);
}

static void an_unfit_active_stays_when_nobody_better_is_there(void **state)
{
	(void)state;
	do_fitness(1, FITNESS_NO_LISTENER);
	stage_run(&s, MS(5));
	do_fitness(0, FITNESS_DEAD);
	stage_run(&s, SECONDS(2));
	/* NO_LISTENER is a higher class, but answers nobody either. */
	assert_true(stage_holds(&s, 0));
	do_fitness(1, FITNESS_OK);
	stage_run(&s, MS(1));
	assert_true(stage_holds(&s, 1));
	assert_false(s.overlapped);
}

static void an_unfit_node_claims_nothing_and_claims_when_it_is_fit(void **state)
{
	(void)state;
	do_fitness(1, FITNESS_DEAD);
	stage_run(&s, MS(5));
	kill_node(0);
	stage_run(&s, SECONDS(2));
	assert_false(stage_holds(&s, 1));
	do_fitness(1, FITNESS_OK);
	stage_run(&s, DEAD + MS(1));
	assert_true(stage_holds(&s, 1));
}

static void the_fence_is_closed_before_released_is_said(void **state)
{
	unsigned close_at = 0, send_at = 0;

	(void)state;
	out.n = 0;
	heart_fitness(&s.nodes[0].heart, FITNESS_DEAD, s.now, &out);
	for (unsigned k = out.n; k-- > 0;) {
		if (out.list[k].kind == HEART_CLOSE || out.list[k].kind == HEART_RELEASE)
			close_at = close_at ? close_at : k;
		if (out.list[k].kind == HEART_SEND)
			send_at = k;
	}
	assert_true(close_at > 0 && close_at < send_at);
	assert_true(out.list[send_at].message.flags & WIRE_RELEASED);
	assert_false(out.list[send_at].message.flags & WIRE_ASKS);
}

/* A reset leaves only from an address that is there, and nobody waits for it. */
static void clients_are_told_between_fence_and_address(void **state)
{
	unsigned n = 0;

	(void)state;
	out.n = 0;
	heart_fitness(&s.nodes[0].heart, FITNESS_DEAD, s.now, &out);
	while (n < out.n && out.list[n].kind != HEART_CLOSE)
		n++;
	assert_true(n + 2 < out.n);
	assert_int_equal(out.list[n + 1].kind, HEART_RESET);
	assert_int_equal(out.list[n + 2].kind, HEART_RELEASE);
}

static void a_stall_with_nobody_else_there_keeps_the_connections(void **state)
{
	unsigned claims = s.nodes[0].claims;

	(void)state;
	kill_node(1);
	stage_run(&s, SECONDS(2));
	kill_node(0);
	stage_run(&s, SECONDS(1));
	s.nodes[0].runs = true;
	stage_run(&s, SECONDS(1));
	assert_int_equal(s.nodes[0].claims, claims + 1);
	assert_int_equal(s.nodes[0].resets, 0);
	assert_true(stage_holds(&s, 0));
}

static void switchover_moves_once_and_reports(void **state)
{
	const char *text;

	(void)state;
	out.n = 0;
	assert_int_equal(heart_switchover(&s.nodes[1].heart, s.now, &text, &out), -EPERM);
	assert_int_equal(heart_switchover(&s.nodes[0].heart, s.now, &text, &out), 0);
	stage_perform(&s, 0, &out);
	assert_int_equal(heart_switchover(&s.nodes[0].heart, s.now, &text, &out), -EALREADY);
	stage_run(&s, MS(1));
	assert_int_equal(s.nodes[0].switched, 0);
	stage_run(&s, SECONDS(3));
	assert_true(stage_holds(&s, 1));
	assert_false(s.overlapped);
	assert_int_equal(s.nodes[0].claims, 1);
}

static void switchover_is_refused_without_a_peer_that_can_take_it(void **state)
{
	const char *text;

	(void)state;
	do_fitness(1, FITNESS_DEAD);
	stage_run(&s, MS(5));
	assert_int_equal(heart_switchover(&s.nodes[0].heart, s.now, &text, &out), -EAGAIN);
	kill_node(1);
	stage_run(&s, SECONDS(1));
	assert_int_equal(heart_switchover(&s.nodes[0].heart, s.now, &text, &out), -EHOSTUNREACH);
	assert_true(stage_holds(&s, 0));
}

static void a_switchover_that_nobody_takes_comes_back(void **state)
{
	const char *text;

	(void)state;
	kill_node(1); /* not noticed yet */
	out.n = 0;
	assert_int_equal(heart_switchover(&s.nodes[0].heart, s.now, &text, &out), 0);
	stage_perform(&s, 0, &out);
	stage_run(&s, 4 * DEAD);
	assert_true(stage_holds(&s, 0));
	assert_true(s.nodes[0].switched < 0);
}

static void a_goodbye_hands_over_at_once_and_ends(void **state)
{
	(void)state;
	out.n = 0;
	heart_stop(&s.nodes[0].heart, s.now, &out);
	stage_perform(&s, 0, &out);
	assert_false(stage_holds(&s, 0));
	stage_run(&s, MS(1));
	assert_true(stage_holds(&s, 1));
	assert_true(s.nodes[0].stopped);
	assert_false(s.overlapped);
	stage_run(&s, SECONDS(3));
	assert_true(stage_holds(&s, 1));
	assert_int_equal(s.nodes[1].claims, 1);
}

static void the_goodbye_of_the_passive_changes_nothing(void **state)
{
	(void)state;
	out.n = 0;
	heart_stop(&s.nodes[1].heart, s.now, &out);
	stage_perform(&s, 1, &out);
	for (int k = 0; k < 10000; k++) {
		stage_step(&s);
		assert_true(stage_holds(&s, 0));
	}
	assert_true(s.nodes[1].stopped);
}

static void a_stop_ends_without_an_answer_too(void **state)
{
	(void)state;
	kill_node(1);
	out.n = 0;
	heart_stop(&s.nodes[0].heart, s.now, &out);
	stage_perform(&s, 0, &out);
	stage_run(&s, 3 * INTERVAL);
	assert_true(s.nodes[0].stopped);
}

static void a_lost_interface_is_a_fault_and_hands_over(void **state)
{
	(void)state;
	out.n = 0;
	heart_usable(&s.nodes[0].heart, false, "eth0 is gone", s.now, &out);
	stage_perform(&s, 0, &out);
	assert_int_equal(s.nodes[0].heart.state, NODE_FAULT);
	assert_string_equal(s.nodes[0].last_why, "eth0 is gone");
	stage_run(&s, MS(1));
	assert_true(stage_holds(&s, 1));
	kill_node(1);
	stage_run(&s, SECONDS(1));
	assert_false(stage_holds(&s, 0));
	heart_usable(&s.nodes[0].heart, true, NULL, s.now, &out);
	stage_perform(&s, 0, &out);
	/* It had said that it claims nothing for D. */
	stage_run(&s, DEAD + MS(1));
	assert_true(stage_holds(&s, 0));
}

static void what_the_kernel_refuses_is_left_to_the_peer(void **state)
{
	(void)state;
	s.nodes[0].refuses = true; /* from the next renewal on */
	stage_run(&s, INTERVAL + MS(1));
	assert_true(stage_holds(&s, 1));
	assert_string_equal(s.nodes[0].last_why, "refused");
	stage_run(&s, SECONDS(20));
	assert_int_equal(s.nodes[0].claims, 1);
	assert_int_equal(s.nodes[1].claims, 1);
	assert_int_equal(s.nodes[0].heart.state, NODE_PASSIVE); /* it may try again when it is its turn */
	assert_false(s.overlapped);
}

static void a_refused_claim_is_tried_less_and_less_often(void **state)
{
	nanos hold_down = DEAD;
	unsigned claims;

	(void)state;
	kill_node(1);
	stage_run(&s, SECONDS(1));
	s.nodes[0].refuses = true;
	stage_run(&s, INTERVAL + MS(1));
	for (unsigned i = 0; i < 12; i++) {
		assert_int_equal(s.nodes[0].heart.state, NODE_FAULT);
		assert_int_equal(s.nodes[0].heart.hold_down, hold_down);
		claims = s.nodes[0].claims;
		stage_run(&s, s.nodes[0].heart.refused_until - s.now - STEP);
		assert_int_equal(s.nodes[0].claims, claims);
		stage_run(&s, DEAD); /* a node in fault says all the time that it claims nothing for D */
		assert_int_equal(s.nodes[0].claims, claims + 1);
		hold_down = 2 * hold_down < SECONDS(60) ? 2 * hold_down : SECONDS(60);
	}
	/* It ends with a claim that lasts. */
	s.nodes[0].refuses = false;
	stage_run(&s, SECONDS(130));
	assert_true(stage_holds(&s, 0));
	s.nodes[0].refuses = true;
	stage_run(&s, DEAD);
	assert_int_equal(s.nodes[0].heart.state, NODE_FAULT);
	assert_int_equal(s.nodes[0].heart.hold_down, DEAD);
}

static void an_interface_that_comes_back_does_not_end_a_hold_down(void **state)
{
	(void)state;
	kill_node(1);
	stage_run(&s, SECONDS(1));
	s.nodes[0].refuses = true;
	stage_run(&s, INTERVAL + MS(1));
	heart_usable(&s.nodes[0].heart, false, "eth0 is gone", s.now, &out);
	heart_usable(&s.nodes[0].heart, true, NULL, s.now, &out);
	stage_perform(&s, 0, &out);
	assert_int_equal(s.nodes[0].heart.state, NODE_FAULT);
	s.nodes[0].refuses = false;
	stage_run(&s, 2 * DEAD + MS(1));
	assert_true(stage_holds(&s, 0));
}

static void boot_without_a_carrier(unsigned i)
{
	stage_boot(&s, i);
	out.n = 0;
	heart_usable(&s.nodes[i].heart, false, "eth0 has no carrier", s.now, &out);
	stage_perform(&s, i, &out);
}

static void a_starting_node_waits_for_its_carrier(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	s.cut_link = -1;
	s.now = SECONDS(500);
	boot_without_a_carrier(0);
	stage_boot(&s, 1);
	stage_run(&s, MS(60));
	assert_int_equal(s.nodes[0].heart.state, NODE_STARTING);
	assert_false(stage_holds(&s, 1)); /* the one with the higher priority may still come */
	heart_usable(&s.nodes[0].heart, true, NULL, s.now, &out);
	stage_perform(&s, 0, &out);
	stage_run(&s, MS(5));
	assert_true(stage_holds(&s, 0));
	assert_int_equal(s.nodes[0].transitions, 1);
	assert_int_equal(s.nodes[1].transitions, 1);
}

static void a_node_that_got_no_carrier_is_at_fault_after_start_wait(void **state)
{
	(void)state;
	kill_node(1);
	boot_without_a_carrier(1);
	stage_run(&s, SECONDS(1) - STEP);
	assert_int_equal(s.nodes[1].heart.state, NODE_STARTING);
	/* Nothing is given to it meanwhile. */
	do_fitness(0, FITNESS_NO_LISTENER);
	stage_run(&s, MS(1));
	assert_int_equal(s.nodes[1].heart.state, NODE_FAULT);
	assert_string_equal(s.nodes[1].last_why, "eth0 has no carrier");
	assert_int_equal(s.nodes[1].transitions, 1);
	assert_true(stage_holds(&s, 0));
	heart_usable(&s.nodes[1].heart, true, NULL, s.now, &out);
	stage_perform(&s, 1, &out);
	stage_run(&s, MS(1));
	assert_true(stage_holds(&s, 1));
	assert_false(s.overlapped);
}

static void one_renewal_that_took_half_the_margin_is_made_again(void **state)
{
	struct heart *h = &s.nodes[0].heart;
	nanos end = h->fence_end;

	(void)state;
	out.n = 0;
	heart_fence_done(h, s.now, s.now + MS(15) / 2 + 1, &out);
	assert_int_equal(out.n, 1);
	assert_int_equal(out.list[0].kind, HEART_FENCE);
	assert_int_equal(out.list[0].until, end);
	assert_int_equal(out.list[0].computed, s.now + MS(15) / 2 + 1);
	heart_fence_done(h, s.now, s.now + MS(1), &out);
	assert_int_equal(out.n, 1);
	assert_int_equal(h->state, NODE_ACTIVE);
	/* That was one in a row; so is this. */
	heart_fence_done(h, s.now, s.now + MS(15) / 2 + 1, &out);
	assert_int_equal(out.n, 2);
	assert_int_equal(h->state, NODE_ACTIVE);
}

static void a_renewal_too_late_to_be_made_again_closes_everything(void **state)
{
	struct heart *h = &s.nodes[0].heart;

	(void)state;
	out.n = 0;
	heart_fence_done(h, s.now, h->fence_end - MS(15), &out);
	assert_int_not_equal(h->state, NODE_ACTIVE);
	assert_int_equal(out.list[0].kind, HEART_CLOSE);
}

static void renewals_that_take_half_the_margin_close_everything(void **state)
{
	(void)state;
	s.hiccup = MS(15) / 2 + 1;
	stage_run(&s, 2 * INTERVAL);
	s.hiccup = 0;
	assert_false(stage_holds(&s, 0));
	stage_run(&s, MS(2));
	assert_true(stage_holds(&s, 1));
	assert_false(s.overlapped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(an_unfit_active_hands_over_in_the_same_turn),
		STORY(an_unfit_active_stays_when_nobody_better_is_there),
		STORY(an_unfit_node_claims_nothing_and_claims_when_it_is_fit),
		STORY(the_fence_is_closed_before_released_is_said),
		STORY(clients_are_told_between_fence_and_address),
		STORY(a_stall_with_nobody_else_there_keeps_the_connections),
		STORY(switchover_moves_once_and_reports),
		STORY(switchover_is_refused_without_a_peer_that_can_take_it),
		STORY(a_switchover_that_nobody_takes_comes_back),
		STORY(a_goodbye_hands_over_at_once_and_ends),
		STORY(the_goodbye_of_the_passive_changes_nothing),
		STORY(a_stop_ends_without_an_answer_too),
		STORY(a_lost_interface_is_a_fault_and_hands_over),
		STORY(what_the_kernel_refuses_is_left_to_the_peer),
		STORY(a_refused_claim_is_tried_less_and_less_often),
		STORY(an_interface_that_comes_back_does_not_end_a_hold_down),
		STORY(a_starting_node_waits_for_its_carrier),
		STORY(a_node_that_got_no_carrier_is_at_fault_after_start_wait),
		STORY(one_renewal_that_took_half_the_margin_is_made_again),
		STORY(a_renewal_too_late_to_be_made_again_closes_everything),
		STORY(renewals_that_take_half_the_margin_close_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
