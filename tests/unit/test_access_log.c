/* rooms: proxy/access_log.c hapair/base/addr.c hapair/base/clock.c hapair/base/log.c */
#include "proxy/access_log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static struct access_log log_to;
static struct access_batch batch;

static int begin(void **state)
{
	log_to = (struct access_log){.fd = memfd_create("access", MFD_CLOEXEC), .enabled = true};
	access_batch_init(&batch, &log_to);
	return log_to.fd < 0 ? -1 : 0;
}

static int end(void **state)
{
	close(log_to.fd);
	return 0;
}

static const char *written(void)
{
	static char text[4 * ACCESS_BATCH];
	ssize_t n = pread(log_to.fd, text, sizeof(text) - 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static struct access_entry entry(struct span request)
{
	return (struct access_entry){
		.client = {.family = AF_INET, .bytes = {10, 0, 0, 9}},
		.wall_ms = 1795493286123,
		.request = request,
		.status = 200,
		.bytes = 512,
		.listener = "public",
		.pool = "web",
		.server = "s1",
		.took = US(843),
		.tries = 1,
	};
}

static void a_line_is_what_log_readers_know_and_more(void **state)
{
	char request[512];
	size_t n = access_request(request, sizeof(request), SPAN("GET"), SPAN("/a?b"), 1, SPAN(""),
				  SPAN("curl/7.88"));
	struct access_entry e = entry((struct span){request, n});
	access_line(&batch, &e);
	assert_string_equal(written(), "");
	access_flush(&batch);
	assert_string_equal(written(),
			    "10.0.0.9 - - [24/Nov/2026:04:08:06 +0000] \"GET /a?b HTTP/1.1\" 200 512 \"-\" "
			    "\"curl/7.88\" public web/s1 843 1\n");
}

static void nothing_that_a_client_sends_can_make_a_line_or_end_its_quotes(void **state)
{
	char request[512];
	size_t n = access_request(request, sizeof(request), SPAN("GET"), SPAN("/\"\\\x7f"), 0,
				  SPAN("a\tb\"c"), SPAN("x\r\ny\x01"));
	struct access_entry e = entry((struct span){request, n});
	access_line(&batch, &e);
	access_flush(&batch);
	assert_non_null(
		strstr(written(),
		       "\"GET /\\x22\\x5C\\x7F HTTP/1.0\" 200 512 \"a\\x09b\\x22c\" \"x\\x0D\\x0Ay\\x01\""));
}

static void a_long_request_is_cut_and_its_line_stays_whole(void **state)
{
	static char target[8192], request[4096];
	memset(target, '"', sizeof(target));
	size_t n = access_request(request, sizeof(request), SPAN("GET"),
				  (struct span){target, sizeof(target)}, 1, SPAN(""), SPAN("agent"));
	assert_true(n <= sizeof(request));
	struct access_entry e = entry((struct span){request, n});
	access_line(&batch, &e);
	access_flush(&batch);
	const char *text = written();
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	assert_non_null(strstr(text, "public web/s1 843 1\n"));
}

static void a_full_batch_is_written_and_no_line_is_lost(void **state)
{
	char request[512];
	unsigned lines = 0;
	size_t n = access_request(request, sizeof(request), SPAN("GET"), SPAN("/"), 1, SPAN(""), SPAN(""));
	struct access_entry e = entry((struct span){request, n});
	for (int i = 0; i < 1500; i++)
		access_line(&batch, &e);
	access_flush(&batch);
	for (const char *p = written(); (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	assert_int_equal(lines, 1500);
	assert_int_equal(log_to.lost, 0);
}

static void lines_that_can_not_be_written_are_counted(void **state)
{
	struct access_entry e = entry(SPAN("\"-\"\t\"-\" \"-\""));
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(full >= 0);
	dup2(full, log_to.fd);
	close(full);
	access_line(&batch, &e);
	access_line(&batch, &e);
	access_flush(&batch);
	assert_int_equal(log_to.lost, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_line_is_what_log_readers_know_and_more, begin, end),
		cmocka_unit_test_setup_teardown(nothing_that_a_client_sends_can_make_a_line_or_end_its_quotes,
						begin, end),
		cmocka_unit_test_setup_teardown(a_long_request_is_cut_and_its_line_stays_whole, begin, end),
		cmocka_unit_test_setup_teardown(a_full_batch_is_written_and_no_line_is_lost, begin, end),
		cmocka_unit_test_setup_teardown(lines_that_can_not_be_written_are_counted, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
