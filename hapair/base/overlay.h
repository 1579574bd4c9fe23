/*
 * overlay.h: the configuration as it is in force: the file, and on top of it what operators said of servers at run time.
 *
 * A server that is added inherits all settings of its pool. Where the file names a server, the file's address counts. A pool that
 * the file does not have (any more) is passed over; what was said of its servers counts again when it is back.
 */
#ifndef HAPAIR_BASE_OVERLAY_H
#define HAPAIR_BASE_OVERLAY_H

#include "hapair/base/config.h"
#include "hapair/base/msg.h"

struct overlay {
	struct config
		config; /* all but `pools` is the file's; has no arena: never to be freed as a configuration */
	struct config_server **servers; /* by pool; NULL: the file's own */
	char (*names)[CONFIG_NAME_MAX + 1];
};

/*
 * `at` gives entry i of `n`, each server at most once. Valid as long as `config` is; entries are copied. NULL when out of memory.
 */
struct overlay *overlay_new(const struct config *config, size_t n,
			    const struct server_wanted *(*at)(const void *ctx, size_t i), const void *ctx);
void overlay_free(struct overlay *overlay); /* NULL is fine */

/* What was said, as a table; in the order in which servers were first spoken of. */
struct wanted_set {
	struct server_wanted *entries;
	size_t n, room;
};

/* The place of a server in it, made where there is none yet; NULL when out of memory. Valid until the next call. */
struct server_wanted *wanted_set_place(struct wanted_set *set, const char *pool, const char *server);
/* For overlay_new(). */
const struct server_wanted *wanted_set_at(const void *set, size_t i);

/* Whether the entries differ in anything that changes an overlay (all but the action). */
bool wanted_differs(const struct server_wanted *a, const struct server_wanted *b);

/* NULL: none such. */
const struct config_pool *config_find_pool(const struct config *config, const char *name);
const struct config_server *config_find_server(const struct config_pool *pool, const char *name);

#endif
