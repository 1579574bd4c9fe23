/*
 * node_fixture.h: a small node, alpha of the pair shop, whose roles have all spoken, for the tests of what is rendered
 * from a snapshot. "Now" is 1,000 s after boot, 2026-11-24T04:08:05.123Z.
 */
#ifndef TESTS_UNIT_NODE_FIXTURE_H
#define TESTS_UNIT_NODE_FIXTURE_H

#include "hapair/admin/snapshot.h"

#include <arpa/inet.h>
#include <string.h>

#define FIXTURE_NOW  SECONDS(1000)
#define FIXTURE_WALL 1795493285123

static inline struct addr fixture_addr(const char *text)
{
	struct addr addr = {0};

	if (addr_parse(span_of(text), &addr) < 0)
		__builtin_trap();
	return addr;
}

struct fixture {
	struct config config;
	struct config_node nodes[2];
	struct config_vip vips[1];
	struct config_server servers[2];
	struct config_pool pools[1];
	struct config_bind binds[2];
	struct config_listen listens[1];
	struct snapshot snapshot;
	struct snapshot_view view;
};

static inline void fixture_config(struct fixture *f)
{
	f->nodes[0] =
		(struct config_node){.name = "alpha", .links = {fixture_addr("10.0.0.1:7946")}, .n_links = 1};
	f->nodes[1] =
		(struct config_node){.name = "beta", .links = {fixture_addr("10.0.0.2:7946")}, .n_links = 1};
	f->vips[0] = (struct config_vip){
		.ip = fixture_addr("10.0.0.50:1").ip, .prefix_len = 24, .interface = "eth0"};
	f->servers[0] = (struct config_server){"s1", fixture_addr("10.0.0.11:8080"), 2, false};
	f->servers[1] = (struct config_server){"s2", fixture_addr("10.0.0.12:8080"), 1, false};
	f->pools[0] = (struct config_pool){
		.name = "web", .balance = BALANCE_LEASTCONN, .servers = f->servers, .n_servers = 2};
	f->binds[0] = (struct config_bind){fixture_addr("10.0.0.50:80"), false};
	f->binds[1] = (struct config_bind){fixture_addr("10.0.0.50:443"), true};
	f->listens[0] =
		(struct config_listen){.name = "public", .mode = MODE_HTTP, .binds = f->binds, .n_binds = 2};
	f->config = (struct config){
		.cluster = {.name = "shop", .interval = MS(50), .dead_after = 3},
		.nodes = f->nodes,
		.n_nodes = 2,
		.vips = f->vips,
		.n_vips = 1,
		.pools = f->pools,
		.n_pools = 1,
		.listens = f->listens,
		.n_listens = 1,
	};
	snapshot_init(&f->snapshot);
	f->view = (struct snapshot_view){.snapshot = &f->snapshot,
					 .config = &f->config,
					 .node = 0,
					 .generation = 1,
					 .now = FIXTURE_NOW,
					 .wall_ms = FIXTURE_WALL};
}

/* Wraps one message of `type` and gives it to the snapshot at `at`. */
#define FIXTURE_TAKE(f, name, at, ...)                                                                       \
	snapshot_take(&(f)->snapshot, MSG_##name, &(union msg_any){.m_##name = {__VA_ARGS__}}, at)

static inline void fixture_heartbeat(struct fixture *f, nanos at)
{
	snapshot_link(&f->snapshot, ROLE_HEARTBEAT, true, SECONDS(900));
	FIXTURE_TAKE(f, STATE, at, .state = NODE_ACTIVE, .held = 1, .epoch = 7, .since = SECONDS(990),
		     .reason = "the peer was silent");
	FIXTURE_TAKE(f, PAIR, at, .peer = "beta", .peer_state = NODE_PASSIVE, .peer_known = 1,
		     .peer_alive = 1, .config_matches = 1, .peer_epoch = 6, .n_links = 1,
		     .links = {{.local = fixture_addr("10.0.0.1:7946"),
				.remote = fixture_addr("10.0.0.2:7946"),
				.up = 1,
				.known = 1,
				.last_heard = FIXTURE_NOW - MS(40),
				.rtt = US(210),
				.jitter = US(15),
				.loss = 0.125,
				.sent = 2000,
				.received = 1999}},
		     .moves = 3, .renewals = 1500, .lapses = 1, .lateness_max = US(620), .lateness_last = US(35),
		     .fence_left = MS(120), .realtime = 1, .fenced = 1);
	FIXTURE_TAKE(f, VIP, at, .index = 0, .count = 1, .ip = fixture_addr("10.0.0.50:1").ip,
		     .prefix_len = 24, .held = 1, .interface = "eth0");
}

static inline void fixture_proxy(struct fixture *f, nanos at)
{
	snapshot_link(&f->snapshot, ROLE_PROXY, true, SECONDS(900));
	FIXTURE_TAKE(f, SERVER, at, .serial = 9, .pool = "web", .name = "s1",
		     .address = fixture_addr("10.0.0.11:8080"), .state = SERVER_UP, .weight = 2, .active = 3,
		     .total = 500, .failed = 4, .since = SECONDS(950),
		     .last_check = {
			     .at = FIXTURE_NOW - SECONDS(2), .took = US(1250), .ok = 1, .detail = "200 OK"});
	FIXTURE_TAKE(
		f, SERVER, at, .serial = 9, .pool = "web", .name = "s2",
		.address = fixture_addr("10.0.0.12:8080"), .state = SERVER_DOWN, .weight = 1, .total = 20,
		.failed = 20, .since = SECONDS(999),
		.last_check = {
			.at = FIXTURE_NOW - SECONDS(1), .took = MS(2000), .ok = 0, .detail = "timed out"});
	FIXTURE_TAKE(f, LISTENER_STATS, at, .serial = 9, .name = "public", .active = 3, .total = 100,
		     .requests = 520, .responses = {1, 0, 510, 4, 3, 2}, .bytes_in = 52000,
		     .bytes_out = 1048576, .retries = 5);
	FIXTURE_TAKE(f, PROXY_STATS, at, .serial = 9, .n_servers = 2, .n_listeners = 1, .workers = 2,
		     .engine = "libevent", .at = at);
}

static inline void fixture_processes(struct fixture *f)
{
	FIXTURE_TAKE(f, PROCESS, SECONDS(900), .role = ROLE_HEARTBEAT, .pid = 101);
	FIXTURE_TAKE(f, PROCESS, SECONDS(950), .role = ROLE_PROXY, .pid = 202, .restarts = 1, .last_exit = 9);
}

/* All of it. */
static inline void fixture_init(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	fixture_config(f);
	fixture_heartbeat(f, FIXTURE_NOW - MS(100));
	fixture_proxy(f, FIXTURE_NOW - MS(300));
	fixture_processes(f);
}

#endif
