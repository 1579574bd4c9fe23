/*
 * vip.h: all VIPs of this node as one thing that it holds or does not hold: the rooms of this folder, put together.
 *
 * The caller owns the decision and the clock of it; nothing here claims, renews or gives up by itself. One lease counts
 * for all VIPs. Order within a claim: addresses, fence open, announcements. vip_close() alone makes the node mute, at once;
 * vip_release() then takes the addresses away.
 *
 * Where nftables is refused there is no fence (vip_fenced() is false): the addresses are the only guard and answer up to
 * VIP_LINGERS after the end of a lease if this process is frozen or dead. The peer has to wait so much longer.
 *
 * Not reentrant: handlers must not call back into this room. Functions return 0 or negative errno.
 */
#ifndef HAPAIR_VIP_VIP_H
#define HAPAIR_VIP_VIP_H

#include "hapair/base/addr.h"
#include "hapair/base/clock.h"
#include "hapair/base/flow.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIPS_MAX    16
#define VIP_MAC     6
#define VIP_LINGERS SECONDS(2) /* lifetime of an address, and one second more for the kernel's sweep */

struct vip_wish {
	struct ip ip;
	uint8_t prefix_len;
	char interface[IF_NAMESIZE]; /* "": the one that has another address in that subnet */
};

enum vip_event {
	VIP_LINK_UP,          /* subject: interface */
	VIP_LINK_DOWN,        /* subject: interface; text: why */
	VIP_ADDRESS_RESTORED, /* subject: VIP; somebody had removed it */
	VIP_ADDRESS_FAILED,   /* subject: VIP or ""; it is not on its interface; text: why */
	VIP_FENCE_RESTORED,   /* somebody had removed the table */
	VIP_FENCE_FAILED,     /* text: why */
	VIP_FOREIGN_HOLDER,   /* subject: VIP; text: MAC of another machine that says that it holds it */
};

struct vip_handler {
	void (*on_event)(void *ctx, enum vip_event event, const char *subject, const char *text);
	/* The VIPs can (not) be held here: an interface is missing, down or without carrier. `why` is static. */
	void (*on_usable)(void *ctx, bool usable, const char *why);
	/* What vip_prepare() began is done: 0, or negative errno and everything is as it was. */
	void (*on_prepared)(void *ctx, int error);
	/* So many connections are left of a VIP that was given. */
	void (*on_left)(void *ctx, long left);
};

struct vips;

/* Opens what needs CAP_NET_ADMIN; changes nothing yet. */
int vip_new(const char *node, const struct vip_handler *handler, void *ctx, struct vips **ret);

/* Ends the thread, closes everything; the fence stays, closed or open, addresses run out. */
void vip_free(struct vips *vips);

/*
 * Which VIPs these are; also at a reload, while held. The first call: with `keep` (a warm restart in a lease that ends at
 * `until`) the fence and the addresses of the earlier life go on if they fit, and vip_held() says whether they do; otherwise
 * what it left is removed. In force afterwards: the fence, closed unless held.
 */
int vip_set(struct vips *vips, const struct vip_wish *wishes, size_t n, bool keep, nanos until);

/* Starts the thread that renews addresses; after sandbox_enter(). */
int vip_run(struct vips *vips);

/* Readable when vip_read() has something to do. */
int vip_fd(const struct vips *vips);
void vip_read(struct vips *vips, nanos now);

/* When vip_turn() has something to do (announcements); NANOS_NEVER for nothing. Called more often, each interval, it sees a lost
 * carrier before the kernel tells of it. */
nanos vip_due(const struct vips *vips);
void vip_turn(struct vips *vips, nanos now);

/* Holds the VIPs until `until`: whatever was there, closed or open. */
int vip_claim(struct vips *vips, nanos until);

/* Another end for what is held, later or sooner. -ENOENT: it had lapsed; then it is closed and stays so. */
int vip_extend(struct vips *vips, nanos until);

/*
 * After vip_close(), before vip_release(), where nobody serves this node's connections on: they end, with a reset to their clients, in the
 * turns that follow; the addresses go when that is done. A claim or a preparation stops it. Without a fence the addresses are gone, and no
 * reset leaves.
 */
void vip_reset(struct vips *vips);

/*
 * After a claim: connections that the node before had and that are lost. Each client is made to ask for its own, and is
 * answered by a reset. Only of VIPs that are held. A few microseconds each, never waits; what does not leave is not repeated. Returns
 * how many left.
 */
size_t vip_tickle(struct vips *vips, const struct flow *flows, size_t n);

/* No answer from here from now on. */
int vip_close(struct vips *vips);

/* Addresses off: with a fence soon, without one before it returns. */
void vip_release(struct vips *vips);

/* Addresses off before it returns, and the fence's table too: nothing is left. */
void vip_leave_nothing(struct vips *vips);

/* Announces again from the beginning of the schedule, if held. */
void vip_announce(struct vips *vips, nanos now);

/* Nobody should hold a VIP now, nor does this node: asks whether somebody does. Answers are told at a claim within seconds. */
void vip_probe(struct vips *vips, nanos now);

/* The peer holds them, or is about to: asks, so that it is known by its MAC and is no news later. */
void vip_meet(struct vips *vips);

/*
 * A switchover that breaks nothing, vip/DESIGN.md. Both nodes prepare: the one that is `giving`, and the one that will hold. `macs`
 * are the peer's, one for each VIP in its order. 0: begun, on_prepared() follows; else *ret_why is a static text, and a plain
 * release is all that can be done. Once the node that will hold is prepared, it serves connections that the peer passes on.
 */
int vip_prepare(struct vips *vips, bool giving, const uint8_t macs[][VIP_MAC], nanos timeout,
		const char **ret_why);
/*
 * In place of vip_close() and vip_release(): no connection begins here from now on and nobody is told that the VIP is here, but
 * those that are there are served, for the timeout at most. Negative errno: it was closed and released instead.
 */
int vip_give(struct vips *vips);
/* The switchover is over, or is not going to be: everything that was prepared is put back; connections end where not held. */
void vip_undrain(struct vips *vips);
/* Connections left of a VIP that was given; -1: not known. */
long vip_left(const struct vips *vips);
/* The MACs to tell the peer, zero where there is none. */
void vip_macs(const struct vips *vips, uint8_t ret[VIPS_MAX][VIP_MAC]);
/* There is a fence and a steering table can be made. */
bool vip_can_drain(const struct vips *vips);

bool vip_fenced(const struct vips *vips);
bool vip_held(const struct vips *vips);
bool vip_usable(const struct vips *vips, const char **ret_why);

/* For status: the i-th wish with its interface; false past the end. */
bool vip_describe(const struct vips *vips, size_t i, struct vip_wish *ret);

#endif
