/* rooms: proxy/framing.c */
/*
 * Bodies: what passes, where it ends, and what must stop it.
 */
#include "proxy/framing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Feeds `text` in pieces of at most `step` bytes; collects what would leave. Returns 0 or the error; *ret_used counts the body's bytes. */
static int feed(struct framing *f, struct span text, size_t step, char *out, size_t *ret_out,
		size_t *ret_used)
{
	*ret_out = *ret_used = 0;
	while (*ret_used < text.n && !framing_done(f)) {
		size_t n = text.n - *ret_used < step ? text.n - *ret_used : step, used, keep;
		char *piece = malloc(n);
		int r;

		memcpy(piece, text.p + *ret_used, n);
		r = framing_take(f, piece, n, &used, &keep);
		assert_true(keep <= used && used <= n);
		memcpy(out + *ret_out, piece, keep);
		*ret_out += keep;
		*ret_used += used;
		/* what was not used is untouched */
		assert_memory_equal(piece + used, text.p + *ret_used, n - used);
		free(piece);
		if (r < 0)
			return r;
	}
	return 0;
}

struct body {
	const char *why;
	struct span text;
	int want;            /* 0 complete, 1 incomplete, or the error */
	const char *passed;  /* what leaves chunked */
	const char *decoded; /* what leaves to HTTP/1.0 */
	size_t rest;         /* bytes of the next message behind it */
};

#define B(why, text, want, passed, decoded, rest)                                                            \
	{                                                                                                    \
		why, {text, sizeof(text) - 1}, want, passed, decoded, rest                                   \
	}

/* clang-format off */
static const struct body bodies[] = {
	B("two chunks", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", 0, "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", 0),
	B("no data", "0\r\n\r\n", 0, "0\r\n\r\n", "", 0),
	B("the next request behind it", "1\r\na\r\n0\r\n\r\nGET /", 0, "1\r\na\r\n0\r\n\r\n", "a", 5),
	B("hexadecimal in both cases", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", 0,
	  "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", "01234567890123456789a", 0),
	B("leading zeros", "0000000000000002\r\nab\r\n00\r\n\r\n", 0, "0000000000000002\r\nab\r\n00\r\n\r\n", "ab", 0),
	B("an extension is dropped", "2;a=b;c=\"d\"\r\nab\r\n0;e\r\n\r\n", 0, "2\r\nab\r\n0\r\n\r\n", "ab", 0),
	B("trailers are dropped", "2\r\nab\r\n0\r\nA: b\r\nC:d\r\n\r\nX", 0, "2\r\nab\r\n0\r\n\r\n", "ab", 1),
	B("not all there", "5\r\nhel", 1, "5\r\nhel", "hel", 0),
	B("not all of the end", "0\r\n\r", 1, "0\r\n\r", "", 0),
	B("17 digits", "00000000000000001\r\na", -FRAMING_BAD_SIZE, "0000000000000000", "", 0),
	B("no size", "\r\na", -FRAMING_BAD_SIZE, "", "", 0),
	B("a sign", "+5\r\nhello", -FRAMING_BAD_SIZE, "", "", 0),
	B("a minus", "-1\r\nhello", -FRAMING_BAD_SIZE, "", "", 0),
	B("a prefix", "0x5\r\nhello", -FRAMING_BAD_SIZE, "0", "", 0),
	B("a blank first", " 5\r\nhello", -FRAMING_BAD_SIZE, "", "", 0),
	B("a blank behind", "5 \r\nhello", -FRAMING_BAD_SIZE, "5", "", 0),
	B("a blank before the extension", "5 ;a\r\nhello", -FRAMING_BAD_SIZE, "5", "", 0),
	B("an underscore", "1_0\r\n", -FRAMING_BAD_SIZE, "1", "", 0),
	B("only an extension", ";a\r\n", -FRAMING_BAD_SIZE, "", "", 0),
	B("too large", "ffffffffffffffff\r\n", -FRAMING_SIZE_OVERFLOW, "ffffffffffffffff", "", 0),
	B("the sign bit", "8000000000000000;a\r\n", -FRAMING_SIZE_OVERFLOW, "8000000000000000", "", 0),
	B("LF behind the size", "5\nhello", -FRAMING_BAD_LINE_END, "5", "", 0),
	B("CR alone behind the size", "5\rXhello", -FRAMING_BAD_LINE_END, "5\r", "", 0),
	B("LF in the extension", "5;a\nhello", -FRAMING_BAD_LINE_END, "5", "", 0),
	B("NUL in the extension", "5;a\0\r\nhello", -FRAMING_BAD_EXTENSION, "5", "", 0),
	B("CR in the extension", "5;a\rb\r\nhello", -FRAMING_BAD_LINE_END, "5\r", "", 0),
	B("data too long", "2\r\nabc\r\n", -FRAMING_BAD_DATA_END, "2\r\nab", "ab", 0),
	B("data too short", "3\r\nab\r\n0\r\n\r\n", -FRAMING_BAD_DATA_END, "3\r\nab\r", "ab\r", 0),
	B("LF behind the data", "2\r\nab\n0\r\n\r\n", -FRAMING_BAD_DATA_END, "2\r\nab", "ab", 0),
	B("CR alone behind the data", "2\r\nab\r0\r\n", -FRAMING_BAD_DATA_END, "2\r\nab\r", "ab", 0),
	B("LF as the last line", "0\r\n\n", -FRAMING_BAD_TRAILER, "0\r\n", "", 0),
	B("CR alone as the last line", "0\r\n\rX", -FRAMING_BAD_LINE_END, "0\r\n\r", "", 0),
	B("a folded trailer", "0\r\n A: b\r\n\r\n", -FRAMING_BAD_TRAILER, "0\r\n", "", 0),
	B("a trailer without name", "0\r\n: b\r\n\r\n", -FRAMING_BAD_TRAILER, "0\r\n", "", 0),
	B("a trailer without colon", "0\r\nab\r\n\r\n", -FRAMING_BAD_TRAILER, "0\r\n", "", 0),
	B("a blank in a trailer's name", "0\r\nA : b\r\n\r\n", -FRAMING_BAD_TRAILER, "0\r\n", "", 0),
	B("LF behind a trailer", "0\r\nA: b\n\r\n", -FRAMING_BAD_TRAILER, "0\r\n", "", 0),
	B("CR alone behind a trailer", "0\r\nA: b\rC: d\r\n", -FRAMING_BAD_LINE_END, "0\r\n", "", 0),
	B("a pipelined request taken for a trailer", "0\r\nGET / HTTP/1.1\r\n\r\n", -FRAMING_BAD_TRAILER, "0\r\n", "", 0),
};
/* clang-format on */

static void check_body(const struct body *b, bool decode, size_t step)
{
	struct framing f;
	char out[256];
	size_t n, used;
	const char *want = decode ? b->decoded : b->passed;
	int r;

	framing_init(&f, FRAMING_CHUNKED, 0, decode);
	r = feed(&f, b->text, step, out, &n, &used);
	if (r != (b->want < 0 ? b->want : 0))
		fail_msg("%s, by %zu: got %s", b->why, step, framing_error_text(r));
	assert_int_equal(framing_done(&f), b->want == 0);
	if (b->want == 0)
		assert_int_equal(used, b->text.n - b->rest);
	if (n != strlen(want) || memcmp(out, want, n) != 0)
		fail_msg("%s, by %zu, decode %d: `%.*s` left", b->why, step, decode, (int)n, out);
}

static void chunked_bodies_pass_or_stop_however_they_arrive(void **state)
{
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		for (size_t step = 1; step <= 64; step++) {
			check_body(&bodies[i], false, step);
			check_body(&bodies[i], true, step);
		}
}

static void after_an_error_nothing_passes(void **state)
{
	char text[] = "x\r\n", good[] = "0\r\n\r\n";
	struct framing f;
	size_t used, out;

	framing_init(&f, FRAMING_CHUNKED, 0, false);
	assert_int_equal(framing_take(&f, text, 3, &used, &out), -FRAMING_BAD_SIZE);
	assert_int_equal(framing_take(&f, good, 5, &used, &out), -FRAMING_BAD_SIZE);
	assert_int_equal(out, 0);
	assert_int_equal(framing_run(&f), 0);
}

static void extensions_and_trailers_are_bounded(void **state)
{
	static char text[FRAMING_EXTENSIONS_MAX * 3];
	struct framing f;
	size_t used, out, n;

	/* one line */
	n = (size_t)sprintf(text, "1;%0*d\r\n", FRAMING_EXTENSION_MAX + 1, 0);
	framing_init(&f, FRAMING_CHUNKED, 0, false);
	assert_int_equal(framing_take(&f, text, n, &used, &out), -FRAMING_EXTENSION_LONG);
	/* the whole body, in lines that are each short enough */
	n = 0;
	for (int i = 0; i <= FRAMING_EXTENSIONS_MAX / 200; i++)
		n += (size_t)sprintf(text + n, "1;%0*d\r\na\r\n", 200, 0);
	framing_init(&f, FRAMING_CHUNKED, 0, false);
	assert_int_equal(framing_take(&f, text, n, &used, &out), -FRAMING_EXTENSION_LONG);
	n = (size_t)sprintf(text, "0\r\nA: %0*d\r\n\r\n", FRAMING_TRAILERS_MAX, 0);
	framing_init(&f, FRAMING_CHUNKED, 0, false);
	assert_int_equal(framing_take(&f, text, n, &used, &out), -FRAMING_TRAILER_LONG);
}

static void a_length_is_counted_to_its_end(void **state)
{
	char text[] = "helloGET";
	struct framing f;
	size_t used, out;

	framing_init(&f, FRAMING_LENGTH, 5, false);
	assert_int_equal(framing_run(&f), 5);
	assert_int_equal(framing_take(&f, text, 2, &used, &out), 0);
	assert_int_equal(used, 2);
	assert_int_equal(framing_run(&f), 3);
	assert_false(framing_done(&f));
	assert_int_equal(framing_take(&f, text + 2, 6, &used, &out), 0);
	assert_int_equal(used, 3);
	assert_int_equal(out, 3);
	assert_true(framing_done(&f));
	assert_int_equal(framing_run(&f), 0);
	assert_int_equal(framing_take(&f, text + 5, 3, &used, &out), 0);
	assert_int_equal(used, 0);
}

static void nothing_is_done_at_once(void **state)
{
	struct framing f;

	framing_init(&f, FRAMING_NONE, 0, false);
	assert_true(framing_done(&f));
	framing_init(&f, FRAMING_LENGTH, 0, false);
	assert_true(framing_done(&f));
	assert_int_equal(framing_eof(&f), 0);
}

static void bytes_may_go_by_unseen_inside_a_chunk(void **state)
{
	char head[] = "100000\r\n", tail[] = "\r\n0\r\n\r\n";
	struct framing f;
	size_t used, out;

	framing_init(&f, FRAMING_CHUNKED, 0, false);
	assert_int_equal(framing_run(&f), 0);
	assert_int_equal(framing_take(&f, head, 8, &used, &out), 0);
	assert_int_equal(framing_run(&f), 0x100000);
	framing_skip(&f, 0xfffff);
	assert_int_equal(framing_run(&f), 1);
	framing_skip(&f, 0);
	framing_skip(&f, 1);
	assert_int_equal(framing_run(&f), 0);
	assert_int_equal(framing_take(&f, tail, 7, &used, &out), 0);
	assert_true(framing_done(&f));
}

static void only_a_body_until_close_may_end_by_closing(void **state)
{
	char text[] = "abc";
	struct framing f;
	size_t used, out;

	framing_init(&f, FRAMING_CLOSE, 0, false);
	assert_int_equal(framing_take(&f, text, 3, &used, &out), 0);
	assert_int_equal(used, 3);
	framing_skip(&f, 1000);
	assert_false(framing_done(&f));
	assert_true(framing_run(&f) > 1u << 31);
	assert_int_equal(framing_eof(&f), 0);
	assert_true(framing_done(&f));

	framing_init(&f, FRAMING_LENGTH, 5, false);
	assert_int_equal(framing_eof(&f), -FRAMING_TRUNCATED);
	framing_init(&f, FRAMING_CHUNKED, 0, false);
	assert_int_equal(framing_eof(&f), -FRAMING_TRUNCATED);
	assert_int_equal(framing_take(&f, text, 3, &used, &out), -FRAMING_TRUNCATED);
}

static void chunk_heads_are_written_in_hexadecimal(void **state)
{
	static const struct {
		uint64_t n;
		const char *want;
	} cases[] = {{1, "1\r\n"},
		     {15, "f\r\n"},
		     {16, "10\r\n"},
		     {0xabc, "abc\r\n"},
		     {UINT64_MAX, "ffffffffffffffff\r\n"}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char out[FRAMING_CHUNK_HEAD];
		size_t n = framing_chunk_head(out, cases[i].n);

		assert_int_equal(n, strlen(cases[i].want));
		assert_memory_equal(out, cases[i].want, n);
	}
}

static void every_error_has_a_text(void **state)
{
	for (int e = 0; e < FRAMING_ERROR_COUNT; e++)
		assert_string_equal(framing_error_text(e), framing_error_text(-e));
	assert_string_equal(framing_error_text(-1000), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunked_bodies_pass_or_stop_however_they_arrive),
		cmocka_unit_test(after_an_error_nothing_passes),
		cmocka_unit_test(extensions_and_trailers_are_bounded),
		cmocka_unit_test(a_length_is_counted_to_its_end),
		cmocka_unit_test(nothing_is_done_at_once),
		cmocka_unit_test(bytes_may_go_by_unseen_inside_a_chunk),
		cmocka_unit_test(only_a_body_until_close_may_end_by_closing),
		cmocka_unit_test(chunk_heads_are_written_in_hexadecimal),
		cmocka_unit_test(every_error_has_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
