/*
 * set.h: one key's value, checked by its row of the table and written into the block's struct.
 */
#ifndef HAPAIR_CONFIG_SET_H
#define HAPAIR_CONFIG_SET_H

#include "hapair/config/arena.h"
#include "hapair/base/config.h"
#include "hapair/config/options.h"
#include "hapair/config/report.h"
#include "hapair/config/tree.h"

/* Names of pools and where they are, sorted by name. */
struct config_names {
	struct config_name {
		const char *name;
		size_t index;
	} * sorted;
	size_t n;
};

struct config_setter {
	struct arena *arena;
	struct config_report *report;
	struct config_names pools;
};

/*
 * Mistakes are reported and set item->bad; the field then keeps its default. A list keeps its length, with AF_UNSPEC in
 * the place of an element that is wrong, so that elements[i] of the item and [i] of the field belong together.
 */
void config_set(struct config_setter *setter, const struct config_option *option, struct config_item *item,
		void *object);

/* The default: the fallback, "" for texts, CONFIG_NO_POOL for pools, zero else. */
void config_set_default(struct config_setter *setter, const struct config_option *option, void *object);

#endif
