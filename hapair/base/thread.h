/*
 * thread.h: a helper thread that waits for the kernel so that its role need not.
 *
 * Such a thread may be stuck in the kernel (a disk, the lock of all interfaces) when its process is killed, and a process's
 * descriptors are closed when its last thread has gone: its neighbours would learn of its death late. So it keeps a table of
 * descriptors of its own with only those that it uses, and the channels of the role close with the main thread.
 */
#ifndef HAPAIR_BASE_THREAD_H
#define HAPAIR_BASE_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* Signals are blocked in it; they are the loop's business. `stack` in bytes. 0 or negative errno. */
int thread_start(pthread_t *ret, size_t stack, void *(*main)(void *), void *arg);

/* Of the calling thread, to be called first: own descriptors, and of them only `fds`, in rising order. 0 or negative errno;
 * going on without it is safe. */
int thread_keep_only(const int *fds, size_t n);

/* A mutex between a helper and its role; it inherits priority: who holds it is as real-time as who waits for it. */
void thread_lock_init(pthread_mutex_t *lock);

/* Makes an eventfd readable. Never waits: a counter that cannot take one more has woken its reader long ago. */
void thread_wake(int fd);

#endif
