/* rooms: heartbeat/core.c heartbeat/act.c heartbeat/life.c heartbeat/detect.c heartbeat/election.c heartbeat/lease.c heartbeat/replay.c */
/*
 * test_core.c: the stories of a pair. The simulator (tests/sim) goes through what nobody thought of; these are the ones that
 * somebody did.
 */
#include "tests/unit/heart_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define INTERVAL MS(50)
#define DEAD     MS(150)

static struct stage s;
static struct heart_actions out;

static int begin(void **state)
{
	(void)state;
	stage_begin(&s);
	return 0;
}

static void kill_node(unsigned i)
{
	s.nodes[i].runs = false;
}

static void do_fitness(unsigned i, enum fitness_class class)
{
	out.n = 0;
	heart_fitness(&s.nodes[i].heart, class, s.now, &out);
	stage_perform(&s, i, &out);
}

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

static void a_renewal_that_took_half_the_margin_closes_everything(void **state)
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

static void a_lapsed_fence_is_not_renewed(void **state)
{
	unsigned claims = s.nodes[0].claims;

	(void)state;
	s.nodes[0].fence_until = s.now; /* the kernel let it lapse */
	stage_run(&s, INTERVAL);
	assert_int_equal(s.nodes[0].claims, claims);
	assert_true(stage_holds(&s, 1));
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
	assert_int_equal(s.nodes[0].claims, 1);
	assert_true(stage_holds(&s, 0));
}

static void preempt_gives_the_vip_back_to_the_higher_priority(void **state)
{
	struct heart_settings settings;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		settings = stage_settings(i);
		settings.preempt = true;
		out.n = 0;
		heart_change(&s.nodes[i].heart, &settings, s.now, &out);
		stage_perform(&s, i, &out);
	}
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

static void preempt_does_not_undo_the_operators_switchover(void **state)
{
	struct heart_settings settings;
	const char *text;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		settings = stage_settings(i);
		settings.preempt = true;
		out.n = 0;
		heart_change(&s.nodes[i].heart, &settings, s.now, &out);
		stage_perform(&s, i, &out);
	}
	assert_int_equal(heart_switchover(&s.nodes[0].heart, s.now, &text, &out), 0);
	stage_perform(&s, 0, &out);
	stage_run(&s, SECONDS(5));
	assert_true(stage_holds(&s, 1));
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

/* Handing over without breaking connections */

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

static int switch_over(unsigned i)
{
	const char *text;
	int error;

	out.n = 0;
	error = heart_switchover(&s.nodes[i].heart, s.now, &text, &out);
	stage_perform(&s, i, &out);
	return error;
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
#define TEST(name) cmocka_unit_test_setup(name, begin)
	const struct CMUnitTest tests[] = {
		TEST(both_started_at_once_make_one_active_with_one_transition_each),
		TEST(a_node_alone_is_active_after_start_wait),
		TEST(a_single_node_configuration_waits_for_nothing),
		TEST(passive_waits_out_the_old_lease),
		TEST(the_death_of_the_passive_never_closes_the_fence),
		TEST(an_active_that_is_not_heard_yields_before_the_other_claims),
		TEST(an_active_that_hears_nothing_but_is_heard_keeps_the_vip),
		TEST(a_split_heals_within_two_intervals_with_a_higher_epoch),
		TEST(after_a_split_the_one_with_the_clients_keeps),
		TEST(an_unfit_active_hands_over_in_the_same_turn),
		TEST(an_unfit_active_stays_when_nobody_better_is_there),
		TEST(an_unfit_node_claims_nothing_and_claims_when_it_is_fit),
		TEST(the_fence_is_closed_before_released_is_said),
		TEST(switchover_moves_once_and_reports),
		TEST(switchover_is_refused_without_a_peer_that_can_take_it),
		TEST(a_switchover_that_nobody_takes_comes_back),
		TEST(a_goodbye_hands_over_at_once_and_ends),
		TEST(the_goodbye_of_the_passive_changes_nothing),
		TEST(a_stop_ends_without_an_answer_too),
		TEST(a_lost_interface_is_a_fault_and_hands_over),
		TEST(what_the_kernel_refuses_is_left_to_the_peer),
		TEST(a_refused_claim_is_tried_less_and_less_often),
		TEST(an_interface_that_comes_back_does_not_end_a_hold_down),
		TEST(a_starting_node_waits_for_its_carrier),
		TEST(a_node_that_got_no_carrier_is_at_fault_after_start_wait),
		TEST(a_peer_that_said_goodbye_breaks_no_link),
		TEST(a_stranger_is_told_when_it_stays_one),
		TEST(the_round_trip_of_every_link_is_known_after_a_few_intervals),
		TEST(a_restarted_role_goes_on_within_its_lease),
		TEST(a_role_restarted_too_late_is_passive),
		TEST(a_role_that_died_after_closing_its_fence_does_not_open_it_again),
		TEST(a_renewal_that_took_half_the_margin_closes_everything),
		TEST(a_lapsed_fence_is_not_renewed),
		TEST(a_late_turn_proves_no_silence),
		TEST(preempt_gives_the_vip_back_to_the_higher_priority),
		TEST(preempt_does_not_undo_the_operators_switchover),
		TEST(a_message_of_somebody_else_is_refused_by_name),
		TEST(every_claim_has_a_higher_epoch_than_all_before),
		TEST(the_vip_is_given_only_when_both_are_prepared),
		TEST(both_put_back_when_the_last_connection_has_ended),
		TEST(a_drain_ends_at_its_timeout),
		TEST(a_peer_that_cannot_prepare_gets_it_plainly),
		TEST(a_preparation_that_is_never_done_does_not_hold_up_the_order),
		TEST(a_peer_of_an_older_version_gets_it_plainly_and_at_once),
		TEST(a_peer_that_dies_while_it_prepares_gets_nothing),
		TEST(a_giver_that_dies_while_it_prepares_is_taken_over_from),
		TEST(a_node_that_drains_takes_the_vip_back_from_a_dead_peer),
		TEST(a_second_switchover_during_a_drain_goes_back_the_same_way),
		TEST(an_active_that_stops_serves_its_connections_first),
		TEST(a_second_stop_ends_the_drain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
