/*
 * session.c: a client's connection, from accept to close, in the order in which it happens.
 *
 *                 accept
 *                   |  tls                          mode = tcp
 *                SECURING ------------------------------------------------.
 *                   |                                                      |
 *      .-------->  IDLE   no byte of a request yet                         |
 *      |            |  first byte                                          |
 *      |           HEAD   read until the head is whole                     |
 *      |            |  routed, rewritten, a server chosen                  |
 *      |        CONNECTING  unless an idle connection to it was there <----'
 *      |            |     ^                                     \
 *      |            |     | another server, or a fresh            \ mode = tcp
 *      |            v     | connection to the same one             \
 *      |         WAITING -'  request on its way, no response yet ---> TUNNEL   until both ends have ended
 *      |            |  head of the response                      101
 *      |        RESPONDING                      any error with nothing said yet: ANSWERING (ours) --.
 *      |            |                                                                               |
 *      `------------+-- the connection goes on <----------------------------------------------------'
 *                   `-- else LINGERING (reads what still comes, so that what we said arrives) or closed
 *
 * What is held when (buffers are there only while bytes are in them):
 *   in        received from the client and not consumed: a part of a head, a body that fits, or the next requests
 *   out       the request's head as it goes to servers, kept until one of them answers: it may have to go to another
 *   response  the head of the response while it is not whole
 *   head      what we say to the client: the response's head, rewritten, or an answer of our own
 *
 * A receive from the client is in flight whenever `in` is empty and nobody else reads (no body to come): so a client that goes away is
 * noticed while its server thinks. End of stream alone is not going away: it may have only finished sending.
 *
 * A request is sent again only when nothing of a response has come, all of it is still here, and sending it twice does no harm (RFC 9110 9.2.2),
 * or when it can't have reached anybody (the connect failed).
 */
#include "proxy/session_state.h"

#include "proxy/rewrite.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A rewritten head always fits a buffer. */
#define HEAD_MAX     (BUFFER_BYTES - REWRITE_ROOM)
#define LINGER_BYTES (1024 * 1024)
/* A request that must not be sent twice goes only over a connection that was alive just now. */
#define FRESH_ENOUGH MS(500)

static const struct io_handler client_handler;
static const struct io_handler server_handler;
static void choose_server(struct session *s);
static void exchange_done(struct session *s);

/* --- the client comes ------------------------------------------------------------------------------------ */

void session_slabs_init(struct slab *sessions, struct slab *partial_heads, size_t limit)
{
	slab_init(sessions, sizeof(struct session), 128, limit);
	slab_init(partial_heads, sizeof(union partial_head), 64, limit);
}

static void session_begin(struct session *s)
{
	if (!s->http) {
		s->pool = (uint32_t)listen_of(s)->pool;
		s->began = io_now(s->worker->loop);
		s->began_wall_ms = io_wall_ms(s->worker->loop);
		choose_server(s);
		return;
	}
	s->state = SESSION_IDLE;
	deadline(s, listen_of(s)->idle_timeout);
	io_receive(&s->client, NULL);
}

void session_accept(struct worker *worker, struct plan *plan, uint32_t listen, bool tls, int fd,
		    const struct addr *peer)
{
	struct session *s = slab_get(&worker->sessions);
	if (s == NULL) {
		worker_complain(worker, "listener %s: a connection is refused: there are too many",
				plan->config->listens[listen].name);
		close(fd);
		return;
	}
	memset(s, 0, sizeof(*s));
	SSL *ssl = tls ? SSL_new(plan->listens[listen].tls) : NULL;
	if (io_open(worker->loop, &s->client, &client_handler, s, fd) < 0 || (tls && ssl == NULL)) {
		if (io_is_open(&s->client))
			close(fd);
		SSL_free(ssl);
		slab_put(&worker->sessions, s);
		return;
	}
	s->worker = worker;
	s->plan = plan_hold(plan);
	s->listen = listen;
	s->peer = *peer;
	s->http = plan->config->listens[listen].mode == MODE_HTTP;
	s->secure = tls;
	s->body_done = true;
	wheel_timer_init(&s->timer, session_on_deadline);
	list_push_back(&worker->all, &s->node);
	if (s->http)
		ip_format(&peer->ip, s->client_text);
	COUNT(counters_of(s)->active, 1);
	COUNT(counters_of(s)->total, 1);
	if (tls) {
		s->state = SESSION_SECURING;
		deadline(s, listen_of(s)->header_timeout);
		io_secure(&s->client, ssl);
		return;
	}
	session_begin(s);
}

static void client_secured(struct io_stream *client, int error)
{
	struct session *s = session_of(client);
	if (error < 0)
		session_close(s, IO_CLOSE);
	else
		session_begin(s);
}

/* --- a request ------------------------------------------------------------------------------------------- */

/* A reload may have come since the last request; a listener that is gone ends its connections with the present request. */
static bool follow_plan(struct session *s)
{
	struct plan *fresh = s->worker->plan;
	if (s->plan == fresh)
		return true;
	int listen = plan_find_listen(fresh, listen_of(s)->name);
	if (listen < 0 || fresh->config->listens[listen].mode != MODE_HTTP)
		return false;
	plan_hold(fresh);
	plan_drop(s->plan);
	s->plan = fresh;
	s->listen = (uint32_t)listen;
	return true;
}

static void stash_for_log(struct session *s, const struct http_request *r)
{
	s->log = buffer_new(s);
	if (s->log == NULL)
		return;
	s->log->end = (uint32_t)access_request(
		s->log->bytes, BUFFER_BYTES, http_text(&r->head, r->method_name),
		http_text(&r->head, r->target), r->head.minor, http_field_value(&r->head, HTTP_FIELD_REFERER),
		http_field_value(&r->head, HTTP_FIELD_USER_AGENT));
}

/* The part of the body that came with the head; false: it is malformed. */
static bool take_body(struct session *s, const struct http_request *r)
{
	struct framing *body = &s->to_server.framing;
	size_t used = 0, out = 0;
	framing_init(body, r->body, r->head.length, false);
	s->body = (struct span){NULL, 0};
	s->body_used = 0;
	if (!framing_done(body) && s->in != NULL) {
		char *p = s->in->bytes + s->in->start;
		if (framing_take(body, p, buffer_used(s->in), &used, &out) < 0)
			return false;
		s->body = (struct span){p, out};
		s->body_used = (uint32_t)used;
	}
	s->body_done = framing_done(body);
	return true;
}

/* The head is whole, in worker->request: where does it go, and how? */
static void begin_request(struct session *s, size_t head_bytes)
{
	struct worker *w = s->worker;
	const struct http_request *r = &w->request;
	s->method = (uint8_t)r->method;
	s->minor = r->head.minor;
	s->idempotent = http_method_idempotent(r->method);
	s->websocket = r->websocket;
	s->keep_alive = follow_plan(s) && r->keep_alive && !w->stopping && !w->releasing;
	s->n_tried = s->attempts = 0;
	s->said = s->cut_short = s->server_keeps = false;
	s->status = 0;
	COUNT(counters_of(s)->requests, 1);
	COUNT(counters_of(s)->bytes_in, head_bytes);
	if (access_log_enabled(w->access.log))
		stash_for_log(s, r);
	size_t pool = CONFIG_NO_POOL;
	enum route_result route =
		route_find(&s->plan->listens[s->listen].routes, http_text(&r->head, r->host),
			   http_text(&r->head, r->path), &pool);
	s->out = buffer_new(s);
	if (s->out != NULL && route == ROUTE_FOUND) {
		s->pool = (uint32_t)pool;
		const struct rewrite_request how = {
			.client = span_of(s->client_text),
			.host = span_of(pool_of(s)->name),
			.tls = s->secure,
			.keep_alive = true,
			.expect = true,
		};
		s->out->end = (uint32_t)rewrite_request(r, &how, s->out->bytes, BUFFER_BYTES);
	}
	in_consume(s, head_bytes);
	bool good = take_body(s, r);
	if (s->out == NULL)
		session_answer(s, 503, true);
	else if (!good || route == ROUTE_BAD_PATH)
		session_answer(s, 400, true);
	else if (route != ROUTE_FOUND)
		session_answer(s, 404, false);
	else if (s->out->end == 0)
		session_answer(s, 431, true);
	else
		choose_server(s);
}

/* As http_request_parse(); what was parsed is in worker->request. */
static int parse_request(struct session *s)
{
	struct http_request *r = &s->worker->request;
	if (s->partial != NULL)
		*r = s->partial->request;
	else
		http_request_init(r, HEAD_MAX);
	int n = http_request_parse(r, s->in->bytes + s->in->start, buffer_used(s->in));
	if (n == 0)
		partial_keep(s, r, sizeof(*r));
	else
		partial_drop(s);
	return n;
}

/* Some bytes of a head are in `in`. */
void session_read_head(struct session *s)
{
	struct worker *w = s->worker;
	struct http_request *r = &w->request;
	if (s->state == SESSION_IDLE) {
		s->began = io_now(w->loop);
		s->began_wall_ms = access_log_enabled(w->access.log) ? io_wall_ms(w->loop) : 0;
	}
	int n = parse_request(s);
	if (n > 0) {
		begin_request(s, (size_t)n);
		return;
	}
	if (n < 0) {
		s->method = (uint8_t)r->method;
		s->keep_alive = false;
		COUNT(counters_of(s)->requests, 1);
		/* Whatever it was, its end is unknown. */
		s->body_done = false;
		session_answer(s, http_error_status(n), true);
		return;
	}
	if (s->client_ended) {
		session_close(s, IO_CLOSE);
		return;
	}
	if (s->state == SESSION_IDLE) {
		s->state = SESSION_HEAD;
		deadline(s, listen_of(s)->header_timeout);
	}
	buffer_pack(s->in);
	io_receive(&s->client, s->in);
}

/* --- a server -------------------------------------------------------------------------------------------- */

static void send_request(struct session *s)
{
	struct io_stream *server = &s->upstream->stream;
	struct iovec pieces[2] = {{s->out->bytes, s->out->end}, {(void *)s->body.p, s->body.n}};
	s->state = SESSION_WAITING;
	s->sending = true;
	io_send(server, pieces, s->body.n > 0 ? 2 : 1);
	if (!io_is_receiving(server))
		io_receive(server, NULL);
	deadline(s, s->body_done ? pool_of(s)->response_timeout : listen_of(s)->idle_timeout);
	/* One that no body keeps here: it went into `out`. */
	watch_client(s);
}

static void connect_server(struct session *s, bool may_reuse)
{
	struct worker *w = s->worker;
	s->attempts++;
	if (may_reuse) {
		bool careful = !s->idempotent;
		s->upstream = upstream_take(&w->upstreams, s->server,
					    careful ? FRESH_ENOUGH : UPSTREAM_IDLE_FOR, &server_handler, s);
		if (s->upstream != NULL && careful && io_broken(&s->upstream->stream)) {
			upstream_close(s->upstream, IO_CLOSE);
			s->upstream = NULL;
		}
		if (s->upstream != NULL) {
			send_request(s);
			return;
		}
	}
	s->upstream = upstream_connect(&w->upstreams, s->server, &server_handler, s);
	if (s->upstream == NULL) {
		session_fail(s, 503, "too many connections to servers", "");
		return;
	}
	s->state = SESSION_CONNECTING;
	deadline(s, pool_of(s)->connect_timeout);
	if (s->http)
		watch_client(s);
}

/* Nothing is said yet and no server is left. */
static void give_up(struct session *s, unsigned status, const char *cause, const char *detail)
{
	if (s->http) {
		session_fail(s, status, cause, detail);
		return;
	}
	char client[IP_TEXT_MAX];
	worker_complain(s->worker, "listener %s, client %s: closed: pool %s: %s%s%s", listen_of(s)->name,
			ip_format(&s->peer.ip, client), pool_of(s)->name, cause, *detail != '\0' ? ": " : "",
			detail);
	session_close(s, IO_RESET);
}

static void choose_server(struct session *s)
{
	struct pool *pool = s->plan->pools[s->pool];
	int why;
	s->server = pool_pick(pool, s->worker->index, pool_of(s)->balance, &s->peer.ip, s->tried, s->n_tried,
			      &why);
	if (s->server == NULL) {
		give_up(s, 503, why == BALANCE_ALL_TRIED ? "every server was tried" : "no server is up", "");
		return;
	}
	connect_server(s, s->http && !s->websocket);
}

/* The chosen server did not serve, and another may be asked. */
static void next_server(struct session *s, unsigned status, const char *cause, const char *detail)
{
	if (s->n_tried >= pool_of(s)->retries || s->n_tried >= BALANCE_TRIED_MAX) {
		give_up(s, status, cause, detail);
		return;
	}
	worker_complain(s->worker, "pool %s, server %s: %s%s%s: trying another server", pool_of(s)->name,
			s->server->name, cause, *detail != '\0' ? ": " : "", detail);
	server_count_failure(s->server);
	COUNT(counters_of(s)->retries, 1);
	s->tried[s->n_tried++] = s->server->index;
	if (s->upstream != NULL)
		upstream_close(s->upstream, IO_CLOSE);
	s->upstream = NULL;
	server_release(s->server);
	s->server = NULL;
	choose_server(s);
}

void session_connect_failed(struct session *s, int error)
{
	if (!upstream_error_is_ours(error))
		server_report(s->worker->servers, s->server,
			      error == -ECONNREFUSED ? EVIDENCE_REFUSED : EVIDENCE_FAILED);
	next_server(s, error == -ETIMEDOUT ? 504 : 503, "connect", strerrordesc_np(-error));
}

static void server_connected(struct io_stream *server, int error)
{
	struct session *s = server->owner;
	if (error < 0)
		session_connect_failed(s, error);
	else if (s->http)
		send_request(s);
	else
		session_tunnel_begin(s, (struct span){NULL, 0}, NULL);
}

/* --- the rest of the request's body ---------------------------------------------------------------------- */

/* The body is complete; what the client had sent behind it is the next request. */
static void body_complete(struct session *s)
{
	s->body_done = true;
	s->in = s->to_server.buffer;
	s->to_server.buffer = NULL;
	deadline(s, pool_of(s)->response_timeout);
	watch_client(s);
}

static void to_server_went(struct session *s, enum relay_result result)
{
	switch (result) {
	case RELAY_GOES_ON:
		/* Also under a response that has begun: a server may answer as it reads. */
		deadline(s, listen_of(s)->idle_timeout);
		return;
	case RELAY_COMPLETE:
		body_complete(s);
		return;
	case RELAY_TARGET_FAILED:
		/* It may have answered before it closed: the receive tells. */
		s->cut_short = true;
		deadline(s, pool_of(s)->response_timeout);
		return;
	case RELAY_MALFORMED:
		session_answer(s, 400, true);
		return;
	case RELAY_TRUNCATED:
	case RELAY_SOURCE_FAILED:
		session_close(s, IO_CLOSE);
		return;
	}
}

/* Head and first bytes of the body are with the server's kernel. */
static void request_sent(struct session *s, int error)
{
	s->sending = false;
	if (error < 0) {
		s->cut_short = true;
		return;
	}
	COUNT(counters_of(s)->bytes_in, s->body.n);
	if (s->body_done)
		return;
	if (s->body_used > 0)
		in_consume(s, s->body_used);
	s->body = (struct span){NULL, 0};
	s->body_used = 0;
	const struct framing rest = s->to_server.framing;
	to_server_went(s, relay_begin(&s->to_server, &s->client, &s->upstream->stream, &rest,
				      (struct span){NULL, 0}, NULL));
}

/* --- the response ---------------------------------------------------------------------------------------- */

/* Closed, reset or silent before a byte of a response. */
static void unanswered(struct session *s, int error)
{
	const char *why = error < 0 ? strerrordesc_np(-error) : "closed without a response";
	bool again = s->idempotent && s->body_done && !s->said && s->out != NULL && !s->to_server.active &&
		     s->to_server.bytes == 0;
	if (!again) {
		session_fail(s, 502,
			     s->upstream->reused ? "an idle connection was closed as the request came"
						 : "no response",
			     why);
		return;
	}
	if (!s->upstream->reused) {
		server_report(s->worker->servers, s->server, EVIDENCE_FAILED);
		next_server(s, 502, "no response", why);
		return;
	}
	/* The server closed an idle connection while we were taking it: its right (RFC 9112 9.5). */
	upstream_close(s->upstream, IO_CLOSE);
	s->upstream = NULL;
	COUNT(counters_of(s)->retries, 1);
	connect_server(s, false);
}

static void receive_response(struct session *s)
{
	if (s->response != NULL)
		buffer_pack(s->response);
	if (!io_is_receiving(&s->upstream->stream))
		io_receive(&s->upstream->stream, s->response);
}

static void response_consume(struct session *s, size_t n)
{
	buffer_consume(s->response, n);
	if (buffer_used(s->response) == 0)
		buffer_drop(s, &s->response);
}

/* The rewritten head in s->head; false: no room for it. */
static bool write_response_head(struct session *s, const struct rewrite_response *how)
{
	if (s->head == NULL)
		s->head = buffer_new(s);
	if (s->head == NULL)
		return false;
	s->head->start = 0;
	s->head->end = (uint32_t)rewrite_response(&s->worker->response, how, s->head->bytes, BUFFER_BYTES);
	return s->head->end > 0;
}

static void respond(struct session *s, size_t head_bytes)
{
	const struct http_response *r = &s->worker->response;
	enum framing_kind to_client = r->body;
	bool decode = r->body == FRAMING_CHUNKED && s->minor == 0;
	if (decode)
		to_client = FRAMING_CLOSE;
	/* Before its body has ended the request can't be followed by another: a client that is refused must not have to send it all. */
	s->keep_alive = s->keep_alive && to_client != FRAMING_CLOSE && s->body_done && !s->worker->stopping &&
			!s->worker->releasing;
	s->server_keeps = r->keep_alive && r->body != FRAMING_CLOSE;
	const struct rewrite_response how = {
		.client_minor = s->minor,
		.keep_alive = s->keep_alive,
		.framing = to_client,
	};
	if (!write_response_head(s, &how)) {
		session_fail(s, 502, "the response's head is too long", "");
		return;
	}
	struct framing body;
	framing_init(&body, r->body, r->head.length, decode);
	session_count_response(s, r->status);
	s->said = true;
	s->state = SESSION_RESPONDING;
	deadline(s, listen_of(s)->idle_timeout);
	response_consume(s, head_bytes);
	struct buffer *rest = s->response;
	s->response = NULL;
	/* From here on the request can't be sent again: what of it was kept for that may go. */
	if (!s->sending && s->body_done && s->body_used > 0) {
		in_consume(s, s->body_used);
		s->body_used = 0;
		watch_client(s);
	}
	relay_begin(&s->to_client, &s->upstream->stream, &s->client, &body, buffer_span(s->head), rest);
}

/* An interim response (RFC 9110 15.2) goes on to who can understand it; true: wait until it is sent. */
static bool pass_interim(struct session *s, size_t head_bytes)
{
	const struct rewrite_response how = {
		.client_minor = s->minor, .keep_alive = true, .framing = FRAMING_NONE};
	bool pass = s->minor > 0 && write_response_head(s, &how);
	response_consume(s, head_bytes);
	if (!pass)
		return false;
	s->interim = true;
	const struct iovec piece = {s->head->bytes, buffer_used(s->head)};
	io_send(&s->client, &piece, 1);
	return true;
}

/* As http_response_parse(); what was parsed is in worker->response. */
static int parse_response(struct session *s)
{
	struct http_response *r = &s->worker->response;
	if (s->partial != NULL)
		*r = s->partial->response;
	else
		http_response_init(r, HEAD_MAX);
	int n = http_response_parse(r, s->response->bytes + s->response->start, buffer_used(s->response),
				    (enum http_method)s->method, s->websocket);
	if (n == 0)
		partial_keep(s, r, sizeof(*r));
	else
		partial_drop(s);
	return n;
}

/* 101: from here on nobody asks what the bytes mean. */
static void switch_protocols(struct session *s, size_t head_bytes)
{
	const struct rewrite_response how = {.client_minor = s->minor, .keep_alive = true};
	if (s->sending || !s->body_done || !write_response_head(s, &how)) {
		session_fail(s, 502, "upgrade before the request's end", "");
		return;
	}
	session_count_response(s, 101);
	s->said = true;
	response_consume(s, head_bytes);
	struct buffer *rest = s->response;
	s->response = NULL;
	session_tunnel_begin(s, buffer_span(s->head), rest);
}

static void read_response(struct session *s)
{
	struct http_response *r = &s->worker->response;
	while (s->response != NULL) {
		int n = parse_response(s);
		if (n < 0) {
			session_fail(s, 502, "malformed response", http_error_text(n));
			return;
		}
		if (n == 0)
			break;
		if (r->status == 101) {
			switch_protocols(s, (size_t)n);
			return;
		}
		if (r->status >= 200) {
			respond(s, (size_t)n);
			return;
		}
		if (pass_interim(s, (size_t)n))
			return;
	}
	receive_response(s);
}

static void to_client_went(struct session *s, enum relay_result result)
{
	switch (result) {
	case RELAY_GOES_ON:
		deadline(s, relay_is_blocked(&s->to_client) ? listen_of(s)->idle_timeout
							    : pool_of(s)->response_timeout);
		return;
	case RELAY_COMPLETE:
		exchange_done(s);
		return;
	case RELAY_TARGET_FAILED:
		session_close(s, IO_CLOSE);
		return;
	case RELAY_TRUNCATED:
	case RELAY_SOURCE_FAILED:
	case RELAY_MALFORMED:
		/* The client must not take what it has for the whole. */
		worker_complain(s->worker, "pool %s, server %s: the response broke off: %s", pool_of(s)->name,
				s->server->name,
				result == RELAY_MALFORMED ? framing_error_text(s->to_client.framing.error)
				: result == RELAY_SOURCE_FAILED ? strerrordesc_np(-s->to_client.error)
								: "closed inside the body");
		server_count_failure(s->server);
		session_close(s, IO_RESET);
		return;
	}
}

static void exchange_done(struct session *s)
{
	COUNT(counters_of(s)->bytes_in, s->to_server.bytes);
	COUNT(counters_of(s)->bytes_out, buffer_used(s->head) + s->to_client.bytes);
	/* Bytes behind the response are nobody's. */
	bool clean = s->to_client.buffer == NULL;
	bool reusable = s->server_keeps && clean && s->body_done && !s->sending && !s->cut_short;
	if (!s->body_done)
		s->keep_alive = false;
	relay_done(&s->to_client);
	relay_done(&s->to_server);
	session_exchange_end(s, reusable);
}

static void server_received(struct io_stream *server, struct buffer *buffer, ssize_t n)
{
	struct session *s = server->owner;
	if (s->state == SESSION_RESPONDING) {
		to_client_went(s, relay_received(&s->to_client, buffer, n));
		return;
	}
	if (s->state == SESSION_TUNNEL) {
		session_tunnel_went(s, &s->to_client, relay_received(&s->to_client, buffer, n));
		return;
	}
	if (n <= 0) {
		if (s->response == NULL)
			unanswered(s, (int)n);
		else
			session_fail(s, 502, "the response broke off in its head",
				     n < 0 ? strerrordesc_np((int)-n) : "");
		return;
	}
	s->response = buffer;
	if (!s->interim)
		read_response(s);
}

/* --- what happened, and whose it is ---------------------------------------------------------------------- */

static void server_sent(struct io_stream *server, int error)
{
	struct session *s = server->owner;
	if (s->state == SESSION_TUNNEL)
		session_tunnel_went(s, &s->to_server, relay_sent(&s->to_server, error));
	else if (s->to_server.active)
		to_server_went(s, relay_sent(&s->to_server, error));
	else
		request_sent(s, error);
}

static void server_spliced(struct io_stream *server, ssize_t n, bool target_failed)
{
	struct session *s = server->owner;
	enum relay_result result = relay_spliced(&s->to_client, n, target_failed);
	if (s->state == SESSION_TUNNEL)
		session_tunnel_went(s, &s->to_client, result);
	else
		to_client_went(s, result);
}

static void client_sent(struct io_stream *client, int error)
{
	struct session *s = session_of(client);
	if (s->state == SESSION_TUNNEL) {
		session_tunnel_went(s, &s->to_client, relay_sent(&s->to_client, error));
	} else if (s->state == SESSION_RESPONDING) {
		to_client_went(s, relay_sent(&s->to_client, error));
	} else if (error < 0) {
		session_close(s, IO_CLOSE);
	} else if (s->interim) {
		s->interim = false;
		read_response(s);
	} else {
		session_exchange_end(s, false);
	}
}

static void client_spliced(struct io_stream *client, ssize_t n, bool target_failed)
{
	struct session *s = session_of(client);
	enum relay_result result = relay_spliced(&s->to_server, n, target_failed);
	if (s->state == SESSION_TUNNEL)
		session_tunnel_went(s, &s->to_server, result);
	else
		to_server_went(s, result);
}

/* Bytes or an end that nobody was reading for: the next request, or the client has gone. */
static void client_was_watched(struct session *s, struct buffer *buffer, ssize_t n)
{
	if (n < 0)
		session_close(s, IO_CLOSE);
	else if (n == 0)
		s->client_ended = true;
	else
		s->in = buffer;
}

static void client_received(struct io_stream *client, struct buffer *buffer, ssize_t n)
{
	struct session *s = session_of(client);
	switch ((enum session_state)s->state) {
	case SESSION_IDLE:
	case SESSION_HEAD:
		if (n <= 0) {
			session_close(s, IO_CLOSE);
			return;
		}
		s->in = buffer;
		session_read_head(s);
		return;
	case SESSION_CONNECTING:
	case SESSION_WAITING:
	case SESSION_RESPONDING:
		if (s->to_server.active)
			to_server_went(s, relay_received(&s->to_server, buffer, n));
		else
			client_was_watched(s, buffer, n);
		return;
	case SESSION_ANSWERING:
		if (s->body_done) {
			client_was_watched(s, buffer, n);
			return;
		}
		/* The rest of something that was refused. */
		if (n > 0)
			slab_put(io_buffers(s->worker->loop), buffer);
		s->client_ended = n == 0;
		if (n < 0)
			session_close(s, IO_CLOSE);
		else if (n > 0)
			io_receive(client, NULL);
		return;
	case SESSION_TUNNEL:
		session_tunnel_went(s, &s->to_server, relay_received(&s->to_server, buffer, n));
		return;
	case SESSION_LINGERING:
		if (n > 0)
			slab_put(io_buffers(s->worker->loop), buffer);
		s->lingered += n > 0 ? (uint32_t)n : 0;
		if (n <= 0 || s->lingered > LINGER_BYTES)
			session_close(s, IO_CLOSE);
		else
			io_receive(client, NULL);
		return;
	case SESSION_SECURING:
	case SESSION_CLOSED:
		return;
	}
}

static const struct io_handler client_handler = {
	.on_secured = client_secured,
	.on_received = client_received,
	.on_sent = client_sent,
	.on_spliced = client_spliced,
	.on_closed = session_closed,
};

static const struct io_handler server_handler = {
	.on_connected = server_connected,
	.on_received = server_received,
	.on_sent = server_sent,
	.on_spliced = server_spliced,
	.on_closed = upstream_closed,
};
