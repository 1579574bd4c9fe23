/* rooms: hapair/base/log.c */
#include "hapair/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Runs `write` in a process whose standard error is `fd`, since the log belongs to a whole process. */
static void in_child(int fd, void (*write_lines)(void))
{
	int wait_status;
	pid_t pid = fork();

	if (pid == 0) {
		dup2(fd, STDERR_FILENO);
		write_lines();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &wait_status, 0), pid);
	assert_int_equal(wait_status, 0);
}

static size_t read_all(int fd, char *out, size_t size)
{
	size_t n = 0;
	ssize_t got;

	while (n < size - 1 && (got = read(fd, out + n, size - 1 - n)) > 0)
		n += (size_t)got;
	out[n] = '\0';
	return n;
}

static void pair_of(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

static void write_hostile_line(void)
{
	log_init("proxy");
	log_warning("path %s", "/a\n<0>forged\r\x1b[2J");
}

static void control_characters_cannot_forge_a_line(void **state)
{
	char text[4096];
	int fds[2];

	pair_of(fds);
	in_child(fds[1], write_hostile_line);
	read_all(fds[0], text, sizeof(text));
	assert_non_null(strstr(text, " proxy: warning: path /a?<0>forged??[2J\n"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	close(fds[0]);
	close(fds[1]);
}

static void write_long_line(void)
{
	char text[3000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_init("proxy");
	log_info("%s", text);
	log_info("next");
}

static void a_line_never_exceeds_1024_bytes(void **state)
{
	char text[8192], *end;
	int fds[2];

	pair_of(fds);
	in_child(fds[1], write_long_line);
	read_all(fds[0], text, sizeof(text));
	end = strchr(text, '\n');
	assert_non_null(end);
	assert_int_equal(end - text + 1, 1024);
	assert_non_null(strstr(end, "proxy: next\n"));
	close(fds[0]);
	close(fds[1]);
}

static int journal_socket;

static void write_to_journal(void)
{
	struct stat st;
	char stream[64];

	fstat(journal_socket, &st);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init("heartbeat");
	log_error("broken");
	log_info("fine");
	log_debug("not shown");
}

static void the_journal_gets_the_level_in_front(void **state)
{
	char text[4096];
	int fds[2];

	pair_of(fds);
	journal_socket = fds[1];
	in_child(fds[1], write_to_journal);
	read_all(fds[0], text, sizeof(text));
	assert_string_equal(text, "<3>heartbeat: broken\n<6>heartbeat: fine\n");
	close(fds[0]);
	close(fds[1]);
}

static int stuck_reader;

/* Fills a pipe that nobody reads, then makes room: the log must come back by itself, and say what was lost. */
static void overflow(void)
{
	char bytes[65536];

	log_init("admin");
	for (int i = 0; i < 3000; i++)
		log_info("line %d of a burst that nobody reads in time", i);
	while (read(stuck_reader, bytes, sizeof(bytes)) > 0)
		;
	log_info("after");
	size_t n = read_all(stuck_reader, bytes, sizeof(bytes));
	bool good = strstr(bytes, " lines of this log were lost\n") && n > 7 &&
		    strcmp(bytes + n - 7, " after\n") == 0;
	_exit(good ? 0 : 3);
}

static void a_full_pipe_loses_lines_but_never_blocks(void **state)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	stuck_reader = fds[0];
	in_child(fds[1], overflow);
	/* The other users of the same open file keep their blocking mode. */
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	close(fds[0]);
	close(fds[1]);
}

static void write_with_errno(void)
{
	log_init("proxy");
	errno = EADDRINUSE;
	log_info("x");
	_exit(errno == EADDRINUSE ? 0 : 1);
}

static void errno_survives_a_line(void **state)
{
	int fd = open("/dev/null", O_WRONLY);

	in_child(fd, write_with_errno);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_characters_cannot_forge_a_line),
		cmocka_unit_test(a_line_never_exceeds_1024_bytes),
		cmocka_unit_test(the_journal_gets_the_level_in_front),
		cmocka_unit_test(a_full_pipe_loses_lines_but_never_blocks),
		cmocka_unit_test(errno_survives_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
