/*
 * route.h: which pool a request goes to, by host and path. Pure; the caller gives the storage.
 *
 * The most specific host wins, then the longest path prefix:
 *	1. routes with this very host (without case, port and final dot)
 *	2. routes with `*.example.com`, the longest suffix first; it covers a.example.com and a.b.example.com,
 *	   not example.com
 *	3. routes without host
 *	4. the listener's own pool
 * Where no route of one step fits the path, the next step is tried. Of two routes with the same host and
 * path the first in the file wins. A prefix is a prefix by bytes: `/api/` does not cover `/api`, `/api`
 * covers `/apifoo`.
 *
 * So that no spelling gets around a route, the path that is compared is what a server will make of it: %XX
 * decoded (an encoded slash stays apart and fits no route's text), `//` one slash, `.` and `..` resolved.
 * Routes are written decoded. What is sent to the server stays as it came. Spellings that servers read in
 * different ways are refused (ROUTE_BAD_PATH, 400): `..` that climbs above the root, dot segments hidden
 * behind an encoded slash, a backslash or `;parameters`, %00, and a % without two hexadecimal digits. Only
 * listeners that have a route with a path look at all this; the others have nothing to get around.
 *
 * Cost: a binary search over hosts and paths together, one for each label of the host that may be wild and
 * one more.
 */
#ifndef HAPAIR_PROXY_ROUTE_H
#define HAPAIR_PROXY_ROUTE_H

#include "hapair/base/config.h"
#include "hapair/base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum route_result {
	ROUTE_FOUND,
	ROUTE_NONE,     /* 404 */
	ROUTE_BAD_PATH, /* 400 */
};

struct route_entry {
	struct span host, path; /* into the configuration */
	size_t pool;
	uint8_t kind;     /* of host: exact, wild (`.example.com`), any */
	uint32_t order;   /* in the file */
	uint32_t shorter; /* the entry with the longest proper prefix of this path under the same host, or
			     ROUTE_NO_ENTRY */
};

#define ROUTE_NO_ENTRY UINT32_MAX

struct route_table {
	struct route_entry *entries; /* sorted by host, then path */
	uint32_t n;
	uint32_t labels; /* most labels that a wild host has; 0: none */
	bool has_paths;
	size_t fallback; /* the listener's pool or CONFIG_NO_POOL */
};

/* `storage` holds at least listen->n_routes entries and lives as long as the table; so does the
 * configuration. */
void route_table_init(struct route_table *t, struct route_entry *storage, const struct config_listen *listen);

/* `host` as in http_request.host, `path` as in http_request.path (empty counts as `/`). *ret_pool only for
 * ROUTE_FOUND. */
enum route_result route_find(const struct route_table *t, struct span host, struct span path,
			     size_t *ret_pool);

#endif
