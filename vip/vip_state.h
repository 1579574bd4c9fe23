/*
 * vip_state.h: the VIPs of this node as data, for vip.c, vip_drain.c and vip_loss.c only.
 */
#ifndef HAPAIR_VIP_VIP_STATE_H
#define HAPAIR_VIP_VIP_STATE_H

#include "vip/address.h"
#include "vip/announce.h"
#include "vip/conflict.h"
#include "vip/destroy.h"
#include "vip/drain.h"
#include "vip/fence.h"
#include "vip/port.h"
#include "vip/vip.h"
#include "vip/watch.h"

struct one {
	struct vip_wish wish; /* interface filled in; "" when no interface has the subnet */
	size_t port;
	struct conflict conflict;
};

struct vips {
	const struct vip_handler *handler;
	void *ctx;
	struct fence *fence; /* NULL: refused */
	struct drain *drain; /* NULL: no switchover without a broken connection */
	nanos flows_until;   /* of the fence's exception for connections; 0: none */
	bool flows_begin;    /* it lets connections begin too */
	nanos timeout;       /* of the drain that is prepared */
	struct destroy *destroy; /* NULL: refused */
	nanos resetting;         /* when to go on with it; 0: nothing is left */
	bool release_later;      /* the addresses, when it has ended */
	int raw4, raw6;          /* for tickles; negative: refused */
	uint32_t tickles;        /* sequence number of the newest */
	struct address_book *book;
	struct watch *watch;
	int epoll_fd;

	struct one ones[VIPS_MAX];
	size_t n;
	struct port ports[VIPS_MAX];
	size_t n_ports;
	struct fence_plan plan; /* in force */

	bool held;
	nanos until;   /* of the fence, while held */
	nanos claimed; /* when, while held */
	struct announce_schedule schedule;
	nanos probed; /* the first probe of the newest wait; 0: the peer is to be met, or nothing was asked */
	nanos last_probe;
	bool set;     /* vip_set() was called */
	bool changed; /* interfaces or addresses are not what they were: look again at the end of vip_read() */
	bool usable;
	const char *why;
	int told_error; /* of addresses */
	nanos told_at;
	/* While listing for a VIP without interface. */
	struct watch_link links[64];
	size_t n_links;
};

/* Drops what an earlier life left of a switchover, or goes on with it (`warm`). */
void vip_drain_begin(struct vips *vips, bool warm);
/* Puts the fence's exception for connections in force again, after an installation. */
int vip_drain_fence(struct vips *vips);
/* What the drain's thread has to say. */
void vip_drain_read(struct vips *vips);

/* vip_loss.c: opens what needs capabilities; closes it; goes on with the resets, when it is time to. */
void vip_loss_open(struct vips *vips);
void vip_loss_close(struct vips *vips);
void vip_loss_turn(struct vips *vips, nanos now);
/* Connections may live here again: those that are left are. */
void vip_reset_stop(struct vips *vips);
/* As vip_reset(), and much of it before it returns: where the addresses or the fence's exception end then. */
void vip_reset_now(struct vips *vips);

#endif
