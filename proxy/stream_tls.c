/*
 * stream_tls.c: see stream_tls.h.
 */
#include "proxy/stream_tls.h"

#include "proxy/stream_plain.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

static int bio_read(BIO *bio, char *p, size_t n, size_t *ret_n)
{
	struct io_stream *s = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	ssize_t got = s->readable ? stream_plain_receive(s, p, n) : -EAGAIN;
	if (got == -EAGAIN)
		BIO_set_retry_read(bio);
	else if (got < 0)
		s->error = (int)got;
	if (got <= 0)
		return 0;
	*ret_n = (size_t)got;
	return 1;
}

static int bio_write(BIO *bio, const char *p, size_t n, size_t *ret_n)
{
	struct io_stream *s = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	struct iovec iov = {(void *)p, n};
	ssize_t sent = s->writable ? stream_plain_send(s, &iov, 1) : -EAGAIN;
	if (sent == -EAGAIN)
		BIO_set_retry_write(bio);
	else if (sent < 0)
		s->error = (int)sent;
	if (sent <= 0)
		return 0;
	*ret_n = (size_t)sent;
	return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO_METHOD *stream_bio_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
	if (m != NULL) {
		BIO_meth_set_read_ex(m, bio_read);
		BIO_meth_set_write_ex(m, bio_write);
		BIO_meth_set_ctrl(m, bio_ctrl);
		BIO_meth_set_create(m, bio_create);
	}
	return m;
}

/* What an OpenSSL call that failed means: -EAGAIN to wait, 0 for a proper end, else the error. */
static int tls_failure(struct io_stream *s, int r)
{
	switch (SSL_get_error(s->tls, r)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		/* An end without close_notify is not an end: it may be an attacker's. */
		r = s->error != 0 ? s->error : -EPROTO;
		s->error = 0;
		ERR_clear_error();
		return r;
	}
}

ssize_t stream_tls_receive(struct io_stream *s, char *p, size_t n)
{
	size_t got;
	int r = SSL_read_ex(s->tls, p, n, &got);
	if (r == 1) {
		s->tls_more = SSL_has_pending(s->tls);
		return (ssize_t)got;
	}
	s->tls_more = false;
	return tls_failure(s, r);
}

/* Small pieces leave as one record: a head and the first bytes of its body. */
ssize_t stream_tls_send(struct io_stream *s, const struct iovec *iov, size_t n_iov)
{
	char together[SSL3_RT_MAX_PLAIN_LENGTH];
	const char *p = iov[0].iov_base;
	size_t n = iov[0].iov_len, sent;
	if (n_iov > 1 && n < sizeof(together)) {
		n = 0;
		for (size_t i = 0; i < n_iov && n < sizeof(together); i++) {
			size_t part = iov[i].iov_len;
			if (part > sizeof(together) - n)
				part = sizeof(together) - n;
			memcpy(together + n, iov[i].iov_base, part);
			n += part;
		}
		p = together;
	}
	int r = SSL_write_ex(s->tls, p, n, &sent);
	if (r == 1)
		return (ssize_t)sent;
	int error = tls_failure(s, r);
	return error == 0 ? -EPIPE : error;
}

int stream_tls_attach(struct io_stream *s, SSL *tls, BIO_METHOD *method)
{
	s->tls = tls;
	BIO *bio = BIO_new(method);
	if (bio == NULL)
		return -ENOMEM;
	BIO_set_data(bio, s);
	SSL_set_bio(tls, bio, bio);
	SSL_set_accept_state(tls);
	return 0;
}

int stream_tls_handshake(struct io_stream *s)
{
	int r = SSL_do_handshake(s->tls);
	if (r != 1) {
		int error = tls_failure(s, r);
		return error == 0 ? -ECONNRESET : error;
	}
	s->tls_more = SSL_has_pending(s->tls);
	return 0;
}

void stream_tls_end(struct io_stream *s)
{
	if (SSL_shutdown(s->tls) < 0)
		ERR_clear_error();
	s->error = 0;
}

void stream_tls_detach(struct io_stream *s, bool politely)
{
	if (politely && SSL_is_init_finished(s->tls))
		stream_tls_end(s);
	SSL_free(s->tls);
	s->tls = NULL;
}
