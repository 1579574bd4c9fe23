/*
 * completion.c: a synopsis becomes rows "at this place, these words", the same for both shells. A place is the command, the position
 * behind it, the first word there, and the word before:
 *
 *   server list [POOL] | weight POOL/NAME N        "server 1 "*)        list weight
 *                                                  "server 2 list "*)   the pools
 *                                                  "server 2 weight "*) the servers
 *   init [--dir DIR]                               "init "*" --dir")    directories
 *
 * Capitals stand for something: for a kind that the shell can find out, or else for what the reader has to type.
 */
#include "hapair/completion.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define TEXT_MAX 512
#define TOKENS   64

static const struct kind {
	const char *name, *action;
} kinds[] = {
	{"FILE", "_hapair_files"},
	{"DIR", "_hapair_directories"},
	{"RUNDIR", "_hapair_directories"},
	{"STATEDIR", "_hapair_directories"},
	{"POOL", "_hapair_words $(_hapair_pools)"},
	{"POOL/NAME", "_hapair_words $(_hapair_servers)"},
	{"NODE", "_hapair_words $(_hapair_nodes)"},
	{"COMMAND", "_hapair_commands"},
};

/* What the running daemon and the configuration know. */
static const char helpers[] =
	"_hapair_pools() {\n"
	"\thapair server list 2>/dev/null | sed -n 's/^pool \\([^,]*\\),.*/\\1/p'\n"
	"}\n"
	"_hapair_servers() {\n"
	"\thapair server list 2>/dev/null | awk '/^pool / { pool = $2; sub(/,$/, \"\", pool); next }\n"
	"\t\tNF > 3 && $1 != \"server\" { print pool \"/\" $1 }'\n"
	"}\n"
	"_hapair_nodes() {\n"
	"\tsed -n 's/^[[:space:]]*node[[:space:]][[:space:]]*\\([^[:space:]{]*\\).*/\\1/p' " INVOCATION_CONFIG
	" 2>/dev/null\n"
	"}\n";

static const char *action_of(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return kinds[i].action;
	return NULL;
}

static bool is_flag(const char *word)
{
	return word[0] == '-';
}

static bool is_literal(const char *word)
{
	return islower((unsigned char)*word);
}

/* A word of a synopsis without its brackets; "weight=N" is typed up to its "=". */
static char *bare(char *word)
{
	char *equals;

	word += strspn(word, "[");
	word[strcspn(word, "]")] = '\0';
	equals = strchr(word, '=');
	if (equals && is_literal(word))
		equals[1] = '\0';
	return word;
}

/* "drain|ready" as words. */
static void add_words(char words[TEXT_MAX], const char *more)
{
	size_t n = strlen(words);

	n += (size_t)snprintf(words + n, TEXT_MAX - n, "%s%s", n ? " " : "", more);
	for (char *bar = words; n < TEXT_MAX && (bar = strchr(bar, '|'));)
		*bar = ' ';
}

/* What goes at a place, by its word in the synopsis. */
static void put_what(FILE *to, const char *word)
{
	if (is_literal(word))
		fprintf(to, " _hapair_words %s ;;\n", word);
	else
		fprintf(to, " %s ;;\n", action_of(word));
}

static bool is_known(const char *word)
{
	return is_literal(word) || action_of(word);
}

/* The words behind the verbs "drain|ready": one row, a pattern for each verb. */
static void behind_verbs(FILE *to, const char *command, size_t at, const char *verbs, const char *word)
{
	fprintf(to, "\t\"%s %zu ", command, at);
	for (; *verbs; verbs++) {
		if (*verbs == '|')
			fprintf(to, " \"*|\"%s %zu ", command, at);
		else
			fputc(*verbs, to);
	}
	fputs(" \"*)", to);
	put_what(to, word);
}

/* One alternative: its rows, except for the words of the first place, which are collected. */
static void alternative(FILE *to, const char *command, char *text, char first[TEXT_MAX])
{
	const char *verbs = NULL, *word, *previous = "";
	char *save;
	size_t at = 1;

	for (char *token = strtok_r(text, " ", &save); token; token = strtok_r(NULL, " ", &save)) {
		word = bare(token);
		if (is_flag(word)) {
			/* see flags_of() */
		} else if (is_flag(previous)) {
			if (is_known(word)) {
				fprintf(to, "\t\"%s \"*\" %s\")", command, previous);
				put_what(to, word);
			}
		} else if (at++ == 1) {
			if (is_literal(word))
				add_words(first, verbs = word);
			else if (is_known(word))
				add_words(first, word);
		} else if (is_known(word)) {
			behind_verbs(to, command, at - 1, verbs ? verbs : "", word);
		}
		previous = word;
	}
}

/* The alternatives of a synopsis, " | " between them wherever it stands. */
static void command_rows(FILE *to, const struct command *command)
{
	char text[TEXT_MAX], first[TEXT_MAX] = "", words[TEXT_MAX] = "", *next, *save;

	snprintf(text, sizeof(text), "%s", command->synopsis);
	for (char *one = text; one; one = next) {
		next = strstr(one, " | ");
		if (next) {
			*next = '\0';
			next += 3;
		}
		alternative(to, command->name, one, first);
	}
	if (!*first)
		return;
	fprintf(to, "\t\"%s 1 \"*)", command->name);
	for (char *word = strtok_r(first, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (is_literal(word))
			add_words(words, word);
		else
			fprintf(to, " %s;", action_of(word));
	}
	if (*words)
		fprintf(to, " _hapair_words %s", words);
	fputs(" ;;\n", to);
}

/* The flags of all alternatives, a blank before each. */
static void flags_of(const struct command *command, char flags[TEXT_MAX])
{
	char text[TEXT_MAX], *save;
	size_t n = 0;

	flags[0] = '\0';
	snprintf(text, sizeof(text), "%s", command->synopsis);
	for (char *token = strtok_r(text, " ", &save); token; token = strtok_r(NULL, " ", &save)) {
		const char *word = bare(token);
		if (is_flag(word) && n < TEXT_MAX)
			n += (size_t)snprintf(flags + n, TEXT_MAX - n, " %s", word);
	}
}

/* `command`, `position`, `verb` and `previous` from the words before the one that is completed. */
static void put_place(const struct command_line *line, FILE *to)
{
	fputs("_hapair_place() {\n"
	      "\tlocal word\n"
	      "\tcommand='' position=0 verb='' previous=''\n"
	      "\tfor word; do\n"
	      "\t\tcase \"$command:$previous:$word\" in\n\t\t",
	      to);
	for (size_t i = 0, n = 0; i < line->n_options; i++)
		if (*line->options[i].argument)
			fprintf(to, "%s:-%c:*", n++ ? "|" : "", line->options[i].letter);
	fputs(") ;;\n"
	      "\t\t:*:-*) ;;\n"
	      "\t\t:*) command=$word position=1 ;;\n"
	      "\t\t*:--*) ;;\n"
	      "\t\t*)\n"
	      "\t\t\t[ $position != 1 ] || verb=$word\n"
	      "\t\t\tposition=$((position + 1))\n"
	      "\t\t\t;;\n"
	      "\t\tesac\n"
	      "\t\tprevious=$word\n"
	      "\tdone\n"
	      "}\n",
	      to);
}

/* The rows: before the command, behind it, and the flags. */
static void put_rows(const struct command_line *line, FILE *to)
{
	char flags[TEXT_MAX];

	fputs("_hapair_rows() {\n\tcase \"$command $position $verb $previous\" in\n", to);
	for (size_t i = 0; i < line->n_options; i++)
		if (action_of(line->options[i].argument))
			fprintf(to, "\t\" 0  -%c\") %s ;;\n", line->options[i].letter,
				action_of(line->options[i].argument));
	fputs("\t\" 0 \"*)\n\t\t_hapair_commands\n\t\t_hapair_words", to);
	for (size_t i = 0; i < line->n_options; i++)
		fprintf(to, " -%c", line->options[i].letter);
	fputs("\n\t\t;;\n", to);
	for (size_t i = 0; i < line->n_commands; i++)
		command_rows(to, &line->commands[i]);
	fputs("\tesac\n\tcase $command in\n", to);
	for (size_t i = 0; i < line->n_commands; i++) {
		flags_of(&line->commands[i], flags);
		if (*flags)
			fprintf(to, "\t%s) _hapair_words%s ;;\n", line->commands[i].name, flags);
	}
	fputs("\tesac\n}\n", to);
}

void completion_print_bash(const struct command_line *line, FILE *to)
{
	fprintf(to,
		"# bash completion for hapair, printed by hapair help from its own table of commands.\n%s"
		"_hapair_words() {\n"
		"\tCOMPREPLY+=($(compgen -W \"$*\" -- \"$cur\"))\n"
		"\tcase ${COMPREPLY[*]} in *=) compopt -o nospace 2>/dev/null ;; esac\n"
		"}\n"
		"_hapair_files() {\n"
		"\tcompopt -o filenames 2>/dev/null\n"
		"\tCOMPREPLY+=($(compgen -f -- \"$cur\"))\n"
		"}\n"
		"_hapair_directories() {\n"
		"\tcompopt -o filenames 2>/dev/null\n"
		"\tCOMPREPLY+=($(compgen -d -- \"$cur\"))\n"
		"}\n"
		"_hapair_commands() {\n\t_hapair_words",
		helpers);
	for (size_t i = 0; i < line->n_commands; i++)
		fprintf(to, " %s", line->commands[i].name);
	fputs("\n}\n", to);
	put_place(line, to);
	put_rows(line, to);
	fputs("_hapair() {\n"
	      "\tlocal cur words cword command position verb previous\n"
	      "\t_get_comp_words_by_ref -n := cur words cword\n"
	      "\tCOMPREPLY=()\n"
	      "\t_hapair_place \"${words[@]:1:cword-1}\"\n"
	      "\t_hapair_rows\n"
	      "}\n"
	      "complete -F _hapair hapair\n",
	      to);
}

/* For single quotes. */
static void put_quoted(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", to);
		else
			fputc(*text, to);
	}
}

void completion_print_zsh(const struct command_line *line, FILE *to)
{
	fprintf(to,
		"#compdef hapair\n"
		"# zsh completion for hapair, printed by hapair help from its own table of commands.\n%s"
		"_hapair_words() {\n"
		"\tlocal word\n"
		"\tfor word; do\n"
		"\t\tcase $word in *=) compadd -S '' -- \"$word\" ;; *) compadd -- \"$word\" ;; esac\n"
		"\tdone\n"
		"}\n"
		"_hapair_files() { _files }\n"
		"_hapair_directories() { _files -/ }\n"
		"_hapair_commands() {\n"
		"\tlocal -a all=(\n",
		helpers);
	for (size_t i = 0; i < line->n_commands; i++) {
		fprintf(to, "\t\t'%s:", line->commands[i].name);
		put_quoted(to, line->commands[i].does);
		fputs("'\n", to);
	}
	fputs("\t)\n\t_describe command all\n}\n", to);
	put_place(line, to);
	put_rows(line, to);
	fputs("_hapair() {\n"
	      "\tlocal command position verb previous\n"
	      "\t_hapair_place \"${(@)words[2,CURRENT-1]}\"\n"
	      "\t_hapair_rows\n"
	      "}\n"
	      "_hapair \"$@\"\n",
	      to);
}
