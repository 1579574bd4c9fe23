/*
 * tickets.h: the keys of TLS session tickets (RFC 5077; RFC 8446, section 4.6.1), the same for all listeners of this process and,
 * by admin's sync, on both nodes: a session goes on after a reload, a restart and a takeover.
 *
 * AES-256-CBC and HMAC-SHA-256. Until admin has said which keys count, a key of this process alone is used. A ticket of an older key is
 * accepted and replaced by one of the newest.
 */
#ifndef HAPAIR_PROXY_TICKETS_H
#define HAPAIR_PROXY_TICKETS_H

#include "hapair/base/msg.h"

#include <openssl/ssl.h>
#include <stdbool.h>

/* Once, before the first context. */
void tickets_init(void);

/* From any thread. */
void tickets_set(const struct msg_ticket_keys *keys);
/* The keys that admin said; false: it did not say any yet. */
bool tickets_get(struct msg_ticket_keys *ret);

/* Makes a context use them. `scope`: a session is resumed only in a context of the same scope. */
void tickets_use(SSL_CTX *ctx, const char *scope);

#endif
