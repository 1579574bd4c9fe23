/*
 * keepalived.h: reads a configuration of keepalived (2.2) into a target: vrrp_instance becomes the pair and its VIPs,
 * virtual_server a pool and a listen of mode tcp. Every line that it does not translate becomes a note. Pure but for the arena.
 */
#ifndef HAPAIR_IMPORT_KEEPALIVED_H
#define HAPAIR_IMPORT_KEEPALIVED_H

#include "hapair/base/span.h"
#include "hapair/import/out.h"

/* `file` is how notes call it, `host` the name of the machine whose file this is, for want of a router_id. */
void keepalived_import(struct target *target, const char *file, struct span text, const char *host);

#endif
