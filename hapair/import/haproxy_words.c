/* haproxy_words.c: one character after the other; a word is written over a copy of the line, which is never longer. */
#include "hapair/import/haproxy_words.h"

struct reader {
	const char *p, *end;
	char *to; /* where the word's next byte goes */
	char quote;
	const char *wrong;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void read_escape(struct reader *r)
{
	static const char from[] = "nrt \\#\"'$", meaning[] = "\n\r\t \\#\"'$";
	const char *known;

	if (r->p + 1 == r->end) {
		r->wrong = "a backslash ends the line";
		return;
	}
	known = strchr(from, r->p[1]);
	if (known) {
		*r->to++ = meaning[known - from];
		r->p += 2;
	} else if (r->p[1] != 'x') {
		*r->to++ = *r->p++; /* before others it stays */
	} else if (r->end - r->p < 4 || hex(r->p[2]) < 0 || hex(r->p[3]) < 0) {
		r->wrong = "\\x needs two hexadecimal digits";
	} else {
		*r->to++ = (char)(hex(r->p[2]) << 4 | hex(r->p[3]));
		r->p += 4;
	}
}

/* One word from where it begins. */
static void read_word(struct reader *r)
{
	while (r->p < r->end && !r->wrong) {
		char c = *r->p;

		if (!r->quote && (is_space(c) || c == '#'))
			return;
		if (c == '\\' && r->quote != '\'') {
			read_escape(r);
		} else if ((c == '"' || c == '\'') && (!r->quote || r->quote == c)) {
			r->quote = r->quote ? 0 : c;
			r->p++;
		} else {
			if (c == '$' && r->quote == '"')
				r->wrong = "it has an environment variable; write the value";
			*r->to++ = c;
			r->p++;
		}
	}
	if (r->quote && !r->wrong)
		r->wrong = "a quote is not closed";
}

static const char *trimmed(struct span line, struct arena *arena)
{
	while (line.n && is_space(*line.p)) {
		line.p++;
		line.n--;
	}
	while (line.n && is_space(line.p[line.n - 1]))
		line.n--;
	return arena_text(arena, line);
}

void haproxy_words_of(struct span line, struct arena *arena, struct haproxy_words *ret)
{
	struct reader r = {.p = line.p, .end = line.p + line.n};
	char *copy = arena_alloc(arena, 2 * line.n + 2);

	*ret = (struct haproxy_words){0};
	r.to = copy;
	for (;;) {
		char *word = r.to;

		while (r.p < r.end && is_space(*r.p))
			r.p++;
		if (r.p == r.end || *r.p == '#' || r.wrong)
			break;
		read_word(&r);
		*r.to++ = '\0';
		if (ret->n == HAPROXY_WORDS_MAX) {
			r.wrong = "more words than an import reads";
			break;
		}
		ret->all[ret->n++] = word;
	}
	ret->wrong = r.wrong;
	ret->text =
		trimmed((struct span){line.p, (size_t)(r.wrong ? line.n : (size_t)(r.p - line.p))}, arena);
}
