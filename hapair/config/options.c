/*
 * options.c: the table itself, how to find a row, and the reference printed from it.
 */
#include "hapair/config/options.h"

#include "hapair/config/value.h"

#include <string.h>

const struct config_block config_blocks[BLOCK_COUNT] = {
	[BLOCK_FILE] = {BLOCK_FILE, BLOCK_FILE, "", NULL, 1, 1, true, "the file and what it includes"},
	[BLOCK_CLUSTER] = {BLOCK_CLUSTER, BLOCK_FILE, "cluster", "NAME", 1, 1, true,
			   "the pair: its secret, and when silence means death"},
	[BLOCK_WITNESS] = {BLOCK_WITNESS, BLOCK_CLUSTER, "witness", "gateway|etcd", 0, 1, true,
			   "who decides when both nodes are cut from each other"},
	[BLOCK_NODE] = {BLOCK_NODE, BLOCK_FILE, "node", "NAME", 1, 2, true, "one of the machines"},
	[BLOCK_VIP] = {BLOCK_VIP, BLOCK_FILE, "vip", "ADDRESS/LENGTH", 0, CONFIG_VIPS_MAX, true,
		       "an address that the active node holds"},
	[BLOCK_POOL] = {BLOCK_POOL, BLOCK_FILE, "pool", "NAME", 0, 1024, true,
			"servers that are as good as each other"},
	[BLOCK_CHECK] = {BLOCK_CHECK, BLOCK_POOL, "check", "tcp|http", 0, 1, true,
			 "how the servers are asked whether they are well; left out, they are taken to be"},
	[BLOCK_SERVER] = {BLOCK_SERVER, BLOCK_POOL, "server", "NAME", 1, 4096, true, "a server of the pool"},
	[BLOCK_LISTEN] = {BLOCK_LISTEN, BLOCK_FILE, "listen", "NAME", 0, 256, true,
			  "where clients come in, and to which pools they go"},
	[BLOCK_TLS] = {BLOCK_TLS, BLOCK_LISTEN, "tls", NULL, 0, 1, true, "for the binds that say tls"},
	[BLOCK_ROUTE] = {BLOCK_ROUTE, BLOCK_LISTEN, "route", NULL, 0, 4096, true,
			 "requests for this host and path go to this pool; the closest host, then the "
			 "longest path wins"},
	[BLOCK_PROXY] = {BLOCK_PROXY, BLOCK_FILE, "proxy", NULL, 0, 1, true, "the proxy process"},
	[BLOCK_ADMIN] = {BLOCK_ADMIN, BLOCK_FILE, "admin", NULL, 0, 1, true,
			 "status and metrics over HTTP, read-only"},
	[BLOCK_NOTIFY] = {BLOCK_NOTIFY, BLOCK_FILE, "notify", NULL, 0, 1, true,
			  "programs to run when something happened"},
};

static const struct config_choice balances[] = {
	{"roundrobin", BALANCE_ROUNDROBIN, true},
	{"leastconn", BALANCE_LEASTCONN, true},
	{"iphash", BALANCE_IPHASH, true},
	{"random", 0, false},
	{"maglev", 0, false},
	{0},
};
static const struct config_choice modes[] = {{"http", MODE_HTTP, true}, {"tcp", MODE_TCP, true}, {0}};
static const struct config_choice versions[] = {{"1.2", TLS_1_2, true}, {"1.3", TLS_1_3, true}, {0}};
static const struct config_choice engines[] = {
	{"auto", ENGINE_AUTO, true},
	{"io_uring", ENGINE_IO_URING, false},
	{"libevent", ENGINE_LIBEVENT, true},
	{0},
};

/* Shorter rows: what a key is, where it goes, which values it takes, and the rest by name. */
#define AT(type, field)             .offset = offsetof(struct type, field)
#define AT_LIST(type, field, count) AT(type, field), .offset_n = offsetof(struct type, count)
#define RANGE(low, high)            .min = (low), .max = (high)
#define ROW(block_, key_, type_, doc_)                                                                       \
	.block = BLOCK_##block_, .key = key_, .type = TYPE_##type_, .supported = true, .doc = doc_
#define NOT_YET(block_, key_, type_, doc_)                                                                   \
	.block = BLOCK_##block_, .key = key_, .type = TYPE_##type_, .doc = doc_

const struct config_option config_options[] = {
	{ROW(CLUSTER, "secret_file", FILE, "the pair's keys, made by hapair keygen; mode 0600"),
	 AT(config_cluster, secret_file), .required = true},
	{ROW(CLUSTER, "interval", DURATION, "between two heartbeats on a link"), AT(config_cluster, interval),
	 RANGE(MS(10), SECONDS(10)), .fallback = "50ms"},
	{ROW(CLUSTER, "dead_after", COUNT, "this many silent intervals mean that the peer is dead"),
	 AT(config_cluster, dead_after), RANGE(2, 60), .fallback = "3"},
	{ROW(CLUSTER, "preempt", SWITCH,
	     "a node of higher priority takes the VIPs from one that serves them well"),
	 AT(config_cluster, preempt), .fallback = "off"},
	{ROW(CLUSTER, "start_wait", DURATION,
	     "a starting node waits this long for its peer before it claims"),
	 AT(config_cluster, start_wait), RANGE(0, SECONDS(600)), .fallback = "2s"},
	{ROW(CLUSTER, "drain_timeout", DURATION,
	     "connections of a VIP that was given away end after this time"),
	 AT(config_cluster, drain_timeout), RANGE(0, SECONDS(86400)), .fallback = "5m"},

	{ROW(WITNESS, "targets", IPS, "gateway: a node is cut off when none of them answers"),
	 AT_LIST(config_cluster, witness.targets, witness.n_targets), RANGE(1, CONFIG_TARGETS_MAX)},
	{ROW(WITNESS, "endpoints", ENDPOINTS, "etcd: its members; any of them will do"),
	 AT_LIST(config_cluster, witness.endpoints, witness.n_endpoints), RANGE(1, CONFIG_ENDPOINTS_MAX)},
	{ROW(WITNESS, "ttl", DURATION,
	     "etcd: of the lease, in whole seconds; so long may a takeover from a lost machine wait"),
	 AT(config_cluster, witness.ttl), RANGE(SECONDS(2), SECONDS(60)), .fallback = "3s"},

	{ROW(NODE, "link", LINKS,
	     "its addresses for heartbeats; the first talks to the peer's first, and so on"),
	 AT_LIST(config_node, links, n_links), RANGE(1, CONFIG_LINKS_MAX)},
	{ROW(NODE, "priority", COUNT, "the higher one wins between equals"), AT(config_node, priority),
	 RANGE(0, 65535), .fallback = "100"},
	{ROW(NODE, "interface", INTERFACE, "overrides the interface of every vip"),
	 AT(config_node, interface)},

	{ROW(VIP, "interface", INTERFACE, "where the address goes; left out, the interface with that subnet"),
	 AT(config_vip, interface)},

	{ROW(POOL, "balance", CHOICE, "which server gets the next request or connection"),
	 AT(config_pool, balance), .choices = balances, .fallback = "roundrobin"},
	{ROW(POOL, "connect_timeout", DURATION, "to connect to a server"), AT(config_pool, connect_timeout),
	 RANGE(MS(1), SECONDS(3600)), .fallback = "2s"},
	{ROW(POOL, "response_timeout", DURATION,
	     "from the end of a request to the head of its response, and between two reads"),
	 AT(config_pool, response_timeout), RANGE(MS(1), SECONDS(86400)), .fallback = "30s"},
	{ROW(POOL, "retries", COUNT, "further servers that are tried for one request"),
	 AT(config_pool, retries), RANGE(0, 10), .fallback = "2"},

	{ROW(CHECK, "path", PATH, "http: what is asked for"), AT(config_pool, check.path),
	 .fallback = "/health"},
	{ROW(CHECK, "host", HOST, "http: the Host field; left out, the server's address"),
	 AT(config_pool, check.host)},
	{ROW(CHECK, "expect", COUNT, "http: the status of a server that is well"),
	 AT(config_pool, check.expect), RANGE(100, 599), .fallback = "200"},
	{ROW(CHECK, "port", PORT, "where to ask; left out, the server's own port"),
	 AT(config_pool, check.port), RANGE(1, 65535)},
	{ROW(CHECK, "interval", DURATION, "between two checks, on the node that holds the VIPs"),
	 AT(config_pool, check.interval), RANGE(MS(10), SECONDS(3600)), .fallback = "5s"},
	{ROW(CHECK, "standby_interval", DURATION, "the same on the other node; at least interval"),
	 AT(config_pool, check.standby_interval), RANGE(MS(10), SECONDS(3600)), .fallback = "15s"},
	{ROW(CHECK, "timeout", DURATION, "for the whole check; at most interval"),
	 AT(config_pool, check.timeout), RANGE(MS(1), SECONDS(3600)), .fallback = "2s"},
	{ROW(CHECK, "fall", COUNT, "failures in a row that take a server out"), AT(config_pool, check.fall),
	 RANGE(1, 100), .fallback = "1"},
	{ROW(CHECK, "rise", COUNT, "successes in a row that bring it back"), AT(config_pool, check.rise),
	 RANGE(1, 100), .fallback = "2"},

	{ROW(SERVER, "address", ADDRESS, "where it listens"), AT(config_server, address), .required = true},
	{ROW(SERVER, "weight", COUNT, "its share beside the others'"), AT(config_server, weight),
	 RANGE(1, 256), .fallback = "1"},
	{NOT_YET(SERVER, "max_connections", COUNT, "more than this wait in a queue"), RANGE(1, 1000000)},

	{ROW(LISTEN, "bind", BINDS, "the addresses; tls behind one makes it TLS"),
	 AT_LIST(config_listen, binds, n_binds), RANGE(1, 64), .required = true},
	{ROW(LISTEN, "mode", CHOICE, "http, or bytes as they come"), AT(config_listen, mode),
	 .choices = modes, .fallback = "http"},
	{ROW(LISTEN, "pool", POOL, "for what no route takes; left out, 404"), AT(config_listen, pool)},
	{ROW(LISTEN, "header_timeout", DURATION, "for the whole head of a request, and for a TLS handshake"),
	 AT(config_listen, header_timeout), RANGE(MS(1), SECONDS(3600)), .fallback = "10s"},
	{ROW(LISTEN, "idle_timeout", DURATION, "between two requests, and without any byte in a body"),
	 AT(config_listen, idle_timeout), RANGE(MS(1), SECONDS(86400)), .fallback = "60s"},
	{ROW(LISTEN, "tunnel_timeout", DURATION,
	     "WebSocket and mode tcp: without any byte in either direction"),
	 AT(config_listen, tunnel_timeout), RANGE(MS(1), SECONDS(864000)), .fallback = "1h"},

	{ROW(TLS, "certificate", FILES, "PEM: the chain, the server's own certificate first, and its key"),
	 AT(config_listen, certificate), RANGE(1, 1), .required = true},
	{ROW(TLS, "min_version", CHOICE, "older ones are refused"), AT(config_listen, min_version),
	 .choices = versions, .fallback = "1.2"},

	{ROW(ROUTE, "host", HOSTS, "left out, any"), AT(config_route, host)},
	{ROW(ROUTE, "path", PREFIX, "left out, any"), AT(config_route, path)},
	{ROW(ROUTE, "pool", POOL, "where such requests go"), AT(config_route, pool), .required = true},

	{ROW(PROXY, "workers", WORKERS, "threads; auto is one for each processor"), AT(config, proxy.workers),
	 RANGE(1, 256), .fallback = "auto"},
	{ROW(PROXY, "engine", CHOICE, "how it talks to the kernel"), AT(config, proxy.engine),
	 .choices = engines, .fallback = "auto"},
	{ROW(PROXY, "access_log", LOG, "a line for each request"), AT(config, proxy.access_log),
	 .fallback = "off"},
	{ROW(PROXY, "user", USER, "as whom it runs"), AT(config, proxy.user), .fallback = "hapair"},

	{ROW(ADMIN, "bind", ADDRESSES, "where /, /metrics, /v1/status, /healthz and /active are served"),
	 AT_LIST(config, admin.binds, admin.n_binds), RANGE(1, 16)},

	{ROW(NOTIFY, "active", FILE, "when this node has claimed the VIPs"), AT(config, notify.active)},
	{ROW(NOTIFY, "passive", FILE, "when it has become passive"), AT(config, notify.passive)},
	{ROW(NOTIFY, "fault", FILE, "when it cannot take the VIPs"), AT(config, notify.fault)},
	{ROW(NOTIFY, "server_down", FILE, "when a server was taken out; on the holder only"),
	 AT(config, notify.server_down)},
	{ROW(NOTIFY, "server_up", FILE, "when a server came back; on the holder only"),
	 AT(config, notify.server_up)},
	{ROW(NOTIFY, "user", USER, "as whom these programs run"), AT(config, notify.user),
	 .fallback = "hapair"},
	{ROW(NOTIFY, "timeout", DURATION, "a program that takes longer is killed"),
	 AT(config, notify.timeout), RANGE(MS(100), SECONDS(3600)), .fallback = "30s"},
};

const size_t config_option_count = sizeof config_options / sizeof *config_options;

const struct config_block *config_block_find(const char *type)
{
	for (size_t i = BLOCK_FILE + 1; i < BLOCK_COUNT; i++)
		if (strcmp(config_blocks[i].type, type) == 0)
			return &config_blocks[i];
	return NULL;
}

const struct config_option *config_option_find(enum config_block_id block, const char *key)
{
	for (size_t i = 0; i < config_option_count; i++)
		if (config_options[i].block == block && strcmp(config_options[i].key, key) == 0)
			return &config_options[i];
	return NULL;
}

static void choices_text(const struct config_choice *choices, char out[CONFIG_RANGE_MAX])
{
	size_t n = 0;

	out[0] = '\0';
	for (; choices->name; choices++)
		if (choices->supported)
			n += (size_t)snprintf(out + n, CONFIG_RANGE_MAX - n, "%s%s", n ? ", " : "",
					      choices->name);
}

const char *config_option_range(const struct config_option *option, char out[CONFIG_RANGE_MAX])
{
	char low[CONFIG_VALUE_TEXT], high[CONFIG_VALUE_TEXT];
	const char *text = "";

	switch (option->type) {
	case TYPE_DURATION:
		snprintf(out, CONFIG_RANGE_MAX, "%s to %s", config_duration_text(option->min, low),
			 config_duration_text(option->max, high));
		return out;
	case TYPE_SIZE:
		snprintf(out, CONFIG_RANGE_MAX, "%s to %s", config_size_text((uint64_t)option->min, low),
			 config_size_text((uint64_t)option->max, high));
		return out;
	case TYPE_COUNT:
	case TYPE_PORT:
	case TYPE_WORKERS:
		snprintf(out, CONFIG_RANGE_MAX, "%s%lld to %lld",
			 option->type == TYPE_WORKERS ? "auto, or " : "", (long long)option->min,
			 (long long)option->max);
		return out;
	case TYPE_CHOICE:
		choices_text(option->choices, out);
		return out;
	case TYPE_SWITCH:
		text = "on, off";
		break;
	case TYPE_ADDRESS:
		text = "ADDRESS:PORT";
		break;
	case TYPE_LINKS:
	case TYPE_ADDRESSES:
		text = "{ ADDRESS:PORT, ... }";
		break;
	case TYPE_BINDS:
		text = "{ ADDRESS:PORT [tls], ... }";
		break;
	case TYPE_IPS:
		text = "{ ADDRESS, ... }";
		break;
	case TYPE_ENDPOINTS:
		text = "{ http://ADDRESS:PORT, ... }";
		break;
	case TYPE_POOL:
		text = "the name of a pool";
		break;
	case TYPE_FILE:
		text = "an absolute file name";
		break;
	case TYPE_FILES:
		text = "{ an absolute file name }";
		break;
	case TYPE_LOG:
		text = "off, journal, or an absolute file name";
		break;
	case TYPE_INTERFACE:
		text = "the name of an interface";
		break;
	case TYPE_USER:
		text = "the name of a user";
		break;
	case TYPE_HOST:
		text = "a host name";
		break;
	case TYPE_HOSTS:
		text = "a host name, or *.DOMAIN";
		break;
	case TYPE_PATH:
	case TYPE_PREFIX:
		text = "begins with /";
		break;
	}
	snprintf(out, CONFIG_RANGE_MAX, "%s", text);
	return out;
}

static void print_block(FILE *to, const struct config_block *block)
{
	char range[CONFIG_RANGE_MAX];

	fprintf(to, "\n%s%s%s { }", block->type, block->label ? " " : "", block->label ? block->label : "");
	if (block->parent != BLOCK_FILE)
		fprintf(to, "   in %s", config_blocks[block->parent].type);
	fprintf(to, "\n    %s%s\n", block->doc, block->supported ? "" : " (not supported yet)");
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];
		if (option->block != block->id)
			continue;
		fprintf(to, "  %-18s %s%s\n", option->key, option->doc,
			option->supported ? "" : " (not supported yet)");
		fprintf(to, "  %-18s     %s; ", "", config_option_range(option, range));
		if (option->fallback)
			fprintf(to, "default %s\n", option->fallback);
		else
			fprintf(to, "%s\n", option->required ? "must be given" : "no default");
	}
}

const char config_grammar[] = "key = value, one or several a line; blocks in braces; # comments; include \"file\"; "
			      "${VARIABLE} inside of words.\n"
			      "Durations: 50ms 5s 2m 1h.\n"
			      "Addresses with port: 10.0.0.1:80 [fd00::1]:443.";

void config_options_print(FILE *to)
{
	fprintf(to, "%s\n", config_grammar);
	for (size_t i = BLOCK_FILE + 1; i < BLOCK_COUNT; i++)
		print_block(to, &config_blocks[i]);
}
