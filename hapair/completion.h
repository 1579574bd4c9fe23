/*
 * completion.h: the completions of the shells, printed from the table of commands, for `hapair help hapair.bash` and
 * `hapair help hapair.zsh`, which the build asks. What a synopsis may contain: command_line.h.
 */
#ifndef HAPAIR_COMPLETION_H
#define HAPAIR_COMPLETION_H

#include "hapair/command_line.h"

#include <stdio.h>

void completion_print_bash(const struct command_line *line, FILE *to);
void completion_print_zsh(const struct command_line *line, FILE *to);

#endif
