/*
 * fence.h: authority that expires in the kernel.
 *
 * One nftables table of the netdev family per node, `hapair_NODE`, with an ingress and an egress chain on
 * every interface that carries a VIP. While the set `open` has no live element the chains drop
 *
 *   in    ARP requests for a VIP (announcements pass, they ask nothing), neighbour solicitations for a VIP, IP to a VIP
 *   out   ARP that says that a VIP is here, neighbour advertisements of a VIP, IP from a VIP
 *
 * and let everything else go, so a closed node can still probe for a holder (RFC 5227 probes carry no sender,
 * RFC 4862 solicitations come from ::) and can itself be a client of the VIP. The elements of `open` are
 * interface indexes with a timeout of milliseconds: kill, freeze or starve the daemon and the node goes mute
 * by itself. The table has no owner flag, it outlives the daemon. VLAN-tagged frames are looked at on the
 * VLAN's own interface only.
 *
 * No function waits for anything but the kernel's own nftables commit lock. All return 0 or negative errno.
 * Durations are cut to the kernel's clock tick, so a fence ends up to two ticks (8 ms at 250 Hz) early and
 * never late. Sources: netfilter's linux/netfilter/nf_tables.h, nft(8), RFC 826, RFC 4861.
 */
#ifndef HAPAIR_VIP_FENCE_H
#define HAPAIR_VIP_FENCE_H

#include "hapair/base/addr.h"
#include "hapair/base/clock.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#define FENCE_DEVICES_MAX 16
#define FENCE_VIPS_MAX    16

struct fence_device {
	unsigned index;
	char name[IF_NAMESIZE];
};

/* What is fenced, and where. */
struct fence_plan {
	struct fence_device devices[FENCE_DEVICES_MAX];
	size_t n_devices;
	struct ip vips[FENCE_VIPS_MAX];
	size_t n_vips;
};

struct fence;

/* Opens the channel to nftables; touches nothing yet. Needs CAP_NET_ADMIN from here on. */
int fence_new(const char *node, struct fence **ret);
/* Closes the channel; the table stays as it is. */
void fence_free(struct fence *fence);

/*
 * Is the table of an earlier life there and does it fence exactly this plan? Then it is used as it is, open
 * or closed, and 0 is returned; -ENOENT otherwise.
 */
int fence_adopt(struct fence *fence, const struct fence_plan *plan);

/*
 * Puts the table in force in one transaction, in place of whatever table of that name there was; there is no
 * moment without a fence. Closed if `left` is too short to be granted (0), else open for that long.
 */
int fence_install(struct fence *fence, const struct fence_plan *plan, nanos left);

/* The shortest duration that the kernel can express; less than this must not be granted. */
nanos fence_shortest(const struct fence *fence);

/* Opens it, whatever it was, for `left`. -ERANGE: too short. -ESTALE: the table is gone, install it again. */
int fence_open(struct fence *fence, nanos left);

/*
 * Prolongs it. -ENOENT: it had lapsed, and stays closed; nothing but a claim may open it again. -ERANGE: too
 * short, it ends as it would have. -ESTALE: somebody removed the table (`nft flush ruleset`), so nothing is
 * fenced at this moment.
 */
int fence_renew(struct fence *fence, nanos left);

/*
 * Closed, but for TCP from and to the VIPs, for `left`: nothing is answered that asks for a VIP (ARP, neighbour discovery). A node
 * that drains has `begins` false: no connection begins either. `also`, unless NULL, adds to the same batch what has to happen in the
 * same instant. -ERANGE, -ESTALE as above.
 */
struct nft;
int fence_connections(struct fence *fence, nanos left, bool begins,
		      void (*also)(struct nft *batch, void *ctx), void *ctx);

/* Closes it now, for connections too. -ESTALE as above. */
int fence_close(struct fence *fence);

/* Removes the table; then nothing is fenced. 0 also when there was none. */
int fence_remove(struct fence *fence);

#endif
