/*
 * metrics.c: one function for each family of metrics. HELP and TYPE are printed with the first sample, so a
 * metric of which nothing is known is not there at all.
 */
#include "hapair/admin/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

struct metric {
	FILE *to;
	const struct snapshot_view *view;
	const char *name, *type, *help; /* name without hapair_ */
	bool opened;
};

static struct metric metric_of(const struct snapshot_view *view, FILE *to, const char *name, const char *type,
			       const char *help)
{
	return (struct metric){.to = to, .view = view, .name = name, .type = type, .help = help};
}

static void print_escaped(FILE *to, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '\\':
			fputs("\\\\", to);
			break;
		case '"':
			fputs("\\\"", to);
			break;
		case '\n':
			fputs("\\n", to);
			break;
		default:
			fputc(*text, to);
		}
}

/* Labels come as name, value, ..., NULL; "node" is on every sample. */
static void sample(struct metric *metric, double value, ...) __attribute__((sentinel));
static void sample(struct metric *metric, double value, ...)
{
	const char *label;
	va_list labels;

	if (!metric->opened) {
		fprintf(metric->to, "# HELP hapair_%s %s\n# TYPE hapair_%s %s\n", metric->name, metric->help,
			metric->name, metric->type);
		metric->opened = true;
	}
	fprintf(metric->to, "hapair_%s{node=\"", metric->name);
	print_escaped(metric->to, metric->view->config->nodes[metric->view->node].name);
	fputc('"', metric->to);
	va_start(labels, value);
	while ((label = va_arg(labels, const char *))) {
		fprintf(metric->to, ",%s=\"", label);
		print_escaped(metric->to, va_arg(labels, const char *));
		fputc('"', metric->to);
	}
	va_end(labels);
	/* Counters stay exact up to 2^53; a duration keeps its nanoseconds. */
	fprintf(metric->to, "} %.16g\n", value);
}

/* A metric of one sample without further labels. */
static void single(const struct snapshot_view *view, FILE *to, const char *name, const char *type,
		   const char *help, double value)
{
	struct metric metric = metric_of(view, to, name, type, help);

	sample(&metric, value, NULL);
}

static double seconds(nanos duration)
{
	return (double)duration / NS_PER_S;
}

static double age(const struct snapshot_view *view, nanos at)
{
	return view->now > at ? seconds(view->now - at) : 0;
}

static void node_metrics(const struct snapshot_view *view, uint64_t n_events, FILE *to)
{
	const struct snapshot_state state = snapshot_state(view);
	const struct snapshot *snapshot = view->snapshot;
	struct metric metric = metric_of(view, to, "build_info", "gauge", "The version that runs; always 1.");

	sample(&metric, 1, "version", HAPAIR_VERSION, NULL);
	metric = metric_of(view, to, "state", "gauge",
			   "1 for the state that the node is in, 0 for the others.");
	for (enum node_state s = 0; s < NODE_STATE_COUNT; s++)
		sample(&metric, s == state.state, "state", node_state_name(s), NULL);
	if (state.since)
		single(view, to, "state_age_seconds", "gauge", "Time since the node entered its state.",
		       age(view, state.since));
	if (state.known)
		single(view, to, "epoch", "gauge", "The epoch, one higher with every claim.",
		       (double)state.epoch);
	single(view, to, "holder", "gauge", "1 while this node answers for the virtual addresses.",
	       state.held);

	metric = metric_of(view, to, "vip_held", "gauge", "1 while this node holds the virtual address.");
	for (size_t i = 0; i < snapshot->n_vips; i++) {
		char text[IP_TEXT_MAX];

		if (snapshot->vips_at[i])
			sample(&metric, state.held && snapshot->vips[i].held, "vip",
			       ip_format(&snapshot->vips[i].ip, text), "interface",
			       snapshot->vips[i].interface, NULL);
	}
	single(view, to, "config_generation", "gauge", "1 at start, one more for each reload.",
	       (double)view->generation);
	single(view, to, "events_total", "counter", "Events that admin has taken since it started.",
	       (double)n_events);
	metric = metric_of(view, to, "snapshot_age_seconds", "gauge", "Time since the role last reported.");
	for (enum role role = 0; role < ROLE_COUNT; role++)
		if (snapshot->roles[role].heard)
			sample(&metric, age(view, snapshot->roles[role].heard), "role", role_name(role),
			       NULL);
}

static void process_metrics(const struct snapshot_view *view, FILE *to)
{
	const struct snapshot *snapshot = view->snapshot;
	struct metric metric = metric_of(view, to, "process_up", "gauge", "1 while the role's process runs.");

	for (enum role role = 0; role < ROLE_COUNT; role++)
		if (snapshot->processes[role].at)
			sample(&metric, snapshot->processes[role].process.pid != 0, "role", role_name(role),
			       NULL);
	metric = metric_of(view, to, "process_restarts_total", "counter",
			   "How often the role was started again since the supervisor runs.");
	for (enum role role = 0; role < ROLE_COUNT; role++)
		if (snapshot->processes[role].at)
			sample(&metric, snapshot->processes[role].process.restarts, "role", role_name(role),
			       NULL);
}

static void fence_metrics(const struct snapshot_view *view, FILE *to)
{
	const struct msg_pair *pair = &view->snapshot->pair;
	struct metric metric;

	single(view, to, "fence_enforced", "gauge", "1 where the packet filter guards the virtual addresses.",
	       pair->fenced);
	single(view, to, "fence_left_seconds", "gauge",
	       "What was left of the grant when heartbeat last reported.",
	       pair->fence_left > 0 ? seconds(pair->fence_left) : 0);
	single(view, to, "fence_renewals_total", "counter", "Renewals of the grant.", (double)pair->renewals);
	single(view, to, "fence_lapses_total", "counter", "Grants that ran out.", (double)pair->lapses);
	single(view, to, "moves_total", "counter", "Claims and yields that no operator ordered.",
	       (double)pair->moves);
	single(view, to, "held_down", "gauge", "1 while this node is held down because it moved too often.",
	       pair->held_until > view->now);
	single(view, to, "heartbeat_realtime", "gauge", "1 where heartbeat has real-time priority.",
	       pair->realtime);
	single(view, to, "heartbeat_lateness_seconds", "gauge", "How late heartbeat's timer last was.",
	       seconds(pair->lateness_last));
	single(view, to, "heartbeat_lateness_max_seconds", "gauge", "How late heartbeat's timer was at most.",
	       seconds(pair->lateness_max));
	if (view->config->cluster.witness.kind != WITNESS_NONE)
		single(view, to, "witness_yes", "gauge", "1 while the witness says yes.",
		       pair->witness == WITNESS_YES);
	metric = metric_of(view, to, "heartbeats_rejected_total", "counter",
			   "Datagrams that were not taken, by reason.");
	for (int i = 0; i < REJECT_COUNT; i++)
		sample(&metric, (double)pair->rejected[i], "reason", reject_name(i), NULL);
}

/* The links are named by their own end. */
enum link_metric {
	LINK_UP,
	LINK_ONE_WAY,
	LINK_RTT,
	LINK_JITTER,
	LINK_LOSS,
	LINK_HEARD,
	LINK_SENT,
	LINK_RECEIVED,
	LINK_METRICS
};

static const struct {
	const char *name, *type, *help;
} link_metrics[LINK_METRICS] = {
	[LINK_UP] = {"link_up", "gauge", "1 while the peer is heard on the link."},
	[LINK_ONE_WAY] = {"link_one_way", "gauge",
			  "1 while only one of the two nodes hears the other on the link."},
	[LINK_RTT] = {"link_rtt_seconds", "gauge", "Round trip on the link."},
	[LINK_JITTER] = {"link_jitter_seconds", "gauge", "Variation of the round trip."},
	[LINK_LOSS] = {"link_loss_ratio", "gauge",
		       "Share of the peer's last heartbeats that did not arrive, 0 to 1."},
	[LINK_HEARD] = {"link_silence_seconds", "gauge", "Time since the peer was last heard on the link."},
	[LINK_SENT] = {"link_sent_total", "counter", "Heartbeats sent on the link."},
	[LINK_RECEIVED] = {"link_received_total", "counter", "Heartbeats taken from the link."},
};

static bool link_value(const struct snapshot_view *view, const struct msg_pair_link *link,
		       enum link_metric which, double *ret)
{
	switch (which) {
	case LINK_UP:
		*ret = link->up;
		return true;
	case LINK_ONE_WAY:
		*ret = link->way != LINK_PLAIN;
		return true;
	case LINK_RTT:
		*ret = seconds(link->rtt);
		return link->known && link->rtt;
	case LINK_JITTER:
		*ret = seconds(link->jitter);
		return link->known && link->rtt;
	case LINK_LOSS:
		*ret = link->loss;
		return link->known;
	case LINK_HEARD:
		*ret = age(view, link->last_heard);
		return link->last_heard != 0;
	case LINK_SENT:
		*ret = (double)link->sent;
		return true;
	case LINK_RECEIVED:
		*ret = (double)link->received;
		return true;
	case LINK_METRICS:
		break;
	}
	return false;
}

static void peer_metrics(const struct snapshot_view *view, FILE *to)
{
	const struct msg_pair *pair = &view->snapshot->pair;

	single(view, to, "peer_alive", "gauge", "1 while the peer is heard.", pair->peer_alive);
	if (pair->peer_known)
		single(view, to, "peer_config_matches", "gauge",
		       "1 while both nodes run the same configuration.", pair->config_matches);
	for (enum link_metric which = 0; which < LINK_METRICS; which++) {
		struct metric metric = metric_of(view, to, link_metrics[which].name, link_metrics[which].type,
						 link_metrics[which].help);

		for (size_t i = 0; i < pair->n_links; i++) {
			char text[ADDR_TEXT_MAX];
			double value;

			if (link_value(view, &pair->links[i], which, &value))
				sample(&metric, value, "link", addr_format(&pair->links[i].local, text),
				       NULL);
		}
	}
}

static void server_states_metrics(const struct snapshot_view *view, FILE *to)
{
	const struct snapshot_proxy *proxy = &view->snapshot->proxy;
	struct metric metric = metric_of(view, to, "server_state", "gauge",
					 "1 for the state that the server is in, 0 for the others.");

	for (size_t i = 0; i < proxy->n_servers; i++)
		for (enum server_state s = 0; s < SERVER_STATE_COUNT; s++)
			sample(&metric, s == proxy->servers[i].state, "pool", proxy->servers[i].pool,
			       "server", proxy->servers[i].name, "state", server_state_name(s), NULL);
}

enum server_metric {
	SERVER_WEIGHT,
	SERVER_ACTIVE,
	SERVER_TOTAL,
	SERVER_FAILED,
	SERVER_CHECK_OK,
	SERVER_CHECK_TOOK,
	SERVER_CHECK_AGE,
	SERVER_METRICS
};

static const struct {
	const char *name, *type, *help;
} server_metrics_table[SERVER_METRICS] = {
	[SERVER_WEIGHT] = {"server_weight", "gauge", "The server's share."},
	[SERVER_ACTIVE] = {"server_active", "gauge", "Requests or connections that it serves now."},
	[SERVER_TOTAL] = {"server_requests_total", "counter",
			  "Requests (http) or connections (tcp) given to it."},
	[SERVER_FAILED] = {"server_failures_total", "counter", "Those of them that it failed."},
	[SERVER_CHECK_OK] = {"server_check_ok", "gauge", "1 when its last check passed."},
	[SERVER_CHECK_TOOK] = {"server_check_duration_seconds", "gauge", "How long its last check took."},
	[SERVER_CHECK_AGE] = {"server_check_age_seconds", "gauge", "Time since its last check."},
};

static bool server_value(const struct snapshot_view *view, const struct msg_server *server,
			 enum server_metric which, double *ret)
{
	switch (which) {
	case SERVER_WEIGHT:
		*ret = server->weight;
		return true;
	case SERVER_ACTIVE:
		*ret = server->active;
		return true;
	case SERVER_TOTAL:
		*ret = (double)server->total;
		return true;
	case SERVER_FAILED:
		*ret = (double)server->failed;
		return true;
	case SERVER_CHECK_OK:
		*ret = server->last_check.ok;
		return server->last_check.at != 0;
	case SERVER_CHECK_TOOK:
		*ret = seconds(server->last_check.took);
		return server->last_check.at != 0;
	case SERVER_CHECK_AGE:
		*ret = age(view, server->last_check.at);
		return server->last_check.at != 0;
	case SERVER_METRICS:
		break;
	}
	return false;
}

static void server_metrics(const struct snapshot_view *view, FILE *to)
{
	const struct snapshot_proxy *proxy = &view->snapshot->proxy;

	server_states_metrics(view, to);
	for (enum server_metric which = 0; which < SERVER_METRICS; which++) {
		struct metric metric =
			metric_of(view, to, server_metrics_table[which].name,
				  server_metrics_table[which].type, server_metrics_table[which].help);

		for (size_t i = 0; i < proxy->n_servers; i++) {
			double value;

			if (server_value(view, &proxy->servers[i], which, &value))
				sample(&metric, value, "pool", proxy->servers[i].pool, "server",
				       proxy->servers[i].name, NULL);
		}
	}
}

enum listener_metric {
	LISTENER_ACTIVE,
	LISTENER_TOTAL,
	LISTENER_REQUESTS,
	LISTENER_IN,
	LISTENER_OUT,
	LISTENER_RETRIES,
	LISTENER_METRICS
};

static const struct {
	const char *name, *type, *help;
} listener_metrics_table[LISTENER_METRICS] = {
	[LISTENER_ACTIVE] = {"listener_active", "gauge", "Client connections now."},
	[LISTENER_TOTAL] = {"listener_connections_total", "counter", "Client connections accepted."},
	[LISTENER_REQUESTS] = {"listener_requests_total", "counter", "HTTP requests."},
	[LISTENER_IN] = {"listener_received_bytes_total", "counter", "Bytes received from clients."},
	[LISTENER_OUT] = {"listener_sent_bytes_total", "counter", "Bytes sent to clients."},
	[LISTENER_RETRIES] = {"listener_retries_total", "counter",
			      "Requests or connections tried again elsewhere."},
};

static double listener_value(const struct msg_listener_stats *stats, enum listener_metric which)
{
	switch (which) {
	case LISTENER_ACTIVE:
		return stats->active;
	case LISTENER_TOTAL:
		return (double)stats->total;
	case LISTENER_REQUESTS:
		return (double)stats->requests;
	case LISTENER_IN:
		return (double)stats->bytes_in;
	case LISTENER_OUT:
		return (double)stats->bytes_out;
	case LISTENER_RETRIES:
		return (double)stats->retries;
	case LISTENER_METRICS:
		break;
	}
	return 0;
}

static void listener_metrics(const struct snapshot_view *view, FILE *to)
{
	const struct snapshot_proxy *proxy = &view->snapshot->proxy;
	static const char *const classes[6] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
	struct metric metric;

	for (enum listener_metric which = 0; which < LISTENER_METRICS; which++) {
		metric = metric_of(view, to, listener_metrics_table[which].name,
				   listener_metrics_table[which].type, listener_metrics_table[which].help);
		for (size_t i = 0; i < proxy->n_listeners; i++)
			sample(&metric, listener_value(&proxy->listeners[i], which), "listener",
			       proxy->listeners[i].name, NULL);
	}
	metric = metric_of(view, to, "listener_responses_total", "counter",
			   "HTTP responses by class of status; none: it could not be sent.");
	for (size_t i = 0; i < proxy->n_listeners; i++)
		for (size_t class = 0; class < 6; class ++)
			sample(&metric, (double)proxy->listeners[i].responses[class], "listener",
			       proxy->listeners[i].name, "class", classes[class], NULL);
}

static void sync_metrics(const struct snapshot_view *view, FILE *to)
{
	const struct snapshot_sync *sync = view->sync;

	single(view, to, "sync_connected", "gauge", "Whether the channel to the other node's admin is up.",
	       sync->connected);
	if (sync->connected && sync->known)
		single(view, to, "sync_matches", "gauge",
		       "Whether both nodes hold the same of what was said at run time.", sync->matches);
	single(view, to, "sync_servers", "gauge", "Servers of which anything was said at run time.",
	       (double)sync->servers);
}

void metrics_print(const struct snapshot_view *view, uint64_t n_events, FILE *to)
{
	node_metrics(view, n_events, to);
	process_metrics(view, to);
	if (snapshot_pair_known(view)) {
		fence_metrics(view, to);
		if (view->config->n_nodes > 1)
			peer_metrics(view, to);
	}
	if (view->sync)
		sync_metrics(view, to);
	if (view->snapshot->proxy.at) {
		single(view, to, "proxy_workers", "gauge", "Worker threads of the proxy.",
		       view->snapshot->proxy.stats.workers);
		server_metrics(view, to);
		listener_metrics(view, to);
	}
}
