/*
 * vip_drain.c: the part of vip/ that makes a planned switchover invisible: steering (drain.h) and the fence's exception for
 * connections, in the right order.
 *
 *      giver    prepare (remembers)          give: steer and close the fence but for connections        undrain
 *      taker    prepare, fence lets pass     claim: steer, then open the fence                         undrain
 *               what the giver passes on
 */
#include "hapair/base/log.h"
#include "vip/vip_state.h"

#include <errno.h>
#include <string.h>

#define TAKER_WAITS                                                                                          \
	SECONDS(10) /* for a peer that does not give after all, if nobody is left to put it back */

static void wishes_to(const struct vips *vips, struct ip *ret)
{
	for (size_t i = 0; i < vips->n; i++)
		ret[i] = vips->ones[i].wish.ip;
}

/* `macs` NULL: not known. */
static void make_handover(const struct vips *vips, const uint8_t macs[][VIP_MAC], struct handover_plan *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < vips->n_ports; i++) {
		struct handover_device *device = &ret->devices[ret->n_devices++];
		const struct watch_link *link = &vips->ports[i].link;

		device->index = link->index;
		memcpy(device->name, link->name, sizeof(device->name));
		memcpy(device->own, link->mac, sizeof(device->own));
		for (size_t v = vips->n; macs && v--;)
			if (vips->ones[v].port == i)
				memcpy(device->peer, macs[v], sizeof(device->peer));
	}
	wishes_to(vips, ret->vips);
	ret->n_vips = vips->n;
	ret->timeout = vips->timeout;
}

void vip_drain_begin(struct vips *vips, bool warm)
{
	struct handover_plan plan;
	int error;

	if (!vips->drain)
		return;
	make_handover(vips, NULL, &plan);
	if (warm && drain_adopt(vips->drain, &plan, DRAIN_HOLD) == 0)
		return;
	error = drain_clean(vips->drain, plan.vips, plan.n_vips);
	if (error)
		log_warning("what an earlier drain left could not be put back: %s", strerror(-error));
}

static int put_fence(struct vips *vips, void (*also)(struct nft *batch, void *ctx))
{
	nanos left = vips->flows_until - clock_now();

	if (left < fence_shortest(vips->fence))
		return also ? -ERANGE : 0;
	return fence_connections(vips->fence, left, vips->flows_begin, also, vips->drain);
}

int vip_drain_fence(struct vips *vips)
{
	return !vips->held && vips->fence && vips->plan.n_devices ? put_fence(vips, NULL) : 0;
}

static void allow_connections(struct vips *vips, nanos time, bool begin)
{
	nanos until = clock_now() + time;

	vips->flows_until = until > vips->flows_until ? until : vips->flows_until;
	vips->flows_begin = begin;
}

bool vip_can_drain(const struct vips *vips)
{
	return vips->drain && vips->fence && vips->n_ports && vips->usable;
}

void vip_macs(const struct vips *vips, uint8_t ret[VIPS_MAX][VIP_MAC])
{
	memset(ret, 0, VIPS_MAX * VIP_MAC);
	for (size_t i = 0; i < vips->n; i++)
		if (vips->ones[i].wish.interface[0])
			memcpy(ret[i], vips->ports[vips->ones[i].port].link.mac, VIP_MAC);
}

int vip_prepare(struct vips *vips, bool giving, const uint8_t macs[][VIP_MAC], nanos timeout,
		const char **ret_why)
{
	uint8_t heard[VIPS_MAX][VIP_MAC] = {0};
	size_t port[VIPS_MAX] = {0};
	struct handover_plan plan;

	*ret_why = "nftables is refused on this machine";
	if (!vip_can_drain(vips))
		return -EOPNOTSUPP;
	vips->timeout = timeout;
	make_handover(vips, macs, &plan);
	plan.giving = giving;
	for (size_t i = 0; i < vips->n; i++) {
		port[i] = vips->ones[i].port;
		if (vips->ones[i].conflict.count)
			memcpy(heard[i], vips->ones[i].conflict.mac, VIP_MAC);
	}
	*ret_why = handover_refusal(&plan, heard, port);
	if (*ret_why)
		return -EOPNOTSUPP;
	vip_reset_stop(vips);
	drain_prepare(vips->drain, &plan);
	return 0;
}

void vip_drain_read(struct vips *vips)
{
	int error;

	if (!vips->drain)
		return;
	if (drain_prepared(vips->drain, &error)) {
		if (!error && !vips->held) {
			allow_connections(vips, TAKER_WAITS, true);
			error = vip_drain_fence(vips);
		}
		vips->handler->on_prepared(vips->ctx, error);
	}
	if (drain_mode(vips->drain) == DRAIN_PEER && drain_left(vips->drain) >= 0)
		vips->handler->on_left(vips->ctx, drain_left(vips->drain));
}

int vip_give(struct vips *vips)
{
	int error = -ENOENT;

	/* In one transaction: from here on connections begin at the peer, and nobody here answers for the VIP. */
	if (vips->drain && drain_mode(vips->drain) != DRAIN_OFF) {
		allow_connections(vips, vips->timeout, false);
		error = put_fence(vips, drain_put_given);
	}
	if (!error) {
		drain_given(vips->drain);
		vips->held = false;
		vips->until = 0;
		announce_stop(&vips->schedule);
		address_keep(vips->book, 0);
	}
	if (error) {
		vip_close(vips);
		vip_reset(vips);
		vip_release(vips);
		vip_undrain(vips);
		return error;
	}
	vip_release(vips);
	drain_count(vips->drain, true);
	return 0;
}

void vip_undrain(struct vips *vips)
{
	if (!vips->drain)
		return;
	drain_count(vips->drain, false);
	/* What was still being served ends, and its clients hear of it. */
	if (!vips->held && drain_mode(vips->drain) != DRAIN_OFF)
		vip_reset_now(vips);
	vips->flows_until = 0;
	if (!vips->held && vips->fence)
		fence_close(vips->fence);
	drain_undo(vips->drain);
}

long vip_left(const struct vips *vips)
{
	return vips->drain ? drain_left(vips->drain) : -1;
}
