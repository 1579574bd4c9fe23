/*
 * stream_plain.h: receive and send on a stream's socket, keeping account of what the kernel says about readiness (io.h:
 * readable, writable, hung_up). For engines on readiness.
 *
 * A short read means that the socket is drained and a short write that it is full, so the EAGAIN that would say so is
 * spared; not after a hang-up, whose end of stream still has to be read.
 */
#ifndef HAPAIR_PROXY_STREAM_PLAIN_H
#define HAPAIR_PROXY_STREAM_PLAIN_H

#include "proxy/io.h"

/* Bytes; 0: end of stream; -EAGAIN: not now; other negative errno: broken. */
ssize_t stream_plain_receive(struct io_stream *s, char *p, size_t n);
/* Bytes taken, perhaps not all; -EAGAIN: not now; other negative errno: broken. */
ssize_t stream_plain_send(struct io_stream *s, const struct iovec *iov, size_t n_iov);

#endif
