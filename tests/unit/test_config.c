/* rooms: hapair/config/arena.c hapair/config/config.c hapair/config/build.c hapair/config/facts.c hapair/config/lex.c
 * rooms: hapair/config/machine.c hapair/config/options.c hapair/config/report.c hapair/config/rules.c hapair/config/set.c
 * rooms: hapair/config/sources.c hapair/config/tree.c hapair/config/value.c hapair/base/addr.c hapair/base/secret.c heartbeat/lease.c
 *
 * What the golden files of tests/config cannot show: the model, its digest, differences, bundles, places.
 */
#include "hapair/config/config.h"
#include "hapair/config/options.h"
#include "hapair/config/value.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PAIR                                                                                                 \
	"cluster shop { secret_file = /k }\n"                                                                \
	"node alpha { link = { 10.0.0.1:7946 } priority = 200 }\n"                                           \
	"node beta { link = { 10.0.0.2:7946 } }\n"                                                           \
	"vip 10.0.0.50/24 { }\n"
#define POOL                                                                                                 \
	"pool web { server s1 { address = 10.0.0.11:80 } server s2 { address = 10.0.0.12:80 weight = 2 } "   \
	"}\n"
#define LISTEN "listen public { bind = { 10.0.0.50:80, 10.0.0.50:81 } pool = web }\n"

static char *printed(const struct config_report *report)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	config_report_print(report, out);
	fclose(out);
	return text;
}

/* The configuration in `text`, which must be right. */
static const struct config *config_of(const char *text)
{
	struct config_report *report = config_report_new();
	struct config_sources *sources = config_sources_from_text("t.conf", text, strlen(text));
	const struct config *config = config_read(sources, report);

	if (!config)
		fail_msg("%s", printed(report));
	config_sources_free(sources);
	config_report_free(report);
	return config;
}

static void assert_mistakes(const char *text, const char *expected)
{
	struct config_report *report = config_report_new();
	struct config_sources *sources = config_sources_from_text("t.conf", text, strlen(text));

	assert_null(config_read(sources, report));
	char *got = printed(report);
	assert_string_equal(got, expected);
	free(got);
	config_sources_free(sources);
	config_report_free(report);
}

static bool same_digest(const char *left, const char *right)
{
	const struct config *a = config_of(left), *b = config_of(right);
	bool same = memcmp(a->digest, b->digest, CONFIG_DIGEST) == 0;

	config_free(a);
	config_free(b);
	return same;
}

static void what_is_left_out_has_its_default(void **state)
{
	const struct config *config = config_of(PAIR POOL LISTEN);
	const struct config_pool *pool = &config->pools[0];
	const struct config_listen *listen = &config->listens[0];

	assert_int_equal(config->cluster.interval, MS(50));
	assert_int_equal(config->cluster.dead_after, 3);
	assert_int_equal(config->cluster.start_wait, SECONDS(2));
	assert_int_equal(config->cluster.drain_timeout, SECONDS(300));
	assert_false(config->cluster.preempt);
	assert_int_equal(config->nodes[1].priority, 100);
	assert_string_equal(config->nodes[1].interface, "");
	assert_int_equal(pool->balance, BALANCE_ROUNDROBIN);
	assert_int_equal(pool->check.kind, CHECK_NONE);
	assert_int_equal(pool->connect_timeout, SECONDS(2));
	assert_int_equal(pool->response_timeout, SECONDS(30));
	assert_int_equal(pool->retries, 2);
	assert_int_equal(pool->servers[0].weight, 1);
	assert_int_equal(pool->servers[1].weight, 2);
	assert_int_equal(listen->mode, MODE_HTTP);
	assert_int_equal(listen->pool, 0);
	assert_int_equal(listen->n_binds, 2);
	assert_string_equal(listen->certificate, "");
	assert_int_equal(listen->min_version, TLS_1_2);
	assert_int_equal(listen->header_timeout, SECONDS(10));
	assert_int_equal(listen->idle_timeout, SECONDS(60));
	assert_int_equal(listen->tunnel_timeout, SECONDS(3600));
	assert_int_equal(config->proxy.workers, 0);
	assert_string_equal(config->proxy.access_log, "off");
	assert_string_equal(config->proxy.user, "hapair");
	assert_string_equal(config->notify.active, "");
	assert_string_equal(config->notify.user, "hapair");
	assert_int_equal(config->notify.timeout, SECONDS(30));
	config_free(config);
}

static void a_check_has_its_defaults_and_times_follow_the_interval(void **state)
{
	const struct config *config =
		config_of(PAIR "pool a { check http { } server s { address = 10.0.0.1:1 } }"
			       "pool b { check tcp { interval = 1s } server s { address = 10.0.0.1:1 } }"
			       "pool c { check tcp { interval = 1m } server s { address = 10.0.0.1:1 } }");
	const struct config_pool *a = &config->pools[0], *b = &config->pools[1], *c = &config->pools[2];

	assert_int_equal(a->check.kind, CHECK_HTTP);
	assert_string_equal(a->check.path, "/health");
	assert_string_equal(a->check.host, "");
	assert_int_equal(a->check.expect, 200);
	assert_int_equal(a->check.port, 0);
	assert_int_equal(a->check.interval, SECONDS(5));
	assert_int_equal(a->check.standby_interval, SECONDS(15));
	assert_int_equal(a->check.timeout, SECONDS(2));
	assert_int_equal(a->check.fall, 1);
	assert_int_equal(a->check.rise, 2);
	assert_int_equal(b->check.timeout, SECONDS(1));
	assert_int_equal(b->check.standby_interval, SECONDS(15));
	assert_int_equal(c->check.timeout, SECONDS(2));
	assert_int_equal(c->check.standby_interval, SECONDS(60));
	config_free(config);
}

static void both_machines_number_the_nodes_alike(void **state)
{
	const struct config *config = config_of("node zoe { link = { 10.0.0.1:1 } } cluster c { secret_file "
						"= /k } node adam { link = { 10.0.0.2:1 } }"
						"vip 10.0.0.50/24 { }");
	const char *file;
	unsigned line;

	assert_string_equal(config->nodes[0].name, "adam");
	assert_int_equal(config->nodes[0].links[0].ip.bytes[3], 2);
	assert_string_equal(config->nodes[1].name, "zoe");
	config_where(config, "node", 1, &file, &line);
	assert_int_equal(line, 1);
	config_free(config);
}

static void the_digest_covers_the_meaning_not_the_spelling(void **state)
{
	assert_true(same_digest(PAIR POOL LISTEN, LISTEN POOL PAIR));
	assert_true(same_digest(
		PAIR POOL LISTEN,
		"# other words\n" PAIR POOL
		"listen public{bind={\"10.0.0.50:81\",10.0.0.50:80}mode=http pool=web idle_timeout=1m}"));
	assert_true(same_digest(PAIR POOL, PAIR "pool web { server s2 { weight = 2 address = 10.0.0.12:80 }"
						"server s1 { address = 10.0.0.11:80 } retries = 2 }"));
	assert_true(same_digest(PAIR "pool a { check tcp { } server s { address = [FD00::0001]:1 } }",
				PAIR "pool a { check tcp { fall = 1 } server s { address = [fd00::1]:1 } }"));
}

static void the_digest_changes_with_every_option(void **state)
{
	static const char *const variants[] = {
		PAIR POOL LISTEN,
		PAIR POOL LISTEN "proxy { workers = 2 }",
		PAIR POOL LISTEN "admin { bind = { 127.0.0.1:9600 } }",
		PAIR POOL LISTEN "notify { active = /x }",
		PAIR POOL LISTEN "notify { passive = /x }",
		PAIR POOL LISTEN "pool other { server s { address = 10.0.0.1:1 } }",
		PAIR POOL "listen public { bind = { 10.0.0.50:80, 10.0.0.50:81 } mode = tcp pool = web }",
		PAIR POOL "listen public { bind = { 10.0.0.50:80 } pool = web }",
		PAIR POOL "listen public { bind = { 10.0.0.50:80, 10.0.0.50:81 } pool = web route { path = "
			  "/a pool = web } }",
		PAIR POOL "listen public { bind = { 10.0.0.50:80, 10.0.0.50:81 } pool = web route { host = a "
			  "pool = web } }",
		PAIR POOL "listen public { bind = { 10.0.0.50:80 tls, 10.0.0.50:81 } tls { certificate = /c "
			  "} pool = web }",
		PAIR POOL "listen public { bind = { 10.0.0.50:80, 10.0.0.50:81 tls } tls { certificate = /c "
			  "} pool = web }",
		PAIR POOL LISTEN "vip 10.0.0.51/24 { }",
		PAIR POOL LISTEN "vip 10.0.0.51/25 { }",
		PAIR POOL LISTEN "vip 10.0.0.51/24 { interface = a }",
	};
	const size_t n = sizeof variants / sizeof *variants;

	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			if (same_digest(variants[i], variants[j]))
				fail_msg("variants %zu and %zu have one digest", i, j);
}

/* The order of links has a meaning: the i-th talks to the i-th. */
static void the_digest_sees_the_order_of_links(void **state)
{
#define WITH_LINKS(a, b)                                                                                     \
	"cluster c { secret_file = /k } vip 10.0.0.50/24 { }"                                                \
	"node a { link = { " a " } } node b { link = { " b " } }"
	assert_false(same_digest(WITH_LINKS("10.0.0.1:1, 10.0.1.1:1", "10.0.0.2:1, 10.0.1.2:1"),
				 WITH_LINKS("10.0.1.1:1, 10.0.0.1:1", "10.0.0.2:1, 10.0.1.2:1")));
}

static void a_bundle_reads_the_same_in_a_role(void **state)
{
	char directory[] = "/tmp/test_config.XXXXXX", main_file[64], part[64];
	assert_non_null(mkdtemp(directory));
	snprintf(main_file, sizeof main_file, "%s/main.conf", directory);
	snprintf(part, sizeof part, "%s/part.conf", directory);
	FILE *out = fopen(main_file, "w");
	fputs(PAIR "include part.conf\n" LISTEN, out);
	fclose(out);
	out = fopen(part, "w");
	fputs("pool web { server s1 { address = ${TEST_CONFIG_ADDRESS} } }", out);
	fclose(out);
	setenv("TEST_CONFIG_ADDRESS", "10.0.0.11:80", 1);

	struct config_report *report = config_report_new();
	struct config_sources *sources = config_sources_read(main_file, report);
	assert_non_null(sources);
	const struct config *here = config_read(sources, report);
	int fd = config_sources_to_fd(sources);
	assert_true(fd >= 0);
	config_sources_free(sources);
	/* Neither files nor environment are there for the role, and nobody can change the bundle. */
	unlink(main_file);
	unlink(part);
	rmdir(directory);
	unsetenv("TEST_CONFIG_ADDRESS");
	assert_true(write(fd, "x", 1) < 0);
	assert_true(ftruncate(fd, 0) < 0);
	for (int role = 0; role < 2; role++) {
		sources = config_sources_from_fd(fd);
		assert_non_null(sources);
		const struct config *there = config_read(sources, report);
		assert_non_null(there);
		assert_memory_equal(here->digest, there->digest, CONFIG_DIGEST);
		assert_int_equal(there->pools[0].servers[0].address.ip.bytes[3], 11);
		config_free(there);
		config_sources_free(sources);
	}
	assert_int_equal(config_report_count(report), 0);
	config_free(here);
	config_report_free(report);
	close(fd);
}

static void a_damaged_bundle_is_refused(void **state)
{
	struct config_sources *sources = config_sources_from_text("t.conf", PAIR, sizeof PAIR - 1);
	unsigned char bytes[4096];
	int fd = config_sources_to_fd(sources);
	ssize_t n = pread(fd, bytes, sizeof bytes, 0);

	assert_true(n > 0 && (size_t)n < sizeof bytes);
	config_sources_free(sources);
	close(fd);
	for (size_t cut = 0; cut < (size_t)n; cut++)
		assert_null(config_sources_from_bytes(bytes, cut));
	assert_null(config_sources_from_bytes(bytes, (size_t)n + 1));
	sources = config_sources_from_bytes(bytes, (size_t)n);
	assert_non_null(sources);
	config_sources_free(sources);
	bytes[0] ^= 1;
	assert_null(config_sources_from_bytes(bytes, (size_t)n));
	assert_null(config_sources_from_fd(-1));
}

static void assert_difference(const char *from, const char *to, const char *expected)
{
	const struct config *a = config_of(from), *b = config_of(to);
	char *text = config_difference(a, b);

	assert_string_equal(text, expected);
	free(text);
	config_free(a);
	config_free(b);
}

static void a_difference_names_what_changes(void **state)
{
	assert_difference(PAIR POOL LISTEN, LISTEN POOL PAIR, "");
	assert_difference(PAIR POOL LISTEN,
			  PAIR POOL "listen public { bind = 10.0.0.50:80 pool = web header_timeout = 5s }",
			  "listen public: bind 10.0.0.50:80, 10.0.0.50:81 -> 10.0.0.50:80\n"
			  "listen public: header_timeout 10s -> 5s\n");
	assert_difference(PAIR POOL,
			  PAIR "pool web { balance = iphash server s2 { address = 10.0.0.12:80 } server s3 { "
			       "address = 10.0.0.13:80 } }",
			  "pool web: balance roundrobin -> iphash\n"
			  "pool web server s1: removed\n"
			  "pool web server s2: weight 2 -> 1\n"
			  "pool web server s3: added\n");
	/* A block that comes or goes is one line, however much is in it. */
	assert_difference(PAIR, PAIR POOL LISTEN, "listen public: added\npool web: added\n");
	assert_difference(PAIR POOL LISTEN, PAIR, "listen public: removed\npool web: removed\n");
	assert_difference(PAIR, PAIR "notify { active = /a }", "notify: active = /a added\n");
}

static void a_reload_keeps_cluster_nodes_and_links(void **state)
{
	static const struct {
		const char *to;
		bool allowed;
	} cases[] = {
		{PAIR POOL LISTEN, true},
		{"cluster shop { secret_file = /k interval = 10ms } node alpha { link = { 10.0.0.1:7946 } }"
		 "node beta { link = { 10.0.0.2:7946 } } vip 10.0.0.51/24 { }",
		 true},
		{"cluster other { secret_file = /k } node alpha { link = { 10.0.0.1:7946 } priority = 200 }"
		 "node beta { link = { 10.0.0.2:7946 } } vip 10.0.0.50/24 { }",
		 false},
		{"cluster shop { secret_file = /k } node alpha { } vip 10.0.0.50/24 { }", false},
		{"cluster shop { secret_file = /k } node alpha { link = { 10.0.0.1:7946 } }"
		 "node gamma { link = { 10.0.0.2:7946 } } vip 10.0.0.50/24 { }",
		 false},
		{"cluster shop { secret_file = /k } node alpha { link = { 10.0.0.1:7947 } }"
		 "node beta { link = { 10.0.0.2:7946 } } vip 10.0.0.50/24 { }",
		 false},
	};
	const struct config *from = config_of(PAIR POOL);

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct config *to = config_of(cases[i].to);
		struct config_report *report = config_report_new();
		if (config_reload_allowed(from, to, report) != cases[i].allowed)
			fail_msg("case %zu", i);
		assert_int_equal(config_report_count(report) == 0, cases[i].allowed);
		config_report_free(report);
		config_free(to);
	}
	config_free(from);
}

static void places_of_blocks_and_keys_are_known(void **state)
{
	const struct config *config = config_of(
		PAIR "\nadmin {\n bind = { 127.0.0.1:1 }\n}\n"
		     "pool a { server s1 { address = 10.0.0.1:1 } }\n"
		     "pool b { server s1 { address = 10.0.0.1:1 }\n server s2 { address = 10.0.0.1:1 } }\n");
	const char *file;
	unsigned line;

	config_where(config, "vip", 0, &file, &line);
	assert_int_equal(line, 4);
	assert_string_equal(file, "t.conf");
	config_where_key(config, "admin", 0, "bind", &file, &line);
	assert_int_equal(line, 7);
	config_where(config, "server", 2, &file, &line);
	assert_int_equal(line, 11);
	config_where(config, "notify", 0, &file, &line);
	assert_int_equal(line, 0);
	config_where(config, "nonsense", 7, &file, &line);
	assert_int_equal(line, 0);
	config_free(config);
}

static void a_node_is_found_by_its_name_without_case(void **state)
{
	const struct config *config = config_of(PAIR);
	struct config_report *report = config_report_new();

	assert_int_equal(config_find_node(config, "alpha", report), 0);
	assert_int_equal(config_find_node(config, "Beta", report), 1);
	assert_int_equal(config_report_count(report), 0);
	assert_true(config_find_node(config, "bet", report) < 0);
	char *text = printed(report);
	assert_string_equal(text, "t.conf: there is no node bet, only alpha, beta; did you mean \"beta\"?\n");
	free(text);
	config_report_free(report);
	config_free(config);
}

static void one_mistake_makes_one_line(void **state)
{
	assert_mistakes(
		"", "t.conf:1: there is no cluster NAME { ... }\nt.conf:1: there is no node NAME { ... }\n");
	assert_mistakes(PAIR "pool web {\n server s1 { address = 10.0.0.1:1 }\n",
			"t.conf:5: pool web is not closed: its } is missing\n");
	assert_mistakes(PAIR "pool web {\n serverr s1 { address = 10.0.0.1:1 }\n}\n",
			"t.conf:6: unknown block \"serverr\" in pool web; did you mean \"server\"?\n");
	assert_mistakes("clutser c { secret_file = /k }\nnode a { }\n",
			"t.conf:1: unknown block \"clutser\" in the file; did you mean \"cluster\"?\n");
}

static void the_report_is_bounded_and_sorted(void **state)
{
	struct config_report *report = config_report_new();

	config_report_file(report, "first");
	config_report_add(report, "second", 1, "z");
	for (unsigned i = 300; i > 0; i--)
		config_report_add(report, "first", i, "a%cb", 27);
	config_report_add(report, "second", 1, "z");
	assert_int_equal(config_report_count(report), 301);
	char *text = printed(report);
	size_t lines = 0;
	for (char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, CONFIG_REPORT_MAX + 1);
	assert_int_equal(strncmp(text, "first:102: a?b\n", 15), 0);
	assert_non_null(strstr(text, "second:1: z\nand 101 more mistakes\n"));
	free(text);
	config_report_free(report);
}

static void a_guess_is_near_or_none(void **state)
{
	static const struct {
		const char *word, *candidate;
		bool near;
	} cases[] = {
		{"intervall", "interval", true},
		{"balnace", "balance", true},
		{"htpp", "http", true},
		{"adress", "address", true},
		{"chekc_timeut", "timeout", false},
		{"path", "port", false},
		{"x", "y", false},
		{"", "pool", false},
		{"pool", "pool", true},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct config_guess guess = {.word = cases[i].word};
		config_guess_offer(&guess, cases[i].candidate);
		if ((guess.best != NULL) != cases[i].near)
			fail_msg("%s ~ %s", cases[i].word, cases[i].candidate);
	}
}

static void durations_and_sizes_come_back_as_they_were(void **state)
{
	static const char *const durations[] = {"1us", "50ms", "1500ms", "5s", "90s", "2m", "1h", "1d", "0s"};
	static const char *const sizes[] = {"0", "512", "16K", "1M", "3G", "1025"};
	char text[CONFIG_VALUE_TEXT];
	nanos duration;
	uint64_t size;

	for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
		assert_null(config_duration_parse(durations[i], &duration));
		assert_string_equal(config_duration_text(duration, text), durations[i]);
	}
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		assert_null(config_size_parse(sizes[i], &size));
		assert_string_equal(config_size_text(size, text), sizes[i]);
	}
	assert_null(config_size_parse("17179869183G", &size));
	assert_non_null(config_size_parse("17179869184G", &size));
	assert_non_null(config_size_parse("16k", &size));
	assert_non_null(config_size_parse("16KB", &size));
	assert_non_null(config_size_parse("", &size));
	assert_null(config_duration_parse("106751d", &duration));
	assert_non_null(config_duration_parse("106752d", &duration));
	assert_non_null(config_duration_parse("99999999999999999999s", &duration));
	assert_non_null(config_duration_parse("5", &duration));
	assert_non_null(config_duration_parse("-5s", &duration));
	assert_non_null(config_duration_parse("5 s", &duration));
	assert_non_null(config_duration_parse("5min", &duration));
}

static void every_row_of_the_table_is_complete(void **state)
{
	char range[CONFIG_RANGE_MAX];

	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];
		assert_ptr_equal(config_option_find(option->block, option->key), option);
		assert_true(strlen(option->doc) > 4);
		assert_true(strlen(config_option_range(option, range)) > 2);
		assert_false(option->required && option->fallback);
		assert_int_equal(option->type == TYPE_CHOICE, option->choices != NULL);
	}
	for (size_t i = 0; i < BLOCK_COUNT; i++)
		assert_int_equal(config_blocks[i].id, i);
}

static void the_reference_has_every_option(void **state)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	config_print_reference(out);
	fclose(out);
	for (size_t i = 0; i < config_option_count; i++)
		assert_non_null(strstr(text, config_options[i].doc));
	assert_non_null(strstr(text, "default 50ms"));
	assert_non_null(strstr(text, "10ms to 10s; "));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_left_out_has_its_default),
		cmocka_unit_test(a_check_has_its_defaults_and_times_follow_the_interval),
		cmocka_unit_test(both_machines_number_the_nodes_alike),
		cmocka_unit_test(the_digest_covers_the_meaning_not_the_spelling),
		cmocka_unit_test(the_digest_changes_with_every_option),
		cmocka_unit_test(the_digest_sees_the_order_of_links),
		cmocka_unit_test(a_bundle_reads_the_same_in_a_role),
		cmocka_unit_test(a_damaged_bundle_is_refused),
		cmocka_unit_test(a_difference_names_what_changes),
		cmocka_unit_test(a_reload_keeps_cluster_nodes_and_links),
		cmocka_unit_test(places_of_blocks_and_keys_are_known),
		cmocka_unit_test(a_node_is_found_by_its_name_without_case),
		cmocka_unit_test(one_mistake_makes_one_line),
		cmocka_unit_test(the_report_is_bounded_and_sorted),
		cmocka_unit_test(a_guess_is_near_or_none),
		cmocka_unit_test(durations_and_sizes_come_back_as_they_were),
		cmocka_unit_test(every_row_of_the_table_is_complete),
		cmocka_unit_test(the_reference_has_every_option),
	};
	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
