/*
 * etcd_witness.c: one request after the other, in this order:
 *
 *      wanted:      grant or renew the lease (when a third of it is over) -> take the key -> told; again after a while
 *                                                                            +-> it is ours under an old lease: put it under the new one
 *      not wanted:  revoke the lease, which removes the key with it
 */
#include "hapair/admin/etcd_witness.h"

#include "hapair/base/addr.h"
#include "hapair/base/log.h"
#include "hapair/base/timer.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_EVERY    MS(100)    /* while another node has the key, or there is no answer */
#define REQUEST_MAX   SECONDS(1) /* and a third of the lease at most */
#define BODY_MAX      (64 << 10)
#define NUMBER_MAX    24
#define BASE64_MAX(n) (((n) + 2) / 3 * 4 + 1)
#define KEY_MAX       (CONFIG_NAME_MAX + 16)

enum step { STEP_NONE, STEP_GRANT, STEP_RENEW, STEP_TAKE, STEP_ADOPT, STEP_REVOKE };

struct etcd_witness {
	struct event_base *base;
	void (*tell)(void *ctx, const struct msg_witness *answer);
	void *ctx;
	struct addr endpoints[CONFIG_ENDPOINTS_MAX];
	size_t n_endpoints, endpoint;
	nanos ttl; /* as configured */
	char key[BASE64_MAX(KEY_MAX)], name[BASE64_MAX(CONFIG_NAME_MAX)];

	nanos question;
	bool asked, wanted;     /* heartbeat said so */
	char lease[NUMBER_MAX]; /* "": none */
	nanos granted;          /* how long the lease lives */
	nanos renewed;          /* when the request that began or renewed it was sent */
	bool given_back;        /* its end was asked for, and may come whenever that word gets there */
	enum witness_answer answer;

	enum step step; /* the request that is under way */
	nanos sent;
	struct evhttp_connection *connection;
	bool broken; /* to be made anew, with the next endpoint */
	bool lost;   /* told people */
	struct event *timer;
};

static void turn(struct etcd_witness *w);

/* Clocks of different pace, and the time between two instructions. */
static nanos yes_until(const struct etcd_witness *w)
{
	return w->renewed + w->granted - w->granted / 512 - MS(20);
}

static void tell(struct etcd_witness *w)
{
	struct msg_witness m = {
		.question = w->question, .answer = w->answer, .asked = w->renewed, .until = yes_until(w)};

	w->tell(w->ctx, &m);
}

/* Where nothing is wanted any more, what an earlier request brought is about to be given back: no yes. */
static void answered(struct etcd_witness *w, enum witness_answer answer)
{
	if (!w->wanted)
		return;
	if (answer != w->answer)
		log_info("witness etcd: %s",
			 answer == WITNESS_YES ? "this node has the key" : "this node has not got the key");
	w->answer = answer;
	tell(w);
}

static void forget_lease(struct etcd_witness *w)
{
	w->lease[0] = '\0';
	w->granted = 0;
	w->given_back = false;
	w->answer = WITNESS_UNKNOWN;
}

/* --- requests --- */

static void on_answer(struct evhttp_request *request, void *ctx);

static bool connect_anew(struct etcd_witness *w)
{
	const struct addr *to = &w->endpoints[w->endpoint];
	nanos limit = w->ttl / 3 < REQUEST_MAX ? w->ttl / 3 : REQUEST_MAX;
	struct timeval tv = clock_timeval(limit);
	char text[IP_TEXT_MAX];

	if (w->connection && !w->broken)
		return true;
	if (w->connection)
		evhttp_connection_free(w->connection);
	w->broken = false;
	w->connection = evhttp_connection_base_new(w->base, NULL, ip_format(&to->ip, text), to->port);
	if (!w->connection)
		return false;
	evhttp_connection_set_timeout_tv(w->connection, &tv);
	evhttp_connection_set_retries(w->connection, 0);
	evhttp_connection_set_max_headers_size(w->connection, BODY_MAX);
	evhttp_connection_set_max_body_size(w->connection, BODY_MAX);
	return true;
}

/* Takes `body`. */
static void ask(struct etcd_witness *w, enum step step, const char *path, json_t *body)
{
	struct evhttp_request *request = NULL;
	char host[ADDR_TEXT_MAX];
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	json_decref(body);
	if (text && connect_anew(w))
		request = evhttp_request_new(on_answer, w);
	if (request) {
		struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

		evhttp_add_header(headers, "Host", addr_format(&w->endpoints[w->endpoint], host));
		evhttp_add_header(headers, "Content-Type", "application/json");
		evbuffer_add(evhttp_request_get_output_buffer(request), text, strlen(text));
		w->step = step;
		w->sent = clock_now();
		/* Owns the request, also where it fails. */
		if (evhttp_make_request(w->connection, request, EVHTTP_REQ_POST, path) != 0)
			request = NULL;
	}
	free(text);
	if (request)
		return;
	w->step = STEP_NONE;
	w->broken = true;
	timer_after(w->timer, POLL_EVERY);
}

static void ask_grant(struct etcd_witness *w)
{
	ask(w, STEP_GRANT, "/v3/lease/grant", json_pack("{s:I}", "TTL", (json_int_t)(w->ttl / NS_PER_S)));
}

static void ask_renew(struct etcd_witness *w)
{
	ask(w, STEP_RENEW, "/v3/lease/keepalive", json_pack("{s:s}", "ID", w->lease));
}

static void ask_revoke(struct etcd_witness *w)
{
	w->given_back = true;
	ask(w, STEP_REVOKE, "/v3/lease/revoke", json_pack("{s:s}", "ID", w->lease));
}

static json_t *put(const struct etcd_witness *w)
{
	return json_pack("{s:{s:s,s:s,s:s}}", "request_put", "key", w->key, "value", w->name, "lease",
			 w->lease);
}

/* Where there is no key; else it is shown. */
static void ask_take(struct etcd_witness *w)
{
	ask(w, STEP_TAKE, "/v3/kv/txn",
	    json_pack("{s:[{s:s,s:s,s:s,s:s}],s:[o],s:[{s:{s:s}}]}", "compare", "key", w->key, "target",
		      "CREATE", "create_revision", "0", "result", "EQUAL", "success", put(w), "failure",
		      "request_range", "key", w->key));
}

/* Where it is still what was shown. */
static void ask_adopt(struct etcd_witness *w, const char *revision)
{
	ask(w, STEP_ADOPT, "/v3/kv/txn",
	    json_pack("{s:[{s:s,s:s,s:s,s:s}],s:[o]}", "compare", "key", w->key, "target", "MOD",
		      "mod_revision", revision, "result", "EQUAL", "success", put(w)));
}

/* --- answers --- */

static const char *text_at(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

/* A 64-bit number, as text; 0 where there is none, as this dialect leaves zeroes out. */
static long long number_at(const json_t *object, const char *name)
{
	return strtoll(text_at(object, name), NULL, 10);
}

/* A lease lives for at least as long as etcd says. */
static bool take_lease(struct etcd_witness *w, const json_t *lease)
{
	const char *id = text_at(lease, "ID");
	long long seconds = number_at(lease, "TTL");

	if (!*id || strlen(id) >= NUMBER_MAX || seconds <= 0 || seconds > 3600)
		return false;
	snprintf(w->lease, sizeof(w->lease), "%s", id);
	if (seconds > w->ttl / NS_PER_S && w->granted != SECONDS(seconds))
		log_warning("witness etcd: it grants leases of %lld s at least; set ttl to that", seconds);
	w->granted = SECONDS(seconds);
	w->renewed = w->sent;
	return true;
}

static void take_shown(struct etcd_witness *w, const json_t *json)
{
	const json_t *range =
		json_object_get(json_array_get(json_object_get(json, "responses"), 0), "response_range");
	const json_t *key = json_array_get(json_object_get(range, "kvs"), 0);

	if (key && strcmp(text_at(key, "lease"), w->lease) == 0) {
		answered(w, WITNESS_YES);
	} else if (key && strcmp(text_at(key, "value"), w->name) == 0) {
		ask_adopt(w, text_at(key, "mod_revision"));
		return;
	} else if (key) {
		answered(w, WITNESS_NO);
	}
	timer_after(w->timer, w->answer == WITNESS_YES ? w->granted / 3 : POLL_EVERY);
}

static void take(struct etcd_witness *w, enum step step, const json_t *json)
{
	bool succeeded = json_is_true(json_object_get(json, "succeeded"));

	switch (step) {
	case STEP_GRANT:
	case STEP_RENEW:
		if (take_lease(w, step == STEP_GRANT ? json : json_object_get(json, "result"))) {
			turn(w);
			return;
		}
		/* It has ended, and the key with it. */
		forget_lease(w);
		answered(w, WITNESS_NO);
		timer_after(w->timer, POLL_EVERY);
		break;
	case STEP_TAKE:
		if (!succeeded) {
			take_shown(w, json);
			return;
		}
		answered(w, WITNESS_YES);
		timer_after(w->timer, w->granted / 3);
		break;
	case STEP_ADOPT:
		if (succeeded)
			answered(w, WITNESS_YES);
		timer_after(w->timer, succeeded ? w->granted / 3 : 0);
		break;
	case STEP_REVOKE:
		forget_lease(w);
		turn(w);
		break;
	case STEP_NONE:
		break;
	}
}

static void trouble(struct etcd_witness *w, const char *what)
{
	char text[ADDR_TEXT_MAX];

	if (!w->lost)
		log_warning("witness etcd: %s: %s", addr_format(&w->endpoints[w->endpoint], text), what);
	w->lost = true;
	w->broken = true;
	w->endpoint = (w->endpoint + 1) % w->n_endpoints;
	timer_after(w->timer, POLL_EVERY);
}

/* What etcd refuses: a lease that it does not know (any more) is refused with 404. */
static void refused(struct etcd_witness *w, enum step step, int status)
{
	char text[32];

	if (status == 404 && step != STEP_GRANT) {
		forget_lease(w);
		if (step == STEP_REVOKE)
			turn(w);
		else
			timer_after(w->timer, 0);
		return;
	}
	snprintf(text, sizeof(text), "HTTP %d", status);
	trouble(w, text);
}

static void on_answer(struct evhttp_request *request, void *ctx)
{
	struct etcd_witness *w = ctx;
	enum step step = w->step;
	int status = request ? evhttp_request_get_response_code(request) : 0;
	struct evbuffer *body = request ? evhttp_request_get_input_buffer(request) : NULL;
	size_t n = body ? evbuffer_get_length(body) : 0;
	json_t *json;

	w->step = STEP_NONE;
	if (status == 0) {
		trouble(w, "no answer");
		return;
	}
	if (status != 200) {
		refused(w, step, status);
		return;
	}
	json = n ? json_loadb((const char *)evbuffer_pullup(body, -1), n, JSON_DISABLE_EOF_CHECK, NULL)
		 : NULL;
	if (json_is_object(json)) {
		if (w->lost)
			log_info("witness etcd: it answers again");
		w->lost = false;
		take(w, step, json);
		if (!w->wanted)
			turn(w);
	} else {
		trouble(w, "an answer that is not JSON");
	}
	json_decref(json);
}

/* --- what is next --- */

static void turn(struct etcd_witness *w)
{
	nanos now = clock_now();

	if (w->step != STEP_NONE || !w->asked)
		return;
	event_del(w->timer);
	if (!w->wanted) {
		/* Twice its life after it was renewed last it has ended by itself. */
		if (w->lease[0] && now - w->renewed < 2 * w->granted)
			ask_revoke(w);
		else
			forget_lease(w);
	} else if (!w->lease[0]) {
		ask_grant(w);
	} else if (now - w->renewed >= w->granted / 3) {
		ask_renew(w);
	} else {
		ask_take(w);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	turn(ctx);
}

void etcd_witness_ask(struct etcd_witness *w, const struct msg_witness_ask *m)
{
	w->question = m->question;
	w->asked = true;
	w->wanted = m->wanted;
	/* What is being given back is not had, whether etcd has got that word yet or not. */
	if (!m->wanted)
		w->answer = WITNESS_UNKNOWN;
	else if (w->given_back)
		forget_lease(w);
	else if (w->answer == WITNESS_YES)
		tell(w);
	turn(w);
}

void etcd_witness_pause(struct etcd_witness *w)
{
	w->asked = false;
	event_del(w->timer);
}

static void to_base64(char *out, const char *text)
{
	EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)text, (int)strlen(text));
}

struct etcd_witness *etcd_witness_new(struct event_base *base, const struct config *config, const char *node,
				      void (*tell_it)(void *ctx, const struct msg_witness *answer), void *ctx)
{
	struct etcd_witness *w = calloc(1, sizeof(*w));
	char key[KEY_MAX + 1];

	if (!w)
		return NULL;
	w->base = base;
	w->tell = tell_it;
	w->ctx = ctx;
	w->ttl = config->cluster.witness.ttl;
	w->n_endpoints = config->cluster.witness.n_endpoints;
	memcpy(w->endpoints, config->cluster.witness.endpoints, w->n_endpoints * sizeof(*w->endpoints));
	snprintf(key, sizeof(key), "/hapair/%s/holder", config->cluster.name);
	to_base64(w->key, key);
	to_base64(w->name, node);
	w->timer = evtimer_new(base, on_timer, w);
	if (!w->timer) {
		etcd_witness_free(w);
		return NULL;
	}
	return w;
}

void etcd_witness_free(struct etcd_witness *w)
{
	if (!w)
		return;
	if (w->connection)
		evhttp_connection_free(w->connection);
	if (w->timer)
		event_free(w->timer);
	free(w);
}
