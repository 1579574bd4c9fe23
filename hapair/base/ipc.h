/*
 * ipc.h: one end of a channel between two roles, on a libevent base.
 *
 * Never blocks. What the socket does not take now is queued up to a bound; past it a lossy message is dropped, any other
 * closes the channel (the peer is stuck: it is treated as gone). A closed channel calls on_gone once, from the loop, never from
 * inside ipc_send(), and after everything that the other end had still written was delivered.
 *
 * A received message is inside the table of msg.h (sender, receiver, size, descriptor), else the receiver ends with a line in
 * the log; the supervisor alone treats such a sender as gone. Behind text in a message there is always a zero byte, at the
 * latest at the end of `message`; numbers (enumerations, indexes) are the receiver's to check.
 */
#ifndef HAPAIR_BASE_IPC_H
#define HAPAIR_BASE_IPC_H

#include "hapair/base/msg.h"

#include <event2/event.h>

struct ipc;

struct ipc_handler {
	/* `fd` is -1 or the receiver's to keep and close. `message` is valid during the call. May call ipc_free(). */
	void (*on_message)(void *ctx, enum role from, enum msg_type type, const union msg_any *message, int fd);
	/* The other end is closed or stuck. The channel is still to be freed by its owner. */
	void (*on_gone)(void *ctx, enum role from);
};

/* A pair of connected, close-on-exec, non-blocking SEQPACKET sockets. 0 or negative errno. */
int ipc_pair(int ret_fds[2]);

/* Takes `fd`. `priority` is the event priority in the base. NULL when out of memory. */
struct ipc *ipc_new(struct event_base *base, int fd, enum role self, enum role peer, const struct ipc_handler *handler,
		    void *ctx, int priority);
void ipc_free(struct ipc *ipc);

/* `message` is the struct of `type`. `fd` is duplicated by the kernel and stays the caller's; -1 for none.
 * 0 or negative errno (-EPIPE: gone; -ENOBUFS: lossy and dropped). NULL ipc: -ENOTCONN. */
int ipc_send(struct ipc *ipc, enum msg_type type, const void *message, int fd);

#endif
