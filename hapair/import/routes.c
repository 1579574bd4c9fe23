/*
 * routes.c: all overlaps of two rules, and for each the rule that has it. The overlap of any number of rules is that of two
 * of them (the closest host and the longest path), so when these points are right every request is.
 */
#include "hapair/import/routes.h"

#include <string.h>

static bool is_wild(const char *host)
{
	return host[0] == '*';
}

/* Hosts: `a` has all of `b`. "" > *.com > *.example.com > www.example.com; *.example.com has not example.com itself. */
static bool host_covers(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);

	if (!*a)
		return true;
	if (!is_wild(a))
		return strcmp(a, b) == 0;
	return nb >= na && strcmp(b + nb - (na - 1), a + 1) == 0;
}

static bool path_covers(const char *a, const char *b)
{
	return strncmp(a, b, strlen(a)) == 0;
}

bool match_covers(const struct match *a, const struct match *b)
{
	return host_covers(a->host, b->host) && path_covers(a->path, b->path);
}

bool match_overlap(const struct match *a, const struct match *b, struct match *ret)
{
	bool host_a = host_covers(b->host, a->host), path_a = path_covers(b->path, a->path);

	if ((!host_a && !host_covers(a->host, b->host)) || (!path_a && !path_covers(a->path, b->path)))
		return false;
	ret->host = host_a ? a->host : b->host;
	ret->path = path_a ? a->path : b->path;
	return true;
}

static const struct rule *first_rule(const struct rule *rules, size_t n, const struct match *point)
{
	for (size_t i = 0; i < n; i++)
		if (match_covers(&rules[i].match, point))
			return &rules[i];
	return NULL;
}

/* As proxy/route.c chooses: of those that have the point, the closest host, then the longest path. */
static const struct rule *closest(const struct routes *r, const struct match *point)
{
	const struct rule *best = NULL;

	for (size_t i = 0; i < r->n; i++) {
		const struct rule *rule = &r->all[i].rule;

		if (!match_covers(&rule->match, point))
			continue;
		if (!best || (host_covers(best->match.host, rule->match.host) &&
			      (!host_covers(rule->match.host, best->match.host) ||
			       strlen(rule->match.path) > strlen(best->match.path))))
			best = rule;
	}
	return best;
}

static void add(struct routes *r, struct arena *arena, struct match match, const char *pool, bool derived)
{
	if ((r->n & (r->n - 1)) == 0) { /* full: 0, 1, 2, 4, ... */
		struct routed *more = ARENA_ARRAY(arena, struct routed, r->n ? 2 * r->n : 1);

		if (r->n)
			memcpy(more, r->all, r->n * sizeof *more);
		r->all = more;
	}
	r->all[r->n++] = (struct routed){{match, pool}, derived};
}

static bool mend(struct routes *r, struct arena *arena, const struct rule *rules, size_t n,
		 const struct match *point)
{
	const struct rule *wanted = first_rule(rules, n, point), *got = closest(r, point);

	if (!wanted || (got && strcmp(got->pool, wanted->pool) == 0))
		return false;
	if (r->n == ROUTES_MAX) {
		r->too_many = true;
		return false;
	}
	add(r, arena, *point, wanted->pool, true);
	return true;
}

struct routes routes_of(const struct rule *rules, size_t n, struct arena *arena)
{
	struct routes r = {0};
	struct rule *reached = ARENA_ARRAY(arena, struct rule, n);
	bool changed = true;
	size_t kept = 0;

	r.too_many = n > RULES_MAX;
	for (size_t i = 0; i < n && r.n < ROUTES_MAX; i++)
		if (!first_rule(reached, kept, &rules[i].match)) {
			reached[kept++] = rules[i];
			add(&r, arena, rules[i].match, rules[i].pool, false);
		}
	/* A route for one point may change the winner at another: on until all are right. Each round adds one at least. */
	while (changed && !r.too_many) {
		changed = false;
		for (size_t i = 0; i < kept; i++)
			for (size_t j = 0; j < i; j++) {
				struct match point;

				if (match_overlap(&reached[i].match, &reached[j].match, &point))
					changed |= mend(&r, arena, reached, kept, &point);
			}
	}
	return r;
}
