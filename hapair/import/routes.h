/*
 * routes.h: rules of which the first that matches wins (HAProxy) become routes of which the closest wins (proxy/route.h).
 *
 * A rule is a host and the beginning of a path. Two of them overlap in the closer host with the longer path. Where the
 * closest of the routes would not be the first of the rules, the overlap gets a route of its own; a rule that never gets a
 * request is left out. Pure but for the arena.
 */
#ifndef HAPAIR_IMPORT_ROUTES_H
#define HAPAIR_IMPORT_ROUTES_H

#include "hapair/config/arena.h"

#include <stdbool.h>
#include <stddef.h>

struct match {
	const char *host; /* "": any; *.domain: whatever ends so; in lower case */
	const char *path; /* "": any */
};

struct rule {
	struct match match;
	const char *pool;
};

struct routes {
	struct routed {
		struct rule rule;
		bool derived;
	} * all;
	size_t n;
	bool too_many; /* more than one of these limits: not all overlaps were looked at */
};

#define ROUTES_MAX 4096
#define RULES_MAX  512

/* What both match; false: nothing. */
bool match_overlap(const struct match *a, const struct match *b, struct match *ret);
bool match_covers(const struct match *a, const struct match *b); /* a matches all that b does */

/* The rules in their order; the last one that counts may match all, and is then an entry with host and path "". */
struct routes routes_of(const struct rule *rules, size_t n, struct arena *arena);

#endif
