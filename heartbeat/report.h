/*
 * report.h: what the heartbeat role tells the other roles and people. Sends and logs, decides nothing.
 */
#ifndef HAPAIR_HEARTBEAT_REPORT_H
#define HAPAIR_HEARTBEAT_REPORT_H

#include "hapair/base/role.h"
#include "heartbeat/core.h"
#include "vip/vip.h"

/* MSG_STATE to one role, or to all that want it. */
void report_state_to(struct role_runtime *rt, const struct heart *heart, enum role to);
void report_state(struct role_runtime *rt, const struct heart *heart);

/* A HEART_TRANSITION: event, MSG_STATE, and the hook for the new state. */
void report_transition(struct role_runtime *rt, const struct heart *heart,
		       const struct heart_action *transition);

/* A HEART_NOTE. */
void report_note(struct role_runtime *rt, const struct heart *heart, const struct heart_action *note);

void report_vip(struct role_runtime *rt, const struct heart *heart, enum vip_event event, const char *subject,
		const char *text);

/* MSG_PAIR and MSG_VIP to admin. `rejected`: REJECT_COUNT counters of what never reached the heart. */
void report_snapshot(struct role_runtime *rt, const struct heart *heart, const struct vips *vips,
		     const uint64_t *rejected, bool realtime);

/* So many connections of a VIP that was given away are left, until then at most; 0, 0: it is over. To admin and supervisor. */
void report_drain(struct role_runtime *rt, uint32_t left, nanos until);

#endif
