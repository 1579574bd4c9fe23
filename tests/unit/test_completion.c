/*
 * test_completion.c: what becomes of a synopsis.
 * rooms: hapair/completion.c
 */
#include "hapair/completion.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *bash_of(const char *synopsis)
{
	const struct command command = {.name = "do", .synopsis = synopsis, .does = "something"};
	const struct command_option option = {'c', "FILE", "the configuration"};
	const struct command_line line = {&command, 1, &option, 1, NULL, 0};
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	completion_print_bash(&line, to);
	fclose(to);
	return text;
}

static void has(const char *synopsis, const char *row)
{
	char *text = bash_of(synopsis);

	if (!strstr(text, row))
		fail_msg("\"%s\" gives no row %s:\n%s", synopsis, row, text);
	free(text);
}

static void verbs_stand_at_the_first_place(void **state)
{
	has("list [POOL] | drain|ready POOL/NAME", "\t\"do 1 \"*) _hapair_words list drain ready ;;\n");
}

static void what_follows_a_verb_belongs_to_it_alone(void **state)
{
	has("list [POOL] | drain|ready POOL/NAME",
	    "\t\"do 2 drain \"*|\"do 2 ready \"*) _hapair_words $(_hapair_servers) ;;\n");
	has("list [POOL] | drain|ready POOL/NAME", "\t\"do 2 list \"*) _hapair_words $(_hapair_pools) ;;\n");
}

static void a_pair_is_typed_up_to_its_equals_sign(void **state)
{
	has("add POOL/NAME ADDRESS [weight=N]", "\t\"do 4 add \"*) _hapair_words weight= ;;\n");
}

static void a_flag_takes_its_value(void **state)
{
	has("--file FILE [--dir DIR] [--force]", "\t\"do \"*\" --dir\") _hapair_directories ;;\n");
	has("--file FILE [--dir DIR] [--force]", "\t\"do \"*\" --file\") _hapair_files ;;\n");
	has("--file FILE [--dir DIR] [--force]", "\tdo) _hapair_words --file --dir --force ;;\n");
}

static void what_nobody_knows_is_left_to_the_reader(void **state)
{
	char *text = bash_of("[--wait SECONDS] NUMBER");

	assert_null(strstr(text, "\"do 1"));
	assert_null(strstr(text, "SECONDS"));
	assert_non_null(strstr(text, "\tdo) _hapair_words --wait ;;\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verbs_stand_at_the_first_place),
		cmocka_unit_test(what_follows_a_verb_belongs_to_it_alone),
		cmocka_unit_test(a_pair_is_typed_up_to_its_equals_sign),
		cmocka_unit_test(a_flag_takes_its_value),
		cmocka_unit_test(what_nobody_knows_is_left_to_the_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
