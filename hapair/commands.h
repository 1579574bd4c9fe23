/*
 * commands.h: the commands that talk to a running node. Each returns the exit status: 0 done, 1 failed, 2
 * wrong usage; `status` 3 for fault or starting; 4 when no daemon answers, for `status`, `events`,
 * `switchover`, `server` and `reload` alike.
 *
 * argv[0] is the command's name. Results go to standard output, complaints to standard error.
 */
#ifndef HAPAIR_COMMANDS_H
#define HAPAIR_COMMANDS_H

#include "hapair/base/invocation.h"

#include <jansson.h>
#include <stdio.h>

int command_status(const struct invocation *invocation, int argc, char **argv);
int command_events(const struct invocation *invocation, int argc, char **argv);
int command_switchover(const struct invocation *invocation, int argc, char **argv);
int command_server(const struct invocation *invocation, int argc, char **argv);
int command_reload(const struct invocation *invocation, int argc, char **argv);
int command_check(const struct invocation *invocation, int argc, char **argv);

/* These two talk to nobody: init writes a configuration and a secret, import prints one. */
int command_init(const struct invocation *invocation, int argc, char **argv);
void command_init_flags(FILE *to); /* one line each */
int command_import(const struct invocation *invocation, int argc, char **argv);

/* The daemon's status: a new reference with its text (malloc'd) and the exit status that belongs to its state; or NULL and the exit
 * status of the failure, which was printed. */
json_t *command_fetch_status(const struct invocation *invocation, char **ret_text, int *ret_exit);

#endif
