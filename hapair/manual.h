/*
 * manual.h: the man pages, printed from the tables: hapair(8) from the table of commands, hapair.conf(5) from that of blocks and options.
 * In mdoc(7), for `hapair help hapair.8` and `hapair help hapair.conf.5`, which the build asks.
 */
#ifndef HAPAIR_MANUAL_H
#define HAPAIR_MANUAL_H

#include "hapair/command_line.h"

#include <stdio.h>

void manual_print_program(const struct command_line *line, FILE *to);
void manual_print_config(const struct command_line *line, FILE *to);

#endif
