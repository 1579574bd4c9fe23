/*
 * haproxy_words.h: a line of HAProxy's configuration becomes words, by its rules (configuration manual 2.2, quoting).
 *
 * White space separates; # outside of quotes begins a comment, anywhere; a backslash takes a space, \ # " ' $ as they are,
 * \n \r \t \xHH have their meaning, before others it stays; '...' takes everything as it is, "..." all but backslashes and
 * variables.
 */
#ifndef HAPAIR_IMPORT_HAPROXY_WORDS_H
#define HAPAIR_IMPORT_HAPROXY_WORDS_H

#include "hapair/config/arena.h"

#include <stdbool.h>
#include <stddef.h>

#define HAPROXY_WORDS_MAX 128

struct haproxy_words {
	const char *all[HAPROXY_WORDS_MAX];
	size_t n;
	const char *
		wrong; /* NULL; else why the line cannot be read: HAProxy would refuse it too, or it has a variable */
	const char *text; /* the line without the comment and the white space around it */
};

/* `line` has no newline. Words live in the arena. */
void haproxy_words_of(struct span line, struct arena *arena, struct haproxy_words *ret);

#endif
