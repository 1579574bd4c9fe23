/* rooms: vip/conflict.c vip/announce.c vip/checksum.c hapair/base/addr.c */
#include "vip/conflict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t ours[MAC_BYTES] = {0x02, 0, 0, 0, 0, 1}, theirs[MAC_BYTES] = {0x02, 0, 0, 0, 0, 2};

static struct ip ip_of(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(span_of(text), &ip), 0);
	return ip;
}

static void an_announcement_of_another_is_a_holder_and_ours_is_nothing(void **state)
{
	struct ip vips[] = {ip_of("10.0.0.50"), ip_of("fd00::50")};
	struct announce_frame frames[ANNOUNCE_FRAMES_MAX];
	uint8_t mac[MAC_BYTES];

	for (size_t v = 0; v < 2; v++) {
		size_t n = announce_frames(theirs, &vips[v], frames);

		for (size_t i = 0; i < n; i++) {
			memset(mac, 0, sizeof(mac));
			assert_int_equal(conflict_read(frames[i].bytes, frames[i].n, &vips[v], ours, mac),
					 CONFLICT_HOLDER);
			assert_memory_equal(mac, theirs, MAC_BYTES);
			assert_int_equal(conflict_read(frames[i].bytes, frames[i].n, &vips[v], theirs, mac),
					 CONFLICT_NOTHING);
			assert_int_equal(conflict_read(frames[i].bytes, frames[i].n, &vips[1 - v], ours, mac),
					 CONFLICT_NOTHING);
		}
	}
}

static void a_probe_is_an_enquiry_not_a_holder(void **state)
{
	struct ip vips[] = {ip_of("10.0.0.50"), ip_of("fd00::50")};
	uint8_t frame[ANNOUNCE_FRAME_MAX], mac[MAC_BYTES];

	for (size_t v = 0; v < 2; v++) {
		size_t n = announce_probe(theirs, &vips[v], frame);

		assert_int_equal(conflict_read(frame, n, &vips[v], ours, mac), CONFLICT_ENQUIRER);
		assert_memory_equal(mac, theirs, MAC_BYTES);
	}
}

static void an_ordinary_request_for_the_vip_is_nothing(void **state)
{
	struct ip vip = ip_of("10.0.0.50");
	uint8_t frame[ANNOUNCE_FRAME_MAX], mac[MAC_BYTES];
	size_t n = announce_probe(theirs, &vip, frame);

	frame[28] = 10, frame[31] = 9; /* sender 10.0.0.9 */
	assert_int_equal(conflict_read(frame, n, &vip, ours, mac), CONFLICT_NOTHING);
}

static void every_truncation_is_nothing(void **state)
{
	struct ip vips[] = {ip_of("10.0.0.50"), ip_of("fd00::50")};
	struct announce_frame frames[ANNOUNCE_FRAMES_MAX];
	uint8_t mac[MAC_BYTES], copy[ANNOUNCE_FRAME_MAX];

	for (size_t v = 0; v < 2; v++) {
		announce_frames(theirs, &vips[v], frames);
		for (size_t n = 0; n < frames[0].n; n++) {
			memset(copy, 0xee, sizeof(copy));
			memcpy(copy, frames[0].bytes, n);
			assert_int_equal(conflict_read(copy, n, &vips[v], ours, mac), CONFLICT_NOTHING);
		}
	}
}

static void an_advertisement_that_crossed_a_router_is_nothing(void **state)
{
	struct ip vip = ip_of("fd00::50");
	uint8_t frame[ANNOUNCE_FRAME_MAX], mac[MAC_BYTES];
	size_t n = announce_na(theirs, &vip, frame);

	frame[21] = 254;
	assert_int_equal(conflict_read(frame, n, &vip, ours, mac), CONFLICT_NOTHING);
}

static void an_option_of_length_zero_ends_the_search(void **state)
{
	struct ip vip = ip_of("fd00::50");
	uint8_t frame[ANNOUNCE_FRAME_MAX], mac[MAC_BYTES];
	size_t n = announce_na(theirs, &vip, frame);

	frame[79] = 0;
	memcpy(frame + 80, ours, MAC_BYTES);
	assert_int_equal(conflict_read(frame, n, &vip, ours, mac),
			 CONFLICT_HOLDER); /* by the frame's sender */
	assert_memory_equal(mac, theirs, MAC_BYTES);
}

static void a_group_address_holds_nothing(void **state)
{
	static const uint8_t group[MAC_BYTES] = {0x01, 0, 0x5e, 0, 0, 1};
	struct ip vip = ip_of("10.0.0.50");
	uint8_t frame[ANNOUNCE_FRAME_MAX], mac[MAC_BYTES];
	size_t n = announce_arp_reply(group, &vip, frame);

	assert_int_equal(conflict_read(frame, n, &vip, ours, mac), CONFLICT_NOTHING);
}

static void the_holder_defends_at_once_but_not_at_every_frame(void **state)
{
	struct conflict c = {0};
	nanos t = SECONDS(100);

	assert_true(conflict_heard(&c, theirs, true, t).defend);
	assert_false(conflict_heard(&c, theirs, true, t + MS(1)).defend);
	assert_false(conflict_heard(&c, theirs, true, t + CONFLICT_DEFEND_INTERVAL - 1).defend);
	assert_true(conflict_heard(&c, theirs, true, t + CONFLICT_DEFEND_INTERVAL).defend);
}

static void who_does_not_hold_does_not_defend(void **state)
{
	struct conflict c = {0};

	assert_false(conflict_heard(&c, theirs, false, SECONDS(1)).defend);
	assert_true(conflict_since(&c, SECONDS(1)));
	assert_false(conflict_since(&c, SECONDS(2)));
}

static void a_holder_is_reported_once_a_minute_and_a_new_one_at_once(void **state)
{
	static const uint8_t third[MAC_BYTES] = {0x02, 0, 0, 0, 0, 3};
	struct conflict c = {0};
	nanos t = SECONDS(100);

	assert_true(conflict_heard(&c, theirs, true, t).report);
	assert_false(conflict_heard(&c, theirs, true, t + SECONDS(5)).report);
	assert_true(conflict_heard(&c, third, true, t + SECONDS(6)).report);
	assert_false(conflict_heard(&c, third, true, t + SECONDS(7)).report);
	assert_true(conflict_heard(&c, third, true, t + SECONDS(6) + CONFLICT_REPORT_INTERVAL).report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_announcement_of_another_is_a_holder_and_ours_is_nothing),
		cmocka_unit_test(a_probe_is_an_enquiry_not_a_holder),
		cmocka_unit_test(an_ordinary_request_for_the_vip_is_nothing),
		cmocka_unit_test(every_truncation_is_nothing),
		cmocka_unit_test(an_advertisement_that_crossed_a_router_is_nothing),
		cmocka_unit_test(an_option_of_length_zero_ends_the_search),
		cmocka_unit_test(a_group_address_holds_nothing),
		cmocka_unit_test(the_holder_defends_at_once_but_not_at_every_frame),
		cmocka_unit_test(who_does_not_hold_does_not_defend),
		cmocka_unit_test(a_holder_is_reported_once_a_minute_and_a_new_one_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
