/*
 * explore.h: every way in which a pair can start, within a small scope.
 */
#ifndef HAPAIR_SIM_EXPLORE_H
#define HAPAIR_SIM_EXPLORE_H

#include "hapair/base/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct scope {
	unsigned losses; /* how many datagrams may be lost in all */
	unsigned lates;  /* how many timers may be late, by more than s */
	unsigned deaths; /* how many roles may die; they come back at once, with their memory */
	nanos second;    /* the second node starts that much later */
	nanos horizon;   /* how far to look */
};

struct explored {
	uint64_t states, ends; /* distinct; those at the horizon */
	const char *violation; /* static; NULL none */
};

/* Every order of deliveries, losses and timers that the scope allows. `tell`: print the way to a violation. */
struct explored explore(const struct scope *scope, bool tell);

#endif
