/*
 * address.c: adds, renews and removes the VIPs through libnl-route; see address.h for who does what in which
 * thread.
 *
 * One mutex is held during each request, so that a removal that was decided before a claim can't be carried
 * out after it. It inherits priority: the thread that holds it is as real-time as the caller that waits for
 * it.
 */
#include "vip/address.h"

#include "hapair/base/thread.h"
#include "vip/libnl.h"

#include <errno.h>
#include <limits.h>
#include <linux/if_addr.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/socket.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/param.h>
#include <unistd.h>

#define LIFETIME_S   1 /* the kernel counts whole seconds */
#define RENEW_EVERY  MS(250)
#define THREAD_STACK (192 * 1024) /* small: it is locked into memory */

struct entry {
	struct address address;
	bool covered; /* another address of the interface has this subnet; decided once, see address.h */
	bool present; /* as far as we know */
};

struct address_book {
	struct nl_sock *caller_socket, *thread_socket;
	uint32_t caller_port, thread_port;
	pthread_mutex_t lock; /* entries, and the order of requests */
	struct entry entries[ADDRESSES_MAX];
	size_t n;
	atomic_bool wanted;
	atomic_bool stop;
	_Atomic nanos keep_until;
	atomic_int error;
	int wake_fd;
	bool running;
	pthread_t thread;
};

static uint8_t prefix_on_interface(const struct entry *entry)
{
	return entry->covered && entry->address.ip.family == AF_INET ? 32 : entry->address.prefix_len;
}

static int add(struct nl_sock *socket, struct entry *entry)
{
	struct rtnl_addr *addr;
	int error;

	if (!entry->address.ifindex)
		return 0; /* who holds the VIP without an interface is not asked here */
	addr = libnl_address(&entry->address.ip, prefix_on_interface(entry), (int)entry->address.ifindex);
	if (!addr)
		return -ENOMEM;
	rtnl_addr_set_valid_lifetime(addr, LIFETIME_S);
	if (entry->address.ip.family == AF_INET6) {
		rtnl_addr_set_preferred_lifetime(addr, 0);
		rtnl_addr_set_flags(addr, IFA_F_NODAD | (entry->covered ? IFA_F_NOPREFIXROUTE : 0));
	} else {
		rtnl_addr_set_preferred_lifetime(addr, LIFETIME_S);
	}
	error = libnl_errno(rtnl_addr_add(socket, addr, NLM_F_CREATE | NLM_F_REPLACE));
	rtnl_addr_put(addr);
	entry->present = error == 0;
	return error;
}

static int take_off_as(struct nl_sock *socket, struct entry *entry, uint8_t prefix_len)
{
	struct rtnl_addr *addr = libnl_address(&entry->address.ip, prefix_len, (int)entry->address.ifindex);
	int error;

	if (!addr)
		return -ENOMEM;
	error = libnl_errno(rtnl_addr_delete(socket, addr, 0));
	rtnl_addr_put(addr);
	return libnl_says_absent(error) ? 0 : error;
}

static int take_off(struct nl_sock *socket, struct entry *entry)
{
	int error;

	if (!entry->address.ifindex)
		return 0;
	error = take_off_as(socket, entry, prefix_on_interface(entry));
	if (!error)
		entry->present = false;
	return error;
}

static int take_off_all(struct address_book *book, struct nl_sock *socket)
{
	int error = 0;

	for (size_t i = 0; i < book->n; i++) {
		int one = take_off(socket, &book->entries[i]);

		error = error ? error : one;
	}
	return error;
}

static int add_all(struct address_book *book, struct nl_sock *socket)
{
	int error = 0;

	for (size_t i = 0; i < book->n; i++) {
		int one = add(socket, &book->entries[i]);

		error = error ? error : one;
	}
	return error;
}

/* --- the thread --- */

static bool any_present(const struct address_book *book)
{
	for (size_t i = 0; i < book->n; i++)
		if (book->entries[i].present)
			return true;
	return false;
}

static int thread_turn(struct address_book *book)
{
	if (!atomic_load(&book->wanted))
		return any_present(book) ? take_off_all(book, book->thread_socket) : 0;
	if (clock_now() < atomic_load(&book->keep_until)) {
		int error = add_all(book, book->thread_socket);

		if (clock_now() < atomic_load(&book->keep_until))
			return error;
		/* It took so long that what was right to renew no longer is. */
	}
	return any_present(book) ? take_off_all(book, book->thread_socket) : 0;
}

static void *thread_main(void *arg)
{
	struct address_book *book = arg;
	int netlink = nl_socket_get_fd(book->thread_socket);
	int fds[2] = {MIN(netlink, book->wake_fd), MAX(netlink, book->wake_fd)};
	struct pollfd wait = {.fd = book->wake_fd, .events = POLLIN};

	thread_keep_only(fds, 2);
	while (!atomic_load(&book->stop)) {
		int timeout = atomic_load(&book->wanted) ? (int)(RENEW_EVERY / NS_PER_MS) : -1;
		uint64_t count;
		int error, none = 0;

		if (poll(&wait, 1, timeout) > 0 && read(book->wake_fd, &count, sizeof(count)) < 0)
			continue;
		pthread_mutex_lock(&book->lock);
		error = thread_turn(book);
		pthread_mutex_unlock(&book->lock);
		if (error)
			atomic_compare_exchange_strong(&book->error, &none, error);
	}
	return NULL;
}

static int open_socket(struct nl_sock **ret, uint32_t *ret_port)
{
	struct nl_sock *socket = nl_socket_alloc();
	int error;

	if (!socket)
		return -ENOMEM;
	error = nl_connect(socket, NETLINK_ROUTE);
	if (error) {
		nl_socket_free(socket);
		return libnl_errno(error);
	}
	*ret = socket;
	*ret_port = nl_socket_get_local_port(socket);
	return 0;
}

int address_book_new(struct address_book **ret)
{
	struct address_book *book = calloc(1, sizeof(*book));
	int error;

	if (!book)
		return -ENOMEM;
	thread_lock_init(&book->lock);
	book->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	error = book->wake_fd < 0 ? -errno : open_socket(&book->caller_socket, &book->caller_port);
	if (!error)
		error = open_socket(&book->thread_socket, &book->thread_port);
	if (error)
		address_book_free(book);
	else
		*ret = book;
	return error;
}

int address_book_start(struct address_book *book)
{
	int error = thread_start(&book->thread, THREAD_STACK, thread_main, book);

	book->running = error == 0;
	return error;
}

void address_book_free(struct address_book *book)
{
	if (!book)
		return;
	if (book->running) {
		atomic_store(&book->stop, true);
		thread_wake(book->wake_fd);
		pthread_join(book->thread, NULL);
	}
	nl_socket_free(book->caller_socket);
	nl_socket_free(book->thread_socket);
	if (book->wake_fd >= 0)
		close(book->wake_fd);
	pthread_mutex_destroy(&book->lock);
	free(book);
}

static struct entry *find(struct entry *entries, size_t n, const struct address *address)
{
	for (size_t i = 0; i < n; i++)
		if (ip_equal(&entries[i].address.ip, &address->ip) &&
		    entries[i].address.prefix_len == address->prefix_len)
			return &entries[i];
	return NULL;
}

static bool is_entry(const struct address_book *book, const struct ip *ip)
{
	for (size_t i = 0; i < book->n; i++)
		if (ip_equal(&book->entries[i].address.ip, ip))
			return true;
	return false;
}

/* Which new entries have another address with their subnet on their interface? */
static void survey(struct address_book *book)
{
	struct nl_cache *cache;

	if (rtnl_addr_alloc_cache(book->caller_socket, &cache))
		return;
	for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o)) {
		struct rtnl_addr *addr = (struct rtnl_addr *)o;
		struct nl_addr *local = rtnl_addr_get_local(addr);
		struct ip ip = {0};

		if (!local || nl_addr_get_len(local) > sizeof(ip.bytes))
			continue;
		ip.family = (uint8_t)nl_addr_get_family(local);
		memcpy(ip.bytes, nl_addr_get_binary_addr(local), nl_addr_get_len(local));
		for (size_t i = 0; i < book->n; i++) {
			struct entry *entry = &book->entries[i];

			if (rtnl_addr_get_ifindex(addr) == (int)entry->address.ifindex &&
			    rtnl_addr_get_prefixlen(addr) <= entry->address.prefix_len &&
			    ip_in_prefix(&ip, &entry->address.ip, entry->address.prefix_len) &&
			    !is_entry(book, &ip))
				entry->covered = true;
		}
	}
	nl_cache_free(cache);
}

int address_book_set(struct address_book *book, const struct address *addresses, size_t n)
{
	struct entry next[ADDRESSES_MAX] = {0};
	bool wanted = atomic_load(&book->wanted);
	int error = 0;

	if (n > ADDRESSES_MAX)
		return -E2BIG;
	pthread_mutex_lock(&book->lock);
	for (size_t i = 0; i < n; i++) {
		struct entry *known = find(book->entries, book->n, &addresses[i]);

		next[i] = known ? *known : (struct entry){.address = addresses[i]};
		if (known && known->address.ifindex != addresses[i].ifindex) {
			/* The same interface made anew takes no notice of this; a move to another one does. */
			take_off(book->caller_socket, known);
			next[i].address.ifindex = addresses[i].ifindex;
			next[i].present = false;
		}
	}
	for (size_t i = 0; i < book->n; i++)
		if (!find(next, n, &book->entries[i].address))
			take_off(book->caller_socket, &book->entries[i]);
	memcpy(book->entries, next, sizeof(next));
	book->n = n;
	survey(book);
	for (size_t i = 0; wanted && i < n; i++) {
		int one = book->entries[i].present ? 0 : add(book->caller_socket, &book->entries[i]);

		error = error ? error : one;
	}
	pthread_mutex_unlock(&book->lock);
	return error;
}

int address_claim(struct address_book *book, nanos until)
{
	int error;

	pthread_mutex_lock(&book->lock);
	atomic_store(&book->keep_until, until);
	atomic_store(&book->wanted, true);
	error = add_all(book, book->caller_socket);
	pthread_mutex_unlock(&book->lock);
	thread_wake(book->wake_fd);
	return error;
}

bool address_any(struct address_book *book)
{
	bool any;

	pthread_mutex_lock(&book->lock);
	any = any_present(book);
	pthread_mutex_unlock(&book->lock);
	return any;
}

void address_keep(struct address_book *book, nanos until)
{
	atomic_store(&book->keep_until, until);
}

void address_release(struct address_book *book)
{
	atomic_store(&book->wanted, false);
	thread_wake(book->wake_fd);
}

int address_remove(struct address_book *book)
{
	int error = 0;

	atomic_store(&book->wanted, false);
	pthread_mutex_lock(&book->lock);
	for (size_t i = 0; i < book->n; i++) {
		struct entry *entry = &book->entries[i];
		int one = take_off(book->caller_socket, entry);

		/* An earlier life may have found the subnet (un)covered, and used the other prefix. */
		if (entry->address.ip.family == AF_INET && entry->address.ifindex)
			take_off_as(book->caller_socket, entry,
				    entry->covered ? entry->address.prefix_len : 32);
		error = error ? error : one;
	}
	pthread_mutex_unlock(&book->lock);
	return error;
}

int address_restore(struct address_book *book, size_t i)
{
	int error = 0;

	pthread_mutex_lock(&book->lock);
	if (i < book->n) {
		book->entries[i].present = false;
		if (atomic_load(&book->wanted) && clock_now() < atomic_load(&book->keep_until))
			error = add(book->caller_socket, &book->entries[i]);
	}
	pthread_mutex_unlock(&book->lock);
	return error;
}

int address_error(struct address_book *book)
{
	return atomic_exchange(&book->error, 0);
}

bool address_port_is_ours(const struct address_book *book, uint32_t port)
{
	return port && (port == book->caller_port || port == book->thread_port);
}
