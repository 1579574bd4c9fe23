/* rooms: proxy/rewrite.c proxy/http.c */
/*
 * Outgoing heads, byte for byte.
 */
#include "proxy/rewrite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct rewrite_request plain = {
	.client = {"192.0.2.7", 9}, .host = {"10.0.0.11:80", 12}, .keep_alive = true};

#define FORWARDED "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n"

static void assert_request(const char *in, const struct rewrite_request *how, const char *want)
{
	struct http_request r;
	char out[2048];
	size_t n;

	http_request_init(&r, HTTP_HEAD_MAX);
	assert_int_equal(http_request_parse(&r, in, strlen(in)), strlen(in));
	n = rewrite_request(&r, how, out, sizeof out);
	if (n != strlen(want) || memcmp(out, want, n) != 0)
		fail_msg("got\n%.*s\nwant\n%s", (int)n, out, want);
	/* Every smaller buffer is refused, none is overrun. */
	for (size_t size = 0; size < n; size++)
		assert_int_equal(rewrite_request(&r, how, out, size), 0);
	assert_int_equal(rewrite_request(&r, how, out, n), n);
}

static void a_request_leaves_with_what_we_know_of_its_sender(void **state)
{
	assert_request("GET /a?b HTTP/1.1\r\nhost:shop\r\nAccept:*/*\r\n\r\n", &plain,
		       "GET /a?b HTTP/1.1\r\nHost: shop\r\nAccept: */*\r\n" FORWARDED "\r\n");
}

static void tls_is_said_to_the_server(void **state)
{
	struct rewrite_request how = plain;

	how.tls = true;
	assert_request("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: http\r\n\r\n", &how,
		       "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: "
		       "https\r\n\r\n");
}

static void a_client_cannot_say_where_it_comes_from(void **state)
{
	assert_request("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\n"
		       "X-Real-IP: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\nX-Forwarded-Host: "
		       "b\r\nX-Forwarded-Port: 1\r\n"
		       "X-Forwarded-Server: c\r\nx_forwarded_for: 1.1.1.1\r\nProxy: "
		       "evil\r\nProxy-Authorization: x\r\n\r\n",
		       &plain, "GET / HTTP/1.1\r\nHost: a\r\n" FORWARDED "\r\n");
}

static void a_trusted_client_is_appended_to(void **state)
{
	struct rewrite_request how = plain;

	how.append_forwarded = true;
	assert_request(
		"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2\r\nX-Forwarded-For:\r\n"
		"X-Forwarded-For: 3.3.3.3\r\nX-Forwarded-Proto: https\r\n\r\n",
		&how,
		"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n"
		"X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.7\r\n\r\n");
	assert_request("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &how,
		       "GET / HTTP/1.1\r\nHost: a\r\n" FORWARDED "\r\n");
}

static void hop_by_hop_fields_stay_here(void **state)
{
	assert_request(
		"POST / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x-secret\r\nKeep-Alive: timeout=5\r\n"
		"X-Secret: 1\r\nTE: trailers\r\nTrailer: X\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"
		"Transfer-Encoding: Chunked\r\nExpect: 100-continue\r\nB: c\r\n\r\n",
		&plain,
		"POST / HTTP/1.1\r\nHost: a\r\nB: c\r\nTransfer-Encoding: chunked\r\n" FORWARDED "\r\n");
}

static void an_expectation_passes_where_it_is_wanted(void **state)
{
	struct rewrite_request how = plain;

	how.expect = true;
	how.keep_alive = false;
	assert_request("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 007\r\n\r\n",
		       &how,
		       "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 7\r\n" FORWARDED
		       "Connection: close\r\n\r\n");
}

static void targets_leave_in_origin_form(void **state)
{
	assert_request("GET http://b:80?q HTTP/1.1\r\nHost: b\r\n\r\n", &plain,
		       "GET /?q HTTP/1.1\r\nHost: b:80\r\n" FORWARDED "\r\n");
	assert_request("OPTIONS http://b HTTP/1.1\r\nHost: b\r\n\r\n", &plain,
		       "OPTIONS * HTTP/1.1\r\nHost: b\r\n" FORWARDED "\r\n");
	assert_request("OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", &plain,
		       "OPTIONS * HTTP/1.1\r\nHost: \r\n" FORWARDED "\r\n");
	assert_request("GET / HTTP/1.0\r\n\r\n", &plain,
		       "GET / HTTP/1.1\r\nHost: 10.0.0.11:80\r\n" FORWARDED "\r\n");
}

static void a_websocket_keeps_its_upgrade(void **state)
{
	assert_request(
		"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive,Upgrade\r\nUpgrade: websocket, h2c\r\n"
		"Sec-WebSocket-Key: x\r\n\r\n",
		&plain,
		"GET /ws HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: x\r\n" FORWARDED
		"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

static void assert_response(const char *in, enum http_method to, bool websocket,
			    const struct rewrite_response *how, const char *want)
{
	struct http_response r;
	char out[2048];
	size_t n;

	http_response_init(&r, HTTP_HEAD_MAX);
	assert_int_equal(http_response_parse(&r, in, strlen(in), to, websocket), strlen(in));
	n = rewrite_response(&r, how, out, sizeof out);
	if (n != strlen(want) || memcmp(out, want, n) != 0)
		fail_msg("got\n%.*s\nwant\n%s", (int)n, out, want);
	for (size_t size = 0; size < n; size++)
		assert_int_equal(rewrite_response(&r, how, out, size), 0);
}

static void a_response_leaves_without_the_servers_name(void **state)
{
	assert_response("HTTP/1.0 200 Fine\r\nServer: Apache/1.3\r\nX-Powered-By: PHP/4\r\nDate: today\r\n"
			"Connection: keep-alive, x\r\nX: 1\r\nContent-Length: 05\r\n\r\n",
			HTTP_GET, false, &(struct rewrite_response){1, true, FRAMING_LENGTH},
			"HTTP/1.1 200 Fine\r\nDate: today\r\nContent-Length: 5\r\n\r\n");
}

static void the_session_decides_framing_and_connection(void **state)
{
	static const char *chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

	assert_response(chunked, HTTP_GET, false, &(struct rewrite_response){1, true, FRAMING_CHUNKED},
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	assert_response(chunked, HTTP_GET, false, &(struct rewrite_response){0, false, FRAMING_CLOSE},
			"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
	assert_response("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", HTTP_GET, false,
			&(struct rewrite_response){0, true, FRAMING_LENGTH},
			"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n");
}

static void lengths_are_kept_where_they_only_describe(void **state)
{
	const struct rewrite_response none = {1, true, FRAMING_NONE};

	assert_response("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", HTTP_HEAD, false, &none,
			"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
	assert_response("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", HTTP_GET, false, &none,
			"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n");
	assert_response("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", HTTP_GET, false, &none,
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_response("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", HTTP_GET, false, &none,
			"HTTP/1.1 204 No Content\r\n\r\n");
}

static void interim_responses_and_switches_keep_their_meaning(void **state)
{
	const struct rewrite_response how = {1, false, FRAMING_NONE};

	assert_response("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nServer: x\r\n\r\n", HTTP_GET, false, &how,
			"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
	assert_response("HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: "
			"WebSocket\r\nSec-WebSocket-Accept: y\r\n\r\n",
			HTTP_GET, true, &how,
			"HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: y\r\nConnection: "
			"Upgrade\r\nUpgrade: websocket\r\n\r\n");
	assert_int_equal(rewrite_continue.n, strlen(rewrite_continue.p));
}

static void our_own_answers_are_valid_responses(void **state)
{
	static const unsigned statuses[] = {400, 404, 405, 408, 413, 414, 417, 421, 429,
					    431, 500, 501, 502, 503, 504, 505, 599};

	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		char out[REWRITE_ERROR_MAX + 1];
		struct http_response r;
		size_t n = rewrite_error(statuses[i], i & 1, false, out, REWRITE_ERROR_MAX), head_only;
		int head;

		assert_true(n > 0);
		http_response_init(&r, HTTP_HEAD_MAX);
		head = http_response_parse(&r, out, n, HTTP_GET, false);
		assert_true(head > 0);
		assert_int_equal(r.status, statuses[i]);
		assert_int_equal(r.head.length, n - (size_t)head);
		assert_int_equal(r.keep_alive, i & 1);
		head_only = rewrite_error(statuses[i], i & 1, true, out, REWRITE_ERROR_MAX);
		assert_int_equal(head_only, head);
		out[head_only] = 0;
		assert_int_equal(strstr(out, "Retry-After: 1\r\n") != NULL, statuses[i] == 503);
		assert_int_equal(strstr(out, "Allow: ") != NULL, statuses[i] == 405);
		assert_int_equal(rewrite_error(statuses[i], false, false, out, 20), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_leaves_with_what_we_know_of_its_sender),
		cmocka_unit_test(tls_is_said_to_the_server),
		cmocka_unit_test(a_client_cannot_say_where_it_comes_from),
		cmocka_unit_test(a_trusted_client_is_appended_to),
		cmocka_unit_test(hop_by_hop_fields_stay_here),
		cmocka_unit_test(an_expectation_passes_where_it_is_wanted),
		cmocka_unit_test(targets_leave_in_origin_form),
		cmocka_unit_test(a_websocket_keeps_its_upgrade),
		cmocka_unit_test(a_response_leaves_without_the_servers_name),
		cmocka_unit_test(the_session_decides_framing_and_connection),
		cmocka_unit_test(lengths_are_kept_where_they_only_describe),
		cmocka_unit_test(interim_responses_and_switches_keep_their_meaning),
		cmocka_unit_test(our_own_answers_are_valid_responses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
