/* rooms: hapair/init/setup.c hapair/config/arena.c hapair/config/config.c hapair/config/build.c hapair/config/facts.c
 * rooms: hapair/config/lex.c hapair/config/machine.c hapair/config/options.c hapair/config/report.c hapair/config/rules.c
 * rooms: hapair/config/set.c hapair/config/sources.c hapair/config/tree.c hapair/config/value.c hapair/base/addr.c
 * rooms: hapair/base/secret.c heartbeat/lease.c
 *
 * Answers of hapair init: judged one by one, and what is composed from them is what was meant.
 */
#include "hapair/config/config.h"
#include "hapair/init/setup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct arena *arena;
	struct setup *setup;
};

static int begin(void **state)
{
	static struct fixture f;

	f.arena = arena_new();
	f.setup = setup_new(f.arena);
	*state = &f;
	return 0;
}

static int end(void **state)
{
	arena_free(((struct fixture *)*state)->arena);
	return 0;
}

#define SETUP(state) (((struct fixture *)*(state))->setup)

static void take(struct setup *s, enum setup_question question, const char *answer)
{
	const char *why = setup_answer(s, question, answer);

	if (why)
		fail_msg("%s: %s", answer, why);
}

static void refuse(struct setup *s, enum setup_question question, const char *answer, const char *expected)
{
	size_t before = setup_answers(s, question);
	const char *why = setup_answer(s, question, answer);

	if (!why || !strstr(why, expected))
		fail_msg("%s: %s", answer, why ? why : "taken");
	assert_int_equal(setup_answers(s, question), before);
}

static void take_pair(struct setup *s)
{
	take(s, SETUP_NODE, "beta=10.0.0.2,192.168.9.2:7000");
	take(s, SETUP_NODE, "alpha=10.0.0.1,192.168.9.1:7000");
	take(s, SETUP_VIP, "10.0.0.50/24");
}

/* The composed text as its readers see it. */
static const struct config *read_back(struct setup *s)
{
	const char *text = setup_text(s);
	struct config_report *report = config_report_new();
	struct config_sources *sources = config_sources_from_text("x", text, strlen(text));
	const struct config *config = config_read(sources, report);

	if (!config)
		config_report_print(report, stderr);
	assert_non_null(config);
	config_sources_free(sources);
	config_report_free(report);
	return config;
}

static void a_small_pair_is_whole(void **state)
{
	struct setup *s = SETUP(state);
	const struct config *c;

	assert_non_null(strstr(setup_missing(s), "--node"));
	take_pair(s);
	assert_non_null(strstr(setup_missing(s), "--server"));
	take(s, SETUP_SERVER, "10.0.0.11:8080");
	assert_null(setup_missing(s));
	c = read_back(s);
	assert_int_equal(c->n_nodes, 2);
	assert_string_equal(c->nodes[1].name, "beta");
	assert_int_equal(c->nodes[1].priority, 200); /* the first that was named */
	assert_int_equal(c->nodes[0].n_links, 2);
	assert_int_equal(c->nodes[0].links[0].port, 7946);
	assert_int_equal(c->nodes[0].links[1].port, 7000);
	assert_string_equal(c->cluster.secret_file, "/etc/hapair/secret.key");
	assert_int_equal(c->n_listens, 1);
	assert_int_equal(c->listens[0].n_binds, 1);
	assert_int_equal(c->listens[0].binds[0].address.port, 80);
	assert_int_equal(c->pools[0].check.kind, CHECK_TCP);
	assert_string_equal(setup_node_address(s, 0), "10.0.0.2");
	assert_string_equal(setup_vip_address(s), "10.0.0.50");
	config_free(c);
}

static void every_flag_finds_its_place(void **state)
{
	struct setup *s = SETUP(state);
	const struct config *c;

	take(s, SETUP_TCP, "5432=db"); /* before its servers: any order will do */
	take(s, SETUP_HTTP, "81=api");
	take(s, SETUP_HTTP, "82");
	take(s, SETUP_TLS, "/etc/hapair/shop.pem");
	take(s, SETUP_CHECK, "/up?deep");
	take(s, SETUP_CLUSTER, "store");
	take(s, SETUP_DIR, "/srv/ha");
	take_pair(s);
	take(s, SETUP_VIP, "fd00::50/64");
	take(s, SETUP_SERVER, "web=10.0.0.11:8080");
	take(s, SETUP_SERVER, "api=10.0.0.12:8080");
	take(s, SETUP_SERVER, "api=[fd00::12]:8080");
	assert_non_null(strstr(setup_missing(s), "--server db="));
	take(s, SETUP_SERVER, "db=10.0.0.13:5432");
	assert_null(setup_missing(s));
	c = read_back(s);
	assert_string_equal(c->cluster.name, "store");
	assert_string_equal(c->cluster.secret_file, "/srv/ha/secret.key");
	assert_int_equal(c->n_pools, 3);
	assert_int_equal(c->pools[1].n_servers, 2);
	assert_string_equal(c->pools[1].check.path, "/up?deep");
	assert_int_equal(c->pools[2].check.kind, CHECK_TCP);
	assert_int_equal(c->n_listens, 3);
	assert_int_equal(c->listens[0].n_binds, 4);
	assert_true(c->listens[0].binds[3].tls);
	assert_int_equal(c->listens[0].pool, 1);
	assert_int_equal(c->listens[1].pool, 0);
	assert_int_equal(c->listens[2].mode, MODE_TCP);
	assert_int_equal(c->listens[2].pool, 2);
	config_free(c);
}

static void wrong_answers_are_refused_at_once(void **state)
{
	struct setup *s = SETUP(state);

	refuse(s, SETUP_NODE, "10.0.0.1", "NAME=ADDRESS");
	refuse(s, SETUP_NODE, "=10.0.0.1", "NAME=ADDRESS");
	refuse(s, SETUP_NODE, "alpha=", "NAME=ADDRESS");
	refuse(s, SETUP_NODE, "alpha=10.0.0.1,", "NAME=ADDRESS");
	refuse(s, SETUP_NODE, "alpha=10.0.0.256", "link");
	refuse(s, SETUP_NODE, "a/b=10.0.0.1", "letters, digits");
	refuse(s, SETUP_NODE, "alpha=10.0.0.1 } vip", "NAME=ADDRESS");
	refuse(s, SETUP_VIP, "10.0.0.50", "10.0.0.50");
	refuse(s, SETUP_VIP, "10.0.0.255/24", "broadcast");
	refuse(s, SETUP_SERVER, "10.0.0.11", "port is missing");
	refuse(s, SETUP_SERVER, "a=b=10.0.0.11:1", "ADDRESS:PORT");
	refuse(s, SETUP_SERVER, "0.0.0.0:80", "stands for all");
	refuse(s, SETUP_HTTP, "0", "bind");
	refuse(s, SETUP_HTTP, "http", "bind");
	refuse(s, SETUP_TLS, "shop.pem", "begin with /");
	refuse(s, SETUP_CHECK, "health", "begins with /");
	refuse(s, SETUP_CLUSTER, "a\"b", "NAME is wanted");
	refuse(s, SETUP_DIR, "etc", "DIRECTORY");
	take_pair(s);
	refuse(s, SETUP_NODE, "gamma=10.0.0.3", "no more");
	refuse(s, SETUP_VIP, "10.0.0.50/24", "a second vip");
	refuse(s, SETUP_VIP, "10.0.0.1/24", "this is a VIP");
	refuse(s, SETUP_SERVER, "10.0.0.50:80", "in a circle");
}

static void links_need_both_ends(void **state)
{
	struct setup *s = SETUP(state);

	take(s, SETUP_NODE, "alpha=10.0.0.1,192.168.9.1");
	refuse(s, SETUP_NODE, "beta=10.0.0.2", "each link needs both ends");
	refuse(s, SETUP_NODE, "beta=fd00::2,192.168.9.2", "IPv4 on one node");
	take(s, SETUP_NODE, "beta=10.0.0.2,192.168.9.2");
}

static void a_path_is_no_check_for_tcp(void **state)
{
	struct setup *s = SETUP(state);

	take_pair(s);
	take(s, SETUP_SERVER, "10.0.0.11:5432");
	take(s, SETUP_TCP, "5432");
	assert_null(setup_missing(s));
	take(s, SETUP_CHECK, "/health");
	assert_non_null(strstr(setup_missing(s), "--check asks over HTTP"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_small_pair_is_whole, begin, end),
		cmocka_unit_test_setup_teardown(every_flag_finds_its_place, begin, end),
		cmocka_unit_test_setup_teardown(wrong_answers_are_refused_at_once, begin, end),
		cmocka_unit_test_setup_teardown(links_need_both_ends, begin, end),
		cmocka_unit_test_setup_teardown(a_path_is_no_check_for_tcp, begin, end),
	};

	return cmocka_run_group_tests_name("setup", tests, NULL, NULL);
}
