/* rooms: hapair/base/role.c hapair/base/ipc.c hapair/base/msg.c hapair/base/log.c hapair/base/clock.c */
#include "hapair/base/role.h"
#include "tests/unit/role_harness.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/*
 * The role under test runs in a process of its own, as it always does; the test is its supervisor and its peers, with bare
 * blocking sockets. What the role sees it writes as one letter each into a pipe:
 * S start, c on_config, g on_gone, l on_link, m a message of a peer, s a secret, t on_stop, r a configuration released.
 */
static int trace_fd = -1;

static void trace(char c)
{
	if (write(trace_fd, &c, 1) != 1)
		abort();
}

static struct config_node the_node = {.name = "alpha"};

static struct config *read_config(int fd)
{
	struct config *config = calloc(1, sizeof(*config));
	char c = 'x';

	if (pread(fd, &c, 1, 0) != 1 || c == '!')
		return NULL;
	config->nodes = &the_node;
	config->n_nodes = 1;
	return config;
}

static void release_config(const struct config *config)
{
	trace('r');
	free((void *)config);
}

static const struct role_reader reader = {read_config, release_config};

static int start(struct role_runtime *rt)
{
	bool whole = rt->config && rt->node == 0 && strcmp(rt->node_name, "alpha") == 0 &&
		     rt->peers[ROLE_HEARTBEAT] && !rt->peers[ROLE_PROXY];

	trace(whole ? 'S' : '?');
	return 0;
}

static int start_fails(struct role_runtime *rt)
{
	return -EADDRINUSE;
}

static void on_message(struct role_runtime *rt, enum role from, enum msg_type type, const union msg_any *m,
		       int fd)
{
	if (fd >= 0)
		close(fd);
	trace(type == MSG_LISTENER ? 's' : 'm');
}

static void on_link(struct role_runtime *rt, enum role peer)
{
	trace('l');
}

static void on_gone(struct role_runtime *rt, enum role peer)
{
	trace('g');
}

static const struct config *held;

static void on_config(struct role_runtime *rt, const struct config *next)
{
	trace('c');
	held = rt->config;
	role_config_hold(held);
}

static void on_stop(struct role_runtime *rt)
{
	trace('t');
	if (held)
		role_config_drop(held);
	role_event(rt, "state", "", "active", "passive", 3, "%s", "the end");
	role_exit(rt, 0);
}

static const struct role_ops working = {
	.self = ROLE_ADMIN,
	.start = start,
	.on_message = on_message,
	.on_link = on_link,
	.on_gone = on_gone,
	.on_config = on_config,
	.on_stop = on_stop,
};

struct life {
	pid_t pid;
	int channel; /* ours */
	int trace;
};

static struct life begin(const struct role_ops *ops)
{
	struct life life;
	int channel[2], pipe_fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel), 0);
	assert_int_equal(pipe(pipe_fds), 0);
	life.pid = fork();
	if (life.pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		trace_fd = fcntl(pipe_fds[1], F_DUPFD, 50);
		dup2(null, STDERR_FILENO);
		dup2(channel[1], 40);
		close(channel[0]);
		close(channel[1]);
		dup2(40, ROLE_SUPERVISOR_FD);
		close(40);
		fcntl(ROLE_SUPERVISOR_FD, F_SETFL, O_NONBLOCK);
		_exit(role_run(ops, &reader, "alpha", "/run", "/state", NULL));
	}
	close(channel[1]);
	close(pipe_fds[1]);
	life.channel = channel[0];
	life.trace = pipe_fds[0];
	return life;
}

static void give_config(int channel, uint64_t generation, const char *text)
{
	FILE *f = tmpfile();

	fputs(text, f);
	fflush(f);
	give(channel, MSG_CONFIG, &(struct msg_config){.generation = generation}, fileno(f));
	fclose(f);
}

static void assert_traced(const struct life *life, const char *letters)
{
	char text[64];
	size_t n = strlen(letters);

	for (size_t i = 0; i < n; i++)
		if (read(life->trace, text + i, 1) != 1)
			text[i] = '.';
	text[n] = '\0';
	assert_string_equal(text, letters);
}

static int end(struct life *life)
{
	int wait_status;
	char c;

	assert_int_equal(waitpid(life->pid, &wait_status, 0), life->pid);
	assert_int_equal(read(life->trace, &c, 1), 0); /* nothing more was seen */
	close(life->trace);
	close(life->channel);
	return wait_status;
}

static void a_role_hears_nobody_before_it_has_started(void **state)
{
	struct life life = begin(&working);
	int heartbeat, fd = open("/dev/null", O_RDONLY);

	give(life.channel, MSG_LISTENER, &(struct msg_listener){1, 0, 0, 0}, fd);
	close(fd);
	give_config(life.channel, 1, "x");
	heartbeat = give_link(life.channel, ROLE_HEARTBEAT);
	give(heartbeat, MSG_STATE, &(struct msg_state){0}, -1); /* it was earlier than our BEGIN */
	assert_traced(&life, "s");
	give(life.channel, MSG_BEGIN, &nothing, -1);
	assert_int_equal(next_message(life.channel, NULL, 0), MSG_READY);
	assert_traced(&life, "Sm");
	give(life.channel, MSG_STOP, &nothing, -1);
	assert_traced(&life, "tr");
	assert_int_equal(end(&life), 0);
	close(heartbeat);
}

static void a_death_is_heard_before_the_new_life(void **state)
{
	struct life life = begin(&working);
	int old, new;

	give_config(life.channel, 1, "x");
	old = give_link(life.channel, ROLE_HEARTBEAT);
	give(life.channel, MSG_BEGIN, &nothing, -1);
	assert_int_equal(next_message(life.channel, NULL, 0), MSG_READY);
	/* The old channel is still open: the supervisor may be quicker than the end of a process. */
	new = give_link(life.channel, ROLE_HEARTBEAT);
	assert_traced(&life, "Sgl");
	close(old);
	give(new, MSG_STATE, &(struct msg_state){0}, -1);
	assert_traced(&life, "m");
	close(new);
	assert_traced(&life, "g");
	give(life.channel, MSG_STOP, &nothing, -1);
	assert_traced(&life, "tr");
	assert_int_equal(end(&life), 0);
}

static void a_configuration_lives_as_long_as_it_is_held(void **state)
{
	struct life life = begin(&working);
	int heartbeat;

	give_config(life.channel, 1, "x");
	heartbeat = give_link(life.channel, ROLE_HEARTBEAT);
	give(life.channel, MSG_BEGIN, &nothing, -1);
	assert_int_equal(next_message(life.channel, NULL, 0), MSG_READY);
	give_config(life.channel, 2, "y");
	give(life.channel, MSG_STOP, &nothing, -1);
	/* on_config holds the old one, so it is released when on_stop drops it; the new one at the end. */
	assert_traced(&life, "Sctrr");
	assert_int_equal(end(&life), 0);
	close(heartbeat);
}

static void a_role_ends_with_its_supervisor(void **state)
{
	struct life life = begin(&working);
	int heartbeat;

	give_config(life.channel, 1, "x");
	heartbeat = give_link(life.channel, ROLE_HEARTBEAT);
	give(life.channel, MSG_BEGIN, &nothing, -1);
	assert_int_equal(next_message(life.channel, NULL, 0), MSG_READY);
	shutdown(life.channel, SHUT_RDWR);
	assert_traced(&life, "S");
	assert_int_equal(end(&life), EXIT_FAILURE << 8);
	close(heartbeat);
}

static void a_role_that_cannot_start_says_so_by_its_exit(void **state)
{
	static const struct role_ops failing = {
		.self = ROLE_ADMIN, .start = start_fails, .on_message = on_message};
	struct life life = begin(&failing);

	give_config(life.channel, 1, "x");
	give(life.channel, MSG_BEGIN, &nothing, -1);
	assert_int_equal(next_message(life.channel, NULL, 0), MSG_COUNT);
	assert_traced(&life, "r");
	assert_int_equal(end(&life), EXIT_FAILURE << 8);
}

static void a_stop_before_the_start_is_no_failure(void **state)
{
	struct life life = begin(&working);

	give(life.channel, MSG_STOP, &nothing, -1);
	assert_int_equal(end(&life), 0);
}

static void a_configuration_that_cannot_be_read_ends_the_role(void **state)
{
	struct life life = begin(&working);
	int wait_status;

	give_config(life.channel, 1, "!");
	wait_status = end(&life);
	assert_true(WIFSIGNALED(wait_status));
	assert_int_equal(WTERMSIG(wait_status), SIGABRT);
}

static void the_signals_of_the_terminal_are_the_supervisors(void **state)
{
	struct life life = begin(&working);
	int heartbeat;

	give_config(life.channel, 1, "x");
	heartbeat = give_link(life.channel, ROLE_HEARTBEAT);
	give(life.channel, MSG_BEGIN, &nothing, -1);
	assert_int_equal(next_message(life.channel, NULL, 0), MSG_READY);
	kill(life.pid, SIGINT);
	kill(life.pid, SIGTERM);
	kill(life.pid, SIGHUP);
	give(heartbeat, MSG_STATE, &(struct msg_state){0}, -1);
	assert_traced(&life, "Sm");
	give(life.channel, MSG_STOP, &nothing, -1);
	assert_traced(&life, "tr");
	assert_int_equal(end(&life), 0);
	close(heartbeat);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_role_hears_nobody_before_it_has_started),
		cmocka_unit_test(a_death_is_heard_before_the_new_life),
		cmocka_unit_test(a_configuration_lives_as_long_as_it_is_held),
		cmocka_unit_test(a_role_ends_with_its_supervisor),
		cmocka_unit_test(a_role_that_cannot_start_says_so_by_its_exit),
		cmocka_unit_test(a_stop_before_the_start_is_no_failure),
		cmocka_unit_test(a_configuration_that_cannot_be_read_ends_the_role),
		cmocka_unit_test(the_signals_of_the_terminal_are_the_supervisors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
