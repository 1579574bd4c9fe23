/*
 * epoch_file.c: one number, replaced as a whole: written beside, fsynced, renamed, the directory fsynced.
 */
#include "heartbeat/epoch_file.h"

#include "hapair/base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/param.h>
#include <unistd.h>

#define NAME         "epoch"
#define NAME_NEW     "epoch.new"
#define THREAD_STACK (64 * 1024) /* small: it is locked into memory */

struct epoch_file {
	int directory, wake_fd;
	_Atomic uint64_t wanted;
	uint64_t written; /* the thread's */
	atomic_int error;
	atomic_bool stop;
	bool running;
	pthread_t thread;
};

static int read_epoch(int directory, uint64_t *ret)
{
	char text[32], *end;
	int fd = openat(directory, NAME, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	*ret = 0;
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return -errno;
	text[n] = 0;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	if (errno || text[0] < '0' || text[0] > '9' || strcmp(end, "\n") != 0) {
		*ret = 0;
		return -EBADMSG;
	}
	return 0;
}

static int write_whole(int fd, uint64_t epoch)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%" PRIu64 "\n", epoch);
	ssize_t written = write(fd, text, (size_t)n);

	if (written < 0)
		return -errno;
	if (written != n)
		return -ENOSPC;
	return fsync(fd) ? -errno : 0;
}

static int write_epoch(int directory, uint64_t epoch)
{
	int fd = openat(directory, NAME_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	int error;

	if (fd < 0)
		return -errno;
	error = write_whole(fd, epoch);
	if (close(fd) && !error)
		error = -errno;
	if (!error && renameat(directory, NAME_NEW, directory, NAME))
		error = -errno;
	if (!error && fsync(directory))
		error = -errno;
	return error;
}

static void write_what_is_wanted(struct epoch_file *file)
{
	uint64_t wanted = atomic_load(&file->wanted);
	int error, none = 0;

	if (wanted == file->written)
		return;
	error = write_epoch(file->directory, wanted);
	if (!error)
		file->written = wanted;
	else
		atomic_compare_exchange_strong(&file->error, &none, error);
}

/* What it opens and closes is its own; file->directory and file->wake_fd are copies of the role's. */
static void *thread_main(void *arg)
{
	struct epoch_file *file = arg;
	int fds[2] = {MIN(file->directory, file->wake_fd), MAX(file->directory, file->wake_fd)};
	uint64_t count;

	thread_keep_only(fds, 2);
	do {
		write_what_is_wanted(file);
		while (read(file->wake_fd, &count, sizeof(count)) < 0 && errno == EINTR)
			;
	} while (!atomic_load(&file->stop));
	write_what_is_wanted(file);
	return NULL;
}

int epoch_file_open(const char *state_dir, struct epoch_file **ret, uint64_t *ret_epoch)
{
	struct epoch_file *file = calloc(1, sizeof(*file));
	int error;

	if (!file)
		return -ENOMEM;
	file->wake_fd = eventfd(0, EFD_CLOEXEC);
	file->directory = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file->wake_fd < 0 || file->directory < 0) {
		error = -errno;
		epoch_file_close(file);
		return error;
	}
	error = read_epoch(file->directory, ret_epoch);
	if (error && error != -EBADMSG) {
		epoch_file_close(file);
		return error;
	}
	file->written = *ret_epoch;
	atomic_store(&file->wanted, *ret_epoch);
	*ret = file;
	return error;
}

int epoch_file_start(struct epoch_file *file)
{
	int error = thread_start(&file->thread, THREAD_STACK, thread_main, file);

	file->running = error == 0;
	return error;
}

void epoch_file_keep(struct epoch_file *file, uint64_t epoch)
{
	atomic_store(&file->wanted, epoch);
	thread_wake(file->wake_fd);
}

int epoch_file_error(struct epoch_file *file)
{
	return atomic_exchange(&file->error, 0);
}

void epoch_file_close(struct epoch_file *file)
{
	if (!file)
		return;
	if (file->running) {
		atomic_store(&file->stop, true);
		thread_wake(file->wake_fd);
		pthread_join(file->thread, NULL);
	}
	if (file->wake_fd >= 0)
		close(file->wake_fd);
	if (file->directory >= 0)
		close(file->directory);
	free(file);
}
