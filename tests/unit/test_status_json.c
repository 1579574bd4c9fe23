/* rooms: hapair/admin/snapshot.c hapair/admin/status_json.c hapair/admin/json_values.c hapair/base/addr.c hapair/base/msg.c */
#include "hapair/admin/status_json.h"
#include "tests/unit/node_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

/* What others build on: a field may be added to it, none may go or change its name. */
static const char golden[] =
	"{'schema':1,'node':'alpha','cluster':'shop','state':'active','reason':'the peer was "
	"silent','state_age_ms':10000,"
	"'epoch':7,'engine':'libevent',"
	"'vips':[{'address':'10.0.0.50','prefix':24,'interface':'eth0','held':true,'holder':'alpha','age_ms':"
	"100}],"
	"'drain':null,"
	"'peer':{'node':'beta','state':'passive','alive':true,'config_matches':true,'epoch':6,'links':[{"
	"'local':'10.0.0.1:7946','remote':'10.0.0.2:7946','up':true,'one_way':null,'last_heard_ms':40,'rtt_"
	"us':210,'jitter_"
	"us':15,"
	"'loss_pct':12.5,'sent':2000,'received':1999}],'age_ms':100},"
	"'sync':null,"
	"'pools':[{'name':'web','balance':'leastconn','servers':["
	"{'name':'s1','address':'10.0.0.11:8080','state':'up','weight':2,'active':3,'total':500,'failed':4,"
	"'runtime':false,"
	"'last_check':{'ok':true,'ms':1.25,'detail':'200 OK','age_ms':2000},'state_age_ms':50000},"
	"{'name':'s2','address':'10.0.0.12:8080','state':'down','weight':1,'active':0,'total':20,'failed':20,"
	"'runtime':false,"
	"'last_check':{'ok':false,'ms':2000.0,'detail':'timed out','age_ms':1000},'state_age_ms':1000}]}],"
	"'listeners':[{'name':'public','bind':['10.0.0.50:80','10.0.0.50:443 "
	"tls'],'mode':'http','active':3,'total':100,"
	"'requests':520,'bytes_in':52000,'bytes_out':1048576}],"
	"'processes':[{'role':'heartbeat','pid':101,'restarts':0,'age_ms':100000},"
	"{'role':'proxy','pid':202,'restarts':1,'age_ms':50000},"
	"{'role':'admin','pid':null,'restarts':null,'age_ms':null},"
	"{'role':'runner','pid':null,'restarts':null,'age_ms':null}],"
	"'fence':{'in_force':true,'left_ms':120,'renewals':1500,'lapses':1,'realtime':true,'lateness_us':35,"
	"'lateness_max_us':620,'age_ms':100},"
	"'damping':{'held_down':false,'ends_in_ms':null,'moves':3,'peer_held_down':false},"
	"'witness':null,"
	"'rejected':{'R0':0},"
	"'workers':2,'proxy_age_ms':300,'heartbeat_age_ms':100,'generation':1,'version':'" HAPAIR_VERSION "',"
	"'time':'2026-11-24T04:08:05.123Z'}";

static json_t *parse(const char *text)
{
	char *copy = strdup(text);
	json_t *json;

	for (char *c = copy; *c; c++)
		if (*c == '\'')
			*c = '"';
	json = json_loads(copy, 0, NULL);
	free(copy);
	assert_non_null(json);
	return json;
}

static json_t *render(struct fixture *f)
{
	json_t *json = status_json(&f->view);

	assert_non_null(json);
	return json;
}

static bool is_null_at(const json_t *json, const char *key)
{
	const json_t *value = json_object_get(json, key);

	return value && json_is_null(value);
}

static const char *text_at(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

static void a_whole_node_is_told_in_the_fields_of_the_contract(void **unused)
{
	struct fixture f;
	json_t *json, *wanted = parse(golden);
	char *got_text, *wanted_text;

	fixture_init(&f);
	json = render(&f);
	/* The reasons of rejection are another room's words. */
	assert_int_equal(json_object_size(json_object_get(json, "rejected")), REJECT_COUNT);
	json_object_set(wanted, "rejected", json_object_get(json, "rejected"));
	got_text = json_dumps(json, JSON_INDENT(1));
	wanted_text = json_dumps(wanted, JSON_INDENT(1));
	assert_string_equal(got_text, wanted_text);
	free(got_text);
	free(wanted_text);
	json_decref(json);
	json_decref(wanted);
	snapshot_done(&f.snapshot);
}

static void the_way_between_the_nodes_is_told(void **unused)
{
	struct snapshot_sync sync = {.version = 8, .servers = 2, .trouble = "the peer is silent"};
	struct fixture f;
	json_t *json;
	const json_t *told;

	fixture_init(&f);
	f.view.sync = &sync;
	json = render(&f);
	told = json_object_get(json, "sync");
	assert_true(json_is_false(json_object_get(told, "connected")));
	assert_true(is_null_at(told, "matches") && is_null_at(told, "link") && is_null_at(told, "peer_version"));
	assert_string_equal(text_at(told, "trouble"), "the peer is silent");
	json_decref(json);
	sync.connected = sync.known = sync.matches = true;
	sync.peer_version = 8;
	json = render(&f);
	told = json_object_get(json, "sync");
	assert_true(json_is_true(json_object_get(told, "matches")));
	assert_string_equal(text_at(told, "link"), "10.0.0.2:7946");
	assert_int_equal(json_integer_value(json_object_get(told, "peer_version")), 8);
	assert_true(is_null_at(told, "trouble"));
	json_decref(json);
	snapshot_done(&f.snapshot);
}

static void the_witness_is_told_with_the_age_of_its_yes(void **unused)
{
	struct fixture f;
	json_t *json, *witness;

	fixture_init(&f);
	f.config.cluster.witness.kind = WITNESS_ETCD;
	f.snapshot.pair.witness = WITNESS_YES;
	f.snapshot.pair.witness_asked = f.view.now - MS(700);
	json = render(&f);
	witness = json_object_get(json, "witness");
	assert_string_equal(text_at(witness, "kind"), "etcd");
	assert_string_equal(text_at(witness, "answer"), "yes");
	assert_int_equal(json_integer_value(json_object_get(witness, "answered_ms")), 700);
	json_decref(json);
	f.snapshot.pair_at = 0;
	json = render(&f);
	witness = json_object_get(json, "witness");
	assert_true(is_null_at(witness, "answer") && is_null_at(witness, "answered_ms"));
	json_decref(json);
	snapshot_done(&f.snapshot);
}

static void what_nobody_said_is_null_and_the_node_is_starting(void **unused)
{
	struct fixture f;
	json_t *json, *server, *link;

	memset(&f, 0, sizeof(f));
	fixture_config(&f);
	json = render(&f);
	assert_string_equal(text_at(json, "state"), "starting");
	assert_true(is_null_at(json, "state_age_ms"));
	assert_true(is_null_at(json, "epoch"));
	assert_true(is_null_at(json, "engine"));
	assert_true(is_null_at(json, "fence"));
	assert_true(is_null_at(json, "proxy_age_ms"));
	assert_true(is_null_at(json_array_get(json_object_get(json, "vips"), 0), "held"));
	link = json_array_get(json_object_get(json_object_get(json, "peer"), "links"), 0);
	assert_string_equal(text_at(link, "remote"), "10.0.0.2:7946");
	assert_true(is_null_at(link, "up"));
	assert_true(is_null_at(link, "rtt_us"));
	assert_true(is_null_at(json_object_get(json, "peer"), "alive"));
	server = json_array_get(json_object_get(json_array_get(json_object_get(json, "pools"), 0), "servers"),
				0);
	assert_string_equal(text_at(server, "state"), "unknown");
	assert_true(is_null_at(server, "total"));
	assert_true(is_null_at(server, "last_check"));
	json_decref(json);
}

static void a_heartbeat_that_is_gone_for_longer_than_its_lease_is_a_fault(void **unused)
{
	struct fixture f;
	json_t *json;

	fixture_init(&f);
	snapshot_link(&f.snapshot, ROLE_HEARTBEAT, false, FIXTURE_NOW - MS(149));
	json = render(&f);
	assert_string_equal(text_at(json, "state"), "active");
	json_decref(json);
	f.view.now += MS(2);
	json = render(&f);
	assert_string_equal(text_at(json, "state"), "fault");
	assert_true(json_is_false(json_object_get(json_array_get(json_object_get(json, "vips"), 0), "held")));
	assert_true(is_null_at(json_object_get(json, "peer"), "alive"));
	assert_null(snapshot_holder(&f.view));
	json_decref(json);
	snapshot_done(&f.snapshot);
}

static void a_heartbeat_that_is_silent_is_not_believed_for_ever(void **unused)
{
	struct fixture f;

	fixture_init(&f);
	f.view.now += SECONDS(1);
	assert_int_equal(snapshot_state(&f.view).state, NODE_ACTIVE);
	f.view.now += SECONDS(2);
	assert_int_equal(snapshot_state(&f.view).state, NODE_FAULT);
	assert_false(snapshot_state(&f.view).held);
	snapshot_done(&f.snapshot);
}

static void a_report_of_which_a_piece_was_lost_does_not_count(void **unused)
{
	struct fixture f;

	fixture_init(&f);
	FIXTURE_TAKE(&f, SERVER, FIXTURE_NOW, .serial = 10, .pool = "web", .name = "s1",
		     .state = SERVER_DOWN);
	FIXTURE_TAKE(&f, PROXY_STATS, FIXTURE_NOW, .serial = 10, .n_servers = 2, .n_listeners = 1);
	assert_int_equal(f.snapshot.proxy.serial, 9);
	assert_int_equal(f.snapshot.proxy.n_servers, 2);
	assert_int_equal(f.snapshot.proxy.servers[0].state, SERVER_UP);
	snapshot_done(&f.snapshot);
}

static void a_node_without_a_peer_has_null_for_it(void **unused)
{
	struct fixture f;
	json_t *json;

	fixture_init(&f);
	f.config.n_nodes = 1;
	json = render(&f);
	assert_true(is_null_at(json, "peer"));
	json_decref(json);
	snapshot_done(&f.snapshot);
}

static void the_peer_that_is_active_is_named_as_the_holder(void **unused)
{
	struct fixture f;
	json_t *json, *vip;

	fixture_init(&f);
	FIXTURE_TAKE(&f, STATE, FIXTURE_NOW, .state = NODE_PASSIVE, .epoch = 7, .since = FIXTURE_NOW);
	FIXTURE_TAKE(&f, PAIR, FIXTURE_NOW, .peer = "beta", .peer_state = NODE_ACTIVE, .peer_known = 1,
		     .peer_alive = 1);
	json = render(&f);
	vip = json_array_get(json_object_get(json, "vips"), 0);
	assert_true(json_is_false(json_object_get(vip, "held")));
	assert_string_equal(text_at(vip, "holder"), "beta");
	json_decref(json);
	snapshot_done(&f.snapshot);
}

static void a_draining_node_tells_how_many_connections_are_left(void **unused)
{
	struct fixture f;
	json_t *json;

	fixture_init(&f);
	FIXTURE_TAKE(&f, STATE, FIXTURE_NOW, .state = NODE_DRAINING, .epoch = 7, .since = FIXTURE_NOW);
	json = render(&f);
	assert_true(json_is_null(json_object_get(json_object_get(json, "drain"), "left"))); /* not said yet */
	json_decref(json);
	FIXTURE_TAKE(&f, DRAIN, FIXTURE_NOW, .left = 3, .until = FIXTURE_NOW + SECONDS(9));
	json = render(&f);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "drain"), "left")), 3);
	assert_true(json_is_integer(json_object_get(json_object_get(json, "drain"), "ends_in_ms")));
	json_decref(json);
	snapshot_done(&f.snapshot);
}

static void bytes_that_are_not_text_do_not_break_the_json(void **unused)
{
	struct fixture f;
	json_t *json;

	fixture_init(&f);
	FIXTURE_TAKE(&f, STATE, FIXTURE_NOW, .state = NODE_FAULT, .reason = "bad \xff\xfe bytes");
	json = render(&f);
	assert_string_equal(text_at(json, "reason"), "bad ?? bytes");
	json_decref(json);
	snapshot_done(&f.snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_node_is_told_in_the_fields_of_the_contract),
		cmocka_unit_test(the_way_between_the_nodes_is_told),
		cmocka_unit_test(the_witness_is_told_with_the_age_of_its_yes),
		cmocka_unit_test(what_nobody_said_is_null_and_the_node_is_starting),
		cmocka_unit_test(a_heartbeat_that_is_gone_for_longer_than_its_lease_is_a_fault),
		cmocka_unit_test(a_heartbeat_that_is_silent_is_not_believed_for_ever),
		cmocka_unit_test(a_report_of_which_a_piece_was_lost_does_not_count),
		cmocka_unit_test(a_node_without_a_peer_has_null_for_it),
		cmocka_unit_test(the_peer_that_is_active_is_named_as_the_holder),
		cmocka_unit_test(a_draining_node_tells_how_many_connections_are_left),
		cmocka_unit_test(bytes_that_are_not_text_do_not_break_the_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
