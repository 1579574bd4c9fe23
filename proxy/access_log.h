/*
 * access_log.h: a line for each request, in the combined format that log readers know, with what a balancer knows behind it.
 *
 *   10.0.0.9 - - [24/Nov/2026:04:08:06 +0000] "GET /a HTTP/1.1" 200 512 "-" "curl/7.88" public web/s1 843 1
 *   client       when                         request      status bytes referer  agent  listener pool/server us tries
 *
 * Lines are gathered by each worker and written many at a time; a line never holds up a request. What a full disk or a slow journal does
 * not take is lost and counted.
 */
#ifndef HAPAIR_PROXY_ACCESS_LOG_H
#define HAPAIR_PROXY_ACCESS_LOG_H

#include "hapair/base/addr.h"
#include "hapair/base/clock.h"
#include "hapair/base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCESS_BATCH 65536

/* Where lines go; shared by all workers. */
struct access_log {
	int fd;        /* the same number for the whole life: a reopened file takes its place */
	bool enabled;  /* atomic */
	uint64_t lost; /* atomic: lines */
};

/* `where`: "off", "journal" or a file. Before the sandbox: a new file is given to `user` so that it can be opened again. 0 or negative errno (logged). */
int access_log_open(struct access_log *log, const char *where, const char *user);
/* Another file, or the same name again after it was moved away; on failure the old one is kept (logged). */
void access_log_reopen(struct access_log *log, const char *where);

static inline bool access_log_enabled(const struct access_log *log)
{
	return __atomic_load_n(&log->enabled, __ATOMIC_RELAXED);
}

/* One worker's lines that are not written yet. */
struct access_batch {
	struct access_log *log;
	size_t n;
	unsigned lines;
	int64_t second; /* that `time` shows */
	char time[32];
	char bytes[ACCESS_BATCH];
};

void access_batch_init(struct access_batch *batch, struct access_log *log);

struct access_entry {
	struct ip client;
	int64_t wall_ms;                      /* when the request came */
	struct span request;                  /* made by access_request() */
	unsigned status;                      /* 0: none */
	uint64_t bytes;                       /* of the body, to the client */
	const char *listener, *pool, *server; /* "" where there is none */
	nanos took;
	unsigned tries;
};

/* The part of a line that is known when the request's head is, escaped: "GET /a HTTP/1.1", referer and agent. Returns its length. */
size_t access_request(char *out, size_t size, struct span method, struct span target, unsigned minor,
		      struct span referer, struct span agent);
void access_line(struct access_batch *batch, const struct access_entry *entry);
void access_flush(struct access_batch *batch);

#endif
