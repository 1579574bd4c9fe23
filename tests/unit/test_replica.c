/* rooms: hapair/sync/replica.c hapair/base/msg.c hapair/base/addr.c */
#include "hapair/sync/replica.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct replica *fresh(void)
{
	struct replica *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	return r;
}

static struct server_wanted wanted(const char *server)
{
	struct server_wanted w = {0};

	MSG_TEXT(w.pool, "web");
	MSG_TEXT(w.server, server);
	return w;
}

static void say(struct replica *r, const char *node, int64_t wall_ms, const char *server, unsigned action,
		uint16_t weight, unsigned fields)
{
	struct server_wanted w = wanted(server);

	w.action = (uint8_t)action;
	w.weight = weight;
	assert_int_equal(replica_say(r, &w, fields, node, wall_ms), 0);
}

static void merge_all(struct replica *to, const struct replica *from)
{
	for (size_t i = 0; i < from->n; i++)
		assert_true(replica_merge(to, &from->records[i]) >= 0);
}

/* Everything that the digest cannot tell. */
static void assert_same(const struct replica *a, const struct replica *b)
{
	assert_int_equal(a->n, b->n);
	assert_true(a->sum == b->sum);
	for (size_t i = 0; i < a->n; i++) {
		const struct replica_record *other =
			replica_find(b, a->records[i].wanted.pool, a->records[i].wanted.server);

		assert_non_null(other);
		assert_int_equal(a->records[i].wanted.action, other->wanted.action);
		assert_int_equal(a->records[i].wanted.weight, other->wanted.weight);
		assert_int_equal(a->records[i].wanted.existence, other->wanted.existence);
	}
}

#define ACTION (1u << REPLICA_ACTION)
#define WEIGHT (1u << REPLICA_WEIGHT)

static void after_a_split_the_later_word_counts_for_each_register(void **state)
{
	struct replica *alpha = fresh(), *beta = fresh();

	say(alpha, "alpha", 1000, "s1", SERVER_ACTION_DRAIN, 0, ACTION);
	say(beta, "beta", 2000, "s1", 0, 7, WEIGHT);
	say(beta, "beta", 2500, "s1", SERVER_ACTION_MAINT, 0, ACTION);
	say(alpha, "alpha", 3000, "s1", 0, 9, WEIGHT);
	merge_all(alpha, beta);
	merge_all(beta, alpha);
	assert_same(alpha, beta);
	assert_int_equal(replica_find(beta, "web", "s1")->wanted.action, SERVER_ACTION_MAINT);
	assert_int_equal(replica_find(beta, "web", "s1")->wanted.weight, 9);
	free(alpha);
	free(beta);
}

static void at_the_same_moment_the_greater_name_counts_on_both(void **state)
{
	struct replica *alpha = fresh(), *beta = fresh();

	say(alpha, "alpha", 1000, "s1", SERVER_ACTION_DRAIN, 0, ACTION);
	say(beta, "beta", 1000, "s1", SERVER_ACTION_MAINT, 0, ACTION);
	merge_all(alpha, beta);
	merge_all(beta, alpha);
	assert_same(alpha, beta);
	assert_int_equal(replica_find(alpha, "web", "s1")->wanted.action, SERVER_ACTION_MAINT);
	free(alpha);
	free(beta);
}

static void a_clock_that_steps_back_does_not_undo_a_new_word(void **state)
{
	struct replica *alpha = fresh(), *beta = fresh();

	say(alpha, "alpha", 1000000, "s1", SERVER_ACTION_DRAIN, 0, ACTION);
	merge_all(beta, alpha);
	say(beta, "beta", 5, "s1", SERVER_ACTION_READY, 0, ACTION);
	assert_int_equal(replica_merge(alpha, replica_find(beta, "web", "s1")), 1);
	assert_int_equal(replica_find(alpha, "web", "s1")->wanted.action, SERVER_ACTION_READY);
	free(alpha);
	free(beta);
}

static void what_was_taken_back_stays_known_and_is_not_brought_back(void **state)
{
	struct replica *alpha = fresh(), *beta = fresh();
	struct server_wanted w = wanted("s9");

	w.existence = SERVER_ADDED;
	w.added_weight = 1;
	replica_say(alpha, &w, REPLICA_ALL, "alpha", 10);
	merge_all(beta, alpha);
	w.existence = SERVER_REMOVED;
	replica_say(alpha, &w, REPLICA_ALL, "alpha", 20);
	merge_all(alpha, beta); /* the old record, late */
	assert_int_equal(replica_find(alpha, "web", "s9")->wanted.existence, SERVER_REMOVED);
	merge_all(beta, alpha);
	assert_same(alpha, beta);
	free(alpha);
	free(beta);
}

/* Three histories of writes, delivered in random orders, some twice, to fresh replicas: always the same state. */
static void order_and_repetition_make_no_difference(void **state)
{
	enum { WRITES = 300 };
	static struct replica_record log[WRITES];
	static const char *const nodes[] = {"alpha", "beta"};
	unsigned seed = 7;
	struct replica *writer[2] = {fresh(), fresh()}, *first = NULL;

	for (int i = 0; i < WRITES; i++) {
		unsigned node = (unsigned)rand_r(&seed) % 2;
		char name[16];

		snprintf(name, sizeof(name), "s%d", rand_r(&seed) % 20);
		say(writer[node], nodes[node], rand_r(&seed) % 1000, name, (unsigned)rand_r(&seed) % 3,
		    (uint16_t)(rand_r(&seed) % 256), 1u + (unsigned)rand_r(&seed) % 3);
		log[i] = *replica_find(writer[node], "web", name);
		if (rand_r(&seed) % 10 == 0)
			merge_all(writer[!node], writer[node]);
	}
	for (int round = 0; round < 50; round++) {
		struct replica *r = fresh();

		for (int i = 0; i < 3 * WRITES; i++)
			assert_true(replica_merge(r, &log[rand_r(&seed) % WRITES]) >= 0);
		for (int i = 0; i < WRITES; i++)
			assert_true(replica_merge(r, &log[(i * 7 + round) % WRITES]) >= 0);
		if (first)
			assert_same(first, r);
		if (first)
			free(r);
		else
			first = r;
	}
	merge_all(writer[0], writer[1]);
	merge_all(writer[1], writer[0]);
	assert_same(writer[0], first);
	assert_same(writer[1], first);
	free(writer[0]);
	free(writer[1]);
	free(first);
}

static void the_same_record_again_says_nothing_new(void **state)
{
	struct replica *alpha = fresh(), *beta = fresh();

	say(alpha, "alpha", 10, "s1", SERVER_ACTION_DRAIN, 0, ACTION);
	assert_int_equal(replica_merge(beta, &alpha->records[0]), 1);
	assert_int_equal(replica_merge(beta, &alpha->records[0]), 0);
	free(alpha);
	free(beta);
}

static void a_version_past_all_measure_is_refused(void **state)
{
	struct replica *r = fresh();
	struct replica_record record = {.wanted = wanted("s1")};

	assert_int_equal(replica_merge(r, &record), -EINVAL);
	record.stamps[REPLICA_WEIGHT].version = REPLICA_VERSION_MAX + 1;
	assert_int_equal(replica_merge(r, &record), -EINVAL);
	assert_int_equal(r->n, 0);
	free(r);
}

static void when_it_is_full_the_oldest_tombstone_makes_room(void **state)
{
	struct replica *r = fresh();
	char name[16];

	for (int i = 0; i < REPLICA_MAX; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		say(r, "alpha", 0, name, i < 2 ? SERVER_ACTION_READY : SERVER_ACTION_DRAIN, 0, ACTION);
	}
	say(r, "alpha", 0, "new", SERVER_ACTION_DRAIN, 0, ACTION);
	assert_int_equal(r->n, REPLICA_MAX);
	assert_null(replica_find(r, "web", "s0"));
	assert_non_null(replica_find(r, "web", "s1"));
	for (int i = 1; i < REPLICA_MAX; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		assert_non_null(replica_find(r, "web", name));
	}
	say(r, "alpha", 0, "another", SERVER_ACTION_DRAIN, 0, ACTION);
	struct server_wanted w = wanted("one more");

	assert_int_equal(replica_say(r, &w, ACTION, "alpha", 0), -ENOSPC);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_a_split_the_later_word_counts_for_each_register),
		cmocka_unit_test(at_the_same_moment_the_greater_name_counts_on_both),
		cmocka_unit_test(a_clock_that_steps_back_does_not_undo_a_new_word),
		cmocka_unit_test(what_was_taken_back_stays_known_and_is_not_brought_back),
		cmocka_unit_test(order_and_repetition_make_no_difference),
		cmocka_unit_test(the_same_record_again_says_nothing_new),
		cmocka_unit_test(a_version_past_all_measure_is_refused),
		cmocka_unit_test(when_it_is_full_the_oldest_tombstone_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
