/* rooms: proxy/checker.c proxy/http.c hapair/base/addr.c hapair/base/clock.c */
/*
 * Checks against a small server on loopback, both on one loop. Nothing here asserts how long anything
 * takes; a guard ends a loop that would wait for ever.
 */
#include "proxy/checker.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
	struct event_base *base;
	struct evconnlistener *listener;
	struct addr address;
	const char *answer; /* NULL: silence; "": close */
	bool drip;          /* one byte at a time */
	unsigned requests;  /* complete ones seen */
	char request[512];  /* the newest */
	struct checker *checker;
	struct checker_target *target;
	unsigned results, wanted;
	struct checker_result last;
	void *last_owner;
	bool soon;
	bool (*hook)(struct world *w);
};

static void drip_on(struct bufferevent *bev, void *arg)
{
	struct world *w = arg;
	static size_t at;

	if (!w->drip || !w->answer)
		return;
	if (!w->answer[at]) {
		at = 0;
		return;
	}
	bufferevent_write(bev, w->answer + at++, 1);
}

static void on_request(struct bufferevent *bev, void *arg)
{
	struct world *w = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t n = evbuffer_get_length(in);

	if (n < 4 || memcmp(evbuffer_pullup(in, -1) + n - 4, "\r\n\r\n", 4) != 0)
		return;
	w->requests++;
	snprintf(w->request, sizeof w->request, "%.*s", (int)n, (const char *)evbuffer_pullup(in, -1));
	evbuffer_drain(in, n);
	if (!w->answer)
		return;
	if (!*w->answer)
		bufferevent_free(bev);
	else if (w->drip)
		drip_on(bev, w);
	else
		bufferevent_write(bev, w->answer, strlen(w->answer));
}

static void on_end(struct bufferevent *bev, short what, void *arg)
{
	bufferevent_free(bev);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int n, void *arg)
{
	struct world *w = arg;
	struct bufferevent *bev = bufferevent_socket_new(w->base, fd, BEV_OPT_CLOSE_ON_FREE);

	bufferevent_setcb(bev, on_request, drip_on, on_end, w);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static bool on_result(void *ctx, void *owner, const struct checker_result *result)
{
	struct world *w = ctx;

	w->results++;
	w->last = *result;
	w->last_owner = owner;
	if (w->results >= w->wanted)
		event_base_loopbreak(w->base);
	return w->hook ? w->hook(w) : w->soon;
}

static void on_guard(evutil_socket_t fd, short what, void *arg)
{
	fail_msg("nothing happened for ten seconds");
}

/* Runs until so many results have come since the world began. */
static void wait_results(struct world *w, unsigned wanted)
{
	struct timeval ten = {10, 0};
	struct event *guard = evtimer_new(w->base, on_guard, NULL);

	w->wanted = wanted;
	event_add(guard, &ten);
	if (w->results < wanted)
		event_base_dispatch(w->base);
	event_free(guard);
	assert_true(w->results >= wanted);
}

static void listen_again(struct world *w)
{
	struct sockaddr_storage sa;
	socklen_t n;

	assert_int_equal(ip_parse(SPAN("127.0.0.1"), &w->address.ip), 0);
	w->address.port = 0;
	n = addr_to_sockaddr(&w->address, &sa);
	w->listener = evconnlistener_new_bind(w->base, on_accept, w, LEV_OPT_CLOSE_ON_FREE, 512,
					      (struct sockaddr *)&sa, (int)n);
	assert_non_null(w->listener);
	n = sizeof sa;
	getsockname(evconnlistener_get_fd(w->listener), (struct sockaddr *)&sa, &n);
	assert_int_equal(addr_from_sockaddr((struct sockaddr *)&sa, &w->address), 0);
}

static struct world *begin_world(const char *answer)
{
	struct world *w = calloc(1, sizeof *w);
	struct event_config *config = event_config_new();

	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	w->base = event_base_new_with_config(config);
	event_config_free(config);
	w->answer = answer;
	listen_again(w);
	w->checker = checker_new(w->base, true, on_result, w);
	return w;
}

static void end_world(struct world *w)
{
	checker_free(w->checker);
	if (w->listener)
		evconnlistener_free(w->listener);
	/* Connections that the server still holds end by the checker's close. */
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	event_base_free(w->base);
	free(w);
}

static struct checker_spec spec_of(const struct world *w, enum config_check kind)
{
	return (struct checker_spec){.kind = kind,
				     .address = w->address,
				     .path = "/health",
				     .host = "",
				     .expect = 200,
				     .interval = SECONDS(3600),
				     .standby_interval = SECONDS(7200),
				     .timeout = SECONDS(5)};
}

static void add(struct world *w, const struct checker_spec *spec)
{
	w->target = checker_add(w->checker, spec, w);
	assert_non_null(w->target);
}

static void a_good_answer_is_good_and_the_check_is_at_once(void **state)
{
	struct world *w = begin_world("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	struct checker_spec spec = spec_of(w, CHECK_HTTP);
	char want[128], address[ADDR_TEXT_MAX];

	add(w, &spec);
	assert_int_equal(w->results, 0); /* never before the loop runs */
	wait_results(w, 1);
	assert_true(w->last.ok);
	assert_string_equal(w->last.detail, "HTTP 200");
	assert_ptr_equal(w->last_owner, w);
	assert_true(w->last.took > 0 && w->last.took <= w->last.at);
	snprintf(want, sizeof want, "GET /health HTTP/1.1\r\nHost: %s\r\n",
		 addr_format(&w->address, address));
	assert_memory_equal(w->request, want, strlen(want));
	end_world(w);
}

static void every_other_answer_is_bad_and_says_why(void **state)
{
	static const struct {
		const char *answer, *detail;
		bool ok;
	} cases[] = {
		{"HTTP/1.1 503 No\r\n\r\n", "HTTP 503, not 200", false},
		{"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", "HTTP 302, not 200", false},
		{"", "closed without an answer", false},
		{"SSH-2.0-OpenSSH_9.2p1\r\n", "malformed answer: malformed status line", false},
		{"HTTP/1.1 200 OK\nA: b\n\n", "malformed answer: line does not end in CRLF", false},
		{"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "HTTP 200", true},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct world *w = begin_world(cases[i].answer);
		struct checker_spec spec = spec_of(w, CHECK_HTTP);

		add(w, &spec);
		wait_results(w, 1);
		assert_int_equal(w->last.ok, cases[i].ok);
		assert_true(w->last.reached);
		assert_string_equal(w->last.detail, cases[i].detail);
		end_world(w);
	}
}

static void an_answer_may_come_in_pieces(void **state)
{
	struct world *w = begin_world("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nA: b\r\n\r\n");
	struct checker_spec spec = spec_of(w, CHECK_HTTP);

	w->drip = true;
	spec.expect = 204;
	spec.host = "shop.example";
	add(w, &spec);
	wait_results(w, 1);
	assert_true(w->last.ok);
	assert_non_null(strstr(w->request, "\r\nHost: shop.example\r\n"));
	end_world(w);
}

static void silence_ends_at_the_timeout(void **state)
{
	struct world *w = begin_world(NULL);
	struct checker_spec spec = spec_of(w, CHECK_HTTP);

	spec.timeout = MS(20);
	add(w, &spec);
	wait_results(w, 1);
	assert_false(w->last.ok);
	assert_string_equal(w->last.detail, "no answer within 20 ms");
	assert_true(w->last.reached); /* it took the connection */
	end_world(w);
}

static void a_closed_port_is_refused(void **state)
{
	static const enum config_check kinds[] = {CHECK_HTTP, CHECK_TCP};

	for (size_t i = 0; i < 2; i++) {
		struct world *w = begin_world(NULL);
		struct checker_spec spec = spec_of(w, kinds[i]);

		evconnlistener_free(w->listener);
		w->listener = NULL;
		add(w, &spec);
		wait_results(w, 1);
		assert_false(w->last.ok || w->last.reached);
		assert_string_equal(w->last.detail, "connection refused");
		end_world(w);
	}
}

static void no_way_to_a_server_is_its_failure_not_ours(void **state)
{
	struct world *w = begin_world(NULL);
	struct checker_spec spec = spec_of(w, CHECK_TCP);

	/* a broadcast address: refused on the spot by connect() */
	assert_int_equal(addr_parse(SPAN("255.255.255.255:80"), &spec.address), 0);
	add(w, &spec);
	wait_results(w, 1);
	assert_false(w->last.ok || w->last.reached);
	end_world(w);
}

static void an_accepted_connection_is_enough_for_tcp(void **state)
{
	struct world *w = begin_world(NULL);
	struct checker_spec spec = spec_of(w, CHECK_TCP);

	add(w, &spec);
	wait_results(w, 1);
	assert_true(w->last.ok);
	assert_string_equal(w->last.detail, "connected");
	end_world(w);
}

static void specs_come_from_the_configuration(void **state)
{
	struct config_server server = {.name = "s", .weight = 1};
	struct config_pool pool = {
		.check = {.kind = CHECK_HTTP, .path = "/p", .host = "h", .expect = 204, .port = 8008}};
	struct checker_spec spec;

	assert_int_equal(addr_parse(SPAN("10.0.0.1:80"), &server.address), 0);
	spec = checker_spec(&pool, &server);
	assert_int_equal(spec.address.port, 8008);
	assert_int_equal(spec.expect, 204);
	pool.check.port = 0;
	assert_int_equal(checker_spec(&pool, &server).address.port, 80);
}

static bool ask_again_once(struct world *w)
{
	if (w->results == 1)
		checker_check_now(w->target);
	return false;
}

static void a_check_asked_for_meanwhile_follows(void **state)
{
	struct world *w = begin_world("HTTP/1.1 200 OK\r\n\r\n");
	struct checker_spec spec = spec_of(w, CHECK_HTTP);

	w->hook = ask_again_once;
	add(w, &spec);
	for (int i = 0; i < 100; i++)
		checker_check_now(w->target);
	wait_results(w, 2);
	assert_int_equal(w->requests, 2);
	end_world(w);
}

static void an_unsettled_result_is_checked_again_soon(void **state)
{
	struct world *w = begin_world("HTTP/1.1 200 OK\r\n\r\n");
	struct checker_spec spec = spec_of(w, CHECK_HTTP);

	w->soon = true; /* not after an hour */
	add(w, &spec);
	wait_results(w, 2);
	end_world(w);
}

static void checks_go_on_at_their_interval(void **state)
{
	struct world *w = begin_world("HTTP/1.1 200 OK\r\n\r\n");
	struct checker_spec spec = spec_of(w, CHECK_HTTP);

	spec.interval = MS(5);
	add(w, &spec);
	wait_results(w, 20);
	end_world(w);
}

static bool remove_itself(struct world *w)
{
	checker_remove(w->target);
	w->target = NULL;
	return true;
}

static bool fail_on_own_result(struct world *w)
{
	assert_null(w->last_owner);
	return false;
}

static void a_target_may_be_removed_from_its_own_result(void **state)
{
	struct world *w = begin_world("HTTP/1.1 200 OK\r\n\r\n");
	struct checker_spec spec = spec_of(w, CHECK_HTTP);

	w->hook = remove_itself;
	spec.interval = MS(1);
	add(w, &spec);
	wait_results(w, 1);
	assert_ptr_equal(w->last_owner, w);
	w->hook = fail_on_own_result;
	w->target = checker_add(w->checker, &spec, NULL); /* another one: only its results come */
	wait_results(w, 10);
	end_world(w);
}

static bool fail_on_result(struct world *w)
{
	fail_msg("a result came: %s", w->last.detail);
	return false;
}

static void a_removed_or_paused_target_is_silent_even_while_it_runs(void **state)
{
	struct world *w = begin_world(NULL);
	struct checker_spec spec = spec_of(w, CHECK_HTTP), other;
	struct checker_target *removed, *paused;

	spec.timeout = MS(30);
	w->hook = fail_on_result;
	removed = checker_add(w->checker, &spec, NULL);
	paused = checker_add(w->checker, &spec, NULL);
	while (w->requests < 2)
		event_base_loop(w->base, EVLOOP_ONCE);
	checker_remove(removed);
	checker_pause(paused, true);
	checker_pause(paused, true);
	checker_check_now(paused);
	w->hook = NULL;
	other = spec;
	other.timeout = MS(60); /* outlives the deadlines of the two */
	add(w, &other);
	wait_results(w, 1);
	assert_ptr_equal(w->last_owner, w);
	w->answer = "HTTP/1.1 200 OK\r\n\r\n";
	checker_pause(paused, false);
	wait_results(w, 2);
	assert_null(w->last_owner);
	end_world(w);
}

static void a_target_without_checks_reports_nothing(void **state)
{
	struct world *w = begin_world("HTTP/1.1 200 OK\r\n\r\n");
	struct checker_spec spec = spec_of(w, CHECK_NONE);

	w->hook = fail_on_result;
	add(w, &spec);
	checker_check_now(w->target);
	checker_set_active(w->checker, false);
	checker_set_active(w->checker, true);
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	w->hook = NULL;
	spec.kind = CHECK_HTTP; /* a reload gives it one */
	assert_int_equal(checker_update(w->target, &spec), 0);
	wait_results(w, 1);
	end_world(w);
}

static void a_reload_keeps_what_is_equal_and_asks_anew_what_is_not(void **state)
{
	struct world *w = begin_world("HTTP/1.1 200 OK\r\n\r\n");
	struct checker_spec spec = spec_of(w, CHECK_HTTP);

	add(w, &spec);
	wait_results(w, 1);
	spec.timeout = SECONDS(4);
	assert_int_equal(checker_update(w->target, &spec), 0);
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	assert_int_equal(w->requests, 1);
	spec.interval = MS(5); /* a new pace counts from now */
	assert_int_equal(checker_update(w->target, &spec), 0);
	wait_results(w, 3);
	spec.interval = SECONDS(3600);
	spec.path = "/other";
	assert_int_equal(checker_update(w->target, &spec), 0);
	wait_results(w, w->results + 1);
	assert_memory_equal(w->request, "GET /other ", 11);
	w->answer = NULL;
	checker_check_now(w->target);
	while (w->requests < w->results + 1)
		event_base_loop(w->base, EVLOOP_ONCE);
	w->answer = "HTTP/1.1 200 OK\r\n\r\n"; /* the check that hangs is dropped for the new question */
	spec.path = "/third";
	assert_int_equal(checker_update(w->target, &spec), 0);
	wait_results(w, w->results + 1);
	assert_true(w->last.ok);
	end_world(w);
}

static void becoming_active_checks_all_at_once(void **state)
{
	struct world *w = begin_world("HTTP/1.1 200 OK\r\n\r\n");
	struct checker_spec spec = spec_of(w, CHECK_HTTP);

	checker_set_active(w->checker, false);
	for (int i = 0; i < 5; i++)
		add(w, &spec);
	wait_results(w, 5);
	checker_set_active(w->checker, true);
	checker_set_active(w->checker, true);
	wait_results(w, 10);
	assert_int_equal(w->requests, 10);
	end_world(w);
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void no_more_than_the_bound_run_at_a_time(void **state)
{
	enum { TARGETS = CHECKER_RUNNING_MAX + 100 };
	struct world *w = begin_world(NULL);
	struct checker_spec spec = spec_of(w, CHECK_HTTP);
	struct checker_target *some[TARGETS];
	unsigned before = open_descriptors();

	for (size_t i = 0; i < TARGETS; i++)
		some[i] = checker_add(w->checker, &spec, NULL);
	while (w->requests < CHECKER_RUNNING_MAX)
		event_base_loop(w->base, EVLOOP_ONCE);
	assert_int_equal(open_descriptors() - before, 2 * CHECKER_RUNNING_MAX);
	/*
	 * Slots that come free go to those that wait; those that wait may be paused, removed and asked for.
	 */
	w->answer = "HTTP/1.1 200 OK\r\n\r\n";
	checker_check_now(some[TARGETS - 1]);
	checker_pause(some[TARGETS - 2], true);
	checker_remove(some[TARGETS - 3]);
	for (size_t i = 0; i < 50; i++)
		checker_remove(some[i]);
	for (size_t i = 50; i < CHECKER_RUNNING_MAX; i++)
		checker_pause(some[i], true);
	wait_results(w, 98);
	end_world(w);
}

static void missing_descriptors_are_not_the_servers_failure(void **state)
{
	struct world *w = begin_world("HTTP/1.1 200 OK\r\n\r\n");
	struct checker_spec spec = spec_of(w, CHECK_HTTP);
	struct rlimit was, none;

	getrlimit(RLIMIT_NOFILE, &was);
	none = was;
	none.rlim_cur = 3;
	add(w, &spec);
	setrlimit(RLIMIT_NOFILE, &none);
	event_base_loop(w->base, EVLOOP_ONCE);
	setrlimit(RLIMIT_NOFILE, &was);
	assert_int_equal(w->results, 0);
	wait_results(w, 1); /* tried again */
	assert_true(w->last.ok);
	end_world(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_answer_is_good_and_the_check_is_at_once),
		cmocka_unit_test(every_other_answer_is_bad_and_says_why),
		cmocka_unit_test(an_answer_may_come_in_pieces),
		cmocka_unit_test(silence_ends_at_the_timeout),
		cmocka_unit_test(a_closed_port_is_refused),
		cmocka_unit_test(no_way_to_a_server_is_its_failure_not_ours),
		cmocka_unit_test(an_accepted_connection_is_enough_for_tcp),
		cmocka_unit_test(specs_come_from_the_configuration),
		cmocka_unit_test(a_check_asked_for_meanwhile_follows),
		cmocka_unit_test(an_unsettled_result_is_checked_again_soon),
		cmocka_unit_test(checks_go_on_at_their_interval),
		cmocka_unit_test(a_target_may_be_removed_from_its_own_result),
		cmocka_unit_test(a_removed_or_paused_target_is_silent_even_while_it_runs),
		cmocka_unit_test(a_target_without_checks_reports_nothing),
		cmocka_unit_test(a_reload_keeps_what_is_equal_and_asks_anew_what_is_not),
		cmocka_unit_test(becoming_active_checks_all_at_once),
		cmocka_unit_test(no_more_than_the_bound_run_at_a_time),
		cmocka_unit_test(missing_descriptors_are_not_the_servers_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
