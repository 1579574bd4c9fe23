/* rooms: hapair/supervisor/sealed.c */
#include "hapair/supervisor/sealed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[] = "/tmp/hapair-test-sealed.XXXXXX";

static void what_is_sealed_cannot_be_changed(void **state)
{
	int fd = sealed_bytes("test", "abc", 3);
	char text[8] = "";

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(pread(fd, text, sizeof(text), 0), 3);
	assert_string_equal(text, "abc");
	close(fd);
}

static void a_file_is_taken_whole_or_not_at_all(void **state)
{
	int file = mkstemp(path), fd;

	assert_int_equal(write(file, "0123456789", 10), 10);
	close(file);
	assert_int_equal(sealed_file("test", path, 9), -EFBIG);
	fd = sealed_file("test", path, 10);
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	assert_int_equal(sealed_file("test", path, 10), -ENOENT);
	assert_int_equal(sealed_file("test", "/tmp", 10), -EINVAL);
	/* A FIFO in its place must not hold us. */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(sealed_file("test", path, 10), -EINVAL);
	unlink(path);
}

static void the_same_bytes_are_equal_and_no_others(void **state)
{
	static char large[10000];
	int a, b;

	memset(large, 'x', sizeof(large));
	a = sealed_bytes("test", large, sizeof(large));
	b = sealed_bytes("test", large, sizeof(large));
	assert_true(sealed_equal(a, b));
	assert_true(sealed_equal(b, a));
	close(b);
	b = sealed_bytes("test", large, sizeof(large) - 1);
	assert_false(sealed_equal(a, b));
	close(b);
	large[sizeof(large) - 1] = 'y';
	b = sealed_bytes("test", large, sizeof(large));
	assert_false(sealed_equal(a, b));
	close(b);
	close(a);
	a = sealed_bytes("test", "", 0);
	b = sealed_bytes("test", "", 0);
	assert_true(sealed_equal(a, b));
	close(a);
	close(b);
	assert_false(sealed_equal(-1, -1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sealed_cannot_be_changed),
		cmocka_unit_test(a_file_is_taken_whole_or_not_at_all),
		cmocka_unit_test(the_same_bytes_are_equal_and_no_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
