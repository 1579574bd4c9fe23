/* rooms: proxy/http.c proxy/rewrite.c proxy/route.c */
/*
 * Heads: whatever comes in, the verdict does not depend on how it came, and what is accepted leaves as a
 * head that every strict parser reads in the same way, ours first.
 *
 * The first byte of an input says what it is: bit 0 a response, bits 1 and 2 what it answers, bit 3
 * websocket asked for, bit 4 a small limit, bits 5 to 7 the size of the pieces that it comes in.
 */
#include "proxy/http.h"
#include "proxy/rewrite.h"
#include "proxy/route.h"
#include "tests/fuzz/fuzz.h"

static const struct rewrite_request to_server = {
	.client = {"192.0.2.7", 9}, .host = {"10.0.0.11:80", 12}, .keep_alive = true};

static void check_part(const struct http_head *head, struct http_part part, size_t n)
{
	CHECK((size_t)part.at + part.n <= n);
}

/* No byte of an accepted head could end a line or a string somewhere else. */
static void check_fields(const struct http_head *head, size_t n)
{
	CHECK(head->n_fields <= HTTP_FIELDS_MAX);
	for (size_t i = 0; i < head->n_fields; i++) {
		struct span name = http_text(head, head->fields[i].name),
			    value = http_text(head, head->fields[i].value);

		check_part(head, head->fields[i].name, n);
		check_part(head, head->fields[i].value, n);
		CHECK(name.n > 0);
		for (size_t j = 0; j < value.n; j++)
			CHECK(value.p[j] != '\r' && value.p[j] != '\n' && value.p[j] != 0);
	}
	CHECK(!(head->has_length && head->has_coding));
}

static void check_no_hop_by_hop(const struct http_head *head)
{
	for (size_t i = 0; i < head->n_fields; i++)
		switch (head->fields[i].id) {
		case HTTP_FIELD_TE:
		case HTTP_FIELD_KEEP_ALIVE:
		case HTTP_FIELD_PROXY_CONNECTION:
		case HTTP_FIELD_PROXY_AUTHORIZATION:
		case HTTP_FIELD_HTTP2_SETTINGS:
		case HTTP_FIELD_TRAILER:
			abort();
		default:
			CHECK(head->fields[i].id != HTTP_FIELD_OTHER ||
			      !(head->fields[i].flags & HTTP_FIELD_DROP));
		}
}

static int parse_request(struct http_request *r, const char *p, size_t n, size_t max)
{
	http_request_init(r, max);
	return http_request_parse(r, p, n);
}

/* Whatever table a request meets, it gets a pool of this table or a named refusal. */
static void check_routes(const struct http_request *r)
{
	static struct config_route routes[] = {
		{"", "/api/", 1},   {"a", "/", 2},           {"*.b.c", "/x", 3},
		{"*.c", "/x/y", 4}, {"a", "/api", 5},        {"a", "/api", 6},
		{"*.", "/z", 7},    {"[::1].", "/a/b/c", 8}, {"", "/a/b", 9},
	};
	static struct config_route hosts[] = {{"b.c", "", 1}, {"*x", "", 2}};
	const struct config_listen tables[] = {
		{.routes = routes, .n_routes = sizeof routes / sizeof *routes, .pool = CONFIG_NO_POOL},
		{.routes = routes, .n_routes = 2, .pool = 10},
		{.routes = hosts, .n_routes = sizeof hosts / sizeof *hosts, .pool = CONFIG_NO_POOL},
		{.routes = NULL, .n_routes = 0, .pool = 11},
	};

	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
		struct route_entry storage[sizeof routes / sizeof *routes];
		struct route_table t;
		size_t pool = 99;
		enum route_result found;

		route_table_init(&t, storage, &tables[i]);
		found = route_find(&t, http_text(&r->head, r->host), http_text(&r->head, r->path), &pool);
		CHECK(found == ROUTE_FOUND ? pool >= 1 && pool <= 11 && pool != 6 : pool == 99);
		CHECK(found != ROUTE_NONE || tables[i].pool == CONFIG_NO_POOL);
		CHECK(found != ROUTE_BAD_PATH || t.has_paths);
	}
}

/* Our own answer to it is one that we understand. */
static void check_refusal(int error, bool keep_alive, bool head_only)
{
	char out[REWRITE_ERROR_MAX];
	struct http_response r;
	size_t n = rewrite_error(http_error_status(error), keep_alive, head_only, out, sizeof out);

	CHECK(http_error_status(error) >= 400 && http_error_status(-error) == http_error_status(error));
	CHECK(strcmp(http_error_text(error), http_error_text(-error)) == 0);
	CHECK(n > 0 && rewrite_error(503, keep_alive, head_only, out + n, sizeof out - n) > 0);
	http_response_init(&r, HTTP_HEAD_MAX);
	CHECK(http_response_parse(&r, out, n, head_only ? HTTP_HEAD : HTTP_GET, false) > 0);
	CHECK(r.status == http_error_status(error) && r.keep_alive == keep_alive);
}

static void check_accepted_request(const struct http_request *r, size_t n)
{
	struct http_request again;
	struct rewrite_request trusting = to_server;
	size_t size = n + REWRITE_ROOM, out, second;
	char *a = malloc(size), *b = malloc(size + REWRITE_ROOM);
	int got;

	check_fields(&r->head, n);
	check_part(&r->head, r->target, n);
	check_part(&r->head, r->path, n);
	check_part(&r->head, r->query, n);
	check_part(&r->head, r->host, n);
	CHECK(r->host.n > 0 || r->asterisk || r->head.minor == 0);

	out = rewrite_request(r, &to_server, a, size);
	CHECK(out > 0);
	got = parse_request(&again, a, out, HTTP_HEAD_LIMIT);
	/* One field more than came in is ours; only a head that was full already may be too much then. */
	if (got == -HTTP_FIELDS_MANY && r->head.n_fields >= HTTP_FIELDS_MAX - 4)
		goto done;
	/* Absolute targets are shorter in origin form, so nothing else can have become too long. */
	CHECK(got == (int)out);
	CHECK(again.method == r->method && again.body == r->body && again.asterisk == r->asterisk);
	CHECK(again.head.length == r->head.length && again.websocket == r->websocket);
	CHECK(r->host.n == 0 || span_equal(http_text(&again.head, again.host), http_text(&r->head, r->host)));
	CHECK(span_equal(http_text(&again.head, again.query), http_text(&r->head, r->query)));
	check_no_hop_by_hop(&again.head);
	CHECK(span_equal(http_field_value(&again.head, HTTP_FIELD_X_FORWARDED_FOR), to_server.client));
	/* and what left once would leave in the same way again */
	second = rewrite_request(&again, &to_server, b, size + REWRITE_ROOM);
	CHECK(second == out && memcmp(a, b, out) == 0);
	for (size_t small = out; small-- > 0 && small + 8 > out;)
		CHECK(rewrite_request(r, &to_server, a, small) == 0);
done:
	trusting.append_forwarded = trusting.expect = trusting.tls = true;
	trusting.keep_alive = false;
	CHECK(rewrite_request(r, &trusting, a, size) > 0);
	free(a);
	free(b);
	check_routes(r);
}

static void check_accepted_response(const struct http_response *r, size_t n, enum http_method to,
				    bool websocket)
{
	const struct rewrite_response how = {
		.client_minor = r->head.minor, .keep_alive = r->keep_alive, .framing = r->body};
	struct http_response again;
	size_t size = n + REWRITE_ROOM, out;
	char *a = malloc(size);
	int got;

	check_fields(&r->head, n);
	check_part(&r->head, r->reason, n);
	CHECK(r->status >= 100 && r->status <= 599);
	out = rewrite_response(r, &how, a, size);
	CHECK(out > 0);
	http_response_init(&again, HTTP_HEAD_LIMIT);
	got = http_response_parse(&again, a, out, to, websocket);
	if (got == -HTTP_FIELDS_MANY && r->head.n_fields >= HTTP_FIELDS_MAX - 4) {
		free(a);
		return;
	}
	CHECK(got == (int)out);
	CHECK(again.status == r->status && again.body == r->body && again.websocket == r->websocket);
	CHECK(r->body != FRAMING_LENGTH || again.head.length == r->head.length);
	CHECK(again.keep_alive == r->keep_alive || r->status < 200);
	CHECK(http_field_value(&again.head, HTTP_FIELD_SERVER).p == NULL);
	check_no_hop_by_hop(&again.head);
	CHECK(rewrite_response(r, &how, a, out - 1) == 0);
	free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum http_method methods[] = {HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_METHOD_OTHER};
	static const size_t steps[] = {1, 2, 3, 5, 16, 17, 64, 1000};
	bool response, websocket;
	enum http_method to;
	size_t max, step, n;
	struct http_request request, slow_request;
	struct http_response answer, slow_answer;
	char *copy;
	int whole, slow = 0;

	if (size == 0)
		return 0;
	response = data[0] & 1;
	to = methods[data[0] >> 1 & 3];
	websocket = data[0] >> 3 & 1;
	max = data[0] >> 4 & 1 ? 200 : HTTP_HEAD_MAX;
	step = steps[data[0] >> 5];
	data++;
	size--;
	if (size / step > 200) /* long heads in few pieces: each is parsed from a copy of its own */
		step = size / 200 + 1;

	/* Exactly as large as its contents, so that a read beyond them is seen. */
	copy = malloc(size ? size : 1);
	memcpy(copy, data, size);
	http_response_init(&answer, max);
	whole = response ? http_response_parse(&answer, copy, size, to, websocket)
			 : parse_request(&request, copy, size, max);
	CHECK(whole <= (int)max && whole > -HTTP_ERROR_COUNT);

	http_request_init(&slow_request, max);
	http_response_init(&slow_answer, max);
	for (n = step < size ? step : size; slow == 0; n = n + step < size ? n + step : size) {
		char *piece = malloc(n ? n : 1);

		memcpy(piece, data, n);
		slow = response ? http_response_parse(&slow_answer, piece, n, to, websocket)
				: http_request_parse(&slow_request, piece, n);
		free(piece);
		if (n == size)
			break;
	}
	CHECK(slow == whole);

	if (whole < 0) {
		check_refusal(whole, websocket, to == HTTP_HEAD);
	} else if (whole > 0 && response) {
		http_rebase(&slow_answer.head, copy);
		check_accepted_response(&slow_answer, (size_t)whole, to, websocket);
	} else if (whole > 0) {
		http_rebase(&slow_request.head, copy);
		check_accepted_request(&slow_request, (size_t)whole);
	}
	free(copy);
	return 0;
}
