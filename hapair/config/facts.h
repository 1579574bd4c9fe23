/*
 * facts.h: a configuration as a sorted list of facts, "pool web server s1: weight = 2".
 *
 * Two files that mean the same give the same list, whatever their order, spelling, includes, defaults and environment. The
 * digest that the peers compare is taken over it, and what a reload changes is the difference of two of them.
 */
#ifndef HAPAIR_CONFIG_FACTS_H
#define HAPAIR_CONFIG_FACTS_H

#include "hapair/config/arena.h"
#include "hapair/base/config.h"

#include <stddef.h>
#include <stdint.h>

struct config_fact {
	const char *subject; /* "pool web server s1" */
	const char *key;     /* "" says that the subject is there */
	const char *value;   /* as one would write it */
};

struct config_facts {
	struct config_fact *all; /* sorted by subject, then key */
	size_t n;
};

struct config_facts config_facts_of(const struct config *config, struct arena *arena);

/* SHA-256 over all facts. */
void config_facts_digest(const struct config_facts *facts, uint8_t digest[CONFIG_DIGEST]);

#endif
