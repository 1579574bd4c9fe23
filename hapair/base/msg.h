/*
 * msg.h: every message between the processes of one node: who sends it, who receives it, what it carries.
 *
 * Messages go over SEQPACKET socketpairs (ipc.h), one struct each, of a fixed size, at most one descriptor beside it. Both
 * ends are the same binary, so there is no byte order and no version. A message that the table does not allow between
 * two roles, or of another size, is fatal to the receiver. Text fields are terminated and cut to fit. Instants are
 * clock_now(), which all processes of a node share.
 */
#ifndef HAPAIR_BASE_MSG_H
#define HAPAIR_BASE_MSG_H

#include "hapair/base/addr.h"
#include "hapair/base/clock.h"
#include "hapair/base/config.h"
#include "hapair/base/flow.h"

#include <stdbool.h>
#include <stdint.h>

enum role { ROLE_SUPERVISOR, ROLE_HEARTBEAT, ROLE_PROXY, ROLE_ADMIN, ROLE_RUNNER, ROLE_COUNT };

#define ROLE_BIT(role) (1u << (role))
#define FROM_SUPERVISOR ROLE_BIT(ROLE_SUPERVISOR)
#define FROM_HEARTBEAT ROLE_BIT(ROLE_HEARTBEAT)
#define FROM_PROXY ROLE_BIT(ROLE_PROXY)
#define FROM_ADMIN ROLE_BIT(ROLE_ADMIN)
#define FROM_RUNNER ROLE_BIT(ROLE_RUNNER)
#define TO_SUPERVISOR FROM_SUPERVISOR
#define TO_HEARTBEAT FROM_HEARTBEAT
#define TO_PROXY FROM_PROXY
#define TO_ADMIN FROM_ADMIN
#define TO_RUNNER FROM_RUNNER
#define TO_ROLES (TO_HEARTBEAT | TO_PROXY | TO_ADMIN | TO_RUNNER)

/*
 * name, struct, senders, receivers, fd (0 none, 1 one), lossy (1: may be dropped when the receiver does not keep up, a newer one follows)
 */
#define MSG_TABLE(X)                                                                                         \
	/* set-up and reload, from the supervisor */                                                         \
	X(CONFIG, msg_config, FROM_SUPERVISOR, TO_ROLES, 1, 0)                                               \
	X(SECRET, msg_secret, FROM_SUPERVISOR, TO_HEARTBEAT, 1, 0)                                           \
	X(SYNC_KEYS, msg_sync_keys, FROM_SUPERVISOR, TO_ADMIN, 0, 0)                                         \
	X(CERTIFICATE, msg_certificate, FROM_SUPERVISOR, TO_PROXY, 1, 0)                                     \
	X(LISTENER, msg_listener, FROM_SUPERVISOR, TO_PROXY | TO_ADMIN, 1, 0)                                \
	X(MEMORY, msg_empty, FROM_SUPERVISOR, TO_HEARTBEAT, 1, 0)                                            \
	X(LINK, msg_link, FROM_SUPERVISOR, TO_ROLES, 1, 0)                                                   \
	X(BEGIN, msg_empty, FROM_SUPERVISOR, TO_ROLES, 0, 0)                                                 \
	X(STOP, msg_empty, FROM_SUPERVISOR, TO_ROLES, 0, 0)                                                  \
	X(READY, msg_empty, FROM_HEARTBEAT | FROM_PROXY | FROM_ADMIN | FROM_RUNNER, TO_SUPERVISOR, 0, 0)     \
	X(ALIVE, msg_empty, FROM_HEARTBEAT | FROM_PROXY | FROM_ADMIN | FROM_RUNNER, TO_SUPERVISOR, 0, 1)     \
	X(STOPPED, msg_empty, FROM_HEARTBEAT, TO_SUPERVISOR, 0, 0)                                           \
	X(PROCESS, msg_process, FROM_SUPERVISOR, TO_ADMIN, 0, 0)                                             \
	X(RELOAD, msg_request, FROM_ADMIN, TO_SUPERVISOR, 0, 0)                                              \
	X(RELOADED, msg_reply, FROM_SUPERVISOR, TO_ADMIN, 1, 0)                                              \
	/* the pair */                                                                                       \
	X(STATE, msg_state, FROM_HEARTBEAT, TO_PROXY | TO_ADMIN | TO_RUNNER, 0, 0)                           \
	X(FITNESS, msg_fitness, FROM_PROXY, TO_HEARTBEAT, 0, 0)                                              \
	X(PAIR, msg_pair, FROM_HEARTBEAT, TO_ADMIN, 0, 1)                                                    \
	X(DRAIN, msg_drain, FROM_HEARTBEAT, TO_SUPERVISOR | TO_ADMIN, 0, 0)                                  \
	X(VIP, msg_vip, FROM_HEARTBEAT, TO_ADMIN, 0, 1)                                                      \
	X(SWITCHOVER, msg_request, FROM_ADMIN, TO_HEARTBEAT, 0, 0)                                           \
	X(FLOWS_WANTED, msg_empty, FROM_HEARTBEAT, TO_ADMIN, 0, 0)                                           \
	X(FLOWS, msg_flows, FROM_ADMIN, TO_HEARTBEAT, 0, 1)                                                  \
	/* servers and listeners */                                                                          \
	X(SERVER_SET, msg_server_set, FROM_ADMIN, TO_PROXY, 0, 0)                                            \
	X(VERDICT, msg_verdict, FROM_ADMIN, TO_PROXY, 0, 1)                                                  \
	X(TICKET_KEYS, msg_ticket_keys, FROM_ADMIN, TO_PROXY, 0, 0)                                          \
	X(TICKET_KEYS_HELD, msg_ticket_keys, FROM_PROXY, TO_ADMIN, 0, 0)                                     \
	X(SERVER, msg_server, FROM_PROXY, TO_ADMIN, 0, 1)                                                    \
	X(LISTENER_STATS, msg_listener_stats, FROM_PROXY, TO_ADMIN, 0, 1)                                    \
	X(PROXY_STATS, msg_proxy_stats, FROM_PROXY, TO_ADMIN, 0, 1)                                          \
	/* what happened, and what is to be run for it */                                                    \
	X(EVENT, msg_event, FROM_SUPERVISOR | FROM_HEARTBEAT | FROM_PROXY | FROM_RUNNER, TO_ADMIN, 0, 0)     \
	X(HOOK, msg_hook, FROM_HEARTBEAT | FROM_PROXY, TO_RUNNER, 0, 0)                                      \
	X(REPLY, msg_reply, FROM_HEARTBEAT | FROM_PROXY, TO_ADMIN, 0, 0)

enum msg_type {
#define X(name, type, from, to, fd, lossy) MSG_##name,
	MSG_TABLE(X)
#undef X
		MSG_COUNT
};

struct msg_empty {
	uint32_t unused;
};

/* The sources of the configuration in a sealed memfd (hapair/config/config.h), read again by the role. */
struct msg_config {
	uint64_t generation; /* 1 at start, one more for each reload */
	uint8_t digest[CONFIG_DIGEST];
	uint32_t worker_count; /* listener sockets come in this many copies */
};

/* The lines of the secret file, in a sealed memfd. */
struct msg_secret {
	uint64_t generation;
};

#define SYNC_KEYS_MAX  8
#define SYNC_KEY_BYTES 32

/* Keys of the sync channel, derived from those of the secret, in their order: the first is offered, all are accepted. Before CONFIG of
 * the same generation. */
struct msg_sync_keys {
	uint64_t generation;
	uint32_t n;
	struct {
		uint32_t id; /* of the secret's key */
		uint8_t bytes[SYNC_KEY_BYTES];
	} keys[SYNC_KEYS_MAX];
};

/* PEM chain and key of one listener, in a sealed memfd; before CONFIG of the same generation. */
struct msg_certificate {
	uint64_t generation;
	uint32_t listen; /* index in config.listens */
};

/* A bound, listening socket, before CONFIG of the same generation. For admin: its binds, worker 0. */
struct msg_listener {
	uint64_t generation;
	uint32_t listen, bind, worker;
};

/* The other end of a fresh channel to `role`; replaces an earlier one. */
struct msg_link {
	uint32_t role;
};

struct msg_process {
	uint32_t role;
	int32_t pid;       /* 0: not running */
	uint32_t restarts; /* since the supervisor started */
	int32_t last_exit; /* wait status of the previous life, 0 if none */
};

struct msg_request {
	uint32_t id; /* the sender's; comes back in the reply */
};

struct msg_reply {
	uint32_t id;
	int32_t error; /* 0 done, negative errno else */
	char text[240];
};

enum node_state { NODE_STARTING, NODE_PASSIVE, NODE_ACTIVE, NODE_DRAINING, NODE_FAULT, NODE_STATE_COUNT };

/* "starting", "passive", ...; the names of the contract */
const char *node_state_name(enum node_state state);
const char *role_name(enum role role);

struct msg_state {
	uint32_t state; /* enum node_state */
	uint32_t held;  /* 1: this node answers for the VIPs */
	uint64_t epoch;
	nanos since;
	char reason[160];
};

/* Coarse, compared first between the nodes: a higher class is fitter. */
enum fitness_class { FITNESS_DEAD, FITNESS_NO_LISTENER, FITNESS_OK, FITNESS_COUNT };

struct msg_fitness {
	uint32_t class; /* enum fitness_class */
	char reason[96];
};

enum { REJECT_SHORT, REJECT_MAGIC, REJECT_VERSION, REJECT_CLUSTER, REJECT_KEY, REJECT_MAC, REJECT_NODE, REJECT_REPLAY,
       REJECT_BOOT, REJECT_LINK, REJECT_COUNT };

const char *reject_name(int reject);

/* What is known of the two directions of a heartbeat link, when it is not plainly up or down. */
enum link_way {
	LINK_PLAIN,
	LINK_UNHEARD, /* one-way: this node hears the peer, the peer does not hear this node */
	LINK_DEAF,    /* one-way: the peer hears this node, this node does not hear the peer */
	LINK_WAY_COUNT
};

/* For people. */
const char *link_way_name(enum link_way way);

struct msg_pair_link {
	struct addr local, remote;
	uint8_t up;
	uint8_t way;          /* enum link_way */
	uint8_t known;        /* 0: nothing was heard yet, the numbers mean nothing */
	nanos last_heard;     /* instant; 0 never */
	nanos rtt, jitter;    /* 0: not known */
	double loss;          /* 0..1, of the last intervals */
	uint64_t sent, received;
};

struct msg_pair {
	char peer[CONFIG_NAME_MAX + 1]; /* "" where there is one node only */
	uint32_t peer_state;            /* enum node_state; meaningful when peer_known */
	uint8_t peer_known, peer_alive, config_matches;
	uint64_t peer_epoch;
	uint32_t n_links;
	struct msg_pair_link links[CONFIG_LINKS_MAX];
	uint64_t rejected[REJECT_COUNT];
	uint64_t moves;                  /* claims and yields that no operator ordered */
	nanos held_until;                /* it moved too often: end of its hold-down; 0 none */
	uint8_t peer_held;               /* the peer says so of itself */
	uint64_t renewals, lapses;       /* of the fence */
	nanos lateness_max, lateness_last; /* of the own timer */
	nanos fence_left;                /* 0: closed */
	uint8_t realtime, fenced;        /* SCHED_RR granted; nft fence in force */
};

/* During a drain, whenever it changes; both 0 when it is over. */
struct msg_drain {
	uint32_t left; /* connections */
	nanos until;   /* instant at which the rest is ended */
};

struct msg_vip {
	uint32_t index, count; /* of config.vips */
	struct ip ip;
	uint8_t prefix_len, held;
	char interface[16];
};

#define MSG_FLOWS_MAX 64

/* FLOWS_WANTED: this node holds the VIPs now, and nobody serves the connections that the other node had. FLOWS: some of those. */
struct msg_flows {
	uint32_t n;
	struct flow flows[MSG_FLOWS_MAX];
};

enum server_state { SERVER_UNKNOWN, SERVER_UP, SERVER_DOWN, SERVER_DRAIN, SERVER_MAINT, SERVER_STATE_COUNT };

const char *server_state_name(enum server_state state);

enum server_action { SERVER_ACTION_READY, SERVER_ACTION_DRAIN, SERVER_ACTION_MAINT };

enum server_existence { SERVER_AS_CONFIGURED, SERVER_ADDED, SERVER_REMOVED, SERVER_EXISTENCE_COUNT };

/* What operators said of one server at run time, on either node; all zero but the names: nothing. */
struct server_wanted {
	char pool[CONFIG_NAME_MAX + 1], server[CONFIG_NAME_MAX + 1];
	uint8_t action;        /* enum server_action */
	uint8_t existence;     /* enum server_existence; where the file has the server, ADDED changes nothing */
	uint16_t weight;       /* 1..256; 0: that of the file, or added_weight */
	uint16_t added_weight; /* this and the next: of SERVER_ADDED */
	struct addr address;
};

/* From admin, which keeps it; the proxy holds it over reloads. Answered by REPLY, unless id is 0 (what had been said before, or
 * was said on the other node). */
struct msg_server_set {
	uint32_t id;
	struct server_wanted wanted;
};

/* What an earlier proxy or the other node last found; it counts until there is an own result. */
struct msg_verdict {
	char pool[CONFIG_NAME_MAX + 1], server[CONFIG_NAME_MAX + 1];
	uint32_t state; /* SERVER_UP or SERVER_DOWN */
};

#define TICKET_KEYS_MAX 8
#define TICKET_NAME     16
#define TICKET_KEY      32

/* One key for TLS session tickets (RFC 5077, section 4). */
struct ticket_key {
	uint64_t period; /* of the wall clock, in which it encrypts */
	uint8_t name[TICKET_NAME], cipher[TICKET_KEY], mac[TICKET_KEY];
};

/* To the proxy: the keys that count from now on. HELD, to an admin that was started again: those that the one before it had said. */
struct msg_ticket_keys {
	uint32_t n;
	uint32_t newest; /* index of the one that encrypts; the others only decrypt */
	struct ticket_key keys[TICKET_KEYS_MAX];
};

/* A snapshot comes as all its SERVERs and LISTENER_STATS, then one PROXY_STATS with the same serial. */
struct msg_server {
	uint64_t serial;
	char pool[CONFIG_NAME_MAX + 1], name[CONFIG_NAME_MAX + 1];
	struct addr address;
	uint32_t state; /* enum server_state */
	uint32_t weight, active;
	uint64_t total, failed; /* requests or connections */
	nanos since;            /* of state */
	struct {
		nanos at; /* 0: never */
		nanos took;
		uint8_t ok;
		char detail[64];
	} last_check;
};

struct msg_listener_stats {
	uint64_t serial;
	char name[CONFIG_NAME_MAX + 1];
	uint32_t active;       /* connections now */
	uint64_t total;        /* connections ever */
	uint64_t requests;     /* http */
	uint64_t responses[6]; /* by first digit; 0: none could be sent */
	uint64_t bytes_in, bytes_out;
	uint64_t retries;
};

struct msg_proxy_stats {
	uint64_t serial;
	uint32_t n_servers, n_listeners; /* in this snapshot */
	uint32_t workers;
	char engine[16];
	nanos at;
};

struct msg_event {
	int64_t wall_ms;
	nanos at;
	uint64_t epoch;
	char type[16];    /* state, peer, server, process, reload, hook, vip, link, config */
	char subject[CONFIG_NAME_MAX * 2 + 2]; /* what it is about: pool/server, a role, a link; "" for the node itself */
	char from[32], to[32];
	char reason[160];
};

/* A hook to run: an event of `notify`; the runner knows the file and the user from the configuration. */
struct msg_hook {
	char event[16]; /* active, passive, fault, server_down, server_up */
	uint64_t epoch;
	char pool[CONFIG_NAME_MAX + 1], server[CONFIG_NAME_MAX + 1];
	char reason[160];
};

/* The largest struct of the table, for receive buffers. */
union msg_any {
#define X(name, type, from, to, fd, lossy) struct type m_##name;
	MSG_TABLE(X)
#undef X
};

struct msg_info {
	const char *name;
	size_t size;
	unsigned from, to; /* ROLE_BITs */
	bool has_fd, lossy;
};

extern const struct msg_info msg_infos[MSG_COUNT];

/* Copies text into a fixed field, cut and terminated. */
#define MSG_TEXT(field, text) msg_text(field, sizeof(field), text)
void msg_text(char *field, size_t size, const char *text);

#endif
