/*
 * health.h: is a server up? From check results, failed connects and the operator's word to one state, with
 * a reason. Pure.
 *
 *	state     what it means                                                   gets new requests
 *	unknown   nothing known yet: no check has ended, or the pool has none     when no server of the pool is up
 *	                                                                          (without checks: always)
 *	up        `rise` checks in a row were good                                yes
 *	down      `fall` checks in a row were bad, or a connect was refused       no
 *	drain     the operator's: finishes what it has                            no
 *	maint     the operator's: not even checked                                no
 *
 * From unknown one result decides, and so it does over an inherited state (of an earlier life, or of the other
 * node): own evidence outranks it, and it is taken only where there is none. Inherited "down" is no proof: where
 * no server of the pool is better, those servers get requests after all. A refused connect is a fact, not a suspicion: down at once. Any other failed connect
 * (timeout, unreachable) makes the server suspect: a check follows at once, and if that one is bad the
 * server is down whatever `fall` is. Both want a check now (check_now). In a pool without checks failed
 * connects change nothing, since nothing could bring the server back; the request goes to another one.
 *
 * One change of the shown state is one event. Notifications are about servers, not about operators: `down`
 * when a server that is not in maint or drain is found down, `up` when such a server comes back; never
 * twice the same in a row, and none for unknown -> up.
 */
#ifndef HAPAIR_PROXY_HEALTH_H
#define HAPAIR_PROXY_HEALTH_H

#include "hapair/base/clock.h"
#include "hapair/base/msg.h"

#include <stdbool.h>
#include <stdint.h>

/* name, text for events */
#define HEALTH_REASONS(X)                                                                                    \
	X(NO_REASON, "")                                                                                     \
	X(CHECK_GOOD, "check passed")                                                                        \
	X(CHECK_BAD, "check failed")                                                                         \
	X(REFUSED, "connection refused")                                                                     \
	X(UNREACHABLE, "connect failed and a check confirmed it")                                            \
	X(INHERITED, "as last known")                                                                        \
	X(OPERATOR, "operator")

enum health_reason {
#define X(name, text) HEALTH_##name,
	HEALTH_REASONS(X)
#undef X
		HEALTH_REASON_COUNT
};

const char *health_reason_text(enum health_reason reason);

struct health_policy {
	bool checked;        /* the pool has a check */
	unsigned fall, rise; /* at least 1 */
};

enum health_event {
	HEALTH_EVENT_CHECK_GOOD,
	HEALTH_EVENT_CHECK_BAD,
	HEALTH_EVENT_REFUSED,        /* a request's connect was refused */
	HEALTH_EVENT_CONNECT_FAILED, /* ... timed out or had no way */
	HEALTH_EVENT_READY,          /* the operator's commands */
	HEALTH_EVENT_DRAIN,
	HEALTH_EVENT_MAINT,
	HEALTH_EVENT_INHERITED_UP, /* what an earlier life or the other node found */
	HEALTH_EVENT_INHERITED_DOWN,
	HEALTH_EVENT_COUNT
};

enum health_notify { HEALTH_NOTIFY_NONE, HEALTH_NOTIFY_DOWN, HEALTH_NOTIFY_UP };

struct health {
	uint8_t verdict; /* SERVER_UNKNOWN, _UP or _DOWN: what is known of the server itself */
	uint8_t admin;   /* enum server_action */
	bool inherited;  /* the verdict is from an earlier life or the peer */
	bool seen;       /* there was an own result: nothing is inherited any more */
	bool suspect;    /* a connect failed, a check will tell */
	bool told_down;  /* the last notification was `down` */
	uint16_t streak; /* results in a row that contradict the verdict */
	nanos since;     /* of the state shown */
};

struct health_outcome {
	bool changed; /* the state shown: write one event */
	enum server_state from, to;
	enum health_reason reason;
	enum health_notify notify;
	bool check_now; /* have it checked at once */
	bool unsettled; /* results and verdict disagree at the moment: check again sooner than usual */
};

/* `last_known`: SERVER_UNKNOWN, SERVER_UP or SERVER_DOWN from the peer or an earlier life; an inherited
 * "down" still wants a check at once. */
void health_init(struct health *h, enum server_state last_known, nanos now);

/* `now` is only remembered. Every event in every state is defined; those that say nothing new leave all as it
 * is. */
void health_step(struct health *h, const struct health_policy *policy, enum health_event event, nanos now,
		 struct health_outcome *ret);

/* The state of the contract: maint and drain hide the verdict. */
enum server_state health_state(const struct health *h);

/* From bad to good. The pool's usable servers are those of the best use in it; never those with NO. */
enum health_use { HEALTH_USE_NO, HEALTH_USE_SAID_DOWN, HEALTH_USE_LAST_RESORT, HEALTH_USE_YES };

enum health_use health_use(const struct health *h, const struct health_policy *policy);

#endif
