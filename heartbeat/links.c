/*
 * links.c: UDP, recvmmsg(2).
 */
#include "heartbeat/links.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32
/*
 * Half a megabyte holds fewer than 1,400 datagrams as the kernel accounts them. Having read more than that, everything that
 * had arrived before the call was read, whatever a flood adds meanwhile: that is what "read dry" has to mean.
 */
#define BUFFER_BYTES (512 << 10)
#define READ_MAX     2048

#define WALL_STEP     MS(1) /* the clocks part by less between two reads, unless one was set */
#define TRAFFIC_CLASS 0xc0  /* CS6 */
#define PRIORITY      6     /* the highest that needs no privilege, socket(7) */

struct link {
	int fd;
	struct sockaddr_storage remote;
	socklen_t remote_len;
	struct addr remote_addr;
	struct links_instant read; /* last, when that began */
};

struct links {
	size_t n;
	struct link list[CONFIG_LINKS_MAX];
	struct mmsghdr headers[BATCH];
	struct iovec vectors[BATCH];
	struct sockaddr_storage from[BATCH];
	union {
		char bytes[CMSG_SPACE(sizeof(struct timespec))];
		struct cmsghdr align;
	} control[BATCH];
	/* One byte more than any version sends: a datagram that fills it is too long. */
	uint8_t buffers[BATCH][WIRE_SIZE_MAX + 1];
};

static nanos nanos_of(const struct timespec *t)
{
	return SECONDS(t->tv_sec) + t->tv_nsec;
}

static struct links_instant instant_now(void)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	return (struct links_instant){.clock = clock_now(), .wall = nanos_of(&wall)};
}

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

static int open_link(const struct addr *local)
{
	struct sockaddr_storage address;
	socklen_t len = addr_to_sockaddr(local, &address);
	bool ipv6 = local->ip.family == AF_INET6;
	int fd = socket(local->ip.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (fd < 0)
		return -errno;
	if (ipv6) {
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		set(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
		set(fd, IPPROTO_IPV6, IPV6_TCLASS, TRAFFIC_CLASS);
	} else {
		set(fd, IPPROTO_IP, IP_FREEBIND, 1);
		set(fd, IPPROTO_IP, IP_TOS, TRAFFIC_CLASS);
	}
	set(fd, SOL_SOCKET, SO_PRIORITY, PRIORITY); /* after IP_TOS, which sets it too */
	set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	if (set(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES))
		set(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES);
	if (bind(fd, (struct sockaddr *)&address, len)) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

int links_open(const struct addr *local, const struct addr *remote, size_t n, struct links **ret)
{
	struct links *links = calloc(1, sizeof(*links));

	if (!links)
		return -ENOMEM;
	for (size_t i = 0; i < n && i < CONFIG_LINKS_MAX; i++) {
		struct link *link = &links->list[i];

		link->remote_addr = remote[i];
		link->remote_len = addr_to_sockaddr(&remote[i], &link->remote);
		link->read = instant_now();
		link->fd = open_link(&local[i]);
		if (link->fd < 0) {
			int error = link->fd;

			links_close(links);
			return error;
		}
		links->n++;
	}
	for (size_t i = 0; i < BATCH; i++) {
		links->vectors[i] = (struct iovec){links->buffers[i], sizeof(links->buffers[i])};
		links->headers[i].msg_hdr = (struct msghdr){
			.msg_name = &links->from[i], .msg_iov = &links->vectors[i], .msg_iovlen = 1};
	}
	*ret = links;
	return 0;
}

void links_close(struct links *links)
{
	if (!links)
		return;
	for (size_t i = 0; i < links->n; i++)
		close(links->list[i].fd);
	free(links);
}

size_t links_count(const struct links *links)
{
	return links->n;
}

int links_fd(const struct links *links, size_t link)
{
	return links->list[link].fd;
}

int links_send(struct links *links, size_t link, const uint8_t *bytes, size_t n)
{
	struct link *l = &links->list[link];

	if (sendto(l->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&l->remote,
		   l->remote_len) < 0)
		return -errno;
	return 0;
}

nanos links_arrival(nanos stamp, const struct links_instant *now, const struct links_instant *before)
{
	nanos parted = (now->wall - now->clock) - (before->wall - before->clock);
	nanos at = now->clock - (now->wall - stamp);

	if (stamp == 0 || parted > WALL_STEP || parted < -WALL_STEP || at > now->clock)
		return now->clock;
	return later(at, before->clock);
}

static nanos stamp_of(struct msghdr *header)
{
	struct timespec stamp;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&stamp, CMSG_DATA(c), sizeof(stamp));
		return nanos_of(&stamp);
	}
	return 0;
}

static bool is_from(const struct sockaddr_storage *from, const struct addr *peer)
{
	struct addr addr;

	return addr_from_sockaddr((const struct sockaddr *)from, &addr) == 0 && addr_equal(&addr, peer);
}

/* What the last use of a header has changed. */
static void prepare(struct links *links, size_t i)
{
	struct msghdr *header = &links->headers[i].msg_hdr;

	header->msg_namelen = sizeof(links->from[i]);
	header->msg_control = &links->control[i];
	header->msg_controllen = sizeof(links->control[i]);
}

unsigned links_read(struct links *links, size_t link, links_on_datagram *on_datagram, void *ctx)
{
	struct link *l = &links->list[link];
	struct links_instant before = l->read, now;
	unsigned strangers = 0, total = 0;

	l->read = instant_now();
	while (total < READ_MAX) {
		int n;

		for (size_t i = 0; i < BATCH; i++)
			prepare(links, i);
		n = recvmmsg(l->fd, links->headers, BATCH, MSG_DONTWAIT, NULL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		now = instant_now();
		for (int i = 0; i < n; i++) {
			if (is_from(&links->from[i], &l->remote_addr))
				on_datagram(
					ctx, link, links->buffers[i], links->headers[i].msg_len,
					links_arrival(stamp_of(&links->headers[i].msg_hdr), &now, &before));
			else
				strangers++;
		}
		total += (unsigned)n;
		if (n < BATCH)
			break; /* a datagram that comes now makes the descriptor readable again */
	}
	return strangers;
}
