/* rooms: proxy/framing.c */
/*
 * Bodies: the verdict and what leaves do not depend on the pieces; what leaves is what a second, simple
 * reader understands.
 *
 * The first byte of an input: bits 0 and 1 the framing, bit 2 splice where it is allowed, bits 3 to 5 the
 * size of the pieces. A length takes its second byte.
 */
#include "proxy/framing.h"
#include "tests/fuzz/fuzz.h"

struct run {
	int error;
	bool done;
	size_t used, out;
	char *bytes; /* what left */
};

static struct run feed(const uint8_t *data, size_t size, enum framing_kind kind, uint64_t length, bool decode,
		       size_t step, bool splice)
{
	struct run r = {.bytes = malloc(size + 1)};
	struct framing f;

	framing_init(&f, kind, length, decode);
	while (r.used < size && !framing_done(&f)) {
		size_t n = size - r.used < step ? size - r.used : step, used, out;
		char *piece;

		if (splice && framing_run(&f) > 0) {
			n = framing_run(&f) < n ? (size_t)framing_run(&f) : n;
			memcpy(r.bytes + r.out, data + r.used, n);
			framing_skip(&f, n);
			r.out += n;
			r.used += n;
			continue;
		}
		piece = malloc(n);
		memcpy(piece, data + r.used, n);
		r.error = framing_take(&f, piece, n, &used, &out);
		CHECK(out <= used && used <= n);
		CHECK(r.error || used == n || framing_done(&f));
		CHECK(memcmp(piece + used, data + r.used + used, n - used) == 0);
		memcpy(r.bytes + r.out, piece, out);
		r.out += out;
		r.used += used;
		free(piece);
		if (r.error)
			break;
	}
	r.done = framing_done(&f);
	CHECK(!(r.error && r.done));
	if (r.done)
		CHECK(framing_run(&f) == 0 && framing_eof(&f) == 0);
	framing_skip(&f, 0);
	if (r.error) {
		size_t used, out;

		CHECK(framing_run(&f) == 0);
		CHECK(strcmp(framing_error_text(r.error), framing_error_text(-r.error)) == 0);
		CHECK(framing_take(&f, r.bytes, r.out, &used, &out) == r.error && used == 0 && out == 0);
	} else if (!r.done) {
		int end = framing_eof(&f);

		CHECK(kind == FRAMING_CLOSE ? end == 0 && framing_done(&f) : end == -FRAMING_TRUNCATED);
	}
	return r;
}

/*
 * A chunked body of the plainest kind: digits, CRLF, data, CRLF, ..., 0, CRLF CRLF. Its data go to `out`;
 * their number, or -1.
 */
static long plain_chunks(const char *p, size_t n, char *out)
{
	const char *end = p + n;
	long total = 0;

	for (;;) {
		uint64_t size = 0;
		int digits = 0;

		for (; p < end && *p != '\r'; p++, digits++) {
			int c = *p >= '0' && *p <= '9'                     ? *p - '0'
				: (*p | 0x20) >= 'a' && (*p | 0x20) <= 'f' ? (*p | 0x20) - 'a' + 10
									   : -1;

			if (c < 0)
				return -1;
			size = size << 4 | (uint64_t)c;
		}
		if (digits < 1 || digits > 16 || end - p < 2 || p[1] != '\n')
			return -1;
		p += 2;
		if (size > (uint64_t)(end - p))
			return -1;
		memcpy(out + total, p, size);
		total += (long)size;
		p += size;
		if (end - p < 2 || p[0] != '\r' || p[1] != '\n')
			return -1;
		p += 2;
		if (size == 0)
			return p == end ? total : -1;
	}
}

static bool same(const struct run *a, const struct run *b)
{
	return a->error == b->error && a->done == b->done && a->out == b->out &&
	       memcmp(a->bytes, b->bytes, a->out) == 0 && (a->error || a->used == b->used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = {1, 2, 3, 7, 16, 31, 64, 1000};
	enum framing_kind kind;
	struct run whole, pieces, decoded;
	uint64_t length;
	size_t step;
	bool splice;

	if (size < 2)
		return 0;
	kind = data[0] & 3;
	splice = data[0] >> 2 & 1;
	step = steps[data[0] >> 3 & 7];
	length = data[1];
	data += 2;
	size -= 2;
	if (size / step > 500) /* a piece is a copy */
		step = size / 500 + 1;

	whole = feed(data, size, kind, length, false, size ? size : 1, false);
	pieces = feed(data, size, kind, length, false, step, splice);
	decoded = feed(data, size, kind, length, true, step, splice);
	CHECK(same(&whole, &pieces));
	CHECK(decoded.error == whole.error && decoded.done == whole.done && decoded.used <= size);
	if (whole.done && kind == FRAMING_CHUNKED) {
		char *plain = malloc(whole.out);
		long n = plain_chunks(whole.bytes, whole.out, plain);

		CHECK(n >= 0 && (size_t)n == decoded.out && memcmp(plain, decoded.bytes, decoded.out) == 0);
		free(plain);
	}
	if (kind == FRAMING_LENGTH)
		CHECK(whole.out == (length < size ? length : size) && whole.done == (length <= size));
	if (kind == FRAMING_CHUNKED && decoded.out > 0) {
		char head[FRAMING_CHUNK_HEAD];
		size_t n = framing_chunk_head(head, decoded.out);

		CHECK(n <= sizeof head && strtoull(head, NULL, 16) == decoded.out);
	}
	free(whole.bytes);
	free(pieces.bytes);
	free(decoded.bytes);
	return 0;
}
