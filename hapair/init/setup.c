/*
 * setup.c: answers are kept as they were given, split at = and commas; the text is composed from them each time.
 */
#include "hapair/init/setup.h"

#include "hapair/base/addr.h"
#include "hapair/config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWERS_MAX  64
#define LINK_PORT    7946
#define SETUP_SECRET "secret.key"

const struct setup_row setup_rows[SETUP_QUESTIONS] = {
	[SETUP_NODE] = {"node", "NAME=ADDRESS[,ADDRESS...]",
			"a node: its name and its address on each network of the two", NULL, 2, 2, true},
	[SETUP_VIP] = {"vip", "ADDRESS/LENGTH", "the address that clients use, with the length of its subnet",
		       NULL, 1, CONFIG_VIPS_MAX, true},
	[SETUP_SERVER] = {"server", "[POOL=]ADDRESS:PORT", "a server behind", NULL, 1, ANSWERS_MAX, true},
	[SETUP_HTTP] = {"http", "PORT[=POOL]", "a port for HTTP", "80, without --tcp", 0, 16, false},
	[SETUP_TCP] = {"tcp", "PORT[=POOL]", "a port whose bytes are passed on as they come", "none", 0, 16,
		       false},
	[SETUP_TLS] = {"tls", "FILE", "a PEM file with certificate and key, for HTTPS on port 443", "none", 0,
		       1, true},
	[SETUP_CHECK] = {"check", "PATH", "what a server answers with 200 while it is well",
			 "it takes connections", 0, 1, true},
	[SETUP_CLUSTER] = {"cluster", "NAME", "the name of the pair", "shop", 0, 1, false},
	[SETUP_DIR] = {"dir", "DIRECTORY", "where the files go", "/etc/hapair", 0, 1, false},
};

/* `left=right`, both perhaps with commas; left is "" where there is no =. */
struct answer {
	const char *left, *right;
};

struct setup {
	struct arena *arena;
	struct answer answers[SETUP_QUESTIONS][ANSWERS_MAX];
	size_t n[SETUP_QUESTIONS];
};

struct setup *setup_new(struct arena *arena)
{
	struct setup *setup = arena_alloc(arena, sizeof *setup);

	setup->arena = arena;
	return setup;
}

size_t setup_answers(const struct setup *setup, enum setup_question question)
{
	return setup->n[question];
}

static const char *single(const struct setup *setup, enum setup_question question)
{
	return setup->n[question] ? setup->answers[question][0].right : setup_rows[question].fallback;
}

const char *setup_directory(const struct setup *setup)
{
	return single(setup, SETUP_DIR);
}

/* Addresses. */

static struct span first_of(const char *list)
{
	return (struct span){list, strcspn(list, ",")};
}

/* ADDRESS or ADDRESS:PORT as ADDRESS:PORT; what is neither stays, for the reader to complain about. */
static const char *link_text(struct arena *arena, struct span text)
{
	struct addr address = {.port = LINK_PORT};
	char out[ADDR_TEXT_MAX];

	if (ip_parse(text, &address.ip) < 0)
		return arena_text(arena, text);
	return arena_text(arena, span_of(addr_format(&address, out)));
}

const char *setup_node_name(const struct setup *setup, size_t node)
{
	return setup->answers[SETUP_NODE][node].left;
}

const char *setup_node_address(const struct setup *setup, size_t node)
{
	struct span text = first_of(setup->answers[SETUP_NODE][node].right);
	struct addr address;
	char out[IP_TEXT_MAX];

	if (addr_parse(text, &address) < 0 && ip_parse(text, &address.ip) < 0)
		return arena_text(setup->arena, text);
	return arena_text(setup->arena, span_of(ip_format(&address.ip, out)));
}

/* As it stands before a port; what is no VIP stays, for the reader to complain about. */
static const char *vip_host(struct arena *arena, const char *vip)
{
	struct ip ip;
	uint8_t length;
	char out[IP_TEXT_MAX];

	if (ip_parse_prefix(span_of(vip), &ip, &length) < 0)
		return vip;
	return arena_printf(arena, ip.family == AF_INET6 ? "[%s]" : "%s", ip_format(&ip, out));
}

const char *setup_vip_address(const struct setup *setup)
{
	return vip_host(setup->arena, setup->answers[SETUP_VIP][0].right);
}

/* Pools: in the order in which they are first named, by servers or ports. */

struct pools {
	const char *names[ANSWERS_MAX * 3];
	size_t n;
};

static void pools_add(struct pools *pools, const char *name)
{
	for (size_t i = 0; i < pools->n; i++)
		if (strcmp(pools->names[i], name) == 0)
			return;
	pools->names[pools->n++] = name;
}

static const char *pool_of_server(const struct answer *server)
{
	return *server->left ? server->left : "web";
}

/* A port is `PORT` or `PORT=POOL`. */
static const char *port_of(const struct answer *a)
{
	return *a->left ? a->left : a->right;
}

static const char *pool_of_port(const struct setup *setup, const struct answer *a)
{
	if (*a->left)
		return a->right;
	return setup->n[SETUP_SERVER] ? pool_of_server(&setup->answers[SETUP_SERVER][0]) : "web";
}

static void find_pools(const struct setup *setup, struct pools *ret)
{
	ret->n = 0;
	for (size_t i = 0; i < setup->n[SETUP_SERVER]; i++)
		pools_add(ret, pool_of_server(&setup->answers[SETUP_SERVER][i]));
	for (enum setup_question q = SETUP_HTTP; q <= SETUP_TCP; q++)
		for (size_t i = 0; i < setup->n[q]; i++)
			pools_add(ret, pool_of_port(setup, &setup->answers[q][i]));
	if (ret->n == 0)
		pools_add(ret, "web");
}

static size_t count_servers(const struct setup *setup, const char *pool)
{
	size_t n = 0;

	for (size_t i = 0; i < setup->n[SETUP_SERVER]; i++)
		n += strcmp(pool_of_server(&setup->answers[SETUP_SERVER][i]), pool) == 0;
	return n;
}

/* Composing; `judged` puts something in the place of what was not answered yet. */

static bool has_http(const struct setup *setup)
{
	return setup->n[SETUP_HTTP] || setup->n[SETUP_TLS] || !setup->n[SETUP_TCP];
}

/* All bytes that go through the pool are HTTP: a check may ask for a path. */
static bool is_http_pool(const struct setup *setup, const char *pool)
{
	for (size_t i = 0; i < setup->n[SETUP_TCP]; i++)
		if (strcmp(pool_of_port(setup, &setup->answers[SETUP_TCP][i]), pool) == 0)
			return false;
	return true;
}

static void write_cluster(const struct setup *setup, FILE *to)
{
	fprintf(to,
		"cluster %s {\n"
		"  secret_file = %s/" SETUP_SECRET "   # the same on both nodes, mode 0600\n"
		"  interval    = 50ms   # between two heartbeats\n"
		"  dead_after  = 3      # so many are silent before the other node takes over\n"
		"}\n\n",
		single(setup, SETUP_CLUSTER), setup_directory(setup));
}

static void write_nodes(const struct setup *setup, FILE *to, bool judged)
{
	for (size_t i = 0; i < setup->n[SETUP_NODE]; i++) {
		const struct answer *node = &setup->answers[SETUP_NODE][i];
		const char *rest = node->right;

		fprintf(to, "node %s { link = { ", node->left);
		for (;;) {
			struct span one = first_of(rest);

			fprintf(to, "%s%s", rest == node->right ? "" : ", ", link_text(setup->arena, one));
			rest += one.n;
			if (!*rest)
				break;
			rest++;
		}
		fprintf(to, " }  priority = %u }%s\n", i == 0 ? 200U : 100U,
			i == 0 ? "   # UDP and TCP to these ports must be open between the nodes" : "");
	}
	if (judged && setup->n[SETUP_NODE] == 0)
		fputs("node judged { link = { 240.0.0.1:7946 } }\n", to);
	fputs("\n", to);
}

static void write_vips(const struct setup *setup, FILE *to, bool judged)
{
	for (size_t i = 0; i < setup->n[SETUP_VIP]; i++)
		fprintf(to, "vip %s { }%s\n", setup->answers[SETUP_VIP][i].right,
			i == 0 ? "   # goes to the interface that has this subnet; else: interface = NAME"
			       : "");
	if (judged && setup->n[SETUP_VIP] == 0)
		fputs("vip 240.0.0.9/24 { }\n", to);
	fputs("\n", to);
}

static void write_pool(const struct setup *setup, FILE *to, bool judged, const char *pool)
{
	unsigned number = 0;

	fprintf(to, "pool %s {\n  balance = leastconn   # or roundrobin, iphash\n", pool);
	if (is_http_pool(setup, pool) && setup->n[SETUP_CHECK])
		fprintf(to, "  check http { path = %s  interval = 2s }\n", single(setup, SETUP_CHECK));
	else
		fprintf(to, "  check tcp { interval = 2s }%s\n",
			is_http_pool(setup, pool) ? "   # better: check http { path = /health }" : "");
	for (size_t i = 0; i < setup->n[SETUP_SERVER]; i++)
		if (strcmp(pool_of_server(&setup->answers[SETUP_SERVER][i]), pool) == 0)
			fprintf(to, "  server s%u { address = %s }\n", ++number,
				setup->answers[SETUP_SERVER][i].right);
	if (judged && number == 0)
		fputs("  server judged { address = 240.0.0.10:1 }\n", to);
	fputs("}\n\n", to);
}

/* `bind = { VIP:PORT, ... }` for all VIPs. */
static void write_binds(const struct setup *setup, FILE *to, bool judged, const char *port, bool tls)
{
	size_t n = setup->n[SETUP_VIP];

	fputs("  bind = { ", to);
	for (size_t i = 0; i < n; i++) {
		const char *host = vip_host(setup->arena, setup->answers[SETUP_VIP][i].right);

		fprintf(to, "%s%s:%s", i ? ", " : "", host, port);
		if (tls)
			fprintf(to, ", %s:443 tls", host);
	}
	if (judged && n == 0)
		fprintf(to, tls ? "240.0.0.9:%s, 240.0.0.9:443 tls" : "240.0.0.9:%s", port);
	fputs(" }\n", to);
}

static void write_listen(const struct setup *setup, FILE *to, bool judged, bool http, size_t i)
{
	static const struct answer usual = {"", "80"};
	enum setup_question question = http ? SETUP_HTTP : SETUP_TCP;
	const struct answer *a = i < setup->n[question] ? &setup->answers[question][i] : &usual;
	const char *port = port_of(a);
	bool tls = http && i == 0 && setup->n[SETUP_TLS];

	if (http && i == 0)
		fputs("listen public {\n", to);
	else
		fprintf(to, "listen %s-%s {\n", http ? "http" : "tcp", port);
	write_binds(setup, to, judged, port, tls);
	if (tls)
		fprintf(to, "  tls { certificate = { %s } }\n", single(setup, SETUP_TLS));
	if (!http)
		fputs("  mode = tcp\n", to);
	fprintf(to, "  pool = %s%s\n}\n\n", pool_of_port(setup, a),
		http && i == 0 ? "   # others by host or path: route { host = api.example.com  path = /v1/  "
				 "pool = api }"
			       : "");
}

static const char *compose(const struct setup *setup, bool judged)
{
	char *buffer = NULL;
	const char *text;
	size_t n = 0;
	FILE *to = open_memstream(&buffer, &n);
	struct pools pools;

	if (!to)
		abort();
	fputs("# hapair: the same file on both nodes. Every option: hapair help config. After a change: "
	      "hapair check, hapair reload.\n\n",
	      to);
	write_cluster(setup, to);
	write_nodes(setup, to, judged);
	write_vips(setup, to, judged);
	find_pools(setup, &pools);
	for (size_t i = 0; i < pools.n; i++)
		write_pool(setup, to, judged, pools.names[i]);
	for (size_t i = 0; i < setup->n[SETUP_HTTP] || (i == 0 && has_http(setup)); i++)
		write_listen(setup, to, judged, true, i);
	for (size_t i = 0; i < setup->n[SETUP_TCP]; i++)
		write_listen(setup, to, judged, false, i);
	fputs("proxy { user = hapair  access_log = off }   # access_log: off, journal or a file\n"
	      "admin { bind = { 127.0.0.1:9600 } }        # status page and /metrics, read-only\n",
	      to);
	if (fclose(to) != 0)
		abort();
	text = arena_text(setup->arena, (struct span){buffer, n});
	free(buffer);
	return text;
}

const char *setup_text(const struct setup *setup)
{
	return compose(setup, false);
}

/* Judging. */

/* The report's lines without the place, which would be one of a file that nobody sees. */
static const char *mistakes_of(const struct setup *setup, const struct config_report *report)
{
	char *buffer = NULL;
	char *text, *to;
	size_t n = 0;
	FILE *out = open_memstream(&buffer, &n);

	if (!out)
		abort();
	config_report_print(report, out);
	if (fclose(out) != 0)
		abort();
	text = to = arena_alloc(setup->arena, n + 1);
	for (const char *line = buffer; *line;) {
		size_t length = strcspn(line, "\n");
		const char *what = memmem(line, length, ": ", 2);
		const char *from = what ? what + 2 : line;
		size_t keep = (size_t)(line + length - from);

		if (to > text)
			*to++ = '\n';
		memcpy(to, from, keep);
		to += keep;
		line += length + (line[length] == '\n');
	}
	free(buffer);
	return text;
}

static const char *judge(const struct setup *setup)
{
	const char *text = compose(setup, true), *mistakes = NULL;
	struct config_report *report = config_report_new();
	struct config_sources *sources = config_sources_from_text("setup", text, strlen(text));
	struct config *config;

	if (!report || !sources)
		abort();
	config = config_read(sources, report);
	if (!config)
		mistakes = mistakes_of(setup, report);
	config_free(config);
	config_sources_free(sources);
	config_report_free(report);
	return mistakes;
}

/* What would need quotes in the file is refused: no address, name or good path of a file is among it. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text == 0x7f || strchr("{}#\"$\\'", *text))
			return false;
	return true;
}

static const char *form_wrong(const struct setup *setup, enum setup_question question, const struct answer *a)
{
	bool named = question == SETUP_NODE || question == SETUP_SERVER || question == SETUP_HTTP ||
		     question == SETUP_TCP;
	bool good = is_plain(a->left) && is_plain(a->right) && *a->right && !strchr(a->right, '=') &&
		    !strchr(a->left, ',');

	if (!named && *a->left)
		good = false;
	if (question == SETUP_NODE && !*a->left)
		good = false;
	if (question != SETUP_NODE && strchr(a->right, ','))
		good = false;
	if (*a->right == ',' || strstr(a->right, ",,") ||
	    (*a->right && a->right[strlen(a->right) - 1] == ','))
		good = false;
	if (question == SETUP_DIR &&
	    (*a->right != '/' || !a->right[1] || a->right[strlen(a->right) - 1] == '/'))
		good = false;
	return good ? NULL : arena_printf(setup->arena, "%s is wanted", setup_rows[question].form);
}

const char *setup_answer(struct setup *setup, enum setup_question question, const char *answer)
{
	const char *equals = strchr(answer, '='), *why;
	struct answer a = {"", arena_text(setup->arena, span_of(answer))};

	if (setup->n[question] == setup_rows[question].max)
		return arena_printf(setup->arena, "there are %zu already, and no more are possible",
				    setup->n[question]);
	if (equals) {
		a.left = arena_text(setup->arena, (struct span){answer, (size_t)(equals - answer)});
		a.right = arena_text(setup->arena, span_of(equals + 1));
		if (!*a.left)
			return arena_printf(setup->arena, "%s is wanted", setup_rows[question].form);
	}
	why = form_wrong(setup, question, &a);
	if (why)
		return why;
	setup->answers[question][setup->n[question]++] = a;
	why = judge(setup);
	if (why)
		setup->n[question]--;
	return why;
}

const char *setup_missing(const struct setup *setup)
{
	struct pools pools;
	bool http = false;

	for (enum setup_question q = 0; q < SETUP_QUESTIONS; q++)
		if (setup->n[q] < setup_rows[q].min)
			return arena_printf(setup->arena, "--%s %s%s", setup_rows[q].flag, setup_rows[q].form,
					    setup_rows[q].min == 2 ? ", for both nodes" : "");
	find_pools(setup, &pools);
	for (size_t i = 0; i < pools.n; i++) {
		const char *pool = pools.names[i];

		http |= is_http_pool(setup, pool);
		if (count_servers(setup, pool) == 0)
			return arena_printf(setup->arena, "--server %s=ADDRESS:PORT: the pool has none",
					    pool);
	}
	return setup->n[SETUP_CHECK] && !http ? "an --http port: --check asks over HTTP" : NULL;
}
