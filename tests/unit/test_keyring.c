/* rooms: hapair/sync/keyring.c */
#include "hapair/sync/keyring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct ticket_key key(uint64_t period, uint8_t name)
{
	struct ticket_key k = {.period = period};

	memset(k.name, name, sizeof(k.name));
	return k;
}

static void put(struct msg_ticket_keys *ring, uint64_t period, uint8_t name, uint64_t now, bool taken)
{
	struct ticket_key k = key(period, name);

	assert_int_equal(keyring_add(ring, &k, now), taken);
}

static void both_nodes_choose_the_same_key_whatever_came_first(void **state)
{
	struct msg_ticket_keys alpha = {0}, beta = {0};

	put(&alpha, 5, 9, 5, true);
	put(&alpha, 5, 3, 5, true);
	put(&alpha, 6, 1, 5, true);
	put(&beta, 6, 1, 5, true);
	put(&beta, 5, 3, 5, true);
	put(&beta, 5, 9, 5, true);
	keyring_choose(&alpha, 5);
	keyring_choose(&beta, 5);
	assert_int_equal(alpha.keys[alpha.newest].name[0], 3);
	assert_int_equal(beta.keys[beta.newest].name[0], 3);
}

static void previous_present_and_next_are_kept_and_no_others(void **state)
{
	struct msg_ticket_keys ring = {0};

	put(&ring, 3, 3, 5, false);
	put(&ring, 4, 4, 5, true);
	put(&ring, 5, 5, 5, true);
	put(&ring, 6, 6, 5, true);
	put(&ring, 7, 7, 5, false);
	put(&ring, 5, 5, 5, false); /* known */
	assert_false(keyring_expire(&ring, 5));
	assert_true(keyring_expire(&ring, 6));
	assert_int_equal(ring.n, 2);
	assert_true(keyring_lacks(&ring, 7));
	assert_false(keyring_lacks(&ring, 6));
}

static void without_a_key_of_now_the_newest_old_one_encrypts(void **state)
{
	struct msg_ticket_keys ring = {0};

	put(&ring, 6, 1, 5, true);
	put(&ring, 4, 2, 5, true);
	keyring_choose(&ring, 5);
	assert_int_equal(ring.keys[ring.newest].period, 4);
}

static void it_takes_no_more_than_it_has_room_for(void **state)
{
	struct msg_ticket_keys ring = {0};

	for (uint8_t i = 0; i < TICKET_KEYS_MAX; i++)
		put(&ring, 5, i, 5, true);
	put(&ring, 5, 200, 5, false);
	assert_int_equal(ring.n, TICKET_KEYS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_nodes_choose_the_same_key_whatever_came_first),
		cmocka_unit_test(previous_present_and_next_are_kept_and_no_others),
		cmocka_unit_test(without_a_key_of_now_the_newest_old_one_encrypts),
		cmocka_unit_test(it_takes_no_more_than_it_has_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
