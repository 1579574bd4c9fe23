/* rooms: hapair/supervisor/directories.c */
#include "hapair/supervisor/directories.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[32], path[64];

static int make_top(void **state)
{
	snprintf(top, sizeof(top), "/tmp/hapair-test-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(path, sizeof(path), "%s/parent/node", top);
	return 0;
}

static int remove_top(void **state)
{
	char parent[64];

	snprintf(parent, sizeof(parent), "%s/parent", top);
	rmdir(path);
	rmdir(parent);
	return rmdir(top); /* fails where something else was left in it */
}

static void put(const char *name)
{
	char file[128];
	int fd;

	snprintf(file, sizeof(file), "%s/%s", path, name);
	fd = open(file, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void take(const char *name)
{
	char file[128];

	snprintf(file, sizeof(file), "%s/%s", path, name);
	assert_int_equal(unlink(file), 0);
}

static void make_foreign(void)
{
	char parent[64];

	snprintf(parent, sizeof(parent), "%s/parent", top);
	assert_int_equal(mkdir(parent, 0755), 0);
	assert_int_equal(mkdir(path, 0755), 0);
}

static uid_t owner(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_uid;
}

static void it_is_made_with_its_mode_and_nothing_is_left_in_it(void **state)
{
	struct directory d;
	struct stat st;
	mode_t mask = umask(077);

	assert_int_equal(directory_claim(path, 0751, "", &d), 0);
	umask(mask);
	assert_int_equal(fstat(d.fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0751);
	directory_release(&d);
	assert_int_equal(d.fd, -1);
	directory_release(&d); /* once more does nothing */
}

static void a_second_claim_is_refused_until_the_first_is_released(void **state)
{
	struct directory first, second;

	assert_int_equal(directory_claim(path, 0755, "", &first), 0);
	assert_int_equal(directory_claim(path, 0755, "", &second), -EWOULDBLOCK);
	directory_release(&first);
	assert_int_equal(directory_claim(path, 0755, "", &second), 0);
	directory_release(&second);
}

static void who_can_read_the_directory_cannot_hold_it_against_us(void **state)
{
	struct directory d;
	struct stat st;
	char file[128];
	int fd;

	make_foreign();
	fd = open(path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(directory_claim(path, 0755, "", &d), 0);
	snprintf(file, sizeof(file), "%s/%s", path, DIRECTORY_LOCK);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	directory_release(&d);
	close(fd);
}

static void a_lock_that_a_killed_node_left_is_taken_over(void **state)
{
	struct directory d;

	make_foreign();
	put(DIRECTORY_LOCK);
	assert_int_equal(directory_claim(path, 0755, "", &d), 0);
	directory_release(&d);
}

static void a_link_in_the_place_of_the_lock_is_not_followed(void **state)
{
	struct directory d;
	char file[128];

	make_foreign();
	snprintf(file, sizeof(file), "%s/%s", path, DIRECTORY_LOCK);
	assert_int_equal(symlink("elsewhere", file), 0);
	assert_int_equal(directory_claim(path, 0755, "", &d), -ELOOP);
	take(DIRECTORY_LOCK);
}

static void where_everybody_can_write_is_no_place(void **state)
{
	struct directory d;

	make_foreign();
	assert_int_equal(chmod(path, 01777), 0);
	assert_int_equal(directory_claim(path, 0755, "", &d), -EPERM);
}

static void a_directory_with_other_files_keeps_its_owner(void **state)
{
	struct directory d;

	if (geteuid() != 0)
		skip();
	make_foreign();
	put("passwd");
	assert_int_equal(directory_claim(path, 0750, "nobody", &d), -ENOTEMPTY);
	assert_int_equal(owner(), 0);
	take("passwd"); /* and no lock was left beside it */
}

static void an_empty_one_and_that_of_an_earlier_life_get_their_user(void **state)
{
	struct directory d;

	if (geteuid() != 0)
		skip();
	make_foreign();
	assert_int_equal(directory_claim(path, 0750, "nobody", &d), 0);
	directory_release(&d);
	assert_true(owner() != 0);
	assert_int_equal(chown(path, 0, 0), 0);
	put("epoch");
	put("somebody's notes");
	assert_int_equal(directory_claim(path, 0750, "nobody", &d), 0);
	directory_release(&d);
	assert_true(owner() != 0);
	take("epoch");
	take("somebody's notes");
}

static void an_unknown_user_is_said(void **state)
{
	struct directory d;

	if (geteuid() != 0)
		skip();
	assert_int_equal(directory_claim(path, 0750, "no-such-user-here", &d), -ENOENT);
}

#define PLACE(test) cmocka_unit_test_setup_teardown(test, make_top, remove_top)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE(it_is_made_with_its_mode_and_nothing_is_left_in_it),
		PLACE(a_second_claim_is_refused_until_the_first_is_released),
		PLACE(who_can_read_the_directory_cannot_hold_it_against_us),
		PLACE(a_lock_that_a_killed_node_left_is_taken_over),
		PLACE(a_link_in_the_place_of_the_lock_is_not_followed),
		PLACE(where_everybody_can_write_is_no_place),
		PLACE(a_directory_with_other_files_keeps_its_owner),
		PLACE(an_empty_one_and_that_of_an_earlier_life_get_their_user),
		PLACE(an_unknown_user_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
