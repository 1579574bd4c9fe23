/* rooms: proxy/http.c */
/*
 * The head parser: what it understands, and the long table of what it must not.
 */
#include "proxy/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define H "Host: a\r\n"

/* Parses a copy without a spare byte behind it, so that a sanitizer sees a read beyond the end. */
static int parse_request(struct http_request *r, const char *text, size_t n, char **ret_copy)
{
	char *copy = malloc(n ? n : 1);
	int got;

	memcpy(copy, text, n);
	http_request_init(r, HTTP_HEAD_MAX);
	got = http_request_parse(r, copy, n);
	if (ret_copy)
		*ret_copy = copy;
	else
		free(copy);
	return got;
}

static int parse_response(struct http_response *r, const char *text, size_t n, enum http_method to,
			  bool websocket)
{
	char *copy = malloc(n ? n : 1);
	int got;

	memcpy(copy, text, n);
	http_response_init(r, HTTP_HEAD_MAX);
	got = http_response_parse(r, copy, n, to, websocket);
	free(copy);
	return got;
}

struct nasty {
	const char *why;
	struct span head;
	int want; /* -enum http_error; 0: incomplete; 1: accepted */
};

#define N(why, text, want)                                                                                   \
	{                                                                                                    \
		why, {text, sizeof(text) - 1}, want                                                          \
	}

/* clang-format off */
static const struct nasty nasties[] = {
	/* line ends */
	N("bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", -HTTP_BAD_LINE_END),
	N("bare LF after a field", "GET / HTTP/1.1\r\nHost: a\n\r\n", -HTTP_BAD_LINE_END),
	N("bare LF as the last line", "GET / HTTP/1.1\r\n" H "\n", -HTTP_BAD_LINE_END),
	N("bare CR in a value", "GET / HTTP/1.1\r\n" H "A: b\rC: d\r\n\r\n", -HTTP_BAD_LINE_END),
	N("CR CR LF", "GET / HTTP/1.1\r\n" H "A: b\r\r\n\r\n", -HTTP_BAD_LINE_END),
	N("CR instead of the last line", "GET / HTTP/1.1\r\n" H "\rX", -HTTP_BAD_LINE_END),
	N("two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_METHOD),
	N("one empty line first is tolerated", "\r\nGET / HTTP/1.1\r\n" H "\r\n", 1),
	N("a bare LF first", "\nGET / HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_METHOD),
	N("a CR and something else first", "\rGET / HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_LINE_END),

	/* the request line */
	N("no method", " / HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_METHOD),
	N("method that is no token", "G(T / HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_METHOD),
	N("tab after the method", "GET\t/ HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_METHOD),
	N("a method of 25 letters", "ABCDEFGHIJKLMNOPQRSTUVWXY / HTTP/1.1\r\n" H "\r\n", -HTTP_METHOD_LONG),
	N("a method of 24 letters", "ABCDEFGHIJKLMNOPQRSTUVWX / HTTP/1.1\r\n" H "\r\n", 1),
	N("a method in small letters is another method", "get / HTTP/1.1\r\n" H "\r\n", 1),
	N("TLS on a plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", -HTTP_BAD_METHOD),
	N("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", -HTTP_METHOD_REFUSED),
	N("TRACE", "TRACE / HTTP/1.1\r\n" H "\r\n", -HTTP_METHOD_REFUSED),
	N("two spaces before the target", "GET  / HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_TARGET),
	N("two spaces behind the target", "GET /  HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_VERSION),
	N("a space in the target", "GET /a b HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_VERSION),
	N("a tab in the target", "GET /a\tb HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_TARGET),
	N("NUL in the target", "GET /a\0b HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_TARGET),
	N("DEL in the target", "GET /a\x7f" "b HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_TARGET),
	N("a raw UTF-8 target", "GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_TARGET),
	N("a fragment", "GET /a#b HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_TARGET),
	N("a fragment deep in a long target", "GET /0123456789abcdef0123456789#b HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_TARGET),
	N("no target", "GET HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_TARGET),
	N("HTTP/0.9", "GET /\r\n", -HTTP_BAD_TARGET),
	N("a relative target", "GET a HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_TARGET),
	N("authority form without CONNECT", "GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", -HTTP_BAD_TARGET),
	N("asterisk without OPTIONS", "GET * HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_TARGET),
	N("another scheme", "GET ftp://a/ HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_TARGET),
	N("a scheme and no more", "GET http:// HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_TARGET),
	N("an empty authority", "GET http:///x HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_TARGET),
	N("user info in the target", "GET http://u@a/ HTTP/1.1\r\n" H "\r\n", -HTTP_BAD_TARGET),
	N("Host that differs from the target", "GET http://b/ HTTP/1.1\r\n" H "\r\n", -HTTP_HOST_MISMATCH),
	N("port that differs from the target", "GET http://a:8080/ HTTP/1.1\r\n" H "\r\n", -HTTP_HOST_MISMATCH),
	N("https default port on an http target", "GET http://a:443/ HTTP/1.1\r\n" H "\r\n", -HTTP_HOST_MISMATCH),
	N("default port spelt out in the target", "GET http://A:80/ HTTP/1.1\r\n" H "\r\n", 1),
	N("default port spelt out in Host", "GET https://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n", 1),
	N("an empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 1),
	N("version in small letters", "GET / http/1.1\r\n" H "\r\n", -HTTP_BAD_VERSION),
	N("no version number", "GET / HTTP/\r\n" H "\r\n", -HTTP_BAD_VERSION),
	N("version without minor", "GET / HTTP/1\r\n" H "\r\n", -HTTP_BAD_VERSION),
	N("version with two digits", "GET / HTTP/1.10\r\n" H "\r\n", -HTTP_BAD_LINE_END),
	N("version with a sign", "GET / HTTP/+1.1\r\n" H "\r\n", -HTTP_BAD_VERSION),
	N("HTTP/2.0 on the line", "GET / HTTP/2.0\r\n" H "\r\n", -HTTP_VERSION_REFUSED),
	N("the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", -HTTP_BAD_TARGET),
	N("HTTP/0.9 spelt out", "GET / HTTP/0.9\r\n" H "\r\n", -HTTP_VERSION_REFUSED),
	N("HTTP/1.2 counts as 1.1", "GET / HTTP/1.2\r\n" H "\r\n", 1),
	N("a blank behind the version", "GET / HTTP/1.1 \r\n" H "\r\n", -HTTP_BAD_LINE_END),

	/* field lines */
	N("a folded first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", -HTTP_FOLDED),
	N("a folded value", "GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n", -HTTP_FOLDED),
	N("folded by a tab", "GET / HTTP/1.1\r\n" H "A: b\r\n\tc\r\n\r\n", -HTTP_FOLDED),
	N("a blank before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", -HTTP_BAD_NAME),
	N("a tab before the colon", "GET / HTTP/1.1\r\n" H "Transfer-Encoding\t: chunked\r\n\r\n", -HTTP_BAD_NAME),
	N("no colon", "GET / HTTP/1.1\r\n" H "Abc\r\n\r\n", -HTTP_BAD_NAME),
	N("no name", "GET / HTTP/1.1\r\n" H ": b\r\n\r\n", -HTTP_BAD_NAME),
	N("NUL in a name", "GET / HTTP/1.1\r\n" H "A\0: b\r\n\r\n", -HTTP_BAD_NAME),
	N("a name above ASCII", "GET / HTTP/1.1\r\n" H "\xc3\xa4: b\r\n\r\n", -HTTP_BAD_NAME),
	N("a parenthesis in a name", "GET / HTTP/1.1\r\n" H "A(b): c\r\n\r\n", -HTTP_BAD_NAME),
	N("NUL in a value", "GET / HTTP/1.1\r\n" H "A: b\0c\r\n\r\n", -HTTP_BAD_VALUE),
	N("a control character in a value", "GET / HTTP/1.1\r\n" H "A: b\x01" "c\r\n\r\n", -HTTP_BAD_VALUE),
	N("a vertical tab before chunked", "GET / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b" "chunked\r\n\r\n", -HTTP_BAD_VALUE),
	N("DEL in a value", "GET / HTTP/1.1\r\n" H "A: b\x7f\r\n\r\n", -HTTP_BAD_VALUE),
	N("a control character far into a value", "GET / HTTP/1.1\r\n" H "A: 0123456789abcdef0123456789\x02\r\n\r\n", -HTTP_BAD_VALUE),
	N("a tab far into a value is white space", "GET / HTTP/1.1\r\n" H "A: 0123456789abcdef\t0123456789\r\n\r\n", 1),
	N("bytes above ASCII in a value", "GET / HTTP/1.1\r\n" H "A: \xff\x80 0123456789abcdef \xe9\r\n\r\n", 1),
	N("an empty value", "GET / HTTP/1.1\r\n" H "A:\r\n\r\n", 1),

	/* Host */
	N("no Host", "GET / HTTP/1.1\r\n\r\n", -HTTP_HOST_MISSING),
	N("no Host in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 1),
	N("two Hosts", "GET / HTTP/1.1\r\n" H "Host: b\r\n\r\n", -HTTP_HOST_TWICE),
	N("the same Host twice", "GET / HTTP/1.1\r\n" H H "\r\n", -HTTP_HOST_TWICE),
	N("two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\n" H "hOST: b\r\n\r\n", -HTTP_HOST_TWICE),
	N("an empty Host", "GET / HTTP/1.1\r\nHost: \r\n\r\n", -HTTP_BAD_HOST),
	N("an empty Host for OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", 1),
	N("a list of Hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", -HTTP_BAD_HOST),
	N("a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", -HTTP_BAD_HOST),
	N("a Host with user info", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", -HTTP_BAD_HOST),
	N("a Host with a bad port", "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", -HTTP_BAD_HOST),
	N("a Host with a large port", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", -HTTP_BAD_HOST),
	N("a Host with two ports", "GET / HTTP/1.1\r\nHost: a:80:81\r\n\r\n", -HTTP_BAD_HOST),
	N("an IPv6 Host", "GET / HTTP/1.1\r\nHost: [fd00::1]:8080\r\n\r\n", 1),
	N("an IPv6 Host without end", "GET / HTTP/1.1\r\nHost: [fd00::1\r\n\r\n", -HTTP_BAD_HOST),
	N("an IPv6 Host with rubbish behind", "GET / HTTP/1.1\r\nHost: [fd00::1]x\r\n\r\n", -HTTP_BAD_HOST),
	N("an empty IPv6 Host", "GET / HTTP/1.1\r\nHost: []\r\n\r\n", -HTTP_BAD_HOST),
	N("something else in brackets", "GET / HTTP/1.1\r\nHost: [x]\r\n\r\n", -HTTP_BAD_HOST),

	/* Content-Length */
	N("two equal lengths", "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", -HTTP_LENGTH_TWICE),
	N("two lengths", "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", -HTTP_LENGTH_TWICE),
	N("a list of lengths", "POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n", -HTTP_BAD_LENGTH),
	N("a length with a sign", "POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n", -HTTP_BAD_LENGTH),
	N("a negative length", "POST / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", -HTTP_BAD_LENGTH),
	N("a hexadecimal length", "POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\n", -HTTP_BAD_LENGTH),
	N("an empty length", "POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", -HTTP_BAD_LENGTH),
	N("a length with a blank in it", "POST / HTTP/1.1\r\n" H "Content-Length: 1 2\r\n\r\n", -HTTP_BAD_LENGTH),
	N("a length with a fraction", "POST / HTTP/1.1\r\n" H "Content-Length: 5.0\r\n\r\n", -HTTP_BAD_LENGTH),
	N("a length of 20 digits", "POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551621\r\n\r\n", -HTTP_BAD_LENGTH),
	N("a length above 63 bits", "POST / HTTP/1.1\r\n" H "Content-Length: 9999999999999999999\r\n\r\n", -HTTP_BAD_LENGTH),
	N("the longest length", "POST / HTTP/1.1\r\n" H "Content-Length: 9223372036854775807\r\n\r\n", 1),

	/* Transfer-Encoding */
	N("length and coding", "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", -HTTP_LENGTH_AND_CODING),
	N("coding and length", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", -HTTP_LENGTH_AND_CODING),
	N("coding and a length of 0", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", -HTTP_LENGTH_AND_CODING),
	N("two codings", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", -HTTP_CODING_TWICE),
	N("chunked and a second, unknown one", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n\r\n", -HTTP_CODING_TWICE),
	N("a list of codings", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", -HTTP_BAD_CODING),
	N("chunked twice in a list", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n", -HTTP_BAD_CODING),
	N("identity", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", -HTTP_BAD_CODING),
	N("xchunked", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", -HTTP_BAD_CODING),
	N("chunked with a parameter", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;a=b\r\n\r\n", -HTTP_BAD_CODING),
	N("chunked with a comma", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked,\r\n\r\n", -HTTP_BAD_CODING),
	N("quoted chunked", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n", -HTTP_BAD_CODING),
	N("an empty coding", "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", -HTTP_BAD_CODING),
	N("a coding in HTTP/1.0", "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n", -HTTP_CODING_IN_HTTP10),
	N("a coding in other case", "POST / HTTP/1.1\r\n" H "tRANSFER-eNCODING: CHUNKED \t\r\n\r\n", 1),

	/* Expect and Connection */
	N("another expectation", "POST / HTTP/1.1\r\n" H "Expect: 200-ok\r\nContent-Length: 1\r\n\r\n", -HTTP_BAD_EXPECT),
	N("a quoted connection option", "GET / HTTP/1.1\r\n" H "Connection: \"close\"\r\n\r\n", -HTTP_BAD_VALUE),
	N("empty connection options", "GET / HTTP/1.1\r\n" H "Connection: , ,close,,\r\n\r\n", 1),

	/* not all there yet */
	N("nothing", "", 0),
	N("half a method", "GE", 0),
	N("half a target", "GET /abc", 0),
	N("half a version", "GET / HTT", 0),
	N("half a line end", "GET / HTTP/1.1\r", 0),
	N("half a field", "GET / HTTP/1.1\r\nHo", 0),
	N("all but the last byte", "GET / HTTP/1.1\r\n" H "\r", 0),
	N("only an empty line", "\r\n", 0),
	N("only a CR", "\r", 0),
};
/* clang-format on */

static void nasty_heads_get_their_verdict(void **state)
{
	for (size_t i = 0; i < sizeof nasties / sizeof *nasties; i++) {
		struct http_request r;
		int got = parse_request(&r, nasties[i].head.p, nasties[i].head.n, NULL);
		int want = nasties[i].want == 1 ? (int)nasties[i].head.n : nasties[i].want;

		if (got != want)
			fail_msg("%s: got %d (%s), want %d (%s)", nasties[i].why, got,
				 got < 0 ? http_error_text(got) : "", want,
				 want < 0 ? http_error_text(want) : "");
	}
}

/* The same verdict whether bytes come at once or one by one, and an error is never said later than with the whole head. */
static void verdicts_do_not_depend_on_how_bytes_arrive(void **state)
{
	for (size_t i = 0; i < sizeof nasties / sizeof *nasties; i++) {
		struct span head = nasties[i].head;
		struct http_request whole, drip;
		int want = parse_request(&whole, head.p, head.n, NULL), got = 0;

		http_request_init(&drip, HTTP_HEAD_MAX);
		for (size_t n = 1; n <= head.n && got == 0; n++) {
			char *moved = malloc(n);

			memcpy(moved, head.p, n);
			got = http_request_parse(&drip, moved, n);
			free(moved);
		}
		if (got != want)
			fail_msg("%s: %d at once, %d byte by byte", nasties[i].why, want, got);
	}
}

/* The fast search must see at every place of its stride what the plain rule says of each byte. */
static void every_byte_is_judged_alike_wherever_it_stands(void **state)
{
	for (unsigned b = 0; b < 256; b++) {
		bool in_value = (b >= 0x20 && b != 0x7f) || b == '\t';
		bool in_target = b > 0x20 && b < 0x7f && b != '#';

		for (size_t at = 1; at < 40; at++) {
			char text[256], filler[41];
			struct http_request r;
			int n;

			memset(filler, 'x', 40);
			filler[40] = 0;
			n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" H "A: %s\r\n\r\n", filler);
			text[16 + 9 + 3 + at] = (char)b;
			if ((parse_request(&r, text, (size_t)n, NULL) == n) != in_value)
				fail_msg("byte %02x at %zu of a value", b, at);
			n = snprintf(text, sizeof text, "GET /%s HTTP/1.1\r\n" H "\r\n", filler);
			text[4 + at] = (char)b;
			if ((parse_request(&r, text, (size_t)n, NULL) == n) != in_target)
				fail_msg("byte %02x at %zu of a target", b, at);
		}
	}
}

static void assert_part(const struct http_head *head, struct http_part part, const char *want)
{
	struct span got = http_text(head, part);

	if (got.n != strlen(want) || memcmp(got.p, want, got.n) != 0)
		fail_msg("got `%.*s`, want `%s`", (int)got.n, got.p, want);
}

static void an_ordinary_request_is_understood(void **state)
{
	static const char text[] = "GET /a/b?c=d?e HTTP/1.1\r\nHost: shop.example:8080\r\nAccept:  */* \t\r\n"
				   "Content-Length: 0005\r\n\r\nhello";
	struct http_request r;
	char *copy;

	assert_int_equal(parse_request(&r, text, sizeof text - 1, &copy), sizeof text - 1 - 5);
	assert_int_equal(r.method, HTTP_GET);
	assert_part(&r.head, r.target, "/a/b?c=d?e");
	assert_part(&r.head, r.path, "/a/b");
	assert_part(&r.head, r.query, "?c=d?e");
	assert_part(&r.head, r.host, "shop.example:8080");
	assert_int_equal(r.head.n_fields, 3);
	assert_part(&r.head, r.head.fields[1].name, "Accept");
	assert_part(&r.head, r.head.fields[1].value, "*/*");
	assert_int_equal(r.head.fields[1].id, HTTP_FIELD_OTHER);
	assert_int_equal(r.body, FRAMING_LENGTH);
	assert_int_equal(r.head.length, 5);
	assert_true(r.keep_alive);
	assert_false(r.expect_continue);
	assert_false(r.websocket);
	assert_true(span_equal(http_field_value(&r.head, HTTP_FIELD_HOST), SPAN("shop.example:8080")));
	assert_null(http_field_value(&r.head, HTTP_FIELD_TE).p);
	free(copy);
}

static void an_absolute_target_names_host_path_and_query(void **state)
{
	static const struct {
		const char *text, *host, *path, *query;
		bool asterisk;
	} cases[] = {
		{"GET http://b:81/x?y HTTP/1.1\r\nHost: b:81\r\n\r\n", "b:81", "/x", "?y", false},
		{"GET HTTPS://b HTTP/1.1\r\nHost: b\r\n\r\n", "b", "", "", false},
		{"GET http://b?q HTTP/1.1\r\nHost: b\r\n\r\n", "b", "", "?q", false},
		{"OPTIONS http://b HTTP/1.1\r\nHost: b\r\n\r\n", "b", "", "", true},
		{"GET http://b/ HTTP/1.0\r\n\r\n", "b", "/", "", false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct http_request r;
		char *copy;

		assert_true(parse_request(&r, cases[i].text, strlen(cases[i].text), &copy) > 0);
		assert_part(&r.head, r.host, cases[i].host);
		assert_part(&r.head, r.path, cases[i].path);
		assert_part(&r.head, r.query, cases[i].query);
		assert_int_equal(r.asterisk, cases[i].asterisk);
		free(copy);
	}
}

static void every_known_field_is_found_in_any_case(void **state)
{
	static const struct span names[] = {
#define X(id, name, flags) {name, sizeof(name) - 1},
		HTTP_KNOWN_FIELDS(X)
#undef X
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char text[256];
		struct http_request r;
		int n = snprintf(text, sizeof text, "OPTIONS * HTTP/1.1\r\n%s: 1\r\n", names[i].p);

		text[20] = (char)(text[20] & ~0x20); /* the first letter large */
		http_request_init(&r, HTTP_HEAD_MAX);
		(void)http_request_parse(&r, text, (size_t)n);
		assert_int_equal(r.head.n_fields, 1);
		if (r.head.fields[0].id != i + 1)
			fail_msg("%s is not found", names[i].p);
	}
}

static void a_known_name_spelt_with_underscores_is_a_forgery(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\n" H "X_Forwarded_For: 1.2.3.4\r\nContent_Length: 7\r\n"
				   "Transfer_Encoding: chunked\r\nMy_Own: x\r\n\r\n";
	struct http_request r;

	assert_true(parse_request(&r, text, sizeof text - 1, NULL) > 0);
	for (size_t i = 1; i <= 3; i++) {
		assert_int_equal(r.head.fields[i].id, HTTP_FIELD_OTHER);
		assert_true(r.head.fields[i].flags & HTTP_FIELD_DROP);
	}
	assert_false(r.head.fields[4].flags & HTTP_FIELD_DROP);
	assert_int_equal(r.body, FRAMING_NONE);
}

static void what_connection_names_is_dropped_except_what_frames_the_message(void **state)
{
	static const char text[] =
		"POST / HTTP/1.1\r\nHost: a\r\nSecret: 1\r\nContent-Length: 3\r\n"
		"Connection: secret, Host, content-length, later\r\nLater: 2\r\nKept: 3\r\n\r\n";
	struct http_request r;

	assert_true(parse_request(&r, text, sizeof text - 1, NULL) > 0);
	assert_false(r.head.fields[0].flags & HTTP_FIELD_DROP);
	assert_true(r.head.fields[1].flags & HTTP_FIELD_DROP);
	assert_false(r.head.fields[2].flags & HTTP_FIELD_DROP);
	assert_true(r.head.fields[3].flags & HTTP_FIELD_DROP);
	assert_true(r.head.fields[4].flags & HTTP_FIELD_DROP);
	assert_false(r.head.fields[5].flags & HTTP_FIELD_DROP);
	assert_true(r.keep_alive);
}

static void too_many_connection_options_are_refused(void **state)
{
	char text[1024] = "GET / HTTP/1.1\r\n" H "Connection: a";
	struct http_request r;

	for (int i = 0; i < 40; i++)
		strcat(text, ",b");
	strcat(text, "\r\n\r\n");
	assert_int_equal(parse_request(&r, text, strlen(text), NULL), -HTTP_FIELDS_MANY);
}

static void keep_alive_follows_version_and_connection(void **state)
{
	static const struct {
		const char *text;
		bool keep;
	} cases[] = {
		{"GET / HTTP/1.1\r\n" H "\r\n", true},
		{"GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n" H "Connection: Keep-Alive, CLOSE\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n" H "Connection: x\r\nConnection: close\r\n\r\n", false},
		{"GET / HTTP/1.0\r\n\r\n", false},
		{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
		{"GET / HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n", false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct http_request r;

		assert_true(parse_request(&r, cases[i].text, strlen(cases[i].text), NULL) > 0);
		assert_int_equal(r.keep_alive, cases[i].keep);
	}
}

static void continue_is_expected_only_with_a_body_and_http11(void **state)
{
	static const struct {
		const char *text;
		bool expect;
	} cases[] = {
		{"POST / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n", true},
		{"POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", true},
		{"POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", false},
		{"POST / HTTP/1.0\r\n" H "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n", false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct http_request r;

		assert_true(parse_request(&r, cases[i].text, strlen(cases[i].text), NULL) > 0);
		assert_int_equal(r.expect_continue, cases[i].expect);
	}
}

static void only_websocket_upgrades_are_passed(void **state)
{
	static const struct {
		const char *text;
		bool websocket;
	} cases[] = {
		{"GET / HTTP/1.1\r\n" H "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n",
		 true},
		{"GET / HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade: h2c, websocket\r\n\r\n", true},
		{"GET / HTTP/1.1\r\n" H "Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n" H "Upgrade: websocket\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n" H "Connection: upgrade\r\n\r\n", false},
		{"GET / HTTP/1.0\r\n" H "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", false},
		{"POST / HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n" H
		 "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n",
		 false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct http_request r;

		assert_true(parse_request(&r, cases[i].text, strlen(cases[i].text), NULL) > 0);
		assert_int_equal(r.websocket, cases[i].websocket);
	}
}

static char *filled(const char *before, char c, size_t n, const char *after)
{
	char *text = malloc(strlen(before) + n + strlen(after) + 1), *p = stpcpy(text, before);

	memset(p, c, n);
	strcpy(p + n, after);
	return text;
}

static void limits_are_kept_to_the_byte(void **state)
{
	static const char after[] = " HTTP/1.1\r\n" H "\r\n";
	struct http_request r;
	char *text;

	text = filled("GET /", 'a', HTTP_TARGET_MAX - 1, after);
	assert_int_equal(parse_request(&r, text, strlen(text), NULL), strlen(text));
	free(text);
	text = filled("GET /", 'a', HTTP_TARGET_MAX, after);
	assert_int_equal(parse_request(&r, text, strlen(text), NULL), -HTTP_TARGET_LONG);
	/* known before the whole of it is there */
	assert_int_equal(parse_request(&r, text, 4 + HTTP_TARGET_MAX + 1, NULL), -HTTP_TARGET_LONG);
	free(text);

	text = filled("GET / HTTP/1.1\r\n" H "A: ", 'b', HTTP_HEAD_MAX - 32, "\r\n\r\n");
	assert_int_equal(strlen(text), HTTP_HEAD_MAX);
	assert_int_equal(parse_request(&r, text, strlen(text), NULL), HTTP_HEAD_MAX);
	free(text);
	text = filled("GET / HTTP/1.1\r\n" H "A: ", 'b', HTTP_HEAD_MAX - 31, "\r\n\r\n");
	assert_int_equal(parse_request(&r, text, strlen(text), NULL), -HTTP_HEAD_LONG);
	free(text);

	http_request_init(&r, 20);
	assert_int_equal(http_request_parse(&r, "GET /0123456789abcdefgh", 23), -HTTP_TARGET_LONG);
	http_request_init(&r, 1 << 20);
	assert_int_equal(r.head.max, HTTP_HEAD_LIMIT);
}

static void the_number_of_fields_is_bounded(void **state)
{
	char text[HTTP_HEAD_MAX] = "GET / HTTP/1.1\r\n" H, *p = text + strlen(text);
	struct http_request r;

	for (int i = 1; i < HTTP_FIELDS_MAX; i++)
		p = stpcpy(p, "a:b\r\n");
	strcpy(p, "\r\n");
	assert_int_equal(parse_request(&r, text, strlen(text), NULL), strlen(text));
	assert_int_equal(r.head.n_fields, HTTP_FIELDS_MAX);
	strcpy(p, "a:b\r\n\r\n");
	assert_int_equal(parse_request(&r, text, strlen(text), NULL), -HTTP_FIELDS_MANY);
}

/* clang-format off */
static const struct {
	const char *why;
	struct span head;
	enum http_method to;
	int want;
	enum framing_kind body;
	bool keep;
} responses[] = {
#define R(why, text, to, want, body, keep) {why, {text, sizeof(text) - 1}, to, want, body, keep}
	R("length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_GET, 1, FRAMING_LENGTH, true),
	R("length 0", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", HTTP_GET, 1, FRAMING_NONE, true),
	R("chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_GET, 1, FRAMING_CHUNKED, true),
	R("until close", "HTTP/1.1 200 OK\r\n\r\n", HTTP_GET, 1, FRAMING_CLOSE, false),
	R("to HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_HEAD, 1, FRAMING_NONE, true),
	R("204", "HTTP/1.1 204 No Content\r\n\r\n", HTTP_GET, 1, FRAMING_NONE, true),
	R("304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", HTTP_GET, 1, FRAMING_NONE, true),
	R("100", "HTTP/1.1 100 Continue\r\n\r\n", HTTP_POST, 1, FRAMING_NONE, true),
	R("103", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", HTTP_GET, 1, FRAMING_NONE, true),
	R("close", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", HTTP_GET, 1, FRAMING_LENGTH, false),
	R("HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_GET, 1, FRAMING_LENGTH, false),
	R("HTTP/1.0 keep-alive", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", HTTP_GET, 1, FRAMING_LENGTH, true),
	R("no reason", "HTTP/1.1 200 \r\n\r\n", HTTP_GET, 1, FRAMING_CLOSE, false),
	R("no blank before no reason", "HTTP/1.1 200\r\n\r\n", HTTP_GET, 1, FRAMING_CLOSE, false),
	R("length and coding", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_GET, -HTTP_LENGTH_AND_CODING, 0, 0),
	R("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", HTTP_GET, -HTTP_LENGTH_TWICE, 0, 0),
	R("coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_GET, -HTTP_CODING_IN_HTTP10, 0, 0),
	R("another coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", HTTP_GET, -HTTP_BAD_CODING, 0, 0),
	R("bare LF", "HTTP/1.1 200 OK\nA: b\r\n\r\n", HTTP_GET, -HTTP_BAD_LINE_END, 0, 0),
	R("folded", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", HTTP_GET, -HTTP_FOLDED, 0, 0),
	R("not HTTP", "SSH-2.0-OpenSSH_9.2", HTTP_GET, -HTTP_BAD_STATUS, 0, 0),
	R("not HTTP, and short", "ICY 2", HTTP_GET, -HTTP_BAD_STATUS, 0, 0),
	R("HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", HTTP_GET, -HTTP_BAD_STATUS, 0, 0),
	R("two digits", "HTTP/1.1 20 OK\r\n\r\n", HTTP_GET, -HTTP_BAD_STATUS, 0, 0),
	R("four digits", "HTTP/1.1 2000 OK\r\n\r\n", HTTP_GET, -HTTP_BAD_STATUS, 0, 0),
	R("status 000", "HTTP/1.1 000 OK\r\n\r\n", HTTP_GET, -HTTP_BAD_STATUS, 0, 0),
	R("status 600", "HTTP/1.1 600 OK\r\n\r\n", HTTP_GET, -HTTP_BAD_STATUS, 0, 0),
	R("two blanks", "HTTP/1.1  200 OK\r\n\r\n", HTTP_GET, -HTTP_BAD_STATUS, 0, 0),
	R("NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n", HTTP_GET, -HTTP_BAD_VALUE, 0, 0),
	R("unasked 101", "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", HTTP_GET, -HTTP_BAD_UPGRADE, 0, 0),
	R("half", "HTTP/1.1 20", HTTP_GET, 0, 0, 0),
	R("nothing", "", HTTP_GET, 0, 0, 0),
	R("half a line end", "HTTP/1.1 200 OK\r", HTTP_GET, 0, 0, 0),
	R("no end yet", "HTTP/1.1 200 OK\r\nA: b\r\n", HTTP_GET, 0, 0, 0),
};
/* clang-format on */

static void responses_get_their_verdict(void **state)
{
	for (size_t i = 0; i < sizeof responses / sizeof *responses; i++) {
		struct http_response r;
		int got =
			parse_response(&r, responses[i].head.p, responses[i].head.n, responses[i].to, false);
		int want = responses[i].want == 1 ? (int)responses[i].head.n : responses[i].want;

		if (got != want)
			fail_msg("%s: got %d (%s), want %d", responses[i].why, got,
				 got < 0 ? http_error_text(got) : "", want);
		if (got > 0 && (r.body != responses[i].body || r.keep_alive != responses[i].keep))
			fail_msg("%s: body %d, keep-alive %d", responses[i].why, r.body, r.keep_alive);
	}
}

static void a_switch_of_protocols_must_be_what_was_asked(void **state)
{
	static const char good[] =
		"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
	static const char other[] = "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n";
	struct http_response r;

	assert_true(parse_response(&r, good, sizeof good - 1, HTTP_GET, true) > 0);
	assert_true(r.websocket);
	assert_false(r.keep_alive);
	assert_int_equal(parse_response(&r, other, sizeof other - 1, HTTP_GET, true), -HTTP_BAD_UPGRADE);
}

static void a_long_response_head_is_refused_at_its_limit(void **state)
{
	char *text = filled("HTTP/1.1 200 OK\r\nA: ", 'b', HTTP_HEAD_MAX, "\r\n\r\n");
	struct http_response r;

	assert_int_equal(parse_response(&r, text, strlen(text), HTTP_GET, false), -HTTP_HEAD_LONG);
	free(text);
}

static void every_error_has_a_status_and_a_text(void **state)
{
	for (int e = 1; e < HTTP_ERROR_COUNT; e++) {
		assert_in_range(http_error_status(-e), 400, 505);
		assert_true(strlen(http_error_text(-e)) > 5);
		assert_int_equal(http_error_status(e), http_error_status(-e));
	}
	assert_int_equal(http_error_status(-1000), 400);
	assert_string_equal(http_error_text(1000), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nasty_heads_get_their_verdict),
		cmocka_unit_test(verdicts_do_not_depend_on_how_bytes_arrive),
		cmocka_unit_test(every_byte_is_judged_alike_wherever_it_stands),
		cmocka_unit_test(an_ordinary_request_is_understood),
		cmocka_unit_test(an_absolute_target_names_host_path_and_query),
		cmocka_unit_test(every_known_field_is_found_in_any_case),
		cmocka_unit_test(a_known_name_spelt_with_underscores_is_a_forgery),
		cmocka_unit_test(what_connection_names_is_dropped_except_what_frames_the_message),
		cmocka_unit_test(too_many_connection_options_are_refused),
		cmocka_unit_test(keep_alive_follows_version_and_connection),
		cmocka_unit_test(continue_is_expected_only_with_a_body_and_http11),
		cmocka_unit_test(only_websocket_upgrades_are_passed),
		cmocka_unit_test(limits_are_kept_to_the_byte),
		cmocka_unit_test(the_number_of_fields_is_bounded),
		cmocka_unit_test(responses_get_their_verdict),
		cmocka_unit_test(a_switch_of_protocols_must_be_what_was_asked),
		cmocka_unit_test(a_long_response_head_is_refused_at_its_limit),
		cmocka_unit_test(every_error_has_a_status_and_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
