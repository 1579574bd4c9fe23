/*
 * vip_loss.c: the part of vip/ that tells clients of connections that are lost: those of this node, which has to let go of the VIPs,
 * by a reset (destroy.h), those of the other node, which is gone, by a packet that makes them ask (tickle.h).
 */
#include "hapair/base/log.h"
#include "vip/tickle.h"
#include "vip/vip_state.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE     MS(10) /* where it has to be now */
#define SLICE       MS(2)  /* in the turns that follow */
#define SLICE_EVERY MS(5)
#define TICKLE_STEP 0x9e3779b1 /* far from the last, and not the same for a long time */

static int open_raw(int family)
{
	return socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
}

void vip_loss_open(struct vips *vips)
{
	int error = destroy_new(&vips->destroy);

	if (error)
		log_warning("clients of a lost VIP can't be told: %s", strerror(-error));
	vips->raw4 = open_raw(AF_INET);
	vips->raw6 = open_raw(AF_INET6);
	if (vips->raw4 < 0 && vips->raw6 < 0)
		log_warning("clients of a lost peer can't be told: %s", strerror(errno));
}

void vip_loss_close(struct vips *vips)
{
	destroy_free(vips->destroy);
	if (vips->raw4 >= 0)
		close(vips->raw4);
	if (vips->raw6 >= 0)
		close(vips->raw6);
}

/* --- own connections --- */

static void begin(struct vips *vips)
{
	struct ip ips[VIPS_MAX];

	for (size_t i = 0; i < vips->n; i++)
		ips[i] = vips->ones[i].wish.ip;
	destroy_begin(vips->destroy, ips, vips->n);
	vips->resetting = clock_now();
}

static void ended(struct vips *vips)
{
	vips->resetting = 0;
	if (vips->release_later)
		address_release(vips->book);
	vips->release_later = false;
	if (destroy_count(vips->destroy))
		log_info("%zu connections of the VIP ended", destroy_count(vips->destroy));
}

static void go_on(struct vips *vips, nanos now, nanos until)
{
	if (destroy_go_on(vips->destroy, until))
		vips->resetting = now + SLICE_EVERY;
	else
		ended(vips);
}

void vip_reset(struct vips *vips)
{
	if (vips->destroy)
		begin(vips);
}

void vip_reset_now(struct vips *vips)
{
	nanos now = clock_now();

	if (!vips->destroy)
		return;
	if (!vips->resetting)
		begin(vips);
	go_on(vips, now, now + AT_ONCE);
}

void vip_reset_stop(struct vips *vips)
{
	if (!vips->resetting)
		return;
	destroy_stop(vips->destroy);
	ended(vips);
}

void vip_loss_turn(struct vips *vips, nanos now)
{
	if (vips->resetting && now >= vips->resetting)
		go_on(vips, now, now + SLICE);
}

/* --- the peer's --- */

static bool is_held(const struct vips *vips, const struct ip *ip)
{
	for (size_t i = 0; i < vips->n; i++)
		if (ip_equal(&vips->ones[i].wish.ip, ip))
			return vips->held;
	return false;
}

size_t vip_tickle(struct vips *vips, const struct flow *flows, size_t n)
{
	uint8_t packet[TICKLE_MAX];
	size_t sent = 0;

	for (size_t i = 0; i < n; i++) {
		struct addr to = {.ip = flows[i].client.ip}; /* a port would be taken for a protocol */
		struct sockaddr_storage sa;
		socklen_t length = addr_to_sockaddr(&to, &sa);
		size_t size = tickle_packet(&flows[i], vips->tickles += TICKLE_STEP, packet);

		if (size && is_held(vips, &flows[i].vip.ip) &&
		    sendto(to.ip.family == AF_INET6 ? vips->raw6 : vips->raw4, packet, size, MSG_DONTWAIT,
			   (struct sockaddr *)&sa, length) == (ssize_t)size)
			sent++;
	}
	return sent;
}
