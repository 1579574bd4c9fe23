/*
 * haproxy_proxy.c: the lines of defaults, frontend, backend and listen, by a table of keywords.
 */
#include "hapair/import/haproxy_model.h"

#include "hapair/config/value.h"

#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	int timeout; /* -1: hapair has none */
	const char *why;
} timeouts[] = {
	{"connect", TIMEOUT_CONNECT, NULL},
	{"server", TIMEOUT_SERVER, NULL},
	{"client", TIMEOUT_CLIENT, NULL},
	{"http-request", TIMEOUT_REQUEST, NULL},
	{"tunnel", TIMEOUT_TUNNEL, NULL},
	{"check", TIMEOUT_CHECK, NULL},
	{"http-keep-alive", -1, "idle_timeout is for both, what timeout client says"},
	{"queue", -1, "hapair has no queues"},
	{"client-fin", -1, "hapair gives both directions of a tunnel the same time"},
	{"server-fin", -1, "hapair gives both directions of a tunnel the same time"},
	{"tarpit", -1, "hapair has no tarpit"},
};

static const char *read_timeout(struct haproxy_proxy *p, const struct haproxy_words *w)
{
	nanos value;

	if (w->n < 3)
		return "it has no value";
	for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
		if (strcmp(timeouts[i].name, w->all[1]) != 0)
			continue;
		if (timeouts[i].timeout < 0)
			return timeouts[i].why;
		if (timeouts[i].timeout == TIMEOUT_TUNNEL && p->kind == HAPROXY_BACKEND)
			return "hapair has tunnel_timeout in the listen";
		if (!haproxy_time(w->all[2], &value))
			return "no time";
		if (value == 0)
			return "hapair always has one; its default holds";
		p->timeouts[timeouts[i].timeout] = value;
		return NULL;
	}
	return "hapair has no such timeout";
}

static const char *read_balance(struct haproxy_proxy *p, const struct haproxy_words *w)
{
	static const struct {
		const char *name, *ours, *why;
	} known[] = {
		{"roundrobin", "roundrobin", NULL},
		{"static-rr", "roundrobin", "roundrobin is the nearest: it goes by the weights all the same"},
		{"leastconn", "leastconn", NULL},
		{"source", "iphash",
		 "iphash keeps a client with a server too, though not with the one that HAProxy chose"},
	};

	for (size_t i = 0; w->n > 1 && i < sizeof known / sizeof *known; i++)
		if (strcmp(w->all[1], known[i].name) == 0) {
			p->balance = known[i].ours;
			return known[i].why;
		}
	p->balance = "roundrobin";
	return "hapair has roundrobin, leastconn and iphash; roundrobin holds here";
}

/* `option httpchk [METHOD] [PATH] [VERSION]`, the version perhaps with `\r\nHost: x` behind it. */
static const char *read_httpchk(struct haproxy_proxy *p, const struct haproxy_words *w, struct arena *arena)
{
	size_t paths = w->n > 3 ? 3 : 2; /* one word alone is the path */
	const char *host;

	p->ask_http = true;
	p->ask_method = w->n > 3 ? w->all[2] : "OPTIONS";
	p->ask_path = w->n > paths ? w->all[paths] : "/";
	p->ask_host = "";
	p->ask_expect = 0;
	host = w->n > 4 ? strcasestr(w->all[4], "\nhost:") : NULL;
	if (host) {
		host += 6 + strspn(host + 6, " ");
		p->ask_host = arena_text(arena, (struct span){host, strcspn(host, "\r\n ")});
	}
	if (config_path_wrong(p->ask_path)) {
		p->ask_path = "/";
		return "hapair cannot ask for this; it asks for /";
	}
	return strcmp(p->ask_method, "GET") == 0 ? NULL : "hapair asks with GET";
}

static const char *read_check_send(struct haproxy_proxy *p, const struct haproxy_words *w)
{
	const char *why = NULL;

	for (size_t i = 2; i < w->n; i++) {
		const char *value = i + 1 < w->n ? w->all[i + 1] : "";

		if (strcmp(w->all[i], "meth") == 0) {
			p->ask_method = value;
			if (strcmp(value, "GET") != 0)
				why = "hapair asks with GET";
			i++;
		} else if (strcmp(w->all[i], "uri") == 0 && !config_path_wrong(value)) {
			p->ask_path = value;
			i++;
		} else if (strcmp(w->all[i], "ver") == 0) {
			i++;
		} else if (strcmp(w->all[i], "hdr") == 0 && strcasecmp(value, "host") == 0 && i + 2 < w->n) {
			p->ask_host = w->all[i + 2];
			i += 2;
		} else {
			return "only method, path and the Host field were translated";
		}
	}
	return why;
}

static const char *read_check(struct haproxy_proxy *p, const struct haproxy_words *w)
{
	if (w->n > 2 && strcmp(w->all[1], "send") == 0)
		return read_check_send(p, w);
	if (w->n == 4 && strcmp(w->all[1], "expect") == 0 && strcmp(w->all[2], "status") == 0 &&
	    haproxy_number(w->all[3], 599, &p->ask_expect) && p->ask_expect >= 100)
		return NULL;
	p->ask_expect = p->ask_expect >= 100 ? p->ask_expect : 0;
	return "hapair expects one status";
}

static const struct {
	const char *name, *why;
} options[] = {
	{"forwardfor", "hapair always tells the server X-Forwarded-For and X-Forwarded-Proto"},
	{"httplog", "access lines: proxy { access_log = journal } or a file"},
	{"tcplog", "access lines: proxy { access_log = journal } or a file"},
	{"dontlognull", "access lines: proxy { access_log = journal } or a file"},
	{"dontlog-normal", "access lines: proxy { access_log = journal } or a file"},
	{"http-server-close", "hapair keeps connections to clients and servers open, as far as they do"},
	{"http-keep-alive", "hapair keeps connections to clients and servers open in any case"},
	{"httpclose", "hapair keeps connections to clients and servers open, as far as they do"},
	{"redispatch", "hapair always tries another server"},
	{"abortonclose", "a request whose client has gone ends in any case"},
	{"tcp-check", "check tcp: that it takes connections"},
	{"ssl-hello-chk", "hapair checks that it takes connections"},
	{"mysql-check", "hapair checks that it takes connections"},
	{"pgsql-check", "hapair checks that it takes connections"},
	{"redis-check", "hapair checks that it takes connections"},
	{"ldap-check", "hapair checks that it takes connections"},
	{"smtpchk", "hapair checks that it takes connections"},
	{"tcpka", "hapair has timeouts instead"},
	{"clitcpka", "hapair has timeouts instead"},
	{"srvtcpka", "hapair has timeouts instead"},
};

static const char *read_option(struct haproxy_proxy *p, const struct haproxy_words *w, struct arena *arena)
{
	if (w->n > 1 && strcmp(w->all[1], "httpchk") == 0)
		return read_httpchk(p, w, arena);
	for (size_t i = 0; w->n > 1 && i < sizeof options / sizeof *options; i++)
		if (strcmp(w->all[1], options[i].name) == 0) {
			if (strstr(options[i].name, "chk") || strstr(options[i].name, "check"))
				p->ask_http = false;
			return options[i].why;
		}
	return "hapair has no such option";
}

/* Lists keep the order of the file. */
#define APPEND(list, entry)                                                                                  \
	do {                                                                                                 \
		__typeof__(list) *at_ = &(list);                                                             \
		while (*at_)                                                                                 \
			at_ = &(*at_)->next;                                                                 \
		*at_ = (entry);                                                                              \
	} while (0)

static const char *read_server(struct haproxy *h, struct haproxy_proxy *p, const struct import_line *line,
			       const struct haproxy_words *w)
{
	struct haproxy_server *server = arena_alloc(h->arena, sizeof *server);

	if (w->n < 3)
		return "it has no address";
	*server = p->default_server;
	server->next = NULL;
	server->line = *line;
	server->name = w->all[1];
	server->address = w->all[2];
	haproxy_server_parameters(h, p, server, line, w->all + 3, w->n - 3);
	APPEND(p->servers, server);
	return NULL;
}

static const char *read_bind(struct haproxy *h, struct haproxy_proxy *p, const struct import_line *line,
			     const struct haproxy_words *w)
{
	struct haproxy_bind *bind = arena_alloc(h->arena, sizeof *bind);

	if (w->n < 2)
		return "it has no address";
	*bind = (struct haproxy_bind){
		.line = *line, .addresses = w->all[1], .certificate = "", .min_version = h->min_version};
	haproxy_bind_parameters(h, p, bind, line, w->all + 2, w->n - 2);
	APPEND(p->binds, bind);
	return NULL;
}

static const char *read_acl(struct haproxy *h, struct haproxy_proxy *p, const struct import_line *line,
			    const struct haproxy_words *w)
{
	struct acl *acl = arena_alloc(h->arena, sizeof *acl);
	struct haproxy_acl_line *acl_line = arena_alloc(h->arena, sizeof *acl_line);

	if (w->n < 3)
		return "it compares nothing";
	acl->name = w->all[1];
	acl_read(acl, w->all + 2, w->n - 2, h->arena);
	*acl_line = (struct haproxy_acl_line){NULL, *line, acl};
	APPEND(p->acls, acl);
	APPEND(p->acl_lines, acl_line);
	return NULL;
}

static const char *read_use(struct haproxy *h, struct haproxy_proxy *p, const struct import_line *line,
			    const struct haproxy_words *w)
{
	struct haproxy_use *use = arena_alloc(h->arena, sizeof *use);
	const char **condition = ARENA_ARRAY(h->arena, const char *, w->n);

	if (w->n < 2)
		return "it has no backend";
	*use = (struct haproxy_use){.line = *line, .backend = w->all[1]};
	if (strchr(use->backend, '%'))
		use->wrong = "hapair does not compute names of pools; write a route for each";
	else if (w->n > 2 && strcmp(w->all[2], "if") != 0)
		use->wrong = "a route cannot say what must not match";
	if (w->n > 2) {
		memcpy(condition, w->all + 3, (w->n - 3) * sizeof *condition);
		use->condition = condition;
		use->n_condition = w->n - 3;
	}
	APPEND(p->uses, use);
	return NULL;
}

static const char *read_mode(struct haproxy_proxy *p, const struct haproxy_words *w)
{
	p->http = w->n > 1 && strcmp(w->all[1], "http") == 0;
	return p->http || (w->n > 1 && strcmp(w->all[1], "tcp") == 0) ? NULL : "hapair has http and tcp";
}

static const char *read_retries(struct haproxy_proxy *p, const struct haproxy_words *w)
{
	unsigned n;

	if (w->n < 2 || !haproxy_number(w->all[1], 1000, &n))
		return "no number";
	p->retries = (int)n;
	return n > 10 ? "10 are the most" : NULL;
}

#define IN_FRONT (HAPROXY_FRONTEND | HAPROXY_LISTEN)
#define IN_BACK  (HAPROXY_BACKEND | HAPROXY_LISTEN)

/* What hapair does not have, and what to do instead. */
static const struct {
	const char *keyword, *why;
} foreign[] = {
	{"log", "access lines: proxy { access_log = journal } or a file"},
	{"log-format", "hapair has one format of access lines"},
	{"unique-id-format", "hapair numbers no requests"},
	{"maxconn", "hapair has no limit of connections here"},
	{"fullconn", "hapair has no limit of connections here"},
	{"backlog", "hapair chooses the backlog"},
	{"errorfile", "hapair answers with words of its own"},
	{"errorfiles", "hapair answers with words of its own"},
	{"stats", "hapair has a page of its own: admin { bind = ... }"},
	{"monitor-uri", "hapair answers at admin.bind: /healthz, /active"},
	{"stick-table", "hapair keeps no tables; balance = iphash keeps a client with a server"},
	{"stick", "hapair keeps no tables; balance = iphash keeps a client with a server"},
	{"cookie", "hapair writes no cookies; balance = iphash keeps a client with a server"},
	{"appsession", "hapair writes no cookies; balance = iphash keeps a client with a server"},
	{"hash-type", "iphash has one way to hash, a consistent one"},
	{"http-request", "hapair changes and refuses no requests"},
	{"http-response", "hapair changes no responses"},
	{"http-after-response", "hapair changes no responses"},
	{"tcp-request", "hapair looks at no rules before it takes a connection"},
	{"tcp-response", "hapair looks at no rules for responses"},
	{"tcp-check", "hapair checks that it takes connections"},
	{"redirect", "hapair redirects nobody"},
	{"reqadd", "hapair changes no requests"},
	{"rspadd", "hapair changes no responses"},
	{"compression", "hapair compresses nothing"},
	{"filter", "hapair has no filters"},
	{"capture", "hapair logs no header fields"},
	{"use-server", "hapair chooses the server by balance"},
	{"server-template", "hapair asks no name servers; write the servers"},
	{"dispatch", "hapair has pools of servers only"},
	{"email-alert", "hapair runs programs: notify { server_down = ... }"},
	{"description", "hapair keeps no descriptions"},
	{"id", "hapair numbers nothing"},
	{"disabled", "hapair has no blocks that are off"},
	{"bind-process", "hapair spreads connections over its workers itself"},
	{"source", "the system chooses the address to connect from"},
	{"http-reuse", "hapair always shares idle connections to servers"},
};

const char *haproxy_proxy_line(struct haproxy *h, struct haproxy_proxy *p, const struct import_line *line,
			       const struct haproxy_words *w)
{
	const char *keyword = w->all[0];
	unsigned in = p->kind;

	if (strcmp(keyword, "mode") == 0)
		return read_mode(p, w);
	if (strcmp(keyword, "timeout") == 0)
		return read_timeout(p, w);
	if (strcmp(keyword, "balance") == 0)
		return read_balance(p, w);
	if (strcmp(keyword, "option") == 0)
		return read_option(p, w, h->arena);
	if (strcmp(keyword, "http-check") == 0)
		return read_check(p, w);
	if (strcmp(keyword, "retries") == 0)
		return read_retries(p, w);
	if (strcmp(keyword, "default-server") == 0) {
		haproxy_server_parameters(h, p, &p->default_server, line, w->all + 1, w->n - 1);
		return NULL;
	}
	if (strcmp(keyword, "default_backend") == 0 && w->n > 1) {
		p->default_backend = w->all[1];
		p->default_line = *line;
		return NULL;
	}
	if (strcmp(keyword, "server") == 0 && in & IN_BACK)
		return read_server(h, p, line, w);
	if (strcmp(keyword, "bind") == 0 && in & IN_FRONT)
		return read_bind(h, p, line, w);
	if (strcmp(keyword, "acl") == 0 && in != HAPROXY_DEFAULTS)
		return read_acl(h, p, line, w);
	if (strcmp(keyword, "use_backend") == 0 && in & IN_FRONT)
		return read_use(h, p, line, w);
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
		if (strcmp(foreign[i].keyword, keyword) == 0)
			return foreign[i].why;
	return strcmp(keyword, "no") == 0 ? "hapair has nothing like it to turn off"
					  : "hapair has nothing like it";
}
