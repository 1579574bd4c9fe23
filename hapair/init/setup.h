/*
 * setup.h: what `hapair init` was told, and the commented configuration that follows from it.
 *
 * No I/O, clock or log; memory from an arena. Each answer is judged at once by the reader's own rules (hapair/config): the
 * setup so far, completed with addresses of 240.0.0.0/8 that nobody has (RFC 1112 4), is read as a configuration.
 */
#ifndef HAPAIR_INIT_SETUP_H
#define HAPAIR_INIT_SETUP_H

#include "hapair/config/arena.h"

#include <stdbool.h>
#include <stddef.h>

enum setup_question {
	SETUP_NODE,
	SETUP_VIP,
	SETUP_SERVER,
	SETUP_HTTP,
	SETUP_TCP,
	SETUP_TLS,
	SETUP_CHECK,
	SETUP_CLUSTER,
	SETUP_DIR,
	SETUP_QUESTIONS,
};

/* One row for each: the flag, the prompt and the help come from it. */
struct setup_row {
	const char *flag;     /* without -- */
	const char *form;     /* of an answer */
	const char *asks;     /* for people */
	const char *fallback; /* what holds without an answer; NULL: it must be answered */
	size_t min, max;      /* answers */
	bool prompted;        /* an interactive init asks for it; the rest are for flags */
};

extern const struct setup_row setup_rows[SETUP_QUESTIONS];

struct setup;

struct setup *setup_new(struct arena *arena);

/* Takes an answer: NULL, or why not, a text for people of one or more lines; the setup is then as before. */
const char *setup_answer(struct setup *setup, enum setup_question question, const char *answer);
size_t setup_answers(const struct setup *setup, enum setup_question question);

/* What is still missing, for people ("two of --node NAME=ADDRESS[,ADDRESS...]"); NULL: nothing. */
const char *setup_missing(const struct setup *setup);

/* The whole file, good for `hapair check` as far as the text can tell once nothing is missing. */
const char *setup_text(const struct setup *setup);

const char *setup_directory(const struct setup *setup); /* absolute */
/* Of a node, 0 or 1: its name, and the address of its first link without port. */
const char *setup_node_name(const struct setup *setup, size_t node);
const char *setup_node_address(const struct setup *setup, size_t node);
const char *
setup_vip_address(const struct setup *setup); /* of the first, in brackets where a URL wants them */

#endif
