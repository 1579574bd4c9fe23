/*
 * http.h: HTTP/1.1 heads, strictly (RFC 9112 2 to 5, RFC 9110 5 to 7). Pure: reads one buffer in place,
 * writes only its own struct.
 *
 *	http_request_init(&r, HTTP_HEAD_MAX);
 *	n = http_request_parse(&r, buffer, filled);
 *	> 0   the head is complete and takes n bytes of the buffer; all members are valid
 *	= 0   incomplete: call again with the same bytes and more of them; the buffer may have moved meanwhile.
 *	      Lines that were complete are not read again
 *	< 0   -enum http_error: malformed; http_error_status() is the answer, and the connection ends
 *
 * Everything in the structs is an offset into the buffer, so a buffer that was moved later needs only
 * http_rebase().
 *
 * What is refused, so that no two parsers can see two different requests: any line end but CRLF, folded
 * lines, white space around a field name, control characters and NUL, a second Host, Content-Length that is
 * not digits, a second Content-Length (also an equal one), Transfer-Encoding that is not exactly `chunked`,
 * both of them together, Transfer-Encoding in HTTP/1.0, fragments, user info, a Host that differs from an
 * absolute target, CONNECT and TRACE. One empty line before a request is skipped. A field whose name is a
 * known one spelt with `_` for `-` is taken for what a CGI server would take it for, a forgery, and marked
 * HTTP_FIELD_DROP.
 */
#ifndef HAPAIR_PROXY_HTTP_H
#define HAPAIR_PROXY_HTTP_H

#include "hapair/base/span.h"
#include "proxy/framing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX   16384 /* the usual limit of a whole head, its final CRLF CRLF included */
#define HTTP_HEAD_LIMIT 65535 /* the largest limit that may be asked for */
#define HTTP_FIELDS_MAX 128
#define HTTP_TARGET_MAX 8192
#define HTTP_METHOD_MAX 24

/* name, status that a client gets when a request has it (a response that has it is a 502), text for the log
 */
#define HTTP_ERRORS(X)                                                                                       \
	X(NO_ERROR, 0, "no error")                                                                           \
	X(BAD_LINE_END, 400, "line does not end in CRLF")                                                    \
	X(BAD_METHOD, 400, "method is not a token")                                                          \
	X(METHOD_LONG, 501, "method is too long")                                                            \
	X(METHOD_REFUSED, 405, "CONNECT and TRACE are not served")                                           \
	X(BAD_TARGET, 400, "malformed request target")                                                       \
	X(TARGET_LONG, 414, "request target is too long")                                                    \
	X(BAD_VERSION, 400, "malformed HTTP version")                                                        \
	X(VERSION_REFUSED, 505, "HTTP version is not 1.x")                                                   \
	X(BAD_STATUS, 502, "malformed status line")                                                          \
	X(HEAD_LONG, 431, "head is too long")                                                                \
	X(FIELDS_MANY, 431, "too many fields")                                                               \
	X(BAD_NAME, 400, "malformed field name")                                                             \
	X(FOLDED, 400, "folded field line")                                                                  \
	X(BAD_VALUE, 400, "control character in a field")                                                    \
	X(HOST_MISSING, 400, "no Host in HTTP/1.1")                                                          \
	X(HOST_TWICE, 400, "more than one Host")                                                             \
	X(BAD_HOST, 400, "malformed Host")                                                                   \
	X(HOST_MISMATCH, 400, "Host differs from the request target")                                        \
	X(BAD_LENGTH, 400, "Content-Length is not one number")                                               \
	X(LENGTH_TWICE, 400, "more than one Content-Length")                                                 \
	X(LENGTH_AND_CODING, 400, "both Content-Length and Transfer-Encoding")                               \
	X(BAD_CODING, 501, "Transfer-Encoding is not chunked")                                               \
	X(CODING_TWICE, 400, "more than one Transfer-Encoding")                                              \
	X(CODING_IN_HTTP10, 400, "Transfer-Encoding in HTTP/1.0")                                            \
	X(BAD_EXPECT, 417, "unknown Expect")                                                                 \
	X(BAD_UPGRADE, 502, "101 without having been asked")

enum http_error {
#define X(name, status, text) HTTP_##name,
	HTTP_ERRORS(X)
#undef X
		HTTP_ERROR_COUNT
};

/* Both take the negative value that a parser returned, too. */
unsigned http_error_status(int error);
const char *http_error_text(int error);

enum http_method {
	HTTP_METHOD_OTHER, /* any other token */
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_CONNECT, /* these two are only ever refused */
	HTTP_TRACE,
};

/* RFC 9110 9.2.2: sending it twice does no more than sending it once. Unknown methods are not. */
static inline bool http_method_idempotent(enum http_method method)
{
	return method == HTTP_GET || method == HTTP_HEAD || method == HTTP_PUT || method == HTTP_DELETE ||
	       method == HTTP_OPTIONS;
}

/* The fields that hapair itself looks at, replaces or drops: id, name in lower case, flags. */
#define HTTP_KNOWN_FIELDS(X)                                                                                 \
	X(HOST, "host", 0)                                                                                   \
	X(CONTENT_LENGTH, "content-length", 0)                                                               \
	X(TRANSFER_ENCODING, "transfer-encoding", HTTP_FIELD_DROP)                                           \
	X(CONNECTION, "connection", HTTP_FIELD_DROP)                                                         \
	X(KEEP_ALIVE, "keep-alive", HTTP_FIELD_DROP)                                                         \
	X(PROXY_CONNECTION, "proxy-connection", HTTP_FIELD_DROP)                                             \
	X(PROXY_AUTHENTICATE, "proxy-authenticate", HTTP_FIELD_DROP)                                         \
	X(PROXY_AUTHORIZATION, "proxy-authorization", HTTP_FIELD_DROP)                                       \
	X(PROXY, "proxy", HTTP_FIELD_DROP)                                                                   \
	X(TE, "te", HTTP_FIELD_DROP)                                                                         \
	X(TRAILER, "trailer", HTTP_FIELD_DROP)                                                               \
	X(UPGRADE, "upgrade", HTTP_FIELD_DROP)                                                               \
	X(HTTP2_SETTINGS, "http2-settings", HTTP_FIELD_DROP)                                                 \
	X(EXPECT, "expect", 0)                                                                               \
	X(FORWARDED, "forwarded", 0)                                                                         \
	X(X_FORWARDED_FOR, "x-forwarded-for", 0)                                                             \
	X(X_FORWARDED_PROTO, "x-forwarded-proto", 0)                                                         \
	X(X_FORWARDED_HOST, "x-forwarded-host", 0)                                                           \
	X(X_FORWARDED_PORT, "x-forwarded-port", 0)                                                           \
	X(X_FORWARDED_SERVER, "x-forwarded-server", 0)                                                       \
	X(X_REAL_IP, "x-real-ip", 0)                                                                         \
	X(USER_AGENT, "user-agent", 0)                                                                       \
	X(REFERER, "referer", 0)                                                                             \
	X(DATE, "date", 0)                                                                                   \
	X(SERVER, "server", 0)                                                                               \
	X(X_POWERED_BY, "x-powered-by", 0)

enum http_field_id {
	HTTP_FIELD_OTHER,
#define X(id, name, flags) HTTP_FIELD_##id,
	HTTP_KNOWN_FIELDS(X)
#undef X
		HTTP_FIELD_COUNT
};

/* Hop by hop (RFC 9110 7.6.1), named by Connection, or a forgery: does not leave. */
#define HTTP_FIELD_DROP 1u

struct http_part {
	uint16_t at, n; /* bytes from the start of the buffer */
};

struct http_field {
	struct http_part name, value; /* the value without white space around it */
	uint8_t id;                   /* enum http_field_id */
	uint8_t flags;
};

/* What requests and responses share. */
struct http_head {
	const char *base; /* the buffer of the last call */
	uint16_t max;     /* limit of the head */
	uint16_t line;    /* where the first line begins that is not parsed yet */
	uint8_t phase;    /* 0 before the first line, 1 in the fields */
	uint8_t minor;    /* HTTP/1.minor, 0 or 1 (a higher one counts as 1) */
	uint8_t n_fields;
	bool has_length, has_coding, has_close, has_keep_alive, has_upgrade, has_websocket, has_nominated;
	uint64_t length; /* Content-Length, when has_length */
	struct http_field fields[HTTP_FIELDS_MAX];
};

struct http_request {
	enum http_method method;
	struct http_part method_name;
	struct http_part target; /* as sent */
	struct http_part path;   /* from its first `/`, without the query; n is 0 for `*` and for an absolute
				    target without path */
	struct http_part query;  /* with its `?`, or empty */
	struct http_part host;   /* host and port from the target, else from Host; n is 0 where there is none
				    (HTTP/1.0) */
	bool asterisk;           /* OPTIONS * */
	bool absolute, https;    /* the target was absolute, with this scheme */
	bool has_host;           /* there was a Host field */
	bool keep_alive;         /* the client wants the connection to go on */
	bool expect_continue;    /* waits for 100 (Continue) */
	bool websocket;          /* asks for an upgrade that we pass on: GET, HTTP/1.1, no body */
	enum framing_kind body;  /* NONE, LENGTH (head.length > 0) or CHUNKED */
	struct http_head head;   /* last: its fields are the large part */
};

struct http_response {
	unsigned status; /* 100..599 */
	struct http_part reason;
	bool keep_alive;        /* the connection can serve another request after the body */
	bool websocket;         /* 101 to an upgrade to websocket */
	enum framing_kind body; /* NONE for 1xx, 204, 304 and the answer to HEAD */
	struct http_head head;
};

/* `max` <= HTTP_HEAD_LIMIT. Initialises only what matters, not the field table. */
void http_request_init(struct http_request *r, size_t max);
int http_request_parse(struct http_request *r, const char *p, size_t n);

/* `to` tells what was asked: the method decides whether there is a body, and 101 is an error unless it asked
 * for websocket. An interim response (status < 200 but not 101) is complete with its head; another response
 * follows it. */
void http_response_init(struct http_response *r, size_t max);
int http_response_parse(struct http_response *r, const char *p, size_t n, enum http_method to,
			bool to_websocket);

static inline struct span http_text(const struct http_head *head, struct http_part part)
{
	return (struct span){head->base + part.at, part.n};
}

/* The same bytes are at `p` now. */
static inline void http_rebase(struct http_head *head, const char *p)
{
	head->base = p;
}

/* Value of the first field with this id; {NULL, 0} where there is none. */
struct span http_field_value(const struct http_head *head, enum http_field_id id);

#endif
