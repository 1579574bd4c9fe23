/*
 * haproxy_acl.h: conditions of HAProxy (manual 7) as sets of host and path, which is all that a route of hapair knows.
 */
#ifndef HAPAIR_IMPORT_HAPROXY_ACL_H
#define HAPAIR_IMPORT_HAPROXY_ACL_H

#include "hapair/import/routes.h"

/* Matches a request if one of them does. */
struct match_set {
	struct match *all;
	size_t n;
};

/* Lines of the same name are alternatives. */
struct acl {
	struct acl *next;
	const char *name;
	struct match_set set;
	const char *wrong;   /* NULL; else why it has no such set */
	const char *differs; /* NULL; else in what hapair compares otherwise */
	bool used;
};

/* What follows the name on an acl line, or what stands in { }. Sets set, wrong and differs of `acl`. */
void acl_read(struct acl *acl, const char *const *words, size_t n, struct arena *arena);

/*
 * What follows `if`: names, `{ ... }`, `||`, `or`, `!`. NULL and the set, or why not. Marks the acls that it has used;
 * *ret_differs is set where an anonymous one differs.
 */
const char *condition_read(struct acl *acls, const char *const *words, size_t n, struct arena *arena,
			   struct match_set *ret, const char **ret_differs);

#endif
