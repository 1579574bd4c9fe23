/*
 * tls.h: what a listener needs to speak TLS: its certificate, its versions, its ciphers (OpenSSL 3).
 *
 * TLS 1.2 with forward secrecy and AEAD only, or TLS 1.3; ALPN offers http/1.1. Sessions are resumed by tickets (tickets.h) at the
 * same listener, on either node; there is no session cache and no renegotiation.
 */
#ifndef HAPAIR_PROXY_TLS_H
#define HAPAIR_PROXY_TLS_H

#include "hapair/base/config.h"

#include <openssl/ssl.h>

/* From a PEM file's descriptor (chain and key), which stays the caller's. `http`: offer ALPN.
 * `listener`: its name, so that no session of one is resumed at another. `why` (size bytes) says what is wrong.
 * NULL on error. Shared by all workers. */
SSL_CTX *tls_context_new(int pem_fd, enum config_tls_version min_version, bool http, const char *listener, char *why,
			 size_t size);

#endif
