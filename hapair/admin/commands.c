/*
 * commands.c: requests that wait for a role's answer, each with a limit. Their owner is as in event_streams.c.
 */
#include "hapair/admin/commands.h"
#include "hapair/base/clock.h"
#include "hapair/base/list.h"
#include "hapair/admin/http_reply.h"
#include "hapair/admin/json_values.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long a command may take; the client waits a little longer. */
static const nanos command_limits[] = {
	[ADMIN_SWITCHOVER] = SECONDS(15),
	[ADMIN_RELOAD] = SECONDS(60),
	[ADMIN_SERVER] = SECONDS(5),
};

struct admin_commands {
	struct event_base *base;
	int (*pass_on)(void *ctx, const struct admin_command *command, char why[ADMIN_WHY_MAX]);
	void *ctx;
	struct list list;
	size_t n;
	uint32_t last_id;
};

struct waiting {
	struct list in_commands;
	struct admin_commands *commands;
	struct admin_command command;
	struct evhttp_request *request; /* NULL: its client did not wait */
	nanos began;
	struct event *limit;
};

struct admin_commands *admin_commands_new(struct event_base *base,
					  int (*pass_on)(void *ctx, const struct admin_command *command,
							 char why[ADMIN_WHY_MAX]),
					  void *ctx)
{
	struct admin_commands *commands = calloc(1, sizeof(*commands));

	if (commands) {
		commands->base = base;
		commands->pass_on = pass_on;
		commands->ctx = ctx;
		list_init(&commands->list);
	}
	return commands;
}

static void waiting_free(struct waiting *waiting)
{
	list_remove(&waiting->in_commands);
	waiting->commands->n--;
	event_free(waiting->limit);
	free(waiting);
}

void admin_commands_free(struct admin_commands *commands)
{
	if (!commands)
		return;
	list_each_safe(node, &commands->list)
		waiting_free(list_entry(node, struct waiting, in_commands));
	free(commands);
}

/* The role goes on with it, and what it answers still has to be known: a server's state is kept from then on. */
static void on_waiting_closed(struct evhttp_connection *connection, void *ctx)
{
	struct waiting *waiting = ctx;

	evhttp_connection_set_closecb(connection, NULL, NULL);
	if (!evhttp_request_get_connection(waiting->request))
		evhttp_send_reply_end(waiting->request);
	waiting->request = NULL;
}

/* Takes `json`; the command is over. */
static void waiting_reply(struct waiting *waiting, int status, json_t *json)
{
	struct evhttp_request *request = waiting->request;
	nanos took = clock_now() - waiting->began;

	if (!request) {
		waiting_free(waiting);
		json_decref(json);
		return;
	}
	object_put(json, "took_ms", value_integer(true, took / NS_PER_MS));
	evhttp_connection_set_closecb(evhttp_request_get_connection(request), NULL, NULL);
	waiting_free(waiting);
	http_reply_json(request, status, json);
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

static struct waiting *find_waiting(const struct admin_commands *commands, uint32_t id)
{
	list_each(node, &commands->list) {
		struct waiting *waiting = list_entry(node, struct waiting, in_commands);

		if (waiting->command.id == id)
			return waiting;
	}
	return NULL;
}

const struct admin_command *admin_commands_waiting(const struct admin_commands *commands, uint32_t id)
{
	struct waiting *waiting = find_waiting(commands, id);

	return waiting ? &waiting->command : NULL;
}

bool admin_commands_waits(const struct admin_commands *commands, enum admin_action action)
{
	list_each(node, &commands->list)
		if (list_entry(node, struct waiting, in_commands)->command.action == action)
			return true;
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

void admin_commands_answer(struct admin_commands *commands, uint32_t id, int error, const char *key,
			   const char *text, const char *detail)
{
	struct waiting *waiting = find_waiting(commands, id);
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

void admin_commands_abandon(struct admin_commands *commands, enum admin_action action, const char *why)
{
	list_each_safe(node, &commands->list) {
		struct waiting *waiting = list_entry(node, struct waiting, in_commands);
		json_t *json;

		if (waiting->command.action != action)
			continue;
		json = value_object();
		object_put(json, "error", value_text(why));
		waiting_reply(waiting, 503, json);
	}
}

static struct waiting *waiting_new(struct admin_commands *commands, struct evhttp_request *request,
				   const struct admin_command *command)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));
	struct timeval limit = clock_timeval(command_limits[command->action]);

	if (!waiting)
		return NULL;
	waiting->commands = commands;
	waiting->request = request;
	waiting->command = *command;
	waiting->began = clock_now();
	waiting->limit = evtimer_new(commands->base, on_limit, waiting);
	if (!waiting->limit || evtimer_add(waiting->limit, &limit) < 0) {
		if (waiting->limit)
			event_free(waiting->limit);
		free(waiting);
		return NULL;
	}
	list_push_back(&commands->list, &waiting->in_commands);
	commands->n++;
	return waiting;
}

void admin_commands_run(struct admin_commands *commands, struct evhttp_request *request,
			struct admin_command *command)
{
	struct waiting *waiting;
	char why[ADMIN_WHY_MAX] = "";
	int r;

	if (commands->n == ADMIN_COMMANDS_MAX) {
		http_reply_error(request, 503, "%d commands are under way already", ADMIN_COMMANDS_MAX);
		return;
	}
	command->id = ++commands->last_id ? commands->last_id : ++commands->last_id;
	waiting = waiting_new(commands, request, command);
	if (!waiting) {
		http_reply_error(request, 503, "out of memory");
		return;
	}
	evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_waiting_closed, waiting);
	r = commands->pass_on(commands->ctx, command, why);
	if (r < 0)
		admin_commands_answer(commands, command->id, r, "text", why, NULL);
}
