/* rooms: hapair/supervisor/listeners.c hapair/config/report.c hapair/base/addr.c hapair/base/log.c */
#include "hapair/supervisor/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A configuration with one listener for each port given; ports are found free by the kernel first. */
struct made {
	struct config config;
	struct config_listen listens[4];
	struct config_bind binds[4];
	struct config_report *report;
};

/* The configuration is made by hand, so its places are ours to say; the reader has tests of its own. */
void config_where_key(const struct config *config, const char *kind, size_t index, const char *key,
		      const char **ret_file, unsigned *ret_line)
{
	*ret_file = "made.conf";
	*ret_line = (unsigned)index + 1;
}

static uint16_t free_port(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	close(fd);
	return ntohs(sa.sin_port);
}

static void make(struct made *m, size_t n, const uint16_t *ports)
{
	memset(m, 0, sizeof(*m));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(ip_parse(SPAN("127.0.0.1"), &m->binds[i].address.ip), 0);
		m->binds[i].address.port = ports[i];
		m->listens[i] = (struct config_listen){
			.name = "l", .binds = &m->binds[i], .n_binds = 1, .certificate = ""};
	}
	m->config.listens = m->listens;
	m->config.n_listens = n;
	m->report = config_report_new();
}

/* 0 or the errno of a client's connect to the loopback. The descriptor goes to *ret_fd when wanted. */
static int connect_to(uint16_t port, int *ret_fd)
{
	struct sockaddr_in sa = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? errno : 0;

	if (ret_fd)
		*ret_fd = fd;
	else
		close(fd);
	return error;
}

static void each_worker_has_a_socket_of_its_own(void **state)
{
	const uint16_t ports[] = {free_port()};
	struct listeners *l;
	struct made m;

	make(&m, 1, ports);
	l = listeners_open(&m.config, 3, NULL, m.report);
	assert_non_null(l);
	assert_int_not_equal(listeners_socket(l, 0, 0, 0), listeners_socket(l, 0, 0, 1));
	assert_int_not_equal(listeners_socket(l, 0, 0, 1), listeners_socket(l, 0, 0, 2));
	assert_int_equal(connect_to(ports[0], NULL), 0);
	listeners_free(l);
	assert_int_equal(connect_to(ports[0], NULL), ECONNREFUSED);
	config_report_free(m.report);
}

static void an_address_that_is_not_here_is_bound_all_the_same(void **state)
{
	const uint16_t ports[] = {free_port()};
	struct listeners *l;
	struct made m;

	make(&m, 1, ports);
	ip_parse(SPAN("192.0.2.50"), &m.binds[0].address.ip); /* RFC 5737: nobody's */
	l = listeners_open(&m.config, 2, NULL, m.report);
	assert_non_null(l);
	listeners_free(l);
	config_report_free(m.report);
}

/* SO_REUSEPORT alone would let two daemons of one user share the port and halve each other's clients. */
static void a_port_of_another_is_refused_and_nothing_is_opened(void **state)
{
	const uint16_t ports[] = {free_port(), free_port()};
	struct listeners *other, *l;
	struct made taken, m;

	make(&taken, 1, ports + 1);
	make(&m, 2, ports);
	other = listeners_open(&taken.config, 2, NULL, taken.report);
	assert_non_null(other);
	l = listeners_open(&m.config, 2, NULL, m.report);
	assert_null(l);
	assert_int_equal(config_report_count(m.report), 1);
	assert_int_equal(connect_to(ports[0], NULL), ECONNREFUSED);
	listeners_free(other);
	config_report_free(m.report);
	config_report_free(taken.report);
}

static void a_reload_keeps_the_very_sockets_and_who_waits_in_them(void **state)
{
	const uint16_t ports[] = {free_port(), free_port(), free_port()};
	struct listeners *before, *after;
	struct made old, new;
	int client, accepted, socket;
	char c = 'x';

	make(&old, 2, ports);     /* ports 0 and 1 */
	make(&new, 2, ports + 1); /* ports 1 and 2: the first is gone, the second has another index */
	before = listeners_open(&old.config, 1, NULL, old.report);
	assert_non_null(before);
	socket = listeners_socket(before, 1, 0, 0);
	assert_int_equal(connect_to(ports[1], &client), 0);

	after = listeners_open(&new.config, 1, before, new.report);
	assert_non_null(after);
	assert_int_equal(listeners_socket(after, 0, 0, 0), socket);
	listeners_free(before);
	assert_int_equal(connect_to(ports[0], NULL), ECONNREFUSED);
	assert_int_equal(connect_to(ports[2], NULL), 0);

	accepted = accept(socket, NULL, NULL);
	assert_true(accepted >= 0);
	assert_int_equal(write(client, &c, 1), 1);
	assert_int_equal(read(accepted, &c, 1), 1);
	close(accepted);
	close(client);
	listeners_free(after);
	config_report_free(old.report);
	config_report_free(new.report);
}

static void paused_listeners_refuse_and_come_back(void **state)
{
	const uint16_t ports[] = {free_port()};
	struct listeners *l;
	struct made m;
	int waiting;
	char c;

	make(&m, 1, ports);
	l = listeners_open(&m.config, 2, NULL, m.report);
	assert_non_null(l);
	assert_int_equal(connect_to(ports[0], &waiting), 0);
	listeners_pause(l);
	listeners_pause(l);
	assert_int_equal(read(waiting, &c, 1), -1);
	assert_int_equal(errno, ECONNRESET); /* it does not wait in vain */
	close(waiting);
	assert_int_equal(connect_to(ports[0], NULL), ECONNREFUSED);
	assert_int_equal(listeners_resume(l), 0);
	assert_int_equal(connect_to(ports[0], NULL), 0);
	listeners_free(l);
	config_report_free(m.report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_worker_has_a_socket_of_its_own),
		cmocka_unit_test(an_address_that_is_not_here_is_bound_all_the_same),
		cmocka_unit_test(a_port_of_another_is_refused_and_nothing_is_opened),
		cmocka_unit_test(a_reload_keeps_the_very_sockets_and_who_waits_in_them),
		cmocka_unit_test(paused_listeners_refuse_and_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
