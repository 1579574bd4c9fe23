/* rooms: hapair/base/secret.c
 *
 * Secret files, good and bad.
 */
#include "hapair/base/secret.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KEY1 "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define KEY2 "f0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void the_first_key_signs_and_all_are_kept_in_order(void **state)
{
	static const char text[] = "# made by keygen\n\n 7 " KEY1 " # old\r\n4294967295\t" KEY2;
	struct secret secret;
	unsigned line;
	const char *why;

	assert_int_equal(secret_parse(text, sizeof text - 1, &secret, &line, &why), 0);
	assert_int_equal(secret.n, 2);
	assert_int_equal(secret.keys[0].id, 7);
	assert_int_equal(secret.keys[1].id, 4294967295);
	assert_int_equal(secret.keys[0].bytes[1], 0x11);
	assert_int_equal(secret.keys[0].bytes[31], 0xff);
	assert_int_equal(secret.keys[1].bytes[0], 0xf0);
}

static void each_wrong_line_is_named_with_its_reason(void **state)
{
	static const struct {
		const char *text, *why;
		unsigned line;
	} cases[] = {
		{"", "no key in it", 0},
		{"# nothing\n", "no key in it", 0},
		{"\nx " KEY1 "\n", "key id", 2},
		{"0 " KEY1, "key id", 1},
		{"4294967296 " KEY1, "key id", 1},
		{"-1 " KEY1, "key id", 1},
		{"1\n", "64 hexadecimal", 1},
		{"1 " KEY1 "0\n", "64 hexadecimal", 1},
		{"1 0g112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", "64 hexadecimal", 1},
		{"1 0000000000000000000000000000000000000000000000000000000000000000", "all zeros", 1},
		{"1 " KEY1 " 2\n", "more than a key id", 1},
		{"1 " KEY1 "\n1 " KEY2 "\n", "stands above", 2},
		{KEY1 "\n", "key id", 1},
	};
	struct secret secret;
	const char *why;
	unsigned line;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		why = "";
		line = 999;
		assert_int_equal(secret_parse(cases[i].text, strlen(cases[i].text), &secret, &line, &why),
				 -EINVAL);
		if (!strstr(why, cases[i].why) || line != cases[i].line)
			fail_msg("case %zu: line %u: %s", i, line, why);
	}
}

static void a_ninth_key_is_refused(void **state)
{
	char text[1024] = "";
	struct secret secret;
	unsigned line;
	const char *why;

	for (int i = 1; i <= 9; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%d " KEY1 "\n", i);
	assert_int_equal(secret_parse(text, strlen(text), &secret, &line, &why), -EINVAL);
	assert_int_equal(line, 9);
	text[8 * (64 + 3)] = '\0';
	assert_int_equal(secret_parse(text, strlen(text), &secret, &line, &why), 0);
	assert_int_equal(secret.n, 8);
}

static void forgetting_leaves_nothing(void **state)
{
	struct secret secret, zero = {0};

	memset(&secret, 0x55, sizeof secret);
	secret_forget(&secret);
	assert_memory_equal(&secret, &zero, sizeof secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_key_signs_and_all_are_kept_in_order),
		cmocka_unit_test(each_wrong_line_is_named_with_its_reason),
		cmocka_unit_test(a_ninth_key_is_refused),
		cmocka_unit_test(forgetting_leaves_nothing),
	};
	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
