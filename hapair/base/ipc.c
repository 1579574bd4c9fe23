/*
 * ipc.c: messages between two processes over a SEQPACKET socket.
 *
 * On the socket a message is its type (64 bits, so that the struct behind it is aligned) and the struct; a
 * descriptor travels beside it (SCM_RIGHTS, unix(7)). What the other end wrote before it died is delivered
 * before on_gone.
 *
 * The receiver checks everything that the table knows. Between two roles a message outside the table ends the
 * receiver: it was written by the same binary, so one of the two is broken or taken over, and a fresh life
 * with fresh channels is the cheapest cure. The supervisor alone treats such a sender as gone (and so kills
 * it): no role may end it.
 */
#include "hapair/base/ipc.h"

#include "hapair/base/list.h"
#include "hapair/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH        64        /* messages read in one turn, so that one channel cannot hold the loop */
#define QUEUE_BYTES  (2 << 20) /* what the kernel did not take yet */
#define LOSSY_BYTES  (QUEUE_BYTES / 8)
#define SOCKET_BYTES (1 << 20)

struct queued {
	struct list in_queue;
	int fd; /* ours, or -1 */
	uint64_t type;
	size_t size;
	unsigned char bytes[];
};

struct ipc {
	struct event_base *base;
	struct event *readable, *writable, *failed;
	int fd;
	enum role self, peer;
	const struct ipc_handler *handler;
	void *ctx;
	struct list queue;
	size_t queue_bytes;
	bool broken;   /* nothing more goes out; `failed` is on its way */
	bool gone;     /* on_gone was called */
	unsigned uses; /* callbacks that run now: memory is kept until they return */
	bool freed;
};

/* One spare word behind the largest message stays zero: text that its sender did not terminate ends there. */
struct received {
	union msg_any message;
	uint64_t zero;
};

int ipc_pair(int ret_fds[2])
{
	int bytes = SOCKET_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) /* FORCE needs privilege; without it the system's limit applies */
		if (setsockopt(ret_fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
			setsockopt(ret_fds[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	return 0;
}

static void queue_drop(struct ipc *ipc, struct queued *q)
{
	ipc->queue_bytes -= q->size;
	list_remove(&q->in_queue);
	if (q->fd >= 0)
		close(q->fd);
	free(q);
}

static void queue_clear(struct ipc *ipc)
{
	list_each_safe(node, &ipc->queue) queue_drop(ipc, list_entry(node, struct queued, in_queue));
}

/* 0 or negative errno; the socket takes a message whole or not at all. */
static int transmit(int socket_fd, uint64_t type, const void *bytes, size_t size, int fd)
{
	struct iovec parts[2] = {{&type, sizeof(type)}, {(void *)bytes, size}};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr aligned;
	} control = {0};
	struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t n;

	if (fd >= 0) {
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	do {
		n = sendmsg(socket_fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* The owner hears of it from the loop, after what can still be read was delivered. */
static void break_channel(struct ipc *ipc)
{
	if (ipc->broken)
		return;
	ipc->broken = true;
	queue_clear(ipc);
	event_del(ipc->writable);
	event_active(ipc->failed, EV_TIMEOUT, 0);
}

static void on_writable(evutil_socket_t socket_fd, short what, void *ctx)
{
	struct ipc *ipc = ctx;

	list_each_safe(node, &ipc->queue)
	{
		struct queued *q = list_entry(node, struct queued, in_queue);
		int r = transmit(socket_fd, q->type, q->bytes, q->size, q->fd);

		if (r == -EAGAIN)
			return;
		if (r < 0) {
			break_channel(ipc);
			return;
		}
		queue_drop(ipc, q);
	}
	event_del(ipc->writable);
}

static int enqueue(struct ipc *ipc, enum msg_type type, const void *message, size_t size, int fd)
{
	size_t bound = msg_infos[type].lossy ? LOSSY_BYTES : QUEUE_BYTES;
	struct queued *q;

	if (ipc->queue_bytes + size > bound || !(q = malloc(sizeof(*q) + size))) {
		if (msg_infos[type].lossy)
			return -ENOBUFS;
		log_error("channel to %s: it does not take its messages, treated as gone",
			  role_name(ipc->peer));
		break_channel(ipc);
		return -EPIPE;
	}
	q->fd = -1;
	if (fd >= 0 && (q->fd = fcntl(fd, F_DUPFD_CLOEXEC, ROLE_COUNT)) < 0) {
		int error = errno;

		free(q);
		log_error("channel to %s: can't keep a descriptor for it: %s", role_name(ipc->peer),
			  strerror(error));
		break_channel(ipc);
		return -EPIPE;
	}
	q->type = type;
	q->size = size;
	memcpy(q->bytes, message, size);
	ipc->queue_bytes += size;
	list_push_back(&ipc->queue, &q->in_queue);
	event_add(ipc->writable, NULL);
	return 0;
}

int ipc_send(struct ipc *ipc, enum msg_type type, const void *message, int fd)
{
	if (!ipc)
		return -ENOTCONN;
	if (ipc->broken)
		return -EPIPE;

	const struct msg_info *info = &msg_infos[type];

	if (!(info->from & ROLE_BIT(ipc->self)) || !(info->to & ROLE_BIT(ipc->peer)) ||
	    info->has_fd != (fd >= 0))
		log_fatal("the table does not allow %s to send %s %s a descriptor to %s",
			  role_name(ipc->self), info->name, fd >= 0 ? "with" : "without",
			  role_name(ipc->peer));
	if (!list_empty(&ipc->queue)) /* behind what waits already */
		return enqueue(ipc, type, message, info->size, fd);

	int r = transmit(ipc->fd, type, message, info->size, fd);

	if (r == -EAGAIN)
		return enqueue(ipc, type, message, info->size, fd);
	if (r < 0) {
		if (r != -EPIPE && r != -ECONNRESET)
			log_error("channel to %s: %s", role_name(ipc->peer), strerror(-r));
		break_channel(ipc);
		return -EPIPE;
	}
	return 0;
}

/* The descriptor of a received message or -1; more than one is closed and counts as none. */
static int take_fd(struct msghdr *m)
{
	int taken = -1;
	unsigned count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++) {
			if (taken >= 0)
				close(taken);
			memcpy(&taken, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			count++;
		}
	}
	if (count > 1) {
		close(taken);
		return -1;
	}
	return taken;
}

/* Why a message is outside the table; NULL: it is inside. */
static const char *objection(const struct ipc *ipc, uint64_t type, size_t size, int flags, int fd)
{
	if (type >= MSG_COUNT)
		return "unknown type";

	const struct msg_info *info = &msg_infos[type];

	if (!(info->from & ROLE_BIT(ipc->peer)) || !(info->to & ROLE_BIT(ipc->self)))
		return "not between these two";
	if (size != info->size || (flags & MSG_TRUNC))
		return "wrong size";
	if ((flags & MSG_CTRUNC) || info->has_fd != (fd >= 0))
		return "descriptor lost or not expected";
	return NULL;
}

/* 1: one message was delivered; 0: nothing there now; negative: the channel has ended. */
static int receive_one(struct ipc *ipc)
{
	struct received in;
	uint64_t type = MSG_COUNT;
	struct iovec parts[2] = {{&type, sizeof(type)}, {&in.message, sizeof(in.message)}};
	union {
		char bytes[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr aligned;
	} control;
	struct msghdr m = {.msg_iov = parts,
			   .msg_iovlen = 2,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	ssize_t n;

	do {
		n = recvmsg(ipc->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return -EPIPE;

	int fd = take_fd(&m);
	size_t size = (size_t)n < sizeof(type) ? 0 : (size_t)n - sizeof(type);
	const char *why = objection(ipc, type, size, m.msg_flags, fd);

	if (why) {
		const char *name = type < MSG_COUNT ? msg_infos[type].name : "?";

		if (ipc->self != ROLE_SUPERVISOR)
			log_fatal("message %s from %s: %s", name, role_name(ipc->peer), why);
		log_error("message %s from %s: %s; treated as gone", name, role_name(ipc->peer), why);
		if (fd >= 0)
			close(fd);
		return -EPROTO;
	}
	memset((char *)&in + size, 0, sizeof(in) - size);
	ipc->handler->on_message(ipc->ctx, ipc->peer, (enum msg_type)type, &in.message, fd);
	return 1;
}

static void release(struct ipc *ipc)
{
	event_free(ipc->readable);
	event_free(ipc->writable);
	event_free(ipc->failed);
	queue_clear(ipc);
	close(ipc->fd);
	free(ipc);
}

/* Reads up to `limit` messages; then, if the channel has ended, tells the owner. */
static void pump(struct ipc *ipc, unsigned limit, bool last)
{
	int r = 1;

	ipc->uses++;
	while (limit-- > 0 && r > 0 && !ipc->freed && !ipc->gone)
		r = receive_one(ipc);
	if (!ipc->freed && !ipc->gone && (r < 0 || (ipc->broken && (last || r == 0)))) {
		ipc->gone = ipc->broken = true;
		event_del(ipc->readable);
		event_del(ipc->writable);
		queue_clear(ipc);
		ipc->handler->on_gone(ipc->ctx, ipc->peer);
	}
	if (--ipc->uses == 0 && ipc->freed)
		release(ipc);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	pump(ctx, BATCH, false);
}

/* A broken channel: what is left in it (bounded: the other end may be alive and mad), then the end. */
static void on_failed(evutil_socket_t fd, short what, void *ctx)
{
	pump(ctx, 64 * BATCH, true);
}

struct ipc *ipc_new(struct event_base *base, int fd, enum role self, enum role peer,
		    const struct ipc_handler *handler, void *ctx, int priority)
{
	struct ipc *ipc = calloc(1, sizeof(*ipc));

	if (!ipc)
		goto fail;
	*ipc = (struct ipc){
		.base = base, .fd = fd, .self = self, .peer = peer, .handler = handler, .ctx = ctx};
	list_init(&ipc->queue);
	ipc->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, ipc);
	ipc->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, ipc);
	ipc->failed = event_new(base, -1, 0, on_failed, ipc);
	if (!ipc->readable || !ipc->writable || !ipc->failed ||
	    event_priority_set(ipc->readable, priority) < 0 ||
	    event_priority_set(ipc->writable, priority) < 0 ||
	    event_priority_set(ipc->failed, priority) < 0 || event_add(ipc->readable, NULL) < 0)
		goto fail;
	return ipc;

fail:
	if (ipc && ipc->readable)
		event_free(ipc->readable);
	if (ipc && ipc->writable)
		event_free(ipc->writable);
	if (ipc && ipc->failed)
		event_free(ipc->failed);
	close(fd);
	free(ipc);
	return NULL;
}

void ipc_free(struct ipc *ipc)
{
	if (!ipc || ipc->freed)
		return;
	ipc->freed = true;
	event_del(ipc->readable);
	event_del(ipc->writable);
	event_del(ipc->failed);
	if (ipc->uses == 0)
		release(ipc);
}
