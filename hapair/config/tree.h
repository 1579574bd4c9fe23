/*
 * tree.h: the grammar; bytes become a tree of items, whatever the keys may mean.
 *
 *	file = { item }   item = key "=" value | block | "include" word
 *	block = type { label } "{" { item } "}"
 *	value = word | "{" [ element { "," element } ] "}"   element = word { word }
 *
 * After a mistake the parser goes on at the next item, so that one mistake makes one line. Allocates from the
 *arena, opens nothing: files and variables come through struct config_input.
 */
#ifndef HAPAIR_CONFIG_TREE_H
#define HAPAIR_CONFIG_TREE_H

#include "hapair/config/arena.h"
#include "hapair/config/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_INCLUDE_DEPTH 16
#define CONFIG_BLOCK_DEPTH   16

/* One file. */
struct config_text {
	const char *name; /* as reported */
	const char *bytes;
	size_t n;
	const char *error;      /* why it can't be used; NULL: bytes are valid */
	uint64_t device, inode; /* one file under two names is one file; both 0: not known */
};

/* Where the parser gets what is not in the text. */
struct config_input {
	void *ctx;
	const char *(*variable)(void *ctx, const char *name); /* NULL: not set */
	/* The file that `from` includes as `path`; never NULL, but perhaps with an error. */
	const struct config_text *(*file)(void *ctx, const struct config_text *from, const char *path);
};

struct config_word {
	const char *text; /* decoded: quotes, escapes and ${ENV} done */
	const char *file;
	unsigned line;
	bool quoted;
	bool bad; /* was reported already; its text means nothing */
};

struct config_element {
	const struct config_word *words;
	size_t n; /* at least 1 */
};

struct config_item {
	struct config_item *next;        /* its neighbour in the block */
	const struct config_word *words; /* a key; or the type and labels of a block */
	size_t n_words;                  /* at least 1 */
	bool is_block;
	bool is_list; /* of a key: the value stood in braces */
	bool bad;     /* reported already: the value, or the label, means nothing */
	bool muddled; /* a block: something in it could not be read; what seems to be missing may be there */
	struct config_element *elements; /* of a key: the value; one word is one element of one word */
	size_t n_elements;
	struct config_item *children; /* of a block, in order */
};

/* The whole tree as one nameless block. */
struct config_item *config_tree_parse(const struct config_input *input, const struct config_text *main,
				      struct arena *arena, struct config_report *report);

/* The first child with this key or block type, else NULL. */
struct config_item *config_tree_key(const struct config_item *block, const char *key);

#endif
