/* rooms: hapair/admin/server_states.c hapair/admin/json_values.c hapair/base/msg.c hapair/base/log.c hapair/base/clock.c */
#include "hapair/admin/server_states.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];

static int make_dir(void **unused)
{
	strcpy(dir, "/tmp/hapair-states-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static char *path_of(unsigned i)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/servers.%u", dir, i);
	return path;
}

static int remove_dir(void **unused)
{
	unlink(path_of(0));
	unlink(path_of(1));
	return rmdir(dir);
}

static struct server_states *again(struct server_states *states)
{
	server_states_free(states);
	states = server_states_new(dir);
	assert_non_null(states);
	return states;
}

static void a_drain_survives_a_restart_and_ready_ends_it(void **unused)
{
	struct server_states *states = server_states_new(dir);

	assert_int_equal(server_states_set(states, "web", "s1", SERVER_ACTION_DRAIN), 0);
	assert_int_equal(server_states_set(states, "web", "s2", SERVER_ACTION_MAINT), 0);
	states = again(states);
	assert_int_equal(server_states_count(states), 2);
	assert_string_equal(server_states_at(states, 0)->server, "s1");
	assert_int_equal(server_states_at(states, 0)->action, SERVER_ACTION_DRAIN);
	assert_int_equal(server_states_at(states, 1)->action, SERVER_ACTION_MAINT);
	assert_int_equal(server_states_set(states, "web", "s1", SERVER_ACTION_READY), 0);
	states = again(states);
	assert_int_equal(server_states_count(states), 1);
	assert_string_equal(server_states_at(states, 0)->server, "s2");
	server_states_free(states);
}

static void a_crash_while_writing_leaves_the_state_before_it(void **unused)
{
	struct server_states *states = server_states_new(dir);
	int fd;

	assert_int_equal(server_states_set(states, "web", "s1", SERVER_ACTION_DRAIN), 0); /* into servers.1 */
	assert_int_equal(server_states_set(states, "web", "s1", SERVER_ACTION_MAINT), 0); /* into servers.0 */
	fd = open(path_of(0), O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 20), 0);
	close(fd);
	states = again(states);
	assert_int_equal(server_states_count(states), 1);
	assert_int_equal(server_states_at(states, 0)->action, SERVER_ACTION_DRAIN);
	/* The torn file is written next, the good one stays. */
	assert_int_equal(server_states_set(states, "web", "s1", SERVER_ACTION_MAINT), 0);
	states = again(states);
	assert_int_equal(server_states_at(states, 0)->action, SERVER_ACTION_MAINT);
	server_states_free(states);
}

static void a_server_that_the_configuration_lost_is_forgotten(void **unused)
{
	struct config_server servers[] = {{.name = "s1"}};
	struct config_pool pools[] = {{.name = "web", .servers = servers, .n_servers = 1}};
	struct config config = {.pools = pools, .n_pools = 1};
	struct server_states *states = server_states_new(dir);

	server_states_set(states, "web", "s1", SERVER_ACTION_DRAIN);
	server_states_set(states, "web", "s9", SERVER_ACTION_DRAIN);
	server_states_set(states, "api", "s1", SERVER_ACTION_MAINT);
	server_states_prune(states, &config);
	states = again(states);
	assert_int_equal(server_states_count(states), 1);
	assert_string_equal(server_states_at(states, 0)->pool, "web");
	assert_string_equal(server_states_at(states, 0)->server, "s1");
	server_states_free(states);
}

static void there_is_a_bound(void **unused)
{
	struct server_states *states = server_states_new(NULL);
	char name[16];

	for (unsigned i = 0; i < SERVER_STATES_MAX; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		assert_int_equal(server_states_set(states, "web", name, SERVER_ACTION_DRAIN), 0);
	}
	assert_int_equal(server_states_set(states, "web", "more", SERVER_ACTION_DRAIN), -ENOSPC);
	assert_int_equal(server_states_set(states, "web", "s7", SERVER_ACTION_MAINT), 0);
	server_states_free(states);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_drain_survives_a_restart_and_ready_ends_it, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(a_crash_while_writing_leaves_the_state_before_it, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(a_server_that_the_configuration_lost_is_forgotten, make_dir,
						remove_dir),
		cmocka_unit_test(there_is_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
