/* rooms: heartbeat/core.c heartbeat/hear.c heartbeat/obey.c heartbeat/orders.c heartbeat/act.c heartbeat/damping.c heartbeat/life.c heartbeat/detect.c heartbeat/election.c heartbeat/lease.c heartbeat/replay.c heartbeat/witness.c */
/*
 * test_reach.c: the stories of a pair of which one node, or both, lost the way to the servers or to the gateway.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "heartbeat/act.h"
#include "tests/unit/heart_story.h"

/* By its regular checks. */
static void servers(unsigned i, bool reached)
{
	out.n = 0;
	heart_servers(&s.nodes[i].heart, reached, 0, 0, s.now, &out);
	stage_perform(&s, i, &out);
}

/* It was asked to look, and says what it found in checks that began at `at`. */
static void looked(unsigned i, bool reached, nanos at)
{
	out.n = 0;
	heart_servers(&s.nodes[i].heart, reached, reached ? at : 0, reached ? 0 : at, s.now, &out);
	stage_perform(&s, i, &out);
}

static void both_look(bool first, bool second)
{
	bool finds[2] = {first, second};

	for (int k = 0; k < 4; k++) {
		for (unsigned i = 0; i < 2; i++)
			if (heart_owes_proof(&s.nodes[i].heart))
				looked(i, finds[i], s.now);
		stage_run(&s, MS(5));
	}
}

static void a_node_that_lost_its_servers_hands_over_when_both_have_looked_again(void **state)
{
	nanos lost = s.now;

	servers(0, false);
	stage_run(&s, MS(300));
	assert_true(stage_holds(&s, 0)); /* the peer only thinks that it reaches them */
	assert_true(heart_owes_proof(&s.nodes[1].heart) && !heart_owes_proof(&s.nodes[0].heart));
	looked(1, true, lost - MS(1)); /* that was before */
	stage_run(&s, MS(300));
	assert_false(heart_owes_proof(&s.nodes[0].heart));
	looked(1, true, s.now);
	stage_run(&s, MS(300));
	assert_true(stage_holds(&s, 0));
	assert_true(heart_owes_proof(&s.nodes[0].heart) && !heart_owes_proof(&s.nodes[1].heart));
	looked(0, false, s.now);
	stage_run(&s, MS(1));
	assert_true(stage_holds(&s, 1) && !stage_holds(&s, 0));
	assert_string_equal(s.nodes[0].last_why, "this node reaches no server, and the peer does");
	stage_run(&s, SECONDS(3));
	assert_int_equal(s.nodes[0].claims + s.nodes[1].claims, 2);
	assert_false(s.overlapped);
}

static void where_both_lost_them_nobody_moves(void **state)
{
	servers(0, false);
	stage_run(&s, MS(20));
	both_look(false, false);
	servers(1, false);
	stage_run(&s, SECONDS(3));
	assert_true(stage_holds(&s, 0));
	/* And back, the passive first. */
	servers(1, true);
	stage_run(&s, MS(10));
	both_look(true, true);
	stage_run(&s, SECONDS(3));
	assert_true(stage_holds(&s, 0));
	assert_int_equal(s.nodes[0].claims + s.nodes[1].claims, 1);
	assert_false(heart_owes_proof(&s.nodes[0].heart) || heart_owes_proof(&s.nodes[1].heart));
}

static void it_goes_back_when_the_other_one_loses_them(void **state)
{
	servers(0, false);
	stage_run(&s, MS(1));
	both_look(false, true);
	assert_true(stage_holds(&s, 1));
	servers(1, false);
	stage_run(&s, SECONDS(1));
	assert_true(stage_holds(&s, 1)); /* neither */
	servers(0, true);
	stage_run(&s, MS(1));
	both_look(true, false);
	assert_true(stage_holds(&s, 0));
}

static void a_node_without_servers_still_takes_over_from_a_dead_one(void **state)
{
	servers(1, false);
	stage_run(&s, MS(100));
	kill_node(0);
	stage_run(&s, SECONDS(1));
	assert_true(stage_holds(&s, 1));
}

static void preempt_does_not_give_to_a_node_that_reaches_less(void **state)
{
	s.nodes[1].heart.settings.preempt = true;
	assert_int_equal(switch_over(0), 0);
	stage_run(&s, MS(100));
	assert_true(stage_holds(&s, 1));
	s.nodes[1].heart.claimed_by_order = false;
	servers(0, false);
	stage_run(&s, SECONDS(3));
	assert_true(stage_holds(&s, 1));
	servers(0, true);
	stage_run(&s, MS(100));
	assert_true(stage_holds(&s, 0));
}

/* The gateway: node i hears its answers, every 100 ms. */
static void run_with_gateway(bool first, bool second, nanos duration)
{
	bool hears[2] = {first, second};

	for (nanos end = s.now + duration; s.now < end; stage_run(&s, MS(10)))
		for (unsigned i = 0; i < 2; i++)
			if (hears[i] && s.now % MS(100) < MS(10))
				heart_witness(&s.nodes[i].heart, s.nodes[i].heart.witness.question,
					      WITNESS_YES, s.now, s.now + DEAD);
}

static int with_gateway(void **state)
{
	begin(state);
	for (unsigned i = 0; i < 2; i++) {
		s.nodes[i].heart.settings.witness = WITNESS_GATEWAY;
		s.nodes[i].heart.gateway_floor = s.now;
	}
	run_with_gateway(true, true, SECONDS(1));
	return stage_holds(&s, 0) ? 0 : -1;
}

static void a_node_that_lost_the_gateway_hands_over_after_ten_probes(void **state)
{
	nanos lost = s.now;

	run_with_gateway(false, true, SECONDS(2));
	assert_true(stage_holds(&s, 1) && !stage_holds(&s, 0));
	assert_string_equal(s.nodes[0].last_why, "this node lost the gateway, and the peer did not");
	assert_in_range(s.nodes[1].claimed_at - lost, MS(800), MS(1100));
	run_with_gateway(true, true, SECONDS(3));
	assert_true(stage_holds(&s, 1));
	assert_int_equal(s.nodes[0].claims + s.nodes[1].claims, 2);
}

static void a_gateway_that_both_lost_moves_nothing(void **state)
{
	run_with_gateway(true, false, MS(250)); /* the passive notices first, or last */
	run_with_gateway(false, false, SECONDS(5));
	assert_true(stage_holds(&s, 0));
	run_with_gateway(false, true, MS(150)); /* back, at the passive first */
	run_with_gateway(true, true, SECONDS(2));
	run_with_gateway(false, true, MS(250));
	run_with_gateway(false, false, SECONDS(5));
	assert_true(stage_holds(&s, 0));
	assert_int_equal(s.nodes[0].claims + s.nodes[1].claims, 1);
}

static void servers_weigh_more_than_the_gateway(void **state)
{
	servers(0, false);
	run_with_gateway(true, false, SECONDS(2));
	both_look(false, true);
	run_with_gateway(true, false, SECONDS(2));
	assert_true(stage_holds(&s, 1));
	assert_int_equal(s.nodes[0].claims + s.nodes[1].claims, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_node_that_lost_its_servers_hands_over_when_both_have_looked_again),
		STORY(where_both_lost_them_nobody_moves),
		STORY(it_goes_back_when_the_other_one_loses_them),
		STORY(a_node_without_servers_still_takes_over_from_a_dead_one),
		STORY(preempt_does_not_give_to_a_node_that_reaches_less),
		cmocka_unit_test_setup(a_node_that_lost_the_gateway_hands_over_after_ten_probes,
				       with_gateway),
		cmocka_unit_test_setup(a_gateway_that_both_lost_moves_nothing, with_gateway),
		cmocka_unit_test_setup(servers_weigh_more_than_the_gateway, with_gateway),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
