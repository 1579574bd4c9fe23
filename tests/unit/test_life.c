/* rooms: heartbeat/core.c heartbeat/hear.c heartbeat/obey.c heartbeat/orders.c heartbeat/act.c heartbeat/damping.c heartbeat/life.c heartbeat/detect.c heartbeat/election.c heartbeat/lease.c heartbeat/replay.c heartbeat/witness.c */
/*
 * test_life.c: a new process in an old life.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/heart_story.h"

static void a_restarted_role_goes_on_within_its_lease(void **state)
{
	static struct memory_record record;
	struct heart_settings settings = stage_settings(0);
	bool holds = false;

	(void)state;
	heart_save(&s.nodes[0].heart, s.now, &record);
	kill_node(0);
	stage_run(&s, MS(60));
	out.n = 0;
	assert_true(heart_resume(&s.nodes[0].heart, &settings, &record, s.now, &holds, &out));
	assert_true(holds);
	s.nodes[0].runs = true;
	stage_perform(&s, 0, &out);
	assert_true(s.nodes[0].heart.sequence > record.sequence + MEMORY_SEQUENCES);
	for (int k = 0; k < 10000; k++) {
		stage_step(&s);
		assert_true(stage_holds(&s, 0));
	}
	assert_int_equal(s.nodes[1].claims, 0);
	assert_int_equal(s.nodes[0].claims, 1);
}

static void a_role_restarted_too_late_is_passive(void **state)
{
	static struct memory_record record;
	struct heart_settings settings = stage_settings(0);
	bool holds = true;

	(void)state;
	heart_save(&s.nodes[0].heart, s.now, &record);
	kill_node(0);
	stage_run(&s, DEAD - MS(5));
	s.nodes[0].address = false;
	out.n = 0;
	assert_true(heart_resume(&s.nodes[0].heart, &settings, &record, s.now, &holds, &out));
	assert_false(holds);
	assert_int_equal(s.nodes[0].heart.state, NODE_PASSIVE);
	s.nodes[0].runs = true;
	stage_perform(&s, 0, &out);
	stage_run(&s, SECONDS(2));
	assert_true(stage_holds(&s, 0) != stage_holds(&s, 1));
	assert_false(s.overlapped);
}

static void a_role_that_died_after_closing_its_fence_does_not_open_it_again(void **state)
{
	static struct memory_record record;
	struct heart_settings settings = stage_settings(0);
	bool holds;

	(void)state;
	heart_save(&s.nodes[0].heart, s.now, &record);
	do_fitness(0, FITNESS_DEAD); /* closed, released; not saved */
	kill_node(0);
	stage_run(&s, MS(5));
	out.n = 0;
	assert_true(heart_resume(&s.nodes[0].heart, &settings, &record, s.now, &holds, &out));
	s.nodes[0].runs = true;
	stage_perform(&s, 0, &out);
	stage_run(&s, SECONDS(1));
	assert_false(s.overlapped);
	assert_true(stage_holds(&s, 1));
}

static void a_restarted_role_is_held_down_as_before(void **state)
{
	static struct memory_record record;
	struct heart_settings settings = stage_settings(0);
	bool holds;

	(void)state;
	for (unsigned i = 0; i < DAMPING_MOVES; i++)
		damping_move(&s.nodes[0].heart.damping, s.now);
	s.nodes[0].heart.held_down = true;
	heart_save(&s.nodes[0].heart, s.now, &record);
	out.n = 0;
	assert_true(heart_resume(&s.nodes[0].heart, &settings, &record, s.now, &holds, &out));
	stage_perform(&s, 0, &out);
	stage_run(&s, DAMPING_HOLD - INTERVAL);
	assert_true(s.nodes[1].heart.peer.flags & WIRE_HELD_DOWN);
	assert_int_equal(s.nodes[0].calm, 0);
	stage_run(&s, INTERVAL + MS(1));
	assert_false(s.nodes[1].heart.peer.flags & WIRE_HELD_DOWN);
	assert_int_equal(s.nodes[0].calm, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_restarted_role_goes_on_within_its_lease),
		STORY(a_role_restarted_too_late_is_passive),
		STORY(a_role_that_died_after_closing_its_fence_does_not_open_it_again),
		STORY(a_restarted_role_is_held_down_as_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
