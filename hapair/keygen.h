/*
 * keygen.h: `hapair keygen FILE`: a fresh secret for a pair, readable by its owner only. The same file goes to both nodes.
 */
#ifndef HAPAIR_KEYGEN_H
#define HAPAIR_KEYGEN_H

#include "hapair/base/invocation.h"

/* A new file with mode 0600, on the disk when this returns; -EEXIST where there is one. */
int keygen_write(const char *path);

int command_keygen(const struct invocation *invocation, int argc, char **argv);

#endif
