/* haproxy.c: the file's sections, one line after the other, and what stands in global. */
#include "hapair/import/haproxy.h"

#include "hapair/import/haproxy_model.h"

#include <string.h>

/* Where the reader is: in a proxy, in global, or in a section that hapair does not have. */
struct place {
	struct haproxy_proxy *proxy;
	bool global;
	const char *foreign;
};

static const struct {
	const char *keyword, *why;
} globals[] = {
	{"daemon", "systemd starts it"},
	{"chroot", "the proxy's sandbox is its own"},
	{"pidfile", "systemd knows the process"},
	{"user", "proxy { user = hapair }"},
	{"group", "proxy { user = hapair }"},
	{"uid", "proxy { user = hapair }"},
	{"gid", "proxy { user = hapair }"},
	{"log", "access lines: proxy { access_log = journal } or a file"},
	{"maxconn", "hapair takes as many connections as it may open files"},
	{"ulimit-n", "the limit of files is the unit's, LimitNOFILE"},
	{"stats", "hapair status, and admin { bind = ... }"},
	{"nbproc", "threads: proxy { workers = N }"},
	{"cpu-map", "the system places the workers"},
	{"ca-base", "hapair asks nobody for certificates"},
	{"ssl-default-bind-ciphers", "hapair takes the ciphers of OpenSSL"},
	{"ssl-default-bind-ciphersuites", "hapair takes the ciphers of OpenSSL"},
	{"ssl-default-server-ciphers", "hapair talks to servers without TLS"},
	{"ssl-default-server-ciphersuites", "hapair talks to servers without TLS"},
	{"ssl-default-server-options", "hapair talks to servers without TLS"},
	{"ssl-dh-param-file", "hapair takes the groups of OpenSSL"},
	{"tune.ssl.default-dh-param", "hapair takes the groups of OpenSSL"},
	{"spread-checks", "hapair spreads checks in any case"},
};

static const char *read_bind_options(struct haproxy *h, const struct haproxy_words *w)
{
	const char *why = NULL;

	for (size_t i = 1; i < w->n; i++) {
		const char *value = i + 1 < w->n ? w->all[i + 1] : "";

		if (strcmp(w->all[i], "ssl-min-ver") == 0) {
			if (strcmp(value, "TLSv1.2") == 0 || strcmp(value, "TLSv1.3") == 0)
				h->min_version = value + 4;
			else
				why = "hapair begins at TLS 1.2";
			i++;
		} else {
			why = "of these only ssl-min-ver was read; hapair begins at TLS 1.2";
		}
	}
	return why;
}

static const char *read_global(struct haproxy *h, const struct haproxy_words *w)
{
	const char *keyword = w->all[0];

	if (strcmp(keyword, "nbthread") == 0)
		return w->n > 1 && haproxy_number(w->all[1], 256, &h->target->workers)
			       ? NULL
			       : "no number up to 256";
	if (strcmp(keyword, "crt-base") == 0 && w->n > 1) {
		h->certificates = w->all[1];
		return NULL;
	}
	if (strcmp(keyword, "ssl-default-bind-options") == 0)
		return read_bind_options(h, w);
	for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
		if (strcmp(globals[i].keyword, keyword) == 0)
			return globals[i].why;
	return "hapair has nothing like it";
}

/* The defaults that a new section begins with: those named, else the last. */
static const struct haproxy_proxy *find_defaults(const struct haproxy *h, const char *name)
{
	const struct haproxy_proxy *found = NULL;

	for (const struct haproxy_proxy *p = h->proxies; p; p = p->next)
		if (p->kind == HAPROXY_DEFAULTS && (!name || strcmp(p->name, name) == 0))
			found = p;
	return found;
}

static struct haproxy_proxy *new_proxy(struct haproxy *h, enum haproxy_kind kind,
				       const struct import_line *line, const struct haproxy_words *w)
{
	struct haproxy_proxy *p = arena_alloc(h->arena, sizeof *p), **to = &h->proxies;
	size_t n = w->n;
	const char *from = NULL;
	const struct haproxy_proxy *defaults;

	if (n > 2 && strcmp(w->all[n - 2], "from") == 0) {
		from = w->all[n - 1];
		n -= 2;
	}
	*p = (struct haproxy_proxy){
		.balance = "", .retries = -1, .ask_host = "", .ask_path = "/", .default_backend = ""};
	p->default_server =
		(struct haproxy_server){.weight = 1, .rise = 2, .fall = 3, .interval = SECONDS(2)};
	for (size_t i = 0; i < HAPROXY_TIMEOUTS; i++)
		p->timeouts[i] = -1;
	/* A new `defaults` begins from nothing unless it says from which; all others from the last. */
	defaults = kind != HAPROXY_DEFAULTS || from ? find_defaults(h, from) : NULL;
	if (defaults)
		*p = *defaults;
	p->next = NULL;
	p->notes = (struct notes){0};
	p->kind = kind;
	p->name = n > 1 ? w->all[1] : "";
	p->line = *line;
	if (from && !defaults)
		note_add(&p->notes, h->arena, line, "there is no defaults %s before it", from);
	while (*to)
		to = &(*to)->next;
	return *to = p;
}

static bool read_section(struct haproxy *h, struct place *place, const struct import_line *line,
			 const struct haproxy_words *w)
{
	static const struct {
		const char *name;
		enum haproxy_kind kind;
	} ours[] = {{"defaults", HAPROXY_DEFAULTS},
		    {"frontend", HAPROXY_FRONTEND},
		    {"backend", HAPROXY_BACKEND},
		    {"listen", HAPROXY_LISTEN}};
	static const char *const foreign[] = {"peers",       "resolvers",   "userlist", "mailers",
					      "cache",       "program",     "ring",     "fcgi-app",
					      "http-errors", "log-forward", "crt-store"};

	if (strcmp(w->all[0], "global") == 0) {
		*place = (struct place){.global = true};
		return true;
	}
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (strcmp(w->all[0], ours[i].name) == 0) {
			*place = (struct place){.proxy = new_proxy(h, ours[i].kind, line, w)};
			return true;
		}
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
		if (strcmp(w->all[0], foreign[i]) == 0) {
			*place = (struct place){.foreign = foreign[i]};
			note_add(&h->target->left_out, h->arena, line, "hapair has no such section");
			return true;
		}
	return false;
}

static void read_line(struct haproxy *h, struct place *place, const struct import_line *line,
		      const struct haproxy_words *w)
{
	struct notes *notes = place->proxy ? &place->proxy->notes : &h->target->general;
	const char *why = w->wrong;

	if (why) {
		note_add(notes, h->arena, line, "%s", why);
		return;
	}
	if (w->n == 0 || read_section(h, place, line, w))
		return;
	if (w->all[0][0] == '.')
		why = "hapair has no conditions in its file; every branch was read";
	else if (place->proxy)
		why = haproxy_proxy_line(h, place->proxy, line, w);
	else if (place->global)
		why = read_global(h, w);
	else
		why = place->foreign ? "its section has no counterpart" : "it stands in no section";
	if (why)
		note_add(place->foreign ? &h->target->left_out : notes, h->arena, line, "%s", why);
}

void haproxy_import(struct target *target, const char *file, struct span text)
{
	struct haproxy h = {.arena = target->arena,
			    .target = target,
			    .file = arena_text(target->arena, span_of(file)),
			    .certificates = "",
			    .min_version = ""};
	struct place place = {0};
	unsigned number = 0;

	while (text.n) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n;
		struct haproxy_words w;
		struct import_line line = {h.file, ++number, NULL};

		haproxy_words_of((struct span){text.p, n}, h.arena, &w);
		line.text = strlen(w.text) <= IMPORT_TEXT_MAX
				    ? w.text
				    : arena_text(h.arena, (struct span){w.text, IMPORT_TEXT_MAX});
		read_line(&h, &place, &line, &w);
		text.p += n + (end != NULL);
		text.n -= n + (end != NULL);
	}
	haproxy_translate(&h);
}
