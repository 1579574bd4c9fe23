/*
 * store.h: the replica on the disk, so that what operators said survives every restart.
 *
 * Two files in the state directory (servers.0, servers.1), opened while there are privileges, are written in turn, each with a serial
 * number, and synced: the newest one that reads whole counts, so a crash in the middle of writing leaves the state before it.
 */
#ifndef HAPAIR_SYNC_STORE_H
#define HAPAIR_SYNC_STORE_H

#include "hapair/sync/replica.h"

struct store;

/*
 * Opens the files in `state_dir` (NULL: none, in memory only) and merges the newest into `replica`. NULL when out of memory; what
 * can't be opened or read is logged.
 */
struct store *store_open(const char *state_dir, struct replica *replica);
void store_free(struct store *store);

/* 0, or negative errno: what writing said; the state before it is still whole then. */
int store_save(struct store *store, const struct replica *replica);

#endif
