/*
 * drain.h: the steering of frames during a planned switchover, so that no connection breaks.
 *
 * A table of the netdev family, `hapair_NODE_drain`, before the fence, on the interfaces of the VIPs. It remembers in `mine4` and
 * `mine6` which connections end at this node, and in what state it is (drain_steer()) says what becomes of a frame to a VIP:
 *
 *                         DRAIN_ALL   DRAIN_HOLD                    DRAIN_PEER
 *   begins (SYN)          remember    remember, here                to the peer
 *   remembered            here        here                          here
 *   came from the peer    here        here                          here (a SYN is remembered)
 *   other TCP             here        to the peer                   to the peer
 *   other                 here        here                          to the peer
 *
 * "To the peer": the peer's MAC as destination, the own as source, out again where it came in (`fwd`); no routing, no marks, no
 * connection tracking. What came from the peer is never sent back, so nothing can go round.
 *
 * What may wait for RTNL or for a long list is done by a thread; drain_steer() is one batch in the caller's thread. Whatever was
 * changed on the machine is written in the table's own comment (handover.h), so that drain_clean() puts it back after any death.
 * Functions return 0 or negative errno. Not reentrant.
 */
#ifndef HAPAIR_VIP_DRAIN_H
#define HAPAIR_VIP_DRAIN_H

#include "vip/handover.h"

enum drain_mode {
	DRAIN_OFF,
	DRAIN_ALL,  /* about to give: only remembers */
	DRAIN_HOLD, /* holds, while the peer has connections of its own */
	DRAIN_PEER  /* the peer holds: gave the VIP and serves what it has, or is about to take it */
};

struct drain;

/* Opens the channels to the kernel. Needs CAP_NET_ADMIN from here on. */
int drain_new(const char *node, struct drain **ret);
/* Starts the thread; after sandbox_enter(). */
int drain_start(struct drain *drain);
/* Ends the thread; what is installed stays. */
void drain_free(struct drain *drain);

/* Puts back, here and now, whatever this or an earlier life changed. May wait. */
int drain_clean(struct drain *drain, const struct ip *vips, size_t n);

/*
 * A table that an earlier life left goes on, in that mode, until drain_undo() or a new drain_prepare(). -ENOENT: there is none.
 */
int drain_adopt(struct drain *drain, const struct handover_plan *plan, enum drain_mode mode);

/*
 * In the thread: table, addresses on lo, settings of the interfaces, and every connection that is there remembered; drain_fd()
 * becomes readable when that is done, or was undone because something failed. Again while it is in force: the peer's MACs and the
 * times are those of the new plan, what is remembered stays.
 */
void drain_prepare(struct drain *drain, const struct handover_plan *plan);
int drain_fd(const struct drain *drain);
/* True once after each drain_prepare(): *ret_error 0 or negative errno. Call it when drain_fd() is readable. */
bool drain_prepared(struct drain *drain, int *ret_error);

/* Another mode, now. -ENOENT: nothing is prepared. */
int drain_steer(struct drain *drain, enum drain_mode mode);
/* The same for DRAIN_PEER, as a part of somebody else's batch (fence_connections()); drain_given() when it was committed. */
struct nft;
void drain_put_given(struct nft *batch, void *drain);
void drain_given(struct drain *drain);
enum drain_mode drain_mode(const struct drain *drain);

/* In the thread: everything is put back. Costs nothing when there is nothing. */
void drain_undo(struct drain *drain);

/* Counts the connections of the VIPs ten times a second, while `on`; drain_fd() becomes readable when the number changes. */
void drain_count(struct drain *drain, bool on);
/* The newest count; -1: not counted yet. */
long drain_left(const struct drain *drain);

#endif
