/*
 * config.c: the reader's steps put together, places for messages, and what a reload may change.
 */
#include "hapair/config/config.h"

#include "hapair/config/build.h"
#include "hapair/config/facts.h"
#include "hapair/config/rules.h"

#include <string.h>

/* The model, whole or with mistakes in it; see build.h. */
static struct config *read_model(const struct config_sources *sources, struct config_report *report)
{
	struct config_input input = config_sources_input(sources);
	const struct config_text *main_file = config_sources_main(sources);
	struct arena *arena = arena_new();

	struct config_item *tree = config_tree_parse(&input, main_file, arena, report);
	struct config *config = config_build(tree, main_file->name, arena, report);
	config_check_rules(config, report);
	return config;
}

static void take_digest(struct config *config)
{
	struct arena *scratch = arena_new();
	struct config_facts facts = config_facts_of(config, scratch);

	config_facts_digest(&facts, config->digest);
	arena_free(scratch);
}

struct config *config_read(const struct config_sources *sources, struct config_report *report)
{
	size_t before = config_report_count(report);
	struct config *config = read_model(sources, report);

	if (config_report_count(report) > before) {
		config_free(config);
		return NULL;
	}
	take_digest(config);
	return config;
}

void config_free(const struct config *config)
{
	if (config)
		arena_free(config_memory_of(config)->arena);
}

struct config *config_read_here(const struct config_sources *sources, const char *node_name, size_t *ret_node,
				struct config_report *report)
{
	size_t before = config_report_count(report);
	struct config *config = read_model(sources, report);
	struct config_report *lost = config_report_new();
	bool text_right = config_report_count(report) == before;

	/* Which node this is may hang on the very words that are wrong; a node that is named wrong is a mistake in any case. */
	bool named = node_name && *node_name && config->n_nodes > 0;
	int node = config_find_node(config, node_name, text_right || named ? report : lost);
	config_report_free(lost);
	if (node >= 0)
		config_check_machine(config, (size_t)node, report);
	if (config_report_count(report) > before) {
		config_free(config);
		return NULL;
	}
	take_digest(config);
	*ret_node = (size_t)node;
	return config;
}

/* Places. */

static void place_of(const struct config *config, const struct config_item *item, const char **ret_file,
		     unsigned *ret_line)
{
	*ret_file = item ? item->words[0].file : config_memory_of(config)->main_file;
	*ret_line = item ? item->words[0].line : 0;
}

void config_where(const struct config *config, const char *kind, size_t index, const char **ret_file,
		  unsigned *ret_line)
{
	const struct config_block *block = config_block_find(kind);

	place_of(config, block ? config_item_of(config, block->id, index) : NULL, ret_file, ret_line);
}

void config_where_key(const struct config *config, const char *kind, size_t index, const char *key,
		      const char **ret_file, unsigned *ret_line)
{
	const struct config_block *block = config_block_find(kind);
	const struct config_item *item = block ? config_key_of(config, block->id, index, key) : NULL;

	if (item)
		place_of(config, item, ret_file, ret_line);
	else
		config_where(config, kind, index, ret_file, ret_line);
}

/* Reload. */

static bool same_links(const struct config_node *a, const struct config_node *b)
{
	if (a->n_links != b->n_links)
		return false;
	for (size_t i = 0; i < a->n_links; i++)
		if (!addr_equal(&a->links[i], &b->links[i]))
			return false;
	return true;
}

static void refuse(const struct config *to, const char *kind, size_t index, const char *key, const char *what,
		   struct config_report *report)
{
	const char *file;
	unsigned line;

	config_where_key(to, kind, index, key, &file, &line);
	config_report_add(report, file, line, "%s; a reload cannot change that, restart the daemon", what);
}

bool config_reload_allowed(const struct config *from, const struct config *to, struct config_report *report)
{
	size_t before = config_report_count(report);

	if (strcmp(from->cluster.name, to->cluster.name) != 0)
		refuse(to, "cluster", 0, "", "the cluster has another name", report);
	if (from->n_nodes != to->n_nodes)
		refuse(to, "node", to->n_nodes - 1, "", "there are more or fewer nodes", report);
	for (size_t i = 0; i < from->n_nodes && from->n_nodes == to->n_nodes; i++) {
		if (strcmp(from->nodes[i].name, to->nodes[i].name) != 0)
			refuse(to, "node", i, "", "a node has another name", report);
		else if (!same_links(&from->nodes[i], &to->nodes[i]))
			refuse(to, "node", i, "link", "a node has other links", report);
		else if (strcmp(from->nodes[i].interface, to->nodes[i].interface) != 0)
			refuse(to, "node", i, "interface", "a node has another interface", report);
	}
	return config_report_count(report) == before;
}

void config_print_reference(FILE *to)
{
	config_options_print(to);
}
