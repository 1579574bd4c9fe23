/*
 * admin_http.h: admin's HTTP (evhttp of libevent 2.1): sockets, requests, replies, streams. What is said is
 * admin's; how it gets out is here. The routes are listed in admin.h.
 *
 * Bounds: ADMIN_HTTP_FDS descriptors (above it the addresses of admin.bind do not accept, the control socket
 * goes on), ADMIN_HTTP_STREAMS readers of events, ADMIN_HTTP_WAITING commands under way, small heads and
 * bodies, and 30 s for whoever neither reads nor writes. A reader of events holds one batch; who falls behind
 * the ring is dropped.
 *
 * evhttp on AF_UNIX: 2.1.12 clears the peer's path before getnameinfo(), earlier ones could end the process
 * there.
 */
#ifndef HAPAIR_ADMIN_HTTP_H
#define HAPAIR_ADMIN_HTTP_H

#include "hapair/base/msg.h"
#include "hapair/events.h"
#include "hapair/snapshot.h"

#include <event2/event.h>

#define ADMIN_HTTP_FDS     128
#define ADMIN_HTTP_STREAMS 32
#define ADMIN_HTTP_WAITING 32

/* A command that came by POST. */
enum admin_action { ADMIN_SWITCHOVER, ADMIN_RELOAD, ADMIN_SERVER };

struct admin_command {
	uint32_t id; /* never 0 */
	enum admin_action action;
	enum server_action server_action; /* the rest: of ADMIN_SERVER */
	char pool[CONFIG_NAME_MAX + 1], server[CONFIG_NAME_MAX + 1];
};

struct admin_http;

struct admin_http_source {
	struct snapshot_view (*view)(void *ctx);
	struct events *events;
	/* Passes a command on. 0: admin_http_answer() or admin_http_abandon() will follow; else negative
	 * errno and a sentence why. */
	int (*command)(void *ctx, const struct admin_command *command, char why[256]);
	void *ctx;
};

/* NULL when out of memory. `source` must outlive it. */
struct admin_http *admin_http_new(struct event_base *base, const struct admin_http_source *source);
void admin_http_free(struct admin_http *http);

/* Makes RUNDIR/control.sock, mode 0600, in the place of an older one, and serves it. 0 or negative errno. */
int admin_http_control(struct admin_http *http, const char *run_dir);
/* Serves a listening TCP socket, read-only; takes `fd`, which replaces one for the same address. 0 or
 * negative errno. */
int admin_http_listen(struct admin_http *http, const struct addr *address, int fd);
/* Stops listening on addresses that are not among these. */
void admin_http_keep(struct admin_http *http, const struct addr *addresses, size_t n);

/*
 * The result of a command: `error` 0 or negative errno, `text` what is to be said of it, `key` the JSON field
 * of the text
 * ("text", "difference", ...); when `error` is not 0 it is {"error": text}, with "mistakes": detail where
 * `detail` is not NULL.
 */
void admin_http_answer(struct admin_http *http, uint32_t id, int error, const char *key, const char *text,
		       const char *detail);
/* The command that waits under this id, or NULL (its time was over). */
const struct admin_command *admin_http_waiting(const struct admin_http *http, uint32_t id);
/* Whether any command of this kind waits. */
bool admin_http_waits(const struct admin_http *http, enum admin_action action);
/* Fails every waiting command of this kind: who was to answer is gone. */
void admin_http_abandon(struct admin_http *http, enum admin_action action, const char *why);

/* New events are there: to all that follow. */
void admin_http_events(struct admin_http *http);

#endif
