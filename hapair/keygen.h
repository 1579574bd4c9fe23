/*
 * keygen.h: `hapair keygen FILE`: a fresh secret for a pair, readable by its owner only. The same file goes to both nodes.
 */
#ifndef HAPAIR_KEYGEN_H
#define HAPAIR_KEYGEN_H

#include "hapair/base/invocation.h"

int command_keygen(const struct invocation *invocation, int argc, char **argv);

#endif
