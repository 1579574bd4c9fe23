/* spawn.c: fork, title, environment, exec; and the reading of it on the other side. */
#include "hapair/supervisor/spawn.h"

#include "hapair/base/role.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define TITLE          "hapair: "
#define SPARE          "-spare"
#define NODE_VARIABLE  "HAPAIR_NODE"
#define RUN_VARIABLE   "HAPAIR_RUN_DIR"
#define STATE_VARIABLE "HAPAIR_STATE_DIR"

/* Everything else, passwords of the administrator's shell included, is no business of a role. */
static const char *const inherited[] = {
	"PATH",           "TZ",
	"LANG",           "LC_ALL",
	"LC_TIME",        "HAPAIR_LOG",
	"JOURNAL_STREAM", "INVOCATION_ID",
	"ASAN_OPTIONS",   "UBSAN_OPTIONS",
	"TSAN_OPTIONS",   "LLVM_PROFILE_FILE",
};

#define N_INHERITED (sizeof(inherited) / sizeof(inherited[0]))

int spawn_self_open(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), high;

	if (fd < 0)
		return -errno;
	/* Out of the way of descriptor 3 in the child. */
	high = fcntl(fd, F_DUPFD_CLOEXEC, ROLE_SUPERVISOR_FD + 1);
	close(fd);
	return high < 0 ? -errno : high;
}

static char *variable(const char *name, const char *value)
{
	char *text = NULL;

	return asprintf(&text, "%s=%s", name, value) < 0 ? NULL : text;
}

/* In the child; returns only on failure, with errno. Whatever it allocates goes with the process. */
static void become_role(int self_fd, const struct spawn_identity *identity, int channel, bool spare,
			pid_t parent)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	char *environment[N_INHERITED + 4], *title = NULL;
	size_t n = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(EXIT_FAILURE); /* it died before we could ask to be told */
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i],
		       SIG_IGN); /* a Ctrl-C in the first milliseconds is the supervisor's to act on */
	if (channel == ROLE_SUPERVISOR_FD ? fcntl(channel, F_SETFD, 0) < 0
					  : dup2(channel, ROLE_SUPERVISOR_FD) < 0)
		return;
	if (asprintf(&title, TITLE "%s%s %s", role_name(identity->role), spare ? SPARE : "", identity->node) <
	    0)
		return;
	environment[n++] = variable(NODE_VARIABLE, identity->node);
	environment[n++] = variable(RUN_VARIABLE, identity->run_dir);
	environment[n++] = variable(STATE_VARIABLE, identity->state_dir);
	for (size_t i = 0; i < N_INHERITED; i++)
		if (getenv(inherited[i]))
			environment[n++] = variable(inherited[i], getenv(inherited[i]));
	for (size_t i = 0; i < n; i++)
		if (!environment[i])
			return;
	environment[n] = NULL;
	fexecve(self_fd, (char *[]){title, NULL}, environment);
}

void spawn_prioritize(enum role role, pid_t pid)
{
	/* A restarted heartbeat has a lease to keep: under overload it must not wait for its turn to start. Where this is refused
	 * it says so itself, when it asks for its own priority. A spare loads without it: it must not delay the one that works. */
	if (role == ROLE_HEARTBEAT)
		sched_setscheduler(pid, SCHED_RR,
				   &(struct sched_param){.sched_priority = SPAWN_HEARTBEAT_PRIORITY});
}

pid_t spawn_role(int self_fd, const struct spawn_identity *identity, int channel, bool spare)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		if (!spare)
			spawn_prioritize(identity->role, 0);
		become_role(self_fd, identity, channel, spare, parent);
		fprintf(stderr, "hapair: can't start %s: %s\n", role_name(identity->role), strerror(errno));
		_exit(EXIT_FAILURE);
	}
	return pid;
}

bool spawn_am_role(const char *argv0, struct spawn_identity *ret)
{
	const char *node = getenv(NODE_VARIABLE), *run_dir = getenv(RUN_VARIABLE),
		   *state_dir = getenv(STATE_VARIABLE);

	if (strncmp(argv0, TITLE, strlen(TITLE)) != 0 || !node || !run_dir || !state_dir)
		return false;
	argv0 += strlen(TITLE);
	for (enum role role = ROLE_HEARTBEAT; role < ROLE_COUNT; role++) {
		size_t n = strlen(role_name(role));

		if (strncmp(argv0, role_name(role), n) == 0 &&
		    (argv0[n] == ' ' || strncmp(argv0 + n, SPARE " ", strlen(SPARE " ")) == 0)) {
			*ret = (struct spawn_identity){role, node, run_dir, state_dir};
			return true;
		}
	}
	return false;
}

void spawn_spare_begins(char *argv0)
{
	char *spare = strstr(argv0, SPARE " "), *rest;
	size_t n;

	if (!spare)
		return;
	rest = spare + strlen(SPARE);
	n = strlen(rest);
	memmove(spare, rest, n);
	memset(spare + n, 0, strlen(SPARE));
}
