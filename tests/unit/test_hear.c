/* rooms: heartbeat/core.c heartbeat/hear.c heartbeat/obey.c heartbeat/orders.c heartbeat/act.c heartbeat/damping.c heartbeat/life.c heartbeat/detect.c heartbeat/election.c heartbeat/lease.c heartbeat/replay.c heartbeat/witness.c */
/*
 * test_hear.c: what a datagram tells.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/heart_story.h"

static void a_peer_that_said_goodbye_breaks_no_link(void **state)
{
	(void)state;
	out.n = 0;
	heart_stop(&s.nodes[1].heart, s.now, &out);
	stage_perform(&s, 1, &out);
	stage_run(&s, SECONDS(1));
	assert_false(s.nodes[0].heart.detect.links[0].up);
	assert_int_equal(s.nodes[0].links_down, 0);
	stage_boot(&s, 1);
	stage_run(&s, SECONDS(2));
	assert_true(s.nodes[0].heart.detect.links[0].up);
	kill_node(1);
	stage_run(&s, SECONDS(1));
	assert_int_equal(s.nodes[0].links_down, 2);
}

static void the_round_trip_of_every_link_is_known_after_a_few_intervals(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	s.cut_link = -1;
	s.now = SECONDS(500);
	stage_boot(&s, 0);
	stage_boot(&s, 1);
	stage_run(&s, 3 * INTERVAL);
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned link = 0; link < 2; link++)
			assert_in_range(s.nodes[i].heart.detect.links[link].rtt, 2 * STEP, 3 * STEP);
	}
}

static void a_stranger_is_told_when_it_stays_one(void **state)
{
	(void)state;
	assert_int_equal(s.nodes[0].strangers + s.nodes[1].strangers, 0);
	kill_node(1);
	s.cut[1] = true;
	stage_run(&s, SECONDS(1));
	stage_boot(&s, 1);
	stage_run(&s, DEAD - MS(1));
	assert_int_equal(s.nodes[0].strangers, 0);
	stage_run(&s, 2 * INTERVAL);
	assert_int_equal(s.nodes[0].strangers, 1);
}

/* What waited on the way (for a neighbour's address, while the cable was out) until its sender was dead since long. */
static void a_late_word_of_a_dead_peer_costs_its_heir_nothing(void **state)
{
	struct heart *heir = &s.nodes[1].heart;
	struct wire_message m;

	(void)state;
	kill_node(0);
	m = heir->peer;
	m.sequence += 100;
	m.state = NODE_FAULT;
	m.hold = DEAD;
	stage_run(&s, SECONDS(2));
	assert_true(stage_holds(&s, 1));
	out.n = 0;
	assert_int_equal(heart_receive(heir, m.link, &m, s.now, &out), REJECT_NONE);
	stage_perform(&s, 1, &out);
	for (nanos end = s.now + 4 * DEAD; s.now < end;) {
		stage_run(&s, MS(1));
		assert_true(stage_holds(&s, 1));
	}
	assert_true(heir->peer_lost);
}

static void a_message_of_somebody_else_is_refused_by_name(void **state)
{
	struct wire_message m = s.nodes[0].heart.peer;

	(void)state;
	m.sequence += 1000;
	m.node = 9;
	assert_int_equal(heart_receive(&s.nodes[0].heart, 0, &m, s.now, &out), REJECT_NODE);
	m.node = 1; /* reflected */
	assert_int_equal(heart_receive(&s.nodes[0].heart, 0, &m, s.now, &out), REJECT_NODE);
	m.node = 2;
	m.link = 1;
	assert_int_equal(heart_receive(&s.nodes[0].heart, 0, &m, s.now, &out), REJECT_LINK);
	m.link = 0;
	m.boot += 7;
	m.echo_boot = 0;
	assert_int_equal(heart_receive(&s.nodes[0].heart, 0, &m, s.now, &out), REJECT_BOOT);
	m = s.nodes[0].heart.peer;
	assert_int_equal(heart_receive(&s.nodes[0].heart, m.link, &m, s.now, &out), REJECT_REPLAY);
}

static void cut_towards(unsigned node, int link)
{
	s.cut[node] = true;
	s.cut_link = link;
}

static void a_one_way_link_is_told_by_both_once_and_so_is_its_end(void **state)
{
	(void)state;
	cut_towards(1, 1);
	stage_run(&s, 2 * DEAD);
	assert_int_equal(s.nodes[0].one_way + s.nodes[1].one_way,
			 0); /* it may be down in both directions yet */
	stage_run(&s, DEAD);
	assert_int_equal(s.nodes[0].heart.detect.links[1].way, LINK_UNHEARD);
	assert_int_equal(s.nodes[1].heart.detect.links[1].way, LINK_DEAF);
	stage_run(&s, SECONDS(5));
	assert_int_equal(s.nodes[0].one_way, 1);
	assert_int_equal(s.nodes[1].one_way, 1);
	assert_int_equal(s.nodes[1].links_down, 1);
	assert_int_equal(s.nodes[0].links_down, 0);
	s.cut[1] = false;
	stage_run(&s, 2 * INTERVAL);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(s.nodes[i].two_way, 1);
		assert_int_equal(s.nodes[i].heart.detect.links[1].way, LINK_PLAIN);
		assert_int_equal(s.nodes[i].heart.detect.links[0].way, LINK_PLAIN);
	}
	assert_int_equal(s.nodes[0].one_way, 1);
}

static void a_link_that_is_down_in_both_directions_is_not_one_way(void **state)
{
	(void)state;
	cut_towards(0, 1);
	s.cut[1] = true;
	stage_run(&s, SECONDS(5));
	assert_int_equal(s.nodes[0].links_down + s.nodes[1].links_down, 2);
	s.cut[0] = s.cut[1] = false;
	stage_run(&s, SECONDS(1));
	assert_int_equal(s.nodes[0].one_way + s.nodes[1].one_way, 0);
	assert_int_equal(s.nodes[0].two_way + s.nodes[1].two_way, 0);
}

static void a_start_and_a_death_make_no_link_one_way(void **state)
{
	(void)state;
	assert_int_equal(s.nodes[0].one_way + s.nodes[1].one_way, 0);
	kill_node(1);
	stage_run(&s, SECONDS(5));
	stage_boot(&s, 1);
	stage_run(&s, SECONDS(5));
	assert_int_equal(s.nodes[0].one_way + s.nodes[1].one_way, 0);
}

/* The only way left: who is not heard is told by the one that hears. */
static void a_cut_of_everything_towards_one_node_is_told_by_the_other(void **state)
{
	(void)state;
	cut_towards(0, -1);
	stage_run(&s, SECONDS(1));
	assert_int_equal(s.nodes[1].one_way, 2);
	assert_int_equal(s.nodes[1].heart.detect.links[0].way, LINK_UNHEARD);
	assert_int_equal(s.nodes[0].one_way, 0); /* it hears nothing, so it can't know */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_peer_that_said_goodbye_breaks_no_link),
		STORY(a_stranger_is_told_when_it_stays_one),
		STORY(the_round_trip_of_every_link_is_known_after_a_few_intervals),
		STORY(a_late_word_of_a_dead_peer_costs_its_heir_nothing),
		STORY(a_message_of_somebody_else_is_refused_by_name),
		STORY(a_one_way_link_is_told_by_both_once_and_so_is_its_end),
		STORY(a_link_that_is_down_in_both_directions_is_not_one_way),
		STORY(a_start_and_a_death_make_no_link_one_way),
		STORY(a_cut_of_everything_towards_one_node_is_told_by_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
