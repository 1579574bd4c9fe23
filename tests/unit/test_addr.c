/* rooms: hapair/base/addr.c
 *
 * Addresses as text and as values.
 */
#include "hapair/base/addr.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct ip ip(const char *text)
{
	struct ip ip = {0};
	assert_int_equal(ip_parse(span_of(text), &ip), 0);
	return ip;
}

static void an_address_comes_back_as_rfc_5952_writes_it(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"10.0.0.1", "10.0.0.1"},
		{"255.255.255.255", "255.255.255.255"},
		{"FD00:0:0:0:0:0:0:50", "fd00::50"},
		{"2001:DB8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"::", "::"},
		{"::1", "::1"},
	};
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ip parsed = ip(cases[i].in);
		assert_string_equal(ip_format(&parsed, text), cases[i].out);
	}
}

static void odd_spellings_of_addresses_are_refused(void **state)
{
	static const char *const bad[] = {
		"",          "10.0.0",    "10.0.0.256", "010.0.0.1",    "0x0a.0.0.1",
		"10.0.0.1 ", " 10.0.0.1", "10.0.0.1/",  "fe80::1%eth0", "::ffff:10.0.0.1",
		"fd00:::1",  "localhost", "1",
	};
	struct ip out;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (ip_parse(span_of(bad[i]), &out) != -EINVAL)
			fail_msg("accepted %s", bad[i]);
	assert_int_equal(ip_parse((struct span){"10.0.0.1\0.1", 11}, &out), -EINVAL);
}

static void a_failed_parse_leaves_the_result_alone(void **state)
{
	struct addr addr = {.ip = ip("10.0.0.1"), .port = 80};
	struct addr before = addr;

	assert_int_equal(addr_parse(SPAN("10.0.0.2:99999"), &addr), -EINVAL);
	assert_true(addr_equal(&addr, &before));
}

static void endpoints_need_a_port_and_ipv6_needs_brackets(void **state)
{
	static const char *const bad[] = {
		"10.0.0.1",
		"10.0.0.1:",
		"10.0.0.1:0",
		"10.0.0.1:65536",
		"10.0.0.1:080",
		"10.0.0.1:+80",
		"fd00::1:80",
		"[fd00::1]",
		"[fd00::1]:",
		"[fd00::1]80",
		"[10.0.0.1]:80",
		"[fd00::1",
		":80",
		"[]:80",
		"10.0.0.1:80x",
		"",
		"[",
		"]:80",
	};
	struct addr addr;
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (addr_parse(span_of(bad[i]), &addr) != -EINVAL)
			fail_msg("accepted %s", bad[i]);
	assert_int_equal(addr_parse(SPAN("[FD00::50]:443"), &addr), 0);
	assert_string_equal(addr_format(&addr, text), "[fd00::50]:443");
	assert_int_equal(addr_parse(SPAN("10.0.0.1:65535"), &addr), 0);
	assert_string_equal(addr_format(&addr, text), "10.0.0.1:65535");
}

static void a_prefix_covers_its_addresses_only(void **state)
{
	struct ip net, other;
	uint8_t len;

	assert_int_equal(ip_parse_prefix(SPAN("10.0.0.0/22"), &net, &len), 0);
	assert_int_equal(len, 22);
	other = ip("10.0.3.255");
	assert_true(ip_in_prefix(&other, &net, len));
	other = ip("10.0.4.0");
	assert_false(ip_in_prefix(&other, &net, len));
	other = ip("fd00::1");
	assert_false(ip_in_prefix(&other, &net, len));
	assert_true(ip_in_prefix(&net, &net, 0));
	assert_false(ip_in_prefix(&net, &net, 33));
	assert_int_equal(ip_parse_prefix(SPAN("fd00::1/128"), &net, &len), 0);
	assert_true(ip_in_prefix(&net, &net, len));
	assert_int_equal(ip_parse_prefix(SPAN("10.0.0.0/33"), &net, &len), -EINVAL);
	assert_int_equal(ip_parse_prefix(SPAN("10.0.0.0/"), &net, &len), -EINVAL);
	assert_int_equal(ip_parse_prefix(SPAN("10.0.0.0"), &net, &len), -EINVAL);
}

static void sockaddrs_keep_address_and_port(void **state)
{
	static const char *const cases[] = {"10.0.0.1:80", "[fd00::50]:443"};
	struct sockaddr_storage storage;
	struct addr there, back;

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(addr_parse(span_of(cases[i]), &there), 0);
		assert_int_equal(addr_to_sockaddr(&there, &storage),
				 i ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		assert_int_equal(addr_from_sockaddr((struct sockaddr *)&storage, &back), 0);
		assert_true(addr_equal(&there, &back));
	}
	storage.ss_family = AF_UNIX;
	assert_int_equal(addr_from_sockaddr((struct sockaddr *)&storage, &back), -EAFNOSUPPORT);
}

static void a_mapped_ipv4_client_is_an_ipv4_client(void **state)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
	struct addr addr;
	char text[ADDR_TEXT_MAX];

	in6.sin6_addr.s6_addr[10] = in6.sin6_addr.s6_addr[11] = 0xff;
	in6.sin6_addr.s6_addr[12] = 10;
	in6.sin6_addr.s6_addr[15] = 9;
	assert_int_equal(addr_from_sockaddr((struct sockaddr *)&in6, &addr), 0);
	assert_string_equal(addr_format(&addr, text), "10.0.0.9:80");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_comes_back_as_rfc_5952_writes_it),
		cmocka_unit_test(odd_spellings_of_addresses_are_refused),
		cmocka_unit_test(a_failed_parse_leaves_the_result_alone),
		cmocka_unit_test(endpoints_need_a_port_and_ipv6_needs_brackets),
		cmocka_unit_test(a_prefix_covers_its_addresses_only),
		cmocka_unit_test(sockaddrs_keep_address_and_port),
		cmocka_unit_test(a_mapped_ipv4_client_is_an_ipv4_client),
	};
	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
