/*
 * log.h: one line to standard error; under systemd with a priority prefix (sd-daemon(3)), so that journald has the level.
 *
 * Only shells log; pure rooms return reasons. A line never exceeds 1,024 bytes, control characters are replaced, and
 * writing never blocks a role longer than the kernel takes to accept one line (standard error is made non-blocking only
 * where that cannot disturb a shared terminal; a lost line is counted and reported with the next one).
 */
#ifndef HAPAIR_BASE_LOG_H
#define HAPAIR_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* `who` is shown before each line, for example "heartbeat"; it must outlive the process. Threshold from HAPAIR_LOG=debug. */
void log_init(const char *who);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* A broken invariant: says so and ends the role; the supervisor starts it again. */
void log_fatal(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
