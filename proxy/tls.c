/*
 * tls.c: see tls.h. The handshake itself and the records are in the engine (io_secure()).
 */
#include "proxy/tls.h"

#include "proxy/tickets.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PEM_MAX (1024 * 1024)

/* Forward secrecy and authenticated encryption; the client's order counts, for phones without AES. */
#define CIPHERS_1_2                                                                                          \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"           \
	"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

static void explain(char *why, size_t size, const char *what)
{
	char text[160] = "";
	unsigned long e = ERR_peek_last_error();
	if (e != 0)
		ERR_error_string_n(e, text, sizeof(text));
	snprintf(why, size, "%s%s%s", what, e != 0 ? ": " : "", text);
	ERR_clear_error();
}

/* The descriptor may be shared with other processes: its position is not ours to move. */
static char *read_all(int fd, size_t *ret_n)
{
	char *text = malloc(PEM_MAX);
	size_t n = 0;
	while (text != NULL && n < PEM_MAX) {
		ssize_t got = pread(fd, text + n, PEM_MAX - n, (off_t)n);
		if (got < 0) {
			free(text);
			return NULL;
		}
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*ret_n = n;
	return text;
}

static bool use_chain(SSL_CTX *ctx, BIO *pem)
{
	X509 *leaf = PEM_read_bio_X509_AUX(pem, NULL, NULL, NULL);
	bool good = leaf != NULL && SSL_CTX_use_certificate(ctx, leaf) == 1;
	X509_free(leaf);
	X509 *issuer;
	while (good && (issuer = PEM_read_bio_X509(pem, NULL, NULL, NULL)) != NULL) {
		good = SSL_CTX_add0_chain_cert(ctx, issuer) == 1;
		if (!good)
			X509_free(issuer);
	}
	if (good)
		ERR_clear_error(); /* that there is no further certificate */
	return good;
}

/* An encrypted key has nobody who could be asked. */
static int no_password(char *out, int size, int writing, void *ctx)
{
	return -1;
}

static bool use_key(SSL_CTX *ctx, BIO *pem)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(pem, NULL, no_password, NULL);
	bool good = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1;
	EVP_PKEY_free(key);
	return good;
}

static int select_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_n,
		       const unsigned char *offered, unsigned n, void *ctx)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;
	if (SSL_select_next_proto(&chosen, ret_n, ours, sizeof(ours) - 1, offered, n) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2: no_application_protocol */
	*ret = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static void configure(SSL_CTX *ctx, enum config_tls_version min_version, bool http)
{
	SSL_CTX_set_min_proto_version(ctx, min_version == TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(ctx, CIPHERS_1_2);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1);
	/* Idle connections give their record buffers back; one read takes all that has come. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	if (http)
		SSL_CTX_set_alpn_select_cb(ctx, select_alpn, NULL);
}

SSL_CTX *tls_context_new(int pem_fd, enum config_tls_version min_version, bool http, const char *listener, char *why,
			 size_t size)
{
	size_t n;
	char *text = read_all(pem_fd, &n);
	if (text == NULL) {
		snprintf(why, size, "can't read the certificate");
		return NULL;
	}
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	BIO *chain = BIO_new_mem_buf(text, (int)n), *key = BIO_new_mem_buf(text, (int)n);
	const char *wrong = NULL;
	if (ctx == NULL || chain == NULL || key == NULL)
		wrong = "out of memory";
	else if (!use_chain(ctx, chain))
		wrong = "certificate";
	else if (!use_key(ctx, key))
		wrong = "private key";
	else if (SSL_CTX_check_private_key(ctx) != 1)
		wrong = "the key is not the certificate's";
	if (wrong != NULL) {
		explain(why, size, wrong);
		SSL_CTX_free(ctx);
		ctx = NULL;
	} else {
		configure(ctx, min_version, http);
		tickets_use(ctx, listener);
	}
	BIO_free(chain);
	BIO_free(key);
	OPENSSL_cleanse(text, n);
	free(text);
	return ctx;
}
