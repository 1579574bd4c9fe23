/* rooms: hapair/import/haproxy_words.c hapair/import/haproxy_acl.c hapair/import/routes.c hapair/config/arena.c hapair/config/value.c
 * rooms: hapair/base/addr.c
 *
 * HAProxy's words and conditions.
 */
#include "hapair/import/haproxy_acl.h"
#include "hapair/import/haproxy_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena *arena;

static int begin(void **state)
{
	arena = arena_new();
	return 0;
}

static int end(void **state)
{
	arena_free(arena);
	return 0;
}

/* The words with | between them, or why there are none. */
static const char *words(const char *line)
{
	struct haproxy_words w;
	const char *text = "";

	haproxy_words_of(span_of(line), arena, &w);
	if (w.wrong)
		return w.wrong;
	for (size_t i = 0; i < w.n; i++)
		text = arena_printf(arena, "%s%s%s", text, i ? "|" : "", w.all[i]);
	return text;
}

static void words_are_split_as_haproxy_splits_them(void **state)
{
	assert_string_equal(words("  server a\t10.0.0.1:80  # off"), "server|a|10.0.0.1:80");
	assert_string_equal(words("path_beg /a#b"), "path_beg|/a");
	assert_string_equal(words("a\\ b\\#c \\\\ x\\.y"), "a b#c|\\|x\\.y");
	assert_string_equal(words("a\"b c\"d 'e \\n $F' \"\""), "ab cd|e \\n $F|");
	assert_string_equal(words("\"HTTP/1.1\\r\\nHost:\\ www\""), "HTTP/1.1\r\nHost: www");
	assert_string_equal(words("\\x41\\x6a"), "Aj");
	assert_string_equal(words("\"it's\" '\"'"), "it's|\"");
	assert_string_equal(words("   "), "");
}

static void lines_that_cannot_be_read_say_why(void **state)
{
	assert_non_null(strstr(words("bind \"$ADDRESS:80\""), "environment variable"));
	assert_string_equal(words("bind '$ADDRESS'"), "bind|$ADDRESS");
	assert_non_null(strstr(words("a 'b"), "not closed"));
	assert_non_null(strstr(words("a \\x4"), "hexadecimal"));
	assert_non_null(strstr(words("a \\"), "backslash"));
}

static struct acl acl_of(const char *line)
{
	struct haproxy_words w;
	struct acl acl = {0};

	haproxy_words_of(span_of(line), arena, &w);
	acl_read(&acl, w.all, w.n, arena);
	return acl;
}

static const char *set_text(const struct match_set *set)
{
	const char *text = "";

	for (size_t i = 0; i < set->n; i++)
		text = arena_printf(arena, "%s%s%s%s", text, i ? " " : "", set->all[i].host,
				    set->all[i].path);
	return text;
}

static void hosts_and_paths_become_sets(void **state)
{
	static const struct {
		const char *line, *set;
	} good[] = {
		{"path_beg /a /b/", "/a /b/"},
		{"path -m beg /a", "/a"},
		{"hdr(host) -i A.example b.example", "a.example b.example"},
		{"req.hdr(Host),lower -m str a.example", "a.example"},
		{"hdr_end(host) .example", "*.example"},
		{"hdr_dom(host) -i shop.example", "shop.example *.shop.example"},
		{"base_beg a.example/x", "a.example/x"},
	};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct acl acl = acl_of(good[i].line);

		assert_null(acl.wrong);
		assert_string_equal(set_text(&acl.set), good[i].set);
	}
	assert_non_null(acl_of("hdr_dom(host) a.example").differs);
	assert_non_null(acl_of("path_beg -i /a").differs);
}

static void what_a_route_does_not_know_is_no_set(void **state)
{
	static const char *const bad[] = {"path /a",
					  "path_end .php",
					  "path_beg a",
					  "path_beg /a%20b",
					  "hdr_end(host) ample",
					  "hdr(host) a:80",
					  "hdr(cookie) x",
					  "src 10.0.0.0/8",
					  "hdr(host) -f /etc/hosts",
					  "path_reg ^/a",
					  "path_beg",
					  "method POST",
					  "hdr_beg(host) www.",
					  "base_beg a.example",
					  "hdr(host),field(1,:) a"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (!acl_of(bad[i]).wrong)
			fail_msg("%s: taken", bad[i]);
}

/* The set of a condition over three acls, or why not. */
static const char *condition(const char *line)
{
	struct acl host = acl_of("hdr(host) a.example"), path = acl_of("path_beg /x /y"),
		   more = acl_of("path_beg /z"), post = acl_of("method POST");
	struct haproxy_words w;
	struct match_set set;
	const char *why, *differs = NULL;

	host.name = "host";
	path.name = "path";
	more.name = "path"; /* a second line of the same name */
	post.name = "post";
	host.next = &path;
	path.next = &more;
	more.next = &post;
	haproxy_words_of(span_of(line), arena, &w);
	why = condition_read(&host, w.all, w.n, arena, &set, &differs);
	return why ? why : set_text(&set);
}

static void conditions_are_and_before_or(void **state)
{
	assert_string_equal(condition("host"), "a.example");
	assert_string_equal(condition("path"), "/x /y /z");
	assert_string_equal(condition("host path"), "a.example/x a.example/y a.example/z");
	assert_string_equal(condition("host path || { path_beg /q }"),
			    "a.example/x a.example/y a.example/z /q");
	assert_string_equal(condition("host or path { path_beg /x/deep /q }"), "a.example /x/deep");
	assert_string_equal(condition("host { hdr(host) b.example }"), "");
	assert_string_equal(condition("TRUE"), "");
	assert_non_null(strstr(condition("host !path"), "must not match"));
	assert_non_null(strstr(condition("host || !{ path_beg /q }"), "must not match"));
	assert_non_null(strstr(condition("host post"), "needs acl post"));
	assert_non_null(strstr(condition("nobody"), "no acl nobody"));
	assert_non_null(strstr(condition("host ||"), "not complete"));
	assert_non_null(strstr(condition("|| host"), "before the or"));
	assert_non_null(strstr(condition("{ path_beg /q"), "} is missing"));
	assert_non_null(strstr(condition(""), "not complete"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(words_are_split_as_haproxy_splits_them, begin, end),
		cmocka_unit_test_setup_teardown(lines_that_cannot_be_read_say_why, begin, end),
		cmocka_unit_test_setup_teardown(hosts_and_paths_become_sets, begin, end),
		cmocka_unit_test_setup_teardown(what_a_route_does_not_know_is_no_set, begin, end),
		cmocka_unit_test_setup_teardown(conditions_are_and_before_or, begin, end),
	};

	return cmocka_run_group_tests_name("import_words", tests, NULL, NULL);
}
