/*
 * directories.h: the two directories of a node, made with the right owner and mode, and locked while it runs.
 */
#ifndef HAPAIR_DIRECTORIES_H
#define HAPAIR_DIRECTORIES_H

#include <sys/types.h>

/*
 * Makes `path` with `mode` and its parents with 0755 where they are missing, gives it to `user` when we are root ("": as it is),
 * and locks it: two daemons must not share it. Returns the descriptor that holds the lock (close-on-exec), or negative errno:
 * -EWOULDBLOCK when another process holds it, -ENOENT for an unknown user, -EPERM where everybody can write.
 */
int directory_claim(const char *path, mode_t mode, const char *user);

#endif
