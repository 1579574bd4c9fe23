/* rooms: heartbeat/mac.c heartbeat/wire.c */
/*
 * test_mac.c: signatures, keys and their rotation.
 */
#include "heartbeat/mac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static uint8_t cluster[WIRE_CLUSTER];

static struct secret secret_of(size_t n, const uint32_t ids[])
{
	struct secret s = {.n = n};

	for (size_t i = 0; i < n; i++) {
		s.keys[i].id = ids[i];
		memset(s.keys[i].bytes, (int)ids[i], SECRET_KEY_BYTES);
	}
	return s;
}

static struct mac *mac_with(size_t n, const uint32_t ids[])
{
	struct secret s = secret_of(n, ids);
	struct mac *mac = mac_new(&s, cluster);

	assert_non_null(mac);
	return mac;
}

static int pass(struct mac *from, struct mac *to)
{
	struct wire_message m = {.node = 5, .sequence = 6}, back = {0};
	uint8_t bytes[WIRE_SIZE];
	int reject;

	assert_int_equal(mac_seal(from, &m, bytes), 0);
	reject = mac_open(to, bytes, sizeof(bytes), &back);
	if (reject == REJECT_NONE)
		assert_int_equal(back.sequence, 6);
	return reject;
}

static void what_one_signs_the_other_believes(void **state)
{
	struct mac *a = mac_with(1, (uint32_t[]){7}), *b = mac_with(1, (uint32_t[]){7});

	(void)state;
	assert_int_equal(pass(a, b), REJECT_NONE);
	assert_int_equal(pass(b, a), REJECT_NONE);
	mac_free(a);
	mac_free(b);
}

static void the_signature_is_hmac_sha256(void **state)
{
	/* RFC 4231 has no 32-byte key over 228 bytes; computed elsewhere over the 228 bytes of an empty message. */
	struct mac *a = mac_with(1, (uint32_t[]){1});
	struct wire_message m = {0};
	uint8_t bytes[WIRE_SIZE], again[WIRE_SIZE];

	(void)state;
	assert_int_equal(mac_seal(a, &m, bytes), 0);
	assert_int_equal(mac_seal(a, &m, again), 0);
	assert_memory_equal(bytes, again, WIRE_SIZE);
	assert_memory_equal(bytes + WIRE_HEAD,
			    "\x02\xb9\xb4\xc6\xfb\xd9\x52\x73\xb1\x4a\x73\xc5\xba\x58\xa9\x05"
			    "\x7f\x58\xe9\x98\x64\xdb\xed\xfb\xb3\x10\xc2\x72\x13\xea\x5d\x96",
			    WIRE_MAC_BYTES);
	mac_free(a);
}

static void every_flipped_bit_is_found(void **state)
{
	struct mac *a = mac_with(1, (uint32_t[]){7});
	struct wire_message m = {.node = 5}, back;
	uint8_t bytes[WIRE_SIZE];

	(void)state;
	assert_int_equal(mac_seal(a, &m, bytes), 0);
	for (unsigned bit = 0; bit < WIRE_SIZE * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(mac_open(a, bytes, sizeof(bytes), &back), REJECT_NONE);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(mac_open(a, bytes, sizeof(bytes), &back), REJECT_NONE);
	mac_free(a);
}

static void another_key_under_the_same_id_is_refused(void **state)
{
	struct secret s = secret_of(1, (uint32_t[]){7});
	struct mac *a = mac_with(1, (uint32_t[]){7}), *b;

	(void)state;
	s.keys[0].bytes[31] ^= 1;
	b = mac_new(&s, cluster);
	assert_int_equal(pass(a, b), REJECT_MAC);
	mac_free(a);
	mac_free(b);
}

static void an_unknown_key_id_is_refused_before_any_hashing(void **state)
{
	struct mac *a = mac_with(1, (uint32_t[]){7}), *b = mac_with(1, (uint32_t[]){8});

	(void)state;
	assert_int_equal(pass(a, b), REJECT_KEY);
	mac_free(a);
	mac_free(b);
}

static void keys_rotate_without_a_gap(void **state)
{
	static const uint32_t steps[][2] = {{1, 0}, {1, 2}, {2, 1}, {2, 0}};

	(void)state;
	/* One node is always one step behind. */
	for (unsigned i = 0; i + 1 < 4; i++) {
		struct mac *behind = mac_with(steps[i][1] ? 2 : 1, steps[i]);
		struct mac *ahead = mac_with(steps[i + 1][1] ? 2 : 1, steps[i + 1]);

		assert_int_equal(pass(behind, ahead), REJECT_NONE);
		assert_int_equal(pass(ahead, behind), REJECT_NONE);
		mac_free(behind);
		mac_free(ahead);
	}
}

static void another_version_is_verified_over_its_whole_length(void **state)
{
	struct mac *a = mac_with(1, (uint32_t[]){7});
	struct wire_message m = {.node = 5, .sequence = 6}, back;
	uint8_t bytes[WIRE_SIZE + 8] = {0};

	(void)state;
	assert_int_equal(mac_seal(a, &m, bytes), 0);
	bytes[4] = 3;
	assert_int_equal(mac_open(a, bytes, sizeof(bytes), &back), REJECT_MAC);
	mac_free(a);
}

static void names_become_ids(void **state)
{
	uint8_t id[WIRE_CLUSTER];

	(void)state;
	mac_cluster_id("abc", id);
	/* FIPS 180-2, B.1 */
	assert_memory_equal(id, "\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23", 16);
	assert_true(mac_node_id("abc") == UINT64_C(0xba7816bf8f01cfea));
}

static void boots_are_random_and_never_zero(void **state)
{
	uint64_t a, b;

	(void)state;
	assert_int_equal(mac_random_boot(&a), 0);
	assert_int_equal(mac_random_boot(&b), 0);
	assert_true(a != 0 && b != 0 && a != b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_one_signs_the_other_believes),
		cmocka_unit_test(the_signature_is_hmac_sha256),
		cmocka_unit_test(every_flipped_bit_is_found),
		cmocka_unit_test(another_key_under_the_same_id_is_refused),
		cmocka_unit_test(an_unknown_key_id_is_refused_before_any_hashing),
		cmocka_unit_test(keys_rotate_without_a_gap),
		cmocka_unit_test(another_version_is_verified_over_its_whole_length),
		cmocka_unit_test(names_become_ids),
		cmocka_unit_test(boots_are_random_and_never_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
