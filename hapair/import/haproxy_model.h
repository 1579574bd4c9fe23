/*
 * haproxy_model.h: a section of HAProxy's configuration as read, before anything is translated. Inside of hapair/import only.
 */
#ifndef HAPAIR_IMPORT_HAPROXY_MODEL_H
#define HAPAIR_IMPORT_HAPROXY_MODEL_H

#include "hapair/import/haproxy_acl.h"
#include "hapair/import/haproxy_words.h"
#include "hapair/import/out.h"

struct haproxy_server {
	struct haproxy_server *next;
	struct import_line line;
	const char *name, *address;
	unsigned weight, max_connections, rise, fall,
		check_port; /* max_connections, check_port 0: not given */
	nanos interval;
	bool checked;
	const char *left_out; /* NULL; else why it is not for hapair */
};

struct haproxy_bind {
	struct haproxy_bind *next;
	struct import_line line;
	const char *addresses; /* with commas */
	bool tls, v6only;
	const char *certificate, *min_version; /* "": not given */
	const char *left_out;
};

struct haproxy_use {
	struct haproxy_use *next;
	struct import_line line;
	const char *backend;
	const char *const *condition; /* NULL: always */
	size_t n_condition;
	const char *wrong;
};

struct haproxy_acl_line {
	struct haproxy_acl_line *next;
	struct import_line line;
	struct acl *acl;
};

enum haproxy_kind { HAPROXY_DEFAULTS = 1, HAPROXY_FRONTEND = 2, HAPROXY_BACKEND = 4, HAPROXY_LISTEN = 8 };

enum haproxy_timeout {
	TIMEOUT_CONNECT,
	TIMEOUT_SERVER,
	TIMEOUT_CLIENT,
	TIMEOUT_REQUEST,
	TIMEOUT_TUNNEL,
	TIMEOUT_CHECK,
	HAPROXY_TIMEOUTS,
};

struct haproxy_proxy {
	struct haproxy_proxy *next;
	enum haproxy_kind kind;
	const char *name;
	struct import_line line;
	/* inherited from defaults */
	bool http;
	const char *balance; /* hapair's word; "": not given */
	nanos timeouts[HAPROXY_TIMEOUTS];
	int retries;
	bool ask_http; /* option httpchk */
	const char *ask_method, *ask_path, *ask_host;
	unsigned ask_expect;
	const char *default_backend;
	struct import_line default_line;
	struct haproxy_server default_server;
	/* its own */
	struct haproxy_server *servers;
	struct haproxy_bind *binds;
	struct haproxy_use *uses;
	struct haproxy_acl_line *acl_lines;
	struct acl *acls;
	struct notes notes;
};

struct haproxy {
	struct arena *arena;
	struct target *target;
	const char *file;
	struct haproxy_proxy *proxies;
	const char *certificates; /* crt-base */
	const char *min_version;
};

/* A line of a defaults, frontend, backend or listen section: NULL, or why it was not translated. */
const char *haproxy_proxy_line(struct haproxy *h, struct haproxy_proxy *p, const struct import_line *line,
			       const struct haproxy_words *w);

/* `server` and `default-server`, `bind`: the words from the first parameter on. What is not taken becomes a note. */
void haproxy_server_parameters(struct haproxy *h, struct haproxy_proxy *p, struct haproxy_server *server,
			       const struct import_line *line, const char *const *words, size_t n);
void haproxy_bind_parameters(struct haproxy *h, struct haproxy_proxy *p, struct haproxy_bind *bind,
			     const struct import_line *line, const char *const *words, size_t n);

/* A time: `10s`, or a number of milliseconds. False: none. */
bool haproxy_time(const char *word, nanos *ret);
bool haproxy_number(const char *word, unsigned max, unsigned *ret);

/* From the sections to the target. */
void haproxy_translate(struct haproxy *h);

#endif
