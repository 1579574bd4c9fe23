/*
 * snapshot.c: keeps the newest of each message; the proxy's, which come in many pieces, only as a whole.
 */
#include "hapair/admin/snapshot.h"

#include <stdlib.h>
#include <string.h>

void snapshot_init(struct snapshot *snapshot)
{
	memset(snapshot, 0, sizeof(*snapshot));
}

static void proxy_done(struct snapshot_proxy *proxy)
{
	free(proxy->servers);
	free(proxy->listeners);
	memset(proxy, 0, sizeof(*proxy));
}

void snapshot_done(struct snapshot *snapshot)
{
	proxy_done(&snapshot->proxy);
	proxy_done(&snapshot->incoming);
}

/* Room for one more in an array that doubles up to `max`; NULL when there is none. */
static void *array_add(void **array, size_t *n, size_t *room, size_t max, size_t size)
{
	if (*n == max)
		return NULL;
	if (*n == *room) {
		size_t wanted = *room ? *room * 2 : 16;
		void *grown = reallocarray(*array, wanted, size);

		if (!grown)
			return NULL;
		*array = grown;
		*room = wanted;
	}
	return (char *)*array + (*n)++ * size;
}

/* A piece of another serial starts a new report; an unfinished one had lost pieces and is forgotten. */
static struct snapshot_proxy *incoming_of(struct snapshot *snapshot, uint64_t serial)
{
	struct snapshot_proxy *incoming = &snapshot->incoming;

	if (incoming->serial != serial) {
		incoming->serial = serial;
		incoming->n_servers = incoming->n_listeners = 0;
	}
	return incoming;
}

static void take_server(struct snapshot *snapshot, const struct msg_server *server)
{
	struct snapshot_proxy *in = incoming_of(snapshot, server->serial);
	struct msg_server *slot = array_add((void **)&in->servers, &in->n_servers, &in->servers_room,
					    SNAPSHOT_SERVERS_MAX, sizeof(*slot));

	if (slot)
		*slot = *server;
}

static void take_listener(struct snapshot *snapshot, const struct msg_listener_stats *stats)
{
	struct snapshot_proxy *in = incoming_of(snapshot, stats->serial);
	struct msg_listener_stats *slot =
		array_add((void **)&in->listeners, &in->n_listeners, &in->listeners_room,
			  SNAPSHOT_LISTENERS_MAX, sizeof(*slot));

	if (slot)
		*slot = *stats;
}

static size_t at_most(size_t n, size_t max)
{
	return n < max ? n : max;
}

/* The last piece: the report counts when nothing of it was lost on the way. */
static void take_proxy_stats(struct snapshot *snapshot, const struct msg_proxy_stats *stats, nanos now)
{
	struct snapshot_proxy *in = incoming_of(snapshot, stats->serial), old;

	if (in->n_servers != at_most(stats->n_servers, SNAPSHOT_SERVERS_MAX) ||
	    in->n_listeners != at_most(stats->n_listeners, SNAPSHOT_LISTENERS_MAX)) {
		in->n_servers = in->n_listeners = 0;
		in->serial = 0;
		return;
	}
	in->stats = *stats;
	in->at = now;
	old = snapshot->proxy;
	snapshot->proxy = *in;
	*in = old; /* its arrays are used again */
	in->n_servers = in->n_listeners = 0;
	in->serial = 0;
}

static void take_vip(struct snapshot *snapshot, const struct msg_vip *vip, nanos now)
{
	if (vip->count > CONFIG_VIPS_MAX || vip->index >= vip->count)
		return;
	/* After a reload with fewer VIPs the rest is gone; with more, the new ones are not heard of yet. */
	for (size_t i = snapshot->n_vips; i < vip->count; i++)
		snapshot->vips_at[i] = 0;
	snapshot->n_vips = vip->count;
	snapshot->vips[vip->index] = *vip;
	snapshot->vips_at[vip->index] = now;
}

bool snapshot_take(struct snapshot *snapshot, enum msg_type type, const union msg_any *message, nanos now)
{
	switch (type) {
	case MSG_STATE:
	case MSG_PAIR:
	case MSG_DRAIN:
	case MSG_VIP:
		snapshot->roles[ROLE_HEARTBEAT].heard = now;
		break;
	case MSG_SERVER:
	case MSG_LISTENER_STATS:
	case MSG_PROXY_STATS:
		snapshot->roles[ROLE_PROXY].heard = now;
		break;
	default:
		break;
	}
	switch (type) {
	case MSG_PROCESS:
		if (message->m_PROCESS.role < ROLE_COUNT) {
			snapshot->processes[message->m_PROCESS.role].process = message->m_PROCESS;
			snapshot->processes[message->m_PROCESS.role].at = now;
		}
		return true;
	case MSG_STATE:
		snapshot->state = message->m_STATE;
		snapshot->state_at = now;
		return true;
	case MSG_PAIR:
		snapshot->pair = message->m_PAIR;
		if (snapshot->pair.n_links > CONFIG_LINKS_MAX)
			snapshot->pair.n_links = CONFIG_LINKS_MAX;
		snapshot->pair_at = now;
		return true;
	case MSG_DRAIN:
		snapshot->drain = message->m_DRAIN;
		snapshot->drain_at = now;
		return true;
	case MSG_VIP:
		take_vip(snapshot, &message->m_VIP, now);
		return true;
	case MSG_SERVER:
		take_server(snapshot, &message->m_SERVER);
		return true;
	case MSG_LISTENER_STATS:
		take_listener(snapshot, &message->m_LISTENER_STATS);
		return true;
	case MSG_PROXY_STATS:
		take_proxy_stats(snapshot, &message->m_PROXY_STATS, now);
		return true;
	default:
		return false;
	}
}

void snapshot_link(struct snapshot *snapshot, enum role role, bool linked, nanos now)
{
	snapshot->roles[role].linked = linked;
	snapshot->roles[role].changed = now;
	/* A new proxy counts its serials from the start; a half report of the old one must not mix with its.
	 */
	if (role == ROLE_PROXY)
		snapshot->incoming.serial = snapshot->incoming.n_servers = snapshot->incoming.n_listeners = 0;
}

/* Why heartbeat's words no longer count, NULL when they do. *ret_since: since when. */
static const char *heartbeat_lost(const struct snapshot_view *view, nanos *ret_since)
{
	const struct snapshot *snapshot = view->snapshot;
	nanos lease = view->config->cluster.interval * view->config->cluster.dead_after;
	nanos gone = snapshot->roles[ROLE_HEARTBEAT].changed + lease;
	nanos silent = snapshot->roles[ROLE_HEARTBEAT].heard + lease;

	if (!snapshot->roles[ROLE_HEARTBEAT].linked) {
		*ret_since = gone;
		return view->now > gone ? "the heartbeat process is not running, its fence has run out"
					: NULL;
	}
	*ret_since = silent;
	return view->now > silent + SNAPSHOT_SILENCE
		       ? "the heartbeat process is silent, its fence has run out"
		       : NULL;
}

struct snapshot_state snapshot_state(const struct snapshot_view *view)
{
	const struct snapshot *snapshot = view->snapshot;
	const struct msg_state *said = &snapshot->state;
	struct snapshot_state state = {.state = NODE_STARTING, .reason = "heartbeat has not reported yet"};
	const char *lost;

	if (!snapshot->state_at)
		return state;
	state.known = true;
	state.said = snapshot->state_at;
	state.epoch = said->epoch;
	lost = heartbeat_lost(view, &state.since);
	if (lost) {
		state.state = NODE_FAULT;
		state.reason = lost;
		return state;
	}
	state.state = said->state < NODE_STATE_COUNT ? (enum node_state)said->state : NODE_FAULT;
	state.held = said->held;
	state.since = said->since;
	state.reason = said->reason;
	return state;
}

bool snapshot_pair_known(const struct snapshot_view *view)
{
	nanos since;

	return view->snapshot->pair_at && !heartbeat_lost(view, &since);
}

const struct msg_server *snapshot_server(const struct snapshot *snapshot, const char *pool, const char *name,
					 size_t *hint)
{
	const struct snapshot_proxy *proxy = &snapshot->proxy;

	for (size_t i = 0; i < proxy->n_servers; i++) {
		const struct msg_server *server = &proxy->servers[(*hint + i) % proxy->n_servers];

		if (strcmp(server->name, name) == 0 && strcmp(server->pool, pool) == 0) {
			*hint = (size_t)(server - proxy->servers) + 1;
			return server;
		}
	}
	return NULL;
}

const struct msg_listener_stats *snapshot_listener(const struct snapshot *snapshot, const char *name)
{
	const struct snapshot_proxy *proxy = &snapshot->proxy;

	for (size_t i = 0; i < proxy->n_listeners; i++)
		if (strcmp(proxy->listeners[i].name, name) == 0)
			return &proxy->listeners[i];
	return NULL;
}

const struct msg_vip *snapshot_vip(const struct snapshot *snapshot, const struct ip *ip, nanos *ret_at)
{
	for (size_t i = 0; i < snapshot->n_vips; i++)
		if (snapshot->vips_at[i] && ip_equal(&snapshot->vips[i].ip, ip)) {
			*ret_at = snapshot->vips_at[i];
			return &snapshot->vips[i];
		}
	return NULL;
}

const char *snapshot_holder(const struct snapshot_view *view)
{
	const struct snapshot *snapshot = view->snapshot;

	if (snapshot_state(view).held)
		return view->config->nodes[view->node].name;
	if (snapshot_pair_known(view) && snapshot->pair.peer_known && snapshot->pair.peer_alive &&
	    snapshot->pair.peer_state == NODE_ACTIVE)
		return snapshot->pair.peer;
	return NULL;
}

const char *snapshot_balance_name(enum config_balance balance)
{
	switch (balance) {
	case BALANCE_ROUNDROBIN:
		return "roundrobin";
	case BALANCE_LEASTCONN:
		return "leastconn";
	case BALANCE_IPHASH:
		return "iphash";
	}
	return "unknown";
}

const char *snapshot_mode_name(enum config_mode mode)
{
	return mode == MODE_HTTP ? "http" : "tcp";
}
