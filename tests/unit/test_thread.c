/* rooms: hapair/base/thread.c
 *
 * test_thread.c: a helper thread holds no descriptor of its role that it does not use.
 */
#include "hapair/base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct helper {
	int keep[2], other;
	int result;
	bool kept, closed;
	int wait, tell; /* pipes: goes on when `wait` can be read; says that it is ready on `tell` */
};

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void *helper_main(void *arg)
{
	struct helper *h = arg;
	char byte = 1;

	h->result = thread_keep_only(h->keep, 2);
	h->kept = is_open(h->keep[0]) && is_open(h->keep[1]);
	h->closed = !is_open(h->other) && errno == EBADF;
	(void)!write(h->tell, &byte, 1);
	(void)!read(h->wait, &byte, 1);
	return NULL;
}

static void a_channel_ends_with_the_main_thread_though_a_helper_lives_on(void **state)
{
	int channel[2], wait[2], tell[2];
	struct helper h = {0};
	pthread_t thread;
	char byte;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channel), 0);
	assert_int_equal(pipe(wait), 0);
	assert_int_equal(pipe(tell), 0);
	h = (struct helper){.keep = {wait[0], tell[1]}, .other = channel[1], .wait = wait[0], .tell = tell[1]};
	assert_int_equal(thread_start(&thread, 64 * 1024, helper_main, &h), 0);
	assert_int_equal(read(tell[0], &byte, 1), 1);
	assert_int_equal(h.result, 0);
	assert_true(h.kept);
	assert_true(h.closed);

	/* The role closes its end (as its death would); the helper is still there, and the other end sees it. */
	close(channel[1]);
	struct pollfd end = {.fd = channel[0], .events = POLLIN};
	assert_int_equal(poll(&end, 1, 0), 1);
	assert_true(end.revents & POLLHUP);
	assert_true(is_open(wait[1]));

	(void)!write(wait[1], "", 1);
	pthread_join(thread, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_channel_ends_with_the_main_thread_though_a_helper_lives_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
