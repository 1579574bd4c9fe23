/*
 * spawn.h: how a role's process begins, both sides of it.
 *
 * The supervisor executes the very file that it runs from (a descriptor opened at its start), so that
 * versions never mix when the file is replaced. The role is told what it is by its title (argv[0], "hapair:
 * proxy alpha": what ps shows) and three variables; of the rest of the environment it gets what a library may
 * need and no more. Descriptor 3 is its channel to the supervisor.
 */
#ifndef HAPAIR_SPAWN_H
#define HAPAIR_SPAWN_H

#include "hapair/base/msg.h"

#include <stdbool.h>
#include <sys/types.h>

/* SCHED_RR. The supervisor's own is lower than heartbeat's, and no other child inherits either. */
#define SPAWN_HEARTBEAT_PRIORITY  20
#define SPAWN_SUPERVISOR_PRIORITY 10

/* What the role is told; strings outlive the call. */
struct spawn_identity {
	enum role role;
	const char *node, *run_dir, *state_dir;
};

/* A descriptor of the running program for spawn_role(), or negative errno. */
int spawn_self_open(void);

/* The child's pid or negative errno. `channel` stays the caller's. */
pid_t spawn_role(int self_fd, const struct spawn_identity *identity, int channel, bool spare);

/* The priority of a heartbeat that has work to do; of no other role. Refused, it goes on without. */
void spawn_prioritize(enum role role, pid_t pid);

/* Whether this process is a role, and which: from argv[0] and the environment. */
bool spawn_am_role(const char *argv0, struct spawn_identity *ret);

/* In the role, once it has its configuration: `argv0` is rewritten in place, where it was a spare's. */
void spawn_spare_begins(char *argv0);

#endif
