/* rooms: vip/destroy.c hapair/base/flows.c hapair/base/addr.c hapair/base/clock.c hapair/base/log.c */
/*
 * Connections over loopback to addresses that nobody else uses: 127.109.0.1 is the VIP, 127.109.0.2 is none.
 */
#include "vip/destroy.h"

#include "hapair/base/flows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY 900 /* more than two buffers of the list hold */

static struct sockaddr_in vip_end;
static int listener, clients[MANY], served[MANY], other_client, other_served, other_listener;
static bool told[MANY];
static struct ip vip;

static struct sockaddr_in listen_on(const char *ip, int *ret_fd)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	socklen_t n = sizeof(sa);

	inet_pton(AF_INET, ip, &sa.sin_addr);
	*ret_fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(*ret_fd, (struct sockaddr *)&sa, n), 0);
	assert_int_equal(listen(*ret_fd, MANY), 0);
	assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&sa, &n), 0);
	return sa;
}

static void connect_to(const struct sockaddr_in *sa, int at, int *ret_client, int *ret_served)
{
	*ret_client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(*ret_client, (const struct sockaddr *)sa, sizeof(*sa)), 0);
	*ret_served = accept(at, NULL, NULL);
	assert_true(*ret_served >= 0);
}

static int set_up(void **state)
{
	struct rlimit files = {4096, 4096};
	struct sockaddr_in other;

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	assert_int_equal(ip_parse(span_of("127.109.0.1"), &vip), 0);
	vip_end = listen_on("127.109.0.1", &listener);
	other = listen_on("127.109.0.2", &other_listener);
	for (size_t i = 0; i < MANY; i++)
		connect_to(&vip_end, listener, &clients[i], &served[i]);
	connect_to(&other, other_listener, &other_client, &other_served);
	return 0;
}

static int tear_down(void **state)
{
	for (size_t i = 0; i < MANY; i++) {
		close(clients[i]);
		close(served[i]);
	}
	close(listener);
	close(other_client);
	close(other_served);
	close(other_listener);
	return 0;
}

static bool was_reset(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET;
}

/* So far; a socket tells of it once. */
static size_t resets(void)
{
	size_t n = 0;

	for (size_t i = 0; i < MANY; i++)
		n += told[i] = told[i] || was_reset(clients[i]);
	return n;
}

static void see(void *ctx, const struct flow *flow, const struct inet_diag_sockid *id)
{
	struct sockaddr_in sa;
	socklen_t n = sizeof(sa);

	getsockname(clients[0], (struct sockaddr *)&sa, &n);
	assert_true(ip_equal(&flow->vip.ip, &vip));
	assert_int_equal(flow->vip.port, ntohs(vip_end.sin_port));
	*(bool *)ctx |= flow->client.port == ntohs(sa.sin_port);
}

static void the_kernels_list_has_the_connections_of_the_vip(void **state)
{
	struct flows *flows;
	bool seen = false;
	int buffers = 1;

	assert_int_equal(flows_new(&flows), 0);
	assert_int_equal(flows_list(flows, &vip, 1, see, &seen), MANY);
	assert_true(seen);
	assert_int_equal(flows_list(flows, NULL, 0, see, &seen), 0);
	assert_int_equal(flows_begin(flows, &vip, 1), 0);
	assert_int_equal(flows_begin(flows, &vip, 1), -EBUSY);
	flows_free(flows);

	assert_int_equal(flows_new(&flows), 0);
	assert_int_equal(flows_begin(flows, &vip, 1), 0);
	while (flows_more(flows, NULL, NULL) > 0)
		buffers++;
	assert_true(buffers > 2);
	assert_int_equal(flows_live(flows), MANY);
	flows_free(flows);
}

static void every_client_of_the_vip_is_reset_and_nobody_else(void **state)
{
	struct destroy *destroy;
	unsigned pieces = 1;
	int client, at;

	if (geteuid() != 0) {
		print_message("needs root: sockets are destroyed with CAP_NET_ADMIN\n");
		skip();
	}
	assert_int_equal(destroy_new(&destroy), 0);
	assert_false(destroy_go_on(destroy, 0));
	destroy_begin(destroy, &vip, 1);
	assert_int_equal(resets(), 0);

	/* A budget that is over: a piece at a time. */
	for (unsigned piece = 0; piece < 3; piece++)
		assert_true(destroy_go_on(destroy, 0));
	assert_true(resets() > 0 && resets() < 64);
	destroy_stop(destroy);
	assert_false(destroy_go_on(destroy, 0));
	assert_true(resets() < 64);

	destroy_begin(destroy, &vip, 1);
	while (destroy_go_on(destroy, 0))
		pieces++;
	assert_true(pieces > MANY / 64);
	assert_int_equal(resets(), MANY);
	destroy_free(destroy);
	assert_false(was_reset(other_client));
	assert_int_equal(send(other_client, "x", 1, 0), 1);
	connect_to(&vip_end, listener, &client, &at); /* the listener is there */
	close(client);
	close(at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernels_list_has_the_connections_of_the_vip),
		cmocka_unit_test(every_client_of_the_vip_is_reset_and_nobody_else),
	};

	return cmocka_run_group_tests_name("destroy", tests, set_up, tear_down);
}
