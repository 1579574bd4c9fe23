/*
 * admin.c: the role's shell: messages in, snapshot and timeline kept, commands passed on, HTTP by http.c.
 */
#include "hapair/admin/admin.h"
#include "hapair/admin/http.h"
#include "hapair/base/log.h"
#include "hapair/base/sandbox.h"
#include "hapair/admin/events.h"
#include "hapair/admin/replication.h"
#include "hapair/admin/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPORT_MAX (256 * 1024) /* bytes of a reload's report that are passed on */
#define BINDS_MAX  32

/* A role is one for each process. Sockets come before start(), so this is there from the beginning. */
static struct admin {
	struct role_runtime *rt;
	struct snapshot snapshot;
	struct events *events;
	struct replication *replication;
	struct event_streams *streams;
	struct admin_commands *commands;
	struct admin_http *http;
	struct admin_http_source source;
	struct msg_sync_keys keys; /* from the supervisor; come before start() */
	struct {
		int fd; /* + 1; 0: none */
		uint64_t generation;
	} binds[BINDS_MAX]; /* from the supervisor, for the configuration that comes */
} admin;

static struct snapshot_view view(void)
{
	return (struct snapshot_view){
		.snapshot = &admin.snapshot,
		.config = replication_config(admin.replication, admin.rt->config),
		.node = admin.rt->node,
		.generation = admin.rt->generation,
		.now = clock_now(),
		.wall_ms = clock_wall_ms(),
		.sync = replication_status(admin.replication),
	};
}

/* Sockets of admin.bind */

static void take_bind(const struct msg_listener *m, int fd)
{
	if (m->bind >= BINDS_MAX || m->worker != 0) {
		close(fd);
		return;
	}
	if (admin.binds[m->bind].fd)
		close(admin.binds[m->bind].fd - 1);
	admin.binds[m->bind].fd = fd + 1;
	admin.binds[m->bind].generation = m->generation;
}

/* A kept address goes on with the socket that it has unless the supervisor sent another one. */
static void open_binds(const struct config *config)
{
	admin_http_keep(admin.http, config->admin.binds, config->admin.n_binds);
	for (size_t i = 0; i < BINDS_MAX; i++) {
		int fd = admin.binds[i].fd - 1;
		int r;

		if (fd < 0)
			continue;
		admin.binds[i].fd = 0;
		if (i >= config->admin.n_binds) {
			close(fd);
			continue;
		}
		r = admin_http_listen(admin.http, &config->admin.binds[i], fd);
		if (r < 0)
			log_error("can't serve an address of admin.bind: %s", strerror(-r));
	}
}

/* Commands */

static int set_server(const struct admin_command *command, char why[ADMIN_WHY_MAX])
{
	struct msg_server_set set;
	int r = replication_prepare(admin.replication, command, &set, why);

	return r < 0 ? r : ipc_send(admin.rt->peers[ROLE_PROXY], MSG_SERVER_SET, &set, -1);
}

static int pass_on(void *ctx, const struct admin_command *command, char why[ADMIN_WHY_MAX])
{
	struct msg_request request = {.id = command->id};
	const char *role = "";
	int r = 0;

	switch (command->action) {
	case ADMIN_SWITCHOVER:
		role = "heartbeat";
		r = ipc_send(admin.rt->peers[ROLE_HEARTBEAT], MSG_SWITCHOVER, &request, -1);
		break;
	case ADMIN_RELOAD:
		role = "supervisor";
		r = ipc_send(admin.rt->peers[ROLE_SUPERVISOR], MSG_RELOAD, &request, -1);
		break;
	case ADMIN_SERVER:
		role = "proxy";
		r = set_server(command, why);
		break;
	}
	if (r == -ENOTCONN || r == -EPIPE)
		snprintf(why, ADMIN_WHY_MAX, "the %s process is not running", role);
	return r;
}

/* The proxy's or heartbeat's answer. */
static void take_reply(const struct msg_reply *reply)
{
	const struct admin_command *command = admin_commands_waiting(admin.commands, reply->id);
	char text[sizeof(reply->text) + 128];
	int r;

	if (!command)
		return;
	snprintf(text, sizeof(text), "%s", reply->text);
	if (command->action == ADMIN_SERVER && reply->error == 0) {
		r = replication_commit(admin.replication, command);
		if (r < 0) {
			log_warning("servers at run time: can't keep what was said of %s/%s: %s",
				    command->pool, command->server, strerror(-r));
			snprintf(text, sizeof(text), "%s%sdone now, but it may not outlive a restart (%s)",
				 reply->text, *reply->text ? "; " : "", strerror(-r));
		}
	}
	admin_commands_answer(admin.commands, reply->id, reply->error, "text", text, NULL);
}

/* The supervisor's answer: the difference, or the mistakes, in a file. Takes `fd`. */
static void take_reloaded(const struct msg_reply *reply, int fd)
{
	char *text = malloc(REPORT_MAX + 1);
	size_t n = 0;
	ssize_t got;

	if (!text)
		log_fatal("out of memory");
	while (n < REPORT_MAX && (got = pread(fd, text + n, REPORT_MAX - n, (off_t)n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	close(fd);
	admin_commands_answer(admin.commands, reply->id, reply->error, "difference",
			      reply->error == 0 ? text : reply->text, reply->error == 0 ? NULL : text);
	free(text);
}

/* The role */

static void take_event(const struct msg_event *event)
{
	events_add(admin.events, event);
	event_streams_pump(admin.streams);
}

static int start(struct role_runtime *rt)
{
	int r;

	admin.rt = rt;
	snapshot_init(&admin.snapshot);
	for (enum role role = 0; role < ROLE_COUNT; role++)
		if (rt->peers[role])
			snapshot_link(&admin.snapshot, role, true, clock_now());
	admin.events = events_new(rt->state_dir, rt->node_name, EVENTS_FILE_SIZE);
	admin.replication = replication_new(rt, &admin.snapshot, take_event);
	admin.streams = admin.events ? event_streams_new(admin.events) : NULL;
	admin.commands = admin_commands_new(rt->base, pass_on, NULL);
	admin.source = (struct admin_http_source){
		.view = view, .events = admin.events, .streams = admin.streams, .commands = admin.commands};
	admin.http = admin_http_new(rt->base, &admin.source);
	if (!admin.streams || !admin.replication || !admin.commands || !admin.http)
		return -ENOMEM;
	r = admin_http_control(admin.http, rt->run_dir);
	if (r == 0)
		r = replication_open(admin.replication, admin.keys.n ? &admin.keys : NULL);
	explicit_bzero(&admin.keys, sizeof(admin.keys));
	if (r < 0)
		return r;
	open_binds(rt->config);
	r = sandbox_enter(SANDBOX_ADMIN, geteuid() == 0 ? rt->config->proxy.user : "");
	if (r < 0)
		return r;
	replication_begin(admin.replication);
	return 0;
}

static void on_message(struct role_runtime *rt, enum role from, enum msg_type type, const union msg_any *m,
		       int fd)
{
	if (type == MSG_LISTENER) {
		take_bind(&m->m_LISTENER, fd);
		return;
	}
	if (type == MSG_SYNC_KEYS) {
		if (admin.replication)
			replication_set_keys(admin.replication, &m->m_SYNC_KEYS);
		else
			admin.keys = m->m_SYNC_KEYS;
		return;
	}
	if (!admin.http) {
		if (fd >= 0)
			close(fd);
		return; /* it ends */
	}
	if (snapshot_take(&admin.snapshot, type, m, clock_now())) {
		if (type == MSG_PROXY_STATS)
			replication_proxy_reported(admin.replication);
		return;
	}
	switch (type) {
	case MSG_EVENT:
		take_event(&m->m_EVENT);
		return;
	case MSG_FLOWS_WANTED:
		replication_flows_wanted(admin.replication);
		return;
	case MSG_TICKET_KEYS_HELD:
		replication_take_tickets(admin.replication, &m->m_TICKET_KEYS_HELD);
		return;
	case MSG_REPLY:
		take_reply(&m->m_REPLY);
		return;
	case MSG_RELOADED:
		take_reloaded(&m->m_RELOADED, fd);
		return;
	default:
		log_fatal("message %d from %s", type, role_name(from));
	}
}

static void on_link(struct role_runtime *rt, enum role peer)
{
	snapshot_link(&admin.snapshot, peer, true, clock_now());
	if (peer == ROLE_PROXY && admin.http)
		replication_proxy_linked(admin.replication);
}

static void on_gone(struct role_runtime *rt, enum role peer)
{
	snapshot_link(&admin.snapshot, peer, false, clock_now());
	if (peer == ROLE_HEARTBEAT)
		admin_commands_abandon(admin.commands, ADMIN_SWITCHOVER,
				       "the heartbeat process ended meanwhile");
	if (peer == ROLE_PROXY)
		admin_commands_abandon(admin.commands, ADMIN_SERVER, "the proxy process ended meanwhile");
}

static void on_config(struct role_runtime *rt, const struct config *next)
{
	open_binds(next);
	replication_config_changed(admin.replication);
}

static void on_stop(struct role_runtime *rt)
{
	admin_http_free(admin.http);
	admin.http = NULL;
	replication_free(admin.replication);
	admin.replication = NULL;
	role_exit(rt, EXIT_SUCCESS);
}

const struct role_ops admin_role = {
	.self = ROLE_ADMIN,
	.start = start,
	.on_message = on_message,
	.on_link = on_link,
	.on_gone = on_gone,
	.on_config = on_config,
	.on_stop = on_stop,
};
