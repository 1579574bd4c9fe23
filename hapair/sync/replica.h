/*
 * replica.h: what operators said of servers, as it is kept on both nodes: registers that converge. Pure.
 *
 * Each server has three registers (action, weight, existence), each with the stamp of its last writer. Merging takes the greater stamp
 * (version, then the node's name), so it does not matter in which order, how often or by which way records come: two nodes that have
 * seen the same set hold the same state (a last-writer-wins map; Shapiro et al., "Conflict-free replicated data types", 2011). What
 * was taken back stays as a register with its default value (a tombstone), or the other node would bring it back.
 *
 * A version is the writer's wall clock in milliseconds, or one more than the greatest version seen where the clock is not ahead of
 * that (a hybrid logical clock): after a split the later word of an operator wins, and a clock that steps back loses nothing that
 * was seen here before.
 *
 * Bounded: REPLICA_MAX servers. When it is full the oldest tombstone makes room; where there is none, -ENOSPC.
 */
#ifndef HAPAIR_SYNC_REPLICA_H
#define HAPAIR_SYNC_REPLICA_H

#include "hapair/base/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLICA_MAX         8192
#define REPLICA_SLOTS       (4 * REPLICA_MAX)
#define REPLICA_VERSION_MAX ((uint64_t)1 << 62)

enum replica_field { REPLICA_ACTION, REPLICA_WEIGHT, REPLICA_EXISTENCE, REPLICA_FIELDS };
#define REPLICA_ALL ((1u << REPLICA_FIELDS) - 1)

struct stamp {
	uint64_t version; /* 0: never written */
	char node[CONFIG_NAME_MAX + 1];
};

struct replica_record {
	struct server_wanted wanted; /* existence goes with added_weight and address */
	struct stamp stamps[REPLICA_FIELDS];
};

/* Large (5 MB); memory of the caller, all zero at first. Read freely, changed only here. */
struct replica {
	size_t n;
	uint64_t version; /* the greatest ever seen */
	uint64_t sum;     /* over all records and their stamps, whatever their order */
	struct replica_record records[REPLICA_MAX];
	uint16_t slots[REPLICA_SLOTS]; /* hash table: index + 1; 0: free */
};

/* NULL: nothing was ever said of it. Valid until the next change. */
const struct replica_record *replica_find(const struct replica *r, const char *pool, const char *server);

/* The operator's word, on this node: the registers in `fields` (1 << enum replica_field) become those of `wanted`. 0 or -ENOSPC. */
int replica_say(struct replica *r, const struct server_wanted *wanted, unsigned fields, const char *node,
		int64_t wall_ms);

/* A record of the peer or from the disk. 1: something changed; 0: all known already; -EINVAL, -ENOSPC. */
int replica_merge(struct replica *r, const struct replica_record *record);

/* Whether nothing is wanted of this server any more. */
bool replica_is_tombstone(const struct replica_record *record);

#endif
