/*
 * control_client.c: a socket, one request, and the answer up to the end of the connection.
 */
#include "hapair/admin/control_client.h"
#include "hapair/base/invocation.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD_MAX 8192

char *control_path(const char *run_dir)
{
	char *path;

	return asprintf(&path, "%s/%s", run_dir, INVOCATION_CONTROL) < 0 ? NULL : path;
}

/* A connected socket that gives up after `timeout_s` without progress, or negative errno. */
static int control_connect(const char *run_dir, unsigned timeout_s)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval timeout = {.tv_sec = timeout_s};
	char *path = control_path(run_dir);
	int fd, r = 0;

	if (!path)
		return -ENOMEM;
	if (strlen(path) >= sizeof(address.sun_path)) {
		free(path);
		return -ENAMETOOLONG;
	}
	strcpy(address.sun_path, path);
	free(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static int timed(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK ? -ETIMEDOUT : -error;
}

static int send_request(int fd, const char *method, const char *target)
{
	char *request;
	int n = asprintf(&request, "%s %s HTTP/1.0\r\nHost: hapair\r\nContent-Length: 0\r\n\r\n", method,
			 target);
	int r = 0;

	if (n < 0)
		return -ENOMEM;
	for (int done = 0; r == 0 && done < n;) {
		ssize_t sent = send(fd, request + done, (size_t)(n - done), MSG_NOSIGNAL);

		if (sent >= 0)
			done += (int)sent;
		else if (errno != EINTR)
			r = timed(errno);
	}
	free(request);
	return r;
}

/* Some bytes, 0 at the end, or negative errno. */
static ssize_t receive(int fd, char *buffer, size_t n)
{
	ssize_t got;

	do
		got = recv(fd, buffer, n, 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? timed(errno) : got;
}

struct head {
	int status;
	int64_t length; /* of the body; -1: up to the end of the connection */
};

/* The head in `text`, terminated, without its last empty line. */
static int parse_head(const char *text, struct head *ret)
{
	const char *line;

	ret->length = -1;
	if (sscanf(text, "HTTP/%*1d.%*1d %3d", &ret->status) != 1)
		return -EPROTO;
	for (line = strstr(text, "\r\n"); line; line = strstr(line + 2, "\r\n"))
		if (strncasecmp(line + 2, "Content-Length:", 15) == 0)
			ret->length = strtoll(line + 2 + 15, NULL, 10);
	return ret->length < -1 ? -EPROTO : 0;
}

/* Reads the head; what came of the body already is left at the start of `buffer`, *ret_n bytes. */
static int receive_head(int fd, char buffer[HEAD_MAX + 1], struct head *ret, size_t *ret_n)
{
	size_t n = 0;

	for (;;) {
		ssize_t got = receive(fd, buffer + n, HEAD_MAX - n);
		char *end;
		int r;

		if (got <= 0)
			return got < 0 ? (int)got : n ? -EPROTO : -EPIPE;
		n += (size_t)got;
		buffer[n] = '\0';
		end = strstr(buffer, "\r\n\r\n");
		if (end) {
			*end = '\0';
			r = parse_head(buffer, ret);
			*ret_n = n - (size_t)(end + 4 - buffer);
			memmove(buffer, end + 4, *ret_n);
			return r;
		}
		if (n == HEAD_MAX)
			return -EPROTO;
	}
}

static int receive_body(int fd, const char *first, size_t n, int64_t length, char **ret)
{
	size_t room = 65536;
	char *body = malloc(room + 1), *grown;
	ssize_t got = 1;

	if (!body)
		return -ENOMEM;
	memcpy(body, first, n); /* at most HEAD_MAX */
	while (got > 0 && (length < 0 || n < (size_t)length)) {
		if (n == room) {
			room *= 2;
			grown = room > CONTROL_ANSWER_MAX ? NULL : realloc(body, room + 1);
			if (!grown) {
				free(body);
				return -EFBIG;
			}
			body = grown;
		}
		got = receive(fd, body + n, room - n);
		if (got > 0)
			n += (size_t)got;
	}
	if (got < 0 || (length >= 0 && n < (size_t)length)) {
		free(body);
		return got < 0 ? (int)got : -EPIPE;
	}
	body[n] = '\0';
	*ret = body;
	return 0;
}

int control_request(const char *run_dir, const char *method, const char *target, unsigned timeout_s,
		    int *ret_status, char **ret_body)
{
	char buffer[HEAD_MAX + 1];
	struct head head;
	size_t n;
	int fd = control_connect(run_dir, timeout_s), r;

	if (fd < 0)
		return fd;
	r = send_request(fd, method, target);
	if (r == 0)
		r = receive_head(fd, buffer, &head, &n);
	if (r == 0)
		r = receive_body(fd, buffer, n, head.length, ret_body);
	if (r == 0)
		*ret_status = head.status;
	close(fd);
	return r;
}

int control_stream(const char *run_dir, const char *target, int *ret_status,
		   bool (*on_line)(void *ctx, const char *line), void *ctx)
{
	char buffer[HEAD_MAX + 1];
	struct head head;
	size_t n;
	int fd = control_connect(run_dir, CONTROL_FOREVER), r;
	ssize_t got = 1;

	if (fd < 0)
		return fd;
	r = send_request(fd, "GET", target);
	if (r == 0)
		r = receive_head(fd, buffer, &head, &n);
	if (r < 0)
		goto out;
	*ret_status = head.status;
	while (got > 0) {
		char *line = buffer, *end;

		while ((end = memchr(line, '\n', n - (size_t)(line - buffer)))) {
			*end = '\0';
			if (*line && !on_line(ctx, line))
				goto out;
			line = end + 1;
		}
		n -= (size_t)(line - buffer);
		memmove(buffer, line, n);
		if (n == HEAD_MAX) {
			r = -EPROTO;
			goto out;
		}
		got = receive(fd, buffer + n, HEAD_MAX - n);
		if (got > 0)
			n += (size_t)got;
	}
	r = got < 0 ? (int)got : 0;
out:
	close(fd);
	return r;
}

bool control_no_daemon(int error)
{
	return error == -ENOENT || error == -ECONNREFUSED || error == -ENOTDIR;
}

void control_explain(const char *run_dir, int error, FILE *to)
{
	const char *what = strerror(-error), *hint = "";

	switch (-error) {
	case ENOENT:
	case ENOTDIR:
	case ECONNREFUSED:
		fprintf(to,
			"hapair: no daemon answers at %s/%s (%s); start it with `hapair run`, or name its "
			"directory with -r\n",
			run_dir, INVOCATION_CONTROL, what);
		return;
	case EACCES:
	case EPERM:
		hint = "; only root may command the node, others can read from the addresses of admin.bind";
		break;
	case ETIMEDOUT:
		what = "no answer in time";
		break;
	case EPIPE:
	case ECONNRESET:
		what = "the connection ended before the answer was whole";
		break;
	case EPROTO:
		what = "what came back is not an answer of hapair";
		break;
	case EFBIG:
		what = "the answer is too large";
		break;
	}
	fprintf(to, "hapair: %s/%s: %s%s\n", run_dir, INVOCATION_CONTROL, what, hint);
}
