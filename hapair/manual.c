/*
 * manual.c: the tables as mdoc(7). Prose that is in no table stands here, once.
 */
#include "hapair/manual.h"
#include "hapair/config/options.h"

#include <string.h>

/* Text that roff must take literally, inside of a line. */
static void put(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", to);
		else if (*text == '-')
			fputs("\\-", to);
		else
			fputc(*text, to);
	}
}

/* Lines of plain text; \& keeps a leading dot or quote from being a request. */
static void put_text(FILE *to, const char *text)
{
	fputs("\\&", to);
	put(to, text);
	fputc('\n', to);
}

/* A macro with one argument, whatever is in it. */
static void put_macro(FILE *to, const char *macro, const char *argument)
{
	fprintf(to, ".%s \"", macro);
	put(to, argument);
	fputs("\"\n", to);
}

static void put_head(FILE *to, const char *name, const char *section, const char *what)
{
	fprintf(to,
		".\\\" Printed by hapair help from its own tables.\n"
		".Dd " HAPAIR_RELEASED "\n.Dt %s %s\n.Os hapair " HAPAIR_VERSION "\n.Sh NAME\n"
		".Nm %s\n.Nd %s\n",
		name, section, section[0] == '8' ? "hapair" : "hapair.conf", what);
}

static void put_options(const struct command_line *line, FILE *to)
{
	fputs("The options, before the command:\n.Bl -tag -width Ds\n", to);
	for (size_t i = 0; i < line->n_options; i++) {
		const struct command_option *option = &line->options[i];

		fprintf(to, ".It Fl %c%s%s\n", option->letter, *option->argument ? " Ar " : "",
			option->argument);
		put_text(to, option->doc);
	}
	fputs(".El\n", to);
}

static void put_commands(const struct command_line *line, FILE *to)
{
	fputs(".Sh COMMANDS\n.Bl -tag -width Ds\n", to);
	for (size_t i = 0; i < line->n_commands; i++) {
		const struct command *command = &line->commands[i];

		fprintf(to, ".It Cm %s", command->name);
		if (*command->synopsis) {
			fputs(" No \"", to);
			put(to, command->synopsis);
			fputc('"', to);
		}
		fputc('\n', to);
		put_text(to, command->does);
		fputs(".Pp\n", to);
		put_macro(to, "Dl", command->example);
	}
	fputs(".El\n", to);
}

void manual_print_program(const struct command_line *line, FILE *to)
{
	put_head(to, "HAPAIR", "8", "high-availability load balancer of two nodes");
	fputs(".Sh SYNOPSIS\n.Nm hapair\n", to);
	for (size_t i = 0; i < line->n_options; i++)
		if (*line->options[i].argument)
			fprintf(to, ".Op Fl %c Ar %s\n", line->options[i].letter, line->options[i].argument);
	fputs(".Ar command\n.Op Ar argument ...\n"
	      ".Sh DESCRIPTION\n"
	      "Two nodes run the same reverse proxy.\n"
	      "One of them, the active, holds the virtual addresses; the other, the passive, waits.\n"
	      "They exchange signed heartbeats; when the active falls silent, the passive takes over.\n"
	      "Both read the same configuration, described in\n.Xr hapair.conf 5 .\n.Pp\n",
	      to);
	put_options(line, to);
	put_commands(line, to);
	fputs(".Sh FILES\n.Bl -tag -width Ds\n"
	      ".It Pa " INVOCATION_CONFIG "\nThe configuration.\n"
	      ".It Pa " INVOCATION_RUN_DIR "/" INVOCATION_CONTROL "\n"
	      "The daemon's HTTP for the commands, root's alone.\n"
	      ".It Pa " INVOCATION_STATE_DIR "\nWhat a node remembers over restarts.\n"
	      ".El\n.Sh EXIT STATUS\n.Bl -tag -width Ds\n",
	      to);
	for (size_t i = 0; i < line->n_exits; i++) {
		fprintf(to, ".It %d\n", line->exits[i].status);
		put_text(to, line->exits[i].doc);
	}
	fputs(".El\n.Sh SEE ALSO\n.Xr systemctl 1 ,\n.Xr hapair.conf 5\n", to);
}

static void put_option(const struct config_option *option, FILE *to)
{
	char range[CONFIG_RANGE_MAX];

	fprintf(to, ".It Ic %s\n", option->key);
	put_text(to, option->doc);
	if (!option->supported)
		fputs("(not supported yet)\n", to);
	fputs(".br\n", to);
	put_text(to, config_option_range(option, range));
	fputs(".br\n", to);
	if (option->fallback)
		fputs("default ", to);
	put_text(to, option->fallback ? option->fallback : option->required ? "must be given" : "no default");
}

static void put_block(const struct config_block *block, FILE *to)
{
	bool open = false;

	fprintf(to, ".Ss %s%s%s\n", block->type, block->label ? " " : "", block->label ? block->label : "");
	if (block->parent != BLOCK_FILE)
		fprintf(to, "(inside of\n.Ic %s )\n", config_blocks[block->parent].type);
	put_text(to, block->doc);
	if (!block->supported)
		fputs("(not supported yet)\n", to);
	for (size_t i = 0; i < config_option_count; i++) {
		if (config_options[i].block != block->id)
			continue;
		if (!open)
			fputs(".Bl -tag -width Ds\n", to);
		open = true;
		put_option(&config_options[i], to);
	}
	if (open)
		fputs(".El\n", to);
}

void manual_print_config(const struct command_line *line, FILE *to)
{
	put_head(to, "HAPAIR.CONF", "5", "configuration of hapair");
	fputs(".Sh DESCRIPTION\n", to);
	fputs("One file for both nodes; a node finds out which of the two it is.\n.Xr hapair 8\n.Cm check\n"
	      "says every mistake at once.\n.Pp\n",
	      to);
	put_text(to, config_grammar);
	fputs(".Sh BLOCKS AND THEIR KEYS\n", to);
	for (size_t i = BLOCK_FILE + 1; i < BLOCK_COUNT; i++)
		put_block(&config_blocks[i], to);
	fputs(".Sh FILES\n.Bl -tag -width Ds\n.It Pa " INVOCATION_CONFIG "\n"
	      "Where it is looked for.\n"
	      ".It Pa /usr/share/doc/hapair/examples/hapair.conf\n"
	      "A pair, a virtual address and two web servers.\n.El\n.Sh SEE ALSO\n.Xr hapair 8\n",
	      to);
}
