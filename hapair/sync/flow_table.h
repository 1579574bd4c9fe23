/*
 * flow_table.h [pure]: a bounded set of connections that knows what of it the other side has been told.
 *
 * Who has the connections: scan_begin(), see() each that is there, scan_end(); then news() gives what the other side does not know, one
 * by one, until there is none. Who is told: add() and remove().
 *
 * One is megabytes large, most of them untouched while there are few connections: allocate it zeroed, then flow_table_init().
 */
#ifndef HAPAIR_SYNC_FLOW_TABLE_H
#define HAPAIR_SYNC_FLOW_TABLE_H

#include "hapair/base/flow.h"

#include <stddef.h>

#define FLOW_TABLE_MAX   131072
#define FLOW_TABLE_SLOTS (2 * FLOW_TABLE_MAX) /* a power of two */

struct flow_entry {
	struct flow flow;
	uint8_t seen; /* number of the newest scan that saw it */
	bool told;
};

struct flow_table {
	uint64_t seed;
	size_t n;
	size_t refused; /* by the newest scan, for want of room */
	size_t cursor;  /* of news(): what is below was not looked at */
	uint8_t scan;
	uint32_t slots[FLOW_TABLE_SLOTS]; /* 1 + index in entries; 0: free */
	struct flow_entry entries[FLOW_TABLE_MAX];
};

/* `seed`: random, so that clients cannot choose ports that collide. */
void flow_table_init(struct flow_table *table, uint64_t seed);
void flow_table_clear(struct flow_table *table);

/* 1: it is new; 0: it was there; -ENOSPC. */
int flow_table_add(struct flow_table *table, const struct flow *flow);
/* False: it was not there. */
bool flow_table_remove(struct flow_table *table, const struct flow *flow);

void flow_table_scan_begin(struct flow_table *table);
void flow_table_see(struct flow_table *table, const struct flow *flow);
void flow_table_scan_end(struct flow_table *table);

enum flow_news { FLOW_NO_NEWS, FLOW_IS_NEW, FLOW_IS_GONE };

/* The next that the other side does not know; it counts as told, or is forgotten. Not between scan_begin() and scan_end(). */
enum flow_news flow_table_news(struct flow_table *table, struct flow *ret);
/* The other side knows nothing: all is news again. Not between scan_begin() and scan_end(). */
void flow_table_untell(struct flow_table *table);

#endif
