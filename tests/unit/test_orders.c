/* rooms: heartbeat/core.c heartbeat/hear.c heartbeat/obey.c heartbeat/orders.c heartbeat/act.c heartbeat/damping.c heartbeat/life.c heartbeat/detect.c heartbeat/election.c heartbeat/lease.c heartbeat/replay.c */
/*
 * test_orders.c: handing over without breaking connections.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/heart_story.h"

static void let_both_drain(void)
{
	for (unsigned i = 0; i < 2; i++) {
		struct heart_settings settings = stage_settings(i);

		settings.can_drain = true;
		settings.drain_timeout = SECONDS(20);
		out.n = 0;
		heart_change(&s.nodes[i].heart, &settings, s.now, &out);
		stage_perform(&s, i, &out);
	}
	stage_run(&s, INTERVAL);
}

static void stop_node(unsigned i)
{
	out.n = 0;
	heart_stop(&s.nodes[i].heart, s.now, &out);
	stage_perform(&s, i, &out);
}

static void last_connection_ends(unsigned i)
{
	out.n = 0;
	heart_drained(&s.nodes[i].heart, s.now, &out);
	stage_perform(&s, i, &out);
}

/* From node 0 to node 1, both prepared. */
static void order_a_drain(void)
{
	let_both_drain();
	assert_int_equal(switch_over(0), 0);
	stage_run(&s, MS(1));
}

static void hand_over(void)
{
	order_a_drain();
	stage_answer(&s, 0, true);
	stage_answer(&s, 1, true);
	stage_run(&s, MS(2));
}

static void the_vip_is_given_only_when_both_are_prepared(void **state)
{
	(void)state;
	let_both_drain();
	assert_int_equal(switch_over(0), 0);
	stage_run(&s, MS(20));
	assert_true(s.nodes[0].preparing && s.nodes[1].preparing);
	stage_answer(&s, 0, true);
	stage_run(&s, MS(20));
	assert_true(stage_holds(&s, 0));
	stage_answer(&s, 1, true);
	stage_run(&s, MS(1));
	assert_true(stage_holds(&s, 1));
	assert_true(s.nodes[0].drains);
	assert_int_equal(s.nodes[0].resets, 0);
	assert_int_equal(s.nodes[0].heart.state, NODE_DRAINING);
	assert_int_equal(s.nodes[0].switched, 0);
	assert_true(s.nodes[0].closed_at <= s.nodes[1].claimed_at);
	assert_null(s.nodes[0].heart.handover.plain);
	assert_false(s.overlapped);
}

static void both_put_back_when_the_last_connection_has_ended(void **state)
{
	(void)state;
	hand_over();
	stage_run(&s, SECONDS(5));
	assert_int_equal(s.nodes[0].heart.state, NODE_DRAINING);
	assert_int_equal(s.nodes[0].undrained + s.nodes[1].undrained, 0);
	last_connection_ends(0);
	stage_run(&s, MS(2));
	assert_int_equal(s.nodes[0].heart.state, NODE_PASSIVE);
	assert_int_equal(s.nodes[0].undrained, 1);
	assert_int_equal(s.nodes[1].undrained, 1);
	assert_true(stage_holds(&s, 1));
}

static void a_drain_ends_at_its_timeout(void **state)
{
	(void)state;
	hand_over();
	stage_run(&s, SECONDS(20));
	assert_int_equal(s.nodes[0].heart.state, NODE_PASSIVE);
	assert_int_equal(s.nodes[1].undrained, 1);
}

static void a_peer_that_cannot_prepare_gets_it_plainly(void **state)
{
	(void)state;
	order_a_drain();
	stage_answer(&s, 0, true);
	stage_answer(&s, 1, false);
	stage_run(&s, MS(2));
	assert_true(stage_holds(&s, 1));
	assert_int_equal(s.nodes[0].heart.state, NODE_PASSIVE);
	assert_int_equal(s.nodes[0].switched, 0);
	assert_non_null(s.nodes[0].heart.handover.plain);
	assert_int_equal(s.nodes[0].undrained, 1);
}

static void a_preparation_that_is_never_done_does_not_hold_up_the_order(void **state)
{
	(void)state;
	let_both_drain();
	assert_int_equal(switch_over(0), 0);
	stage_run(&s, SECONDS(2));
	assert_true(stage_holds(&s, 0));
	assert_int_equal(switch_over(0), -EALREADY);
	stage_run(&s, SECONDS(1) + MS(2));
	assert_true(stage_holds(&s, 1));
	assert_int_equal(s.nodes[0].switched, 0);
}

static void a_peer_of_an_older_version_gets_it_plainly_and_at_once(void **state)
{
	(void)state;
	let_both_drain();
	s.nodes[0].heart.peer.handover = 0;
	s.nodes[0].heart.peer.version = 1;
	assert_int_equal(switch_over(0), 0);
	assert_false(stage_holds(&s, 0));
	assert_string_equal(s.nodes[0].heart.handover.plain, "the peer is of an older version");
}

static void a_peer_that_dies_while_it_prepares_gets_nothing(void **state)
{
	(void)state;
	order_a_drain();
	stage_answer(&s, 0, true);
	kill_node(1);
	stage_run(&s, SECONDS(1));
	assert_true(stage_holds(&s, 0));
	assert_int_equal(s.nodes[0].transitions, 1);
	assert_true(s.nodes[0].switched < 0);
	assert_int_equal(s.nodes[0].undrained, 1);
}

static void a_giver_that_dies_while_it_prepares_is_taken_over_from(void **state)
{
	(void)state;
	order_a_drain();
	stage_answer(&s, 1, true);
	kill_node(0);
	stage_run(&s, DEAD + MS(5));
	assert_true(stage_holds(&s, 1));
	assert_int_equal(s.nodes[1].undrained, 1);
	assert_false(s.overlapped);
}

static void a_node_that_drains_takes_the_vip_back_from_a_dead_peer(void **state)
{
	(void)state;
	hand_over();
	stage_run(&s, SECONDS(1));
	kill_node(1);
	stage_run(&s, 2 * DEAD);
	assert_true(stage_holds(&s, 0));
	assert_int_equal(s.nodes[0].undrained, 1);
	assert_false(s.overlapped);
}

static void a_second_switchover_during_a_drain_goes_back_the_same_way(void **state)
{
	(void)state;
	hand_over();
	stage_run(&s, SECONDS(1));
	assert_int_equal(switch_over(1), 0);
	stage_run(&s, MS(1));
	assert_int_equal(s.nodes[0].prepares, 2);
	stage_answer(&s, 1, true);
	stage_run(&s, MS(1));
	assert_true(stage_holds(&s, 1)); /* that it was prepared the first time is not enough */
	stage_answer(&s, 0, true);
	stage_run(&s, MS(2));
	assert_true(stage_holds(&s, 0));
	assert_int_equal(s.nodes[1].heart.state, NODE_DRAINING);
	assert_int_equal(s.nodes[0].undrained, 0);
	last_connection_ends(1);
	stage_run(&s, MS(2));
	assert_int_equal(s.nodes[0].undrained, 1);
	assert_int_equal(s.nodes[1].undrained, 1);
	assert_false(s.overlapped);
}

static void an_active_that_stops_serves_its_connections_first(void **state)
{
	(void)state;
	let_both_drain();
	stop_node(0);
	stage_run(&s, MS(1));
	stage_answer(&s, 0, true);
	stage_answer(&s, 1, true);
	stage_run(&s, SECONDS(3));
	assert_true(stage_holds(&s, 1));
	assert_false(s.nodes[0].stopped);
	last_connection_ends(0);
	stage_run(&s, 3 * INTERVAL);
	assert_true(s.nodes[0].stopped);
	assert_true(s.nodes[1].heart.detect.gone);
}

static void a_second_stop_ends_the_drain(void **state)
{
	(void)state;
	let_both_drain();
	stop_node(0);
	stage_run(&s, MS(1));
	stage_answer(&s, 0, true);
	stage_answer(&s, 1, true);
	stage_run(&s, SECONDS(3));
	stop_node(0);
	stage_run(&s, 3 * INTERVAL);
	assert_true(s.nodes[0].stopped);
	assert_true(stage_holds(&s, 1));
	assert_int_equal(s.nodes[1].undrained, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(the_vip_is_given_only_when_both_are_prepared),
		STORY(both_put_back_when_the_last_connection_has_ended),
		STORY(a_drain_ends_at_its_timeout),
		STORY(a_peer_that_cannot_prepare_gets_it_plainly),
		STORY(a_preparation_that_is_never_done_does_not_hold_up_the_order),
		STORY(a_peer_of_an_older_version_gets_it_plainly_and_at_once),
		STORY(a_peer_that_dies_while_it_prepares_gets_nothing),
		STORY(a_giver_that_dies_while_it_prepares_is_taken_over_from),
		STORY(a_node_that_drains_takes_the_vip_back_from_a_dead_peer),
		STORY(a_second_switchover_during_a_drain_goes_back_the_same_way),
		STORY(an_active_that_stops_serves_its_connections_first),
		STORY(a_second_stop_ends_the_drain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
