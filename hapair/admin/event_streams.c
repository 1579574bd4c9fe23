/*
 * event_streams.c: readers of the timeline, each with a place in the ring.
 *
 * Who owns a request: evhttp until its callback, we from then to the end of the reply. When the connection ends before, evhttp
 * calls our close callback; if it has let go of the request by then (no connection any more), the request is ours
 * to free, by "sending" its end.
 */
#include "hapair/admin/event_streams.h"
#include "hapair/base/list.h"
#include "hapair/admin/http_reply.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define STREAM_BATCH     64   /* events held for one reader */
#define STREAM_INPUT_MAX 4096 /* bytes that a reader may send into its stream */

struct event_streams {
	struct events *events;
	struct list list;
	size_t n;
};

struct stream {
	struct list in_streams;
	struct event_streams *streams;
	struct evhttp_request *request;
	uint64_t next; /* id of the event to send */
	bool follow;
	bool busy; /* a batch is on its way */
};

struct event_streams *event_streams_new(struct events *events)
{
	struct event_streams *streams = calloc(1, sizeof(*streams));

	if (streams) {
		streams->events = events;
		list_init(&streams->list);
	}
	return streams;
}

void event_streams_free(struct event_streams *streams)
{
	free(streams);
}

static void stream_free(struct stream *stream)
{
	list_remove(&stream->in_streams);
	stream->streams->n--;
	free(stream);
}

static void on_stream_closed(struct evhttp_connection *connection, void *ctx)
{
	struct stream *stream = ctx;

	evhttp_connection_set_closecb(connection, NULL, NULL);
	if (!evhttp_request_get_connection(stream->request))
		evhttp_send_reply_end(stream->request); /* nobody's but ours: this frees it */
	stream_free(stream);
}

static void stream_pump(struct stream *stream);

static void on_stream_written(struct evhttp_connection *connection, void *ctx)
{
	struct stream *stream = ctx;

	stream->busy = false;
	stream_pump(stream);
}

static void batch_add(struct evbuffer *batch, const struct event_record *record)
{
	json_t *json = event_json(record);
	char *text = json_dumps(json, JSON_COMPACT);

	if (text)
		evbuffer_add_printf(batch, "%s\n", text);
	free(text);
	json_decref(json);
}

static void stream_end(struct stream *stream)
{
	struct evhttp_request *request = stream->request;

	evhttp_connection_set_closecb(evhttp_request_get_connection(request), NULL, NULL);
	stream_free(stream);
	evhttp_send_reply_end(request);
}

/* Sends the next batch once the one before it has left; so a slow reader costs one batch, and then its
 * connection. */
static void stream_pump(struct stream *stream)
{
	struct events *events = stream->streams->events;
	struct evbuffer *batch;
	size_t n = 0;

	if (stream->busy)
		return;
	if (stream->next <= events_newest(events) && !events_get(events, stream->next)) {
		evhttp_connection_free(
			evhttp_request_get_connection(stream->request)); /* frees the stream, too */
		return;
	}
	if (stream->next > events_newest(events)) {
		if (!stream->follow)
			stream_end(stream);
		return;
	}
	batch = evbuffer_new();
	if (!batch)
		return;
	for (; n < STREAM_BATCH && stream->next <= events_newest(events); n++, stream->next++)
		batch_add(batch, events_get(events, stream->next));
	stream->busy = true;
	evhttp_send_reply_chunk_with_cb(stream->request, batch, on_stream_written, stream);
	evbuffer_free(batch);
}

/* A stream may be silent for hours, and what its reader sends is not read for ever. */
static void stream_be_patient(struct evhttp_connection *connection)
{
	struct bufferevent *bev = evhttp_connection_get_bufferevent(connection);
	struct timeval stuck = {.tv_sec = HTTP_IDLE_TIMEOUT_S};
	int on = 1;

	bufferevent_set_timeouts(bev, NULL, &stuck);
	bufferevent_setwatermark(bev, EV_READ, 0, STREAM_INPUT_MAX);
	setsockopt(bufferevent_getfd(bev), SOL_SOCKET, SO_KEEPALIVE, &on,
		   sizeof(on)); /* no effect on AF_UNIX */
}

/* since=ID and follow=1 of the query; false and a reply when they are wrong. */
static bool stream_options(struct evhttp_request *request, uint64_t *ret_since, bool *ret_follow)
{
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
	struct evkeyvalq options = {0};
	const char *bad = NULL;

	*ret_since = 0;
	*ret_follow = false;
	if (!query || !*query)
		return true;
	if (evhttp_parse_query_str(query, &options) < 0) {
		http_reply_error(request, 400, "the query is not name=value&...");
		return false;
	}
	for (struct evkeyval *option = options.tqh_first; option; option = option->next.tqe_next) {
		if (strcmp(option->key, "since") == 0) {
			char *end;

			errno = 0;
			*ret_since = strtoull(option->value, &end, 10);
			if (*option->value < '0' || *option->value > '9' || *end || errno)
				bad = "since is the id of an event, a number";
		} else if (strcmp(option->key, "follow") == 0 &&
			   (strcmp(option->value, "1") == 0 || strcmp(option->value, "0") == 0)) {
			*ret_follow = *option->value == '1';
		} else {
			bad = "options are since=ID and follow=1";
		}
	}
	evhttp_clear_headers(&options);
	if (bad)
		http_reply_error(request, 400, "%s", bad);
	return !bad;
}

void event_streams_serve(struct event_streams *streams, struct evhttp_request *request)
{
	const struct events *events = streams->events;
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	struct stream *stream;
	uint64_t since;
	bool follow;

	if (!stream_options(request, &since, &follow))
		return;
	if (streams->n == EVENT_STREAMS_MAX) {
		http_reply_error(request, 503, "%d others read events already", EVENT_STREAMS_MAX);
		return;
	}
	http_set_header(request, "Content-Type", "application/x-ndjson");
	http_set_header(request, "Cache-Control", "no-store");
	if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
		evhttp_send_reply(request, 200, "OK", NULL);
		return;
	}
	stream = calloc(1, sizeof(*stream));
	if (!stream) {
		http_reply_error(request, 503, "out of memory");
		return;
	}
	stream->streams = streams;
	stream->request = request;
	stream->follow = follow;
	/* An id of an earlier state directory, larger than all of ours: nothing is known after it but what is to come. */
	if (since > events_newest(events))
		since = events_newest(events);
	stream->next = since + 1 > events_oldest(events) ? since + 1 : events_oldest(events);
	list_push_back(&streams->list, &stream->in_streams);
	streams->n++;
	evhttp_connection_set_closecb(connection, on_stream_closed, stream);
	evhttp_send_reply_start(request, 200, "OK");
	if (follow)
		stream_be_patient(connection);
	stream_pump(stream);
}

void event_streams_pump(struct event_streams *streams)
{
	list_each_safe(node, &streams->list)
		stream_pump(list_entry(node, struct stream, in_streams));
}
