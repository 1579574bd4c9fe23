/*
 * supervisor.c: the life of a node's processes.
 *
 *   STARTING --all READY--> RUNNING --SIGTERM--> STOP_HEARTBEAT --> STOP_WORK --> STOP_ADMIN --> end
 *      `-- a role dies: everything ends, exit 1       goodbye,       proxy and      hears of
 *                                                     VIP gone       hooks finish   the rest
 *
 * An active that stops hands over first and serves its connections to their end (STOP_HEARTBEAT lasts so long, at most
 * drain_timeout); a second signal ends that, a third one everything.
 *
 * While RUNNING a role that dies is started again: the first time at once, then with growing delays (patience.h), for ever: the
 * other roles go on, and with them what the node can still do. Each role has a channel to every other; a fresh one gets fresh
 * channels, and so do its neighbours. For heartbeat and the proxy a spare process is kept, loaded and waiting (spawn.h), so that
 * the next life begins within a few milliseconds. A role that is stopped (SIGSTOP) is killed and follows that way; one that says nothing
 * for long (patience.h) too.
 */
#include "hapair/supervisor/supervisor.h"

#include "hapair/base/ipc.h"
#include "hapair/base/log.h"
#include "hapair/base/timer.h"
#include "hapair/supervisor/directories.h"
#include "hapair/supervisor/generation.h"
#include "hapair/supervisor/process.h"
#include "hapair/supervisor/sealed.h"
#include "heartbeat/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#define MEMORY_BYTES (64 << 10) /* what heartbeat keeps over its own death; it uses what it needs */
_Static_assert(sizeof(struct memory) <= MEMORY_BYTES, "the memory of heartbeat does not fit");
#define DESCRIPTORS_MAX 524288
#define HEARTBEAT_STOPS SECONDS(5) /* bounds of the stages of a stop */
#define PROXY_CLOSES                                                                                         \
	MS(100) /* its half of the listening sockets; then ours: nobody is to wait in a queue that nobody reads */
#define WORK_STOPS  SECONDS(10)
#define ONE_STOP    MS(500) /* signals within it are one: timeout(1) signals us and then our group */
#define ADMIN_STOPS SECONDS(3)

enum phase {
	PHASE_STARTING,
	PHASE_RUNNING,
	PHASE_STOP_HEARTBEAT,
	PHASE_STOP_WORK,
	PHASE_STOP_ADMIN,
	PHASE_ENDED
};

struct supervisor {
	const struct invocation *invocation;
	struct event_base *base;
	struct process_home home;
	struct event *signals[4], *turn, *stage;
	enum phase phase;
	int status;
	bool hurried, deaf; /* while it stops */
	nanos stop_began;
	nanos drain_until; /* heartbeat's node serves connections of a VIP that it gave away; 0: it does not */
	bool drain_cut;    /* a second signal has ended that */
	struct generation *generation;
	char *node, *state_dir;
	int memory;
	struct directory run, state;
	struct process processes[ROLE_COUNT]; /* [ROLE_SUPERVISOR] is not used */
	nanos last_turn;
	bool feeds_watchdog;
};

#define each_process(p, s)                                                                                   \
	for (struct process *p = (s)->processes + ROLE_HEARTBEAT; p < (s)->processes + ROLE_COUNT; p++)

static void stop_advance(struct supervisor *s);
static void reload(struct supervisor *s, uint32_t request);

/* What happened, for the log and the timeline. */

static void tell(struct supervisor *s, const char *type, const char *subject, const char *from,
		 const char *to, const char *format, ...) __attribute__((format(printf, 6, 7)));

static void tell(struct supervisor *s, const char *type, const char *subject, const char *from,
		 const char *to, const char *format, ...)
{
	struct msg_event event = {.wall_ms = clock_wall_ms(), .at = clock_now()};
	va_list args;

	MSG_TEXT(event.type, type);
	MSG_TEXT(event.subject, subject);
	MSG_TEXT(event.from, from);
	MSG_TEXT(event.to, to);
	va_start(args, format);
	vsnprintf(event.reason, sizeof(event.reason), format, args);
	va_end(args);
	ipc_send(s->processes[ROLE_ADMIN].channel, MSG_EVENT, &event, -1);
	log_line(strcmp(to, "dead") == 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "%s%s%s: %s%s%s: %s", type,
		 *subject ? " " : "", subject, from, *from ? " -> " : "", to, event.reason);
}

static void tell_process(struct supervisor *s, const struct process *p)
{
	struct msg_process m = {p->role, p->pid, p->restarts, p->last_exit};

	ipc_send(s->processes[ROLE_ADMIN].channel, MSG_PROCESS, &m, -1);
}

static void tell_status(struct supervisor *s)
{
	unsigned running = 0;

	each_process(p, s)
		running += p->ready;
	sd_notifyf(0, "STATUS=%s: %u of %u processes run", s->node, running, ROLE_COUNT - ROLE_HEARTBEAT);
}

/* Start */

static void link_pair(struct process *a, struct process *b)
{
	int fds[2];
	int r = ipc_pair(fds);

	if (r < 0) {
		log_error("can't connect %s and %s: %s", role_name(a->role), role_name(b->role),
			  strerror(-r));
		return; /* both go on; the link is made again with the next life of either */
	}
	ipc_send(a->channel, MSG_LINK, &(struct msg_link){b->role}, fds[0]);
	ipc_send(b->channel, MSG_LINK, &(struct msg_link){a->role}, fds[1]);
	close(fds[0]);
	close(fds[1]);
}

static const struct ipc_handler channel_handler;

static void provide(struct process *p)
{
	struct supervisor *s = p->of;

	generation_send(s->generation, p->role, p->channel);
	if (p->role == ROLE_HEARTBEAT)
		ipc_send(p->channel, MSG_MEMORY, &(struct msg_empty){0}, s->memory);
	/* A channel that broke meanwhile reports itself. */
}

static void start_again(struct process *p)
{
	struct supervisor *s = p->of;
	int r;

	if (p->role == ROLE_PROXY && listeners_resume(s->generation->listeners) < 0)
		log_error("can't listen again: %s", strerror(errno));
	p->restarts++;
	r = process_start(p, &channel_handler, p);
	if (r < 0) {
		log_error("can't start %s: %s", role_name(p->role), strerror(-r));
		if (p->pid == 0) {
			patience_started(&p->patience, clock_now());
			timer_after(p->again,
				    patience_died(&p->patience, clock_now()) ?: PATIENCE_FIRST_DELAY);
		}
		return;
	}
	provide(p);
	each_process(other, s)
		if (other != p && other->channel)
			link_pair(p, other);
	ipc_send(p->channel, MSG_BEGIN, &(struct msg_empty){0}, -1);
	if (p->role != ROLE_ADMIN)
		tell_process(s, p);
	else
		each_process(each, s)
			tell_process(s, each);
}

static void on_again(evutil_socket_t fd, short what, void *ctx)
{
	start_again(ctx);
}

static int start_all(struct supervisor *s)
{
	each_process(p, s) {
		int r = process_start(p, &channel_handler, p);

		if (r < 0) {
			log_error("can't start %s: %s", role_name(p->role), strerror(-r));
			return r;
		}
		provide(p);
	}
	each_process(a, s)
		for (struct process *b = a + 1; b < s->processes + ROLE_COUNT; b++)
			link_pair(a, b);
	each_process(p, s)
		ipc_send(p->channel, MSG_BEGIN, &(struct msg_empty){0}, -1);
	each_process(p, s)
		tell_process(s, p);
	return 0;
}

/* Death */

static void end_with(struct supervisor *s, int status)
{
	s->status = status;
	s->phase = PHASE_ENDED;
	event_base_loopexit(s->base, NULL);
}

static void kill_all(struct supervisor *s)
{
	each_process(p, s)
		process_kill(p);
}

static void plan_restart(struct process *p, const char *how)
{
	struct supervisor *s = p->of;
	nanos delay = patience_died(&p->patience, p->died);

	if (delay == 0) {
		tell(s, "process", role_name(p->role), "running", p->last_exit == 0 ? "ended" : "dead",
		     "%s; started again at once", how);
		start_again(p);
		return;
	}
	tell(s, "process", role_name(p->role), "running", "dead",
	     "%s; short life number %u in a row, started again in %lld ms", how, p->patience.failures,
	     (long long)(delay / NS_PER_MS));
	if (p->role == ROLE_PROXY && delay >= SECONDS(1))
		listeners_pause(s->generation->listeners);
	timer_after(p->again, delay);
}

static void reaped(struct process *p, int wait_status)
{
	struct supervisor *s = p->of;
	char how[96];

	process_describe_exit(wait_status, how, sizeof(how));
	if (s->phase == PHASE_STARTING) {
		log_error("%s did not start: %s", role_name(p->role), how);
		end_with(s, EXIT_FAILED);
		return;
	}
	tell_process(s, p);
	tell_status(s);
	if (s->phase == PHASE_RUNNING) {
		plan_restart(p, how);
		return;
	}
	if (wait_status != 0)
		log_warning("%s ended: %s", role_name(p->role), how);
	stop_advance(s);
}

/*
 * A stopped process is as good as dead to those who wait for it, and the kernel tells its parent at once. A signal to the whole node
 * (a SIGSTOP, and the SIGCONT after it) reaches its processes one after the other: that much is waited for.
 */
#define FROZEN MS(50)

static void reap(struct supervisor *s)
{
	int wait_status;
	pid_t pid;

	/* As the first process of a container we also inherit what a hook left behind. */
	while ((pid = waitpid(-1, &wait_status, WNOHANG | WUNTRACED | WCONTINUED)) > 0)
		each_process(p, s)
			if (WIFSTOPPED(wait_status) || WIFCONTINUED(wait_status)) {
				if (process_note(p, pid, wait_status) && WIFSTOPPED(wait_status))
					timer_after(p->thaw, FROZEN);
			} else if (process_reaped(p, pid, wait_status)) {
				reaped(p, wait_status);
				break;
			}
}

/*
 * The channel of a process ends with it, or with its main thread: a helper of heartbeat (hapair/base/thread.h) may be held by
 * the kernel for as long as a disk or another's netlink request takes. Its successor does not wait for that.
 */
#define LATE MS(5) /* until then SIGCHLD tells how it died */

static void on_late(evutil_socket_t fd, short what, void *ctx)
{
	struct process *p = ctx;

	reap(p->of);
	if (p->pid > 0 && !p->channel && p->of->phase == PHASE_RUNNING && process_reaped(p, p->pid, SIGKILL))
		reaped(p, SIGKILL);
}

static void on_still_frozen(evutil_socket_t fd, short what, void *ctx)
{
	struct process *p = ctx;

	reap(p->of); /* it may have been continued */
	if (process_kill_frozen(p))
		log_error("%s was stopped by a signal and not continued: killed", role_name(p->role));
}

/* Ends the channel before the process, it does not obey any more, and is ended. */
static void on_channel_gone(void *ctx, enum role from)
{
	struct process *p = ctx;

	ipc_free(p->channel);
	p->channel = NULL;
	if (p->pid > 0)
		kill(p->pid, SIGKILL);
	reap(p->of);
	if (p->pid > 0 && !p->channel)
		timer_after(p->late, LATE);
}

/* Messages of roles */

static void on_ready(struct process *p)
{
	struct supervisor *s = p->of;

	p->ready = true;
	tell_status(s);
	if (s->phase == PHASE_RUNNING) {
		tell(s, "process", role_name(p->role), "starting", "running",
		     "%lld ms after the death of its predecessor",
		     (long long)((clock_now() - p->died + NS_PER_MS / 2) / NS_PER_MS));
		return;
	}
	each_process(other, s)
		if (!other->ready)
			return;
	if (s->phase == PHASE_STARTING) {
		s->phase = PHASE_RUNNING;
		sd_notify(0, "READY=1");
		log_info("node %s runs", s->node);
	}
}

/* A stop waits for a drain, and so does systemd (TimeoutStopSec counts from what it is told here). */
static void extend_stop(struct supervisor *s)
{
	nanos wait = s->drain_until - clock_now() + HEARTBEAT_STOPS;

	if (s->phase != PHASE_STOP_HEARTBEAT || !s->drain_until || s->drain_cut)
		return;
	timer_after(s->stage, wait > HEARTBEAT_STOPS ? wait : HEARTBEAT_STOPS);
	sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%lld",
		   (long long)((wait + WORK_STOPS + ADMIN_STOPS + PROXY_CLOSES) / NS_PER_US));
}

static void on_drain(struct supervisor *s, const struct msg_drain *drain)
{
	s->drain_until = drain->until;
	if (drain->until)
		sd_notifyf(0, "STATUS=%s: %u connections are left to drain", s->node, drain->left);
	else
		tell_status(s);
	extend_stop(s);
}

static void on_channel_message(void *ctx, enum role from, enum msg_type type, const union msg_any *message,
			       int fd)
{
	struct process *p = ctx;

	patience_heard(&p->patience);
	switch (type) {
	case MSG_READY:
		on_ready(p);
		return;
	case MSG_RELOAD:
		reload(p->of, message->m_RELOAD.id);
		return;
	case MSG_DRAIN:
		on_drain(p->of, &message->m_DRAIN);
		return;
	case MSG_ALIVE:
	case MSG_STOPPED: /* its end follows, and is what the stop waits for */
	default:
		return;
	}
}

static const struct ipc_handler channel_handler = {on_channel_message, on_channel_gone};

/* Watching */

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct supervisor *s = ctx;
	nanos now = clock_now();
	bool late = patience_turn_is_late(s->last_turn, now);

	if (late)
		log_warning("nothing ran here for %lld ms", (long long)((now - s->last_turn) / NS_PER_MS));
	s->last_turn = now;
	each_process(p, s) {
		if (s->phase == PHASE_RUNNING)
			process_keep_spare(p);
		if (p->pid == 0)
			continue;
		switch (patience_turn(&p->patience, late)) {
		case PATIENCE_WAIT:
			break;
		case PATIENCE_ABORT:
			log_error("%s has said nothing for %d s: aborted", role_name(p->role),
				  PATIENCE_SILENT_TURNS);
			kill(p->pid, SIGABRT);
			break;
		case PATIENCE_KILL:
			kill(p->pid, SIGKILL);
			break;
		}
	}
	if (s->feeds_watchdog)
		sd_notify(0, "WATCHDOG=1");
}

/* Stop */

static void order_stop(struct process *p)
{
	if (p->channel)
		ipc_send(p->channel, MSG_STOP, &(struct msg_empty){0}, -1);
}

static bool stage_done(const struct supervisor *s, enum phase phase)
{
	const struct process *p = s->processes;

	if (s->hurried || phase == PHASE_STOP_ADMIN)
		return !p[ROLE_HEARTBEAT].pid && !p[ROLE_PROXY].pid && !p[ROLE_RUNNER].pid &&
		       !p[ROLE_ADMIN].pid;
	if (phase == PHASE_STOP_HEARTBEAT)
		return !p[ROLE_HEARTBEAT].pid;
	return !p[ROLE_PROXY].pid && !p[ROLE_RUNNER].pid;
}

static void stop_advance(struct supervisor *s)
{
	while (s->phase < PHASE_ENDED && stage_done(s, s->phase)) {
		switch (++s->phase) {
		case PHASE_STOP_WORK:
			if (s->processes[ROLE_HEARTBEAT].last_exit != 0)
				s->status = EXIT_FAILED; /* no goodbye: the peer had to find out */
			order_stop(&s->processes[ROLE_PROXY]);
			order_stop(&s->processes[ROLE_RUNNER]);
			timer_after(s->stage, PROXY_CLOSES);
			break;
		case PHASE_STOP_ADMIN:
			order_stop(&s->processes[ROLE_ADMIN]);
			timer_after(s->stage, ADMIN_STOPS);
			break;
		default:
			end_with(s, s->status);
		}
	}
}

/* Who should have ended in this stage has had its time. */
static void on_stage_over(evutil_socket_t fd, short what, void *ctx)
{
	struct supervisor *s = ctx;

	if (s->phase == PHASE_STOP_WORK && !s->deaf) {
		listeners_pause(s->generation->listeners);
		s->deaf = true;
		timer_after(s->stage, WORK_STOPS);
		return;
	}
	each_process(p, s) {
		bool due = p->role == ROLE_HEARTBEAT || s->phase == PHASE_STOP_ADMIN ||
			   (s->phase == PHASE_STOP_WORK && p->role != ROLE_ADMIN);

		if (p->pid > 0 && due) {
			log_warning("%s does not stop: killed", role_name(p->role));
			kill(p->pid, SIGKILL);
		}
	}
}

static void stop(struct supervisor *s, const char *why)
{
	if (s->phase >= PHASE_STOP_HEARTBEAT && clock_now() - s->stop_began < ONE_STOP)
		return;
	if (s->phase == PHASE_STOP_HEARTBEAT && s->drain_until && !s->drain_cut) {
		log_info("%s again: connections that are left are not waited for", why);
		s->drain_cut = true;
		s->stop_began = clock_now();
		order_stop(&s->processes[ROLE_HEARTBEAT]);
		timer_after(s->stage, HEARTBEAT_STOPS);
		return;
	}
	if (s->phase >= PHASE_STOP_HEARTBEAT) {
		log_info("%s again: the rest is not waited for", why);
		s->hurried = true;
		kill_all(s);
		return;
	}
	log_info("%s: node %s stops", why, s->node);
	sd_notify(0, "STOPPING=1");
	s->phase = PHASE_STOP_HEARTBEAT;
	s->stop_began = clock_now();
	each_process(p, s) {
		event_del(p->again);
		process_drop_spare(p);
	}
	order_stop(&s->processes[ROLE_HEARTBEAT]);
	timer_after(s->stage, HEARTBEAT_STOPS);
	extend_stop(s);  /* a drain may be going on */
	stop_advance(s); /* heartbeat may be dead just now */
}

static void on_signal(evutil_socket_t number, short what, void *ctx)
{
	struct supervisor *s = ctx;

	switch (number) {
	case SIGCHLD:
		reap(s);
		return;
	case SIGHUP:
		if (s->phase == PHASE_RUNNING)
			reload(s, 0);
		return;
	default:
		stop(s, number == SIGTERM ? "SIGTERM" : "SIGINT");
	}
}

/* Reload */

/* The text of a refused or accepted reload; the caller frees it. */
static int reload_apply(struct supervisor *s, char **ret_text)
{
	struct config_report *report = config_report_new();
	struct generation *next =
		report ? generation_read(s->invocation->config, s->node, s->generation, report) : NULL;
	size_t n;
	FILE *out;

	*ret_text = NULL;
	if (!next) {
		out = open_memstream(ret_text, &n);
		if (out && report)
			config_report_print(report, out);
		if (out)
			fclose(out);
		config_report_free(report);
		return -EINVAL;
	}
	config_report_free(report);
	*ret_text = generation_difference(s->generation, next);
	each_process(p, s)
		if (p->channel)
			generation_send(next, p->role, p->channel);
	generation_free(s->generation);
	s->generation = next;
	return 0;
}

/* What systemd wants to know of a reload, sd_notify(3). */
static long long monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void reload_log(const char *text)
{
	char *copy = strdup(text ?: ""), *rest = copy;

	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
		if (*line)
			log_info("reload: %s", line);
	free(copy);
}

static void reload_answer(struct supervisor *s, const struct msg_reply *reply, const char *text)
{
	int fd = sealed_bytes("hapair-reload", text, strlen(text));

	if (fd < 0) {
		log_error("the answer to a reload is lost: %s", strerror(-fd));
		return;
	}
	ipc_send(s->processes[ROLE_ADMIN].channel, MSG_RELOADED, reply, fd);
	close(fd);
}

/* `request` 0: by signal, nobody waits for an answer. */
static void reload(struct supervisor *s, uint32_t request)
{
	struct msg_reply reply = {.id = request, .error = -EBUSY};
	char *text = NULL;

	MSG_TEXT(reply.text, "not now: the node starts or stops");
	if (s->phase == PHASE_RUNNING) {
		sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", monotonic_us());
		reply.error = reload_apply(s, &text);
		reload_log(text);
		if (reply.error == 0)
			MSG_TEXT(reply.text, "reloaded");
		else
			MSG_TEXT(reply.text, "refused: nothing has changed");
		tell(s, "reload", "", "", reply.error == 0 ? "applied" : "refused", "%s",
		     reply.error < 0 ? "mistakes in the configuration"
		     : text && *text ? "the configuration has changed"
				     : "no difference");
		sd_notify(0, "READY=1");
	}
	if (request != 0)
		reload_answer(s, &reply, text ?: "");
	free(text);
}

/* Set-up */

static int memory_open(void)
{
	int fd = memfd_create("hapair-heartbeat", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, MEMORY_BYTES) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
		int r = -errno;

		if (fd >= 0)
			close(fd);
		return r;
	}
	return fd;
}

/* Every connection of the proxy is a descriptor; roles inherit the limit. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit, more = {DESCRIPTORS_MAX, DESCRIPTORS_MAX};

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_max < DESCRIPTORS_MAX && setrlimit(RLIMIT_NOFILE, &more) == 0)
		return;
	limit.rlim_cur = limit.rlim_max; /* all that we may */
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Who restarts heartbeat within its lease must get a turn on an overloaded machine too. Children begin as ordinary processes. */
static void raise_priority(void)
{
	struct sched_param priority = {.sched_priority = SPAWN_SUPERVISOR_PRIORITY};

	if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &priority) < 0)
		log_warning("real-time priority is refused (%s): under overload a restart may take long",
			    strerror(errno));
}

static bool claim(const char *path, mode_t mode, const char *user, struct directory *ret)
{
	int r = directory_claim(path, mode, user, ret);

	if (r == -EWOULDBLOCK)
		log_error("%s: another hapair runs there (one node can run only once; see -r and -s)", path);
	else if (r == -EPERM)
		log_error("%s: everybody can write there, or its owner can't be changed", path);
	else if (r == -ENOTEMPTY)
		log_error("%s: holds other files than a node's; it stays with its owner (give another one "
			  "with -s)",
			  path);
	else if (r < 0)
		log_error("%s: %s", path, strerror(-r));
	return r == 0;
}

static bool claim_state(struct supervisor *s)
{
	const char *given = s->invocation->state_dir;

	if (*given)
		s->state_dir = strdup(given);
	else if (asprintf(&s->state_dir, "%s/%s", INVOCATION_STATE_DIR, s->node) < 0)
		s->state_dir = NULL;
	if (!s->state_dir) {
		log_error("out of memory");
		return false;
	}
	return claim(s->state_dir, 0750, s->generation->config->proxy.user, &s->state);
}

static bool read_configuration(struct supervisor *s)
{
	struct config_report *report = config_report_new();

	if (!report) {
		log_error("out of memory");
		return false;
	}
	s->generation = generation_read(s->invocation->config, s->invocation->node, NULL, report);
	config_report_print(report, stderr);
	config_report_free(report);
	if (!s->generation)
		return false;
	s->node = strdup(s->generation->config->nodes[s->generation->node].name);
	return s->node != NULL;
}

/* A node that could not hold its VIPs would claim them again and again, and the peer would wait for it. */
static bool may_hold_vips(const struct config *config)
{
	cap_flag_value_t may = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	if (caps)
		cap_get_flag(caps, CAP_NET_ADMIN, CAP_EFFECTIVE, &may);
	cap_free(caps);
	if (config->n_vips == 0 || may == CAP_SET)
		return true;
	log_error("CAP_NET_ADMIN is missing: the kernel would refuse every vip; run hapair as root");
	return false;
}

static bool make_events(struct supervisor *s)
{
	static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
	uint64_t watchdog_us = 0;

	s->base = event_base_new();
	if (!s->base || event_base_priority_init(s->base, 3) < 0)
		return false;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		s->signals[i] = evsignal_new(s->base, numbers[i], on_signal, s);
		if (!s->signals[i] || event_add(s->signals[i], NULL) < 0)
			return false;
	}
	s->turn = event_new(s->base, -1, EV_PERSIST, on_turn, s);
	s->stage = event_new(s->base, -1, 0, on_stage_over, s);
	if (!s->turn || !s->stage)
		return false;
	each_process(p, s) {
		p->of = s;
		p->home = &s->home;
		p->role = (enum role)(p - s->processes);
		p->again = event_new(s->base, -1, 0, on_again, p);
		p->late = event_new(s->base, -1, 0, on_late, p);
		p->thaw = event_new(s->base, -1, 0, on_still_frozen, p);
		if (!p->again || !p->late || !p->thaw)
			return false;
	}
	s->feeds_watchdog = sd_watchdog_enabled(0, &watchdog_us) > 0;
	if (s->feeds_watchdog && watchdog_us < 2 * (uint64_t)(PATIENCE_TURN / NS_PER_US))
		log_warning("WatchdogSec should be 2 s at least: it is fed once a second");
	s->home = (struct process_home){s->base, s->home.self, s->node, s->invocation->run_dir, s->state_dir};
	s->last_turn = clock_now();
	timer_after(s->turn, PATIENCE_TURN);
	return true;
}

static bool set_up(struct supervisor *s)
{
	s->home.self = spawn_self_open();
	s->memory = memory_open();
	if (s->home.self < 0 || s->memory < 0) {
		log_error("can't open %s: %s", s->home.self < 0 ? "the program itself" : "a memory file",
			  strerror(s->home.self < 0 ? -s->home.self : -s->memory));
		return false;
	}
	/* Whatever our caller left open, a lock say, is no business of roles that may outlive it. */
	close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	raise_descriptor_limit();
	raise_priority();
	/* First, so that a second daemon is told so, and not that its ports are taken. */
	if (!claim(s->invocation->run_dir, 0755, "", &s->run) || !read_configuration(s) ||
	    !may_hold_vips(s->generation->config) || !claim_state(s))
		return false;
	if (!make_events(s)) {
		log_error("out of memory");
		return false;
	}
	if (geteuid() != 0)
		log_warning("not root: roles keep this user, and the kernel will refuse what they lack");
	return true;
}

/* The control socket lies in a directory that its owner, admin, cannot write to once it has given up root. */
static void remove_control_socket(const struct supervisor *s)
{
	if (s->run.fd >= 0 && unlinkat(s->run.fd, INVOCATION_CONTROL, 0) < 0 && errno != ENOENT)
		log_warning("%s/%s stays: %s", s->invocation->run_dir, INVOCATION_CONTROL, strerror(errno));
}

static void tear_down(struct supervisor *s)
{
	each_process(p, s) {
		process_done(p);
		if (p->again)
			event_free(p->again);
		if (p->late)
			event_free(p->late);
		if (p->thaw)
			event_free(p->thaw);
	}
	remove_control_socket(s);
	directory_release(&s->run);
	directory_release(&s->state);
	for (size_t i = 0; i < sizeof(s->signals) / sizeof(s->signals[0]); i++)
		if (s->signals[i])
			event_free(s->signals[i]);
	if (s->turn)
		event_free(s->turn);
	if (s->stage)
		event_free(s->stage);
	if (s->base)
		event_base_free(s->base);
	generation_free(s->generation);
	free(s->node);
	free(s->state_dir);
}

int command_run(const struct invocation *invocation, int argc, char **argv)
{
	struct supervisor s = {.invocation = invocation,
			       .status = EXIT_DONE,
			       .home.self = -1,
			       .memory = -1,
			       .run = {-1, -1},
			       .state = {-1, -1}};

	if (argc != 1)
		return invocation_usage("run");
	log_init("supervisor");
	signal(SIGPIPE, SIG_IGN);
	if (!set_up(&s))
		s.status = EXIT_FAILED;
	else if (start_all(&s) < 0)
		s.status = EXIT_FAILED;
	else
		event_base_dispatch(s.base);
	tear_down(&s);
	if (s.status == EXIT_DONE)
		log_info("stopped");
	return s.status;
}
