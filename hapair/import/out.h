/*
 * out.h: what an import has understood, and the configuration that is printed from it.
 *
 * The readers of the other programs' files fill a struct target; whatever they cannot say in it becomes a note, which is
 * printed as a comment in the block to which it belongs. No I/O but the stream given, no clock, no log; memory from an arena.
 */
#ifndef HAPAIR_IMPORT_OUT_H
#define HAPAIR_IMPORT_OUT_H

#include "hapair/base/config.h"
#include "hapair/config/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A line of the source. */
struct import_line {
	const char *file;
	unsigned number;
	const char *
		text; /* as written, without the white space around and the comment, and not longer than a note shows */
};

#define IMPORT_TEXT_MAX 400

struct note {
	struct note *next;
	unsigned number;
	const char *text;
};

struct notes {
	struct note *first;
};

struct target_server {
	struct target_server *next;
	const char *name;
	struct addr address;
	unsigned weight;
	unsigned max_connections; /* 0: not given */
};

struct target_pool {
	struct target_pool *next;
	const char *name;
	const char *balance;
	nanos connect_timeout, response_timeout; /* -1: not given, as everywhere here */
	int retries;
	enum config_check check;
	const char *check_path, *check_host;
	unsigned check_expect, check_port, check_rise, check_fall; /* 0: not given */
	nanos check_interval, check_timeout;
	struct target_server *servers;
	struct notes notes;
};

struct target_route {
	struct target_route *next;
	const char *host, *path; /* "" is any */
	const char *pool;
	bool derived; /* stands in no line of the source: gives an overlap of two others to the one that came first */
};

struct target_listen {
	struct target_listen *next;
	const char *name;
	bool tcp;
	struct config_bind binds[64];
	size_t n_binds;
	const char *certificate, *min_version; /* "": not given */
	struct target_route *routes;
	const char *pool; /* "": none */
	nanos header_timeout, idle_timeout, tunnel_timeout;
	struct notes notes;
};

struct target_vip {
	struct target_vip *next;
	const char *address, *interface; /* "": not given */
};

struct target_node {
	const char *name;
	const char *links[CONFIG_LINKS_MAX]; /* ADDRESS:PORT */
	size_t n_links;
	unsigned priority;
};

struct target {
	struct arena *arena;
	const char *sources; /* the names of the files */
	const char *cluster;
	nanos interval;
	int preempt; /* -1: not given */
	struct target_node nodes[2];
	size_t n_nodes;
	struct target_vip *vips;
	struct target_pool *pools;
	struct target_listen *listens;
	unsigned workers;                     /* 0: auto */
	const char *active, *passive, *fault; /* hooks; "": none */
	struct notes general, pair, proxy;    /* at the top, in the cluster, in the proxy */
	struct notes left_out;                /* at the end: sections of which nothing is left */
};

void target_init(struct target *target, struct arena *arena);
struct target_pool *target_add_pool(struct target *target, const char *name);
struct target_listen *target_add_listen(struct target *target, const char *name);
struct target_vip *target_add_vip(struct target *target, const char *address, const char *interface);
/* Takes what was added last away again; its notes go to left_out. */
void target_drop_pool(struct target *target, const char *name);
void target_drop_listen(struct target *target, const char *name);

/* `FILE:LINE: TEXT: why`, in the order of the lines. */
void note_add(struct notes *notes, struct arena *arena, const struct import_line *line, const char *why, ...)
	__attribute__((format(printf, 4, 5)));
void notes_move(struct notes *from, struct notes *to);

/* A name that hapair takes, made of any text: what it does not take becomes a dash. */
const char *target_name(struct arena *arena, const char *text);

void target_print(const struct target *target, FILE *to);

#endif
