/*
 * admin.h: the role that answers: keeps what every role last said, and serves it over HTTP (evhttp) on the
 * control socket RUNDIR/control.sock and, read-only, on the addresses of `admin { bind }`.
 *
 *   GET  /                overview for people             GET  /metrics   Prometheus
 *   GET  /v1/status       JSON, status_json.h             GET  /healthz   200 while every process of the node runs, else 503
 *   GET  /v1/events       JSON lines, events.h            GET  /active    200 only on the node that holds the VIP, else 503
 *        ?since=ID        only those after ID
 *        ?follow=1        and those to come, as a stream
 *   POST /v1/switchover, /v1/reload, /v1/servers/POOL/NAME/{drain,ready,maint,remove}              control socket only
 *   POST /v1/servers/POOL/NAME/add?address=IP:PORT[&weight=N], /v1/servers/POOL/NAME/weight?weight=N
 *
 * Errors are {"error": "..."}. The control socket belongs to root alone (0600): the proxy runs as user and
 * group hapair, so access for that group would let a proxy that was broken into command the node. Non-root
 * readers use admin.bind.
 *
 * admin harms nobody: it never blocks on a client, connections, streams, waiting requests and memory are
 * bounded, a reader that does not keep up is dropped. When it dies, nothing else notices, and what it knew is
 * sent to the next one.
 */
#ifndef HAPAIR_ADMIN_H
#define HAPAIR_ADMIN_H

#include "hapair/base/role.h"

extern const struct role_ops admin_role;

#endif
