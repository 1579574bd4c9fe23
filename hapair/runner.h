/*
 * runner.h: the role that runs the programs of `notify`, so that nobody else ever waits for one.
 *
 * One at a time, in the order of the events; the queue is bounded, and when it is full the oldest waiting one is dropped (the
 * newest says how things are now). A hook has `notify.timeout`, then its whole process group is terminated, and killed a second
 * later. It runs as `notify.user` with a small environment: HAPAIR_EVENT, _NODE, _EPOCH, _POOL, _SERVER, _REASON and PATH; what it
 * prints goes to the log, line by line; its end is an event of type "hook".
 *
 * The role takes that user once, at its start, and has no privilege after. A reload that changes the user is a new life.
 */
#ifndef HAPAIR_RUNNER_H
#define HAPAIR_RUNNER_H

#include "hapair/base/role.h"

extern const struct role_ops runner_role;

#endif
