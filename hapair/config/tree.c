/*
 * tree.c: recursive descent over the tokens of one file after another.
 *
 * The grammar is free-form, but people write one item a line. Where something is missing, the line breaks
 *tell what was meant: in
 *
 *	vip 10.0.0.50/24          the braces are missing here,
 *	node beta { ... }         not a block "vip" with three labels
 *
 * the parser reports the first line and goes on with the second as if it stood alone. Likewise a block that has no
 * place where it stands, but further out, means that the brace of the one before it is missing.
 */
#include "hapair/config/tree.h"

#include "hapair/config/lex.h"
#include "hapair/config/options.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64 /* that are looked at together; no item has so many */

/* One file at work, and those that include it. */
struct unit {
	const struct unit *parent;
	const struct config_text *text;
	const char *file;
	const struct config_token *at;
	unsigned depth;
};

struct parser {
	const struct config_input *input;
	struct arena *arena;
	struct config_report *report;
	unsigned forgiven; /* closing braces that belong to blocks which were closed for their author */
};

/* A block being read; the list of its children grows at the tail. */
struct open_block {
	const struct open_block *parent;
	const struct unit *unit; /* that opened it, and must close it */
	enum config_block_id id; /* BLOCK_COUNT: unknown */
	struct config_item *item;
	struct config_item **tail;
	unsigned depth;
};

static void parse_items(struct parser *p, struct unit *u, struct open_block *block);

/* Words. */

/* How many words stand at the current place; those after so many are somebody else's mistake. */
static size_t count_words(const struct config_token *at)
{
	size_t n = 0;

	while (n < WORDS_MAX && at[n].mark == MARK_WORD)
		n++;
	return n;
}

/* The first of n words, after the very first, that begins a line of its own; n if none does. */
static size_t line_length(const struct config_token *at, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (at[i].line != at[i - 1].line)
			return i;
	return n;
}

static const struct config_word *copy_words(struct parser *p, const struct config_token *at, size_t n)
{
	struct config_word *words = ARENA_ARRAY(p->arena, struct config_word, n);

	for (size_t i = 0; i < n; i++)
		words[i] = at[i].word;
	return words;
}

static struct config_item *add_item(struct parser *p, struct open_block *block, const struct config_token *at,
				    size_t n)
{
	struct config_item *item = arena_alloc(p->arena, sizeof *item);

	item->words = copy_words(p, at, n);
	item->n_words = n;
	for (size_t i = 0; i < n; i++)
		item->bad |= item->words[i].bad;
	*block->tail = item;
	block->tail = &item->next;
	return item;
}

/* A mistake by which some of the block is lost. */
__attribute__((format(printf, 5, 6))) static void complain(struct parser *p, const struct unit *u,
							   struct open_block *block, unsigned line,
							   const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	config_report_add(p->report, u->file, line, "%s", text);
	block->item->muddled = true;
}

/* Values. */

struct elements {
	struct config_element *all;
	size_t n, room;
};

static void add_element(struct parser *p, struct elements *list, const struct config_token *at, size_t n)
{
	if (list->n == list->room) {
		struct config_element *old = list->all;
		list->room = list->room ? list->room * 2 : 4;
		list->all = ARENA_ARRAY(p->arena, struct config_element, list->room);
		if (list->n)
			memcpy(list->all, old, list->n * sizeof *old);
	}
	list->all[list->n++] = (struct config_element){copy_words(p, at, n), n};
}

/*
 * The list met "=" or "{" or the end: its brace is missing. Gives back the words that belong to what follows:
 * the key before "=", or the type and labels before "{".
 */
static void leave_list(struct parser *p, struct unit *u, const struct config_token *open,
		       const struct config_token *word, size_t n)
{
	config_report_add(p->report, u->file, open->line, "this list is not closed: its } is missing");
	if (u->at->mark == MARK_END || u->at->mark == MARK_CLOSE || n == 0)
		return;
	size_t keep = n - 1;
	while (u->at->mark == MARK_OPEN && keep && word[keep].line == word[keep - 1].line)
		keep--;
	u->at = word + keep;
}

static bool parse_list(struct parser *p, struct unit *u, struct elements *list)
{
	const struct config_token *open = u->at++;

	if (u->at->mark == MARK_CLOSE) {
		u->at++;
		return true;
	}
	for (bool good = true;;) {
		const struct config_token *first = u->at;
		size_t n = count_words(first);
		u->at += n;
		if (u->at->mark != MARK_COMMA && u->at->mark != MARK_CLOSE) {
			leave_list(p, u, open, first, n);
			return false;
		}
		if (n) {
			add_element(p, list, first, n);
		} else if (good) {
			config_report_add(p->report, u->file, u->at->line,
					  "unexpected \"%s\" in a list; an element is missing before it",
					  u->at->mark == MARK_COMMA ? "," : "}");
			good = false;
		}
		if ((u->at++)->mark == MARK_CLOSE)
			return good;
	}
}

/* `a, b` without braces around: reported, and taken up to the last element. */
static void skip_bare_list(struct parser *p, struct unit *u, const char *key)
{
	config_report_add(p->report, u->file, u->at->line, "a list stands in braces: %.64s = { a, b }", key);
	for (unsigned line = u->at->line; u->at->mark == MARK_COMMA; line = u->at->line) {
		u->at++;
		while (u->at->mark == MARK_WORD && u->at[1].mark != MARK_EQUALS &&
		       (u->at->line == line || u->at[1].mark == MARK_COMMA))
			u->at++;
	}
}

/* After a value of one word, with k more words on its line: is one of the usual slips the reason? */
static bool skip_surplus(struct parser *p, struct unit *u, const struct config_word *key)
{
	size_t k = line_length(u->at - 1, count_words(u->at) + 1) - 1;

	if (u->at[k].mark == MARK_COMMA) {
		u->at += k;
		skip_bare_list(p, u, key->text);
		return true;
	}
	if (k == 0 || u->at[k].mark == MARK_EQUALS || u->at[k].mark == MARK_OPEN)
		return false;
	config_report_add(p->report, u->file, u->at->line,
			  "the value of %.64s has several words; quotes make one of them, braces a list",
			  key->text);
	u->at += k;
	return true;
}

/* After `key =` at the end of a line: is this not its value, but the next item? */
static bool begins_item(const struct config_token *at)
{
	size_t n = count_words(at);

	return at[1].mark == MARK_EQUALS || (at[n].mark == MARK_OPEN && config_block_find(at->word.text));
}

/* At what should be a value. */
static void parse_value(struct parser *p, struct unit *u, struct config_item *item)
{
	struct elements list = {0};
	const struct config_word *key = &item->words[0];

	bool missing = u->at->mark == MARK_WORD && u->at->line != key->line && begins_item(u->at);
	if (missing || (u->at->mark != MARK_WORD && u->at->mark != MARK_OPEN)) {
		config_report_add(p->report, key->file, key->line, "%.64s has no value", key->text);
		item->bad = true;
		/* `key == value` */
		while (u->at->mark == MARK_EQUALS || u->at->mark == MARK_COMMA)
			u->at++;
		if (!missing && u->at->mark == MARK_WORD && u->at->line == key->line &&
		    u->at[1].mark != MARK_EQUALS)
			u->at++;
		return;
	}
	if (u->at->mark == MARK_OPEN) {
		item->is_list = true;
		item->bad |= !parse_list(p, u, &list);
	} else {
		add_element(p, &list, u->at++, 1);
		item->bad |= skip_surplus(p, u, key);
	}
	item->elements = list.all;
	item->n_elements = list.n;
	for (size_t i = 0; i < list.n; i++)
		for (size_t j = 0; j < list.all[i].n; j++)
			item->bad |= list.all[i].words[j].bad;
}

/* Includes. */

static const char *include_error(const struct unit *u, const struct config_text *text)
{
	if (text->error)
		return text->error;
	for (const struct unit *outer = u; outer; outer = outer->parent) {
		bool same = strcmp(outer->text->name, text->name) == 0 ||
			    ((text->inode || text->device) && outer->text->inode == text->inode &&
			     outer->text->device == text->device);
		if (same)
			return "a file includes itself";
	}
	return u->depth == CONFIG_INCLUDE_DEPTH ? "includes are nested too deeply" : NULL;
}

static void parse_file(struct parser *p, const struct unit *parent, const struct config_text *text,
		       struct open_block *block)
{
	struct unit u = {.parent = parent, .text = text, .depth = parent ? parent->depth + 1 : 1};

	u.file = arena_text(p->arena, span_of(text->name));
	config_report_file(p->report, u.file);
	struct config_token *tokens = config_lex(text, u.file, p->input, p->arena, p->report);
	u.at = tokens;
	parse_items(p, &u, block);
	free(tokens);
}

/* At `include`. */
static void parse_include(struct parser *p, struct unit *u, struct open_block *block)
{
	const struct config_token *include = u->at++;

	if (u->at->mark != MARK_WORD || u->at->line != include->line) {
		complain(p, u, block, include->line, "include needs the name of a file");
		return;
	}
	const struct config_token *path = u->at++;
	if (path->word.bad) {
		block->item->muddled = true;
		return;
	}
	const struct config_text *text = p->input->file(p->input->ctx, u->text, path->word.text);
	const char *error = include_error(u, text);
	if (error)
		complain(p, u, block, path->line, "cannot include %.256s: %s", text->name, error);
	else
		parse_file(p, u, text, block);
}

/* Items. */

/* n words that neither "=" nor "{" follows. */
static void take_loose(struct parser *p, struct unit *u, struct open_block *block, size_t n)
{
	const struct config_token *first = u->at;
	bool all_bad = true;
	char text[80];

	u->at += n;
	for (size_t i = 0; i < n; i++)
		all_bad &= first[i].word.bad;
	block->item->muddled = true;
	if (all_bad)
		return;
	const struct config_block *type = config_block_find(first->word.text);
	snprintf(text, sizeof text, "\"%.70s\"", first->word.text);
	if (type && (n > 1 || !type->label))
		complain(p, u, block, first->line, "block %s lacks its { }", text);
	else if (n > 1)
		complain(p, u, block, first->line, "%s is followed by neither = nor {", text);
	else
		complain(p, u, block, first->line, "%s stands alone; = and a value are missing", text);
}

/* At n words and "=". */
static void parse_key(struct parser *p, struct unit *u, struct open_block *block, size_t n)
{
	const struct config_token *first = u->at;

	u->at += n + 1;
	if (n > 1) {
		/* `drain timeout = 5m`: which of them is the key is not ours to say. */
		complain(p, u, block, first->line, "a key is one word; %zu stand before =", n);
		struct config_item *aside = arena_alloc(p->arena, sizeof *aside);
		aside->words = copy_words(p, first + n - 1, 1);
		aside->n_words = 1;
		parse_value(p, u, aside);
		return;
	}
	parse_value(p, u, add_item(p, block, first, 1));
}

/* At n words and "{"; n may be 0. */
static void parse_block(struct parser *p, struct unit *u, struct open_block *block, size_t n)
{
	const struct config_token *first = u->at;
	struct config_item aside = {0};
	struct config_item *item = &aside;

	u->at += n + 1;
	if (n == 0)
		complain(p, u, block, first->line, "unexpected \"{\"; the type of a block stands before it");
	else
		item = add_item(p, block, first, n);
	item->is_block = true;
	struct open_block inner = {
		.parent = block, .unit = u, .item = item, .tail = &item->children, .depth = block->depth + 1};
	const struct config_block *type = n ? config_block_find(first->word.text) : NULL;
	inner.id = type ? type->id : BLOCK_COUNT;
	if (inner.depth == CONFIG_BLOCK_DEPTH) {
		complain(p, u, &inner, first->line, "blocks are nested too deeply");
		/* Goes on, but flat: the items are thrown away, the counter balances their braces. */
		for (unsigned open = 1; open && u->at->mark != MARK_END; u->at++)
			open += u->at->mark == MARK_OPEN ? 1u : u->at->mark == MARK_CLOSE ? -1u : 0;
		return;
	}
	parse_items(p, u, &inner);
	if (u->at->mark == MARK_CLOSE) {
		u->at++;
	} else {
		char text[80] = "this block";
		if (n)
			snprintf(text, sizeof text, "%.30s%s%.40s", item->words[0].text, n > 1 ? " " : "",
				 n > 1 ? item->words[1].text : "");
		if (u->at->mark == MARK_END)
			complain(p, u, &inner, first->line, "%s is not closed: its } is missing", text);
		else
			complain(p, u, &inner, first->line,
				 "%s is not closed: its } is missing before line %u", text, u->at->line);
		p->forgiven++;
	}
}

/*
 * n words and "{" at the start of a line: a block that has no place here but would have one further out, so
 * that a brace is missing before it?
 */
static bool is_intruder(const struct unit *u, const struct open_block *block, size_t n)
{
	if (block->unit != u || n == 0 || u->at->line == u->at[-1].line)
		return false;
	const struct config_block *type = config_block_find(u->at->word.text);
	if (!type || type->parent == block->id || (type->label != NULL) != (n == 2))
		return false;
	for (const struct open_block *outer = block->parent; outer; outer = outer->parent)
		if (outer->id == type->parent)
			return true;
	return false;
}

/* Before "{": does one of the lines after the first look like a block of its own? */
static bool block_below(const struct config_token *at, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (at[i].line != at[i - 1].line && config_block_find(at[i].word.text))
			return true;
	return false;
}

/* n words, the first `line` of them on one line, and "=". */
static void take_equals(struct parser *p, struct unit *u, struct open_block *block, size_t n, size_t line)
{
	if (line < n) {
		take_loose(p, u, block, line);
	} else if (n) {
		parse_key(p, u, block, n);
	} else {
		complain(p, u, block, u->at->line, "unexpected \"=\"; a key stands before it");
		u->at++;
		if (u->at->mark == MARK_WORD && u->at->line == u->at[-1].line)
			u->at++;
	}
}

/* A comma or a brace that belongs to nobody. */
static void take_stray(struct parser *p, struct unit *u, struct open_block *block)
{
	bool brace = u->at->mark == MARK_CLOSE;

	if (brace && p->forgiven)
		p->forgiven--;
	else if (brace)
		complain(p, u, block, u->at->line, "unexpected \"}\"; no block is open here");
	else
		complain(p, u, block, u->at->line, "unexpected \",\"");
	u->at++;
}

static bool is_include(const struct config_token *at, size_t n)
{
	return n && !at->word.quoted && strcmp(at->word.text, "include") == 0 &&
	       !(n == 1 && at[1].mark == MARK_EQUALS);
}

/* Up to what ends the block: its brace, the end of the file, or a block that does not belong in it. */
static void parse_items(struct parser *p, struct unit *u, struct open_block *block)
{
	for (;;) {
		size_t n = count_words(u->at);
		size_t line = line_length(u->at, n);
		enum config_mark after = u->at[n].mark;

		if (is_include(u->at, n)) {
			parse_include(p, u, block);
		} else if (after == MARK_EQUALS) {
			take_equals(p, u, block, n, line);
		} else if (after == MARK_OPEN) {
			if (block_below(u->at, n))
				take_loose(p, u, block, line);
			else if (is_intruder(u, block, n))
				return;
			else
				parse_block(p, u, block, n);
		} else if (n) {
			take_loose(p, u, block, line);
			/* A comma goes with the words that it stood between. */
			if (u->at->mark == MARK_COMMA)
				u->at++;
		} else if (after == MARK_END || (after == MARK_CLOSE && block->unit == u)) {
			return;
		} else {
			take_stray(p, u, block);
		}
	}
}

struct config_item *config_tree_parse(const struct config_input *input, const struct config_text *main,
				      struct arena *arena, struct config_report *report)
{
	struct parser p = {.input = input, .arena = arena, .report = report};
	struct config_item *root = arena_alloc(arena, sizeof *root);
	struct open_block file = {.id = BLOCK_FILE, .item = root, .tail = &root->children};

	root->is_block = true;
	parse_file(&p, NULL, main, &file);
	return root;
}

struct config_item *config_tree_key(const struct config_item *block, const char *key)
{
	for (struct config_item *item = block->children; item; item = item->next)
		if (strcmp(item->words[0].text, key) == 0)
			return item;
	return NULL;
}
