/*
 * session_end.c: how things end: an exchange, with a response or with an answer of our own; waiting, when it was too long; the
 * connection. The journey is in session.c.
 */
#include "proxy/session_state.h"

#include "proxy/rewrite.h"

#include <sys/socket.h>

#define LINGER_FOR SECONDS(2)

/* --- an answer of our own, and the end of an exchange ---------------------------------------------------- */

static void write_log(struct session *s)
{
	if (!access_log_enabled(s->worker->access.log))
		return;
	const struct access_entry entry = {
		.client = s->peer.ip,
		.wall_ms = s->began_wall_ms,
		.request = s->log != NULL ? buffer_span(s->log)
			   : s->http      ? SPAN("\"-\"\t\"-\" \"-\"")
					  : SPAN("\"TCP\"\t\"-\" \"-\""),
		.status = s->status,
		.bytes = s->to_client.bytes,
		.listener = listen_of(s)->name,
		.pool = s->server != NULL ? s->server->pool->name : "",
		.server = s->server != NULL ? s->server->name : "",
		.took = io_now(s->worker->loop) - s->began,
		.tries = s->attempts,
	};
	access_line(&s->worker->access, &entry);
	buffer_drop(s, &s->log);
}

void session_count_response(struct session *s, unsigned status)
{
	struct counters *c = counters_of(s);
	s->status = (uint16_t)status;
	COUNT(c->responses[status / 100 < 6 ? status / 100 : 0], 1);
}

/* The server's part is over; `reusable`: its connection can serve another request. */
static void leave_server(struct session *s, bool reusable)
{
	if (s->upstream != NULL) {
		if (reusable)
			upstream_give_back(s->upstream);
		else
			upstream_close(s->upstream, IO_CLOSE);
		s->upstream = NULL;
	}
	if (s->server != NULL)
		server_release(s->server);
	s->server = NULL;
}

/* Status 4xx or 5xx of ours, `close`: the connection ends with it. Where something was said already there is nothing to say. */
void session_answer(struct session *s, unsigned status, bool close)
{
	if (s->said || s->interim) {
		session_close(s, IO_RESET);
		return;
	}
	if (s->upstream != NULL)
		upstream_close(s->upstream, IO_RESET);
	s->upstream = NULL;
	relay_done(&s->to_server);
	buffer_drop(s, &s->response);
	partial_drop(s);
	s->keep_alive = s->keep_alive && s->body_done && !close && !s->client_ended;
	if (s->head == NULL)
		s->head = buffer_new(s);
	if (s->head == NULL) {
		session_close(s, IO_CLOSE);
		return;
	}
	s->head->start = 0;
	s->head->end = (uint32_t)rewrite_error(status, s->keep_alive, s->method == HTTP_HEAD, s->head->bytes,
					       BUFFER_BYTES);
	session_count_response(s, status);
	COUNT(counters_of(s)->bytes_out, buffer_used(s->head));
	s->state = SESSION_ANSWERING;
	deadline(s, listen_of(s)->idle_timeout);
	const struct iovec piece = {s->head->bytes, buffer_used(s->head)};
	io_send(&s->client, &piece, 1);
	watch_client(s);
}

/* A 5xx of ours, with its cause in the log. */
void session_fail(struct session *s, unsigned status, const char *cause, const char *detail)
{
	worker_complain(s->worker, "listener %s, client %s: %u: pool %s%s%s: %s%s%s", listen_of(s)->name,
			s->client_text, status, pool_of(s)->name, s->server != NULL ? ", server " : "",
			s->server != NULL ? s->server->name : "", cause, *detail != '\0' ? ": " : "", detail);
	if (s->server != NULL)
		server_count_failure(s->server);
	session_answer(s, status, false);
}

static void linger(struct session *s)
{
	s->state = SESSION_LINGERING;
	s->lingered = 0;
	buffer_drop(s, &s->in);
	deadline(s, LINGER_FOR);
	io_send_end(&s->client);
	if (!io_is_receiving(&s->client))
		io_receive(&s->client, NULL);
}

/* A response, the server's or ours, is with the client's kernel: the next request, or the end. */
void session_exchange_end(struct session *s, bool reusable)
{
	write_log(s);
	leave_server(s, reusable);
	if (s->body_used > 0)
		in_consume(s, s->body_used);
	s->body_used = 0;
	buffer_drop(s, &s->out);
	buffer_drop(s, &s->head);
	buffer_drop(s, &s->response);
	s->to_client.bytes = s->to_server.bytes = 0;
	/* Over, logged and counted, whatever becomes of the connection. */
	s->state = SESSION_IDLE;
	if (!s->keep_alive || (s->client_ended && s->in == NULL)) {
		/* With bytes of the client unread the kernel would reset, and the client lose what we said. */
		if (!s->client_ended && (!s->body_done || s->in != NULL))
			linger(s);
		else
			session_close(s, IO_CLOSE);
		return;
	}
	if (s->in != NULL) {
		session_read_head(s);
		return;
	}
	if (s->worker->stopping) {
		session_close(s, IO_CLOSE);
		return;
	}
	deadline(s, listen_of(s)->idle_timeout);
	watch_client(s);
}

/* --- too late -------------------------------------------------------------------------------------------- */

/* The kernel's buffers are large: a client on a thin line takes minutes between two of our sends, but it reads. */
static bool still_reads(struct session *s)
{
	uint64_t acknowledged = io_acknowledged(&s->client);
	if (acknowledged == s->acknowledged)
		return false;
	s->acknowledged = acknowledged;
	deadline(s, listen_of(s)->idle_timeout);
	return true;
}

void session_on_deadline(struct wheel_timer *timer)
{
	struct session *s = list_entry(timer, struct session, timer);
	switch ((enum session_state)s->state) {
	case SESSION_SECURING:
	case SESSION_IDLE:
	case SESSION_LINGERING:
	case SESSION_ANSWERING:
		session_close(s, IO_CLOSE);
		return;
	case SESSION_HEAD:
		io_receive_detach(&s->client);
		s->keep_alive = false;
		s->body_done = false;
		s->method = HTTP_METHOD_OTHER;
		session_answer(s, 408, true);
		return;
	case SESSION_CONNECTING:
		session_connect_failed(s, -ETIMEDOUT);
		return;
	case SESSION_WAITING:
		if (!s->body_done && !s->cut_short && !s->sending && !relay_is_blocked(&s->to_server))
			session_answer(s, 408, true);
		else
			session_fail(s, 504, "no response in time", "");
		return;
	case SESSION_RESPONDING:
		if (relay_is_blocked(&s->to_client) && still_reads(s))
			return;
		if (!relay_is_blocked(&s->to_client)) {
			server_count_failure(s->server);
			worker_complain(s->worker, "pool %s, server %s: the response stopped in its middle",
					pool_of(s)->name, s->server->name);
		}
		session_close(s, IO_RESET);
		return;
	case SESSION_TUNNEL:
		session_close(s, IO_RESET);
		return;
	case SESSION_CLOSED:
		return;
	}
}

/* --- the end --------------------------------------------------------------------------------------------- */

void session_close(struct session *s, enum io_close_how how)
{
	bool in_exchange = s->state >= SESSION_CONNECTING && s->state <= SESSION_TUNNEL;
	if (s->state == SESSION_CLOSED)
		return;
	if (in_exchange) {
		COUNT(counters_of(s)->bytes_in, s->to_server.bytes);
		COUNT(counters_of(s)->bytes_out, s->to_client.bytes);
		if (s->http && s->status == 0)
			COUNT(counters_of(s)->responses[0], 1);
		write_log(s);
	}
	s->state = SESSION_CLOSED;
	wheel_cancel(&s->timer);
	if (s->upstream != NULL && how == IO_RESET) {
		upstream_close(s->upstream, IO_RESET);
		s->upstream = NULL;
	}
	leave_server(s, false);
	io_close(&s->client, how);
	relay_done(&s->to_client);
	relay_done(&s->to_server);
	buffer_drop(s, &s->in);
	buffer_drop(s, &s->out);
	buffer_drop(s, &s->response);
	buffer_drop(s, &s->head);
	buffer_drop(s, &s->log);
	partial_drop(s);
	COUNT(counters_of(s)->active, (uint64_t)-1);
	list_remove(&s->node);
}

void session_closed(struct io_stream *client)
{
	struct session *s = session_of(client);
	struct worker *w = s->worker;
	plan_drop(s->plan);
	slab_put(&w->sessions, s);
	worker_session_ended(w);
}

/* Is the address that the client came to one of the VIPs? Asked only when the VIP has gone. */
static bool came_to_vip(const struct session *s)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	struct addr local;
	if (getsockname(s->client.fd, (struct sockaddr *)&ss, &n) < 0 ||
	    addr_from_sockaddr((struct sockaddr *)&ss, &local) < 0)
		return false;
	return config_has_vip(s->plan->config, &local.ip);
}

void sessions_end(struct worker *w, enum session_wish wish)
{
	list_each_safe(node, &w->all) {
		struct session *s = list_entry(node, struct session, node);
		bool idle = s->state == SESSION_IDLE || s->state == SESSION_SECURING ||
			    s->state == SESSION_LINGERING;
		if (wish == SESSION_END_ALL || (wish == SESSION_END_VIP && came_to_vip(s)))
			session_close(s, idle ? IO_CLOSE : IO_RESET);
		else if (wish == SESSION_END_IDLE && idle)
			session_close(s, IO_CLOSE);
		else if (wish == SESSION_END_IDLE && s->state != SESSION_RESPONDING)
			s->keep_alive = false;
	}
}
