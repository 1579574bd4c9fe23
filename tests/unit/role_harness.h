/*
 * role_harness.h: for a test that is the supervisor and the neighbours of a role which runs in a process of its own: messages over
 * bare blocking sockets.
 */
#ifndef HAPAIR_TESTS_ROLE_HARNESS_H
#define HAPAIR_TESTS_ROLE_HARNESS_H

#include "hapair/base/msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void give(int channel, enum msg_type type, const void *message, int fd)
{
	uint64_t wire_type = type;
	struct iovec parts[2] = {{&wire_type, sizeof(wire_type)}, {(void *)message, msg_infos[type].size}};
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};

	if (fd >= 0) {
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	assert_true(sendmsg(channel, &m, MSG_NOSIGNAL) > 0);
}

static const struct msg_empty nothing;

/* Gives the role one end of a channel to `peer`; returns the other. */
static int give_link(int channel, enum role peer)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	give(channel, MSG_LINK, &(struct msg_link){peer}, fds[1]);
	close(fds[1]);
	return fds[0];
}

/* The next message of the role; MSG_COUNT at its end. ALIVE comes when it likes. */
static enum msg_type next_message(int channel, void *message, size_t size)
{
	uint64_t type;
	union msg_any any;
	struct iovec parts[2] = {{&type, sizeof(type)}, {&any, sizeof(any)}};
	struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t n;

	do {
		n = recvmsg(channel, &m, 0);
	} while (n > 0 && type == MSG_ALIVE);
	if (n <= 0)
		return MSG_COUNT;
	if (message)
		memcpy(message, &any, size);
	return (enum msg_type)type;
}

#endif
