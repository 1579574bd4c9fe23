/*
 * server_states.h: what operators said of servers (drain, maint), kept across restarts of the proxy and of
 * the node.
 *
 * "ready" is the state of a server that nobody spoke of, so it is kept as no entry at all. Two files in the
 * state directory (servers.0, servers.1), opened while there are privileges, are written in turn, each with a
 * serial number: the newest one that reads whole counts, so a crash in the middle of writing leaves the state
 * before it.
 */
#ifndef HAPAIR_SERVER_STATES_H
#define HAPAIR_SERVER_STATES_H

#include "hapair/base/config.h"
#include "hapair/base/msg.h"

#include <stddef.h>

#define SERVER_STATES_MAX 4096

struct server_state_entry {
	char pool[CONFIG_NAME_MAX + 1], server[CONFIG_NAME_MAX + 1];
	enum server_action action; /* DRAIN or MAINT */
};

struct server_states;

/* `state_dir` may be NULL: in memory only. NULL when out of memory; what can't be opened or read is logged.
 */
struct server_states *server_states_new(const char *state_dir);
void server_states_free(struct server_states *states);

/* Keeps it, on disk too (synced). 0, or negative errno: -ENOSPC when there are too many, else what writing
 * said; in memory it is kept even when the disk refuses. */
int server_states_set(struct server_states *states, const char *pool, const char *server,
		      enum server_action action);

/* Forgets servers that the configuration does not have (any more). */
void server_states_prune(struct server_states *states, const struct config *config);

/* Entries 0..n-1, until the next change. */
size_t server_states_count(const struct server_states *states);
const struct server_state_entry *server_states_at(const struct server_states *states, size_t i);

#endif
