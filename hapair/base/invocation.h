/*
 * invocation.h: how the program was called: the options before the command, as every command gets them.
 *
 *   hapair [-c FILE] [-n NODE] [-r RUNDIR] [-s STATEDIR] COMMAND [ARGUMENT ...]
 *
 * A command is `int command_NAME(const struct invocation *, int argc, char **argv)`, with argv[0] the
 * command's own name; it returns the exit status. A command that talks to the daemon needs run_dir only.
 */
#ifndef HAPAIR_INVOCATION_H
#define HAPAIR_INVOCATION_H

#define INVOCATION_CONFIG    "/etc/hapair/hapair.conf"
#define INVOCATION_RUN_DIR   "/run/hapair"
#define INVOCATION_STATE_DIR "/var/lib/hapair" /* with /NODE */

/* In run_dir; the HTTP of the daemon. */
#define INVOCATION_CONTROL "control.sock"

/* Exit statuses of every command; `status` has two more. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NOT_SERVING = 3, EXIT_NO_DAEMON = 4 };

/* Strings are never NULL and outlive the command. */
struct invocation {
	const char *config;    /* -c, or INVOCATION_CONFIG */
	const char *node;      /* -n, or "": found by host name or link address */
	const char *run_dir;   /* -r, or INVOCATION_RUN_DIR */
	const char *state_dir; /* -s, or "": INVOCATION_STATE_DIR/NODE, once the node is known */
};

/* Says on standard error how the command is called, from the table in main.c; returns EXIT_USAGE. */
int invocation_usage(const char *command);

#endif
