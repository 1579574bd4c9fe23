/*
 * role.c: the life that all roles share.
 *
 *   fd 3: SECRET CERTIFICATE.. LISTENER.. CONFIG MEMORY LINK.. BEGIN
 *         |                               |             |      `- channels open, start(), READY, ALIVE every
 * second
 *         `- on_message()                 `- read here  `- kept until BEGIN, so that no role speaks to one
 * that has not started
 */
#include "hapair/base/role.h"

#include "hapair/base/list.h"
#include "hapair/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define ALIVE_EVERY      MS(1000)
#define ORPHAN_ENDS  SECONDS(1) /* after the death of the supervisor */
#define CHANNEL_PRIORITY 1

/* What role.c keeps beside what the role sees. */
struct life {
	struct role_runtime rt; /* first: the role's pointer is ours */
	const struct role_reader *reader;
	struct event *alive;
	int links[ROLE_COUNT]; /* -1, or a channel that waits for BEGIN */
	bool begun;
	int status;
};

/* Snapshots and who uses them; a handful at most. Workers hold and drop from their own threads. */
struct snapshot {
	struct list in_snapshots;
	const struct config *config;
	size_t references;
};

static struct list snapshots = LIST_INIT(snapshots);
static pthread_mutex_t snapshots_lock = PTHREAD_MUTEX_INITIALIZER;
static const struct role_reader *snapshot_reader;

static struct snapshot *snapshot_find(const struct config *config)
{
	list_each(node, &snapshots)
	{
		struct snapshot *s = list_entry(node, struct snapshot, in_snapshots);

		if (s->config == config)
			return s;
	}
	return NULL;
}

void role_config_hold(const struct config *config)
{
	struct snapshot *s;

	pthread_mutex_lock(&snapshots_lock);
	s = snapshot_find(config);
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			log_fatal("out of memory");
		s->config = config;
		list_push_front(&snapshots, &s->in_snapshots);
	}
	s->references++;
	pthread_mutex_unlock(&snapshots_lock);
}

void role_config_drop(const struct config *config)
{
	struct snapshot *s;
	bool last;

	pthread_mutex_lock(&snapshots_lock);
	s = snapshot_find(config);
	if (!s)
		log_fatal("a configuration was dropped more often than held");
	last = --s->references == 0;
	if (last)
		list_remove(&s->in_snapshots);
	pthread_mutex_unlock(&snapshots_lock);
	if (last) {
		free(s);
		if (snapshot_reader)
			snapshot_reader->release(config);
	}
}

void role_exit(struct role_runtime *rt, int status)
{
	struct life *life = (struct life *)rt;

	life->status = status;
	event_base_loopexit(rt->base, NULL);
}

void role_event(struct role_runtime *rt, const char *type, const char *subject, const char *from,
		const char *to, uint64_t epoch, const char *reason_format, ...)
{
	struct msg_event event = {.wall_ms = clock_wall_ms(), .at = clock_now(), .epoch = epoch};
	char reason[sizeof(event.reason)];
	va_list args;

	va_start(args, reason_format);
	vsnprintf(reason, sizeof(reason), reason_format, args);
	va_end(args);
	MSG_TEXT(event.type, type);
	MSG_TEXT(event.subject, subject);
	MSG_TEXT(event.from, from);
	MSG_TEXT(event.to, to);
	MSG_TEXT(event.reason, reason);
	ipc_send(rt->peers[ROLE_ADMIN], MSG_EVENT, &event, -1);
	log_info("%s%s%s: %s%s%s%s%s", type, *subject ? " " : "", subject, from, *from ? " -> " : "", to,
		 *reason ? ": " : "", reason);
}

/* Channels */

static void on_peer_message(void *ctx, enum role from, enum msg_type type, const union msg_any *message,
			    int fd)
{
	struct role_runtime *rt = ctx;

	rt->ops->on_message(rt, from, type, message, fd);
}

static void peer_lost(struct role_runtime *rt, enum role peer)
{
	ipc_free(rt->peers[peer]);
	rt->peers[peer] = NULL;
	if (rt->ops->on_gone)
		rt->ops->on_gone(rt, peer);
}

static void on_peer_gone(void *ctx, enum role from)
{
	peer_lost(ctx, from);
}

static const struct ipc_handler peer_handler = {on_peer_message, on_peer_gone};

static void peer_connect(struct role_runtime *rt, enum role peer, int fd)
{
	/* The supervisor was quicker than the old channel's end: the role hears of the death before the new
	 * life. */
	if (rt->peers[peer])
		peer_lost(rt, peer);
	rt->peers[peer] = ipc_new(rt->base, fd, rt->self, peer, &peer_handler, rt, CHANNEL_PRIORITY);
	if (!rt->peers[peer])
		log_fatal("out of memory");
}

/* Configuration */

static size_t find_node(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_nodes; i++)
		if (strcmp(config->nodes[i].name, name) == 0)
			return i;
	log_fatal("the configuration has no node %s", name);
}

static void take_config(struct life *life, const struct msg_config *m, int fd)
{
	struct role_runtime *rt = &life->rt;
	const struct config *old = rt->config;
	const struct config *next = life->reader->read(fd);

	close(fd);
	if (!next)
		log_fatal("the supervisor's configuration can't be read");
	if (memcmp(next->digest, m->digest, CONFIG_DIGEST) != 0)
		log_fatal("the configuration does not mean what it means to the supervisor");
	role_config_hold(next);
	if (life->begun)
		rt->ops->on_config(rt, next);
	rt->node = find_node(next, rt->node_name);
	rt->config = next;
	rt->generation = m->generation;
	rt->worker_count = m->worker_count;
	if (old)
		role_config_drop(old);
}

static void on_alive(evutil_socket_t fd, short what, void *ctx)
{
	struct role_runtime *rt = ctx;

	ipc_send(rt->peers[ROLE_SUPERVISOR], MSG_ALIVE, &(struct msg_empty){0}, -1);
}

static void begin(struct life *life)
{
	struct role_runtime *rt = &life->rt;
	struct timeval every = clock_timeval(ALIVE_EVERY);
	int r;

	if (life->begun || !rt->config)
		log_fatal("BEGIN out of turn");
	for (enum role peer = 0; peer < ROLE_COUNT; peer++) {
		if (life->links[peer] >= 0)
			peer_connect(rt, peer, life->links[peer]);
		life->links[peer] = -1;
	}
	r = rt->ops->start(rt);
	if (r < 0) {
		log_error("can't start: %s", strerror(-r));
		role_exit(rt, EXIT_FAILURE);
		return;
	}
	life->begun = true;
	life->alive = event_new(rt->base, -1, EV_PERSIST, on_alive, rt);
	if (!life->alive || event_priority_set(life->alive, CHANNEL_PRIORITY) < 0 ||
	    event_add(life->alive, &every) < 0)
		log_fatal("out of memory");
	ipc_send(rt->peers[ROLE_SUPERVISOR], MSG_READY, &(struct msg_empty){0}, -1);
}

static void take_link(struct life *life, const struct msg_link *m, int fd)
{
	struct role_runtime *rt = &life->rt;

	if (m->role >= ROLE_COUNT || m->role == (uint32_t)rt->self || m->role == ROLE_SUPERVISOR)
		log_fatal("link to role %u", m->role);
	if (!life->begun) {
		if (life->links[m->role] >= 0)
			close(life->links[m->role]);
		life->links[m->role] = fd;
		return;
	}
	peer_connect(rt, m->role, fd);
	if (rt->ops->on_link)
		rt->ops->on_link(rt, m->role);
}

static void on_supervisor_message(void *ctx, enum role from, enum msg_type type, const union msg_any *message,
				  int fd)
{
	struct life *life = ctx;

	switch (type) {
	case MSG_CONFIG:
		take_config(life, &message->m_CONFIG, fd);
		return;
	case MSG_LINK:
		take_link(life, &message->m_LINK, fd);
		return;
	case MSG_BEGIN:
		begin(life);
		return;
	case MSG_STOP:
		if (life->begun)
			life->rt.ops->on_stop(&life->rt);
		else
			role_exit(&life->rt, EXIT_SUCCESS);
		return;
	default:
		life->rt.ops->on_message(&life->rt, from, type, message, fd);
	}
}

static void on_last_words_over(evutil_socket_t fd, short what, void *ctx)
{
	_exit(EXIT_FAILURE);
}

static void on_supervisor_gone(void *ctx, enum role from)
{
	struct life *life = ctx;
	struct timeval within = clock_timeval(ORPHAN_ENDS);

	/* Nobody is left to restart us or to be told. At once, and if not: whatever is held lapses by itself. */
	log_error("the supervisor is gone");
	if (!life->begun || !life->rt.ops->on_orphaned ||
	    event_base_once(life->rt.base, -1, EV_TIMEOUT, on_last_words_over, NULL, &within) < 0)
		_exit(EXIT_FAILURE);
	ipc_free(life->rt.peers[ROLE_SUPERVISOR]);
	life->rt.peers[ROLE_SUPERVISOR] = NULL;
	life->rt.ops->on_orphaned(&life->rt);
}

static const struct ipc_handler supervisor_handler = {on_supervisor_message, on_supervisor_gone};

/* The terminal's and systemd's signals go to every process of the group; only the supervisor acts on them. */
static void ignore_signals(void)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
}

/* The kernel shows 15 bytes of it. */
static void set_process_name(enum role role)
{
	char name[16];

	snprintf(name, sizeof(name), "hapair-%s", role == ROLE_HEARTBEAT ? "hb" : role_name(role));
	prctl(PR_SET_NAME, name, 0, 0, 0);
}

static struct event_base *base_new(void)
{
	struct event_config *wanted = event_config_new();
	struct event_base *base = NULL;

	if (wanted && event_config_set_flag(wanted, EVENT_BASE_FLAG_PRECISE_TIMER) == 0)
		base = event_base_new_with_config(wanted);
	if (wanted)
		event_config_free(wanted);
	if (base && event_base_priority_init(base, 3) < 0) {
		event_base_free(base);
		base = NULL;
	}
	return base;
}

static void life_done(struct life *life)
{
	struct role_runtime *rt = &life->rt;

	if (life->alive)
		event_free(life->alive);
	/* Not the supervisor's: an open channel ends with its process, and one that ends before gets the process killed. */
	for (enum role peer = ROLE_HEARTBEAT; peer < ROLE_COUNT; peer++) {
		ipc_free(rt->peers[peer]);
		if (life->links[peer] >= 0)
			close(life->links[peer]);
	}
	if (rt->config)
		role_config_drop(rt->config);
	/* The role's own events may still point into the base: the process ends now, and it with them. */
}

int role_run(const struct role_ops *ops, const struct role_reader *reader, const char *node_name,
	     const char *run_dir, const char *state_dir, void *ctx)
{
	struct life life = {
		.rt = {.self = ops->self,
		       .node_name = node_name,
		       .run_dir = run_dir,
		       .state_dir = state_dir,
		       .ops = ops,
		       .ctx = ctx},
		.reader = reader,
		.links = {-1, -1, -1, -1, -1},
		.status = EXIT_FAILURE,
	};

	log_init(role_name(ops->self));
	set_process_name(ops->self);
	ignore_signals();
	/* Until sandbox_enter() says it again after the change of user. */
	prctl(PR_SET_PDEATHSIG, ops->on_orphaned ? 0 : SIGKILL, 0, 0, 0);
	if (fcntl(ROLE_SUPERVISOR_FD, F_SETFD, FD_CLOEXEC) < 0)
		log_fatal("there is no supervisor on descriptor %d", ROLE_SUPERVISOR_FD);
	snapshot_reader = reader;
	life.rt.base = base_new();
	if (!life.rt.base)
		log_fatal("out of memory");
	life.rt.peers[ROLE_SUPERVISOR] = ipc_new(life.rt.base, ROLE_SUPERVISOR_FD, ops->self, ROLE_SUPERVISOR,
						 &supervisor_handler, &life, CHANNEL_PRIORITY);
	if (!life.rt.peers[ROLE_SUPERVISOR])
		log_fatal("out of memory");
	event_base_dispatch(life.rt.base);
	life_done(&life);
	return life.status;
}
