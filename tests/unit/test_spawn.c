/* rooms: hapair/supervisor/spawn.c hapair/base/msg.c */
#include "hapair/supervisor/spawn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void set_environment(void)
{
	setenv("HAPAIR_NODE", "alpha", 1);
	setenv("HAPAIR_RUN_DIR", "/r", 1);
	setenv("HAPAIR_STATE_DIR", "/s", 1);
}

static void a_role_knows_itself_by_its_title(void **state)
{
	struct spawn_identity identity;

	set_environment();
	assert_true(spawn_am_role("hapair: heartbeat alpha", &identity));
	assert_int_equal(identity.role, ROLE_HEARTBEAT);
	assert_string_equal(identity.node, "alpha");
	assert_string_equal(identity.run_dir, "/r");
	assert_string_equal(identity.state_dir, "/s");
	assert_true(spawn_am_role("hapair: proxy-spare alpha", &identity));
	assert_int_equal(identity.role, ROLE_PROXY);
}

static void a_user_does_not_become_a_role_by_accident(void **state)
{
	struct spawn_identity identity;

	set_environment();
	assert_false(spawn_am_role("hapair", &identity));
	assert_false(spawn_am_role("/usr/sbin/hapair", &identity));
	assert_false(spawn_am_role("hapair: supervisor alpha", &identity));
	assert_false(spawn_am_role("hapair: proxyx alpha", &identity));
	assert_false(spawn_am_role("hapair: proxy", &identity));
	unsetenv("HAPAIR_NODE");
	assert_false(spawn_am_role("hapair: proxy alpha", &identity));
}

static void a_spare_takes_the_title_of_the_role_it_becomes(void **state)
{
	char title[] = "hapair: heartbeat-spare alpha", plain[] = "hapair: proxy alpha";

	spawn_spare_begins(title);
	assert_memory_equal(title, "hapair: heartbeat alpha\0\0\0\0\0\0", sizeof(title));
	spawn_spare_begins(plain);
	assert_string_equal(plain, "hapair: proxy alpha");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_role_knows_itself_by_its_title),
		cmocka_unit_test(a_user_does_not_become_a_role_by_accident),
		cmocka_unit_test(a_spare_takes_the_title_of_the_role_it_becomes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
