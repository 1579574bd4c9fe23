/*
 * stream_plain.c: see stream_plain.h.
 */
#include "proxy/stream_plain.h"

#include <errno.h>
#include <sys/socket.h>

ssize_t stream_plain_receive(struct io_stream *s, char *p, size_t n)
{
	ssize_t got = recv(s->fd, p, n, 0);
	if (got < 0) {
		int error = errno;
		if (error == EINTR)
			return -EAGAIN;
		if (error == EAGAIN)
			s->readable = false;
		return -error;
	}
	if ((size_t)got < n && got > 0 && !s->hung_up)
		s->readable = false;
	return got;
}

ssize_t stream_plain_send(struct io_stream *s, const struct iovec *iov, size_t n_iov)
{
	size_t n = 0;
	for (size_t i = 0; i < n_iov; i++)
		n += iov[i].iov_len;
	ssize_t sent;
	if (n_iov == 1) {
		sent = send(s->fd, iov[0].iov_base, n, MSG_NOSIGNAL);
	} else {
		struct msghdr m = {.msg_iov = (struct iovec *)iov, .msg_iovlen = n_iov};
		sent = sendmsg(s->fd, &m, MSG_NOSIGNAL);
	}
	if (sent < 0) {
		int error = errno;
		if (error == EINTR)
			return -EAGAIN;
		if (error == EAGAIN)
			s->writable = false;
		return -error;
	}
	if ((size_t)sent < n)
		s->writable = false;
	return sent;
}
