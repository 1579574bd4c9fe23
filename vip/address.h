/*
 * address.h: the VIPs as addresses of this machine, with a lifetime of one second that has to be renewed.
 *
 * The fence (fence.h) is the guard, this is the broom: when the daemon dies, the kernel takes the address
 * off 1.0 to 1.2 s after the last renewal. Where there is no fence, it is the only guard.
 *
 * Netlink route requests take the kernel's RTNL lock, which others may hold for tens of milliseconds. So
 * renewing and removing is the work of one thread of its own, and only a claim is done by the caller, because
 * there is nothing better to do meanwhile. The thread renews nothing after the instant that address_keep()
 * last gave: a frozen caller keeps nothing.
 *
 * Where another address of the interface has the VIP's subnet (the usual case; decided when the VIP is set, for good),
 * an IPv4 VIP is added as /32 and an IPv6 VIP without a prefix route. So the two never depend on each other: as primary and
 * secondary of one subnet, the kernel would take the node's own address away with the VIP, or the VIP with it. Else the VIP
 * brings its subnet's route with it. IPv6 is added without duplicate address detection and with a preferred lifetime of 0,
 * so that it never becomes a source address by itself (RFC 6724 rule 3).
 *
 * Functions return 0 or negative errno.
 */
#ifndef HAPAIR_VIP_ADDRESS_H
#define HAPAIR_VIP_ADDRESS_H

#include "hapair/base/addr.h"
#include "hapair/base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESSES_MAX 16

/* After a missed renewal the kernel removes an address no later than this. */
#define ADDRESS_LINGERS MS(1250)

struct address {
	struct ip ip;
	uint8_t prefix_len;
	unsigned ifindex; /* 0: its interface is not there */
};

struct address_book;

/* Opens the channels to the kernel. Needs CAP_NET_ADMIN from here on. */
int address_book_new(struct address_book **ret);

/* Starts the thread; after sandbox_enter(), so that it has no more rights than its caller. */
int address_book_start(struct address_book *book);

/* Ends the thread. Addresses that are held run out by themselves. */
void address_book_free(struct address_book *book);

/* Which addresses these are. Those that are no longer among them are removed; while held, new ones are added.
 * May wait. */
int address_book_set(struct address_book *book, const struct address *addresses, size_t n);

/*
 * Adds them all, here and now, and lets the thread renew them until address_keep() says otherwise. An address
 * that is there already is taken over. The first error is returned; the others are added nevertheless.
 */
int address_claim(struct address_book *book, nanos until);

/* Is one of them on its interface, as far as is known? */
bool address_any(struct address_book *book);

/* They may be renewed until then. Costs nothing. */
void address_keep(struct address_book *book, nanos until);

/* No longer wanted: the thread removes them at once, the caller goes on. */
void address_release(struct address_book *book);

/* Removes them all before it returns; 0 also when they were not there. */
int address_remove(struct address_book *book);

/* Adds address `i` again where it is wanted (somebody took it away). May wait. */
int address_restore(struct address_book *book, size_t i);

/* The first error of the thread since the last call, 0 if there was none. */
int address_error(struct address_book *book);

/* Was a notification with this port id caused by ourselves? */
bool address_port_is_ours(const struct address_book *book, uint32_t port);

#endif
