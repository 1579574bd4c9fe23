/*
 * vip.c: fence, addresses, packets, announcements and the watch, put together.
 *
 *     wishes --resolve--> ports (interfaces that carry a VIP) --> plan of the fence, entries of the address book
 *     kernel's news ----> ports --> usable? reinstall? restore?
 *     frames heard -----> conflict, per VIP
 */
#include "vip/vip.h"

#include "hapair/base/log.h"
#include "vip/vip_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define FRAMES_PER_TURN 64 /* of one socket: a flood of ARP must not hold up heartbeats */
#define PROBE_WINDOW    SECONDS(3)
#define PARTING         SECONDS(1) /* for what the former holder had said and was still under way */

static void tell(struct vips *vips, enum vip_event event, const char *subject, const char *text)
{
	vips->handler->on_event(vips->ctx, event, subject, text);
}

static void tell_error(struct vips *vips, enum vip_event event, const char *subject, int error)
{
	tell(vips, event, subject, strerror(-error));
}

static const char *mac_text(const uint8_t *mac, char out[18])
{
	snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return out;
}

/* --- the fence, or the lack of one --- */

static void fence_refused(struct vips *vips, int error)
{
	log_warning(
		"no fence: nftables is refused (%s); the lifetime of the addresses alone guards the VIPs, "
		"and the peer waits longer",
		strerror(-error));
	tell_error(vips, VIP_FENCE_FAILED, "", error);
	fence_free(vips->fence);
	vips->fence = NULL;
}

static void make_plan(const struct vips *vips, struct fence_plan *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < vips->n_ports; i++) {
		const struct watch_link *link = &vips->ports[i].link;
		struct fence_device *device = &ret->devices[ret->n_devices];

		if (!link->index)
			continue;
		device->index = link->index;
		memcpy(device->name, link->name, sizeof(device->name));
		ret->n_devices++;
	}
	for (size_t i = 0; i < vips->n; i++)
		ret->vips[ret->n_vips++] = vips->ones[i].wish.ip;
}

static nanos left_now(const struct vips *vips)
{
	nanos left = vips->held ? vips->until - clock_now() : 0;

	return left > 0 ? left : 0;
}

/* Puts the present plan in force, open for what is left of the lease. */
static int fence_again(struct vips *vips)
{
	if (!vips->fence)
		return 0;
	make_plan(vips, &vips->plan);
	return fence_install(vips->fence, &vips->plan, left_now(vips)) ?: vip_drain_fence(vips);
}

/* Somebody removed the table. */
static int fence_restore(struct vips *vips)
{
	int error = fence_again(vips);

	if (error)
		tell_error(vips, VIP_FENCE_FAILED, "", error);
	else
		tell(vips, VIP_FENCE_RESTORED, "", "its table had been removed");
	return error;
}

/* --- interfaces --- */

static void listen_on(struct vips *vips, size_t i)
{
	for (size_t v = 0; v < vips->n; v++)
		if (vips->ones[v].port == i)
			port_listen(&vips->ports[i], vips->ones[v].wish.ip.family, vips->epoll_fd);
}

static void judge_usable(struct vips *vips)
{
	const char *why = NULL;

	for (size_t i = 0; i < vips->n && !why; i++)
		if (!vips->ones[i].wish.interface[0])
			why = "no interface has the subnet of a VIP";
	for (size_t i = 0; i < vips->n_ports && !why; i++)
		why = port_fault(&vips->ports[i]);
	if (!why == vips->usable && why == vips->why)
		return;
	vips->usable = !why;
	vips->why = why;
	if (vips->set)
		vips->handler->on_usable(vips->ctx, !why, why ? why : "every interface of a VIP is up");
}

static int set_addresses(struct vips *vips)
{
	struct address addresses[VIPS_MAX];

	for (size_t i = 0; i < vips->n; i++)
		addresses[i] = (struct address){
			.ip = vips->ones[i].wish.ip,
			.prefix_len = vips->ones[i].wish.prefix_len,
			.ifindex = vips->ones[i].wish.interface[0]
					   ? vips->ports[vips->ones[i].port].link.index
					   : 0,
		};
	return address_book_set(vips->book, addresses, vips->n);
}

/* The kernel's news about an interface of ours. */
static void port_news(struct vips *vips, size_t i, const struct watch_link *link)
{
	struct port *port = &vips->ports[i];
	const char *before = port_fault(port), *after;
	bool same_index = port->link.index == (link->present ? link->index : 0);
	bool same_mac = memcmp(port->link.mac, link->mac, sizeof(link->mac)) == 0;

	if (!same_index)
		port_close(port);
	if (link->present) {
		port->link = *link;
	} else {
		port->link.index = 0;
		port->link.up = port->link.carrier = false;
	}
	after = port_fault(port);
	if (!same_index && vips->set) {
		/* Hooks went with the interface, and a new one of the same name has none. */
		struct fence_plan plan;

		make_plan(vips, &plan);
		if (memcmp(&plan, &vips->plan, sizeof(plan)) != 0 && fence_again(vips))
			fence_restore(vips);
		set_addresses(vips);
		listen_on(vips, i);
	}
	/* Another MAC, or another switch behind the cable: what neighbours know is old. */
	if (vips->held && !after && (before || !same_mac))
		announce_start(&vips->schedule, clock_now());
	if (vips->set && before != after)
		tell(vips, after ? VIP_LINK_DOWN : VIP_LINK_UP, port->link.name, after ? after : "");
}

static void on_link(void *ctx, const struct watch_link *link)
{
	struct vips *vips = ctx;

	for (size_t i = 0; i < vips->n_ports; i++) {
		struct port *port = &vips->ports[i];
		struct watch_link gone = {.present = false};
		bool same_name = strcmp(port->link.name, link->name) == 0;

		if (same_name && (link->present || port->link.index == link->index))
			port_news(vips, i, link);
		else if (!same_name && port->link.index == link->index)
			port_news(vips, i, &gone); /* renamed away */
	}
	/* Every interface, while looking for those of the wishes. */
	if (!vips->set && link->present && vips->n_links < sizeof(vips->links) / sizeof(vips->links[0]))
		vips->links[vips->n_links++] = *link;
	vips->changed = true;
}

/* --- addresses --- */

static const struct watch_link *link_by_index(const struct vips *vips, unsigned index)
{
	for (size_t i = 0; i < vips->n_links; i++)
		if (vips->links[i].index == index)
			return &vips->links[i];
	return NULL;
}

static bool is_vip(const struct vips *vips, const struct ip *ip)
{
	for (size_t i = 0; i < vips->n; i++)
		if (ip_equal(&vips->ones[i].wish.ip, ip))
			return true;
	return false;
}

/* An address of this machine: does a VIP without interface belong beside it? */
static void place_wishes(struct vips *vips, const struct watch_address *address)
{
	const struct watch_link *link = link_by_index(vips, address->ifindex);

	if (!link || is_vip(vips, &address->ip))
		return;
	for (size_t i = 0; i < vips->n; i++) {
		struct vip_wish *wish = &vips->ones[i].wish;

		if (!wish->interface[0] && ip_in_prefix(&address->ip, &wish->ip, wish->prefix_len))
			memcpy(wish->interface, link->name, sizeof(wish->interface));
	}
}

static void restore(struct vips *vips, size_t i)
{
	char text[IP_TEXT_MAX];
	int error = address_restore(vips->book, i);

	ip_format(&vips->ones[i].wish.ip, text);
	if (error == -ENODEV) /* the interface goes; that news follows */
		return;
	if (error)
		tell_error(vips, VIP_ADDRESS_FAILED, text, error);
	else
		tell(vips, VIP_ADDRESS_RESTORED, text, "it had been removed from its interface");
	announce_start(&vips->schedule, clock_now());
}

static void on_address(void *ctx, const struct watch_address *address)
{
	struct vips *vips = ctx;

	if (!vips->set) {
		if (address->present)
			place_wishes(vips, address);
		return;
	}
	if (address_port_is_ours(vips->book, address->port))
		return;
	for (size_t i = 0; i < vips->n; i++) {
		if (!ip_equal(&vips->ones[i].wish.ip, &address->ip))
			continue;
		if (!address->present && vips->held && clock_now() < vips->until &&
		    address->ifindex == vips->ports[vips->ones[i].port].link.index)
			restore(vips, i);
		return;
	}
}

static void on_lost(void *ctx)
{
	struct vips *vips = ctx;

	/* Interfaces that went meanwhile are not in a list: forget all, the list brings the others back. */
	for (size_t i = 0; i < vips->n_ports; i++)
		vips->ports[i].link.up = vips->ports[i].link.carrier = false;
	if (watch_list(vips->watch))
		log_warning("can't list interfaces: %s", strerror(errno));
	vips->changed = true;
	if (vips->held)
		set_addresses(vips);
}

static const struct watch_handler watch_handler = {on_link, on_address, on_lost};

/* --- life --- */

int vip_new(const char *node, const struct vip_handler *handler, void *ctx, struct vips **ret)
{
	struct vips *vips = calloc(1, sizeof(*vips));
	struct epoll_event event = {.events = EPOLLIN};
	int error;

	if (!vips)
		return -ENOMEM;
	vips->handler = handler;
	vips->ctx = ctx;
	vips->usable = true;
	vips->raw4 = vips->raw6 = -1;
	vips->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	error = vips->epoll_fd < 0 ? -errno : watch_new(&watch_handler, vips, &vips->watch);
	if (!error)
		error = address_book_new(&vips->book);
	if (!error && epoll_ctl(vips->epoll_fd, EPOLL_CTL_ADD, watch_fd(vips->watch), &event))
		error = -errno;
	if (error) {
		vip_free(vips);
		return error;
	}
	error = fence_new(node, &vips->fence);
	if (error)
		fence_refused(vips, error);
	error = drain_new(node, &vips->drain);
	if (!error && epoll_ctl(vips->epoll_fd, EPOLL_CTL_ADD, drain_fd(vips->drain), &event))
		error = -errno;
	if (error) {
		log_warning("a switchover will break connections: %s", strerror(-error));
		drain_free(vips->drain);
		vips->drain = NULL;
	}
	vip_loss_open(vips);
	*ret = vips;
	return 0;
}

void vip_free(struct vips *vips)
{
	if (!vips)
		return;
	for (size_t i = 0; i < vips->n_ports; i++)
		port_close(&vips->ports[i]);
	drain_free(vips->drain);
	vip_loss_close(vips);
	address_book_free(vips->book);
	watch_free(vips->watch);
	fence_free(vips->fence);
	if (vips->epoll_fd >= 0)
		close(vips->epoll_fd);
	free(vips);
}

int vip_run(struct vips *vips)
{
	return address_book_start(vips->book) ?: (vips->drain ? drain_start(vips->drain) : 0);
}

/* From wishes to ports; every interface of the machine is listed on the way. */
static int resolve(struct vips *vips)
{
	int error;

	for (size_t i = 0; i < vips->n_ports; i++)
		port_close(&vips->ports[i]);
	memset(vips->ports, 0, sizeof(vips->ports));
	vips->n_ports = 0;
	vips->n_links = 0;
	vips->set = false;
	error = watch_list(vips->watch);
	if (error)
		return error;
	for (size_t i = 0; i < vips->n; i++) {
		struct one *one = &vips->ones[i];
		size_t p = 0;

		if (!one->wish.interface[0])
			continue;
		while (p < vips->n_ports && strcmp(vips->ports[p].link.name, one->wish.interface) != 0)
			p++;
		if (p == vips->n_ports) {
			struct watch_link *link = &vips->ports[vips->n_ports++].link;

			for (size_t l = 0; l < vips->n_links; l++)
				if (strcmp(vips->links[l].name, one->wish.interface) == 0)
					*link = vips->links[l];
			memcpy(link->name, one->wish.interface, sizeof(link->name));
		}
		one->port = p;
	}
	return 0;
}

/* What an earlier life left, of any plan: addresses off, then a closed fence. */
static int begin_clean(struct vips *vips)
{
	int error;

	vips->held = false;
	error = fence_again(vips);
	if (error)
		fence_refused(vips, error);
	address_remove(vips->book);
	vip_drain_begin(vips, false);
	return 0;
}

/* The earlier life's lease goes on where its fence is there and open. */
static int begin_warm(struct vips *vips, nanos until)
{
	make_plan(vips, &vips->plan);
	vips->held = true;
	vips->until = until;
	if (vips->fence &&
	    (fence_adopt(vips->fence, &vips->plan) || fence_renew(vips->fence, until - clock_now())))
		return begin_clean(vips);
	address_claim(vips->book, until);
	vip_drain_begin(vips, true);
	announce_start(&vips->schedule, clock_now());
	return 0;
}

/* What was heard about a VIP that stays is kept: its known holder is still known. */
static void take_wishes(struct vips *vips, const struct vip_wish *wishes, size_t n)
{
	struct one next[VIPS_MAX] = {0};

	for (size_t i = 0; i < n; i++) {
		next[i].wish = wishes[i];
		for (size_t old = 0; old < vips->n; old++)
			if (ip_equal(&vips->ones[old].wish.ip, &wishes[i].ip))
				next[i].conflict = vips->ones[old].conflict;
	}
	memcpy(vips->ones, next, sizeof(next));
	vips->n = n;
}

int vip_set(struct vips *vips, const struct vip_wish *wishes, size_t n, bool keep, nanos until)
{
	bool first = !vips->set;
	int error;

	if (n > VIPS_MAX)
		return -E2BIG;
	take_wishes(vips, wishes, n);
	error = resolve(vips);
	if (error)
		return error;
	if (first) {
		set_addresses(vips);
		error = keep ? begin_warm(vips, until) : begin_clean(vips);
	} else {
		/* New VIPs are fenced before they are there, old ones until they are gone. */
		error = fence_again(vips);
		if (error)
			tell_error(vips, VIP_FENCE_FAILED, "", error);
		set_addresses(vips);
	}
	for (size_t i = 0; i < vips->n_ports; i++)
		listen_on(vips, i);
	vips->set = true;
	vips->why = NULL;
	vips->usable = true;
	judge_usable(vips);
	if (!first && vips->held)
		announce_start(&vips->schedule, clock_now());
	return error;
}

/* --- speaking --- */

static struct packet *packet_for(const struct vips *vips, const struct one *one)
{
	return one->wish.interface[0] ? port_packet(&vips->ports[one->port], one->wish.ip.family) : NULL;
}

static void announce_once(struct vips *vips, const struct one *one)
{
	struct packet *packet = packet_for(vips, one);
	struct announce_frame frames[ANNOUNCE_FRAMES_MAX];
	size_t n;

	if (!packet)
		return;
	n = announce_frames(vips->ports[one->port].link.mac, &one->wish.ip, frames);
	for (size_t i = 0; i < n; i++) {
		int error = packet_send(packet, frames[i].bytes, frames[i].n);

		if (error)
			log_debug("announcement: %s", strerror(-error)); /* the schedule repeats it */
	}
}

void vip_announce(struct vips *vips, nanos now)
{
	if (vips->held)
		announce_start(&vips->schedule, now);
}

static void probe_once(struct vips *vips)
{
	uint8_t frame[ANNOUNCE_FRAME_MAX];

	for (size_t i = 0; i < vips->n; i++) {
		const struct one *one = &vips->ones[i];
		struct packet *packet = packet_for(vips, one);

		if (packet)
			packet_send(packet, frame,
				    announce_probe(vips->ports[one->port].link.mac, &one->wish.ip, frame));
	}
}

void vip_probe(struct vips *vips, nanos now)
{
	if (vips->held)
		return;
	if (!vips->probed || now - vips->last_probe > PROBE_WINDOW)
		vips->probed = now;
	vips->last_probe = now;
	probe_once(vips);
}

void vip_meet(struct vips *vips)
{
	if (vips->held)
		return;
	vips->probed = 0;
	for (size_t i = 0; i < vips->n; i++)
		vips->ones[i].conflict.last_report = 0;
	probe_once(vips);
}

nanos vip_due(const struct vips *vips)
{
	nanos due = vips->changed ? 0 : announce_next(&vips->schedule);

	if (!vips->fence && vips->held && vips->until < due)
		due = vips->until;
	if (vips->resetting && vips->resetting < due)
		due = vips->resetting;
	return due;
}

static void look_again(struct vips *vips)
{
	if (vips->changed)
		judge_usable(vips);
	vips->changed = false;
}

/* The thread tries four times a second; people are told once a minute. */
static void report_address_error(struct vips *vips, int error, nanos now)
{
	if (!error || (error == vips->told_error && now - vips->told_at < SECONDS(60)))
		return;
	vips->told_error = error;
	vips->told_at = now;
	tell_error(vips, VIP_ADDRESS_FAILED, "", error);
}

static void announce_what_is_due(struct vips *vips, nanos now)
{
	for (unsigned times = announce_due(&vips->schedule, now); times; times--)
		for (size_t i = 0; i < vips->n; i++)
			announce_once(vips, &vips->ones[i]);
}

/* Carriers that came or went and that the kernel has not told of yet. */
static void look_at_carriers(struct vips *vips)
{
	for (size_t i = 0; i < vips->n_ports && vips->set; i++)
		if (port_flickered(&vips->ports[i]))
			watch_ask(vips->watch, vips->ports[i].link.index); /* a failure: news of more follow */
}

void vip_turn(struct vips *vips, nanos now)
{
	look_at_carriers(vips);
	look_again(vips);
	vip_loss_turn(vips, now);
	if (!vips->held)
		return;
	if (!vips->fence && now >= vips->until) { /* what the fence would have done */
		vip_close(vips);
		return;
	}
	announce_what_is_due(vips, now);
	report_address_error(vips, address_error(vips->book), now);
}

/* --- holding --- */

static int open_fence(struct vips *vips)
{
	int error;

	if (!vips->fence || !vips->plan.n_devices)
		return 0;
	error = fence_open(vips->fence, vips->until - clock_now());
	if (error == -ESTALE)
		error = left_now(vips) >= fence_shortest(vips->fence) ? fence_restore(vips) : -ERANGE;
	return error;
}

/* An answer to a probe by somebody who is not known as the former holder. */
static void report_answers(struct vips *vips)
{
	char ip[IP_TEXT_MAX], mac[18], text[96];

	if (vips->claimed - vips->last_probe > PROBE_WINDOW)
		return;
	for (size_t i = 0; i < vips->n; i++) {
		struct conflict *conflict = &vips->ones[i].conflict;

		if (!vips->probed || !conflict_since(conflict, vips->probed) || !conflict->last_report)
			continue;
		conflict->last_report = 0;
		snprintf(text, sizeof(text), "%s answered for it during the wait",
			 mac_text(conflict->mac, mac));
		tell(vips, VIP_FOREIGN_HOLDER, ip_format(&vips->ones[i].wish.ip, ip), text);
	}
}

int vip_claim(struct vips *vips, nanos until)
{
	int error, address_error;

	/* What was removed, and said by the former holder, before: it is not about what follows. */
	vip_read(vips, clock_now());
	vip_reset_stop(vips);
	vips->held = true;
	vips->until = until;
	vips->claimed = clock_now();
	address_error = address_claim(vips->book, until);
	/* Before the fence opens, so that no client of the peer meets a stranger here. */
	if (vips->drain && drain_mode(vips->drain) != DRAIN_OFF && drain_steer(vips->drain, DRAIN_HOLD))
		log_warning("connections that the peer still has can't be passed on to it");
	vips->flows_until = 0;
	error = open_fence(vips);
	if (!error && address_error && (!vips->fence || !address_any(vips->book)))
		error = address_error;
	if (error) {
		vip_close(vips);
		vip_release(vips);
		return error;
	}
	announce_start(&vips->schedule, clock_now());
	announce_what_is_due(vips, clock_now());
	if (address_error) /* of one of several; the thread tries again */
		report_address_error(vips, address_error, clock_now());
	report_answers(vips);
	vips->probed = 0;
	return 0;
}

int vip_extend(struct vips *vips, nanos until)
{
	nanos now = clock_now();
	int error = 0;

	if (!vips->held)
		return -ENOENT;
	if (now >= vips->until) {
		error = -ENOENT;
	} else if (vips->fence && vips->plan.n_devices) {
		error = fence_renew(vips->fence, until - now);
		if (error == -ESTALE) {
			vips->until = until < vips->until
					      ? until
					      : vips->until; /* proven; the new end is for the next turn */
			error = fence_restore(vips);
			until = vips->until;
		} else if (error == -ERANGE && until >= vips->until) {
			return 0; /* it ends sooner than asked, as it would have */
		}
	}
	if (error) {
		vip_close(vips);
		return error == -ERANGE ? -ENOENT : error;
	}
	vips->until = until;
	address_keep(vips->book, until);
	return 0;
}

int vip_close(struct vips *vips)
{
	int error = 0;

	vips->held = false;
	vips->until = vips->flows_until = 0;
	announce_stop(&vips->schedule);
	address_keep(vips->book, 0);
	if (!vips->fence)
		return address_remove(vips->book);
	error = fence_close(vips->fence);
	if (error == -ESTALE)
		error = fence_restore(vips);
	if (error) /* the element runs out by itself; the addresses need not wait for that */
		address_remove(vips->book);
	return error;
}

void vip_release(struct vips *vips)
{
	/* Resets leave only from an address that is there; who holds meanwhile is a question of the fence. */
	vips->release_later = vips->fence && vips->resetting;
	if (!vips->fence)
		address_remove(vips->book);
	else if (!vips->release_later)
		address_release(vips->book);
}

void vip_leave_nothing(struct vips *vips)
{
	vip_close(vips);
	if (vips->resetting)
		vip_reset_now(vips);
	address_remove(vips->book);
	vip_drain_begin(vips, false);
	if (vips->fence)
		fence_remove(vips->fence);
}

/* --- hearing --- */

static void heard_holder(struct vips *vips, struct one *one, const uint8_t *mac, nanos now)
{
	struct conflict *conflict = &one->conflict;
	bool known = conflict->count && memcmp(conflict->mac, mac, MAC_BYTES) == 0;
	struct conflict_advice advice = conflict_heard(conflict, mac, vips->held, now);
	char ip[IP_TEXT_MAX], text[18];

	if (!vips->held) {
		/* Somebody holds it, as it should be: remember who, so that its answer to a probe is no news. */
		conflict->last_report =
			vips->probed && now - vips->last_probe < PROBE_WINDOW && !known ? now : 0;
		return;
	}
	if (advice.defend)
		announce_once(vips, one);
	if (known && now - vips->claimed < PARTING) {
		conflict->last_report = 0; /* who goes on is told then */
		return;
	}
	if (advice.report)
		tell(vips, VIP_FOREIGN_HOLDER, ip_format(&one->wish.ip, ip), mac_text(mac, text));
}

static void hear(struct vips *vips, size_t port, struct packet *packet, nanos now)
{
	uint8_t frame[PACKET_FRAME_MAX], mac[MAC_BYTES];
	ssize_t n;

	for (unsigned count = 0;
	     packet && count < FRAMES_PER_TURN && (n = packet_receive(packet, frame)) >= 0; count++)
		for (size_t i = 0; i < vips->n; i++)
			if (vips->ones[i].port == port &&
			    conflict_read(frame, (size_t)n, &vips->ones[i].wish.ip,
					  vips->ports[port].link.mac, mac) == CONFLICT_HOLDER)
				heard_holder(vips, &vips->ones[i], mac, now);
}

void vip_read(struct vips *vips, nanos now)
{
	watch_read(vips->watch);
	look_again(vips);
	vip_drain_read(vips);
	for (size_t i = 0; i < vips->n_ports; i++) {
		hear(vips, i, vips->ports[i].arp, now);
		hear(vips, i, vips->ports[i].neighbours, now);
	}
}

/* --- facts --- */

int vip_fd(const struct vips *vips)
{
	return vips->epoll_fd;
}

bool vip_fenced(const struct vips *vips)
{
	return vips->fence;
}

bool vip_held(const struct vips *vips)
{
	return vips->held;
}

bool vip_usable(const struct vips *vips, const char **ret_why)
{
	*ret_why = vips->usable ? "" : vips->why;
	return vips->usable;
}

bool vip_describe(const struct vips *vips, size_t i, struct vip_wish *ret)
{
	if (i >= vips->n)
		return false;
	*ret = vips->ones[i].wish;
	return true;
}
