/*
 * access_log.c: see access_log.h.
 *
 * A line is put together in two parts, because the head of the request is gone when its status is known:
 *   access_request()   "GET /a HTTP/1.1" TAB "referer" "agent"      kept by the session
 *   access_line()      puts status and bytes in the place of the tab
 */
#include "proxy/access_log.h"

#include "hapair/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_REST 1024 /* all of a line but the request part */

static int open_file(const char *where)
{
	return open(where, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

int access_log_open(struct access_log *log, const char *where, const char *user)
{
	*log = (struct access_log){.fd = -1};
	int r;
	if (strcmp(where, "journal") == 0) {
		log->fd = sd_journal_stream_fd("hapair-access", 6 /* LOG_INFO */, 0);
		/* Not under systemd: with the other lines. */
		if (log->fd < 0)
			log->fd = dup(STDERR_FILENO);
		else
			fcntl(log->fd, F_SETFL, fcntl(log->fd, F_GETFL) | O_NONBLOCK);
		log->enabled = true;
	} else if (strcmp(where, "off") == 0) {
		log->fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	} else {
		log->fd = open_file(where);
		const struct passwd *pw = *user != '\0' && geteuid() == 0 ? getpwnam(user) : NULL;
		if (log->fd >= 0 && pw != NULL && fchown(log->fd, pw->pw_uid, pw->pw_gid) < 0)
			log_warning("access log %s stays root's: %s", where, strerror(errno));
		log->enabled = true;
	}
	if (log->fd >= 0)
		return 0;
	r = -errno;
	log_error("access log %s: %s", where, strerror(-r));
	return r;
}

void access_log_reopen(struct access_log *log, const char *where)
{
	if (strcmp(where, "off") == 0) {
		__atomic_store_n(&log->enabled, false, __ATOMIC_RELAXED);
		return;
	}
	/* The journal's socket can't be opened any more from inside the sandbox; one that is open goes on. */
	if (strcmp(where, "journal") == 0) {
		if (!access_log_enabled(log))
			dup2(STDERR_FILENO, log->fd);
		__atomic_store_n(&log->enabled, true, __ATOMIC_RELAXED);
		return;
	}
	int fd = open_file(where);
	if (fd < 0) {
		log_warning("access log %s can't be opened again, the old one goes on: %s", where,
			    strerror(errno));
		return;
	}
	/* In one step, whatever the workers are just writing. */
	dup3(fd, log->fd, O_CLOEXEC);
	close(fd);
	__atomic_store_n(&log->enabled, true, __ATOMIC_RELAXED);
}

void access_batch_init(struct access_batch *batch, struct access_log *log)
{
	batch->log = log;
	batch->n = 0;
	batch->lines = 0;
	batch->second = -1;
}

static size_t put(char *out, size_t at, size_t size, struct span text)
{
	size_t n = text.n < size - at ? text.n : size - at;
	memcpy(out + at, text.p, n);
	return at + n;
}

/* In quotes; what could end the quotes or the line is written \xHH. What does not fit is cut. */
static size_t put_quoted(char *out, size_t at, size_t size, struct span text)
{
	static const char hex[] = "0123456789ABCDEF";
	if (size - at < 8)
		return at;
	out[at++] = '"';
	for (size_t i = 0; i < text.n && size - at >= 8; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c < 0x20 || c == 0x7f || c == '"' || c == '\\') {
			out[at++] = '\\';
			out[at++] = 'x';
			out[at++] = hex[c >> 4];
			out[at++] = hex[c & 15];
		} else {
			out[at++] = (char)c;
		}
	}
	out[at++] = '"';
	return at;
}

size_t access_request(char *out, size_t size, struct span method, struct span target, unsigned minor,
		      struct span referer, struct span agent)
{
	size_t n = put_quoted(out, 0, size, method);
	/* The method's closing quote gives way to the target's opening one. */
	if (n > 0)
		n--;
	size_t quote = n;
	n = put_quoted(out, n, size, target);
	if (n > quote)
		out[quote] = ' ';
	if (n > 0)
		n--;
	n = put(out, n, size, minor == 0 ? SPAN(" HTTP/1.0\"\t") : SPAN(" HTTP/1.1\"\t"));
	n = put_quoted(out, n, size, referer.n > 0 ? referer : SPAN("-"));
	n = put(out, n, size, SPAN(" "));
	return put_quoted(out, n, size, agent.n > 0 ? agent : SPAN("-"));
}

static void show_time(struct access_batch *batch, int64_t second)
{
	time_t t = (time_t)second;
	struct tm tm;
	gmtime_r(&t, &tm);
	strftime(batch->time, sizeof(batch->time), "%d/%b/%Y:%H:%M:%S +0000", &tm);
	batch->second = second;
}

void access_line(struct access_batch *batch, const struct access_entry *e)
{
	char client[IP_TEXT_MAX];
	if (batch->n + e->request.n + LINE_MAX_REST > ACCESS_BATCH)
		access_flush(batch);
	if (e->request.n + LINE_MAX_REST > ACCESS_BATCH)
		return;
	if (e->wall_ms / 1000 != batch->second)
		show_time(batch, e->wall_ms / 1000);
	const char *tab = memchr(e->request.p, '\t', e->request.n);
	int head = tab != NULL ? (int)(tab - e->request.p) : (int)e->request.n;
	int tail = tab != NULL ? (int)e->request.n - head - 1 : 0;
	int n = snprintf(batch->bytes + batch->n, ACCESS_BATCH - batch->n,
			 "%s - - [%s] %.*s %u %llu %.*s %s %s%s%s %lld %u\n", ip_format(&e->client, client),
			 batch->time, head, e->request.p, e->status, (unsigned long long)e->bytes, tail,
			 tab != NULL ? tab + 1 : "", e->listener, *e->pool != '\0' ? e->pool : "-",
			 *e->server != '\0' ? "/" : "", e->server, (long long)(e->took / NS_PER_US),
			 e->tries);
	if (n > 0 && (size_t)n < ACCESS_BATCH - batch->n) {
		batch->n += (size_t)n;
		batch->lines++;
	}
}

void access_flush(struct access_batch *batch)
{
	if (batch->n == 0)
		return;
	ssize_t r;
	do {
		r = write(batch->log->fd, batch->bytes, batch->n);
	} while (r < 0 && errno == EINTR);
	/* A line is of use only whole: what was cut is given up rather than continued among another worker's. */
	if (r < (ssize_t)batch->n)
		__atomic_add_fetch(&batch->log->lost, batch->lines, __ATOMIC_RELAXED);
	batch->n = 0;
	batch->lines = 0;
}
