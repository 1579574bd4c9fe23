/*
 * lex.h: the bytes of one file become words and marks.
 *
 * White space (space, tab, CR, LF) separates; `#` outside of quotes begins a comment to the end of the line.
 * A bare word ends at white space or one of { } = , # ". In a quoted word \" \\ and \$ stand for themselves;
 * it ends on its line.
 * ${NAME} in either kind becomes the variable's value, as text: spaces or braces in the value stay within the
 * word.
 */
#ifndef HAPAIR_CONFIG_LEX_H
#define HAPAIR_CONFIG_LEX_H

#include "hapair/config/tree.h"

#define CONFIG_WORD_MAX 4096 /* bytes, decoded */

enum config_mark { MARK_WORD, MARK_EQUALS, MARK_COMMA, MARK_OPEN, MARK_CLOSE, MARK_END };

struct config_token {
	enum config_mark mark;
	unsigned line;
	struct config_word word; /* of MARK_WORD */
};

/*
 * All tokens of the file, the last is MARK_END; malloc'd, the caller frees it, while the words live in the
 * arena. `file` is the arena's copy of the file's name. Mistakes are reported, their words are marked bad.
 */
struct config_token *config_lex(const struct config_text *text, const char *file,
				const struct config_input *input, struct arena *arena,
				struct config_report *report);

#endif
