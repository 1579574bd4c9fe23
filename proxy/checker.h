/*
 * checker.h: active health checks, on the libevent base of the proxy's main thread.
 *
 * Each server is one target. A new target is checked at once, then every interval, each in its own phase of
 * it, so that checks of many servers spread evenly and never drift together. One check: connect, for
 * CHECK_HTTP one GET with `Connection: close` whose answer must have the expected status, all of it within
 * `timeout`; for CHECK_TCP an accepted connection is good. At most CHECKER_RUNNING_MAX run at a time, the
 * others wait their turn.
 *
 * Everything is called from the base's own thread. Allocates; only checker_new() and checker_add() can fail
 * for it (a check that finds no memory or no descriptor is not reported as the server's failure: it is tried
 * again after a second).
 */
#ifndef HAPAIR_PROXY_CHECKER_H
#define HAPAIR_PROXY_CHECKER_H

#include "hapair/base/addr.h"
#include "hapair/base/clock.h"
#include "hapair/base/config.h"

#include <event2/event.h>

#include <stdbool.h>
#include <stdint.h>

#define CHECKER_RUNNING_MAX 256
#define CHECKER_SOON        SECONDS(1) /* the pause after an unsettled result, where the interval is longer */

struct checker;
struct checker_target;

/* What to check; from a pool's and a server's configuration by checker_spec(). Strings are copied. */
struct checker_spec {
	enum config_check kind; /* CHECK_NONE: never checked, reports nothing */
	struct addr address;    /* with check.port applied */
	const char *path, *host;
	unsigned expect;
	nanos interval, standby_interval, timeout;
};

struct checker_result {
	bool ok;
	bool reached;   /* it was connected to, whatever it said then */
	nanos at, took;  /* end of the check, and how long it was */
	char detail[64]; /* "HTTP 200", "connection refused", "no answer within 2000 ms", ... */
};

/* Returns true when the next check should come soon (health_outcome.unsettled). May call any function below,
 * also for this target, except checker_free(). */
typedef bool (*checker_on_result)(void *ctx, void *owner, const struct checker_result *result);

/* `active`: whether this node holds the VIP. NULL when out of memory. */
struct checker *checker_new(struct event_base *base, bool active, checker_on_result on_result, void *ctx);
void checker_free(struct checker *c); /* with all its targets */

struct checker_spec checker_spec(const struct config_pool *pool, const struct config_server *server);

/* The target belongs to the checker until checker_remove(). `owner` comes back in the results. NULL when out
 * of memory. */
struct checker_target *checker_add(struct checker *c, const struct checker_spec *spec, void *owner);
void checker_remove(struct checker_target *t); /* no result comes any more */

/* Reload: what is equal changes nothing, not even the phase; a change of address, path, ... drops a running
 * check and checks at once. -ENOMEM or 0. */
int checker_update(struct checker_target *t, const struct checker_spec *spec);

/* The target's next check begins now; where one is running already, another follows it. Cheap to call often.
 */
void checker_check_now(struct checker_target *t);

/* A paused target (maint) is not checked; a running check is dropped. Going on begins with a check. */
void checker_pause(struct checker_target *t, bool paused);

/* Full pace (interval) or standby_interval; becoming active checks all at once. */
void checker_set_active(struct checker *c, bool active);

#endif
