/*
 * log.c: one line, one write.
 *
 * Standard error is shared with whoever started us, and O_NONBLOCK belongs to the open file, not to the
 * descriptor: it must not be set on theirs. So a pipe or a terminal is opened once more through /proc, which
 * gives us an open file of our own, and a socket (journald) is written with MSG_DONTWAIT.
 */
#include "hapair/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static const char *log_who = "hapair";
static int log_fd = STDERR_FILENO;
static bool log_is_socket, log_to_journal;
static enum log_level log_threshold = LOG_LEVEL_INFO;
static atomic_uint log_lost; /* lines since the last one that got out */
static atomic_bool log_torn; /* the last write ended in the middle of a line */

/* sd-daemon(3), systemd.exec(5): JOURNAL_STREAM is "device:inode" of the journal's end of our standard error.
 */
static bool is_journal(const struct stat *st)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && device == st->st_dev &&
	       inode == st->st_ino;
}

void log_init(const char *who)
{
	const char *level = getenv("HAPAIR_LOG");
	struct stat st;

	log_who = who;
	if (level && strcmp(level, "debug") == 0)
		log_threshold = LOG_LEVEL_DEBUG;
	/* Reads the time zone now: later there may be no file system to read it from. */
	tzset();
	if (fstat(STDERR_FILENO, &st) < 0)
		return;
	log_to_journal = is_journal(&st);
	log_is_socket = S_ISSOCK(st.st_mode);
	if (log_fd == STDERR_FILENO && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))) {
		int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

		if (fd >= 0)
			log_fd = fd;
	}
}

static ssize_t write_now(const char *p, size_t n)
{
	ssize_t written;

	do {
		written =
			log_is_socket ? send(log_fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL) : write(log_fd, p, n);
	} while (written < 0 && errno == EINTR);
	return written;
}

static void put(char *line, size_t n)
{
	ssize_t written;

	if (atomic_load(&log_torn)) {
		if (write_now("\n", 1) != 1) {
			atomic_fetch_add(&log_lost, 1);
			return;
		}
		atomic_store(&log_torn, false);
	}
	written = write_now(line, n);
	if (written == (ssize_t)n)
		return;
	atomic_fetch_add(&log_lost, 1);
	if (written > 0)
		atomic_store(&log_torn, true);
}

/* Returns the length, newline included; `line` has room for it. */
__attribute__((format(printf, 3, 0))) static size_t compose(char line[LINE_MAX_BYTES], enum log_level level,
							    const char *format, va_list args)
{
	const char *word = level == LOG_LEVEL_ERROR     ? "error: "
			   : level == LOG_LEVEL_WARNING ? "warning: "
							: "";
	size_t n;

	if (log_to_journal) {
		n = (size_t)snprintf(line, LINE_MAX_BYTES, "<%d>%s: ", level, log_who);
	} else {
		struct timespec now;
		struct tm tm;

		clock_gettime(CLOCK_REALTIME, &now);
		localtime_r(&now.tv_sec, &tm);
		n = (size_t)snprintf(line, LINE_MAX_BYTES, "%02d:%02d:%02d.%03ld %s: %s", tm.tm_hour,
				     tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000, log_who, word);
	}
	if (n > LINE_MAX_BYTES / 2)
		n = LINE_MAX_BYTES / 2;

	int text = vsnprintf(line + n, LINE_MAX_BYTES - n, format, args);

	if (text > 0) {
		size_t room = LINE_MAX_BYTES - 1 - n, whole = (size_t)text < room ? (size_t)text : room;

		for (size_t i = n; i < n + whole; i++) /* what came over a network must not forge a line */
			if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
				line[i] = '?';
		n += whole;
	}
	line[n++] = '\n';
	return n;
}

static void log_lost_lines(unsigned lost, ...)
{
	char line[LINE_MAX_BYTES];
	va_list args;

	va_start(args, lost);
	put(line, compose(line, LOG_LEVEL_WARNING, "%u lines of this log were lost", args));
	va_end(args);
}

__attribute__((format(printf, 2, 0))) static void log_valist(enum log_level level, const char *format,
							     va_list args)
{
	char line[LINE_MAX_BYTES];
	int saved = errno;
	unsigned lost = atomic_exchange(&log_lost, 0);

	if (lost) {
		log_lost_lines(lost, lost);
		if (atomic_load(&log_lost)) { /* still no room */
			atomic_store(&log_lost, lost + 1);
			errno = saved;
			return;
		}
	}
	put(line, compose(line, level, format, args));
	errno = saved;
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list args;

	if (level > log_threshold)
		return;
	va_start(args, format);
	log_valist(level, format, args);
	va_end(args);
}

void log_fatal(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_valist(LOG_LEVEL_ERROR, format, args);
	va_end(args);
	abort();
}
