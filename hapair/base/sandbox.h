/*
 * sandbox.h: what a role may do from now on. Called once, after everything that needs root was opened.
 *
 * A role may then: use what is open; open files as its user; heartbeat: NETLINK, PACKET and IP sockets, with
 * CAP_NET_ADMIN and CAP_NET_RAW; proxy: IP sockets, connect, accept, splice; admin: IP sockets,
 * connect, accept. Heartbeat and
 * admin also replace files (rename, fsync, unlink). Threads, but no processes; no executable memory, so no
 * dlopen() any more. Threads that exist already get the same filter, but no capability. A call outside the
 * list ends the role (SIGSYS) with the name of the call in the log. The runner starts programs; what they
 * inherit refuses (EPERM) only what no hook needs. With user root its hooks are root.
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
 * `user` "" keeps the current one. Falls back with a warning in the log where a step is refused because the
 * process is not root or the kernel lacks it; 0, or negative errno where going on would be less safe than the
 * caller expects (for example an unknown user).
 */
int sandbox_enter(enum sandbox_profile profile, const char *user);

#endif
