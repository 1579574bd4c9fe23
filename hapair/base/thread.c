/*
 * thread.c: start helper threads, and keep the role's descriptors from outliving it in them.
 */
#include "hapair/base/thread.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

int thread_start(pthread_t *ret, size_t stack, void *(*main)(void *), void *arg)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int error;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, stack);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(ret, &attributes, main, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return -error;
}

int thread_keep_only(const int *fds, size_t n)
{
	unsigned from = 0;

	if (unshare(CLONE_FILES) < 0)
		return -errno;
	for (size_t i = 0; i <= n; i++) {
		unsigned to = i < n ? (unsigned)fds[i] : UINT_MAX;

		if (to > from && close_range(from, i < n ? to - 1 : UINT_MAX, 0) < 0)
			return -errno;
		from = to + 1;
	}
	return 0;
}

void thread_lock_init(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
}

void thread_wake(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		return;
}
