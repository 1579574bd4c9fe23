/*
 * config.h: the configuration as the roles see it; data only. The reader in hapair/ builds it, roles read it.
 *
 * A struct config is one immutable snapshot: it owns everything that it points to (one arena), nothing in it changes
 * after it was read, and a reload makes a new one. Strings are never NULL; "" means not given. Indexes into `pools` are
 * stable within one snapshot only.
 */
#ifndef HAPAIR_BASE_CONFIG_H
#define HAPAIR_BASE_CONFIG_H

#include "hapair/base/addr.h"
#include "hapair/base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_NAME_MAX  63 /* bytes in the name of a cluster, node, pool, server or listener: [A-Za-z0-9._-] */
#define CONFIG_LINKS_MAX 4  /* heartbeat links of one node */
#define CONFIG_VIPS_MAX  16
#define CONFIG_TARGETS_MAX   8 /* of a witness, as the next */
#define CONFIG_ENDPOINTS_MAX 8
#define CONFIG_DIGEST    32

enum config_witness { WITNESS_NONE, WITNESS_GATEWAY, WITNESS_ETCD };

struct config_cluster {
	const char *name;
	const char *secret_file;
	nanos interval;      /* I, between two heartbeats on a link */
	unsigned dead_after; /* D = dead_after * interval */
	bool preempt;
	nanos start_wait;
	nanos drain_timeout; /* how long connections of a VIP that was given away may live on */
	struct {
		enum config_witness kind;
		struct ip *targets; /* gateway: one of them must answer */
		size_t n_targets;
		struct addr *endpoints; /* etcd: any of them */
		size_t n_endpoints;
		nanos ttl; /* etcd: of the lease, whole seconds */
	} witness;
};

struct config_node {
	const char *name;
	struct addr links[CONFIG_LINKS_MAX]; /* the i-th link of a node talks to the i-th of the other */
	size_t n_links;
	unsigned priority;     /* higher wins between equals */
	const char *interface; /* overrides every vip's; "" when not given */
};

struct config_vip {
	struct ip ip;
	uint8_t prefix_len;
	const char *interface; /* "": the interface with that subnet */
};

enum config_balance { BALANCE_ROUNDROBIN, BALANCE_LEASTCONN, BALANCE_IPHASH };
enum config_check { CHECK_NONE, CHECK_TCP, CHECK_HTTP };

struct config_server {
	const char *name;
	struct addr address;
	unsigned weight; /* 1..256 */
	bool runtime;    /* added by an operator, not by the file; see overlay.h */
};

struct config_pool {
	const char *name;
	enum config_balance balance;
	struct {
		enum config_check kind;
		const char *path;       /* http */
		const char *host;       /* http: the Host field; "" is the server's address */
		unsigned expect;        /* http: status */
		uint16_t port;          /* 0: the server's own */
		nanos interval;         /* on the node that holds the VIP */
		nanos standby_interval; /* on the other one */
		nanos timeout;
		unsigned fall, rise; /* verdicts in a row that turn a server down, up */
	} check;
	nanos connect_timeout;
	nanos response_timeout; /* from the end of the request to the head of the response, and between two reads */
	unsigned retries;       /* further servers tried for one request */
	struct config_server *servers;
	size_t n_servers;
};

struct config_bind {
	struct addr address;
	bool tls;
};

struct config_route {
	const char *host; /* "" is any; compared without case and port */
	const char *path; /* "" is any; else a prefix, the longest wins */
	size_t pool;      /* index into pools */
};

enum config_mode { MODE_HTTP, MODE_TCP };
enum config_tls_version { TLS_1_2 = 12, TLS_1_3 = 13 };

#define CONFIG_NO_POOL ((size_t)-1)

struct config_listen {
	const char *name;
	enum config_mode mode;
	struct config_bind *binds;
	size_t n_binds;
	const char *certificate; /* PEM file with chain and key; "" without tls */
	enum config_tls_version min_version;
	struct config_route *routes;
	size_t n_routes;
	size_t pool;           /* the default; CONFIG_NO_POOL: 404 where no route fits */
	nanos header_timeout;  /* the whole head of a request, and a TLS handshake, from their first byte */
	nanos idle_timeout;    /* between requests, and without any byte in a body */
	nanos tunnel_timeout;  /* WebSocket and tcp mode: without any byte in either direction */
};

enum config_engine { ENGINE_AUTO, ENGINE_IO_URING, ENGINE_LIBEVENT };

struct config {
	struct config_cluster cluster;
	struct config_node *nodes; /* one or two */
	size_t n_nodes;
	struct config_vip *vips;
	size_t n_vips;
	struct config_pool *pools;
	size_t n_pools;
	struct config_listen *listens;
	size_t n_listens;
	struct {
		unsigned workers; /* 0: one for each processor this process may use */
		enum config_engine engine;
		const char *access_log; /* "off", "journal" or an absolute file name */
		const char *user;
	} proxy;
	struct {
		struct addr *binds;
		size_t n_binds;
	} admin;
	struct {
		const char *active, *passive, *fault, *server_down, *server_up; /* absolute file names, "" for none */
		const char *user;
		nanos timeout; /* a hook that takes longer is killed */
	} notify;
	uint8_t digest[CONFIG_DIGEST]; /* SHA-256 over the meaning, the same for every spelling */
	void *arena;                   /* the reader's; see config_free() in hapair/config/config.h */
};

static inline bool config_has_vip(const struct config *config, const struct ip *ip)
{
	for (size_t i = 0; i < config->n_vips; i++)
		if (ip_equal(&config->vips[i].ip, ip))
			return true;
	return false;
}

#endif
