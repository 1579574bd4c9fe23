/*
 * ask.h: how the heart's witness is asked: a gateway by this process itself (vip/gateway.h), etcd by admin, in messages.
 */
#ifndef HAPAIR_HEARTBEAT_ASK_H
#define HAPAIR_HEARTBEAT_ASK_H

#include "hapair/base/role.h"
#include "heartbeat/heart.h"
#include "vip/gateway.h"

/* Zero-initialised: there is no witness. */
struct ask {
	struct gateway *gateway; /* NULL: another kind, or none */
	nanos probed;            /* the heartbeat that the newest probe followed */
	bool etcd;
	nanos told; /* the question that admin knows */
};

/* The witness of `config`; also at a reload. 0 or negative errno. */
int ask_open(struct ask *ask, const struct config *config);

/* -1: there is nothing to wait for. */
int ask_fd(const struct ask *ask);

/* What was answered; before a turn. */
void ask_read(struct ask *ask, struct heart *heart);
void ask_take(struct ask *ask, struct heart *heart, const struct msg_witness *m);

/* Probes when it is time, tells admin what is wanted; after each turn, whose heartbeats have been sent. */
void ask_on(struct ask *ask, const struct heart *heart, struct ipc *admin, nanos now);

#endif
