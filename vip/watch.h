/*
 * watch.h: what the kernel says about interfaces and addresses (rtnetlink(7)), as it happens.
 *
 * Handlers are called from watch_read() and watch_list() only. Functions return 0 or negative errno.
 */
#ifndef HAPAIR_VIP_WATCH_H
#define HAPAIR_VIP_WATCH_H

#include "hapair/base/addr.h"

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct watch_link {
	unsigned index;
	char name[IF_NAMESIZE];
	bool present;  /* false: it was removed or renamed away */
	bool up;       /* by the administrator */
	bool carrier;  /* and able to carry packets */
	bool ethernet; /* has a MAC and neighbours to tell; not loopback, tunnels, NOARP */
	uint8_t mac[6];
};

struct watch_address {
	unsigned ifindex;
	struct ip ip;
	uint8_t prefix_len;
	bool present;  /* false: it was removed */
	uint32_t port; /* who asked for it: netlink port id, 0 the kernel itself; 0 in a list */
};

struct watch_handler {
	void (*on_link)(void *ctx, const struct watch_link *link);
	void (*on_address)(void *ctx, const struct watch_address *address);
	/* The kernel had more to say than the socket could hold: ask for lists, assume nothing. */
	void (*on_lost)(void *ctx);
};

struct watch;

int watch_new(const struct watch_handler *handler, void *ctx, struct watch **ret);
void watch_free(struct watch *watch);

int watch_fd(const struct watch *watch); /* becomes readable */

/* Reads until nothing is left. */
void watch_read(struct watch *watch);

/* Calls on_link for every interface, then on_address for every address that there is now. May wait for the
 * RTNL lock. */
int watch_list(struct watch *watch);

/* Calls on_link for that one interface; likewise. 0 or negative errno. */
int watch_ask(struct watch *watch, unsigned index);

#endif
