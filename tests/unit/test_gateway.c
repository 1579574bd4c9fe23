/* rooms: vip/gateway.c vip/packet.c vip/announce.c vip/checksum.c hapair/base/addr.c hapair/base/clock.c */
/*
 * test_gateway.c: echoes on loopback, in a network namespace of its own with an ARP neighbour behind a veth pair. Needs root.
 */
#include "vip/gateway.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool network; /* root, iproute2 and namespaces are here */

#define NEEDS_NETWORK()                                                                                      \
	if (!network)                                                                                        \
	skip()

static struct ip ip(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(span_of(text), &ip), 0);
	return ip;
}

static struct gateway *asks(const char *a, const char *b)
{
	struct ip targets[2], vip = ip("10.9.0.50");
	struct gateway *g = NULL;

	targets[0] = ip(a);
	if (b)
		targets[1] = ip(b);
	assert_int_equal(gateway_new(targets, b ? 2 : 1, &vip, 1, &g), 0);
	return g;
}

/* The sending time of the newest answered probe, after at most `ms`. */
static nanos answer_within(struct gateway *g, int ms)
{
	struct pollfd fd = {.fd = gateway_fd(g), .events = POLLIN};

	poll(&fd, 1, ms);
	return gateway_read(g);
}

static nanos answer_of(struct gateway *g, nanos sent)
{
	nanos newest = 0;

	gateway_probe(g, sent);
	for (int i = 0; i < 50 && newest != sent; i++)
		newest = answer_within(g, 20);
	return newest;
}

static void an_echo_tells_when_its_probe_was_sent(void **state)
{
	struct gateway *g;

	NEEDS_NETWORK();
	g = asks("127.0.0.1", NULL);
	assert_int_equal(gateway_read(g), 0);
	assert_int_equal(answer_of(g, SECONDS(1)), SECONDS(1));
	assert_int_equal(answer_of(g, SECONDS(2)), SECONDS(2));
	gateway_free(g);
	g = asks("::1", NULL);
	assert_int_equal(answer_of(g, SECONDS(3)), SECONDS(3));
	gateway_free(g);
}

static void one_answer_of_several_is_enough_and_silence_is_none(void **state)
{
	struct gateway *g;

	NEEDS_NETWORK();
	g = asks("192.0.2.1", "127.0.0.1");
	assert_int_equal(answer_of(g, SECONDS(1)), SECONDS(1));
	gateway_free(g);
	g = asks("192.0.2.1", "2001:db8::1");
	gateway_probe(g, SECONDS(1));
	assert_int_equal(answer_within(g, 50), 0);
	gateway_free(g);
}

static void answers_to_somebody_else_do_not_count(void **state)
{
	struct gateway *mine, *other;

	NEEDS_NETWORK();
	mine = asks("127.0.0.1", NULL);
	other = asks("127.0.0.1", NULL);
	assert_int_equal(answer_of(other, SECONDS(1)), SECONDS(1));
	assert_int_equal(gateway_read(mine), 0);
	gateway_free(mine);
	gateway_free(other);
}

static void run(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

/* It answers no ping: ARP is what every host answers. */
static void a_neighbour_is_asked_by_arp(void **state)
{
	struct gateway *g;

	NEEDS_NETWORK();
	g = asks("10.9.0.254", NULL);
	assert_int_equal(answer_of(g, SECONDS(1)), SECONDS(1));
	assert_int_equal(answer_of(g, SECONDS(2)), SECONDS(2));
	run("ip -n gwtest link set far down");
	gateway_probe(g, SECONDS(3));
	assert_int_equal(answer_within(g, 50), SECONDS(2));
	gateway_probe(g, SECONDS(3) + MS(100));
	assert_int_equal(answer_within(g, 50), SECONDS(2));
	run("ip -n gwtest link set far up");
	/* An ARP answer names no probe: it counts for the oldest that waits. */
	gateway_probe(g, SECONDS(3) + MS(200));
	for (int i = 0; i < 50 && gateway_read(g) == SECONDS(2); i++)
		answer_within(g, 20);
	assert_int_equal(gateway_read(g), SECONDS(3));
	assert_int_equal(answer_of(g, SECONDS(4)), SECONDS(4));
	gateway_free(g);
}

static void an_interface_that_comes_later_is_found(void **state)
{
	struct gateway *g;

	NEEDS_NETWORK();
	g = asks("10.9.1.254", NULL);
	gateway_probe(g, SECONDS(10));
	assert_int_equal(answer_within(g, 20), 0);
	run("ip addr add 10.9.1.1/24 dev near");
	assert_int_equal(answer_of(g, SECONDS(16)), SECONDS(16));
	gateway_free(g);
}

/* Everything in namespaces of this process: the second one is the neighbour's. */
static int make_network(void **state)
{
	if (geteuid() != 0 || system("ip netns list >/dev/null 2>&1") != 0 ||
	    unshare(CLONE_NEWNET | CLONE_NEWNS) != 0)
		return 0;
	network = true;
	run("mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir /run/netns");
	run("ip link set lo up && ip netns add gwtest && ip link add near type veth peer name far netns "
	    "gwtest");
	run("ip addr add 10.9.0.1/24 dev near && ip addr add 10.9.0.50/24 dev near && ip link set near up");
	run("ip -n gwtest addr add 10.9.0.254/24 dev far && ip -n gwtest addr add 10.9.1.254/24 dev far && "
	    "ip -n gwtest link set far up && "
	    "ip netns exec gwtest sysctl -qw net.ipv4.icmp_echo_ignore_all=1");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_echo_tells_when_its_probe_was_sent),
		cmocka_unit_test(one_answer_of_several_is_enough_and_silence_is_none),
		cmocka_unit_test(answers_to_somebody_else_do_not_count),
		cmocka_unit_test(a_neighbour_is_asked_by_arp),
		cmocka_unit_test(an_interface_that_comes_later_is_found),
	};

	return cmocka_run_group_tests(tests, make_network, NULL);
}
