/*
 * session_state.h: what a session is, for the files that make it up: session.c (the journey), session_tunnel.c (where it
 * becomes two directions of bytes) and session_end.c (how each of its ways ends). Nobody else includes this.
 */
#ifndef HAPAIR_PROXY_SESSION_STATE_H
#define HAPAIR_PROXY_SESSION_STATE_H

#include "proxy/relay.h"
#include "proxy/session.h"
#include "proxy/worker.h"

enum session_state {
	SESSION_SECURING,
	SESSION_IDLE,
	SESSION_HEAD,
	SESSION_CONNECTING,
	SESSION_WAITING,
	SESSION_RESPONDING,
	SESSION_ANSWERING,
	SESSION_TUNNEL,
	SESSION_LINGERING,
	SESSION_CLOSED,
};

/* How far a head is parsed: the client's until it is whole, the server's after that. Most come whole and need none. */
union partial_head {
	struct http_request request;
	struct http_response response;
};

struct session {
	struct io_stream client; /* first; owner: this */
	struct worker *worker;
	struct list node; /* in worker->all */
	struct wheel_timer timer;
	struct plan *plan;
	uint32_t listen, pool; /* in the plan */
	struct addr peer;
	struct buffer *in, *out, *response, *head, *log;
	union partial_head *partial; /* while a head has come only in part */
	struct upstream *upstream;
	struct server *server; /* chosen, counted as active */
	struct relay to_server, to_client;

	/* the request */
	nanos began;
	int64_t began_wall_ms;
	struct span body;   /* in `in`: the part of the body that goes with the head */
	uint32_t body_used; /* of `in` for it */
	uint32_t lingered;
	uint64_t acknowledged; /* by the client, when it was last suspected of not reading */
	uint16_t status;
	uint16_t tried[BALANCE_TRIED_MAX];
	uint8_t n_tried;
	uint8_t attempts; /* servers and connections that were tried */
	uint8_t state;
	uint8_t method; /* enum http_method */
	uint8_t minor;  /* of the client's HTTP/1.x */
	bool http : 1, secure : 1;
	bool keep_alive : 1; /* the client's connection goes on afterwards */
	bool idempotent : 1, websocket : 1;
	bool client_ended : 1; /* the client has sent its last byte */
	bool body_done : 1;    /* all of the request's body was received */
	bool sending : 1;      /* head and first bytes of body are on their way to the server */
	bool cut_short : 1;    /* the server takes no more of the body */
	bool said : 1;         /* something of a response went to the client */
	bool interim : 1;      /* an interim response is on its way to the client */
	bool server_keeps : 1; /* the server's connection goes on afterwards */
	char client_text[IP_TEXT_MAX];
};

/* session.c: some bytes of a head are in `in`. */
void session_read_head(struct session *s);
/* session.c: connecting did not come to an end. */
void session_connect_failed(struct session *s, int error);

/* session_tunnel.c: both directions go on as they are; `head` leaves first to the client, then `from_server` (taken over). */
void session_tunnel_begin(struct session *s, struct span head, struct buffer *from_server);
void session_tunnel_went(struct session *s, struct relay *relay, enum relay_result result);

/* session_end.c: status 4xx or 5xx of ours; `close`: the connection ends with it. Where something was said already there is
 * nothing to say: it is reset. */
void session_answer(struct session *s, unsigned status, bool close);
/* A 5xx of ours, with its cause in the log. */
void session_fail(struct session *s, unsigned status, const char *cause, const char *detail);
void session_count_response(struct session *s, unsigned status);
/* A response, the server's or ours, is with the client's kernel: the next request, or the end. `reusable`: the server's connection
 * can serve another one. */
void session_exchange_end(struct session *s, bool reusable);
/* Both sides, whatever was going on. The session is gone at the end of the turn. */
void session_close(struct session *s, enum io_close_how how);
void session_closed(struct io_stream *client);
void session_on_deadline(struct wheel_timer *timer);

static inline struct session *session_of(struct io_stream *client)
{
	return (struct session *)client;
}

static inline const struct config_listen *listen_of(const struct session *s)
{
	return &s->plan->config->listens[s->listen];
}

static inline const struct config_pool *pool_of(const struct session *s)
{
	return &s->plan->config->pools[s->pool];
}

static inline struct counters *counters_of(const struct session *s)
{
	return &s->plan->listens[s->listen].counters[s->worker->index];
}

static inline void deadline(struct session *s, nanos after)
{
	io_timer_set(s->worker->loop, &s->timer, io_now(s->worker->loop) + after);
}

static inline struct buffer *buffer_new(struct session *s)
{
	return buffer_get(io_buffers(s->worker->loop));
}

static inline void buffer_drop(struct session *s, struct buffer **buffer)
{
	if (*buffer != NULL)
		slab_put(io_buffers(s->worker->loop), *buffer);
	*buffer = NULL;
}

/* `parsed`, of n bytes, is what is known of a head that goes on. Without memory for it, it is parsed from its beginning. */
static inline void partial_keep(struct session *s, const void *parsed, size_t n)
{
	if (s->partial == NULL)
		s->partial = slab_get(&s->worker->partial_heads);
	if (s->partial != NULL)
		memcpy(s->partial, parsed, n);
}

static inline void partial_drop(struct session *s)
{
	if (s->partial != NULL)
		slab_put(&s->worker->partial_heads, s->partial);
	s->partial = NULL;
}

/* Takes n bytes of `in`; emptied, it is given back. */
static inline void in_consume(struct session *s, size_t n)
{
	buffer_consume(s->in, n);
	if (buffer_used(s->in) == 0)
		buffer_drop(s, &s->in);
}

/* Nobody reads from the client at the moment: have its end told. */
static inline void watch_client(struct session *s)
{
	if (s->in == NULL && s->body_done && !s->client_ended && !io_is_receiving(&s->client))
		io_receive(&s->client, NULL);
}

#endif
