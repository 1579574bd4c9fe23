/* listeners.c: bind, keep, share between two generations of the configuration. */
#include "hapair/supervisor/listeners.h"

#include "hapair/base/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Clients that wait for a worker, for each of its sockets. Enough for a restart of the proxy at full rate; not more, because
 * a proxy that is short of processors serves this queue in order: with thousands in it everyone served has given up before,
 * and it stays so long after the rush is over.
 */
#define BACKLOG 1024

/* The sockets of one address, shared by every set that has it. */
struct bound {
	struct addr address;
	unsigned sets;
	size_t n;
	int sockets[];
};

struct listeners {
	struct bound **binds; /* of the proxy, listen by listen */
	size_t *first;        /* index in binds of each listen's first */
	size_t n_binds;
	struct bound **admin;
	size_t n_admin;
	bool paused;
};

static void bound_drop(struct bound *bound)
{
	if (!bound || --bound->sets > 0)
		return;
	for (size_t i = 0; i < bound->n; i++)
		close(bound->sockets[i]);
	free(bound);
}

static int set_option(int fd, int level, int option)
{
	return setsockopt(fd, level, option, &(int){1}, sizeof(int));
}

/* A bound socket or negative errno. Not deferred (TCP_DEFER_ACCEPT): in tcp mode a server may speak first,
 * and a client whose connection the kernel still hides from us could not be moved or counted in a switchover.
 */
static int bind_socket(const struct addr *address, bool shared)
{
	struct sockaddr_storage sa;
	socklen_t n = addr_to_sockaddr(address, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool six = sa.ss_family == AF_INET6;

	if (fd < 0)
		return -errno;
	if (set_option(fd, SOL_SOCKET, SO_REUSEADDR) < 0 ||
	    (shared && set_option(fd, SOL_SOCKET, SO_REUSEPORT) < 0) ||
	    (six && set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY) < 0) ||
	    set_option(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_FREEBIND : IP_FREEBIND) < 0 ||
	    bind(fd, (struct sockaddr *)&sa, n) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static int listen_socket(const struct addr *address, bool shared)
{
	int fd = bind_socket(address, shared);

	if (fd >= 0 && listen(fd, BACKLOG) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* SO_REUSEPORT would let us share the port with any program of our user, unnoticed: another node's on this
 * machine, say. */
static int probe_alone(const struct addr *address)
{
	int fd = listen_socket(address, false);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int bound_open(const struct addr *address, size_t n, bool shared, bool probe, struct bound **ret)
{
	struct bound *bound = calloc(1, sizeof(*bound) + n * sizeof(int));
	int r = bound ? 0 : -ENOMEM;

	if (r == 0 && probe)
		r = probe_alone(address);
	if (r == 0) {
		bound->address = *address;
		bound->sets = 1;
		for (; bound->n < n; bound->n++) {
			r = listen_socket(address, shared);
			if (r < 0) {
				bound_drop(bound);
				return r;
			}
			bound->sockets[bound->n] = r;
		}
		*ret = bound;
		return 0;
	}
	free(bound);
	return r;
}

static struct bound *find(struct bound *const *binds, size_t n, const struct addr *address)
{
	for (size_t i = 0; i < n; i++)
		if (binds[i] && addr_equal(&binds[i]->address, address))
			return binds[i];
	return NULL;
}

/* While a wildcard takes the place of one address, or the other way round, our own old socket is in the way
 * of the probe. */
static bool has_port(const struct listeners *from, uint16_t port)
{
	for (size_t i = 0; from && i < from->n_binds; i++)
		if (from->binds[i]->address.port == port)
			return true;
	return false;
}

static int take(const struct addr *address, unsigned workers, struct bound *const *old, size_t n_old,
		bool shared, bool probe, struct bound **ret)
{
	struct bound *kept = find(old, n_old, address);

	if (kept) {
		kept->sets++;
		*ret = kept;
		return 0;
	}
	return bound_open(address, workers, shared, probe, ret);
}

static void complain(const struct config *config, const char *kind, size_t index, const struct addr *address,
		     int error, struct config_report *report)
{
	char text[ADDR_TEXT_MAX];
	const char *file;
	unsigned line;

	config_where_key(config, kind, index, "bind", &file, &line);
	config_report_add(report, file, line, "can't listen on %s: %s", addr_format(address, text),
			  strerror(error));
}

static struct listeners *allocate(const struct config *config)
{
	struct listeners *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->n_admin = config->admin.n_binds;
	for (size_t i = 0; i < config->n_listens; i++)
		l->n_binds += config->listens[i].n_binds;
	l->binds = calloc(l->n_binds + 1, sizeof(struct bound *));
	l->first = calloc(config->n_listens + 1, sizeof(size_t));
	l->admin = calloc(l->n_admin + 1, sizeof(struct bound *));
	if (l->binds && l->first && l->admin)
		return l;
	listeners_free(l);
	return NULL;
}

struct listeners *listeners_open(const struct config *config, unsigned workers, const struct listeners *from,
				 struct config_report *report)
{
	struct listeners *l = allocate(config);
	bool failed = false;
	size_t k = 0;
	int r;

	if (!l) {
		config_report_add(report, "", 0, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < config->n_listens; i++) {
		l->first[i] = k;
		for (size_t j = 0; j < config->listens[i].n_binds; j++, k++) {
			const struct addr *address = &config->listens[i].binds[j].address;

			r = take(address, workers, from ? from->binds : NULL, from ? from->n_binds : 0, true,
				 !has_port(from, address->port), &l->binds[k]);
			if (r < 0) {
				failed = true;
				complain(config, "listen", i, address, -r, report);
			}
		}
	}
	for (size_t i = 0; i < l->n_admin; i++) {
		r = take(&config->admin.binds[i], 1, from ? from->admin : NULL, from ? from->n_admin : 0,
			 false, false, &l->admin[i]);
		if (r < 0) {
			failed = true;
			complain(config, "admin", 0, &config->admin.binds[i], -r, report);
		}
	}
	if (failed) {
		listeners_free(l);
		return NULL;
	}
	if (from && from->paused)
		listeners_pause(l); /* the new ones too */
	return l;
}

void listeners_free(struct listeners *l)
{
	if (!l)
		return;
	for (size_t i = 0; l->binds && i < l->n_binds; i++)
		bound_drop(l->binds[i]);
	for (size_t i = 0; l->admin && i < l->n_admin; i++)
		bound_drop(l->admin[i]);
	free(l->binds);
	free(l->first);
	free(l->admin);
	free(l);
}

int listeners_socket(const struct listeners *l, size_t listen, size_t bind, unsigned worker)
{
	return l->binds[l->first[listen] + bind]->sockets[worker];
}

int listeners_admin_socket(const struct listeners *l, size_t bind)
{
	return l->admin[bind]->sockets[0];
}

void listeners_pause(struct listeners *l)
{
	if (l->paused)
		return;
	/* Ends the listening but not the binding (Linux: a bound port survives the disconnect); listen()
	 * begins it again. */
	for (size_t i = 0; i < l->n_binds; i++)
		for (size_t w = 0; w < l->binds[i]->n; w++)
			shutdown(l->binds[i]->sockets[w], SHUT_RDWR);
	l->paused = true;
}

int listeners_resume(struct listeners *l)
{
	int r = 0;

	if (!l->paused)
		return 0;
	for (size_t i = 0; i < l->n_binds; i++)
		for (size_t w = 0; w < l->binds[i]->n; w++)
			if (listen(l->binds[i]->sockets[w], BACKLOG) < 0)
				r = -errno;
	l->paused = false;
	return r;
}
