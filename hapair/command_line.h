/*
 * command_line.h: what can be typed, as tables. The program obeys them, and its help, hapair(8) and the completions are printed from them.
 * The tables themselves are in main.c.
 */
#ifndef HAPAIR_COMMAND_LINE_H
#define HAPAIR_COMMAND_LINE_H

#include "hapair/base/invocation.h"

#include <stddef.h>

struct command {
	const char *name;
	/* Its arguments: alternatives with " | " between them, or'ed verbs with "|", --flags, what may be left out in brackets.
	 * FILE, DIR, POOL, POOL/NAME, NODE and COMMAND are completed. */
	const char *synopsis;
	const char *does;
	const char *example;
	int (*run)(const struct invocation *invocation, int argc, char **argv);
};

/* Before the command. */
struct command_option {
	char letter;
	const char *argument; /* as in a synopsis; "": takes none */
	const char *doc;
};

struct command_exit {
	int status;
	const char *doc;
};

struct command_line {
	const struct command *commands;
	size_t n_commands;
	const struct command_option *options;
	size_t n_options;
	const struct command_exit *exits;
	size_t n_exits;
};

#endif
