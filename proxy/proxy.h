/*
 * proxy.h: the role "proxy": one process of worker threads, without privileges, the same on both nodes.
 *
 * From the supervisor it gets, for each generation, every listening socket (LISTENER) and certificate (CERTIFICATE) and then
 * CONFIG; it closes what it had before. To heartbeat it says how fit it is, to admin what there is to be seen, to the runner that a
 * server went down or came up.
 */
#ifndef HAPAIR_PROXY_PROXY_H
#define HAPAIR_PROXY_PROXY_H

#include "hapair/base/role.h"

extern const struct role_ops proxy_role;

#endif
