/*
 * snapshot.h: what every role of this node last said, each fact with the instant at which it was heard.
 *
 * admin feeds it with messages; status, metrics and the page are rendered from it. Nothing is invented here:
 * what was never said is unknown, and what was said long ago is shown with its age. Memory is bounded by
 * SNAPSHOT_*_MAX whatever a role sends.
 */
#ifndef HAPAIR_SNAPSHOT_H
#define HAPAIR_SNAPSHOT_H

#include "hapair/base/config.h"
#include "hapair/base/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNAPSHOT_SERVERS_MAX   4096
#define SNAPSHOT_LISTENERS_MAX 256

/* One whole report of the proxy: all servers and listeners with the same serial. */
struct snapshot_proxy {
	uint64_t serial;
	struct msg_server *servers;
	size_t n_servers, servers_room;
	struct msg_listener_stats *listeners;
	size_t n_listeners, listeners_room;
	struct msg_proxy_stats stats;
	nanos at; /* heard; 0: never */
};

struct snapshot {
	struct {
		bool linked;   /* its process is connected */
		nanos changed; /* instant of the last (dis)connection; 0: never connected */
		nanos heard;   /* its newest message here; 0: none. heartbeat and proxy report several times a
				  second */
	} roles[ROLE_COUNT];
	struct {
		struct msg_process process;
		nanos at; /* 0: never said */
	} processes[ROLE_COUNT];
	struct msg_state state;
	nanos state_at;
	struct msg_pair pair;
	nanos pair_at;
	struct msg_drain drain;
	nanos drain_at; /* heard; 0: never */
	struct msg_vip vips[CONFIG_VIPS_MAX];
	nanos vips_at[CONFIG_VIPS_MAX];
	size_t n_vips;
	struct snapshot_proxy proxy;    /* the newest whole one */
	struct snapshot_proxy incoming; /* being received */
};

void snapshot_init(struct snapshot *snapshot);
void snapshot_done(struct snapshot *snapshot);

/* Takes PROCESS, STATE, PAIR, DRAIN, VIP, SERVER, LISTENER_STATS and PROXY_STATS; false when it is none of these. */
bool snapshot_take(struct snapshot *snapshot, enum msg_type type, const union msg_any *message, nanos now);
/* The channel to a role came up, or its process is gone. */
void snapshot_link(struct snapshot *snapshot, enum role role, bool linked, nanos now);

/* What both nodes hold of what operators said, and the way between them; replication.h fills it. */
struct snapshot_sync {
	bool connected;
	nanos since;      /* of `connected`; 0: never was */
	size_t link;      /* index, while connected */
	bool known;       /* the peer has told its state on this connection; the next three count */
	bool matches;     /* both nodes hold the same */
	uint64_t peer_version, peer_servers;
	uint64_t version, servers; /* ours: the newest word, and of how many servers there are any */
	uint32_t ticket_keys;
	uint64_t flows, peer_flows; /* client connections: ours that the peer knows, the peer's that are known here */
	uint64_t received, sent;  /* words */
	const char *trouble;      /* why it is not connected; "" not known */
};

/* Everything that a rendering needs; all borrowed for the time of the call. */
struct snapshot_view {
	const struct snapshot *snapshot;
	const struct config *config; /* with what operators changed at run time (overlay.h) */
	size_t node; /* index in config->nodes */
	uint64_t generation;
	nanos now;
	int64_t wall_ms;
	const struct snapshot_sync *sync; /* NULL: there is no peer to talk to */
};

/*
 * The state of the node as it is to be believed now. It is what heartbeat last said; where heartbeat has not spoken
 * yet it is "starting", and where its process has been gone for longer than a lease, or silent for that and
 * SNAPSHOT_SILENCE, it is "fault", for the fence has run out by then.
 */
#define SNAPSHOT_SILENCE SECONDS(2)

struct snapshot_state {
	enum node_state state;
	bool known; /* heartbeat said so (perhaps some time ago) */
	bool held;  /* this node answers for the VIPs */
	uint64_t epoch;
	nanos since;        /* 0: not known */
	nanos said;         /* when it was last said; 0: never */
	const char *reason; /* never NULL */
};
struct snapshot_state snapshot_state(const struct snapshot_view *view);
/* Whether what heartbeat said of the pair still counts, by the same rule. */
bool snapshot_pair_known(const struct snapshot_view *view);

/* What the proxy last said of a server or listener, or NULL. *hint starts as 0 and makes a walk in the
 * configuration's order cheap. */
const struct msg_server *snapshot_server(const struct snapshot *snapshot, const char *pool, const char *name,
					 size_t *hint);
const struct msg_listener_stats *snapshot_listener(const struct snapshot *snapshot, const char *name);
/* What heartbeat last said of a VIP, or NULL. *ret_at: when. */
const struct msg_vip *snapshot_vip(const struct snapshot *snapshot, const struct ip *ip, nanos *ret_at);
/* Who answers for the VIPs as far as this node knows: a node's name, or NULL when it does not know of anyone.
 */
const char *snapshot_holder(const struct snapshot_view *view);

/* "web", "tcp"...: names of the configuration's enums, as they are written there. */
const char *snapshot_balance_name(enum config_balance balance);
const char *snapshot_mode_name(enum config_mode mode);

#endif
