/* rooms: heartbeat/epoch_file.c hapair/base/thread.c */
#include "heartbeat/epoch_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/hapair-test-XXXXXX";
static char path[sizeof(directory) + 16];

static int make_directory(void **state)
{
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/epoch", directory);
	return 0;
}

static int remove_directory(void **state)
{
	unlink(path);
	return rmdir(directory); /* fails where something else was left in it */
}

static void put(const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static uint64_t opened(int expected)
{
	struct epoch_file *file = NULL;
	uint64_t epoch = 99;

	assert_int_equal(epoch_file_open(directory, &file, &epoch), expected);
	epoch_file_close(file);
	return epoch;
}

static void no_file_is_epoch_zero(void **state)
{
	unlink(path);
	assert_int_equal(opened(0), 0);
}

static void the_newest_epoch_is_there_after_closing(void **state)
{
	struct epoch_file *file;
	uint64_t epoch;

	assert_int_equal(epoch_file_open(directory, &file, &epoch), 0);
	epoch_file_keep(file, 6); /* before the thread runs */
	assert_int_equal(epoch_file_start(file), 0);
	epoch_file_keep(file, 7);
	epoch_file_keep(file, 18446744073709551615u);
	epoch_file_close(file);
	assert_true(opened(0) == 18446744073709551615u);
}

static void what_is_not_a_number_is_told_and_counts_as_zero(void **state)
{
	static const char *const bad[] = {
		"", "seven\n", "-7\n", "7", "7 \n", "7\n8\n", "99999999999999999999999\n"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(bad[i]);
		assert_int_equal(opened(-EBADMSG), 0);
	}
	put("7\n");
	assert_int_equal(opened(0), 7);
}

static void a_directory_that_is_gone_is_told_when_writing(void **state)
{
	struct epoch_file *file;
	uint64_t epoch;

	unlink(path);
	assert_int_equal(epoch_file_open(directory, &file, &epoch), 0);
	assert_int_equal(rmdir(directory), 0);
	epoch_file_keep(file, 7);
	assert_int_equal(epoch_file_start(file), 0);
	while (epoch_file_error(file) != -ENOENT) /* the thread writes at once */
		sched_yield();
	epoch_file_close(file);
	assert_int_equal(mkdir(directory, 0700), 0);
}

static void a_state_directory_that_is_missing_is_refused(void **state)
{
	struct epoch_file *file;
	uint64_t epoch;

	assert_int_equal(epoch_file_open("/nonexistent/hapair", &file, &epoch), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_file_is_epoch_zero),
		cmocka_unit_test(the_newest_epoch_is_there_after_closing),
		cmocka_unit_test(what_is_not_a_number_is_told_and_counts_as_zero),
		cmocka_unit_test(a_directory_that_is_gone_is_told_when_writing),
		cmocka_unit_test(a_state_directory_that_is_missing_is_refused),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
