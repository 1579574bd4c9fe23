/*
 * config.h: from files to one immutable struct config (hapair/base/config.h), with every mistake reported.
 *
 * The supervisor reads the sources once (files, includes and environment), and hands the same bytes to every
 * role in a sealed memfd; a role reads them again with the same code, so nobody trusts a serialised structure
 * and nobody else opens files. The journey: config_sources (bytes) -> config_lex, config_tree (grammar) ->
 * config_options (the table), config_build (values) -> config_rules (what must hold between them) ->
 * config_facts (digest, difference).
 */
#ifndef HAPAIR_CONFIG_H
#define HAPAIR_CONFIG_H

#include "hapair/base/config.h"
#include "hapair/config/report.h"
#include "hapair/config/sources.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Grammar, types, ranges, references, overlaps: all that the text alone can tell. NULL if there was any
 * mistake. */
struct config *config_read(const struct config_sources *sources, struct config_report *report);
void config_free(const struct config *config); /* NULL is allowed */

/*
 * What `check` and a start do: config_read(), config_find_node() and config_check_machine() together, so that
 * mistakes of the text and of the machine come in one report. Where this machine is none of the nodes its
 * files cannot be judged; that is said once the text is right. NULL if there was any mistake.
 */
struct config *config_read_here(const struct config_sources *sources, const char *node_name, size_t *ret_node,
				struct config_report *report);

/*
 * Where a block of `config` stands, for messages about it by others: kind is the block's type ("cluster",
 * "node", "vip", "pool", "server", "listen", "route", "notify", ...), index its place in the struct; servers
 * and routes are counted through all pools and listeners. A block that is not written stands at line 0 of the
 * main file.
 */
void config_where(const struct config *config, const char *kind, size_t index, const char **ret_file,
		  unsigned *ret_line);
/* The same for a key in it; the block where the key is not written. */
void config_where_key(const struct config *config, const char *kind, size_t index, const char *key,
		      const char **ret_file, unsigned *ret_line);

/* What only this machine can tell: interfaces, secret file and its mode, certificates and keys, users, hook
 * files. */
void config_check_machine(const struct config *config, size_t node, struct config_report *report);

/* The node that this machine is: by `name`, else by host name, else by whose link address is local. Its
 * index, or negative errno (reported). */
int config_find_node(const struct config *config, const char *name, struct config_report *report);

/* What a reload would change, one line each, for people; malloc'd text, "" when nothing. */
char *config_difference(const struct config *from, const struct config *to);
/* A reload may not change cluster name, nodes or links; reported when it would. */
bool config_reload_allowed(const struct config *from, const struct config *to, struct config_report *report);

/* Every option with type, range, default and its line of doc: `hapair help config`. */
void config_print_reference(FILE *to);

#endif
