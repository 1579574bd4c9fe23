/* rooms: hapair/admin/etcd_witness.c hapair/base/addr.c hapair/base/clock.c hapair/base/log.c */
/*
 * test_etcd_witness.c: an etcd of one key, played on loopback; it can fall silent, refuse, talk nonsense, and forget. What a real one
 * does is in tests/system/witness_etcd.sh.
 */
#include "hapair/admin/etcd_witness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define TTL SECONDS(1)
#define ME  "YWxwaGE=" /* alpha */
#define KEY "L2hhcGFpci9zaG9wL2hvbGRlcg=="

enum mood { WELL, SILENT, ERROR_500, NONSENSE };

/* The fake. */
static struct {
	struct evhttp *http;
	uint16_t port;
	enum mood mood;
	bool holds_take; /* until the test lets it through */
	json_t *take_json;
	bool holds_revoke; /* the answer to it, that is */
	struct evhttp_request *held;
	long long leases, revision;
	bool alive[64]; /* by lease */
	char owner[32]; /* base64; "" no key */
	long long lease, key_revision;
	unsigned grants, renewals, takes, revokes;
} fake;

static struct event_base *base;
static struct etcd_witness *witness;

/* What was told. */
static struct {
	unsigned n;
	struct msg_witness last;
} told;

static void take(void *ctx, const struct msg_witness *answer)
{
	told.n++;
	told.last = *answer;
}

static const char *text_at(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static void answer(struct evhttp_request *request, int status, json_t *json)
{
	struct evbuffer *body = evbuffer_new();
	char *text = json_dumps(json, JSON_COMPACT);

	evbuffer_add_printf(body, "%s\n", fake.mood == NONSENSE ? "<html>" : text);
	evhttp_send_reply(request, fake.mood == ERROR_500 ? 500 : status, "x", body);
	evbuffer_free(body);
	free(text);
	json_decref(json);
}

static json_t *number(long long n)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", n);
	return json_string(text);
}

static bool is_alive(long long lease)
{
	return lease > 0 && lease < 64 && fake.alive[lease];
}

static void end_lease(long long lease)
{
	if (is_alive(lease))
		fake.alive[lease] = false;
	if (fake.lease == lease)
		fake.owner[0] = '\0';
}

static void on_txn(struct evhttp_request *request, const json_t *json)
{
	const json_t *compare = json_array_get(json_object_get(json, "compare"), 0);
	const json_t *put =
		json_object_get(json_array_get(json_object_get(json, "success"), 0), "request_put");
	long long lease = atoll(text_at(put, "lease"));
	bool good;

	fake.takes++;
	assert_string_equal(text_at(compare, "key"), KEY);
	assert_string_equal(text_at(put, "key"), KEY);
	assert_string_equal(text_at(compare, "result"), "EQUAL");
	if (strcmp(text_at(compare, "target"), "CREATE") == 0) {
		assert_string_equal(text_at(compare, "create_revision"), "0");
		good = !*fake.owner;
	} else {
		good = *fake.owner && atoll(text_at(compare, "mod_revision")) == fake.key_revision;
	}
	if (good && !is_alive(lease)) {
		answer(request, 404, json_pack("{s:s}", "error", "requested lease not found"));
		return;
	}
	if (good) {
		snprintf(fake.owner, sizeof(fake.owner), "%s", text_at(put, "value"));
		fake.lease = lease;
		fake.key_revision = ++fake.revision;
		answer(request, 200, json_pack("{s:b,s:[]}", "succeeded", 1, "responses"));
		return;
	}
	answer(request, 200,
	       json_pack("{s:[{s:{s:[{s:s,s:o,s:o}]}}]}", "responses", "response_range", "kvs", "value",
			 fake.owner, "mod_revision", number(fake.key_revision), "lease", number(fake.lease)));
}

static void on_request(struct evhttp_request *request, void *ctx)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(request);
	json_t *json =
		json_loadb((const char *)evbuffer_pullup(body, -1), evbuffer_get_length(body), 0, NULL);
	const char *path = evhttp_request_get_uri(request);
	long long lease = atoll(text_at(json, "ID"));

	assert_non_null(json);
	if (fake.mood == SILENT) {
		json_decref(json);
		return;
	}
	if (strcmp(path, "/v3/lease/grant") == 0) {
		assert_int_equal(json_integer_value(json_object_get(json, "TTL")), TTL / NS_PER_S);
		fake.grants++;
		fake.alive[++fake.leases] = true;
		answer(request, 200, json_pack("{s:o,s:s}", "ID", number(fake.leases), "TTL", "1"));
	} else if (strcmp(path, "/v3/lease/keepalive") == 0) {
		fake.renewals++;
		answer(request, 200,
		       is_alive(lease) ? json_pack("{s:{s:o,s:s}}", "result", "ID", number(lease), "TTL", "1")
				       : json_pack("{s:{s:o}}", "result", "ID", number(lease)));
	} else if (strcmp(path, "/v3/lease/revoke") == 0) {
		fake.revokes++;
		if (fake.holds_revoke) {
			fake.held = request;
		} else {
			end_lease(lease);
			answer(request, 200, json_object());
		}
	} else {
		assert_string_equal(path, "/v3/kv/txn");
		if (fake.holds_take) {
			fake.held = request;
			fake.take_json = json_incref(json);
		} else {
			on_txn(request, json);
		}
	}
	json_decref(json);
}

static void stop(evutil_socket_t fd, short what, void *ctx)
{
	event_base_loopbreak(base);
}

static void run(nanos duration)
{
	struct timeval tv = clock_timeval(duration);

	event_base_once(base, -1, EV_TIMEOUT, stop, NULL, &tv);
	event_base_dispatch(base);
}

/* Until the last answer is this one. */
static void until(enum witness_answer wanted)
{
	for (int i = 0; i < 300 && !(told.n && told.last.answer == wanted); i++)
		run(MS(10));
	assert_int_equal(told.last.answer, wanted);
}

static void ask(nanos question, bool wanted)
{
	told.n = 0;
	etcd_witness_ask(witness, &(struct msg_witness_ask){.question = question, .wanted = wanted});
}

static int begin(void **state)
{
	struct addr endpoints[2];
	struct config config = {.cluster = {.name = "shop"}};
	struct evhttp_bound_socket *bound;
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	memset(&fake, 0, sizeof(fake));
	memset(&told, 0, sizeof(told));
	base = event_base_new();
	fake.http = evhttp_new(base);
	bound = evhttp_bind_socket_with_handle(fake.http, "127.0.0.1", 0);
	getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&sin, &len);
	evhttp_set_gencb(fake.http, on_request, NULL);
	/* Nobody listens at the first one. */
	assert_int_equal(addr_parse(span_of("127.0.0.1:1"), &endpoints[0]), 0);
	endpoints[1] = endpoints[0];
	endpoints[1].port = ntohs(sin.sin_port);
	config.cluster.witness.endpoints = endpoints;
	config.cluster.witness.n_endpoints = 2;
	config.cluster.witness.ttl = TTL;
	witness = etcd_witness_new(base, &config, "alpha", take, NULL);
	return witness ? 0 : -1;
}

static int end(void **state)
{
	etcd_witness_free(witness);
	evhttp_free(fake.http);
	event_base_free(base);
	return 0;
}

static void a_free_key_is_taken_and_counts_from_the_sending(void **state)
{
	nanos before = clock_now();

	run(MS(200));
	assert_int_equal(fake.grants, 0); /* nobody asked */
	before = clock_now();
	ask(7, true);
	until(WITNESS_YES);
	assert_int_equal(told.last.question, 7);
	assert_true(told.last.asked >= before && told.last.asked <= clock_now());
	assert_true(told.last.until < told.last.asked + TTL &&
		    told.last.until > told.last.asked + TTL * 9 / 10);
	assert_string_equal(fake.owner, ME);
}

static void it_is_kept_as_long_as_it_is_wanted(void **state)
{
	nanos first;

	ask(1, true);
	until(WITNESS_YES);
	first = told.last.until;
	run(2 * TTL);
	assert_int_equal(told.last.answer, WITNESS_YES);
	assert_true(told.last.until >= first + TTL);
	assert_true(fake.renewals >= 4 && fake.renewals <= 7);
	assert_int_equal(fake.grants, 1);
}

static void the_key_of_another_is_waited_for(void **state)
{
	strcpy(fake.owner, "YmV0YQ==");
	fake.lease = 60;
	ask(1, true);
	until(WITNESS_NO);
	run(MS(500));
	assert_int_equal(told.last.answer, WITNESS_NO);
	assert_string_equal(fake.owner, "YmV0YQ==");
	fake.owner[0] = '\0';
	until(WITNESS_YES);
}

static void a_key_of_an_earlier_life_is_put_under_the_new_lease(void **state)
{
	strcpy(fake.owner, ME);
	fake.lease = 60;
	fake.key_revision = fake.revision = 9;
	ask(1, true);
	until(WITNESS_YES);
	assert_int_equal(fake.lease, 1);
}

static void it_is_given_back_when_nobody_wants_it(void **state)
{
	ask(1, true);
	until(WITNESS_YES);
	ask(2, false);
	run(MS(200));
	assert_int_equal(fake.revokes, 1);
	assert_string_equal(fake.owner, "");
	assert_int_equal(told.n, 0);
	run(MS(500));
	assert_int_equal(fake.revokes, 1);
	ask(3, true);
	until(WITNESS_YES);
	assert_int_equal(fake.lease, 2);
}

static void what_arrives_after_it_was_not_wanted_any_more_is_given_back_at_once(void **state)
{
	ask(1, true);
	fake.holds_take = true;
	for (int i = 0; i < 300 && !fake.held; i++)
		run(MS(1));
	ask(2, false); /* while the key is being taken */
	run(MS(10));
	on_txn(fake.held, fake.take_json);
	json_decref(fake.take_json);
	assert_string_equal(fake.owner, ME);
	run(MS(100));
	assert_int_equal(told.n, 0);
	assert_int_equal(fake.revokes, 1);
	assert_string_equal(fake.owner, "");
}

/* Whatever became of the word that ended it, a lease that was given back is not built upon. */
static void what_was_given_back_is_not_used_again(void **state)
{
	ask(1, true);
	until(WITNESS_YES);
	fake.holds_revoke = true;
	ask(2, false);
	run(MS(50));
	assert_int_equal(fake.revokes, 1);
	ask(3, true);
	assert_int_equal(told.n, 0); /* no yes from memory */
	until(WITNESS_YES);          /* the request is given up, the key adopted */
	assert_int_equal(fake.lease, 2);
	end_lease(1); /* now it gets there */
	assert_string_equal(fake.owner, ME);
}

static void without_an_answer_the_yes_is_not_prolonged(void **state)
{
	nanos last;
	unsigned n;

	ask(1, true);
	until(WITNESS_YES);
	for (enum mood mood = SILENT; mood <= NONSENSE; mood++) {
		fake.mood = mood;
		run(MS(20));
		last = told.last.until;
		n = told.n;
		run(TTL);
		assert_int_equal(told.n, n);
		assert_int_equal(told.last.until, last);
		fake.mood = WELL;
		for (int i = 0; i < 200 && told.n == n; i++)
			run(MS(10));
		assert_true(told.last.until > last);
		assert_int_equal(told.last.answer, WITNESS_YES);
	}
}

static void a_lease_that_has_ended_is_no_more_a_yes(void **state)
{
	ask(1, true);
	until(WITNESS_YES);
	end_lease(1);
	strcpy(fake.owner, "YmV0YQ==");
	fake.lease = 60;
	told.n = 0;
	until(WITNESS_NO);
	fake.owner[0] = '\0';
	until(WITNESS_YES);
	assert_int_equal(fake.lease, 2);
}

static void a_new_question_gets_the_known_answer_at_once(void **state)
{
	ask(1, true);
	until(WITNESS_YES);
	ask(2, true);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.last.question, 2);
	assert_int_equal(told.last.answer, WITNESS_YES);
}

static void without_a_heartbeat_nothing_is_renewed(void **state)
{
	ask(1, true);
	until(WITNESS_YES);
	run(MS(50));
	etcd_witness_pause(witness);
	fake.renewals = fake.takes = 0;
	run(TTL);
	assert_int_equal(fake.renewals + fake.takes + fake.revokes, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_free_key_is_taken_and_counts_from_the_sending),
		TEST(it_is_kept_as_long_as_it_is_wanted),
		TEST(the_key_of_another_is_waited_for),
		TEST(a_key_of_an_earlier_life_is_put_under_the_new_lease),
		TEST(it_is_given_back_when_nobody_wants_it),
		TEST(what_arrives_after_it_was_not_wanted_any_more_is_given_back_at_once),
		TEST(what_was_given_back_is_not_used_again),
		TEST(without_an_answer_the_yes_is_not_prolonged),
		TEST(a_lease_that_has_ended_is_no_more_a_yes),
		TEST(a_new_question_gets_the_known_answer_at_once),
		TEST(without_a_heartbeat_nothing_is_renewed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
