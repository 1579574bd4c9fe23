/*
 * framing.h: where the body of a message ends (RFC 9112 6 and 7). Pure: bytes in, a count of bytes out.
 *
 * "n bytes go through": the session reads into a buffer, framing_take() says how many of these bytes belong
 * to this body and which of them may leave, and the session sends them without having looked at one. Where
 * framing_run() is not zero, that many bytes of pure body come next and may be moved by splice without being
 * seen; framing_skip() then counts them.
 *
 *      buffer before   p [ 5;x=1 CRLF hello CRLF 0 CRLF Foo: bar CRLF CRLF | GET /next ...  ]  n
 *      buffer after    p [ 5 CRLF hello CRLF 0 CRLF CRLF ]  out            | used
 *
 * A chunked body that goes on as chunked passes as it came, because everything in it was validated: sizes are
 * 1 to 16 hexadecimal digits and nothing else. Chunk extensions and trailer fields are checked, bounded and
 * dropped (the bytes are closed up in place, which costs only the message that has them). With `decode` the
 * chunk lines are dropped as well, for a receiver that speaks HTTP/1.0.
 *
 * No body is held back: what was validated leaves at once, also half a chunk. After an error nothing more may
 * leave and both connections end.
 */
#ifndef HAPAIR_PROXY_FRAMING_H
#define HAPAIR_PROXY_FRAMING_H

#include "hapair/base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum framing_kind {
	FRAMING_NONE,    /* no body */
	FRAMING_LENGTH,  /* Content-Length bytes */
	FRAMING_CHUNKED, /* Transfer-Encoding: chunked */
	FRAMING_CLOSE,   /* until the sender closes; responses only */
};

/* name, text for the log */
#define FRAMING_ERRORS(X)                                                                                    \
	X(NO_ERROR, "no error")                                                                              \
	X(BAD_SIZE, "chunk size is not 1 to 16 hexadecimal digits")                                          \
	X(SIZE_OVERFLOW, "chunk size is too large")                                                          \
	X(BAD_EXTENSION, "chunk extension has a control character")                                          \
	X(EXTENSION_LONG, "chunk extensions are too long")                                                   \
	X(BAD_LINE_END, "chunk line does not end in CRLF")                                                   \
	X(BAD_DATA_END, "chunk data is not followed by CRLF")                                                \
	X(BAD_TRAILER, "trailer is not a field line")                                                        \
	X(TRAILER_LONG, "trailers are too long")                                                             \
	X(TRUNCATED, "connection closed inside the body")

enum framing_error {
#define X(name, text) FRAMING_##name,
	FRAMING_ERRORS(X)
#undef X
		FRAMING_ERROR_COUNT
};

#define FRAMING_EXTENSION_MAX  256               /* bytes of extension in one chunk line */
#define FRAMING_EXTENSIONS_MAX 16384             /* and in one body */
#define FRAMING_TRAILERS_MAX   8192              /* bytes of the trailer section */
#define FRAMING_LENGTH_MAX     (UINT64_MAX >> 1) /* longest Content-Length and chunk */

struct framing {
	uint8_t kind;  /* enum framing_kind */
	uint8_t state; /* enum framing_state in framing.c */
	uint8_t digits;
	bool decode;
	bool done;
	uint8_t error;       /* enum framing_error */
	uint16_t line;       /* bytes of extension in this line */
	uint32_t extensions; /* in this body */
	uint32_t trailers;
	uint64_t left; /* body bytes until the next thing that has to be looked at; for FRAMING_CLOSE
			  UINT64_MAX */
};

/* `length` is for FRAMING_LENGTH only. `decode`: see above. A body of no bytes is done at once. */
void framing_init(struct framing *f, enum framing_kind kind, uint64_t length, bool decode);

/*
 * Looks at p[0..n). 0 and in *ret_used how many bytes were this body's, in *ret_out how many bytes at p are
 * to be sent on
 * (*ret_out <= *ret_used <= n; the bytes between them are rubbish, those from p + *ret_used are untouched).
 * All n are used unless the body ended before. Negative enum framing_error: the body is malformed; *ret_out
 * bytes before the fault were valid.
 */
int framing_take(struct framing *f, char *p, size_t n, size_t *ret_used, size_t *ret_out);

/* The body is complete; what follows is another message. Never true for FRAMING_CLOSE before framing_eof().
 */
static inline bool framing_done(const struct framing *f)
{
	return f->done;
}

/* Bytes that come next and are body only, to be passed unseen; 0: the next byte has to be looked at, or done.
 */
uint64_t framing_run(const struct framing *f);

/* `n` <= framing_run() bytes went by unseen. */
void framing_skip(struct framing *f, uint64_t n);

/* The sender closed its side: 0 when that is a proper end (then done), -FRAMING_TRUNCATED else. */
int framing_eof(struct framing *f);

const char *framing_error_text(int error); /* takes the negative value too */

/* For a body that was not chunked and leaves chunked: one chunk is head, data, FRAMING_CHUNK_END; the last is
 * FRAMING_CHUNK_LAST. */
#define FRAMING_CHUNK_HEAD 18
#define FRAMING_CHUNK_END  SPAN("\r\n")
#define FRAMING_CHUNK_LAST SPAN("0\r\n\r\n")

/* Writes the size line of a chunk of n > 0 bytes; returns its length. */
size_t framing_chunk_head(char out[FRAMING_CHUNK_HEAD], uint64_t n);

#endif
