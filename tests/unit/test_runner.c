/* rooms: hapair/runner.c hapair/base/role.c hapair/base/sandbox.c hapair/base/ipc.c hapair/base/msg.c hapair/base/log.c hapair/base/clock.c */
#include "hapair/runner.h"

#include "hapair/base/log.h"
#include "tests/unit/role_harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

/*
 * The runner in a process of its own; the test sends it hooks as heartbeat and reads its events as admin. Hooks are shell scripts
 * in a directory that is removed at the end. Nothing sleeps: the test waits for events.
 */
static char directory[] = "/tmp/hapair-test-runner.XXXXXX";
static char paths[5][128]; /* active, passive, fault, server_down, server_up */
static struct config_node the_node = {.name = "alpha"};
static nanos hook_timeout = SECONDS(30);

static struct config *read_config(int fd)
{
	struct config *config = calloc(1, sizeof(*config));

	config->nodes = &the_node;
	config->n_nodes = 1;
	config->notify.active = paths[0];
	config->notify.passive = paths[1];
	config->notify.fault = paths[2];
	config->notify.server_down = paths[3];
	config->notify.server_up = ""; /* not configured */
	config->notify.user = "";
	config->notify.timeout = hook_timeout;
	return config;
}

static void release_config(const struct config *config)
{
	free((void *)config);
}

static void script(int which, const char *name, const char *body)
{
	FILE *f;

	snprintf(paths[which], sizeof(paths[which]), "%s/%s", directory, name);
	f = fopen(paths[which], "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", body);
	fclose(f);
	assert_int_equal(chmod(paths[which], 0755), 0);
}

struct life {
	pid_t pid;
	int channel, heartbeat, admin, log;
};

static struct life begin(void)
{
	static const struct role_reader reader = {read_config, release_config};
	struct life life;
	int channel[2], log_pipe[2];
	FILE *bundle = tmpfile();

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel), 0);
	assert_int_equal(pipe2(log_pipe, O_CLOEXEC), 0);
	life.pid = fork();
	if (life.pid == 0) {
		dup2(log_pipe[1], STDERR_FILENO);
		dup2(channel[1], 40);
		close(channel[0]);
		close(channel[1]);
		dup2(40, ROLE_SUPERVISOR_FD);
		close(40);
		fcntl(ROLE_SUPERVISOR_FD, F_SETFL, O_NONBLOCK);
		_exit(role_run(&runner_role, &reader, "alpha", "/run", "/state", NULL));
	}
	close(channel[1]);
	close(log_pipe[1]);
	life.channel = channel[0];
	life.log = log_pipe[0];
	give(life.channel, MSG_CONFIG, &(struct msg_config){.generation = 1}, fileno(bundle));
	fclose(bundle);
	life.heartbeat = give_link(life.channel, ROLE_HEARTBEAT);
	life.admin = give_link(life.channel, ROLE_ADMIN);
	give(life.channel, MSG_BEGIN, &(struct msg_empty){0}, -1);
	assert_int_equal(next_message(life.channel, NULL, 0), MSG_READY);
	return life;
}

/* Its exit status, and all that it logged. */
static int end(struct life *life, char *log, size_t size)
{
	int wait_status;
	size_t n = 0;
	ssize_t got;

	close(life->heartbeat); /* ends first, as in a node's stop */
	give(life->channel, MSG_STOP, &(struct msg_empty){0}, -1);
	assert_int_equal(waitpid(life->pid, &wait_status, 0), life->pid);
	while (log && n < size - 1 && (got = read(life->log, log + n, size - 1 - n)) > 0)
		n += (size_t)got;
	if (log)
		log[n] = '\0';
	close(life->channel);
	close(life->admin);
	close(life->log);
	return wait_status;
}

static void hook(struct life *life, const char *event, uint64_t epoch)
{
	struct msg_hook m = {.epoch = epoch};

	MSG_TEXT(m.event, event);
	MSG_TEXT(m.pool, "web");
	MSG_TEXT(m.server, "s1");
	MSG_TEXT(m.reason, "two words; rm -rf /");
	give(life->heartbeat, MSG_HOOK, &m, -1);
}

static struct msg_event next_event(struct life *life)
{
	struct msg_event event;

	assert_int_equal(next_message(life->admin, &event, sizeof(event)), MSG_EVENT);
	return event;
}

static void assert_event(struct life *life, const char *subject, const char *to, const char *reason)
{
	struct msg_event event = next_event(life);

	assert_string_equal(event.type, "hook");
	assert_string_equal(event.subject, subject);
	assert_string_equal(event.to, to);
	if (!strstr(event.reason, reason))
		fail_msg("the reason is \"%s\"", event.reason);
}

static void a_hook_is_told_what_happened_and_its_words_are_logged(void **state)
{
	char log[8192];
	struct life life;

	script(0, "active",
	       "echo "
	       "\"$HAPAIR_EVENT/$HAPAIR_NODE/$HAPAIR_EPOCH/$HAPAIR_POOL/$HAPAIR_SERVER/$HAPAIR_REASON\"\n"
	       "pwd; test -z \"$HOME\" && echo no home; printf 'no newline'");
	life = begin();
	hook(&life, "active", 7);
	assert_event(&life, "active", "done", "exit status 0, web/s1 after ");
	assert_int_equal(end(&life, log, sizeof(log)), 0);
	assert_non_null(strstr(log, "active says: active/alpha/7/web/s1/two words; rm -rf /\n"));
	assert_non_null(strstr(log, "active says: /\n"));
	assert_non_null(strstr(log, "active says: no home\n"));
	assert_non_null(strstr(log, "active says: no newline\n"));
}

static void hooks_run_one_at_a_time_in_the_order_of_the_events(void **state)
{
	char body[256];
	struct life life;

	/* Each fails unless it is alone and the one before has finished. */
	snprintf(body, sizeof(body), "mkdir %s/lock || exit 9; read x </dev/null; rmdir %s/lock", directory,
		 directory);
	script(0, "active", body);
	script(1, "passive", body);
	script(2, "fault", body);
	life = begin();
	for (uint64_t i = 0; i < 5; i++) {
		hook(&life, "active", i);
		hook(&life, "passive", i);
		hook(&life, "fault", i);
	}
	for (int i = 0; i < 5; i++) {
		assert_event(&life, "active", "done", "exit status 0");
		assert_event(&life, "passive", "done", "exit status 0");
		assert_event(&life, "fault", "done", "exit status 0");
	}
	assert_int_equal(end(&life, NULL, 0), 0);
}

static void a_hook_that_takes_too_long_is_ended_with_all_that_it_started(void **state)
{
	struct msg_event event;
	struct life life;

	/* Deaf to SIGTERM, with a child that would hold the log's pipe open for ever. */
	script(0, "active", "trap '' TERM\n(while :; do sleep 0.05; done) &\nwhile :; do sleep 0.05; done");
	script(1, "passive", "exit 0");
	hook_timeout = MS(200);
	life = begin();
	hook_timeout = SECONDS(30);
	hook(&life, "active", 1);
	hook(&life, "passive", 2);
	assert_event(&life, "active", "failed", "took too long");
	event = next_event(&life); /* the queue goes on; on a slow machine this one is too late as well */
	assert_string_equal(event.subject, "passive");
	assert_int_equal(end(&life, NULL, 0), 0);
}

static void failures_are_events_and_stop_nothing(void **state)
{
	struct life life;

	script(0, "active", "exit 3");
	script(1, "passive", "kill -SEGV $$");
	script(2, "fault", "exit 0");
	snprintf(paths[3], sizeof(paths[3]), "%s/missing", directory);
	life = begin();
	hook(&life, "active", 1);
	hook(&life, "passive", 1);
	hook(&life, "server_down", 1);
	hook(&life, "server_up", 1); /* not configured: nothing happens */
	hook(&life, "fault", 1);
	assert_event(&life, "active", "failed", "exit status 3");
	assert_event(&life, "passive", "failed", "SIGSEGV");
	assert_event(&life, "server_down", "failed", "exit status 127");
	assert_event(&life, "fault", "done", "exit status 0");
	assert_int_equal(end(&life, NULL, 0), 0);
}

static void what_waits_at_the_end_is_still_run(void **state)
{
	char log[8192];
	struct life life;

	script(0, "active", "exit 0");
	script(1, "passive", "echo the last word");
	life = begin();
	hook(&life, "active", 1);
	hook(&life, "passive", 1);
	assert_event(&life, "active", "done", "exit status 0");
	assert_int_equal(end(&life, log, sizeof(log)), 0);
	assert_non_null(strstr(log, "passive says: the last word\n"));
}

static void the_last_word_of_heartbeat_is_heard_although_the_stop_came_first(void **state)
{
	char log[8192];
	struct life life;

	script(1, "passive", "echo the last word");
	life = begin();
	give(life.channel, MSG_STOP, &(struct msg_empty){0}, -1);
	hook(&life, "passive", 1);
	assert_event(&life, "passive", "done", "exit status 0");
	assert_int_equal(end(&life, log, sizeof(log)), 0);
	assert_non_null(strstr(log, "passive says: the last word\n"));
}

static void a_full_queue_drops_the_oldest(void **state)
{
	char body[256];
	struct life life;
	unsigned dropped = 0, done = 0;
	uint64_t last = 0;
	int gate;

	/* The first hook holds the queue until the test opens the gate. */
	snprintf(body, sizeof(body), "read x <%s/gate; exit 0", directory);
	script(0, "active", body);
	snprintf(paths[1], sizeof(paths[1]), "%s/missing", directory); /* fails quickly */
	snprintf(body, sizeof(body), "%s/gate", directory);
	assert_int_equal(mkfifo(body, 0600), 0);
	life = begin();
	hook(&life, "active", 0);
	for (uint64_t i = 1; i <= 300; i++)
		hook(&life, "passive", i);
	while (dropped < 44) { /* 256 wait */
		struct msg_event event = next_event(&life);

		assert_string_equal(event.to, "dropped");
		assert_int_equal(event.epoch, ++dropped);
	}
	gate = open(body, O_WRONLY);
	close(gate);
	assert_event(&life, "active", "done", "");
	while (done < 256) {
		struct msg_event event = next_event(&life);

		assert_string_equal(event.to, "failed");
		last = event.epoch;
		done++;
	}
	assert_int_equal(last, 300);
	assert_int_equal(end(&life, NULL, 0), 0);
	unlink(body);
}

static int make_directory(void **state)
{
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	static const char *const names[] = {"active", "passive", "fault", "gate"};
	char path[160];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hook_is_told_what_happened_and_its_words_are_logged),
		cmocka_unit_test(hooks_run_one_at_a_time_in_the_order_of_the_events),
		cmocka_unit_test(a_hook_that_takes_too_long_is_ended_with_all_that_it_started),
		cmocka_unit_test(failures_are_events_and_stop_nothing),
		cmocka_unit_test(what_waits_at_the_end_is_still_run),
		cmocka_unit_test(the_last_word_of_heartbeat_is_heard_although_the_stop_came_first),
		cmocka_unit_test(a_full_queue_drops_the_oldest),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
