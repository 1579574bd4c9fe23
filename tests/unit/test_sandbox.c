/* rooms: hapair/base/sandbox.c hapair/base/log.c */
#include "hapair/base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The wait status of a process that enters the sandbox and then does `act`; its result is the exit status. */
static int in_sandbox(enum sandbox_profile profile, const char *user, int (*act)(void))
{
	int wait_status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDERR_FILENO);
		if (sandbox_enter(profile, user) < 0)
			_exit(99);
		_exit(act());
	}
	assert_int_equal(waitpid(pid, &wait_status, 0), pid);
	return wait_status;
}

#ifdef HAPAIR_SANITIZED
#define assert_ended_by_the_filter(wait_status) (void)(wait_status)
#else
#define assert_ended_by_the_filter(wait_status)                                                              \
	do {                                                                                                 \
		int status_ = (wait_status);                                                                 \
		assert_true(WIFSIGNALED(status_));                                                           \
		assert_int_equal(WTERMSIG(status_), SIGSYS);                                                 \
	} while (0)
#endif

#define assert_exits(wait_status, with) assert_int_equal(wait_status, (with) << 8)

static void *write_something(void *arg)
{
	char *bytes = malloc(1 << 20);

	memset(bytes, 1, 1 << 20);
	*(int *)arg = bytes[77] - 1;
	free(bytes);
	return NULL;
}

static int start_thread(void)
{
	pthread_t thread;
	int result = 5;

	if (pthread_create(&thread, NULL, write_something, &result) != 0 || pthread_join(thread, NULL) != 0)
		return 4;
	return result;
}

static int start_process(void)
{
	return fork() < 0;
}

static int open_packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) < 0;
}

/* 0 also where there is no IPv6. */
static int open_tcp_socket(void)
{
	return socket(AF_INET6, SOCK_STREAM, 0) < 0 && errno != EAFNOSUPPORT;
}

static int map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	       MAP_FAILED;
}

static int trace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

static int signal_parent(void)
{
	return kill(getppid(), 0) < 0;
}

static int run_program(void)
{
	return system("exit 7") == 7 << 8 ? 7 : 1;
}

static int end_by_abort(void)
{
	signal(SIGABRT, SIG_DFL);
	abort();
}

static void threads_run_but_processes_do_not(void **state)
{
	assert_exits(in_sandbox(SANDBOX_PROXY, "", start_thread), 0);
	assert_exits(in_sandbox(SANDBOX_HEARTBEAT, "", start_thread), 0);
	assert_exits(in_sandbox(SANDBOX_ADMIN, "", start_thread), 0);
	assert_ended_by_the_filter(in_sandbox(SANDBOX_PROXY, "", start_process));
	assert_ended_by_the_filter(in_sandbox(SANDBOX_HEARTBEAT, "", start_process));
	assert_ended_by_the_filter(in_sandbox(SANDBOX_ADMIN, "", start_process));
}

static void only_heartbeat_opens_packet_sockets(void **state)
{
	assert_ended_by_the_filter(in_sandbox(SANDBOX_PROXY, "", open_packet_socket));
	assert_exits(in_sandbox(SANDBOX_ADMIN, "", open_packet_socket),
		     1); /* refused, not ended: getnameinfo() asks for other families, and does without */
	assert_exits(in_sandbox(SANDBOX_ADMIN, "", open_tcp_socket), 0);
	assert_exits(in_sandbox(SANDBOX_HEARTBEAT, "", open_packet_socket), geteuid() == 0 ? 0 : 1);
	assert_exits(in_sandbox(SANDBOX_PROXY, "", open_tcp_socket), 0);
}

static void memory_is_never_written_and_run(void **state)
{
	assert_ended_by_the_filter(in_sandbox(SANDBOX_PROXY, "", map_code));
	assert_ended_by_the_filter(in_sandbox(SANDBOX_HEARTBEAT, "", map_code));
}

static void nobody_traces_or_signals_others(void **state)
{
	assert_ended_by_the_filter(in_sandbox(SANDBOX_PROXY, "", trace));
	assert_ended_by_the_filter(in_sandbox(SANDBOX_PROXY, "", signal_parent));
#ifndef HAPAIR_SANITIZED
	assert_exits(in_sandbox(SANDBOX_RUNNER, "", trace), 0); /* refused, not ended */
#endif
}

static void the_runner_starts_programs(void **state)
{
	assert_exits(in_sandbox(SANDBOX_RUNNER, "", run_program), 7);
}

static void a_broken_invariant_still_ends_by_abort(void **state)
{
	int wait_status = in_sandbox(SANDBOX_PROXY, "", end_by_abort);

	assert_true(WIFSIGNALED(wait_status));
	assert_int_equal(WTERMSIG(wait_status), SIGABRT);
}

static void an_unknown_user_is_an_error(void **state)
{
	assert_exits(in_sandbox(SANDBOX_PROXY, "no-such-user-here", start_thread), 99);
}

static unsigned long long status_field(const char *name)
{
	FILE *f = fopen("/proc/self/status", "r");
	unsigned long long value = ~0ull;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, name, strlen(name)) == 0)
			value = strtoull(line + strlen(name), NULL, 16);
	if (f)
		fclose(f);
	return value;
}

#define CAPABILITY(n) (1ull << (n))
#define NET_ADMIN     12
#define NET_RAW       13
#define IPC_LOCK      14

static int keeps_network_capabilities(void)
{
	unsigned long long wanted = CAPABILITY(NET_ADMIN) | CAPABILITY(NET_RAW) | CAPABILITY(IPC_LOCK);

	if (geteuid() == 0)
		return 1;
	return status_field("CapEff:\t") != wanted || status_field("CapPrm:\t") != wanted ||
	       status_field("CapInh:\t") != 0 || status_field("CapAmb:\t") != 0 ||
	       status_field("NoNewPrivs:\t") != 1;
}

static int keeps_no_capability(void)
{
	if (geteuid() == 0)
		return 1;
	return status_field("CapEff:\t") != 0 || status_field("CapPrm:\t") != 0 ||
	       status_field("CapBnd:\t") != 0 || status_field("NoNewPrivs:\t") != 1;
}

static void capabilities_are_those_of_the_duty(void **state)
{
	if (geteuid() != 0)
		skip();
	assert_exits(in_sandbox(SANDBOX_HEARTBEAT, "nobody", keeps_network_capabilities), 0);
	assert_exits(in_sandbox(SANDBOX_PROXY, "nobody", keeps_no_capability), 0);
	assert_exits(in_sandbox(SANDBOX_ADMIN, "nobody", keeps_no_capability), 0);
	assert_exits(in_sandbox(SANDBOX_RUNNER, "nobody", keeps_no_capability), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_run_but_processes_do_not),
		cmocka_unit_test(only_heartbeat_opens_packet_sockets),
		cmocka_unit_test(memory_is_never_written_and_run),
		cmocka_unit_test(nobody_traces_or_signals_others),
		cmocka_unit_test(the_runner_starts_programs),
		cmocka_unit_test(a_broken_invariant_still_ends_by_abort),
		cmocka_unit_test(an_unknown_user_is_an_error),
		cmocka_unit_test(capabilities_are_those_of_the_duty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
