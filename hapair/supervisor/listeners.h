/*
 * listeners.h: the listening sockets of a node, bound by the supervisor and kept by it.
 *
 * Each bind of a listener has one socket for each worker (SO_REUSEPORT): the kernel spreads connections over
 * them. They are bound on both nodes beforehand, whether the address is there or not (IP_FREEBIND), so a
 * takeover opens nothing. They stay open here: while a proxy that died is started again, clients wait in the
 * queues of the very sockets that the new one gets, so no queue is ever left without a reader. Only where the
 * new one is not there soon are they closed to clients (listeners_pause), who then are refused at once
 * instead of waiting in vain.
 */
#ifndef HAPAIR_LISTENERS_H
#define HAPAIR_LISTENERS_H

#include "hapair/base/config.h"
#include "hapair/config/config.h"

struct listeners;

/*
 * Opens what `config` names; binds whose address `from` (NULL: none) has already keep their sockets. All or
 * nothing: NULL when any could not be opened, each reported with its place. `workers` does not change in a
 * node's life.
 */
struct listeners *listeners_open(const struct config *config, unsigned workers, const struct listeners *from,
				 struct config_report *report);
/* Closes the sockets that no other set shares. */
void listeners_free(struct listeners *listeners);

/* The sockets stay the set's. Indexes as in the configuration that it was opened for. */
int listeners_socket(const struct listeners *listeners, size_t listen, size_t bind, unsigned worker);
int listeners_admin_socket(const struct listeners *listeners, size_t bind);

/* Resets who waits and refuses who comes, until listeners_resume(): 0 or negative errno. */
void listeners_pause(struct listeners *listeners);
int listeners_resume(struct listeners *listeners);

#endif
