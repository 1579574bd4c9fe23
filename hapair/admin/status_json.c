/*
 * status_json.c: one function for each part of the status, in the order of the contract.
 *
 * The skeleton (VIPs, links, pools, servers, listeners) comes from the configuration, so that it is whole
 * from the first moment on; the facts come from what the roles said, or are null.
 */
#include "hapair/admin/status_json.h"
#include "hapair/admin/json_values.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

const char *status_time(int64_t wall_ms, char out[STATUS_TIME_MAX])
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm utc;
	size_t n;

	if (!gmtime_r(&seconds, &utc)) {
		out[0] = '\0';
		return out;
	}
	n = strftime(out, STATUS_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(out + n, STATUS_TIME_MAX - n, ".%03dZ", (int)(wall_ms % 1000));
	return out;
}

static json_t *vips_json(const struct snapshot_view *view)
{
	const struct snapshot_state state = snapshot_state(view);
	const char *own = view->config->nodes[view->node].name, *holder = snapshot_holder(view);
	json_t *vips = value_array();

	for (size_t i = 0; i < view->config->n_vips; i++) {
		const struct config_vip *configured = &view->config->vips[i];
		nanos at = 0;
		const struct msg_vip *said = snapshot_vip(view->snapshot, &configured->ip, &at);
		bool held = said && said->held && state.held;
		json_t *vip = value_object();
		char text[IP_TEXT_MAX];

		object_put(vip, "address", value_text(ip_format(&configured->ip, text)));
		object_put(vip, "prefix", value_integer(true, configured->prefix_len));
		object_put(vip, "interface",
			   value_text_or_null(said ? said->interface : configured->interface));
		object_put(vip, "held", value_boolean(said != NULL, held));
		object_put(vip, "holder",
			   value_text(held                                 ? own
				      : holder && strcmp(holder, own) != 0 ? holder
									   : NULL));
		object_put(vip, "age_ms", value_age_ms(view->now, at));
		array_put(vips, vip);
	}
	return vips;
}

/* Connections that were there when the VIP was given away and are being served to their end. */
static json_t *drain_json(const struct snapshot_view *view)
{
	const struct msg_drain *said = &view->snapshot->drain;
	bool known = view->snapshot->drain_at != 0 && said->until != 0;
	nanos time = said->until > view->now ? said->until - view->now : 0;
	json_t *drain;

	if (snapshot_state(view).state != NODE_DRAINING)
		return json_null();
	drain = value_object();
	object_put(drain, "left", value_integer(known, said->left));
	object_put(drain, "ends_in_ms", value_integer(known, time / NS_PER_MS));
	return drain;
}

static json_t *link_json(const struct snapshot_view *view, size_t index)
{
	const struct snapshot *snapshot = view->snapshot;
	const struct config_node *own = &view->config->nodes[view->node],
				 *peer = &view->config->nodes[!view->node];
	bool said = snapshot_pair_known(view) && index < snapshot->pair.n_links;
	const struct msg_pair_link *facts = &snapshot->pair.links[said ? index : 0];
	bool known = said && facts->known;
	json_t *link = value_object();
	char text[ADDR_TEXT_MAX];

	object_put(link, "local", value_text(addr_format(&own->links[index], text)));
	object_put(link, "remote", value_text(addr_format(&peer->links[index], text)));
	object_put(link, "up", value_boolean(said, facts->up));
	object_put(link, "one_way",
		   facts->way == LINK_PLAIN || facts->way >= LINK_WAY_COUNT || !said
			   ? json_null()
			   : value_text(link_way_name(facts->way)));
	object_put(link, "last_heard_ms", value_age_ms(view->now, said ? facts->last_heard : 0));
	object_put(link, "rtt_us", value_integer(known && facts->rtt, facts->rtt / NS_PER_US));
	object_put(link, "jitter_us", value_integer(known && facts->rtt, facts->jitter / NS_PER_US));
	object_put(link, "loss_pct", value_real(known, facts->loss * 100));
	object_put(link, "sent", value_integer(said, (json_int_t)facts->sent));
	object_put(link, "received", value_integer(said, (json_int_t)facts->received));
	return link;
}

static json_t *peer_json(const struct snapshot_view *view)
{
	const struct msg_pair *pair = &view->snapshot->pair;
	const struct config *config = view->config;
	bool said, known;
	json_t *peer, *links;

	if (config->n_nodes < 2)
		return json_null();
	said = snapshot_pair_known(view);
	known = said && pair->peer_known;
	peer = value_object();
	links = value_array();
	object_put(peer, "node", value_text(config->nodes[!view->node].name));
	object_put(peer, "state",
		   value_text(known && pair->peer_state < NODE_STATE_COUNT ? node_state_name(pair->peer_state)
									   : NULL));
	object_put(peer, "alive", value_boolean(said, pair->peer_alive));
	object_put(peer, "config_matches", value_boolean(known, pair->config_matches));
	object_put(peer, "epoch", value_integer(known, (json_int_t)pair->peer_epoch));
	for (size_t i = 0; i < config->nodes[view->node].n_links; i++)
		array_put(links, link_json(view, i));
	object_put(peer, "links", links);
	object_put(peer, "age_ms", value_age_ms(view->now, view->snapshot->pair_at));
	return peer;
}

static json_t *sync_json(const struct snapshot_view *view)
{
	const struct snapshot_sync *sync = view->sync;
	json_t *json;
	char text[ADDR_TEXT_MAX];

	if (!sync)
		return json_null();
	json = value_object();
	object_put(json, "connected", value_boolean(true, sync->connected));
	object_put(json, "age_ms", value_age_ms(view->now, sync->since));
	object_put(json, "link",
		   sync->connected ? value_text(addr_format(
					     &view->config->nodes[!view->node].links[sync->link], text))
				   : json_null());
	object_put(json, "matches", value_boolean(sync->connected && sync->known, sync->matches));
	object_put(json, "version", value_integer(true, (json_int_t)sync->version));
	object_put(json, "peer_version", value_integer(sync->known, (json_int_t)sync->peer_version));
	object_put(json, "servers", value_integer(true, (json_int_t)sync->servers));
	object_put(json, "peer_servers", value_integer(sync->known, (json_int_t)sync->peer_servers));
	object_put(json, "ticket_keys", value_integer(true, sync->ticket_keys));
	object_put(json, "flows", value_integer(true, (json_int_t)sync->flows));
	object_put(json, "peer_flows", value_integer(true, (json_int_t)sync->peer_flows));
	object_put(json, "sent", value_integer(true, (json_int_t)sync->sent));
	object_put(json, "received", value_integer(true, (json_int_t)sync->received));
	object_put(json, "trouble", value_text_or_null(sync->connected ? "" : sync->trouble));
	return json;
}

static json_t *check_json(const struct snapshot_view *view, const struct msg_server *said)
{
	json_t *check;

	if (!said || !said->last_check.at)
		return json_null();
	check = value_object();
	object_put(check, "ok", value_boolean(true, said->last_check.ok));
	object_put(check, "ms", value_real(true, (double)(said->last_check.took / NS_PER_US) / 1000));
	object_put(check, "detail", value_text(said->last_check.detail));
	object_put(check, "age_ms", value_age_ms(view->now, said->last_check.at));
	return check;
}

static json_t *server_json(const struct snapshot_view *view, const struct config_server *configured,
			   const struct msg_server *said)
{
	json_t *server = value_object();
	enum server_state state =
		said && said->state < SERVER_STATE_COUNT ? (enum server_state)said->state : SERVER_UNKNOWN;
	char text[ADDR_TEXT_MAX];

	object_put(server, "name", value_text(configured->name));
	object_put(server, "address", value_text(addr_format(&configured->address, text)));
	object_put(server, "state", value_text(server_state_name(state)));
	object_put(server, "weight", value_integer(true, said ? said->weight : configured->weight));
	object_put(server, "active", value_integer(said, said ? said->active : 0));
	object_put(server, "total", value_integer(said, said ? (json_int_t)said->total : 0));
	object_put(server, "failed", value_integer(said, said ? (json_int_t)said->failed : 0));
	object_put(server, "runtime", value_boolean(true, configured->runtime));
	object_put(server, "last_check", check_json(view, said));
	object_put(server, "state_age_ms", value_age_ms(view->now, said ? said->since : 0));
	return server;
}

static json_t *pools_json(const struct snapshot_view *view)
{
	json_t *pools = value_array();
	size_t hint = 0;

	for (size_t i = 0; i < view->config->n_pools; i++) {
		const struct config_pool *configured = &view->config->pools[i];
		json_t *pool = value_object(), *servers = value_array();

		for (size_t j = 0; j < configured->n_servers; j++) {
			const struct config_server *server = &configured->servers[j];

			array_put(servers, server_json(view, server,
						       snapshot_server(view->snapshot, configured->name,
								       server->name, &hint)));
		}
		object_put(pool, "name", value_text(configured->name));
		object_put(pool, "balance", value_text(snapshot_balance_name(configured->balance)));
		object_put(pool, "servers", servers);
		array_put(pools, pool);
	}
	return pools;
}

static json_t *binds_json(const struct config_listen *listen)
{
	json_t *binds = value_array();

	for (size_t i = 0; i < listen->n_binds; i++) {
		char text[ADDR_TEXT_MAX], whole[ADDR_TEXT_MAX + 4];

		snprintf(whole, sizeof(whole), "%s%s", addr_format(&listen->binds[i].address, text),
			 listen->binds[i].tls ? " tls" : "");
		array_put(binds, value_text(whole));
	}
	return binds;
}

static json_t *listeners_json(const struct snapshot_view *view)
{
	json_t *listeners = value_array();

	for (size_t i = 0; i < view->config->n_listens; i++) {
		const struct config_listen *configured = &view->config->listens[i];
		const struct msg_listener_stats *said = snapshot_listener(view->snapshot, configured->name);
		bool http = configured->mode == MODE_HTTP;
		json_t *listener = value_object();

		object_put(listener, "name", value_text(configured->name));
		object_put(listener, "bind", binds_json(configured));
		object_put(listener, "mode", value_text(snapshot_mode_name(configured->mode)));
		object_put(listener, "active", value_integer(said, said ? said->active : 0));
		object_put(listener, "total", value_integer(said, said ? (json_int_t)said->total : 0));
		object_put(listener, "requests",
			   value_integer(said && http, said ? (json_int_t)said->requests : 0));
		object_put(listener, "bytes_in", value_integer(said, said ? (json_int_t)said->bytes_in : 0));
		object_put(listener, "bytes_out",
			   value_integer(said, said ? (json_int_t)said->bytes_out : 0));
		array_put(listeners, listener);
	}
	return listeners;
}

static json_t *processes_json(const struct snapshot_view *view)
{
	json_t *processes = value_array();

	for (enum role role = 0; role < ROLE_COUNT; role++) {
		const struct msg_process *said = &view->snapshot->processes[role].process;
		nanos at = view->snapshot->processes[role].at;
		json_t *process;

		if (role == ROLE_SUPERVISOR && !at)
			continue;
		process = value_object();
		object_put(process, "role", value_text(role_name(role)));
		object_put(process, "pid", value_integer(at && said->pid, said->pid));
		object_put(process, "restarts", value_integer(at != 0, said->restarts));
		object_put(process, "age_ms", value_age_ms(view->now, at));
		array_put(processes, process);
	}
	return processes;
}

static json_t *fence_json(const struct snapshot_view *view)
{
	const struct msg_pair *pair = &view->snapshot->pair;
	json_t *fence;
	nanos left;

	if (!snapshot_pair_known(view))
		return json_null();
	/* As it was when heartbeat said so, "age_ms" ago: it renews far more often than it tells. */
	left = pair->fence_left;
	fence = value_object();
	object_put(fence, "in_force", value_boolean(true, pair->fenced));
	object_put(fence, "left_ms", value_integer(true, left > 0 ? left / NS_PER_MS : 0));
	object_put(fence, "renewals", value_integer(true, (json_int_t)pair->renewals));
	object_put(fence, "lapses", value_integer(true, (json_int_t)pair->lapses));
	object_put(fence, "realtime", value_boolean(true, pair->realtime));
	object_put(fence, "lateness_us", value_integer(true, pair->lateness_last / NS_PER_US));
	object_put(fence, "lateness_max_us", value_integer(true, pair->lateness_max / NS_PER_US));
	object_put(fence, "age_ms", value_age_ms(view->now, view->snapshot->pair_at));
	return fence;
}

static json_t *damping_json(const struct snapshot_view *view)
{
	const struct msg_pair *pair = &view->snapshot->pair;
	bool held = pair->held_until > view->now;
	json_t *damping;

	if (!snapshot_pair_known(view))
		return json_null();
	damping = value_object();
	object_put(damping, "held_down", value_boolean(true, held));
	object_put(damping, "ends_in_ms", value_integer(held, (pair->held_until - view->now) / NS_PER_MS));
	object_put(damping, "moves", value_integer(true, (json_int_t)pair->moves));
	object_put(damping, "peer_held_down", value_boolean(pair->peer_alive, pair->peer_held));
	return damping;
}

static json_t *rejected_json(const struct snapshot_view *view)
{
	json_t *rejected;

	if (!snapshot_pair_known(view))
		return json_null();
	rejected = value_object();
	for (int i = 0; i < REJECT_COUNT; i++)
		object_put(rejected, reject_name(i),
			   value_integer(true, (json_int_t)view->snapshot->pair.rejected[i]));
	return rejected;
}

json_t *status_json(const struct snapshot_view *view)
{
	const struct snapshot_state state = snapshot_state(view);
	const struct snapshot_proxy *proxy = &view->snapshot->proxy;
	json_t *status = value_object();
	char text[STATUS_TIME_MAX];

	object_put(status, "schema", value_integer(true, STATUS_SCHEMA));
	object_put(status, "node", value_text(view->config->nodes[view->node].name));
	object_put(status, "cluster", value_text(view->config->cluster.name));
	object_put(status, "state", value_text(node_state_name(state.state)));
	object_put(status, "reason", value_text(state.reason));
	object_put(status, "state_age_ms", value_age_ms(view->now, state.since));
	object_put(status, "epoch", value_integer(state.known, (json_int_t)state.epoch));
	object_put(status, "engine", value_text_or_null(proxy->at ? proxy->stats.engine : NULL));
	object_put(status, "vips", vips_json(view));
	object_put(status, "drain", drain_json(view));
	object_put(status, "peer", peer_json(view));
	object_put(status, "sync", sync_json(view));
	object_put(status, "pools", pools_json(view));
	object_put(status, "listeners", listeners_json(view));
	object_put(status, "processes", processes_json(view));
	object_put(status, "fence", fence_json(view));
	object_put(status, "damping", damping_json(view));
	object_put(status, "rejected", rejected_json(view));
	object_put(status, "workers", value_integer(proxy->at != 0, proxy->stats.workers));
	object_put(status, "proxy_age_ms", value_age_ms(view->now, proxy->at));
	object_put(status, "heartbeat_age_ms",
		   value_age_ms(view->now, view->snapshot->roles[ROLE_HEARTBEAT].heard));
	object_put(status, "generation", value_integer(true, (json_int_t)view->generation));
	object_put(status, "version", value_text(HAPAIR_VERSION));
	object_put(status, "time", value_text(status_time(view->wall_ms, text)));
	return status;
}
