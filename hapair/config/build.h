/*
 * build.h: from the tree of items to struct config, by the table of options.
 *
 * What one block says about itself is checked here: keys, types, ranges, labels, names, how many, references by name. What
 * must hold between blocks is for rules.h.
 */
#ifndef HAPAIR_CONFIG_BUILD_H
#define HAPAIR_CONFIG_BUILD_H

#include "hapair/config/arena.h"
#include "hapair/base/config.h"
#include "hapair/config/options.h"
#include "hapair/config/report.h"
#include "hapair/config/tree.h"

/* What config->arena points to: the memory, and where everything stands in the files. */
struct config_memory {
	struct arena *arena;
	const char *main_file;
	struct config_blocks_read {
		struct config_item *
			*items; /* in the order of the model; servers and routes through all their parents */
		size_t n;
	} blocks[BLOCK_COUNT];
	bool muddled; /* the file itself: something in it could not be read, see struct config_item */
};

/*
 * Always gives a model, with defaults in the place of what is wrong; only where the report stayed empty may it be used for
 * more than looking for further mistakes. Nodes are in the order of their names, so that both machines number them alike
 * even if their files differ; everything else is in the order of the file.
 */
struct config *config_build(struct config_item *tree, const char *main_file, struct arena *arena,
			    struct config_report *report);

const struct config_memory *config_memory_of(const struct config *config);
/* NULL: not written. */
const struct config_item *config_item_of(const struct config *config, enum config_block_id id, size_t index);
/* The key in it; NULL: not given. */
const struct config_item *config_key_of(const struct config *config, enum config_block_id id, size_t index,
					const char *key);
/* Given, and without a mistake. */
bool config_key_good(const struct config *config, enum config_block_id id, size_t index, const char *key);

#endif
