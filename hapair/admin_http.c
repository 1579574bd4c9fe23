/*
 * admin_http.c: two evhttp servers (control socket: all; TCP: read-only), one table of routes.
 *
 * Who owns a request: evhttp until its callback, we from then to the reply. When the connection ends before,
 * evhttp calls our close callback; if it has let go of the request by then (no connection any more), the
 * request is ours to free, by "sending" its end.
 */
#include "hapair/admin_http.h"
#include "hapair/base/list.h"
#include "hapair/base/log.h"
#include "hapair/control_client.h"
#include "hapair/json_values.h"
#include "hapair/metrics.h"
#include "hapair/overview.h"
#include "hapair/status_json.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define HTTP_PRIORITY    2 /* after the channels between the roles */
#define IDLE_TIMEOUT_S   30
#define HEAD_MAX         8192
#define BODY_MAX         4096
#define STREAM_BATCH     64   /* events held for one reader */
#define STREAM_INPUT_MAX 4096 /* bytes that a reader may send into its stream */
#define ACCEPT_PAUSE     MS(100)
#define LISTENERS_MAX    32

/* How long a command may take; the client waits a little longer. */
static const nanos command_limits[] = {
	[ADMIN_SWITCHOVER] = SECONDS(15),
	[ADMIN_RELOAD] = SECONDS(60),
	[ADMIN_SERVER] = SECONDS(5),
};

struct listener {
	struct addr address;
	struct evhttp_bound_socket *bound;
};

struct waiting {
	struct list in_http;
	struct admin_http *http;
	struct admin_command command;
	struct evhttp_request *request;
	nanos began;
	struct event *limit;
};

struct stream {
	struct list in_http;
	struct admin_http *http;
	struct evhttp_request *request;
	uint64_t next; /* id of the event to send */
	bool follow;
	bool busy; /* a batch is on its way */
};

struct admin_http {
	struct event_base *base;
	const struct admin_http_source *source;
	struct evhttp *control, *remote;
	struct listener listeners[LISTENERS_MAX];
	size_t n_listeners;
	struct event *resume; /* accepting again after ACCEPT_PAUSE */
	struct list streams, waiting;
	size_t n_streams, n_waiting;
	uint32_t last_id;
};

/* Replies */

static void set_header(struct evhttp_request *request, const char *name, const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(request), name, value);
}

static const char *reason_of(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 409:
		return "Conflict";
	case 422:
		return "Unprocessable Content";
	case 503:
		return "Service Unavailable";
	case 504:
		return "Gateway Timeout";
	default:
		return "Internal Server Error";
	}
}

static void free_text(const void *text, size_t n, void *ctx)
{
	free((void *)text);
}

/* Takes `text`, malloc'd, of n bytes. */
static void reply_text(struct evhttp_request *request, int status, const char *type, char *text, size_t n)
{
	struct evbuffer *body = evbuffer_new();

	set_header(request, "Content-Type", type);
	set_header(request, "Cache-Control", "no-store");
	set_header(request, "X-Content-Type-Options", "nosniff");
	if (!body || !text || evbuffer_add_reference(body, text, n, free_text, NULL) < 0) {
		free(text);
		evhttp_send_error(request, 500, NULL);
	} else {
		evhttp_send_reply(request, status, reason_of(status), body);
	}
	if (body)
		evbuffer_free(body);
}

/* Takes `json`. */
static void reply_json(struct evhttp_request *request, int status, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT), *line = NULL;
	int n = text ? asprintf(&line, "%s\n", text) : -1;

	json_decref(json);
	free(text);
	reply_text(request, status, "application/json", n < 0 ? NULL : line, n < 0 ? 0 : (size_t)n);
}

static void reply_error(struct evhttp_request *request, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void reply_error(struct evhttp_request *request, int status, const char *format, ...)
{
	json_t *json = value_object();
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	object_put(json, "error", value_text(text));
	reply_json(request, status, json);
}

static void reply_plain(struct evhttp_request *request, int status, const char *word)
{
	char *text;
	int n = asprintf(&text, "%s\n", word);

	reply_text(request, status, "text/plain; charset=utf-8", n < 0 ? NULL : text, n < 0 ? 0 : (size_t)n);
}

static struct snapshot_view view_of(const struct admin_http *http)
{
	return http->source->view(http->source->ctx);
}

/* GET: status, metrics, health, page */

static void get_status(struct admin_http *http, struct evhttp_request *request)
{
	struct snapshot_view view = view_of(http);

	reply_json(request, 200, status_json(&view));
}

static void get_metrics(struct admin_http *http, struct evhttp_request *request)
{
	struct snapshot_view view = view_of(http);
	char *text = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&text, &n);

	if (to) {
		metrics_print(&view, events_added(http->source->events), to);
		fclose(to);
	}
	reply_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", text, n);
}

static void get_overview(struct admin_http *http, struct evhttp_request *request)
{
	struct snapshot_view view = view_of(http);
	json_t *status = status_json(&view);
	char *text = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&text, &n);

	if (to) {
		overview_print(status, to);
		fclose(to);
	}
	json_decref(status);
	set_header(request, "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
	reply_text(request, 200, "text/html; charset=utf-8", text, n);
}

static void get_active(struct admin_http *http, struct evhttp_request *request)
{
	struct snapshot_view view = view_of(http);
	struct snapshot_state state = snapshot_state(&view);

	reply_plain(request, state.held ? 200 : 503, node_state_name(state.state));
}

static void get_healthz(struct admin_http *http, struct evhttp_request *request)
{
	static const enum role roles[] = {ROLE_HEARTBEAT, ROLE_PROXY, ROLE_RUNNER};
	struct snapshot_view view = view_of(http);
	struct snapshot_state state = snapshot_state(&view);
	json_t *json = value_object(), *problems = value_array();
	char text[96];
	bool well;

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (!view.snapshot->roles[roles[i]].linked) {
			snprintf(text, sizeof(text), "the %s process is not running", role_name(roles[i]));
			array_put(problems, value_text(text));
		}
	if (view.snapshot->roles[ROLE_PROXY].linked && view.snapshot->proxy.at &&
	    view.now - view.snapshot->proxy.at > SECONDS(5))
		array_put(problems, value_text("the proxy process is silent"));
	if (state.state == NODE_FAULT)
		array_put(problems, value_text(state.reason));
	well = json_array_size(problems) == 0;
	object_put(json, "ok", value_boolean(true, well));
	object_put(json, "state", value_text(node_state_name(state.state)));
	object_put(json, "problems", problems);
	reply_json(request, well ? 200 : 503, json);
}

/* GET /v1/events: from the ring, a batch at a time */

static void stream_free(struct stream *stream)
{
	list_remove(&stream->in_http);
	stream->http->n_streams--;
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
	struct events *events = stream->http->source->events;
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
	struct timeval stuck = {.tv_sec = IDLE_TIMEOUT_S};
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
		reply_error(request, 400, "the query is not name=value&...");
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
		reply_error(request, 400, "%s", bad);
	return !bad;
}

static void get_events(struct admin_http *http, struct evhttp_request *request)
{
	const struct events *events = http->source->events;
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	struct stream *stream;
	uint64_t since;
	bool follow;

	if (!stream_options(request, &since, &follow))
		return;
	if (http->n_streams == ADMIN_HTTP_STREAMS) {
		reply_error(request, 503, "%d others read events already", ADMIN_HTTP_STREAMS);
		return;
	}
	set_header(request, "Content-Type", "application/x-ndjson");
	set_header(request, "Cache-Control", "no-store");
	if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
		evhttp_send_reply(request, 200, "OK", NULL);
		return;
	}
	stream = calloc(1, sizeof(*stream));
	if (!stream) {
		reply_error(request, 503, "out of memory");
		return;
	}
	stream->http = http;
	stream->request = request;
	stream->follow = follow;
	stream->next = since + 1 > events_oldest(events) ? since + 1 : events_oldest(events);
	/* An id of an earlier state directory, larger than all of ours: nothing is known after it but what is
	 * to come. */
	if (stream->next > events_newest(events) + 1)
		stream->next = events_newest(events) + 1;
	list_push_back(&http->streams, &stream->in_http);
	http->n_streams++;
	evhttp_connection_set_closecb(connection, on_stream_closed, stream);
	evhttp_send_reply_start(request, 200, "OK");
	if (follow)
		stream_be_patient(connection);
	stream_pump(stream);
}

void admin_http_events(struct admin_http *http)
{
	list_each_safe(node, &http->streams) stream_pump(list_entry(node, struct stream, in_http));
}

/* POST: commands */

static void waiting_free(struct waiting *waiting)
{
	list_remove(&waiting->in_http);
	waiting->http->n_waiting--;
	event_free(waiting->limit);
	free(waiting);
}

static void on_waiting_closed(struct evhttp_connection *connection, void *ctx)
{
	struct waiting *waiting = ctx;

	evhttp_connection_set_closecb(connection, NULL, NULL);
	if (!evhttp_request_get_connection(waiting->request))
		evhttp_send_reply_end(waiting->request);
	waiting_free(waiting);
}

/* Takes `json`; the command is over. */
static void waiting_reply(struct waiting *waiting, int status, json_t *json)
{
	struct evhttp_request *request = waiting->request;
	nanos took = view_of(waiting->http).now - waiting->began;

	object_put(json, "took_ms", value_integer(true, took / NS_PER_MS));
	evhttp_connection_set_closecb(evhttp_request_get_connection(request), NULL, NULL);
	waiting_free(waiting);
	reply_json(request, status, json);
}

static void on_limit(evutil_socket_t fd, short what, void *ctx)
{
	struct waiting *waiting = ctx;
	json_t *json = value_object();
	char text[128];

	snprintf(text, sizeof(text), "not done within %d s; `hapair events` shows what became of it",
		 (int)(command_limits[waiting->command.action] / NS_PER_S));
	object_put(json, "error", value_text(text));
	waiting_reply(waiting, 504, json);
}

static struct waiting *find_waiting(const struct admin_http *http, uint32_t id)
{
	list_each(node, &http->waiting)
	{
		struct waiting *waiting = list_entry(node, struct waiting, in_http);

		if (waiting->command.id == id)
			return waiting;
	}
	return NULL;
}

const struct admin_command *admin_http_waiting(const struct admin_http *http, uint32_t id)
{
	struct waiting *waiting = find_waiting(http, id);

	return waiting ? &waiting->command : NULL;
}

bool admin_http_waits(const struct admin_http *http, enum admin_action action)
{
	list_each(node, &http->waiting) if (list_entry(node, struct waiting, in_http)->command.action ==
					    action) return true;
	return false;
}

/* What an errno of a role means to an HTTP client. */
static int status_of(int error)
{
	switch (-error) {
	case 0:
		return 200;
	case ENOENT:
		return 404;
	case EINVAL:
		return 422;
	case ENOTCONN:
	case EPIPE:
		return 503;
	case ETIMEDOUT:
		return 504;
	default:
		return 409; /* refused in the present state */
	}
}

void admin_http_answer(struct admin_http *http, uint32_t id, int error, const char *key, const char *text,
		       const char *detail)
{
	struct waiting *waiting = find_waiting(http, id);
	json_t *json;

	if (!waiting)
		return;
	json = value_object();
	if (error == 0) {
		object_put(json, "ok", value_boolean(true, true));
		object_put(json, key, value_text(text));
	} else {
		object_put(json, "error", value_text(*text ? text : strerror(-error)));
		if (detail)
			object_put(json, "mistakes", value_text(detail));
	}
	waiting_reply(waiting, status_of(error), json);
}

void admin_http_abandon(struct admin_http *http, enum admin_action action, const char *why)
{
	list_each_safe(node, &http->waiting)
	{
		struct waiting *waiting = list_entry(node, struct waiting, in_http);
		json_t *json;

		if (waiting->command.action != action)
			continue;
		json = value_object();
		object_put(json, "error", value_text(why));
		waiting_reply(waiting, 503, json);
	}
}

static struct waiting *waiting_new(struct admin_http *http, struct evhttp_request *request,
				   const struct admin_command *command)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));
	struct timeval limit = clock_timeval(command_limits[command->action]);

	if (!waiting)
		return NULL;
	waiting->http = http;
	waiting->request = request;
	waiting->command = *command;
	waiting->began = view_of(http).now;
	waiting->limit = evtimer_new(http->base, on_limit, waiting);
	if (!waiting->limit || evtimer_add(waiting->limit, &limit) < 0) {
		if (waiting->limit)
			event_free(waiting->limit);
		free(waiting);
		return NULL;
	}
	list_push_back(&http->waiting, &waiting->in_http);
	http->n_waiting++;
	return waiting;
}

static void run_command(struct admin_http *http, struct evhttp_request *request,
			struct admin_command *command)
{
	struct waiting *waiting;
	char why[256] = "";
	int r;

	if (http->n_waiting == ADMIN_HTTP_WAITING) {
		reply_error(request, 503, "%d commands are under way already", ADMIN_HTTP_WAITING);
		return;
	}
	command->id = ++http->last_id ? http->last_id : ++http->last_id;
	waiting = waiting_new(http, request, command);
	if (!waiting) {
		reply_error(request, 503, "out of memory");
		return;
	}
	evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_waiting_closed, waiting);
	r = http->source->command(http->source->ctx, command, why);
	if (r < 0)
		admin_http_answer(http, command->id, r, "text", why, NULL);
}

static void post_switchover(struct admin_http *http, struct evhttp_request *request)
{
	run_command(http, request, &(struct admin_command){.action = ADMIN_SWITCHOVER});
}

static void post_reload(struct admin_http *http, struct evhttp_request *request)
{
	run_command(http, request, &(struct admin_command){.action = ADMIN_RELOAD});
}

/* A part of the path up to the next '/', into a field of `size`; false when it does not fit or is empty. */
static bool take_segment(const char **path, char *field, size_t size)
{
	size_t n = strcspn(*path, "/");

	if (n == 0 || n >= size)
		return false;
	memcpy(field, *path, n);
	field[n] = '\0';
	*path += n + ((*path)[n] == '/');
	return true;
}

/* /v1/servers/POOL/NAME/{drain,ready,maint} */
static void post_server(struct admin_http *http, struct evhttp_request *request)
{
	static const char *const names[] = {[SERVER_ACTION_READY] = "ready",
					    [SERVER_ACTION_DRAIN] = "drain",
					    [SERVER_ACTION_MAINT] = "maint"};
	const char *path =
		evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request)) + strlen("/v1/servers/");
	struct admin_command command = {.action = ADMIN_SERVER};
	char verb[8];

	if (!take_segment(&path, command.pool, sizeof(command.pool)) ||
	    !take_segment(&path, command.server, sizeof(command.server)) ||
	    !take_segment(&path, verb, sizeof(verb)) || *path) {
		reply_error(request, 404, "it is /v1/servers/POOL/NAME/{drain,ready,maint}");
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], verb) == 0) {
			command.server_action = (enum server_action)i;
			run_command(http, request, &command);
			return;
		}
	reply_error(request, 404, "a server can be set to drain, ready or maint");
}

/* Routes */

static const struct route {
	const char *path; /* one that ends in '/' is a prefix, but for "/" itself */
	bool command;     /* POST, on the control socket only; else GET and HEAD */
	void (*handle)(struct admin_http *http, struct evhttp_request *request);
} routes[] = {
	{"/", false, get_overview},
	{"/v1/status", false, get_status},
	{"/v1/events", false, get_events},
	{"/metrics", false, get_metrics},
	{"/healthz", false, get_healthz},
	{"/active", false, get_active},
	{"/v1/switchover", true, post_switchover},
	{"/v1/reload", true, post_reload},
	{"/v1/servers/", true, post_server},
};

static const struct route *find_route(const char *path)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		size_t n = strlen(routes[i].path);

		if (strcmp(path, routes[i].path) == 0 ||
		    (n > 1 && routes[i].path[n - 1] == '/' && strncmp(path, routes[i].path, n) == 0))
			return &routes[i];
	}
	return NULL;
}

static void dispatch(struct admin_http *http, struct evhttp_request *request, bool may_command)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	const struct route *route = path ? find_route(path) : NULL;
	enum evhttp_cmd_type method = evhttp_request_get_command(request);
	bool fits;

	if (!route) {
		reply_error(
			request, 404,
			"there is no such page; see /, /v1/status, /v1/events, /metrics, /healthz, /active");
		return;
	}
	fits = route->command ? method == EVHTTP_REQ_POST
			      : method == EVHTTP_REQ_GET || method == EVHTTP_REQ_HEAD;
	if (!fits) {
		set_header(request, "Allow", route->command ? "POST" : "GET, HEAD");
		reply_error(request, 405, "%s takes %s", path, route->command ? "POST" : "GET and HEAD");
		return;
	}
	if (route->command && !may_command) {
		reply_error(request, 403, "commands are taken on the control socket only");
		return;
	}
	route->handle(http, request);
}

static void on_control_request(struct evhttp_request *request, void *ctx)
{
	dispatch(ctx, request, true);
}

static void on_remote_request(struct evhttp_request *request, void *ctx)
{
	dispatch(ctx, request, false);
}

/* Sockets */

static void each_listener(struct admin_http *http, int (*apply)(struct evconnlistener *))
{
	for (size_t i = 0; i < http->n_listeners; i++)
		apply(evhttp_bound_socket_get_listener(http->listeners[i].bound));
}

/* The lowest free descriptor tells how many are open. */
static bool too_many_open(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd < 0 || fd >= ADMIN_HTTP_FDS;
}

static void on_resume(evutil_socket_t fd, short what, void *ctx)
{
	struct admin_http *http = ctx;
	struct timeval pause = clock_timeval(ACCEPT_PAUSE);

	if (too_many_open())
		event_add(http->resume, &pause);
	else
		each_listener(http, evconnlistener_enable);
}

static struct bufferevent *connection_new(struct event_base *base)
{
	struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

	if (bev)
		bufferevent_priority_set(bev, HTTP_PRIORITY);
	return bev;
}

static struct bufferevent *on_control_connection(struct event_base *base, void *ctx)
{
	return connection_new(base);
}

static struct bufferevent *on_remote_connection(struct event_base *base, void *ctx)
{
	struct admin_http *http = ctx;
	struct timeval pause = clock_timeval(ACCEPT_PAUSE);

	if (too_many_open()) {
		each_listener(http, evconnlistener_disable);
		event_add(http->resume, &pause);
	}
	return connection_new(base);
}

static struct evhttp *server_new(struct admin_http *http, void (*on_request)(struct evhttp_request *, void *),
				 struct bufferevent *(*on_connection)(struct event_base *, void *))
{
	struct evhttp *server = evhttp_new(http->base);

	if (!server)
		return NULL;
	evhttp_set_max_headers_size(server, HEAD_MAX);
	evhttp_set_max_body_size(server, BODY_MAX);
	evhttp_set_timeout(server, IDLE_TIMEOUT_S);
	/* All of them, so that a refusal is ours to word. */
	evhttp_set_allowed_methods(server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
						   EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS |
						   EVHTTP_REQ_TRACE | EVHTTP_REQ_PATCH);
	evhttp_set_bevcb(server, on_connection, http);
	evhttp_set_gencb(server, on_request, http);
	return server;
}

struct admin_http *admin_http_new(struct event_base *base, const struct admin_http_source *source)
{
	struct admin_http *http = calloc(1, sizeof(*http));

	if (!http)
		return NULL;
	http->base = base;
	http->source = source;
	list_init(&http->streams);
	list_init(&http->waiting);
	http->control = server_new(http, on_control_request, on_control_connection);
	http->remote = server_new(http, on_remote_request, on_remote_connection);
	http->resume = evtimer_new(base, on_resume, http);
	if (!http->control || !http->remote || !http->resume) {
		admin_http_free(http);
		return NULL;
	}
	return http;
}

void admin_http_free(struct admin_http *http)
{
	if (!http)
		return;
	/* Streams and waiting commands go with their connections. */
	if (http->control)
		evhttp_free(http->control);
	if (http->remote)
		evhttp_free(http->remote);
	if (http->resume)
		event_free(http->resume);
	free(http);
}

/* Serves a socket that listens; takes it. NULL when out of memory. */
static struct evhttp_bound_socket *serve(struct admin_http *http, struct evhttp *server, int fd)
{
	struct evconnlistener *listener;
	struct evhttp_bound_socket *bound;

	evutil_make_socket_nonblocking(fd);
	listener = evconnlistener_new(http->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
				      0, fd);
	if (!listener) {
		close(fd);
		return NULL;
	}
	bound = evhttp_bind_listener(server, listener);
	if (!bound)
		evconnlistener_free(listener);
	return bound;
}

/* Bound under another name and then renamed: there is no moment without a socket, nor one with a wider mode.
 */
static int control_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s.new", path), fd, r = 0;
	mode_t mask;

	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	unlink(address.sun_path);
	mask = umask(0177);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = -errno;
	umask(mask);
	if (r == 0 && (listen(fd, 64) < 0 || rename(address.sun_path, path) < 0))
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int admin_http_control(struct admin_http *http, const char *run_dir)
{
	char *path = control_path(run_dir);
	int fd = path ? control_socket(path) : -ENOMEM;

	if (fd < 0)
		log_error("control socket %s: %s", path ? path : run_dir, strerror(-fd));
	free(path);
	if (fd < 0)
		return fd;
	return serve(http, http->control, fd) ? 0 : -ENOMEM;
}

int admin_http_listen(struct admin_http *http, const struct addr *address, int fd)
{
	struct evhttp_bound_socket *bound = serve(http, http->remote, fd);
	struct listener *place = NULL;

	if (!bound)
		return -ENOMEM;
	for (size_t i = 0; i < http->n_listeners; i++)
		if (addr_equal(&http->listeners[i].address, address)) {
			place = &http->listeners[i];
			evhttp_del_accept_socket(http->remote, place->bound);
		}
	if (!place && http->n_listeners == LISTENERS_MAX) {
		evhttp_del_accept_socket(http->remote, bound);
		return -ENOSPC;
	}
	if (!place)
		place = &http->listeners[http->n_listeners++];
	*place = (struct listener){.address = *address, .bound = bound};
	return 0;
}

static bool among(const struct addr *address, const struct addr *addresses, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (addr_equal(address, &addresses[i]))
			return true;
	return false;
}

void admin_http_keep(struct admin_http *http, const struct addr *addresses, size_t n)
{
	for (size_t i = http->n_listeners; i-- > 0;)
		if (!among(&http->listeners[i].address, addresses, n)) {
			evhttp_del_accept_socket(http->remote, http->listeners[i].bound);
			http->listeners[i] = http->listeners[--http->n_listeners];
		}
}
