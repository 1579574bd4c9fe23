/* rooms: vip/handover.c hapair/base/addr.c */
/* What has to be true before frames are steered, and what is remembered to be put back. */
#include "vip/handover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 0xa}, mac_b[6] = {2, 0, 0, 0, 0, 0xb},
		     mac_c[6] = {2, 0, 0, 0, 0, 0xc};

static struct handover_plan plan_of(bool giving)
{
	struct handover_plan plan = {.n_devices = 1, .n_vips = 1, .giving = giving, .timeout = SECONDS(60)};

	plan.devices[0].index = 2;
	memcpy(plan.devices[0].own, mac_b, 6);
	memcpy(plan.devices[0].peer, mac_a, 6);
	plan.vips[0].family = AF_INET;
	return plan;
}

static const char *refusal(const struct handover_plan *plan, const uint8_t *seen)
{
	uint8_t heard[1][6] = {{0}};
	size_t port[1] = {0};

	if (seen)
		memcpy(heard[0], seen, 6);
	return handover_refusal(plan, heard, port);
}

static void two_nodes_on_one_link_are_accepted(void **state)
{
	struct handover_plan plan = plan_of(false);

	(void)state;
	assert_null(refusal(&plan, NULL));
	assert_null(refusal(&plan, mac_a));
}

static void a_peer_seen_under_another_mac_is_not_on_this_link(void **state)
{
	struct handover_plan taker = plan_of(false), giver = plan_of(true);

	(void)state;
	assert_non_null(refusal(&taker, mac_c));
	assert_null(refusal(&giver, mac_c)); /* it holds itself: what it heard before says nothing */
}

static void a_mac_that_no_machine_has_is_refused(void **state)
{
	static const uint8_t bad[][6] = {{0}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {1, 0, 0x5e, 0, 0, 1}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct handover_plan plan = plan_of(false);

		memcpy(plan.devices[0].peer, bad[i], 6);
		assert_non_null(refusal(&plan, NULL));
		plan = plan_of(false);
		memcpy(plan.devices[0].own, bad[i], 6);
		assert_non_null(refusal(&plan, NULL));
	}
}

static void the_own_mac_is_no_peer(void **state)
{
	struct handover_plan plan = plan_of(true);

	(void)state;
	memcpy(plan.devices[0].peer, mac_b, 6);
	assert_non_null(refusal(&plan, NULL));
}

static void no_time_to_drain_is_a_plain_switchover(void **state)
{
	struct handover_plan plan = plan_of(true);

	(void)state;
	plan.timeout = 0;
	assert_non_null(refusal(&plan, NULL));
	plan = plan_of(true);
	plan.n_devices = 0;
	assert_non_null(refusal(&plan, NULL));
}

static void a_record_says_what_to_put_back(void **state)
{
	struct handover_before before = {.n = 2}, back;
	char text[HANDOVER_RECORD_MAX];

	(void)state;
	before.devices[0].index = 2;
	before.devices[1].index = 1234567;
	before.devices[1].arp_announce = 1;
	before.devices[1].arp_ignore = 8;
	assert_true(handover_record_write(&before, text));
	assert_string_equal(text, "hapair drain 1 2:0:0 1234567:1:8");
	assert_true(handover_record_read(text, &back));
	assert_memory_equal(&back, &before, sizeof(back));
}

static void a_record_that_does_not_fit_is_not_cut(void **state)
{
	struct handover_before before = {.n = HANDOVER_DEVICES_MAX};
	char text[HANDOVER_RECORD_MAX];

	(void)state;
	for (size_t i = 0; i < before.n; i++)
		before.devices[i].index = 10 + (unsigned)i;
	assert_true(handover_record_write(&before, text));
	for (size_t i = 0; i < before.n; i++)
		before.devices[i].index = 4000000000u;
	assert_false(handover_record_write(&before, text));
}

static void what_somebody_else_wrote_is_no_record(void **state)
{
	static const char *const texts[] = {"",
					    "hapair fence 2 553a54c7d9d39e47",
					    "hapair drain 2 2:0:0",
					    "hapair drain 1 2:0",
					    "hapair drain 1 2:0:0x",
					    "hapair drain 1 :0:0",
					    "hapair drain 1 2:256:0",
					    "hapair drain 1 99999999999:0:0",
					    "hapair drain 1 2:0:0 "};
	struct handover_before before;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(handover_record_read(texts[i], &before));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_nodes_on_one_link_are_accepted),
		cmocka_unit_test(a_peer_seen_under_another_mac_is_not_on_this_link),
		cmocka_unit_test(a_mac_that_no_machine_has_is_refused),
		cmocka_unit_test(the_own_mac_is_no_peer),
		cmocka_unit_test(no_time_to_drain_is_a_plain_switchover),
		cmocka_unit_test(a_record_says_what_to_put_back),
		cmocka_unit_test(a_record_that_does_not_fit_is_not_cut),
		cmocka_unit_test(what_somebody_else_wrote_is_no_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
