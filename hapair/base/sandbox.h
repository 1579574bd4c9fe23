/*
 * sandbox.h: what a role may do from now on. Called once, after everything that needs root was opened.
 *
 * Order: groups, user, capabilities, no_new_privs, parent-death signal (a change of user clears it), seccomp.
 */
#ifndef HAPAIR_BASE_SANDBOX_H
#define HAPAIR_BASE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum sandbox_profile { SANDBOX_HEARTBEAT, SANDBOX_PROXY, SANDBOX_ADMIN, SANDBOX_RUNNER };

/*
 * `user` "" keeps the current one. Falls back with a warning in the log where a step is refused because the process is not
 * root or the kernel lacks it; 0, or negative errno where going on would be less safe than the caller expects
 * (for example an unknown user).
 */
int sandbox_enter(enum sandbox_profile profile, const char *user);

#endif
