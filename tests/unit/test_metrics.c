/* rooms: hapair/admin/metrics.c hapair/admin/snapshot.c hapair/base/addr.c hapair/base/msg.c */
#include "hapair/admin/metrics.h"
#include "tests/unit/node_fixture.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static char *render(const struct fixture *f)
{
	char *text = NULL;
	size_t n;
	FILE *to = open_memstream(&text, &n);

	assert_non_null(to);
	metrics_print(&f->view, 42, to);
	fclose(to);
	return text;
}

/* A whole line of the text. */
static bool has_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	for (const char *at = strstr(text, line); at; at = strstr(at + 1, line))
		if ((at == text || at[-1] == '\n') && at[n] == '\n')
			return true;
	return false;
}

#define assert_line(text, line)                                                                              \
	do {                                                                                                 \
		if (!has_line(text, line))                                                                   \
			fail_msg("no line %s in:\n%s", line, text);                                          \
	} while (0)

static void a_whole_node_is_told_in_base_units(void **unused)
{
	struct fixture f;
	char *text;

	fixture_init(&f);
	text = render(&f);
	assert_line(text, "hapair_state{node=\"alpha\",state=\"active\"} 1");
	assert_line(text, "hapair_state{node=\"alpha\",state=\"passive\"} 0");
	assert_line(text, "hapair_holder{node=\"alpha\"} 1");
	assert_line(text, "hapair_vip_held{node=\"alpha\",vip=\"10.0.0.50\",interface=\"eth0\"} 1");
	assert_line(text, "hapair_epoch{node=\"alpha\"} 7");
	assert_line(text, "hapair_events_total{node=\"alpha\"} 42");
	assert_line(text, "hapair_fence_left_seconds{node=\"alpha\"} 0.12");
	assert_line(text, "hapair_link_rtt_seconds{node=\"alpha\",link=\"10.0.0.1:7946\"} 0.00021");
	assert_line(text, "hapair_link_loss_ratio{node=\"alpha\",link=\"10.0.0.1:7946\"} 0.125");
	assert_line(text, "hapair_server_state{node=\"alpha\",pool=\"web\",server=\"s2\",state=\"down\"} 1");
	assert_line(text, "hapair_server_requests_total{node=\"alpha\",pool=\"web\",server=\"s1\"} 500");
	assert_line(
		text,
		"hapair_server_check_duration_seconds{node=\"alpha\",pool=\"web\",server=\"s1\"} 0.00125");
	assert_line(text,
		    "hapair_listener_responses_total{node=\"alpha\",listener=\"public\",class=\"2xx\"} 510");
	assert_line(text, "hapair_listener_sent_bytes_total{node=\"alpha\",listener=\"public\"} 1048576");
	assert_line(text, "hapair_process_restarts_total{node=\"alpha\",role=\"proxy\"} 1");
	free(text);
	snapshot_done(&f.snapshot);
}

static void what_is_not_known_has_no_sample(void **unused)
{
	struct fixture f;
	char *text;

	memset(&f, 0, sizeof(f));
	fixture_config(&f);
	text = render(&f);
	assert_line(text, "hapair_state{node=\"alpha\",state=\"starting\"} 1");
	assert_null(strstr(text, "hapair_epoch"));
	assert_null(strstr(text, "hapair_link"));
	assert_null(strstr(text, "hapair_server"));
	assert_null(strstr(text, "hapair_fence"));
	free(text);
}

static void counters_stay_exact_when_they_are_large(void **unused)
{
	struct fixture f;
	char *text;

	fixture_init(&f);
	f.snapshot.proxy.listeners[0].bytes_out = 9007199254740991;
	text = render(&f);
	assert_line(text,
		    "hapair_listener_sent_bytes_total{node=\"alpha\",listener=\"public\"} 9007199254740991");
	free(text);
	snapshot_done(&f.snapshot);
}

/* "hapair_x{...} 1" or "# TYPE hapair_x gauge": the name, into `out`. */
static const char *name_of(const char *line, char out[128])
{
	size_t n = 0;

	line += strncmp(line, "# TYPE ", 7) == 0 ? 7 : 0;
	while (n < 127 && (isalnum((unsigned char)line[n]) || line[n] == '_'))
		n++;
	memcpy(out, line, n);
	out[n] = '\0';
	return out;
}

static void every_metric_stands_together_under_one_help_and_type(void **unused)
{
	struct fixture f;
	char *text, *line, *rest, current[128] = "", name[128], seen[16384] = " ";

	fixture_init(&f);
	text = render(&f);
	for (rest = text; (line = strsep(&rest, "\n")) && *line;) {
		if (strncmp(line, "# HELP ", 7) == 0)
			continue;
		name_of(line, name);
		if (strncmp(line, "# TYPE ", 7) == 0) {
			char word[130];
			bool counter = strstr(line, " counter") != NULL;
			size_t n = strlen(name);

			snprintf(word, sizeof(word), " %s ", name);
			assert_null(strstr(
				seen, word)); /* a second block of the same metric is refused by Prometheus */
			strcat(seen, name);
			strcat(seen, " ");
			strcpy(current, name);
			assert_int_equal(counter, n > 6 && strcmp(name + n - 6, "_total") == 0);
		} else {
			assert_string_equal(name, current);
		}
	}
	free(text);
	snapshot_done(&f.snapshot);
}

static void a_quote_in_a_label_is_escaped(void **unused)
{
	struct fixture f;
	char *text;

	fixture_init(&f);
	MSG_TEXT(f.snapshot.vips[0].interface, "a\"b\\c\nd");
	text = render(&f);
	assert_line(text,
		    "hapair_vip_held{node=\"alpha\",vip=\"10.0.0.50\",interface=\"a\\\"b\\\\c\\nd\"} 1");
	free(text);
	snapshot_done(&f.snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_node_is_told_in_base_units),
		cmocka_unit_test(what_is_not_known_has_no_sample),
		cmocka_unit_test(counters_stay_exact_when_they_are_large),
		cmocka_unit_test(every_metric_stands_together_under_one_help_and_type),
		cmocka_unit_test(a_quote_in_a_label_is_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
