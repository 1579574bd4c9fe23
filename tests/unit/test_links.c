/* rooms: heartbeat/links.c hapair/base/addr.c hapair/base/clock.c */
/*
 * test_links.c: the heartbeat's sockets on loopback, where a datagram is in the other's buffer when sendto() returns. The ports are
 * the kernel's choice.
 */
#include "heartbeat/links.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Two links with IPv4 ends, and one with IPv6 ends. */
#define LINKS 3

static struct addr here[LINKS], there[LINKS];
static struct links *mine, *peers;

static struct {
	unsigned n;
	size_t link, bytes;
	uint8_t first, last;
	nanos at;
} got;

static void note(void *ctx, size_t link, const uint8_t *bytes, size_t n, nanos at)
{
	assert_ptr_equal(ctx, &got);
	got.n++;
	got.link = link;
	got.bytes = n;
	got.first = n ? bytes[0] : 0;
	got.last = n ? bytes[n - 1] : 0;
	got.at = at;
}

static unsigned read_link(size_t link)
{
	memset(&got, 0, sizeof(got));
	return links_read(mine, link, note, &got);
}

static struct addr address(const char *text, uint16_t port)
{
	struct addr addr = {.port = port};

	assert_int_equal(ip_parse(span_of(text), &addr.ip), 0);
	return addr;
}

/* A socket of somebody else; *port 0: any, and it is told. */
static int stranger(const char *text, uint16_t *port)
{
	struct addr addr = address(text, *port);
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(&addr, &sa);
	int fd = socket(addr.ip.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	len = sizeof(sa);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(addr_from_sockaddr((struct sockaddr *)&sa, &addr), 0);
	*port = addr.port;
	return fd;
}

static void say(int fd, const struct addr *to, size_t n)
{
	static uint8_t bytes[2000];
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(to, &sa);

	assert_int_equal(sendto(fd, bytes, n, 0, (struct sockaddr *)&sa, len), n);
}

static uint16_t free_port(const char *text)
{
	uint16_t port = 0;

	close(stranger(text, &port));
	return port;
}

static int open_both(void **state)
{
	(void)state;
	for (size_t i = 0; i < LINKS; i++) {
		const char *text = i == 2 ? "::1" : "127.0.0.1";

		here[i] = address(text, free_port(text));
		there[i] = address(text, free_port(text));
	}
	return links_open(here, there, LINKS, &mine) || links_open(there, here, LINKS, &peers);
}

static int close_both(void **state)
{
	(void)state;
	links_close(mine);
	links_close(peers);
	mine = peers = NULL;
	return 0;
}

static bool readable(size_t link)
{
	struct pollfd p = {.fd = links_fd(mine, link), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void what_one_end_sends_the_other_gets_on_that_link(void **state)
{
	const uint8_t bytes[] = {7, 8, 9};

	(void)state;
	assert_int_equal(links_count(mine), LINKS);
	for (size_t i = 0; i < LINKS; i++) {
		assert_int_equal(links_send(peers, i, bytes, sizeof(bytes)), 0);
		for (size_t other = 0; other < LINKS; other++)
			assert_int_equal(readable(other), other == i);
		assert_int_equal(read_link(i), 0);
		assert_int_equal(got.n, 1);
		assert_int_equal(got.link, i);
		assert_int_equal(got.bytes, sizeof(bytes));
		assert_int_equal(got.first, 7);
		assert_int_equal(got.last, 9);
		assert_int_equal(read_link(i), 0);
		assert_int_equal(got.n, 0);
	}
}

static void another_port_of_the_peers_address_is_a_stranger(void **state)
{
	uint16_t port = 0;
	int fd = stranger("127.0.0.1", &port);

	(void)state;
	say(fd, &here[0], 160);
	assert_int_equal(read_link(0), 1);
	assert_int_equal(got.n, 0);
	close(fd);
}

static void another_address_with_the_peers_port_is_a_stranger(void **state)
{
	uint16_t port = there[0].port;
	int fd = stranger("127.0.0.2", &port);

	(void)state;
	say(fd, &here[0], 160);
	assert_int_equal(read_link(0), 1);
	assert_int_equal(got.n, 0);
	close(fd);
}

static void the_peer_on_the_wrong_link_is_a_stranger(void **state)
{
	(void)state;
	say(links_fd(peers, 1), &here[0], 160);
	assert_int_equal(read_link(0), 1);
	assert_int_equal(got.n, 0);
	assert_int_equal(read_link(1), 0);
	assert_int_equal(got.n, 0);
}

static void a_link_is_read_dry_whoever_spoke(void **state)
{
	const uint8_t byte = 1;
	uint16_t port = 0;
	int fd = stranger("127.0.0.1", &port);

	(void)state;
	/* More than one batch, and not a whole number of them. */
	for (unsigned i = 0; i < 75; i++) {
		assert_int_equal(links_send(peers, 0, &byte, 1), 0);
		say(fd, &here[0], 1);
	}
	assert_int_equal(read_link(0), 75);
	assert_int_equal(got.n, 75);
	assert_false(readable(0));
	close(fd);
}

static void lengths_come_as_they_are_up_to_one_byte_too_long(void **state)
{
	static const size_t sent[] = {0, 1, WIRE_SIZE, WIRE_SIZE_MAX, WIRE_SIZE_MAX + 1, 1400};

	(void)state;
	for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
		say(links_fd(peers, 0), &here[0], sent[i]);
		read_link(0);
		assert_int_equal(got.n, 1);
		/* What is longer than any version sends stays longer than that: wire_check() refuses it. */
		assert_int_equal(got.bytes, sent[i] > WIRE_SIZE_MAX ? WIRE_SIZE_MAX + 1 : sent[i]);
	}
}

static void what_lay_in_the_buffer_has_the_instant_at_which_it_came(void **state)
{
	const uint8_t byte = 1;

	(void)state;
	for (size_t i = 0; i < LINKS; i++) {
		nanos before, sent;

		read_link(i);
		usleep(20000);
		before = clock_now();
		assert_int_equal(links_send(peers, i, &byte, 1), 0);
		sent = clock_now();
		usleep(50000);
		read_link(i);
		assert_in_range(got.at, before - MS(1), sent + MS(1));
	}
}

static void a_clock_that_was_set_makes_a_stamp_worthless(void **state)
{
	const struct links_instant before = {SECONDS(100), SECONDS(5000)},
				   now = {SECONDS(101), SECONDS(5001)}, set = {SECONDS(101), SECONDS(8601)},
				   back = {SECONDS(101), SECONDS(1401)},
				   slewed = {SECONDS(101), SECONDS(5001) + US(500)};

	(void)state;
	assert_int_equal(links_arrival(SECONDS(5000) + MS(300), &now, &before), SECONDS(100) + MS(300));
	assert_int_equal(links_arrival(SECONDS(5000) + MS(300), &slewed, &before), SECONDS(100) + US(299500));
	assert_int_equal(links_arrival(0, &now, &before), now.clock);
	assert_int_equal(links_arrival(SECONDS(5000) + MS(300), &set, &before), now.clock);
	assert_int_equal(links_arrival(SECONDS(5000) + MS(300), &back, &before), now.clock);
	/* Never out of what it can have been. */
	assert_int_equal(links_arrival(SECONDS(4999), &now, &before), before.clock);
	assert_int_equal(links_arrival(SECONDS(5002), &now, &before), now.clock);
}

static void an_address_that_the_machine_does_not_have_yet_is_no_error(void **state)
{
	/* TEST-NET-1 and the documentation prefix: RFC 5737, RFC 3849. */
	struct addr local[] = {address("192.0.2.77", 7946), address("2001:db8::77", 7946)};
	struct addr remote[] = {address("192.0.2.78", 7946), address("2001:db8::78", 7946)};
	struct links *links = NULL;

	(void)state;
	assert_int_equal(links_open(local, remote, 2, &links), 0);
	assert_int_equal(links_count(links), 2);
	links_close(links);
}

static void a_port_that_is_taken_is_an_error_and_leaves_nothing_open(void **state)
{
	struct addr local[2], remote[2];
	struct links *links = NULL;
	uint16_t port = 0;
	int fd;

	(void)state;
	local[0] = address("127.0.0.1", free_port("127.0.0.1"));
	local[1] = here[1]; /* of `mine` */
	remote[0] = remote[1] = there[1];
	assert_int_equal(links_open(local, remote, 2, &links), -EADDRINUSE);
	assert_null(links);
	port = local[0].port;
	fd = stranger("127.0.0.1", &port); /* the first one was closed again */
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_both, close_both)
	const struct CMUnitTest tests[] = {
		TEST(what_one_end_sends_the_other_gets_on_that_link),
		TEST(another_port_of_the_peers_address_is_a_stranger),
		TEST(another_address_with_the_peers_port_is_a_stranger),
		TEST(the_peer_on_the_wrong_link_is_a_stranger),
		TEST(a_link_is_read_dry_whoever_spoke),
		TEST(lengths_come_as_they_are_up_to_one_byte_too_long),
		TEST(what_lay_in_the_buffer_has_the_instant_at_which_it_came),
		TEST(a_clock_that_was_set_makes_a_stamp_worthless),
		TEST(an_address_that_the_machine_does_not_have_yet_is_no_error),
		TEST(a_port_that_is_taken_is_an_error_and_leaves_nothing_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
