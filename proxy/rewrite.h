/*
 * rewrite.h: the heads that leave, written anew from what was parsed (RFC 9110 7.6, RFC 9112 9). Pure: one
 * struct in, bytes out.
 *
 * Nothing of a head leaves that was not parsed: every line is put together from its validated parts,
 * hop-by-hop fields and those that Connection names stay here, and so do fields that only we may say:
 *
 *	to the server   Host as asked (from the target when it was absolute), X-Forwarded-For and
 *	                X-Forwarded-Proto as we know them, Content-Length or Transfer-Encoding as parsed. The
 *	                client's own X-Forwarded-*, X-Real-IP and Forwarded are dropped: they could be anybody's
 *	to the client   Server and X-Powered-By are dropped (they tell an attacker what is behind), framing and
 *	                Connection are as the session decided
 *
 * No Via: a gateway would have to add it to requests (RFC 9110 7.6.3), but servers read it as "a cache is
 * in between" and stop compressing (nginx gzip_proxied); neither nginx nor HAProxy writes it.
 */
#ifndef HAPAIR_PROXY_REWRITE_H
#define HAPAIR_PROXY_REWRITE_H

#include "proxy/framing.h"
#include "proxy/http.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A rewritten head is never longer than the one that was parsed and this many bytes. */
#define REWRITE_ROOM 512

struct rewrite_request {
	struct span client;    /* the client's address as text, without port (ip_format) */
	struct span host;      /* for HTTP/1.0 clients that named no host: the server's address as text */
	bool tls;              /* the client came over TLS */
	bool keep_alive;       /* may the server keep the connection? (HTTP/1.1 then needs no field for it) */
	bool append_forwarded; /* the client is trusted: its X-Forwarded-For is kept in front of its own
				  address, and its -Proto kept */
	bool expect;           /* let Expect: 100-continue through */
};

/* The head for the server, always HTTP/1.1. Bytes written, or 0 when `size` is too small. Websocket requests
 * keep their upgrade. */
size_t rewrite_request(const struct http_request *r, const struct rewrite_request *how, char *out,
		       size_t size);

struct rewrite_response {
	uint8_t client_minor;      /* HTTP/1.minor of the request */
	bool keep_alive;           /* the client's connection goes on after this response */
	enum framing_kind framing; /* of the body that will follow: LENGTH (from r), CHUNKED, or CLOSE (then
				      keep_alive is false); NONE writes no framing of our own, but
				      Content-Length is kept where it describes the answer to HEAD or a 304 */
};

/* The head for the client; interim responses and 101 too (`how` then only matters for client_minor). 0 when
 * `size` is too small. */
size_t rewrite_response(const struct http_response *r, const struct rewrite_response *how, char *out,
			size_t size);

/* "Bad Gateway"; "Unknown" for a code without a registered phrase. */
const char *rewrite_status_phrase(unsigned status);

#define REWRITE_ERROR_MAX 512 /* always enough for rewrite_error() */

/*
 * A whole response of our own, with a small text body (none after HEAD), `Cache-Control: no-store`,
 * `Retry-After: 1` for 503 and `Allow` for 405. Bytes written, or 0 when `size` is too small.
 */
size_t rewrite_error(unsigned status, bool keep_alive, bool head_only, char *out, size_t size);

/* "HTTP/1.1 100 Continue\r\n\r\n" */
extern const struct span rewrite_continue;

#endif
