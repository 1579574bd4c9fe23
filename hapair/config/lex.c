/*
 * lex.c: one pass over the bytes, no look-ahead beyond two of them.
 *
 * Whatever the bytes are, the pass ends and every mistake has a line. A word with a mistake in it stays in
 * its place, marked bad, so that the grammar around it is not disturbed.
 */
#include "hapair/config/lex.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lexer {
	const char *p, *end;
	unsigned line;
	const char *file;
	const struct config_input *input;
	struct arena *arena;
	struct config_report *report;
	struct config_token *tokens;
	size_t n, room;
	/* the word at work */
	char word[CONFIG_WORD_MAX + 1];
	size_t length;
	bool bad;
};

/* One complaint a word is enough. */
__attribute__((format(printf, 2, 3))) static void complain(struct lexer *l, const char *format, ...)
{
	char text[256];
	va_list args;

	if (l->bad)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	config_report_add(l->report, l->file, l->line, "%s", text);
	l->bad = true;
}

static struct config_token *push(struct lexer *l, enum config_mark mark)
{
	if (l->n == l->room) {
		l->room = l->room ? l->room * 2 : 256;
		l->tokens = realloc(l->tokens, l->room * sizeof *l->tokens);
		if (!l->tokens)
			abort();
	}
	struct config_token *token = &l->tokens[l->n++];
	*token = (struct config_token){.mark = mark, .line = l->line};
	return token;
}

static void push_word(struct lexer *l, bool quoted)
{
	struct config_token *token = push(l, MARK_WORD);

	token->word = (struct config_word){
		.text = arena_text(l->arena, (struct span){l->word, l->length}),
		.file = l->file,
		.line = l->line,
		.quoted = quoted,
		.bad = l->bad,
	};
	l->length = 0;
	l->bad = false;
}

static void append(struct lexer *l, char c)
{
	if (l->length == CONFIG_WORD_MAX)
		complain(l, "a word of more than %d bytes", CONFIG_WORD_MAX);
	else
		l->word[l->length++] = c;
}

static bool is_control(char c)
{
	return ((unsigned char)c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7f;
}

static bool is_name(char c, bool first)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
	       (!first && c >= '0' && c <= '9');
}

/* At `${`. Takes it up to and with the brace, or what there is of a name. */
static void take_variable(struct lexer *l)
{
	char name[128];
	size_t n = 0;

	l->p += 2;
	while (l->p < l->end && is_name(*l->p, n == 0) && n < sizeof name - 1)
		name[n++] = *l->p++;
	name[n] = '\0';
	if (n == 0 || l->p == l->end || *l->p != '}') {
		complain(l, "${ must be followed by the name of an environment variable and }");
		/* A stray brace would unbalance everything after it. */
		while (l->p < l->end && !strchr(" \t\r\n\"{}", *l->p))
			l->p++;
		if (l->p < l->end && *l->p == '}')
			l->p++;
		return;
	}
	l->p++;
	const char *value = l->input->variable(l->input->ctx, name);
	if (!value) {
		complain(l, "the environment variable %s is not set", name);
		return;
	}
	for (; *value; value++) {
		if (is_control(*value) || *value == '\n' || *value == '\r') {
			complain(l, "the environment variable %s holds a control character", name);
			return;
		}
		append(l, *value);
	}
}

static bool at_variable(const struct lexer *l)
{
	return l->end - l->p >= 2 && l->p[0] == '$' && l->p[1] == '{';
}

static bool ends_bare(char c)
{
	return strchr(" \t\r\n{}=,#\"", c) != NULL && c != '\0';
}

/* After a word that quotes were glued to: goes on to where the next word can begin, so that one mistake stays one. */
static void skip_glued(struct lexer *l)
{
	while (l->p < l->end && (*l->p == '"' || !ends_bare(*l->p))) {
		if (*l->p++ != '"')
			continue;
		while (l->p < l->end && *l->p != '"' && *l->p != '\n')
			l->p++;
		if (l->p < l->end && *l->p == '"')
			l->p++;
	}
}

static void take_bare(struct lexer *l)
{
	while (l->p < l->end && !ends_bare(*l->p)) {
		if (at_variable(l)) {
			take_variable(l);
			continue;
		}
		if (is_control(*l->p))
			complain(l, "control character 0x%02x", (unsigned char)*l->p);
		append(l, *l->p++);
	}
	if (l->p < l->end && *l->p == '"') {
		complain(l, "a quote within a word; put the whole word in quotes");
		skip_glued(l);
	}
	push_word(l, false);
}

/* At a backslash in a quoted word. */
static void take_escape(struct lexer *l)
{
	char c = l->end - l->p >= 2 ? l->p[1] : '\n';

	if (c == '"' || c == '\\' || c == '$') {
		append(l, c);
		l->p += 2;
		return;
	}
	complain(l, "in quotes a backslash stands before \", \\ or $ only");
	l->p++;
}

static void take_quoted(struct lexer *l)
{
	for (l->p++; l->p < l->end && *l->p != '"' && *l->p != '\n';) {
		if (at_variable(l)) {
			take_variable(l);
		} else if (*l->p == '\\') {
			take_escape(l);
		} else {
			if (is_control(*l->p) || *l->p == '\r')
				complain(l, "control character 0x%02x", (unsigned char)*l->p);
			append(l, *l->p++);
		}
	}
	if (l->p == l->end || *l->p == '\n') {
		complain(l, "this quote is not closed on its line");
	} else {
		l->p++;
		if (l->p < l->end && (*l->p == '"' || !ends_bare(*l->p))) {
			complain(l, "a word goes on after its closing quote");
			skip_glued(l);
		}
	}
	push_word(l, true);
}

static void take_one(struct lexer *l)
{
	switch (*l->p) {
	case '\n':
		l->line++;
		l->p++;
		break;
	case ' ':
	case '\t':
	case '\r':
		l->p++;
		break;
	case '#':
		while (l->p < l->end && *l->p != '\n')
			l->p++;
		break;
	case '{':
		push(l, MARK_OPEN);
		l->p++;
		break;
	case '}':
		push(l, MARK_CLOSE);
		l->p++;
		break;
	case '=':
		push(l, MARK_EQUALS);
		l->p++;
		break;
	case ',':
		push(l, MARK_COMMA);
		l->p++;
		break;
	case '"':
		take_quoted(l);
		break;
	default:
		take_bare(l);
	}
}

struct config_token *config_lex(const struct config_text *text, const char *file,
				const struct config_input *input, struct arena *arena,
				struct config_report *report)
{
	struct lexer l = {
		.p = text->bytes,
		.end = text->bytes + text->n,
		.line = 1,
		.file = file,
		.input = input,
		.arena = arena,
		.report = report,
	};

	/* The byte order mark that some editors leave. */
	if (text->n >= 3 && memcmp(text->bytes, "\xef\xbb\xbf", 3) == 0)
		l.p += 3;
	while (l.p < l.end)
		take_one(&l);
	push(&l, MARK_END);
	return l.tokens;
}
