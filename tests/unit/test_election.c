/* rooms: heartbeat/election.c */
/*
 * test_election.c: the order is total, the table is whole.
 */
#include "heartbeat/election.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static struct election_standing standing(unsigned code, uint64_t node)
{
	return (struct election_standing){
		.usable = code & 1,
		.fitness = (uint8_t)(code / 2 % FITNESS_COUNT),
		.priority = 100 + code / 6 % 2,
		.connections = code / 12 % 2,
		.epoch = 5 + code / 24 % 2,
		.node = node,
	};
}

#define CODES 48

static void one_of_two_is_always_first(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CODES; i++) {
		for (unsigned j = 0; j < CODES; j++) {
			struct election_standing a = standing(i, 1), b = standing(j, 2);

			assert_true(election_first(&a, &b) != election_first(&b, &a));
			assert_true(election_keeps(&a, &b) != election_keeps(&b, &a));
			assert_false(election_fitter(&a, &b) && election_fitter(&b, &a));
		}
	}
}

static void who_cannot_serve_is_never_first_before_one_who_can(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CODES; i++) {
		for (unsigned j = 0; j < CODES; j++) {
			struct election_standing a = standing(i, 1), b = standing(j, 2);

			if (election_can_serve(&a) && !election_can_serve(&b))
				assert_true(election_first(&a, &b));
		}
	}
}

static void fitness_goes_before_priority_and_priority_before_node(void **state)
{
	struct election_standing a = {true, FITNESS_OK, 1, 1, 0, 0, REACH_ALL},
				 b = {true, FITNESS_NO_LISTENER, 255, 9, 0, 0, REACH_ALL};

	(void)state;
	assert_true(election_first(&a, &b));
	b.fitness = FITNESS_OK;
	assert_true(election_first(&b, &a));
	b.priority = 1;
	assert_true(election_first(&b, &a));
	b.node = 0;
	assert_true(election_first(&a, &b));
}

static void what_is_reached_decides_within_a_class_and_servers_weigh_more(void **state)
{
	struct election_standing a = {true, FITNESS_OK, 1, 1, 0, 0, REACH_SERVERS},
				 b = {true, FITNESS_OK, 255, 9, 9, 9, REACH_GATEWAY};

	(void)state;
	assert_true(election_first(&a, &b) && election_keeps(&a, &b) && election_fitter(&a, &b));
	assert_false(election_fitter(&b, &a));
	b.reach = 0;
	a.reach = REACH_GATEWAY;
	assert_true(election_fitter(&a, &b));
	a.reach = 0;
	assert_false(election_fitter(&a, &b) || election_fitter(&b, &a)); /* both lost it */
	a.reach = REACH_ALL;
	a.fitness = FITNESS_NO_LISTENER;
	assert_false(election_fitter(&a, &b));
	assert_true(election_first(&b, &a));
}

static void after_a_split_clients_go_before_the_epoch(void **state)
{
	struct election_standing a = {true, FITNESS_OK, 1, 1, 10, 3, REACH_ALL},
				 b = {true, FITNESS_OK, 255, 9, 9, 8, REACH_ALL};

	(void)state;
	assert_true(election_keeps(&a, &b));
	a.connections = 9;
	assert_true(election_keeps(&b, &a));
	b.epoch = 3;
	assert_true(election_keeps(&b, &a));
	a.fitness = FITNESS_DEAD;
	b.connections = 0;
	assert_true(election_keeps(&b, &a));
}

static void two_unfit_nodes_move_nothing(void **state)
{
	struct election_standing a = {true, FITNESS_DEAD, 1, 1, 0, 0, REACH_ALL},
				 b = {true, FITNESS_NO_LISTENER, 255, 9, 0, 0, REACH_ALL};

	(void)state;
	assert_false(election_fitter(&b, &a));
	assert_false(election_fitter(&a, &b));
}

static void every_cell_is_written_with_its_reason(void **state)
{
	(void)state;
	for (enum node_state s = 0; s < NODE_STATE_COUNT; s++) {
		for (enum election_event e = 0; e < ELECTION_EVENT_COUNT; e++) {
			const struct election_cell *cell = election_cell(s, e);
			bool moves = cell->act == ELECTION_MOVE || cell->act == ELECTION_CLAIM ||
				     cell->act == ELECTION_YIELD;

			assert_non_null(cell->why);
			assert_true(strlen(cell->why) > 5);
			assert_true(moves == (cell->next != NODE_STATE_COUNT));
			assert_true(cell->next != s);
		}
	}
}

static void only_a_claim_leads_to_active_and_only_a_yield_away_from_it(void **state)
{
	(void)state;
	for (enum node_state s = 0; s < NODE_STATE_COUNT; s++) {
		for (enum election_event e = 0; e < ELECTION_EVENT_COUNT; e++) {
			const struct election_cell *cell = election_cell(s, e);

			assert_true((cell->next == NODE_ACTIVE) == (cell->act == ELECTION_CLAIM));
			assert_true(s == NODE_ACTIVE || cell->act != ELECTION_YIELD);
			assert_true(s != NODE_ACTIVE ||
				    (cell->act != ELECTION_MOVE && cell->act != ELECTION_CLAIM));
		}
	}
}

static void a_node_in_fault_claims_nothing(void **state)
{
	(void)state;
	for (enum election_event e = 0; e < ELECTION_EVENT_COUNT; e++) {
		const struct election_cell *cell = election_cell(NODE_FAULT, e);

		assert_true(cell->act != ELECTION_CLAIM && cell->act != ELECTION_ASK);
	}
}

static void every_event_has_a_name(void **state)
{
	(void)state;
	for (enum election_event e = 0; e < ELECTION_EVENT_COUNT; e++) {
		assert_non_null(election_event_name(e));
		assert_string_not_equal(election_event_name(e), "?");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_two_is_always_first),
		cmocka_unit_test(who_cannot_serve_is_never_first_before_one_who_can),
		cmocka_unit_test(fitness_goes_before_priority_and_priority_before_node),
		cmocka_unit_test(what_is_reached_decides_within_a_class_and_servers_weigh_more),
		cmocka_unit_test(after_a_split_clients_go_before_the_epoch),
		cmocka_unit_test(two_unfit_nodes_move_nothing),
		cmocka_unit_test(every_cell_is_written_with_its_reason),
		cmocka_unit_test(only_a_claim_leads_to_active_and_only_a_yield_away_from_it),
		cmocka_unit_test(a_node_in_fault_claims_nothing),
		cmocka_unit_test(every_event_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
