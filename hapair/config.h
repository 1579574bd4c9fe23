/*
 * config.h: from files to one immutable struct config (hapair/base/config.h), with every mistake reported.
 *
 * The supervisor reads the sources once (files, includes and environment), and hands the same bytes to every role in a
 * sealed memfd; a role reads them again with the same code, so nobody trusts a serialised structure and nobody else opens files.
 */
#ifndef HAPAIR_CONFIG_H
#define HAPAIR_CONFIG_H

#include "hapair/base/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Mistakes in the order of the files, each `file:line: what; did you mean ...`. Bounded; the rest is counted. */
struct config_report;

struct config_report *config_report_new(void);
void config_report_free(struct config_report *report);
void config_report_add(struct config_report *report, const char *file, unsigned line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
size_t config_report_count(const struct config_report *report); /* mistakes; 0: all is well */
void config_report_print(const struct config_report *report, FILE *to);

/* The main file and all that it includes, as bytes, with the values of the environment that they name. */
struct config_sources;

/* NULL when the main file can't be read (reported). */
struct config_sources *config_sources_read(const char *path, struct config_report *report);
void config_sources_free(struct config_sources *sources);
int config_sources_to_fd(const struct config_sources *sources); /* a sealed memfd, or negative errno */
struct config_sources *config_sources_from_fd(int fd);          /* NULL: not a bundle of ours */

/* Grammar, types, ranges, references, overlaps: all that the text alone can tell. NULL if there was any mistake. */
struct config *config_read(const struct config_sources *sources, struct config_report *report);
void config_free(const struct config *config);

/* Where a block or option of `config` stands, for messages about it by others: kind "vip", "listen", "cluster", "notify", ... */
void config_where(const struct config *config, const char *kind, size_t index, const char **ret_file, unsigned *ret_line);

/* What only this machine can tell: interfaces, secret file and its mode, certificates and keys, users, hook files. */
void config_check_machine(const struct config *config, size_t node, struct config_report *report);

/* The node that this machine is: by `name`, else by host name, else by whose link address is local. Its index, or negative errno (reported). */
int config_find_node(const struct config *config, const char *name, struct config_report *report);

/* What a reload would change, one line each, for people; malloc'd text, "" when nothing. */
char *config_difference(const struct config *from, const struct config *to);
/* A reload may not change cluster name, nodes or links; reported when it would. */
bool config_reload_allowed(const struct config *from, const struct config *to, struct config_report *report);

#endif
