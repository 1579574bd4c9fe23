/* rooms: vip/tickle.c vip/checksum.c hapair/base/addr.c */
#include "vip/tickle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct addr addr_of(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(span_of(text), &addr), 0);
	return addr;
}

static struct flow flow_of(const char *client, const char *vip)
{
	return (struct flow){addr_of(client), addr_of(vip)};
}

/* RFC 1071, RFC 9293 3.1: right when header, pseudo header and checksum add up to all ones. */
static unsigned ones(const uint8_t *bytes, size_t n, unsigned start)
{
	for (size_t i = 0; i < n; i += 2)
		start += (unsigned)(bytes[i] << 8 | bytes[i + 1]);
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

static void an_ipv4_client_gets_a_bare_ack_from_the_vip(void **state)
{
	static const uint8_t expected[] = {
		0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 50, 192, 168, 1, 2, /* IP */
		0x01, 0xbb, 0xc3, 0x50,                                                 /* 443, 50000 */
		0x11, 0x22, 0x33, 0x44, 0, 0, 0, 0, 0x50, 0x10, 4, 0, 0, 0, 0, 0,      /* TCP */
	};
	struct flow flow = flow_of("192.168.1.2:50000", "10.0.0.50:443");
	uint8_t out[TICKLE_MAX];

	assert_int_equal(tickle_packet(&flow, 0x11223344, out), 40);
	assert_int_equal(ones(out, 20, 0), 0xffff);
	assert_int_equal(ones(out + 12, 28, 6 + 20), 0xffff);
	memset(out + 10, 0, 2);
	memset(out + 36, 0, 2);
	assert_memory_equal(out, expected, sizeof(expected));
}

static void an_ipv6_client_gets_the_same(void **state)
{
	static const uint8_t header[] = {0x60, 0, 0, 0, 0, 20, 6, 64, 0xfd, 0, 0, 0, 0, 0, 0, 0,
					 0,    0, 0, 0, 0, 0,  0, 0x50};
	struct flow flow = flow_of("[2001:db8::7]:1025", "[fd00::50]:80");
	uint8_t out[TICKLE_MAX];

	assert_int_equal(tickle_packet(&flow, 7, out), 60);
	assert_memory_equal(out, header, sizeof(header));
	assert_memory_equal(out + 24, flow.client.ip.bytes, 16);
	assert_int_equal(out[40] << 8 | out[41], 80);
	assert_int_equal(out[42] << 8 | out[43], 1025);
	assert_int_equal(out[47], 7);
	assert_int_equal(out[53], 0x10);
	assert_int_equal(ones(out + 8, 52, 6 + 20), 0xffff);
}

static void what_is_no_connection_gets_nothing(void **state)
{
	struct flow mixed = flow_of("192.168.1.2:50000", "[fd00::50]:80"), none = {0};
	uint8_t out[TICKLE_MAX];

	assert_int_equal(tickle_packet(&mixed, 1, out), 0);
	assert_int_equal(tickle_packet(&none, 1, out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ipv4_client_gets_a_bare_ack_from_the_vip),
		cmocka_unit_test(an_ipv6_client_gets_the_same),
		cmocka_unit_test(what_is_no_connection_gets_nothing),
	};

	return cmocka_run_group_tests_name("tickle", tests, NULL, NULL);
}
