/*
 * supervisor.h: a node's first process: starts the roles, keeps them running, passes descriptors, reloads, stops in order.
 *
 * It is root where the node is to do its work, and parses no network bytes: its input is the configuration, signals, and the
 * few messages without text that roles may send it (msg.h).
 */
#ifndef HAPAIR_SUPERVISOR_H
#define HAPAIR_SUPERVISOR_H

#include "hapair/base/invocation.h"

/*
 * `hapair run`: returns when the node has stopped: EXIT_DONE after an ordered stop, EXIT_FAILED when it could not start (every
 * mistake of the configuration on standard error) or not stop in order.
 *
 * SIGTERM, SIGINT: stop (goodbye, VIP gone, connections finished within bounds); a second one hurries. SIGHUP: reload.
 */
int command_run(const struct invocation *invocation, int argc, char **argv);

#endif
