/* haproxy_acl.c: a table of what is compared, the values, and the algebra of `and` and `or` over sets. */
#include "hapair/import/haproxy_acl.h"

#include "hapair/config/value.h"

#include <string.h>
#include <strings.h>

#define SET_MAX 1024

static const char too_many[] = "there are more hosts and paths than an import reads";

enum compared { HOST_IS, HOST_ENDS, HOST_DOMAIN, PATH_BEGINS, BASE_BEGINS };

static const struct {
	const char *fetch, *match; /* `match`: what -m says; "": the one that comes with the fetch */
	enum compared compared;
} criteria[] = {
	{"hdr(host)", "", HOST_IS},       {"hdr(host)", "str", HOST_IS},
	{"hdr(host)", "end", HOST_ENDS},  {"hdr(host)", "dom", HOST_DOMAIN},
	{"hdr_end(host)", "", HOST_ENDS}, {"hdr_dom(host)", "", HOST_DOMAIN},
	{"path", "beg", PATH_BEGINS},     {"path_beg", "", PATH_BEGINS},
	{"base", "beg", BASE_BEGINS},     {"base_beg", "", BASE_BEGINS},
};

/* `req.hdr(Host),lower` is `hdr(host)`: the same to hapair, which compares hosts without case. */
static const char *plain_fetch(const char *fetch, struct arena *arena)
{
	char *text;
	size_t n;

	if (strncasecmp(fetch, "req.", 4) == 0)
		fetch += 4;
	n = strlen(fetch);
	if (n > 6 && strcasecmp(fetch + n - 6, ",lower") == 0)
		n -= 6;
	text = arena_text(arena, (struct span){fetch, n});
	for (char *c = text; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c |= 0x20;
	return text;
}

static void set_add(struct match_set *set, struct arena *arena, const char *host, const char *path)
{
	if (set->n == SET_MAX)
		return;
	if ((set->n & (set->n - 1)) == 0) { /* full: 0, 1, 2, 4, ... */
		struct match *more = ARENA_ARRAY(arena, struct match, set->n ? 2 * set->n : 1);

		if (set->n)
			memcpy(more, set->all, set->n * sizeof *more);
		set->all = more;
	}
	set->all[set->n++] = (struct match){host, path};
}

static const char *lower(struct arena *arena, const char *text)
{
	char *copy = arena_text(arena, span_of(text));

	for (char *c = copy; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c |= 0x20;
	return copy;
}

static const char *add_host(struct match_set *set, struct arena *arena, const char *host, const char *path,
			    bool itself, bool below)
{
	const char *why = config_host_wrong(host, 0);

	if (why)
		return why;
	host = lower(arena, host);
	if (itself)
		set_add(set, arena, host, path);
	if (below)
		set_add(set, arena, arena_printf(arena, "*.%s", host), path);
	return NULL;
}

static const char *add_value(struct acl *acl, struct arena *arena, enum compared compared, const char *value)
{
	const char *slash = strchr(value, '/'), *why;

	switch (compared) {
	case HOST_IS:
		return add_host(&acl->set, arena, value, "", true, false);
	case HOST_ENDS:
		if (*value != '.')
			return "it compares ends, which need not begin at a dot; a route has *.DOMAIN";
		return add_host(&acl->set, arena, value + 1, "", false, true);
	case HOST_DOMAIN:
		acl->differs = "here the domain ends the host; HAProxy finds it anywhere between dots";
		return add_host(&acl->set, arena, value, "", true, true);
	case PATH_BEGINS:
		why = config_prefix_wrong(value);
		if (!why)
			set_add(&acl->set, arena, "", value);
		return why;
	case BASE_BEGINS:
		if (!slash || slash == value)
			return "HOST/PATH is wanted: a route has a whole host";
		why = config_prefix_wrong(slash);
		return why ? why
			   : add_host(&acl->set, arena,
				      arena_text(arena, (struct span){value, (size_t)(slash - value)}), slash,
				      true, false);
	}
	return NULL;
}

void acl_read(struct acl *acl, const char *const *words, size_t n, struct arena *arena)
{
	const char *match = "", *fetch;
	size_t i = 1, row = 0;
	bool no_case = false;

	if (n == 0) {
		acl->wrong = "it compares nothing";
		return;
	}
	fetch = plain_fetch(words[0], arena);
	for (; i < n && words[i][0] == '-'; i++) {
		if (strcmp(words[i], "--") == 0) {
			i++;
			break;
		} else if (strcmp(words[i], "-i") == 0) {
			no_case = true;
		} else if (strcmp(words[i], "-m") == 0 && i + 1 < n) {
			match = words[++i];
		} else {
			acl->wrong = arena_printf(arena, "%s is not read", words[i]);
			return;
		}
	}
	while (row < sizeof criteria / sizeof *criteria &&
	       (strcmp(criteria[row].fetch, fetch) != 0 || strcmp(criteria[row].match, match) != 0))
		row++;
	if (row == sizeof criteria / sizeof *criteria) {
		acl->wrong = "routes know the host and the beginning of the path only";
		return;
	}
	if (i == n)
		acl->wrong = "it has no value";
	for (; i < n && !acl->wrong; i++)
		acl->wrong = add_value(acl, arena, criteria[row].compared, words[i]);
	if (no_case && (criteria[row].compared == PATH_BEGINS || criteria[row].compared == BASE_BEGINS))
		acl->differs = "hapair compares paths with case";
	if (acl->set.n == SET_MAX && !acl->wrong)
		acl->wrong = too_many;
}

/* Conditions. */

static void set_join(struct match_set *set, struct arena *arena, const struct match_set *more)
{
	for (size_t i = 0; i < more->n; i++)
		set_add(set, arena, more->all[i].host, more->all[i].path);
}

static struct match_set set_meet(struct arena *arena, const struct match_set *a, const struct match_set *b)
{
	struct match_set both = {0};
	struct match m;

	for (size_t i = 0; i < a->n; i++)
		for (size_t j = 0; j < b->n; j++)
			if (match_overlap(&a->all[i], &b->all[j], &m))
				set_add(&both, arena, m.host, m.path);
	return both;
}

/* All lines of the name together; NULL, or why not. */
static const char *find_acl(struct acl *acls, const char *name, struct arena *arena, struct match_set *ret)
{
	bool found = false;

	*ret = (struct match_set){0};
	if (strcmp(name, "TRUE") == 0) {
		set_add(ret, arena, "", "");
		return NULL;
	}
	for (struct acl *acl = acls; acl; acl = acl->next) {
		if (strcmp(acl->name, name) != 0)
			continue;
		found = true;
		acl->used = true;
		if (acl->wrong)
			return arena_printf(arena, "it needs acl %s, which could not be translated", name);
		set_join(ret, arena, &acl->set);
	}
	return found ? NULL : arena_printf(arena, "there is no acl %s that could be translated", name);
}

/* One name or `{ ... }`; *at moves behind it. */
static const char *read_term(struct acl *acls, const char *const *words, size_t n, size_t *at,
			     struct arena *arena, struct match_set *ret, const char **ret_differs)
{
	size_t from = *at + 1;
	struct acl anonymous = {0};

	if (words[*at][0] == '!')
		return "a route cannot say what must not match";
	if (strcmp(words[*at], "{") != 0)
		return find_acl(acls, words[(*at)++], arena, ret);
	while (++*at < n && strcmp(words[*at], "}") != 0)
		;
	if (*at == n)
		return "the } is missing";
	acl_read(&anonymous, words + from, *at - from, arena);
	++*at;
	*ret = anonymous.set;
	if (anonymous.differs)
		*ret_differs = anonymous.differs;
	return anonymous.wrong ? anonymous.wrong : NULL;
}

const char *condition_read(struct acl *acls, const char *const *words, size_t n, struct arena *arena,
			   struct match_set *ret, const char **ret_differs)
{
	struct match_set whole = {0}, term, part = {0};
	bool begun = false;

	for (size_t i = 0; i < n;) {
		const char *why;

		if (strcmp(words[i], "||") == 0 || strcasecmp(words[i], "or") == 0) {
			if (!begun)
				return "nothing stands before the or";
			set_join(&whole, arena, &part);
			begun = false;
			i++;
			continue;
		}
		why = read_term(acls, words, n, &i, arena, &term, ret_differs);
		if (why)
			return why;
		part = begun ? set_meet(arena, &part, &term) : term;
		begun = true;
		if (part.n == SET_MAX || term.n == SET_MAX)
			return too_many;
	}
	if (!begun)
		return "the condition is not complete";
	set_join(&whole, arena, &part);
	if (whole.n == SET_MAX)
		return too_many;
	*ret = whole;
	return NULL;
}
