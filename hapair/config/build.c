/*
 * build.c: one function for each block, all made of the same three steps: find the blocks of a kind in their
 * parent, check their labels, read their keys by the table.
 */
#include "hapair/config/build.h"

#include "hapair/config/set.h"
#include "hapair/config/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 128 /* rows of the table; checked at run time in config_build() */

struct build {
	struct config_setter setter;
	struct arena *arena;
	struct config_report *report;
	struct config_memory *memory;
	struct config *config;
	size_t room[BLOCK_COUNT]; /* in memory->blocks[].items */
};

/* The blocks of one kind in one parent. */
struct children {
	struct config_item **items;
	size_t n;
};

#define REPORT(b, item, ...)                                                                                 \
	config_report_add((b)->report, (item)->words[0].file, (item)->words[0].line, __VA_ARGS__)

/* How a block is called in a message: its type, and the name if it has one. */
static const char *block_text(const struct config_item *item, char out[96])
{
	if (!item->words)
		return "the file";
	if (item->n_words > 1)
		snprintf(out, 96, "%.24s %.64s", item->words[0].text, item->words[1].text);
	else
		snprintf(out, 96, "%.90s", item->words[0].text);
	return out;
}

/* "line 7" or "other.conf:7" */
static const char *place_text(const struct config_item *item, const struct config_item *seen_from,
			      char out[128])
{
	if (strcmp(item->words[0].file, seen_from->words[0].file) == 0)
		snprintf(out, 128, "line %u", item->words[0].line);
	else
		snprintf(out, 128, "%.100s:%u", item->words[0].file, item->words[0].line);
	return out;
}

/* Unknown things. */

/* "; it belongs in cluster or check", where the word is right but the place is wrong. */
static bool belongs_text(const char *key, bool is_block, char out[128])
{
	size_t n = 0;

	out[0] = '\0';
	if (is_block) {
		const struct config_block *block = config_block_find(key);
		if (block && block->parent == BLOCK_FILE)
			snprintf(out, 128, "; it belongs outside of any block");
		else if (block)
			snprintf(out, 128, "; it belongs in %s", config_blocks[block->parent].type);
		return block != NULL;
	}
	for (size_t i = 0; i < config_option_count && n < 100; i++)
		if (strcmp(config_options[i].key, key) == 0)
			n += (size_t)snprintf(out + n, 128 - n, "%s%s", n ? " or " : "; it belongs in ",
					      config_blocks[config_options[i].block].type);
	return n > 0;
}

static void report_unknown(struct build *b, struct config_item *parent, enum config_block_id id,
			   const struct config_item *item)
{
	const char *word = item->words[0].text;
	struct config_guess guess = {.word = word};
	char hint[128], text[96];

	/* What seems to be missing may be this very word. */
	parent->muddled = true;
	if (item->words[0].bad)
		return;
	const struct config_option *key = config_option_find(id, word);
	const struct config_block *block = config_block_find(word);
	if (item->is_block && key) {
		REPORT(b, item, "%s is a key, not a block: %s = ...", word, word);
		return;
	}
	if (!item->is_block && block && block->parent == id) {
		REPORT(b, item, "%s is a block, not a key: %s%s%s { ... }", word, word,
		       block->label ? " " : "", block->label ? block->label : "");
		return;
	}
	for (size_t i = 0; i < config_option_count; i++)
		if (config_options[i].block == id && !item->is_block)
			config_guess_offer(&guess, config_options[i].key);
	for (size_t i = BLOCK_FILE + 1; i < BLOCK_COUNT; i++)
		if (config_blocks[i].parent == id && item->is_block)
			config_guess_offer(&guess, config_blocks[i].type);
	if (!belongs_text(word, item->is_block, hint))
		config_guess_text(&guess, hint);
	REPORT(b, item, "unknown %s \"%.64s\" in %s%s", item->is_block ? "block" : "key", word,
	       block_text(parent, text), hint);
}

/* Blocks in their parent. */

static bool is_type(const struct config_item *item, enum config_block_id id)
{
	return item->is_block && strcmp(item->words[0].text, config_blocks[id].type) == 0;
}

/* Does the block have the labels that its kind wants? */
static void check_label(struct build *b, struct config_item *item, const struct config_block *block)
{
	size_t want = block->label ? 2 : 1;

	if (item->bad)
		return;
	if (item->n_words < want)
		REPORT(b, item, "%s needs a label: %s %s { ... }", block->type, block->type, block->label);
	else if (item->n_words > want)
		REPORT(b, item, "unexpected \"%.64s\" after %s%s%.64s", item->words[want].text, block->type,
		       want > 1 ? " " : "", want > 1 ? item->words[1].text : "");
	else
		return;
	item->bad = true;
}

/* At most as many as the table allows, each with its label checked; a surplus is reported and left out. */
static struct children children_of(struct build *b, const struct config_item *parent, enum config_block_id id)
{
	const struct config_block *block = &config_blocks[id];
	struct children found = {0};
	size_t n = 0;
	char place[128];

	for (struct config_item *item = parent->children; item; item = item->next)
		n += is_type(item, id);
	found.items = ARENA_ARRAY(b->arena, struct config_item *, n);
	for (struct config_item *item = parent->children; item; item = item->next) {
		if (!is_type(item, id))
			continue;
		if (found.n == block->max) {
			if (block->max == 1)
				REPORT(b, item, "a second %s; the first is at %s", block->type,
				       place_text(found.items[0], item, place));
			else
				REPORT(b, item, "more than %zu blocks %s", block->max, block->type);
			if (block->max > 2)
				break;
			continue;
		}
		check_label(b, item, block);
		found.items[found.n++] = item;
	}
	return found;
}

/* Remembers where the blocks of a kind stand, after those of earlier parents. */
static void remember(struct build *b, enum config_block_id id, struct children more)
{
	struct config_blocks_read *all = &b->memory->blocks[id];

	if (all->n + more.n > b->room[id]) {
		b->room[id] = 2 * (all->n + more.n);
		struct config_item **items = ARENA_ARRAY(b->arena, struct config_item *, b->room[id]);
		if (all->n)
			memcpy(items, all->items, all->n * sizeof *items);
		all->items = items;
	}
	if (more.n)
		memcpy(all->items + all->n, more.items, more.n * sizeof *more.items);
	all->n += more.n;
}

struct labelled {
	const char *name;
	const struct config_item *item;
	size_t order;
};

static int by_label(const void *left, const void *right)
{
	const struct labelled *a = left, *b = right;
	int order = strcmp(a->name, b->name);

	return order ? order : (a->order > b->order) - (a->order < b->order);
}

/* The label as a name, "" if it may not be one. */
static const char *name_of(struct build *b, struct config_item *item)
{
	if (item->bad || item->n_words < 2)
		return "";
	const char *why = config_name_wrong(item->words[1].text);
	if (!why)
		return item->words[1].text;
	REPORT(b, item, "%s \"%.80s\": %s", item->words[0].text, item->words[1].text, why);
	item->bad = true;
	return "";
}

/* Duplicate names among blocks of one kind. Returns them sorted, the wrong ones left out. */
static struct config_names check_names(struct build *b, struct children blocks)
{
	struct labelled *labels = ARENA_ARRAY(b->arena, struct labelled, blocks.n);
	struct config_names names = {.sorted = ARENA_ARRAY(b->arena, struct config_name, blocks.n)};
	size_t n = 0;
	char place[128];

	for (size_t i = 0; i < blocks.n; i++) {
		const char *name = name_of(b, blocks.items[i]);
		if (*name)
			labels[n++] = (struct labelled){name, blocks.items[i], i};
	}
	if (n)
		qsort(labels, n, sizeof *labels, by_label);
	for (size_t i = 0; i < n; i++) {
		const struct config_name *last = names.n ? &names.sorted[names.n - 1] : NULL;
		if (last && strcmp(last->name, labels[i].name) == 0)
			REPORT(b, labels[i].item, "a second %s %s; the first is at %s",
			       labels[i].item->words[0].text, labels[i].name,
			       place_text(blocks.items[last->index], labels[i].item, place));
		else
			names.sorted[names.n++] = (struct config_name){labels[i].name, labels[i].order};
	}
	return names;
}

/* Keys of a block. */

static void set_defaults(struct build *b, enum config_block_id id, void *object)
{
	for (size_t i = 0; i < config_option_count; i++)
		if (config_options[i].block == id)
			config_set_default(&b->setter, &config_options[i], object);
}

static void read_key(struct build *b, enum config_block_id id, struct config_item *parent,
		     struct config_item *item, void *object, const struct config_item **seen)
{
	const struct config_option *option = config_option_find(id, item->words[0].text);
	char place[128];

	if (!option) {
		report_unknown(b, parent, id, item);
		return;
	}
	size_t row = (size_t)(option - config_options);
	if (seen[row]) {
		REPORT(b, item, "duplicate key %s; the first is at %s", option->key,
		       place_text(seen[row], item, place));
		return;
	}
	seen[row] = item;
	if (option->supported) {
		config_set(&b->setter, option, item, object);
	} else {
		item->bad = true;
		REPORT(b, item, "%s is not supported yet", option->key);
	}
}

/* Everything in the block but the inside of its blocks. */
static void read_keys(struct build *b, enum config_block_id id, struct config_item *item, void *object)
{
	const struct config_item *seen[OPTIONS_MAX] = {0};
	char text[96];

	for (struct config_item *child = item->children; child; child = child->next) {
		if (!child->is_block) {
			read_key(b, id, item, child, object, seen);
			continue;
		}
		const struct config_block *block = config_block_find(child->words[0].text);
		if (!block || block->parent != id)
			report_unknown(b, item, id, child);
		else if (!block->supported)
			REPORT(b, child, "%s is not supported yet", block->type);
	}
	for (size_t i = 0; i < config_option_count && !item->muddled; i++)
		if (config_options[i].block == id && config_options[i].required && !seen[i])
			REPORT(b, item, "%s lacks %s = ...", block_text(item, text), config_options[i].key);
}

static void read_block(struct build *b, enum config_block_id id, struct config_item *item, void *object)
{
	set_defaults(b, id, object);
	if (item)
		read_keys(b, id, item, object);
}

/* The block of which there is one at most in `parent`; NULL: none. */
static struct config_item *only_child(struct build *b, const struct config_item *parent,
				      enum config_block_id id)
{
	struct children found = children_of(b, parent, id);

	if (found.n)
		remember(b, id, found);
	return found.n ? found.items[0] : NULL;
}

/* The blocks, from the top. */

/* Which of `kinds` (their names, up to NULL) the label says: its place, counted from 1; 0: a mistake, which was reported. */
static unsigned kind_of(struct build *b, struct config_item *item, const char *const *kinds)
{
	struct config_guess guess = {.word = item->words[1].text};
	char did_you_mean[CONFIG_GUESS_MAX], names[64] = "";
	size_t n = 0;

	for (unsigned i = 0; kinds[i]; i++) {
		config_guess_offer(&guess, kinds[i]);
		if (strcmp(guess.word, kinds[i]) == 0)
			return i + 1;
		n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", kinds[i]);
	}
	REPORT(b, item, "%s %.64s: none of %s%s", item->words[0].text, guess.word, names,
	       config_guess_text(&guess, did_you_mean));
	item->bad = true;
	return 0;
}

static void read_witness(struct build *b, struct config_item *parent, struct config_cluster *cluster)
{
	static const char *const kinds[] = {"gateway", "etcd", NULL};
	struct config_item *item = only_child(b, parent, BLOCK_WITNESS);

	read_block(b, BLOCK_WITNESS, item, cluster);
	if (item && !item->bad)
		cluster->witness.kind = kind_of(b, item, kinds);
}

static void read_cluster(struct build *b, struct config_item *file)
{
	struct config_cluster *cluster = &b->config->cluster;
	struct config_item *item = only_child(b, file, BLOCK_CLUSTER);

	cluster->name = item ? name_of(b, item) : "";
	read_block(b, BLOCK_CLUSTER, item, cluster);
	if (item)
		read_witness(b, item, cluster);
	else if (!file->muddled)
		config_report_add(b->report, b->memory->main_file, 1, "there is no cluster NAME { ... }");
}

static int by_node_name(const void *left, const void *right)
{
	const struct config_item *a = *(struct config_item *const *)left,
				 *b = *(struct config_item *const *)right;

	if (a->n_words < 2 || b->n_words < 2)
		return (a->n_words > b->n_words) - (a->n_words < b->n_words);
	return strcmp(a->words[1].text, b->words[1].text);
}

static void read_nodes(struct build *b, struct config_item *file)
{
	struct children nodes = children_of(b, file, BLOCK_NODE);

	check_names(b, nodes);
	if (nodes.n)
		qsort(nodes.items, nodes.n, sizeof *nodes.items, by_node_name);
	else if (!file->muddled)
		config_report_add(b->report, b->memory->main_file, 1, "there is no node NAME { ... }");
	remember(b, BLOCK_NODE, nodes);
	b->config->nodes = ARENA_ARRAY(b->arena, struct config_node, nodes.n);
	b->config->n_nodes = nodes.n;
	for (size_t i = 0; i < nodes.n; i++) {
		b->config->nodes[i].name = nodes.items[i]->bad ? "" : nodes.items[i]->words[1].text;
		read_block(b, BLOCK_NODE, nodes.items[i], &b->config->nodes[i]);
	}
}

static void read_vips(struct build *b, struct config_item *file)
{
	struct children vips = children_of(b, file, BLOCK_VIP);

	remember(b, BLOCK_VIP, vips);
	b->config->vips = ARENA_ARRAY(b->arena, struct config_vip, vips.n);
	b->config->n_vips = vips.n;
	for (size_t i = 0; i < vips.n; i++) {
		struct config_vip *vip = &b->config->vips[i];
		struct config_item *item = vips.items[i];
		struct ip ip;
		read_block(b, BLOCK_VIP, item, vip);
		if (item->bad ||
		    ip_parse_prefix(span_of(item->words[1].text), &vip->ip, &vip->prefix_len) == 0)
			continue;
		item->bad = true;
		if (ip_parse(span_of(item->words[1].text), &ip) == 0)
			REPORT(b, item, "vip %.64s: the length of the subnet is missing, such as /%d",
			       item->words[1].text, ip.family == AF_INET ? 24 : 64);
		else
			REPORT(b, item,
			       "vip %.64s: no address with a length, such as 10.0.0.50/24 or fd00::50/64",
			       item->words[1].text);
	}
}

static void read_check(struct build *b, struct config_item *parent, struct config_pool *pool)
{
	static const char *const kinds[] = {"tcp", "http", NULL};
	struct config_item *item = only_child(b, parent, BLOCK_CHECK);

	pool->check.kind = CHECK_NONE;
	read_block(b, BLOCK_CHECK, item, pool);
	if (!item || item->bad)
		return;
	pool->check.kind = kind_of(b, item, kinds);
	/* Where only one of them was given, the others follow. */
	if (!config_tree_key(item, "timeout") && pool->check.timeout > pool->check.interval)
		pool->check.timeout = pool->check.interval;
	if (!config_tree_key(item, "standby_interval") && pool->check.standby_interval < pool->check.interval)
		pool->check.standby_interval = pool->check.interval;
}

static void read_pool(struct build *b, struct config_item *item, struct config_pool *pool)
{
	struct children servers = children_of(b, item, BLOCK_SERVER);
	char text[96];

	pool->name = name_of(b, item);
	read_block(b, BLOCK_POOL, item, pool);
	read_check(b, item, pool);
	check_names(b, servers);
	if (servers.n == 0 && !item->muddled)
		REPORT(b, item, "%s has no server NAME { ... }", block_text(item, text));
	remember(b, BLOCK_SERVER, servers);
	pool->servers = ARENA_ARRAY(b->arena, struct config_server, servers.n);
	pool->n_servers = servers.n;
	for (size_t i = 0; i < servers.n; i++) {
		pool->servers[i].name = name_of(b, servers.items[i]);
		read_block(b, BLOCK_SERVER, servers.items[i], &pool->servers[i]);
	}
}

static void read_pools(struct build *b, struct config_item *file)
{
	struct children pools = children_of(b, file, BLOCK_POOL);

	b->setter.pools = check_names(b, pools);
	remember(b, BLOCK_POOL, pools);
	b->config->pools = ARENA_ARRAY(b->arena, struct config_pool, pools.n);
	b->config->n_pools = pools.n;
	for (size_t i = 0; i < pools.n; i++)
		read_pool(b, pools.items[i], &b->config->pools[i]);
}

static void read_listen(struct build *b, struct config_item *item, struct config_listen *listen)
{
	struct children routes = children_of(b, item, BLOCK_ROUTE);

	listen->name = name_of(b, item);
	read_block(b, BLOCK_LISTEN, item, listen);
	read_block(b, BLOCK_TLS, only_child(b, item, BLOCK_TLS), listen);
	remember(b, BLOCK_ROUTE, routes);
	listen->routes = ARENA_ARRAY(b->arena, struct config_route, routes.n);
	listen->n_routes = routes.n;
	for (size_t i = 0; i < routes.n; i++)
		read_block(b, BLOCK_ROUTE, routes.items[i], &listen->routes[i]);
}

static void read_listens(struct build *b, struct config_item *file)
{
	struct children listens = children_of(b, file, BLOCK_LISTEN);

	check_names(b, listens);
	remember(b, BLOCK_LISTEN, listens);
	b->config->listens = ARENA_ARRAY(b->arena, struct config_listen, listens.n);
	b->config->n_listens = listens.n;
	for (size_t i = 0; i < listens.n; i++)
		read_listen(b, listens.items[i], &b->config->listens[i]);
}

struct config *config_build(struct config_item *tree, const char *main_file, struct arena *arena,
			    struct config_report *report)
{
	struct config *config = arena_alloc(arena, sizeof *config);
	struct config_memory *memory = arena_alloc(arena, sizeof *memory);
	struct build b = {
		.setter = {.arena = arena, .report = report},
		.arena = arena,
		.report = report,
		.memory = memory,
		.config = config,
	};

	if (config_option_count > OPTIONS_MAX)
		abort();
	memory->arena = arena;
	memory->main_file = arena_text(arena, span_of(main_file));
	config->arena = memory;
	read_keys(&b, BLOCK_FILE, tree, config);
	memory->muddled = tree->muddled;
	read_cluster(&b, tree);
	read_nodes(&b, tree);
	read_vips(&b, tree);
	read_pools(&b, tree);
	read_listens(&b, tree);
	read_block(&b, BLOCK_PROXY, only_child(&b, tree, BLOCK_PROXY), config);
	read_block(&b, BLOCK_ADMIN, only_child(&b, tree, BLOCK_ADMIN), config);
	read_block(&b, BLOCK_NOTIFY, only_child(&b, tree, BLOCK_NOTIFY), config);
	return config;
}

const struct config_memory *config_memory_of(const struct config *config)
{
	return config->arena;
}

const struct config_item *config_item_of(const struct config *config, enum config_block_id id, size_t index)
{
	const struct config_blocks_read *blocks = &config_memory_of(config)->blocks[id];

	return index < blocks->n ? blocks->items[index] : NULL;
}

const struct config_item *config_key_of(const struct config *config, enum config_block_id id, size_t index,
					const char *key)
{
	const struct config_item *item = config_item_of(config, id, index);

	for (const struct config_item *child = item ? item->children : NULL; child; child = child->next)
		if (!child->is_block && strcmp(child->words[0].text, key) == 0)
			return child;
	return NULL;
}

bool config_key_good(const struct config *config, enum config_block_id id, size_t index, const char *key)
{
	const struct config_item *item = config_key_of(config, id, index, key);

	return item && !item->bad;
}
