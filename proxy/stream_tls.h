/*
 * stream_tls.h: TLS on a stream. OpenSSL reads and writes through a BIO that knows what the kernel last said
 * (stream_plain.h), so it makes no system call that would only find EAGAIN.
 *
 * Results are as in stream_plain.h. -EPROTO: TLS itself went wrong, also an end of the connection without close_notify, which
 * an attacker can make.
 */
#ifndef HAPAIR_PROXY_STREAM_TLS_H
#define HAPAIR_PROXY_STREAM_TLS_H

#include "proxy/io.h"

#include <openssl/bio.h>

/* One for each loop; NULL: out of memory. BIO_meth_free() when no stream uses it. */
BIO_METHOD *stream_bio_method(void);

/* Takes `tls`, also on error. */
int stream_tls_attach(struct io_stream *s, SSL *tls, BIO_METHOD *method);
int stream_tls_handshake(struct io_stream *s); /* 0, -EAGAIN, or the error */
/* Sets tls_more when there is more that is received already. */
ssize_t stream_tls_receive(struct io_stream *s, char *p, size_t n);
ssize_t stream_tls_send(struct io_stream *s, const struct iovec *iov, size_t n_iov);
void stream_tls_end(struct io_stream *s); /* close_notify, as far as it goes out now */
void stream_tls_detach(struct io_stream *s, bool politely);

#endif
