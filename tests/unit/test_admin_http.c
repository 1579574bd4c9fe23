/* rooms: hapair/admin/http.c hapair/admin/commands.c hapair/admin/event_streams.c hapair/admin/http_reply.c hapair/admin/control_client.c hapair/admin/events.c hapair/admin/status_json.c hapair/admin/metrics.c hapair/admin/overview.c hapair/admin/snapshot.c hapair/admin/json_values.c hapair/base/addr.c hapair/base/msg.c hapair/base/log.c hapair/base/clock.c */
/*
 * A child serves a node that stands still; the tests ask it. Servers of the pool "web" are the stage directions: what is
 * done to them says what the roles behind admin would have answered.
 */
#include "hapair/admin/http.h"
#include "hapair/admin/control_client.h"
#include "tests/unit/node_fixture.h"

#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];
static pid_t child;
static struct addr tcp_address;

/* The child */

static struct fixture node;
static struct events *events;
static struct event_streams *streams;
static struct admin_commands *commands;
static uint32_t held;

static struct snapshot_view view(void)
{
	return node.view;
}

static void add_events(unsigned n)
{
	struct msg_event event = {.wall_ms = FIXTURE_WALL};

	MSG_TEXT(event.type, "server");
	for (unsigned i = 0; i < n; i++)
		events_add(events, &event);
	event_streams_pump(streams);
}

static void answer(evutil_socket_t fd, short what, void *ctx)
{
	struct admin_command *command = ctx;
	bool known = admin_commands_waiting(commands, held) != NULL;

	if (strcmp(command->server, "release") == 0)
		admin_commands_answer(commands, held, 0, "text", "late", NULL);
	if (strcmp(command->server, "abandon") == 0)
		admin_commands_abandon(commands, ADMIN_SWITCHOVER, "heartbeat is gone");
	if (strcmp(command->server, "one-event") == 0)
		add_events(1);
	if (strcmp(command->server, "burst") == 0)
		add_events(3 * EVENTS_RING);
	if (command->action == ADMIN_RELOAD)
		admin_commands_answer(commands, command->id, -EINVAL, "difference", "not applied",
				      "file:1: what\n");
	else
		admin_commands_answer(commands, command->id, 0, "text", known ? "known" : "done", NULL);
	free(command);
}

static struct event_base *base;

static int pass_on(void *ctx, const struct admin_command *command, char why[ADMIN_WHY_MAX])
{
	struct admin_command *copy;

	if (command->action == ADMIN_SERVER && strcmp(command->pool, "web") != 0) {
		snprintf(why, ADMIN_WHY_MAX, "no pool %s", command->pool);
		return -ENOENT;
	}
	if (command->action == ADMIN_SWITCHOVER || strcmp(command->server, "hold") == 0) {
		held = command->id;
		return 0;
	}
	copy = malloc(sizeof(*copy));
	*copy = *command;
	event_base_once(base, -1, EV_TIMEOUT, answer, copy, NULL);
	return 0;
}

static void serve(int tcp, int ready)
{
	struct admin_http_source source;
	struct admin_http *http;

	signal(SIGPIPE, SIG_IGN);
	fixture_init(&node);
	snapshot_link(&node.snapshot, ROLE_RUNNER, true, SECONDS(900));
	base = event_base_new();
	event_base_priority_init(base, 3);
	events = events_new(NULL, "alpha", EVENTS_FILE_SIZE);
	streams = event_streams_new(events);
	commands = admin_commands_new(base, pass_on, NULL);
	source = (struct admin_http_source){view, events, streams, commands};
	http = admin_http_new(base, &source);
	add_events(3);
	if (admin_http_control(http, dir) < 0 || admin_http_listen(http, &tcp_address, tcp) < 0)
		_exit(1);
	if (write(ready, "x", 1) != 1)
		_exit(1);
	event_base_dispatch(base);
	_exit(1);
}

/* The parent */

static int start(void **unused)
{
	struct sockaddr_storage room = {0};
	struct sockaddr_in *any = (struct sockaddr_in *)&room;
	socklen_t n = sizeof(*any);
	int tcp = socket(AF_INET, SOCK_STREAM, 0), ready[2];
	char byte;

	any->sin_family = AF_INET;
	any->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	strcpy(dir, "/tmp/hapair-admin-XXXXXX");
	if (!mkdtemp(dir) || bind(tcp, (struct sockaddr *)any, n) < 0 || listen(tcp, 1024) < 0 ||
	    getsockname(tcp, (struct sockaddr *)any, &n) < 0 || pipe(ready) < 0)
		return -1;
	addr_from_sockaddr((struct sockaddr *)any, &tcp_address);
	child = fork();
	if (child == 0)
		serve(tcp, ready[1]);
	close(tcp);
	close(ready[1]);
	n = read(ready[0], &byte, 1) == 1;
	close(ready[0]);
	return n ? 0 : -1;
}

static int stop(void **unused)
{
	char path[128];
	int status;

	/* Still there: no request of any test ended it. */
	if (waitpid(child, &status, WNOHANG) != 0)
		return -1;
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	snprintf(path, sizeof(path), "%s/control.sock", dir);
	unlink(path);
	return rmdir(dir);
}

/* The JSON of the answer; its status is checked. */
static json_t *ask(const char *method, const char *target, int wanted)
{
	json_t *json;
	char *body;
	int status, r = control_request(dir, method, target, 10, &status, &body);

	assert_int_equal(r, 0);
	assert_int_equal(status, wanted);
	json = json_loads(body, 0, NULL);
	free(body);
	return json;
}

static void refused(const char *method, const char *target, int wanted)
{
	json_t *json = ask(method, target, wanted);

	assert_true(json_is_string(json_object_get(json, "error")));
	json_decref(json);
}

static int connect_tcp(void)
{
	struct sockaddr_storage to;
	socklen_t n = addr_to_sockaddr(&tcp_address, &to);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, n), 0);
	return fd;
}

static int connect_control(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s/control.sock", dir);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* All that comes up to the end of the connection. */
static char *listen_to(int fd)
{
	char *text = malloc(4 << 20);
	size_t n = 0;
	ssize_t got;

	while ((got = recv(fd, text + n, (4 << 20) - 1 - n, 0)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	close(fd);
	return text;
}

static void the_status_is_served(void **unused)
{
	json_t *json = ask("GET", "/v1/status", 200);

	assert_int_equal(json_integer_value(json_object_get(json, "schema")), 1);
	assert_string_equal(json_string_value(json_object_get(json, "node")), "alpha");
	json_decref(json);
}

static void the_other_pages_are_served(void **unused)
{
	char *body;
	int status;

	json_decref(ask("GET", "/healthz", 200));
	json_decref(ask("GET", "/active", 200));
	assert_int_equal(control_request(dir, "GET", "/metrics", 10, &status, &body), 0);
	assert_non_null(strstr(body, "hapair_holder{node=\"alpha\"} 1\n"));
	free(body);
	assert_int_equal(control_request(dir, "GET", "/", 10, &status, &body), 0);
	assert_non_null(strstr(body, "<title>alpha"));
	free(body);
}

static void the_control_socket_is_for_its_owner_alone(void **unused)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/control.sock", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void wrong_requests_are_told_what_is_wrong(void **unused)
{
	refused("GET", "/v1/nothing", 404);
	refused("POST", "/v1/status", 405);
	refused("GET", "/v1/switchover", 405);
	refused("DELETE", "/v1/reload", 405);
	refused("GET", "/v1/events?since=x", 400);
	refused("GET", "/v1/events?since=-1", 400);
	refused("GET", "/v1/events?until=3", 400);
	refused("GET", "/v1/events?&&", 400);
	refused("POST", "/v1/servers/web", 404);
	refused("POST", "/v1/servers/web/s1/explode", 404);
	refused("POST", "/v1/servers/web/s1/drain/now", 404);
	refused("POST", "/v1/servers//s1/drain", 404);
	refused("POST", "/v1/servers/nopool/s1/drain", 404);
}

static void a_command_is_answered_by_its_role(void **unused)
{
	json_t *json = ask("POST", "/v1/servers/web/s1/drain", 200);

	assert_string_equal(json_string_value(json_object_get(json, "text")), "done");
	json_decref(json);
	json = ask("POST", "/v1/reload", 422);
	assert_string_equal(json_string_value(json_object_get(json, "mistakes")), "file:1: what\n");
	json_decref(json);
}

static void an_address_of_admin_bind_shows_but_does_not_command(void **unused)
{
	int fd = connect_tcp();
	char *text;

	say(fd, "GET /active HTTP/1.0\r\n\r\n");
	text = listen_to(fd);
	assert_non_null(strstr(text, " 200 OK\r\n"));
	free(text);
	fd = connect_tcp();
	say(fd, "POST /v1/switchover HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
	text = listen_to(fd);
	assert_non_null(strstr(text, " 403 Forbidden\r\n"));
	free(text);
}

static void head_has_no_body(void **unused)
{
	static const char *const targets[] = {"/v1/status", "/metrics", "/v1/events", "/v1/nothing"};

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		int fd = connect_control();
		char request[96], *text, *end;

		snprintf(request, sizeof(request), "HEAD %s HTTP/1.0\r\n\r\n", targets[i]);
		say(fd, request);
		text = listen_to(fd);
		end = strstr(text, "\r\n\r\n");
		assert_non_null(end);
		assert_string_equal(end + 4, "");
		free(text);
	}
}

struct seen {
	unsigned n;
	json_int_t last;
};

static bool see(void *ctx, const char *line)
{
	struct seen *seen = ctx;
	json_t *json = json_loads(line, 0, NULL);

	assert_non_null(json);
	seen->n++;
	seen->last = json_integer_value(json_object_get(json, "id"));
	json_decref(json);
	return true;
}

static void events_are_told_from_a_number_on(void **unused)
{
	struct seen seen = {0};
	int status;

	assert_int_equal(control_stream(dir, "/v1/events?since=1", &status, see, &seen), 0);
	assert_int_equal(status, 200);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.last, 3);
	seen.n = 0;
	assert_int_equal(control_stream(dir, "/v1/events?since=99", &status, see, &seen), 0);
	assert_int_equal(seen.n, 0);
	assert_int_equal(control_stream(dir, "/v1/events?since=18446744073709551615", &status, see, &seen),
			 0);
	assert_int_equal(seen.n, 0);
}

static bool see_the_next(void *ctx, const char *line)
{
	struct seen *seen = ctx;

	see(ctx, line);
	if (seen->n == 3)
		json_decref(ask("POST", "/v1/servers/web/one-event/ready", 200));
	return seen->n < 4;
}

static void a_follower_sees_what_happens_next(void **unused)
{
	struct seen seen = {0};
	int status;

	assert_int_equal(control_stream(dir, "/v1/events?follow=1", &status, see_the_next, &seen), 0);
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.last, 4);
}

static void a_reader_that_falls_behind_the_ring_is_dropped(void **unused)
{
	int fd = connect_control();
	char *text;

	say(fd, "GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n");
	json_decref(ask("GET", "/v1/status", 200)); /* the request before it was read by now */
	json_decref(ask("POST", "/v1/servers/web/burst/ready", 200));
	text = listen_to(fd); /* ends */
	assert_null(strstr(text, "\r\n0\r\n"));
	free(text);
	json_decref(ask("GET", "/v1/status", 200));
}

static void a_client_that_does_not_wait_harms_nobody_and_its_command_is_known(void **unused)
{
	int fd = connect_control();
	json_t *answer;

	say(fd, "POST /v1/servers/web/hold/maint HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
	json_decref(ask("GET", "/v1/status", 200));
	close(fd);
	json_decref(ask("GET", "/v1/status", 200)); /* the end of the connection before it was seen by now */
	answer = ask("POST", "/v1/servers/web/release/ready", 200);
	assert_string_equal(json_string_value(json_object_get(answer, "text")), "known");
	json_decref(answer);
	answer = ask("POST", "/v1/servers/web/release/ready", 200);
	assert_string_equal(json_string_value(json_object_get(answer, "text")), "done"); /* answered once */
	json_decref(answer);
	fd = connect_control();
	say(fd, "GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n");
	json_decref(ask("GET", "/v1/status", 200));
	close(fd);
	json_decref(ask("POST", "/v1/servers/web/one-event/ready", 200));
	json_decref(ask("GET", "/v1/status", 200));
}

static void a_command_whose_role_is_gone_fails(void **unused)
{
	int fd = connect_control();
	char *text;

	say(fd, "POST /v1/switchover HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
	json_decref(ask("POST", "/v1/servers/web/abandon/ready", 200));
	text = listen_to(fd);
	assert_non_null(strstr(text, " 503 "));
	assert_non_null(strstr(text, "heartbeat is gone"));
	free(text);
}

static void requests_on_one_connection_are_answered_in_turn(void **unused)
{
	int fd = connect_control();
	char *text, *first, *second;

	say(fd, "GET /active HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/nothing HTTP/1.1\r\nHost: x\r\nConnection: "
		"close\r\n\r\n");
	text = listen_to(fd);
	first = strstr(text, " 200 OK");
	second = strstr(text, " 404 Not Found");
	assert_non_null(first);
	assert_non_null(second);
	assert_true(first < second);
	free(text);
}

static void garbage_is_refused_and_harms_nobody(void **unused)
{
	static const char *const garbage[] = {
		"\r\n\r\n",
		"GET\r\n\r\n",
		"GET / HTTP/9.9\r\n\r\n",
		"BREW / HTTP/1.1\r\n\r\n",
		"GET http://[::1 HTTP/1.1\r\n\r\n",
		"POST /v1/reload HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST /v1/reload HTTP/1.1\r\nContent-Length: 100000\r\n\r\n",
		"GET //// HTTP/1.0\r\n\r\n",
		"OPTIONS * HTTP/1.0\r\n\r\n",
		"CONNECT a:1 HTTP/1.0\r\n\r\n"};

	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		int fd = connect_tcp();

		say(fd, garbage[i]);
		shutdown(fd, SHUT_WR);
		free(listen_to(fd));
	}
	json_decref(ask("GET", "/v1/status", 200));
}

static void more_connections_than_allowed_wait_and_the_control_socket_goes_on(void **unused)
{
	int fds[ADMIN_HTTP_FDS + 20];

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		fds[i] = connect_tcp();
	json_decref(ask("GET", "/v1/status", 200));
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		close(fds[i]);
	json_decref(ask("GET", "/v1/status", 200));
}

static void without_a_daemon_the_client_says_so(void **unused)
{
	char *body;
	int status, r = control_request("/nonexistent", "GET", "/v1/status", 10, &status, &body);

	assert_true(r < 0);
	assert_true(control_no_daemon(r));
	assert_int_equal(
		control_request(
			"/a/very/long/path/a/very/long/path/a/very/long/path/a/very/long/path/a/very/long/"
			"path/a/very/long/path",
			"GET", "/", 10, &status, &body),
		-ENAMETOOLONG);
}

int main(void)
{
#define SERVED(test) cmocka_unit_test_setup_teardown(test, start, stop)
	const struct CMUnitTest tests[] = {
		SERVED(the_status_is_served),
		SERVED(the_other_pages_are_served),
		SERVED(the_control_socket_is_for_its_owner_alone),
		SERVED(wrong_requests_are_told_what_is_wrong),
		SERVED(a_command_is_answered_by_its_role),
		SERVED(an_address_of_admin_bind_shows_but_does_not_command),
		SERVED(head_has_no_body),
		SERVED(events_are_told_from_a_number_on),
		SERVED(a_follower_sees_what_happens_next),
		SERVED(a_reader_that_falls_behind_the_ring_is_dropped),
		SERVED(a_client_that_does_not_wait_harms_nobody_and_its_command_is_known),
		SERVED(a_command_whose_role_is_gone_fails),
		SERVED(requests_on_one_connection_are_answered_in_turn),
		SERVED(garbage_is_refused_and_harms_nobody),
		SERVED(more_connections_than_allowed_wait_and_the_control_socket_goes_on),
		cmocka_unit_test(without_a_daemon_the_client_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
