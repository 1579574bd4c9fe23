/*
 * keepalived_tree.h: keepalived's configuration as a tree: a line is an item, words in front of { } a block.
 *
 * ! and # outside of quotes begin a comment, anywhere; "..." and '...' make one word of many; a backslash in "..." takes the
 * next character as it is. Pure but for the arena.
 */
#ifndef HAPAIR_IMPORT_KEEPALIVED_TREE_H
#define HAPAIR_IMPORT_KEEPALIVED_TREE_H

#include "hapair/import/out.h"

#define KEEPALIVED_DEPTH 16

struct keepalived_item {
	struct keepalived_item *next;
	struct import_line line;
	const char **words;
	size_t n; /* 0 only in the root */
	struct keepalived_item *children;
	bool block;
};

/* What is wrong with the text (a brace too many or too few, too deep) is a note. */
struct keepalived_item *keepalived_tree(const char *file, struct span text, struct arena *arena,
					struct notes *notes);

/* The first child with this word in front; NULL. */
const struct keepalived_item *keepalived_child(const struct keepalived_item *block, const char *keyword);

#endif
