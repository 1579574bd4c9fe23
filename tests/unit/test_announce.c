/* rooms: vip/announce.c vip/checksum.c hapair/base/addr.c */
#include "vip/announce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t mac[MAC_BYTES] = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55};

static struct ip ip_of(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(span_of(text), &ip), 0);
	return ip;
}

static void gratuitous_arp_request_is_what_rfc_5227_shows(void **state)
{
	static const uint8_t expected[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x11, 0x22, 0x33,
		0x44, 0x55, 0x08, 0x06,                                   /* Ethernet */
		0x00, 0x01, 0x08, 0x00, 6,    4,    0x00, 0x01,           /* request */
		0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 10,   0,    0,    50, /* sender */
		0,    0,    0,    0,    0,    0,    10,   0,    0,    50, /* target */
	};
	struct ip vip = ip_of("10.0.0.50");
	uint8_t out[ANNOUNCE_FRAME_MAX];

	assert_int_equal(announce_arp_request(mac, &vip, out), sizeof(expected));
	assert_memory_equal(out, expected, sizeof(expected));
}

static void gratuitous_arp_reply_agrees_with_itself(void **state)
{
	struct ip vip = ip_of("10.0.0.50");
	uint8_t out[ANNOUNCE_FRAME_MAX];

	assert_int_equal(announce_arp_reply(mac, &vip, out), 42);
	assert_int_equal(out[21], 2);
	assert_memory_equal(out + 22, out + 32, 10); /* sender and target are the same pair */
	assert_memory_equal(out + 22, mac, 6);
}

/* RFC 1071: a message is intact when its sum with the pseudo header, checksum included, is all ones. */
static unsigned icmpv6_sum(const uint8_t *frame)
{
	const uint8_t *ip = frame + 14;
	unsigned n = (unsigned)(ip[4] << 8 | ip[5]), sum = n + 58;

	for (unsigned i = 0; i < 32 + n; i += 2)
		sum += (unsigned)(ip[8 + i] << 8 | ip[9 + i]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void unsolicited_advertisement_overrides_and_goes_to_all_nodes(void **state)
{
	static const uint8_t all_nodes_mac[] = {0x33, 0x33, 0, 0, 0, 1};
	struct ip vip = ip_of("fd00::50"), all = ip_of("ff02::1");
	uint8_t out[ANNOUNCE_FRAME_MAX];

	assert_int_equal(announce_na(mac, &vip, out), 86);
	assert_memory_equal(out, all_nodes_mac, 6);
	assert_int_equal(out[14] >> 4, 6);
	assert_int_equal(out[21], 255);
	assert_memory_equal(out + 22, vip.bytes, 16);
	assert_memory_equal(out + 38, all.bytes, 16);
	assert_int_equal(out[54], 136);
	assert_int_equal(out[58], 0x20); /* override, neither router nor solicited */
	assert_memory_equal(out + 62, vip.bytes, 16);
	assert_int_equal(out[78], 2); /* target link-layer address */
	assert_memory_equal(out + 80, mac, 6);
	assert_int_equal(icmpv6_sum(out), 0xffff);
}

static void probes_do_not_say_that_we_hold_it(void **state)
{
	static const uint8_t zero[16];
	struct ip vip4 = ip_of("10.0.0.50"), vip6 = ip_of("fd00::1:2345:6750"),
		  group = ip_of("ff02::1:ff45:6750");
	uint8_t out[ANNOUNCE_FRAME_MAX];

	assert_int_equal(announce_probe(mac, &vip4, out), 42);
	assert_int_equal(out[21], 1);
	assert_memory_equal(out + 28, zero, 4);
	assert_memory_equal(out + 38, vip4.bytes, 4);

	assert_int_equal(announce_probe(mac, &vip6, out), 78); /* no option: its source is :: */
	assert_memory_equal(out + 22, zero, 16);
	assert_memory_equal(out + 38, group.bytes, 16);
	assert_int_equal(out[54], 135);
	assert_memory_equal(out + 62, vip6.bytes, 16);
	assert_int_equal(icmpv6_sum(out), 0xffff);
}

static void announces_three_times_at_once_then_again_then_every_minute(void **state)
{
	struct announce_schedule s = {0};
	nanos t = SECONDS(5);

	assert_int_equal(announce_next(&s), NANOS_NEVER);
	assert_int_equal(announce_due(&s, t), 0);
	announce_start(&s, t);
	assert_int_equal(announce_due(&s, t), 3);
	assert_int_equal(announce_due(&s, t), 0);
	assert_int_equal(announce_next(&s), t + MS(200));
	assert_int_equal(announce_due(&s, t + MS(199)), 0);
	assert_int_equal(announce_due(&s, t + MS(200)), 1);
	assert_int_equal(announce_due(&s, t + MS(1100)), 1);
	assert_int_equal(announce_due(&s, t + MS(3000)), 1);
	assert_int_equal(announce_next(&s), t + MS(63000));
	assert_int_equal(announce_due(&s, t + MS(63000)), 1);
	assert_int_equal(announce_next(&s), t + MS(123000));
	announce_stop(&s);
	assert_int_equal(announce_next(&s), NANOS_NEVER);
}

static void a_late_turn_announces_once_for_all_it_missed(void **state)
{
	struct announce_schedule s = {0};

	announce_start(&s, SECONDS(1));
	announce_due(&s, SECONDS(1));
	assert_int_equal(announce_due(&s, SECONDS(300)), 1);
	assert_true(announce_next(&s) > SECONDS(300));
	assert_true(announce_next(&s) <= SECONDS(360));
}

static void ipv4_is_announced_in_both_forms_and_ipv6_in_one(void **state)
{
	struct announce_frame frames[ANNOUNCE_FRAMES_MAX];
	struct ip vip4 = ip_of("10.0.0.50"), vip6 = ip_of("fd00::50");

	assert_int_equal(announce_frames(mac, &vip4, frames), 2);
	assert_int_equal(frames[0].bytes[21], 1);
	assert_int_equal(frames[1].bytes[21], 2);
	assert_int_equal(announce_frames(mac, &vip6, frames), 1);
	assert_int_equal(frames[0].n, 86);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gratuitous_arp_request_is_what_rfc_5227_shows),
		cmocka_unit_test(gratuitous_arp_reply_agrees_with_itself),
		cmocka_unit_test(unsolicited_advertisement_overrides_and_goes_to_all_nodes),
		cmocka_unit_test(probes_do_not_say_that_we_hold_it),
		cmocka_unit_test(announces_three_times_at_once_then_again_then_every_minute),
		cmocka_unit_test(a_late_turn_announces_once_for_all_it_missed),
		cmocka_unit_test(ipv4_is_announced_in_both_forms_and_ipv6_in_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
