/* keepalived_tree.c: tokens to items, with the blocks that are open on a stack. */
#include "hapair/import/keepalived_tree.h"

#include <string.h>

#define WORD_MAX 4096

struct parser {
	const char *p, *end;
	struct import_line line;
	struct arena *arena;
	struct notes *notes;
	struct keepalived_item *open[KEEPALIVED_DEPTH]; /* [0] is the root */
	size_t depth;
	struct keepalived_item *item; /* that words are added to; NULL: the next word begins one */
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The rest of the line from here, for notes. */
static const char *text_of_line(const struct parser *r)
{
	const char *end = memchr(r->p, '\n', (size_t)(r->end - r->p));
	struct span s = {r->p, (size_t)((end ? end : r->end) - r->p)};

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '!' || s.p[i] == '#')
			s.n = i;
	while (s.n && (is_space(s.p[s.n - 1]) || s.p[s.n - 1] == '{' || s.p[s.n - 1] == '}'))
		s.n--;
	if (s.n > IMPORT_TEXT_MAX)
		s.n = IMPORT_TEXT_MAX;
	return arena_text(r->arena, s);
}

static const char *read_word(struct parser *r)
{
	char word[WORD_MAX], quote = 0;
	size_t n = 0;

	for (; r->p < r->end && *r->p != '\n'; r->p++) {
		char c = *r->p;

		if (!quote && (is_space(c) || (c && strchr("{}!#", c))))
			break;
		if (c == '\\' && quote == '"' && r->p + 1 < r->end && r->p[1] != '\n')
			c = *++r->p;
		else if ((c == '"' || c == '\'') && (!quote || quote == c)) {
			quote = quote ? 0 : c;
			continue;
		}
		if (n < WORD_MAX)
			word[n++] = c;
	}
	if (quote)
		note_add(r->notes, r->arena, &r->line, "a quote is not closed");
	if (n == WORD_MAX)
		note_add(r->notes, r->arena, &r->line, "a word is too long");
	return arena_text(r->arena, (struct span){word, n});
}

static void add_word(struct parser *r)
{
	struct keepalived_item *item = r->item, **to = &r->open[r->depth]->children;
	const char **words;

	if (!item) {
		r->item = item = arena_alloc(r->arena, sizeof *item);
		item->line = r->line;
		item->line.text = text_of_line(r);
		while (*to)
			to = &(*to)->next;
		*to = item;
	}
	if ((item->n & (item->n - 1)) == 0) { /* full: 0, 1, 2, 4, ... */
		words = ARENA_ARRAY(r->arena, const char *, item->n ? 2 * item->n : 1);
		if (item->n)
			memcpy(words, item->words, item->n * sizeof *words);
		item->words = words;
	}
	item->words[item->n++] = read_word(r);
}

static void open_block(struct parser *r)
{
	r->p++;
	if (!r->item || r->depth + 1 == KEEPALIVED_DEPTH) {
		note_add(r->notes, r->arena, &r->line, "this { opens no block that can be read");
		r->item = NULL;
		return;
	}
	r->item->block = true;
	r->open[++r->depth] = r->item;
	r->item = NULL;
}

static void close_block(struct parser *r)
{
	r->p++;
	r->item = NULL;
	if (r->depth == 0)
		note_add(r->notes, r->arena, &r->line, "this } closes nothing");
	else
		r->depth--;
}

/* A { may stand on the line after its words. */
static bool block_follows(const struct parser *r)
{
	const char *p = r->p;

	while (p < r->end && (is_space(*p) || *p == '\n'))
		p++;
	return p < r->end && *p == '{';
}

struct keepalived_item *keepalived_tree(const char *file, struct span text, struct arena *arena,
					struct notes *notes)
{
	struct keepalived_item *root = arena_alloc(arena, sizeof *root);
	struct parser r = {
		.p = text.p, .end = text.p + text.n, .arena = arena, .notes = notes, .open = {root}};

	r.line = (struct import_line){file, 1, ""};
	while (r.p < r.end) {
		char c = *r.p;

		if (c == '\n') {
			if (!r.item || !block_follows(&r))
				r.item = NULL;
			r.line.number++;
			r.p++;
		} else if (is_space(c)) {
			r.p++;
		} else if (c == '!' || c == '#') {
			while (r.p < r.end && *r.p != '\n')
				r.p++;
		} else if (c == '{') {
			open_block(&r);
		} else if (c == '}') {
			close_block(&r);
		} else {
			add_word(&r);
		}
	}
	if (r.depth)
		note_add(notes, arena, &r.open[r.depth]->line, "its } is missing");
	return root;
}

const struct keepalived_item *keepalived_child(const struct keepalived_item *block, const char *keyword)
{
	for (const struct keepalived_item *item = block->children; item; item = item->next)
		if (strcmp(item->words[0], keyword) == 0)
			return item;
	return NULL;
}
