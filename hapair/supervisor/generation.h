/*
 * generation.h: one reading of the configuration with everything that goes with it: the bytes, the secret,
 * the certificates, the listening sockets. A node starts with number 1; a reload makes the next from the one
 * before, or changes nothing.
 */
#ifndef HAPAIR_GENERATION_H
#define HAPAIR_GENERATION_H

#include "hapair/base/ipc.h"
#include "hapair/config/config.h"
#include "hapair/supervisor/listeners.h"

struct generation {
	uint64_t number;
	const struct config *config;
	size_t node;       /* ours in config->nodes */
	unsigned workers;  /* of the proxy; stays what it was at the start */
	int sources;       /* sealed */
	int secret;        /* sealed */
	int *certificates; /* sealed, one for each listen; -1 where it has no TLS */
	struct listeners *listeners;
};

/*
 * Reads and checks `path`, opens what it needs. NULL when anything is wrong: the report says all of it, and
 * nothing has changed. `node` is a name, or "" to find it; `from` is the generation that a reload would
 * replace, or NULL.
 */
struct generation *generation_read(const char *path, const char *node, const struct generation *from,
				   struct config_report *report);
void generation_free(struct generation *g);

/* What a reload from one to the other changes, one line each, for people; malloc'd, "" for nothing. The contents of the secret and
 * of certificates count, though no word of the configuration tells of them. */
char *generation_difference(const struct generation *from, const struct generation *to);

/* What `role` gets of it, CONFIG last. 0 or negative errno. */
int generation_send(const struct generation *g, enum role role, struct ipc *ipc);

#endif
