/* rooms: heartbeat/wire.c */
/*
 * test_wire.c: the bytes of a heartbeat, and what is refused before anybody computes a MAC.
 */
#include "heartbeat/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static const uint8_t cluster[WIRE_CLUSTER] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static struct wire_message sample(void)
{
	return (struct wire_message){
		.version = WIRE_VERSION,
		.link = 1,
		.flags = WIRE_ASKS | WIRE_REPLY,
		.state = NODE_ACTIVE,
		.fitness = FITNESS_OK,
		.heard_links = 3,
		.node = UINT64_C(0x0102030405060708),
		.boot = UINT64_C(0x1112131415161718),
		.sequence = UINT64_C(0x2122232425262728),
		.echo_boot = UINT64_C(0x3132333435363738),
		.echo_sequence = UINT64_C(0x4142434445464748),
		.echo_ago = US(1234),
		.hold = MS(150),
		.epoch = UINT64_C(0x5152535455565758),
		.dead = MS(150),
		.linger = SECONDS(3),
		.interval = MS(50),
		.sent_on_link = 77,
		.connections = 1000,
		.priority = 200,
		.sync_version = 9,
		.digest = UINT64_C(0x6162636465666768),
		.handover = WIRE_CAN_DRAIN | WIRE_PREPARED,
		.n_macs = 2,
		.macs = {{2, 0, 0, 0, 0, 0xa}, {2, 0, 0, 0, 0, 0xb}},
	};
}

static void a_message_survives_the_wire(void **state)
{
	struct wire_message m = sample(), back;
	uint8_t bytes[WIRE_SIZE], again[WIRE_SIZE];

	(void)state;
	wire_encode(&m, cluster, 42, bytes);
	assert_int_equal(wire_check(bytes, sizeof(bytes), cluster), REJECT_NONE);
	assert_int_equal(wire_key_id(bytes), 42);
	wire_decode(bytes, WIRE_SIZE, &back);
	wire_encode(&back, cluster, 42, again);
	assert_memory_equal(bytes, again, sizeof(bytes));
	assert_int_equal(back.sequence, m.sequence);
}

static void every_field_has_the_place_of_the_picture(void **state)
{
	struct wire_message m = sample();
	uint8_t bytes[WIRE_SIZE];

	(void)state;
	wire_encode(&m, cluster, 0xa1a2a3a4, bytes);
	assert_memory_equal(bytes, "hapr\2\1\0\3", 8);
	assert_memory_equal(bytes + 8, cluster, 16);
	assert_memory_equal(bytes + 24, "\xa1\xa2\xa3\xa4\2\2\3\0", 8);
	assert_memory_equal(
		bytes + 32,
		"\1\2\3\4\5\6\7\x8\x11\x12\x13\x14\x15\x16\x17\x18\x21\x22\x23\x24\x25\x26\x27\x28", 24);
	assert_memory_equal(bytes + 72, "\0\0\x04\xd2\0\2\x49\xf0", 8);
	assert_int_equal(bytes[WIRE_BASE - 1], 0x68);
	assert_memory_equal(bytes + WIRE_BASE, "\5\2\0\0\2\0\0\0\0\xa\2\0\0\0\0\xb\0", 17);
	assert_int_equal(WIRE_HEAD, WIRE_BASE + 4 + WIRE_MACS * WIRE_MAC);
}

static void durations_are_rounded_down_to_microseconds(void **state)
{
	struct wire_message m = sample(), back;
	uint8_t bytes[WIRE_SIZE];

	(void)state;
	m.hold = US(10) + 999;
	m.echo_ago = 999;
	wire_encode(&m, cluster, 1, bytes);
	wire_decode(bytes, WIRE_SIZE, &back);
	assert_int_equal(back.hold, US(10));
	assert_int_equal(back.echo_ago, 0);
}

static void a_hold_is_never_told_longer_than_it_is(void **state)
{
	struct wire_message m = sample(), back;
	uint8_t bytes[WIRE_SIZE];

	(void)state;
	m.hold = SECONDS(100000);
	wire_encode(&m, cluster, 1, bytes);
	wire_decode(bytes, WIRE_SIZE, &back);
	assert_true(back.hold < m.hold);
	m.hold = -5;
	wire_encode(&m, cluster, 1, bytes);
	wire_decode(bytes, WIRE_SIZE, &back);
	assert_int_equal(back.hold, 0);
}

static void a_goodbye_holds_forever(void **state)
{
	struct wire_message m = sample(), back;
	uint8_t bytes[WIRE_SIZE];

	(void)state;
	m.hold = WIRE_FOREVER;
	wire_encode(&m, cluster, 1, bytes);
	wire_decode(bytes, WIRE_SIZE, &back);
	assert_true(back.hold == WIRE_FOREVER);
}

static void what_is_not_ours_is_refused_by_name(void **state)
{
	struct wire_message m = sample();
	uint8_t bytes[WIRE_SIZE_MAX + 1] = {0};

	(void)state;
	wire_encode(&m, cluster, 1, bytes);
	for (size_t n = 0; n < WIRE_SIZE_MIN; n++)
		assert_int_equal(wire_check(bytes, n, cluster), REJECT_SHORT);
	assert_int_equal(wire_check(bytes, WIRE_SIZE - 1, cluster), REJECT_VERSION);
	assert_int_equal(wire_check(bytes, WIRE_SIZE + 1, cluster), REJECT_VERSION);
	bytes[0] ^= 1;
	assert_int_equal(wire_check(bytes, WIRE_SIZE, cluster), REJECT_MAGIC);
	bytes[0] ^= 1;
	bytes[8] ^= 1;
	assert_int_equal(wire_check(bytes, WIRE_SIZE, cluster), REJECT_CLUSTER);
	bytes[8] ^= 1;
	bytes[4] = 0;
	assert_int_equal(wire_check(bytes, WIRE_SIZE, cluster), REJECT_VERSION);
}

static void a_later_version_may_be_longer(void **state)
{
	struct wire_message m = sample(), back;
	uint8_t bytes[WIRE_SIZE_MAX + 1] = {0};

	(void)state;
	wire_encode(&m, cluster, 1, bytes);
	bytes[4] = 3;
	assert_int_equal(wire_check(bytes, WIRE_SIZE + 40, cluster), REJECT_NONE);
	assert_int_equal(wire_check(bytes, WIRE_SIZE_MAX, cluster), REJECT_NONE);
	assert_int_equal(wire_check(bytes, WIRE_SIZE_MAX + 1, cluster), REJECT_VERSION);
	wire_decode(bytes, WIRE_SIZE, &back);
	assert_int_equal(back.version, 3);
	assert_int_equal(back.epoch, m.epoch);
	assert_int_equal(back.handover, m.handover);
}

static void a_peer_of_version_1_cannot_drain(void **state)
{
	struct wire_message m = sample(), back;
	uint8_t bytes[WIRE_SIZE];

	(void)state;
	wire_encode(&m, cluster, 1, bytes);
	bytes[4] = 1;
	assert_int_equal(wire_check(bytes, WIRE_SIZE_MIN, cluster), REJECT_NONE);
	assert_int_equal(wire_check(bytes, WIRE_SIZE, cluster), REJECT_VERSION);
	wire_decode(bytes, WIRE_SIZE_MIN, &back);
	assert_int_equal(back.epoch, m.epoch);
	assert_int_equal(back.handover, 0);
	assert_int_equal(back.n_macs, 0);
}

static void more_macs_than_there_can_be_are_not_believed(void **state)
{
	struct wire_message m = sample(), back;
	uint8_t bytes[WIRE_SIZE];

	(void)state;
	wire_encode(&m, cluster, 1, bytes);
	bytes[WIRE_BASE + 1] = 255;
	wire_decode(bytes, WIRE_SIZE, &back);
	assert_int_equal(back.n_macs, WIRE_MACS);
}

static void what_this_version_does_not_know_is_unfit(void **state)
{
	struct wire_message m = sample(), back;
	uint8_t bytes[WIRE_SIZE];

	(void)state;
	wire_encode(&m, cluster, 1, bytes);
	bytes[28] = NODE_STATE_COUNT;
	bytes[29] = FITNESS_COUNT;
	wire_decode(bytes, WIRE_SIZE, &back);
	assert_int_equal(back.state, NODE_FAULT);
	assert_int_equal(back.fitness, FITNESS_DEAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_survives_the_wire),
		cmocka_unit_test(every_field_has_the_place_of_the_picture),
		cmocka_unit_test(durations_are_rounded_down_to_microseconds),
		cmocka_unit_test(a_hold_is_never_told_longer_than_it_is),
		cmocka_unit_test(a_goodbye_holds_forever),
		cmocka_unit_test(what_is_not_ours_is_refused_by_name),
		cmocka_unit_test(a_later_version_may_be_longer),
		cmocka_unit_test(a_peer_of_version_1_cannot_drain),
		cmocka_unit_test(more_macs_than_there_can_be_are_not_believed),
		cmocka_unit_test(what_this_version_does_not_know_is_unfit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
