/* keepalived_vrrp.h: a vrrp_instance into the pair of a target. Pure but for the arena. */
#ifndef HAPAIR_IMPORT_KEEPALIVED_VRRP_H
#define HAPAIR_IMPORT_KEEPALIVED_VRRP_H

#include "hapair/import/keepalived_tree.h"

/* The first instance says who the nodes are; what a later one says otherwise is a note. */
void keepalived_instance(struct target *target, const struct keepalived_item *instance,
			 const char *node_name);

/* A note for the item and for each one in it. */
void keepalived_note_all(struct target *target, struct notes *notes, const struct keepalived_item *item,
			 const char *why);

#endif
