/*
 * runner.c: queue, one child, its clock, its output.
 *
 *   HOOK -> queue -> spawn -> (output | SIGCHLD | too late) -> event -> the next
 */
#include "hapair/runner.h"

#include "hapair/base/list.h"
#include "hapair/base/log.h"
#include "hapair/base/sandbox.h"
#include "hapair/base/timer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUEUE_MAX   256
#define OUTPUT_LINE 512        /* a longer line is cut into several */
#define KILL_AFTER  SECONDS(1) /* SIGTERM was not heard */
#define STOP_WITHIN SECONDS(5) /* for what is still to run at the end */

struct job {
	struct list in_queue;
	struct msg_hook hook;
};

static struct runner {
	struct role_runtime *rt;
	struct list queue;
	size_t waiting;
	struct event *child_signal, *deadline, *last_call;

	/* The one that runs; pid 0: none. */
	pid_t pid;
	struct msg_hook hook;
	nanos started;
	bool too_late; /* SIGTERM was sent */
	int output;    /* our end of its pipe, or -1 */
	struct event *readable;
	char line[OUTPUT_LINE];
	size_t line_n;

	bool leaving, stopping; /* ends once idle: stop, or another user's turn */
} runner = {.queue = LIST_INIT(runner.queue), .output = -1};

static void run_next(struct runner *r);

/* The program for an event, "" for none. */
static const char *program_of(const struct config *config, const char *event)
{
	const struct {
		const char *event, *program;
	} table[] = {
		{"active", config->notify.active},       {"passive", config->notify.passive},
		{"fault", config->notify.fault},         {"server_down", config->notify.server_down},
		{"server_up", config->notify.server_up},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].event, event) == 0)
			return table[i].program;
	return "";
}

/* Output */

static void put_line(struct runner *r)
{
	if (r->line_n > 0)
		log_info("%s says: %.*s", r->hook.event, (int)r->line_n, r->line);
	r->line_n = 0;
}

static void put_output(struct runner *r, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] != '\n')
			r->line[r->line_n++] = bytes[i];
		if (bytes[i] == '\n' || r->line_n == sizeof(r->line))
			put_line(r);
	}
}

static void output_close(struct runner *r)
{
	put_line(r);
	event_free(r->readable);
	close(r->output);
	r->output = -1;
}

/* What is there now. True: more may come. */
static bool output_read(struct runner *r, unsigned reads)
{
	char bytes[4096];

	while (reads-- > 0) {
		ssize_t n = read(r->output, bytes, sizeof(bytes));

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (n == 0)
			return false;
		put_output(r, bytes, (size_t)n);
	}
	return true;
}

static void on_output(evutil_socket_t fd, short what, void *ctx)
{
	struct runner *r = ctx;

	if (!output_read(r, 4))
		output_close(r);
}

/* The child */

static char *variable(const char *name, const char *value)
{
	char *text = NULL;

	return asprintf(&text, "%s=%s", name, value) < 0 ? NULL : text;
}

/* In the child. Whatever it allocates goes with it. */
static void become_hook(const struct runner *r, const char *program, int output, pid_t parent)
{
	static const int restored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGCHLD};
	const struct msg_hook *hook = &r->hook;
	char epoch[24], *path = getenv("PATH");
	int nothing = open("/dev/null", O_RDONLY);

	snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)hook->epoch);
	char *environment[] = {
		variable("HAPAIR_EVENT", hook->event),
		variable("HAPAIR_NODE", r->rt->node_name),
		variable("HAPAIR_EPOCH", epoch),
		variable("HAPAIR_POOL", hook->pool),
		variable("HAPAIR_SERVER", hook->server),
		variable("HAPAIR_REASON", hook->reason),
		variable("PATH", path && *path
					 ? path
					 : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
		NULL,
	};

	for (size_t i = 0; i < sizeof(environment) / sizeof(environment[0]) - 1; i++)
		if (!environment[i])
			return;
	for (size_t i = 0; i < sizeof(restored) / sizeof(restored[0]); i++)
		signal(restored[i], SIG_DFL);
	/* Its own group, so that its time limit reaches what it started too. */
	if (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
		return;
	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
	    dup2(output, STDERR_FILENO) < 0 || chdir("/") < 0)
		return;
	close(nothing);
	umask(022);
	execve(program, (char *[]){(char *)program, NULL}, environment);
}

/* 0 or negative errno. */
static int spawn(struct runner *r, const char *program)
{
	int pipe_fds[2];
	pid_t parent = getpid();

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	r->pid = fork();
	if (r->pid == 0) {
		become_hook(r, program, pipe_fds[1], parent);
		dprintf(pipe_fds[1], "%s: %s\n", program, strerror(errno));
		_exit(127);
	}
	close(pipe_fds[1]);
	if (r->pid < 0) {
		int error = errno;

		r->pid = 0;
		close(pipe_fds[0]);
		return -error;
	}
	fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK); /* our end of the pipe only */
	r->output = pipe_fds[0];
	r->readable = event_new(r->rt->base, r->output, EV_READ | EV_PERSIST, on_output, r);
	if (!r->readable || event_add(r->readable, NULL) < 0)
		log_fatal("out of memory");
	return 0;
}

static void tell(struct runner *r, const char *to, const char *detail, nanos took)
{
	role_event(r->rt, "hook", r->hook.event, "", to, r->hook.epoch, "%s%s%s%s%s after %lld ms", detail,
		   *r->hook.pool ? ", " : "", r->hook.pool, *r->hook.server ? "/" : "", r->hook.server,
		   (long long)(took / NS_PER_MS));
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	struct runner *r = ctx;

	kill(-r->pid, r->too_late ? SIGKILL : SIGTERM);
	if (!r->too_late)
		timer_after(r->deadline, KILL_AFTER);
	r->too_late = true;
}

static void ended(struct runner *r, int wait_status)
{
	nanos took = clock_now() - r->started;
	char detail[64];

	if (r->too_late)
		kill(-r->pid, SIGKILL); /* the rest of its group */
	r->pid = 0;
	event_del(r->deadline);
	if (r->output >= 0) {
		/* Something that it left running may keep the pipe; only what was said until now is waited for. */
		output_read(r, 64);
		output_close(r);
	}
	if (r->too_late)
		snprintf(detail, sizeof(detail), "took too long and was ended");
	else if (WIFSIGNALED(wait_status))
		snprintf(detail, sizeof(detail), "killed by SIG%s",
			 sigabbrev_np(WTERMSIG(wait_status)) ?: "?");
	else
		snprintf(detail, sizeof(detail), "exit status %d", WEXITSTATUS(wait_status));
	tell(r, wait_status == 0 && !r->too_late ? "done" : "failed", detail, took);
	run_next(r);
}

static void on_child(evutil_socket_t number, short what, void *ctx)
{
	struct runner *r = ctx;
	int wait_status;
	pid_t pid;

	while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0)
		if (pid == r->pid)
			ended(r, wait_status);
}

/* The queue */

static void drop(struct runner *r, struct job *job)
{
	list_remove(&job->in_queue);
	r->waiting--;
	free(job);
}

/*
 * At a stop heartbeat ends first, and its last word ("passive") lies in its channel: it is waited for up to the channel's end,
 * which comes after everything that was said on it.
 */
static void leave_if_idle(struct runner *r)
{
	if (r->leaving && r->pid == 0 && !(r->stopping && r->rt->peers[ROLE_HEARTBEAT]))
		role_exit(r->rt, EXIT_SUCCESS);
}

static void run_next(struct runner *r)
{
	while (r->pid == 0 && !list_empty(&r->queue)) {
		struct job *job = list_entry(r->queue.next, struct job, in_queue);
		const char *program;
		int e;

		r->hook = job->hook;
		drop(r, job);
		program = program_of(r->rt->config, r->hook.event);
		if (*program == '\0') /* gone with a reload */
			continue;
		r->started = clock_now();
		r->too_late = false;
		e = spawn(r, program);
		if (e < 0)
			tell(r, "failed", strerror(-e), 0);
		else
			timer_after(r->deadline, r->rt->config->notify.timeout);
	}
	leave_if_idle(r);
}

static void enqueue(struct runner *r, const struct msg_hook *hook)
{
	struct job *job;

	if (*program_of(r->rt->config, hook->event) == '\0')
		return;
	if (r->waiting == QUEUE_MAX) {
		struct job *oldest = list_entry(r->queue.next, struct job, in_queue);

		role_event(r->rt, "hook", oldest->hook.event, "", "dropped", oldest->hook.epoch,
			   "%d wait already", QUEUE_MAX);
		drop(r, oldest);
	}
	job = malloc(sizeof(*job));
	if (!job)
		log_fatal("out of memory");
	job->hook = *hook;
	list_push_back(&r->queue, &job->in_queue);
	r->waiting++;
	run_next(r);
}

/* The role */

static int start(struct role_runtime *rt)
{
	struct runner *r = &runner;

	r->rt = rt;
	r->child_signal = evsignal_new(rt->base, SIGCHLD, on_child, r);
	r->deadline = event_new(rt->base, -1, 0, on_deadline, r);
	if (!r->child_signal || !r->deadline || event_add(r->child_signal, NULL) < 0)
		return -ENOMEM;
	return sandbox_enter(SANDBOX_RUNNER, rt->config->notify.user);
}

static void on_message(struct role_runtime *rt, enum role from, enum msg_type type, const union msg_any *m,
		       int fd)
{
	if (type == MSG_HOOK)
		enqueue(&runner, &m->m_HOOK);
}

static void on_config(struct role_runtime *rt, const struct config *next)
{
	if (strcmp(rt->config->notify.user, next->notify.user) == 0)
		return;
	/* Ends once idle; the supervisor starts us again, as the new user. */
	log_info("hooks run as %s from now on", next->notify.user);
	runner.leaving = true;
	leave_if_idle(&runner);
}

static void on_gone(struct role_runtime *rt, enum role peer)
{
	leave_if_idle(&runner);
}

static void on_last_call(evutil_socket_t fd, short what, void *ctx)
{
	struct runner *r = ctx;

	if (r->pid > 0)
		kill(-r->pid, SIGKILL);
	if (r->waiting)
		log_warning("%zu hooks were not run any more", r->waiting);
	role_exit(r->rt, EXIT_SUCCESS);
}

/* "passive" at the end of a node's life is worth telling: what waits is run, within bounds. */
static void on_stop(struct role_runtime *rt)
{
	struct runner *r = &runner;

	r->leaving = r->stopping = true;
	r->last_call = event_new(rt->base, -1, 0, on_last_call, r);
	if (!r->last_call)
		log_fatal("out of memory");
	timer_after(r->last_call, STOP_WITHIN);
	leave_if_idle(r);
}

const struct role_ops runner_role = {
	.self = ROLE_RUNNER,
	.start = start,
	.on_message = on_message,
	.on_gone = on_gone,
	.on_config = on_config,
	.on_stop = on_stop,
};
