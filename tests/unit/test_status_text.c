/* rooms: hapair/status_text.c hapair/admin/status_json.c hapair/admin/snapshot.c hapair/admin/json_values.c hapair/admin/overview.c hapair/base/addr.c hapair/base/msg.c */
#include "hapair/admin/overview.h"
#include "hapair/admin/status_json.h"
#include "hapair/status_text.h"
#include "tests/unit/node_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* `pool` NULL: all of the status. */
static char *render(const json_t *status, const char *pool, bool colour, bool *ret_found)
{
	char *text = NULL;
	size_t n;
	FILE *to = open_memstream(&text, &n);

	if (pool)
		*ret_found = status_text_print_servers(status, pool, to, colour);
	else
		status_text_print(status, to, colour);
	fclose(to);
	return text;
}

static const char whole[] =
	"alpha is active for 10.0 s: the peer was silent\n"
	"cluster shop, epoch 7, hapair " HAPAIR_VERSION "\n"
	"\n"
	"virtual addresses\n"
	"    address       interface  here  holder  reported\n"
	"    10.0.0.50/24  eth0       held  alpha   100 ms ago\n"
	"    fence open for 120 ms more, lapsed 1 times; heartbeat real-time, at most 620 us late\n"
	"\n"
	"peer  (as of 100 ms ago)\n"
	"    beta: passive, same configuration\n"
	"    link                          state  last heard  round trip  jitter    loss\n"
	"    10.0.0.1:7946  10.0.0.2:7946  up     40 ms ago   0.210 ms    0.015 ms  12.5 %\n"
	"\n"
	"listeners  (as of 300 ms ago)\n"
	"    name    mode  open  total  requests  bind\n"
	"    public  http  3     100    520       10.0.0.50:80, 10.0.0.50:443 tls\n"
	"\n"
	"pool web, leastconn  (as of 300 ms ago)\n"
	"    server  address         state  for     weight  active  total  failed  last check\n"
	"    s1      10.0.0.11:8080  up     50.0 s  2       3       500    4       ok: 200 OK, 1.2 ms, 2.0 s "
	"ago\n"
	"    s2      10.0.0.12:8080  down   1.0 s   1       0       20     20      failed: timed out, 2000.0 "
	"ms, 1.0 s ago\n"
	"\n"
	"processes\n"
	"    role       pid  restarts\n"
	"    heartbeat  101  0\n"
	"    proxy      202  1\n"
	"    admin      -    -\n"
	"    runner     -    -\n";

static void a_whole_node_is_readable(void **unused)
{
	struct fixture f;
	json_t *status;
	char *text;

	fixture_init(&f);
	status = status_json(&f.view);
	text = render(status, NULL, false, NULL);
	assert_string_equal(text, whole);
	free(text);
	json_decref(status);
	snapshot_done(&f.snapshot);
}

static void what_is_not_known_is_a_dash(void **unused)
{
	struct fixture f;
	json_t *status;
	char *text;

	memset(&f, 0, sizeof(f));
	fixture_config(&f);
	status = status_json(&f.view);
	text = render(status, NULL, false, NULL);
	assert_non_null(strstr(text, "alpha is starting: heartbeat has not reported yet\n"));
	assert_non_null(strstr(text, "peer  (not reported yet)\n    beta: not known\n"));
	assert_non_null(
		strstr(text, "s1      10.0.0.11:8080  unknown  -    2       -       -      -       -\n"));
	free(text);
	json_decref(status);
}

static void a_one_way_link_is_told(void **unused)
{
	struct fixture f;
	json_t *status;
	char *text;

	fixture_init(&f);
	f.snapshot.pair.links[0].way = LINK_UNHEARD;
	status = status_json(&f.view);
	text = render(status, NULL, false, NULL);
	assert_non_null(strstr(text, "\n    10.0.0.1:7946 is ONE-WAY: the peer does not hear this node\n"));
	free(text);
	json_decref(status);
	snapshot_done(&f.snapshot);
}

static void a_hold_down_is_told(void **unused)
{
	struct fixture f;
	json_t *status;
	char *text;

	fixture_init(&f);
	f.snapshot.pair.held_until = FIXTURE_NOW + SECONDS(25);
	f.snapshot.pair.peer_held = 1;
	status = status_json(&f.view);
	text = render(status, NULL, false, NULL);
	assert_non_null(strstr(text,
			       "\nheld down for 25.0 s: it moved too often, so priority is not looked at\n"
			       "the peer is held down: it moved too often\n"));
	free(text);
	json_decref(status);
	snapshot_done(&f.snapshot);
}

static void colour_is_only_where_it_is_wanted(void **unused)
{
	struct fixture f;
	json_t *status;
	char *text;

	fixture_init(&f);
	status = status_json(&f.view);
	text = render(status, NULL, true, NULL);
	assert_non_null(strstr(text, "\033[32mactive\033[0m"));
	assert_non_null(strstr(text, "\033[31;1mdown\033[0m"));
	free(text);
	text = render(status, NULL, false, NULL);
	assert_null(strchr(text, '\033'));
	free(text);
	json_decref(status);
	snapshot_done(&f.snapshot);
}

static void one_pool_is_listed_by_its_name(void **unused)
{
	struct fixture f;
	json_t *status;
	char *text;
	bool found;

	fixture_init(&f);
	status = status_json(&f.view);
	text = render(status, "web", false, &found);
	assert_true(found);
	assert_non_null(strstr(text, "s2"));
	free(text);
	text = render(status, "wbe", false, &found);
	assert_false(found);
	assert_string_equal(text, "");
	free(text);
	json_decref(status);
	snapshot_done(&f.snapshot);
}

static void status_of_an_empty_object_does_not_fail(void **unused)
{
	json_t *status = json_object();
	char *text = render(status, NULL, false, NULL);

	assert_non_null(strstr(text, "- is -"));
	free(text);
	json_decref(status);
}

static void the_page_escapes_what_it_shows(void **unused)
{
	struct fixture f;
	json_t *status;
	char *text = NULL;
	size_t n;
	FILE *to = open_memstream(&text, &n);

	fixture_init(&f);
	MSG_TEXT(f.snapshot.state.reason, "<script>alert(\"x\") & y");
	status = status_json(&f.view);
	overview_print(status, to);
	fclose(to);
	assert_null(strstr(text, "<script>"));
	assert_non_null(strstr(text, "&lt;script&gt;alert(&quot;x&quot;) &amp; y"));
	assert_non_null(strstr(text, "</html>"));
	free(text);
	json_decref(status);
	snapshot_done(&f.snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_node_is_readable),
		cmocka_unit_test(what_is_not_known_is_a_dash),
		cmocka_unit_test(a_one_way_link_is_told),
		cmocka_unit_test(a_hold_down_is_told),
		cmocka_unit_test(colour_is_only_where_it_is_wanted),
		cmocka_unit_test(one_pool_is_listed_by_its_name),
		cmocka_unit_test(status_of_an_empty_object_does_not_fail),
		cmocka_unit_test(the_page_escapes_what_it_shows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
