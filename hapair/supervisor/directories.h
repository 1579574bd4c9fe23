/*
 * directories.h: the two directories of a node, made with the right owner and mode, and locked while it runs.
 */
#ifndef HAPAIR_DIRECTORIES_H
#define HAPAIR_DIRECTORIES_H

#include <sys/types.h>

#define DIRECTORY_LOCK                                                                                       \
	".lock" /* 0600: who can only read the directory must not be able to hold it against us */

struct directory {
	int fd;   /* of the directory; -1: not claimed */
	int lock; /* of DIRECTORY_LOCK in it */
};

/*
 * Makes `path` with `mode` and its parents with 0755 where they are missing, gives it to `user` when we are root ("": as it is),
 * and locks it: two daemons must not share it. 0, or negative errno with nothing claimed:
 * -EWOULDBLOCK when another process holds it, -ENOENT for an unknown user, -EPERM where everybody can write, -ENOTEMPTY where the
 * owner would change and what lies there is not a node's.
 */
int directory_claim(const char *path, mode_t mode, const char *user, struct directory *ret);

/* Unlocks it and leaves no lock behind. A directory that is not claimed stays as it is. */
void directory_release(struct directory *directory);

#endif
