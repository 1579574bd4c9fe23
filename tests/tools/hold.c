/*
 * hold.c: holds a process as a debugger does, so that it hangs and nobody is told.
 * rooms: hapair/base/clock.c tests/tools/lib/instrument.c
 *
 *   hold PID SECONDS
 *
 * Unlike after SIGSTOP its parent hears nothing (ptrace(2)). Ends early when the process does.
 */
#include "tests/tools/lib/instrument.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	pid_t pid = argc == 3 ? atoi(argv[1]) : 0;

	if (pid <= 0)
		die("usage: hold PID SECONDS");
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0)
		die("process %d: %s", pid, strerror(errno));
	for (int i = atoi(argv[2]) * 10; i > 0 && kill(pid, 0) == 0; i--)
		usleep(100000);
	return 0;
}
