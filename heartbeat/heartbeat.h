/*
 * heartbeat.h: the role `heartbeat`: speaks to the peer on every link, decides by the heart (core.h), and holds the VIPs
 * through the rooms of vip/.
 *
 * It needs, before BEGIN: CONFIG, SECRET (descriptor: the text of the secret file) and MEMORY (descriptor: at least
 * sizeof(struct memory), the same for every life of the role under one supervisor). It tells proxy, admin and runner MSG_STATE
 * on every change and on every new channel; admin MSG_PAIR and MSG_VIP every 250 ms. It expects MSG_FITNESS from the proxy on
 * every new channel and on every change; a channel that closes counts as FITNESS_DEAD at once.
 *
 * Reload: VIPs, keys, interval, dead_after, start_wait, preempt and priority change in place; what a reload must not change
 * (cluster, nodes, links) the supervisor refuses.
 */
#ifndef HAPAIR_HEARTBEAT_HEARTBEAT_H
#define HAPAIR_HEARTBEAT_HEARTBEAT_H

#include "hapair/base/role.h"

extern const struct role_ops heartbeat_role;

#endif
