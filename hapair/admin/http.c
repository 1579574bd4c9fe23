/*
 * http.c: two evhttp servers (control socket: all; TCP: read-only) and one table of routes.
 */
#include "hapair/admin/http.h"
#include "hapair/base/log.h"
#include "hapair/admin/control_client.h"
#include "hapair/admin/http_reply.h"
#include "hapair/admin/json_values.h"
#include "hapair/admin/metrics.h"
#include "hapair/admin/overview.h"
#include "hapair/admin/status_json.h"

#include <errno.h>
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

#define HTTP_PRIORITY 2 /* after the channels between the roles */
#define HEAD_MAX      8192
#define BODY_MAX      4096
#define ACCEPT_PAUSE  MS(100)
#define LISTENERS_MAX 32

struct listener {
	struct addr address;
	struct evhttp_bound_socket *bound;
};

struct admin_http {
	struct event_base *base;
	const struct admin_http_source *source;
	struct evhttp *control, *remote;
	struct listener listeners[LISTENERS_MAX];
	size_t n_listeners;
	struct event *resume; /* accepting again after ACCEPT_PAUSE */
};

/* GET: status, metrics, health, page */

static struct snapshot_view view_of(const struct admin_http *http)
{
	return http->source->view();
}

static void get_status(struct admin_http *http, struct evhttp_request *request)
{
	struct snapshot_view view = view_of(http);

	http_reply_json(request, 200, status_json(&view));
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
	http_reply_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", text, n);
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
	http_set_header(request, "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
	http_reply_text(request, 200, "text/html; charset=utf-8", text, n);
}

static void get_active(struct admin_http *http, struct evhttp_request *request)
{
	struct snapshot_view view = view_of(http);
	struct snapshot_state state = snapshot_state(&view);

	http_reply_plain(request, state.held ? 200 : 503, node_state_name(state.state));
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
	http_reply_json(request, well ? 200 : 503, json);
}

static void get_events(struct admin_http *http, struct evhttp_request *request)
{
	event_streams_serve(http->source->streams, request);
}

/* POST: commands */

static void post_switchover(struct admin_http *http, struct evhttp_request *request)
{
	admin_commands_run(http->source->commands, request,
			   &(struct admin_command){.action = ADMIN_SWITCHOVER});
}

static void post_reload(struct admin_http *http, struct evhttp_request *request)
{
	admin_commands_run(http->source->commands, request, &(struct admin_command){.action = ADMIN_RELOAD});
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

/* The argument of that name in the query, or NULL; borrowed. */
static const char *argument(const struct evkeyvalq *query, const char *name)
{
	return evhttp_find_header(query, name);
}

/* False: not a weight. Left out, it is `missing` (0: it must be there). */
static bool take_weight(const struct evkeyvalq *query, uint16_t missing, uint16_t *ret)
{
	const char *text = argument(query, "weight");
	char *end;
	long weight;

	if (!text && missing) {
		*ret = missing;
		return true;
	}
	if (!text || *text < '0' || *text > '9')
		return false;
	weight = strtol(text, &end, 10);
	if (*end || weight < 1 || weight > 256)
		return false;
	*ret = (uint16_t)weight;
	return true;
}

/* NULL, or what is wrong. */
static const char *take_arguments(const struct evhttp_uri *uri, struct admin_command *command)
{
	const char *text = evhttp_uri_get_query(uri), *address, *wrong = NULL;
	struct evkeyvalq query;

	if (evhttp_parse_query_str(text ? text : "", &query) < 0)
		return "the query is not understood";
	address = argument(&query, "address");
	if (command->verb == ADMIN_ADD && (!address || addr_parse(span_of(address), &command->address) < 0))
		wrong = "address must be an IP address and a port, like 10.0.0.13:8080 or [fd00::13]:8080";
	else if (command->verb == ADMIN_ADD && !take_weight(&query, 1, &command->weight))
		wrong = "weight must be a number from 1 to 256";
	else if (command->verb == ADMIN_WEIGHT && !take_weight(&query, 0, &command->weight))
		wrong = "weight must be a number from 1 to 256";
	evhttp_clear_headers(&query);
	return wrong;
}

/* /v1/servers/POOL/NAME/VERB */
static void post_server(struct admin_http *http, struct evhttp_request *request)
{
	static const char *const names[] = {[ADMIN_READY] = "ready",   [ADMIN_DRAIN] = "drain",
					    [ADMIN_MAINT] = "maint",   [ADMIN_ADD] = "add",
					    [ADMIN_REMOVE] = "remove", [ADMIN_WEIGHT] = "weight"};
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = evhttp_uri_get_path(uri) + strlen("/v1/servers/"), *wrong;
	struct admin_command command = {.action = ADMIN_SERVER};
	char verb[8];

	if (!take_segment(&path, command.pool, sizeof(command.pool)) ||
	    !take_segment(&path, command.server, sizeof(command.server)) ||
	    !take_segment(&path, verb, sizeof(verb)) || *path) {
		http_reply_error(request, 404,
				 "it is /v1/servers/POOL/NAME/{drain,ready,maint,add,remove,weight}");
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], verb) != 0)
			continue;
		command.verb = (enum admin_verb)i;
		wrong = take_arguments(uri, &command);
		if (wrong)
			http_reply_error(request, 422, "%s", wrong);
		else
			admin_commands_run(http->source->commands, request, &command);
		return;
	}
	http_reply_error(request, 404, "a server can be set to drain, ready or maint, added, removed, and weighted");
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
		http_reply_error(
			request, 404,
			"there is no such page; see /, /v1/status, /v1/events, /metrics, /healthz, /active");
		return;
	}
	fits = route->command ? method == EVHTTP_REQ_POST
			      : method == EVHTTP_REQ_GET || method == EVHTTP_REQ_HEAD;
	if (!fits) {
		http_set_header(request, "Allow", route->command ? "POST" : "GET, HEAD");
		http_reply_error(request, 405, "%s takes %s", path, route->command ? "POST" : "GET and HEAD");
		return;
	}
	if (route->command && !may_command) {
		http_reply_error(request, 403, "commands are taken on the control socket only");
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
	evhttp_set_timeout(server, HTTP_IDLE_TIMEOUT_S);
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
