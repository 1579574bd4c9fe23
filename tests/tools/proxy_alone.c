/* rooms: hapair/base/addr.c hapair/base/clock.c hapair/base/ipc.c hapair/base/log.c hapair/base/msg.c hapair/base/overlay.c hapair/base/role.c */
/* rooms: hapair/base/sandbox.c hapair/base/secret.c hapair/config/arena.c hapair/config/config.c hapair/config/build.c hapair/config/facts.c */
/* rooms: hapair/config/lex.c hapair/config/machine.c hapair/config/options.c hapair/config/report.c hapair/config/rules.c */
/* rooms: hapair/config/set.c hapair/config/sources.c hapair/config/tree.c hapair/config/value.c hapair/supervisor/generation.c */
/* rooms: hapair/supervisor/listeners.c hapair/supervisor/sealed.c heartbeat/lease.c proxy/access_log.c proxy/balance.c proxy/checker.c */
/* rooms: proxy/engine_libevent.c proxy/framing.c proxy/health.c proxy/http.c proxy/pipes.c proxy/plan.c proxy/proxy.c */
/* rooms: proxy/relay.c proxy/rewrite.c proxy/route.c proxy/servers.c proxy/session.c proxy/session_end.c proxy/session_tunnel.c */
/* rooms: proxy/slab.c proxy/tickets.c */
/* rooms: proxy/stream_plain.c proxy/stream_tls.c proxy/tls.c proxy/upstream.c proxy/watch.c proxy/wheel.c proxy/worker.c */
/*
 * proxy_alone: the role "proxy" as it is, with a stand-in for the other roles, for tests and measurements that need no pair.
 *
 *	proxy_alone FILE NODE [passive]
 *
 * Serves until SIGTERM; SIGHUP reloads; takes commands on standard input, one a line:
 *	drain|ready|maint POOL/SERVER     answered on standard output by `reply ERROR TEXT`
 *	active | passive                  as heartbeat would say
 *	show                              the last snapshot: `server POOL/NAME STATE active total failed detail`,
 *	                                  `listener NAME active total requests 2xx 4xx 5xx retries`
 * and writes what it hears: `event TYPE SUBJECT FROM TO REASON`, `hook EVENT POOL/SERVER`, `fitness CLASS REASON`, `ready PID`.
 */
#include "hapair/base/log.h"
#include "hapair/base/role.h"
#include "hapair/supervisor/generation.h"
#include "proxy/proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHOWN_MAX 256

static struct event_base *base;
static struct ipc *supervisor, *heartbeat, *admin, *runner;
static struct generation *generation;
static const char *path, *node;
static pid_t child;
static uint64_t epoch = 1;
static int status = EXIT_FAILURE;
static uint32_t request_id;
static struct msg_server servers[SHOWN_MAX];
static struct msg_listener_stats listeners[SHOWN_MAX];
static size_t n_servers, n_listeners;

static void say_state(bool held)
{
	struct msg_state m = {.state = held ? NODE_ACTIVE : NODE_PASSIVE,
			      .held = held,
			      .epoch = epoch++,
			      .since = clock_now()};
	ipc_send(heartbeat, MSG_STATE, &m, -1);
}

static void show(void)
{
	for (size_t i = 0; i < n_servers; i++) {
		const struct msg_server *s = &servers[i];
		printf("server %s/%s %s %u %llu %llu %s\n", s->pool, s->name, server_state_name(s->state),
		       s->active, (unsigned long long)s->total, (unsigned long long)s->failed,
		       s->last_check.detail);
	}
	for (size_t i = 0; i < n_listeners; i++) {
		const struct msg_listener_stats *l = &listeners[i];
		printf("listener %s %u %llu %llu %llu %llu %llu %llu\n", l->name, l->active,
		       (unsigned long long)l->total, (unsigned long long)l->requests,
		       (unsigned long long)l->responses[2], (unsigned long long)l->responses[4],
		       (unsigned long long)l->responses[5], (unsigned long long)l->retries);
	}
	puts("shown");
}

static void keep_server(const struct msg_server *m)
{
	if (n_servers > 0 && servers[0].serial != m->serial)
		n_servers = 0;
	if (n_servers < SHOWN_MAX)
		servers[n_servers++] = *m;
}

static void keep_listener(const struct msg_listener_stats *m)
{
	if (n_listeners > 0 && listeners[0].serial != m->serial)
		n_listeners = 0;
	if (n_listeners < SHOWN_MAX)
		listeners[n_listeners++] = *m;
}

static void on_message(void *ctx, enum role from, enum msg_type type, const union msg_any *m, int fd)
{
	switch (type) {
	case MSG_READY:
		printf("ready %d\n", (int)child);
		break;
	case MSG_EVENT:
		printf("event %s %s %s %s %s\n", m->m_EVENT.type, m->m_EVENT.subject, m->m_EVENT.from,
		       m->m_EVENT.to, m->m_EVENT.reason);
		break;
	case MSG_HOOK:
		printf("hook %s %s/%s\n", m->m_HOOK.event, m->m_HOOK.pool, m->m_HOOK.server);
		break;
	case MSG_FITNESS:
		printf("fitness %u %s\n", m->m_FITNESS.class, m->m_FITNESS.reason);
		break;
	case MSG_REPLY:
		printf("reply %d %s\n", m->m_REPLY.error, m->m_REPLY.text);
		break;
	case MSG_SERVER:
		keep_server(&m->m_SERVER);
		break;
	case MSG_LISTENER_STATS:
		keep_listener(&m->m_LISTENER_STATS);
		break;
	default:
		break;
	}
	if (fd >= 0)
		close(fd);
}

static void on_gone(void *ctx, enum role from)
{
	int wait_status;
	if (waitpid(child, &wait_status, 0) == child)
		status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : EXIT_FAILURE;
	event_base_loopbreak(base);
}

static void on_channel_gone(void *ctx, enum role from)
{
	/* The supervisor's channel says it too. */
}

static void set_server(enum server_action action, const char *what)
{
	struct msg_server_set m = {.id = ++request_id, .wanted.action = (uint8_t)action};
	const char *slash = strchr(what, '/');
	if (slash == NULL)
		return;
	snprintf(m.wanted.pool, sizeof(m.wanted.pool), "%.*s", (int)(slash - what), what);
	snprintf(m.wanted.server, sizeof(m.wanted.server), "%s", slash + 1);
	ipc_send(admin, MSG_SERVER_SET, &m, -1);
}

static void on_command(char *line)
{
	char *what = strchr(line, ' ');
	if (what != NULL)
		*what++ = '\0';
	if (strcmp(line, "show") == 0)
		show();
	else if (strcmp(line, "active") == 0 || strcmp(line, "passive") == 0)
		say_state(*line == 'a');
	else if (what != NULL && strcmp(line, "drain") == 0)
		set_server(SERVER_ACTION_DRAIN, what);
	else if (what != NULL && strcmp(line, "ready") == 0)
		set_server(SERVER_ACTION_READY, what);
	else if (what != NULL && strcmp(line, "maint") == 0)
		set_server(SERVER_ACTION_MAINT, what);
}

static void on_input(evutil_socket_t fd, short what, void *ctx)
{
	struct event **self = ctx;
	char text[1024];
	ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n <= 0) {
		event_del(*self);
		return;
	}
	text[n] = '\0';
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		on_command(line);
}

static struct generation *read_generation(void)
{
	struct config_report *report = config_report_new();
	struct generation *g = generation_read(path, node, generation, report);
	config_report_print(report, stderr);
	config_report_free(report);
	return g;
}

static void on_reload(evutil_socket_t fd, short what, void *ctx)
{
	struct generation *next = read_generation();
	if (next == NULL)
		return;
	generation_send(next, ROLE_PROXY, supervisor);
	generation_free(generation);
	generation = next;
	puts("reloaded");
}

static void on_term(evutil_socket_t fd, short what, void *ctx)
{
	ipc_send(supervisor, MSG_STOP, &(struct msg_empty){0}, -1);
}

static struct config *read_bundle(int fd)
{
	struct config_report *report = config_report_new();
	struct config_sources *sources = config_sources_from_fd(fd);
	struct config *config = sources != NULL ? config_read(sources, report) : NULL;
	if (sources != NULL)
		config_sources_free(sources);
	config_report_free(report);
	return config;
}

static pid_t start_role(int fd)
{
	static const struct role_reader reader = {read_bundle, config_free};
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (fd != ROLE_SUPERVISOR_FD)
		dup2(fd, ROLE_SUPERVISOR_FD);
	close_range(ROLE_SUPERVISOR_FD + 1, ~0u, 0);
	_exit(role_run(&proxy_role, &reader, node, "/tmp", "/tmp", NULL));
}

static struct ipc *channel(enum role as, const struct ipc_handler *handler)
{
	int fds[2];
	if (ipc_pair(fds) < 0)
		log_fatal("no channel");
	struct msg_link link = {.role = as};
	ipc_send(supervisor, MSG_LINK, &link, fds[1]);
	close(fds[1]);
	return ipc_new(base, fds[0], as, ROLE_PROXY, handler, NULL, 1);
}

static void on_signal(int number, event_callback_fn callback)
{
	struct event *event = evsignal_new(base, number, callback, NULL);
	if (event == NULL || event_add(event, NULL) < 0)
		log_fatal("out of memory");
}

int main(int argc, char **argv)
{
	static const struct ipc_handler handler = {on_message, on_gone},
					quiet = {on_message, on_channel_gone};
	struct event *input;
	int fds[2];
	if (argc < 3) {
		fprintf(stderr, "usage: proxy_alone FILE NODE [passive]\n");
		return 2;
	}
	log_init("proxy_alone");
	setvbuf(stdout, NULL, _IOLBF, 0);
	path = argv[1];
	node = argv[2];
	generation = read_generation();
	if (generation == NULL || ipc_pair(fds) < 0)
		return EXIT_FAILURE;
	child = start_role(fds[1]);
	close(fds[1]);
	base = event_base_new();
	event_base_priority_init(base, 3);
	supervisor = ipc_new(base, fds[0], ROLE_SUPERVISOR, ROLE_PROXY, &handler, NULL, 1);
	generation_send(generation, ROLE_PROXY, supervisor);
	heartbeat = channel(ROLE_HEARTBEAT, &quiet);
	admin = channel(ROLE_ADMIN, &quiet);
	runner = channel(ROLE_RUNNER, &quiet);
	ipc_send(supervisor, MSG_BEGIN, &(struct msg_empty){0}, -1);
	say_state(argc < 4 || strcmp(argv[3], "passive") != 0);
	on_signal(SIGHUP, on_reload);
	on_signal(SIGTERM, on_term);
	on_signal(SIGINT, on_term);
	input = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, &input);
	event_add(input, NULL);
	event_base_dispatch(base);
	_exit(status); /* what is left is the kernel's to free */
}
