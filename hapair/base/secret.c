/*
 * secret.c: the text of a secret file as keys.
 */
#include "hapair/base/secret.h"

#include "hapair/base/span.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line; empty at its end or at a comment. */
static struct span next_word(struct span *line)
{
	while (line->n && is_blank(line->p[0]))
		*line = (struct span){line->p + 1, line->n - 1};
	if (line->n && line->p[0] == '#')
		line->n = 0;
	struct span word = {line->p, 0};
	while (word.n < line->n && !is_blank(line->p[word.n]))
		word.n++;
	*line = (struct span){line->p + word.n, line->n - word.n};
	return word;
}

static const char *parse_id(struct span word, uint32_t *ret)
{
	uint64_t id = 0;

	if (word.n > 10)
		return "the key id must be a number from 1 to 4294967295";
	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] < '0' || word.p[i] > '9')
			return "the key id must be a number from 1 to 4294967295";
		id = id * 10 + (uint64_t)(word.p[i] - '0');
	}
	if (id == 0 || id > UINT32_MAX)
		return "the key id must be a number from 1 to 4294967295";
	*ret = (uint32_t)id;
	return NULL;
}

static const char *parse_key(struct span word, uint8_t out[SECRET_KEY_BYTES])
{
	uint8_t all = 0;

	if (word.n != SECRET_KEY_BYTES * 2)
		return "the key must be 64 hexadecimal digits";
	for (size_t i = 0; i < SECRET_KEY_BYTES; i++) {
		int high = hex_digit(word.p[2 * i]), low = hex_digit(word.p[2 * i + 1]);
		if (high < 0 || low < 0)
			return "the key must be 64 hexadecimal digits";
		out[i] = (uint8_t)(high << 4 | low);
		all |= out[i];
	}
	return all ? NULL : "the key is all zeros";
}

/* NULL, or why the line is wrong. A line without a word says nothing. */
static const char *parse_line(struct span line, struct secret *secret)
{
	struct span id = next_word(&line);

	if (id.n == 0)
		return NULL;
	if (secret->n == SECRET_KEYS_MAX)
		return "more than 8 keys";
	const char *why = parse_id(id, &secret->keys[secret->n].id);
	if (why)
		return why;
	for (size_t i = 0; i < secret->n; i++)
		if (secret->keys[i].id == secret->keys[secret->n].id)
			return "a key with this id stands above";
	why = parse_key(next_word(&line), secret->keys[secret->n].bytes);
	if (why)
		return why;
	if (next_word(&line).n)
		return "more than a key id and a key";
	secret->n++;
	return NULL;
}

int secret_parse(const char *text, size_t n, struct secret *ret, unsigned *ret_line, const char **ret_why)
{
	struct secret secret = {0};
	const char *why = NULL;
	unsigned number = 0;

	for (size_t at = 0; at < n && !why;) {
		const char *newline = memchr(text + at, '\n', n - at);
		size_t length = newline ? (size_t)(newline - text) - at : n - at;
		number++;
		why = parse_line((struct span){text + at, length}, &secret);
		at += length + 1;
	}
	if (!why && secret.n == 0) {
		why = "no key in it; make one with hapair keygen";
		number = 0;
	}
	if (why) {
		*ret_line = number;
		*ret_why = why;
		secret_forget(&secret);
		return -EINVAL;
	}
	*ret = secret;
	secret_forget(&secret);
	return 0;
}

void secret_forget(struct secret *secret)
{
	explicit_bzero(secret, sizeof *secret);
}
