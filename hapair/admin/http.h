/*
 * http.h: admin's HTTP (evhttp of libevent 2.1): sockets, routes, pages. The routes are listed in admin.h.
 *
 * Bounds: ADMIN_HTTP_FDS open descriptors (above it the addresses of admin.bind do not accept, the control socket goes on), small
 * heads and bodies, HTTP_IDLE_TIMEOUT_S for whoever neither reads nor writes; and those of event_streams.h and
 * commands.h.
 *
 * evhttp on AF_UNIX: 2.1.12 clears the peer's path before getnameinfo(); earlier ones could end the process there.
 */
#ifndef HAPAIR_ADMIN_HTTP_H
#define HAPAIR_ADMIN_HTTP_H

#include "hapair/admin/commands.h"
#include "hapair/admin/event_streams.h"
#include "hapair/admin/snapshot.h"

#define ADMIN_HTTP_FDS 128

struct admin_http;

/* What is served. */
struct admin_http_source {
	struct snapshot_view (*view)(void);
	struct events *events;
	struct event_streams *streams;
	struct admin_commands *commands;
};

/* NULL when out of memory. `source` must outlive it. */
struct admin_http *admin_http_new(struct event_base *base, const struct admin_http_source *source);
/* Ends all connections. */
void admin_http_free(struct admin_http *http);

/* Makes RUNDIR/control.sock, mode 0600, in the place of an older one, and serves it. 0 or negative errno. */
int admin_http_control(struct admin_http *http, const char *run_dir);
/* Serves a listening TCP socket, read-only; takes `fd`, which replaces one for the same address. 0 or negative errno. */
int admin_http_listen(struct admin_http *http, const struct addr *address, int fd);
/* Stops listening on addresses that are not among these. */
void admin_http_keep(struct admin_http *http, const struct addr *addresses, size_t n);

#endif
