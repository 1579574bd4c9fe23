/*
 * haproxy_parameters.c: the parameters of `server` and `bind`, one row each: how many words follow it, and what becomes of it.
 */
#include "hapair/import/haproxy_model.h"

#include "hapair/config/value.h"

#include <string.h>

enum what {
	NOTE,      /* hapair has nothing like it; the rest of the line counts */
	LEAVE_OUT, /* the line would mean something else without it */
	IGNORE, /* hapair does so anyway, or it is a name only: noted as well, since nothing is dropped in silence */
	TAKE,
};

struct parameter {
	const char *name;
	unsigned words;
	enum what what;
	const char *why;
};

bool haproxy_time(const char *word, nanos *ret)
{
	uint64_t ms;

	if (!config_count_parse(word, &ms) && ms <= INT64_MAX / MS(1)) {
		*ret = (nanos)ms * MS(1);
		return true;
	}
	return config_duration_parse(word, ret) == NULL;
}

bool haproxy_number(const char *word, unsigned max, unsigned *ret)
{
	uint64_t value;

	if (config_count_parse(word, &value) || value > max)
		return false;
	*ret = (unsigned)value;
	return true;
}

static const struct parameter *find(const struct parameter *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

static const char no_tls[] = "hapair talks to servers without TLS";
static const char no_proxy[] = "hapair does not speak the PROXY protocol";

static const struct parameter of_servers[] = {
	{"check", 0, TAKE, NULL},
	{"no-check", 0, TAKE, NULL},
	{"weight", 1, TAKE, NULL},
	{"maxconn", 1, TAKE, NULL},
	{"inter", 1, TAKE, NULL},
	{"rise", 1, TAKE, NULL},
	{"fall", 1, TAKE, NULL},
	{"port", 1, TAKE, NULL},
	{"backup", 0, LEAVE_OUT, "hapair has no spare servers: it would serve beside the others"},
	{"disabled", 0, LEAVE_OUT, "it is disabled: hapair server add, once it is wanted"},
	{"enabled", 0, IGNORE, "so it is without a word"},
	{"ssl", 0, LEAVE_OUT, no_tls},
	{"send-proxy", 0, LEAVE_OUT, no_proxy},
	{"send-proxy-v2", 0, LEAVE_OUT, no_proxy},
	{"send-proxy-v2-ssl", 0, LEAVE_OUT, no_proxy},
	{"verify", 1, IGNORE, no_tls},
	{"ca-file", 1, IGNORE, no_tls},
	{"crt", 1, IGNORE, no_tls},
	{"sni", 1, IGNORE, no_tls},
	{"alpn", 1, IGNORE, no_tls},
	{"proto", 1, LEAVE_OUT, "hapair speaks HTTP/1.1 with servers"},
	{"check-ssl", 0, NOTE, "checks go without TLS"},
	{"check-send-proxy", 0, NOTE, no_proxy},
	{"fastinter", 1, NOTE, "hapair checks at one pace"},
	{"downinter", 1, NOTE, "hapair checks at one pace"},
	{"addr", 1, NOTE, "hapair checks the server's own address"},
	{"agent-check", 0, NOTE, "hapair asks no agents"},
	{"agent-port", 1, NOTE, "hapair asks no agents"},
	{"agent-inter", 1, NOTE, "hapair asks no agents"},
	{"agent-addr", 1, NOTE, "hapair asks no agents"},
	{"cookie", 1, NOTE, "hapair writes no cookies; balance = iphash keeps a client with a server"},
	{"slowstart", 1, NOTE, "hapair gives a server that came back its whole share at once"},
	{"maxqueue", 1, NOTE, "hapair has no queues"},
	{"minconn", 1, NOTE, "hapair has no limit that follows the load"},
	{"observe", 1, NOTE, "hapair judges a server by its checks"},
	{"error-limit", 1, NOTE, "hapair judges a server by its checks"},
	{"on-error", 1, NOTE, "hapair judges a server by its checks"},
	{"on-marked-down", 1, NOTE, "hapair lets the connections of a server that is down end by themselves"},
	{"on-marked-up", 1, NOTE, "hapair keeps the connections where they are"},
	{"resolvers", 1, NOTE, "hapair asks no name servers"},
	{"resolve-prefer", 1, NOTE, "hapair asks no name servers"},
	{"init-addr", 1, NOTE, "hapair asks no name servers"},
	{"track", 1, NOTE, "hapair checks each server itself"},
	{"source", 1, NOTE, "the system chooses the address to connect from"},
	{"id", 1, NOTE, "hapair numbers nothing"},
	{"tfo", 0, NOTE, "hapair has no fast open"},
	{"pool-max-conn", 1, NOTE, "hapair sizes its idle connections itself"},
	{"pool-purge-delay", 1, NOTE, "hapair sizes its idle connections itself"},
	{"max-reuse", 1, NOTE, "hapair sizes its idle connections itself"},
};

static const struct parameter of_binds[] = {
	{"ssl", 0, TAKE, NULL},
	{"crt", 1, TAKE, NULL},
	{"ssl-min-ver", 1, TAKE, NULL},
	{"v6only", 0, TAKE, NULL},
	{"v4v6", 0, TAKE, NULL},
	{"no-sslv3", 0, IGNORE, "hapair begins at TLS 1.2"},
	{"no-tlsv10", 0, IGNORE, "hapair begins at TLS 1.2"},
	{"no-tlsv11", 0, IGNORE, "hapair begins at TLS 1.2"},
	{"transparent", 0, IGNORE, "hapair binds what it does not hold yet in any case"},
	{"accept-proxy", 0, LEAVE_OUT, no_proxy},
	{"accept-netscaler-cip", 1, LEAVE_OUT, no_proxy},
	{"crt-list", 1, LEAVE_OUT, "a listen of hapair has one certificate"},
	{"verify", 1, LEAVE_OUT, "hapair asks clients for no certificate"},
	{"ca-file", 1, LEAVE_OUT, "hapair asks clients for no certificate"},
	{"crl-file", 1, LEAVE_OUT, "hapair asks clients for no certificate"},
	{"interface", 1, LEAVE_OUT, "hapair binds addresses, not interfaces"},
	{"alpn", 1, NOTE, "hapair speaks HTTP/1.1"},
	{"npn", 1, NOTE, "hapair speaks HTTP/1.1"},
	{"proto", 1, NOTE, "hapair speaks HTTP/1.1"},
	{"ciphers", 1, NOTE, "hapair takes the ciphers of OpenSSL"},
	{"ciphersuites", 1, NOTE, "hapair takes the ciphers of OpenSSL"},
	{"curves", 1, NOTE, "hapair takes the curves of OpenSSL"},
	{"ecdhe", 1, NOTE, "hapair takes the curves of OpenSSL"},
	{"ssl-max-ver", 1, NOTE, "hapair has no upper limit"},
	{"strict-sni", 0, NOTE, "a listen of hapair has one certificate"},
	{"allow-0rtt", 0, NOTE, "hapair takes no early data"},
	{"name", 1, NOTE, "a bind of hapair has no name"},
	{"id", 1, NOTE, "hapair numbers nothing"},
	{"maxconn", 1, NOTE, "hapair has no limit of connections here"},
	{"backlog", 1, NOTE, "hapair chooses the backlog"},
	{"defer-accept", 0, NOTE, "hapair accepts at once"},
	{"tfo", 0, NOTE, "hapair has no fast open"},
	{"process", 1, NOTE, "hapair spreads connections over its workers itself"},
	{"thread", 1, NOTE, "hapair spreads connections over its workers itself"},
	{"shards", 1, NOTE, "hapair spreads connections over its workers itself"},
	{"nice", 1, NOTE, "hapair treats binds alike"},
	{"mode", 1, NOTE, "hapair binds no UNIX sockets"},
	{"user", 1, NOTE, "hapair binds no UNIX sockets"},
	{"group", 1, NOTE, "hapair binds no UNIX sockets"},
	{"level", 1, NOTE, "hapair's control socket is root's"},
};

/* Takes one of the parameters of a server; NULL, or why not. */
static const char *take_of_server(struct haproxy_server *s, const char *name, const char *value)
{
	bool good = true;

	if (strcmp(name, "check") == 0)
		s->checked = true;
	else if (strcmp(name, "no-check") == 0)
		s->checked = false;
	else if (strcmp(name, "weight") == 0)
		good = haproxy_number(value, 256, &s->weight);
	else if (strcmp(name, "maxconn") == 0)
		good = haproxy_number(value, 1000000, &s->max_connections);
	else if (strcmp(name, "inter") == 0)
		good = haproxy_time(value, &s->interval);
	else if (strcmp(name, "rise") == 0)
		good = haproxy_number(value, 100, &s->rise) && s->rise > 0;
	else if (strcmp(name, "fall") == 0)
		good = haproxy_number(value, 100, &s->fall) && s->fall > 0;
	else if (strcmp(name, "port") == 0)
		good = haproxy_number(value, 65535, &s->check_port);
	return good ? NULL : "no value that hapair has";
}

static const char *take_of_bind(struct haproxy *h, struct haproxy_bind *b, const char *name,
				const char *value)
{
	if (strcmp(name, "ssl") == 0) {
		b->tls = true;
	} else if (strcmp(name, "v6only") == 0) {
		b->v6only = true;
	} else if (strcmp(name, "crt") == 0) {
		if (*b->certificate)
			return "a listen of hapair has one certificate, the first";
		if (value[0] && value[strlen(value) - 1] == '/')
			return "a directory; a listen of hapair has one certificate";
		b->certificate = *value == '/' || !*h->certificates
					 ? value
					 : arena_printf(h->arena, "%s/%s", h->certificates, value);
		if (*b->certificate != '/') {
			b->certificate = "";
			return "hapair wants a file name that begins with /";
		}
	} else if (strcmp(name, "ssl-min-ver") == 0) {
		if (strcmp(value, "TLSv1.2") == 0 || strcmp(value, "TLSv1.3") == 0)
			b->min_version = value + 4;
		else
			return "hapair begins at TLS 1.2";
	}
	return NULL;
}

void haproxy_server_parameters(struct haproxy *h, struct haproxy_proxy *p, struct haproxy_server *server,
			       const struct import_line *line, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n;) {
		const struct parameter *row =
			find(of_servers, sizeof of_servers / sizeof *of_servers, words[i]);
		const char *why;

		if (!row || i + row->words >= n) {
			note_add(&p->notes, h->arena, line, "from %s on it was not read", words[i]);
			return;
		}
		why = row->what == TAKE ? take_of_server(server, words[i], words[i + row->words]) : row->why;
		if (row->what == LEAVE_OUT)
			server->left_out = why;
		else if (why)
			note_add(&p->notes, h->arena, line, "%s: %s", words[i], why);
		i += 1 + row->words;
	}
}

void haproxy_bind_parameters(struct haproxy *h, struct haproxy_proxy *p, struct haproxy_bind *bind,
			     const struct import_line *line, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n;) {
		const struct parameter *row = find(of_binds, sizeof of_binds / sizeof *of_binds, words[i]);
		const char *why;

		if (!row || i + row->words >= n) {
			note_add(&p->notes, h->arena, line, "from %s on it was not read", words[i]);
			return;
		}
		why = row->what == TAKE ? take_of_bind(h, bind, words[i], words[i + row->words]) : row->why;
		if (row->what == LEAVE_OUT)
			bind->left_out = why;
		else if (why)
			note_add(&p->notes, h->arena, line, "%s: %s", words[i], why);
		i += 1 + row->words;
	}
}
