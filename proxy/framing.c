/*
 * framing.c: the chunked coding as a small state machine (RFC 9112 7.1), the other framings as a counter.
 *
 *	SIZE -> [EXTENSION] -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE ...     a chunk
 *	SIZE -> [EXTENSION] -> SIZE_LF -> LINE -> LAST_LF                            the end, size 0
 *	                                  LINE -> TRAILER_NAME -> TRAILER_VALUE -> TRAILER_LF -> LINE ...
 *
 * Chunk data go by in bulk; only the few bytes around them are looked at one by one.
 */
#include "proxy/framing.h"

enum framing_state {
	SIZE, /* the first: a chunked body begins here */
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	LINE,
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	LAST_LF,
};

static const char *const texts[] = {
#define X(name, text) text,
	FRAMING_ERRORS(X)
#undef X
};

const char *framing_error_text(int error)
{
	unsigned i = (unsigned)(error < 0 ? -error : error);

	return i < FRAMING_ERROR_COUNT ? texts[i] : "unknown error";
}

void framing_init(struct framing *f, enum framing_kind kind, uint64_t length, bool decode)
{
	*f = (struct framing){.kind = kind, .state = SIZE, .decode = decode};
	if (kind == FRAMING_LENGTH)
		f->left = length;
	else if (kind == FRAMING_CLOSE)
		f->left = UINT64_MAX;
	f->done = kind == FRAMING_NONE || (kind == FRAMING_LENGTH && length == 0);
}

uint64_t framing_run(const struct framing *f)
{
	if (f->done || f->error)
		return 0;
	return f->kind == FRAMING_CHUNKED && f->state != DATA ? 0 : f->left;
}

void framing_skip(struct framing *f, uint64_t n)
{
	if (f->kind == FRAMING_CLOSE || n == 0)
		return;
	f->left -= n;
	if (f->left > 0)
		return;
	if (f->kind == FRAMING_CHUNKED)
		f->state = DATA_CR;
	else
		f->done = true;
}

int framing_eof(struct framing *f)
{
	if (f->kind == FRAMING_CLOSE)
		f->done = true;
	if (f->done)
		return 0;
	f->error = FRAMING_TRUNCATED;
	return -FRAMING_TRUNCATED;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Visible ASCII, blank or above ASCII. */
static bool is_text(char c)
{
	uint8_t b = (uint8_t)c;

	return (b >= 0x20 && b != 0x7f) || b == '\t';
}

/* A trailer is dropped, so it is enough that its end cannot be mistaken: a name of visible ASCII, a colon,
 * text. */
static bool is_name(char c)
{
	return c > 0x20 && c < 0x7f && c != ':';
}

static int size_byte(struct framing *f, char c, bool *ret_keep)
{
	int digit = hex_digit(c);

	if (digit >= 0) {
		if (f->digits == 16)
			return -FRAMING_BAD_SIZE;
		f->digits++;
		f->left = f->left << 4 | (unsigned)digit;
		return 0;
	}
	if (f->digits == 0)
		return -FRAMING_BAD_SIZE;
	if (f->left > FRAMING_LENGTH_MAX)
		return -FRAMING_SIZE_OVERFLOW;
	if (c == '\r') {
		f->state = SIZE_LF;
	} else if (c == ';') {
		f->state = EXTENSION;
		f->line = 0;
		*ret_keep = false;
	} else {
		return c == '\n' ? -FRAMING_BAD_LINE_END : -FRAMING_BAD_SIZE;
	}
	return 0;
}

static int extension_byte(struct framing *f, char c, bool *ret_keep)
{
	if (c == '\r') {
		f->state = SIZE_LF;
		return 0;
	}
	*ret_keep = false;
	if (!is_text(c))
		return c == '\n' ? -FRAMING_BAD_LINE_END : -FRAMING_BAD_EXTENSION;
	if (++f->line > FRAMING_EXTENSION_MAX || ++f->extensions > FRAMING_EXTENSIONS_MAX)
		return -FRAMING_EXTENSION_LONG;
	return 0;
}

static int trailer_byte(struct framing *f, char c, bool *ret_keep)
{
	if (f->state == LINE && c == '\r') {
		f->state = LAST_LF;
		return 0;
	}
	*ret_keep = false;
	if (++f->trailers > FRAMING_TRAILERS_MAX)
		return -FRAMING_TRAILER_LONG;
	switch (f->state) {
	case LINE:
		f->state = TRAILER_NAME;
		return is_name(c) ? 0 : -FRAMING_BAD_TRAILER;
	case TRAILER_NAME:
		if (c == ':')
			f->state = TRAILER_VALUE;
		else if (!is_name(c))
			return -FRAMING_BAD_TRAILER;
		return 0;
	case TRAILER_VALUE:
		if (c == '\r')
			f->state = TRAILER_LF;
		else if (!is_text(c))
			return -FRAMING_BAD_TRAILER;
		return 0;
	default: /* TRAILER_LF */
		f->state = LINE;
		return c == '\n' ? 0 : -FRAMING_BAD_LINE_END;
	}
}

/* One byte around the data. *ret_keep: it goes on to a receiver that gets chunks. */
static int chunk_byte(struct framing *f, char c, bool *ret_keep)
{
	*ret_keep = true;
	switch (f->state) {
	case SIZE:
		return size_byte(f, c, ret_keep);
	case EXTENSION:
		return extension_byte(f, c, ret_keep);
	case SIZE_LF:
		f->state = f->left > 0 ? DATA : LINE;
		return c == '\n' ? 0 : -FRAMING_BAD_LINE_END;
	case DATA_CR:
		f->state = DATA_LF;
		return c == '\r' ? 0 : -FRAMING_BAD_DATA_END;
	case DATA_LF:
		f->state = SIZE;
		f->digits = 0;
		return c == '\n' ? 0 : -FRAMING_BAD_DATA_END;
	case LAST_LF:
		f->done = true;
		return c == '\n' ? 0 : -FRAMING_BAD_LINE_END;
	default:
		return trailer_byte(f, c, ret_keep);
	}
}

static int take_chunked(struct framing *f, char *p, size_t n, size_t *ret_used, size_t *ret_out)
{
	size_t in = 0, out = 0;
	int r = 0;

	while (in < n && !f->done) {
		size_t run = 1;
		bool keep;

		if (f->state == DATA) {
			run = f->left < n - in ? (size_t)f->left : n - in;
			framing_skip(f, run);
			keep = true;
		} else {
			r = chunk_byte(f, p[in], &keep);
			if (r < 0)
				break;
			keep = keep && !f->decode;
		}
		if (keep) {
			if (out != in)
				memmove(p + out, p + in, run);
			out += run;
		}
		in += run;
	}
	*ret_used = in;
	*ret_out = out;
	return r;
}

int framing_take(struct framing *f, char *p, size_t n, size_t *ret_used, size_t *ret_out)
{
	int r = 0;

	*ret_used = *ret_out = 0;
	if (f->error)
		return -(int)f->error;
	if (f->kind == FRAMING_CHUNKED) {
		r = take_chunked(f, p, n, ret_used, ret_out);
		if (r < 0) {
			f->error = (uint8_t)-r;
			f->done = false;
		}
		return r;
	}
	*ret_used = *ret_out = framing_run(f) < n ? (size_t)framing_run(f) : n;
	framing_skip(f, *ret_used);
	return r;
}

size_t framing_chunk_head(char out[FRAMING_CHUNK_HEAD], uint64_t n)
{
	size_t digits = (size_t)(64 - __builtin_clzll(n | 1) + 3) / 4;

	for (size_t i = digits; i-- > 0; n >>= 4)
		out[i] = "0123456789abcdef"[n & 15];
	out[digits] = '\r';
	out[digits + 1] = '\n';
	return digits + 2;
}
