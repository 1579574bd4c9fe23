/* rooms: heartbeat/memory.c */
/*
 * test_memory.c: what a crash in the middle of a save leaves.
 */
#include "heartbeat/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static struct memory_record record_of(uint64_t sequence)
{
	struct memory_record r;

	memset(&r, 0, sizeof(r));
	r.boot = 7;
	r.sequence = sequence;
	strcpy(r.reason, "a reason");
	return r;
}

static void an_empty_memory_has_nothing(void **state)
{
	static const struct memory empty;
	struct memory_record r;

	(void)state;
	assert_false(memory_load(&empty, &r));
}

static void the_newest_save_is_found(void **state)
{
	static struct memory memory;
	struct memory_record r;

	(void)state;
	memset(&memory, 0, sizeof(memory));
	for (uint64_t n = 1; n < 50; n++) {
		struct memory_record in = record_of(n);

		memory_save(&memory, &in);
		assert_true(memory_load(&memory, &r));
		assert_int_equal(r.sequence, n);
		assert_string_equal(r.reason, "a reason");
	}
}

/* Any prefix of a save may have reached the memory when the process dies. */
static void a_torn_save_leaves_the_one_before(void **state)
{
	static struct memory before, after, torn;
	struct memory_record r, in;
	const uint8_t *to = (const uint8_t *)&after;

	(void)state;
	memset(&before, 0, sizeof(before));
	for (uint64_t n = 1; n <= 3; n++) {
		in = record_of(n);
		memory_save(&before, &in);
	}
	after = before;
	in = record_of(4);
	memory_save(&after, &in);
	for (size_t cut = 0; cut < sizeof(after); cut += 13) {
		torn = before;
		memcpy(&torn, to, cut);
		assert_true(memory_load(&torn, &r));
		assert_true(r.sequence == 3 || r.sequence == 4);
	}
}

static void a_torn_save_is_overwritten_not_the_whole_one(void **state)
{
	static struct memory memory;
	struct memory_record r, in;

	(void)state;
	memset(&memory, 0, sizeof(memory));
	for (uint64_t n = 1; n <= 3; n++) {
		in = record_of(n);
		memory_save(&memory, &in);
	}
	/* The save of 4 dies early: its slot (that of 2) is torn. The next process saves again and dies again. */
	memory.slots[1].checksum ^= 1;
	assert_true(memory_load(&memory, &r));
	assert_int_equal(r.sequence, 3);
	in = record_of(5);
	memory_save(&memory, &in);
	memory.slots[1].checksum ^= 1;
	assert_true(memory_load(&memory, &r));
	assert_int_equal(r.sequence, 3);
}

static void another_layout_is_not_believed(void **state)
{
	static struct memory memory;
	struct memory_record r, in = record_of(1);

	(void)state;
	memset(&memory, 0, sizeof(memory));
	memory_save(&memory, &in);
	memory.slots[0].magic++;
	memory.slots[1].magic++;
	assert_false(memory_load(&memory, &r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_memory_has_nothing),
		cmocka_unit_test(the_newest_save_is_found),
		cmocka_unit_test(a_torn_save_leaves_the_one_before),
		cmocka_unit_test(a_torn_save_is_overwritten_not_the_whole_one),
		cmocka_unit_test(another_layout_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
