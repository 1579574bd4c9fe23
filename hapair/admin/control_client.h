/*
 * control_client.h: the commands' side of the control socket: HTTP/1.0 over RUNDIR/control.sock, blocking,
 * bounded in time.
 *
 * HTTP/1.0 because then an answer ends where the connection ends and nothing has to be unchunked.
 */
#ifndef HAPAIR_CONTROL_CLIENT_H
#define HAPAIR_CONTROL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define CONTROL_ANSWER_MAX (32 * 1024 * 1024) /* bytes; a longer answer is an error */
#define CONTROL_TIMEOUT_S  10                 /* without a byte, for what is answered at once */
#define CONTROL_FOREVER    0                  /* for a stream */

/* RUNDIR/control.sock, malloc'd. */
char *control_path(const char *run_dir);

/*
 * One request. `method` is GET or POST, `target` starts with '/'. On 0, *ret_status is the HTTP status and
 * *ret_body the body, malloc'd, terminated. Negative errno: -ENOENT, -ECONNREFUSED (no daemon), -EACCES,
 * -ETIMEDOUT, -EPIPE (ended in the middle), -EPROTO (not an HTTP answer), -EFBIG, -ENAMETOOLONG.
 */
int control_request(const char *run_dir, const char *method, const char *target, unsigned timeout_s,
		    int *ret_status, char **ret_body);

/* A stream of lines: each is given to on_line without its newline, until the end, or until on_line returns
 * false (then 0). */
int control_stream(const char *run_dir, const char *target, int *ret_status,
		   bool (*on_line)(void *ctx, const char *line), void *ctx);

/* Is it an error that says that no daemon is running? */
bool control_no_daemon(int error);

/* Says to `to` what went wrong and what to do about it, one line. */
void control_explain(const char *run_dir, int error, FILE *to);

#endif
