/* process.c: begin, reap and replace one role's process. */
#include "hapair/supervisor/process.h"

#include "hapair/base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process that waits for its first word, and our end of its channel. 0 or negative errno. */
static int create(const struct process *p, bool spare, pid_t *ret_pid, int *ret_channel)
{
	const struct process_home *home = p->home;
	struct spawn_identity identity = {p->role, home->node, home->run_dir, home->state_dir};
	int fds[2], r = ipc_pair(fds);
	pid_t pid;

	if (r < 0)
		return r;
	pid = spawn_role(home->self, &identity, fds[1], spare);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return pid;
	}
	*ret_pid = pid;
	*ret_channel = fds[0];
	return 0;
}

int process_start(struct process *p, const struct ipc_handler *handler, void *ctx)
{
	int channel, r;

	p->ready = p->frozen = false;
	if (p->spare.pid > 0) {
		spawn_prioritize(p->role, p->spare.pid);
		p->pid = p->spare.pid;
		p->frozen = p->spare.frozen;
		channel = p->spare.channel;
		p->spare.pid = 0;
	} else if ((r = create(p, false, &p->pid, &channel)) < 0) {
		return r;
	}
	patience_started(&p->patience, clock_now());
	p->channel = ipc_new(p->home->base, channel, ROLE_SUPERVISOR, p->role, handler, ctx, 1);
	if (!p->channel) {
		kill(p->pid, SIGKILL);
		return -ENOMEM;
	}
	return 0;
}

bool process_reaped(struct process *p, pid_t pid, int wait_status)
{
	if (p->spare.pid == pid) {
		p->spare.pid = 0;
		close(p->spare.channel);
		return false;
	}
	if (p->pid != pid)
		return false;
	p->pid = 0;
	p->ready = false;
	p->last_exit = wait_status;
	p->died = clock_now();
	ipc_free(p->channel);
	p->channel = NULL;
	return true;
}

bool process_note(struct process *p, pid_t pid, int wait_status)
{
	if (pid != p->pid && pid != p->spare.pid)
		return false;
	*(pid == p->pid ? &p->frozen : &p->spare.frozen) = WIFSTOPPED(wait_status);
	return true;
}

bool process_kill_frozen(struct process *p)
{
	if (p->spare.pid > 0 && p->spare.frozen)
		kill(p->spare.pid, SIGKILL);
	if (p->pid <= 0 || !p->frozen)
		return false;
	kill(p->pid, SIGKILL);
	return true;
}

void process_keep_spare(struct process *p)
{
	int r;

	if ((p->role != ROLE_HEARTBEAT && p->role != ROLE_PROXY) || !p->ready || p->spare.pid > 0)
		return;
	p->spare.frozen = false;
	r = create(p, true, &p->spare.pid, &p->spare.channel);
	if (r < 0)
		log_warning("no spare %s: %s", role_name(p->role), strerror(-r));
}

void process_drop_spare(struct process *p)
{
	if (p->spare.pid > 0)
		kill(p->spare.pid, SIGKILL);
}

void process_kill(struct process *p)
{
	if (p->pid > 0)
		kill(p->pid, SIGKILL);
	process_drop_spare(p);
}

void process_done(struct process *p)
{
	process_kill(p);
	if (p->pid > 0)
		waitpid(p->pid, NULL, 0);
	if (p->spare.pid > 0) {
		waitpid(p->spare.pid, NULL, 0);
		close(p->spare.channel);
	}
	ipc_free(p->channel);
	p->channel = NULL;
	p->pid = p->spare.pid = 0;
}

const char *process_describe_exit(int wait_status, char *out, size_t n)
{
	if (WIFSIGNALED(wait_status))
		snprintf(out, n, "killed by SIG%s%s", sigabbrev_np(WTERMSIG(wait_status)) ?: "?",
			 WTERMSIG(wait_status) == SIGSYS ? " (a system call that is not one of its own)"
							 : "");
	else
		snprintf(out, n, "exit status %d", WEXITSTATUS(wait_status));
	return out;
}
