/*
 * http.c: the strict HTTP/1.1 head parser.
 *
 * One pass, line by line. A step function parses one line from head.line on and answers as the whole parser
 * does: > 0 where the next line begins, 0 for more bytes, < 0 for an error; only a line that was parsed to
 * its end moves head.line, so an incomplete one is simply read again when more has come. What a field means
 * is settled as it is met; what depends on all fields, in the two finish functions.
 */
#include "proxy/http.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static const struct {
	uint16_t status;
	const char *text;
} errors[] = {
#define X(name, status, text) {status, text},
	HTTP_ERRORS(X)
#undef X
};

static const struct {
	struct span name;
	uint8_t flags;
} known[] = {[HTTP_FIELD_OTHER] = {{"", 0}, 0},
#define X(id, name, flags) {{name, sizeof(name) - 1}, flags},
	     HTTP_KNOWN_FIELDS(X)
#undef X
};

/* Known names by their length; a name is compared with three at most. A test finds every known name through
 * it. */
#define KNOWN_LENGTH_MAX 19
static const uint8_t known_by_length[KNOWN_LENGTH_MAX + 1][3] = {
	[2] = {HTTP_FIELD_TE},
	[4] = {HTTP_FIELD_HOST, HTTP_FIELD_DATE},
	[5] = {HTTP_FIELD_PROXY},
	[6] = {HTTP_FIELD_EXPECT, HTTP_FIELD_SERVER},
	[7] = {HTTP_FIELD_UPGRADE, HTTP_FIELD_REFERER, HTTP_FIELD_TRAILER},
	[9] = {HTTP_FIELD_X_REAL_IP, HTTP_FIELD_FORWARDED},
	[10] = {HTTP_FIELD_USER_AGENT, HTTP_FIELD_CONNECTION, HTTP_FIELD_KEEP_ALIVE},
	[12] = {HTTP_FIELD_X_POWERED_BY},
	[14] = {HTTP_FIELD_CONTENT_LENGTH, HTTP_FIELD_HTTP2_SETTINGS},
	[15] = {HTTP_FIELD_X_FORWARDED_FOR},
	[16] = {HTTP_FIELD_PROXY_CONNECTION, HTTP_FIELD_X_FORWARDED_HOST, HTTP_FIELD_X_FORWARDED_PORT},
	[17] = {HTTP_FIELD_TRANSFER_ENCODING, HTTP_FIELD_X_FORWARDED_PROTO},
	[18] = {HTTP_FIELD_PROXY_AUTHENTICATE, HTTP_FIELD_X_FORWARDED_SERVER},
	[19] = {HTTP_FIELD_PROXY_AUTHORIZATION},
};

/* Names that Connection may list before a head is refused; each is compared with every field. */
#define NOMINATED_MAX 32

enum {
	TOKEN = 1, /* RFC 9110 5.6.2 */
	NAME = 2,  /* reg-name of RFC 3986 3.2.2 */
	IPV6 = 4,  /* inside [ ] */
};

static const uint8_t classes[256] = {
	['0' ... '9'] = TOKEN | NAME | IPV6,
	['A' ... 'F'] = TOKEN | NAME | IPV6,
	['a' ... 'f'] = TOKEN | NAME | IPV6,
	['G' ... 'Z'] = TOKEN | NAME,
	['g' ... 'z'] = TOKEN | NAME,
	['-'] = TOKEN | NAME,
	['.'] = TOKEN | NAME | IPV6,
	['_'] = TOKEN | NAME,
	['~'] = TOKEN | NAME,
	['!'] = TOKEN | NAME,
	['$'] = TOKEN | NAME,
	['&'] = TOKEN | NAME,
	['\''] = TOKEN | NAME,
	['*'] = TOKEN | NAME,
	['+'] = TOKEN | NAME,
	['%'] = TOKEN | NAME,
	['#'] = TOKEN,
	['^'] = TOKEN,
	['`'] = TOKEN,
	['|'] = TOKEN,
	['('] = NAME,
	[')'] = NAME,
	[','] = NAME,
	[';'] = NAME,
	['='] = NAME,
	[':'] = IPV6,
};

static bool is(char c, uint8_t class)
{
	return classes[(uint8_t)c] & class;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* What a field value and a reason phrase may hold: HTAB, SP, visible ASCII, and bytes above it. */
static bool is_value(char c)
{
	uint8_t b = (uint8_t)c;

	return (b >= 0x20 && b != 0x7f) || b == '\t';
}

/* What a request target may hold: visible ASCII but the fragment's `#`, which a client keeps to itself. */
static bool is_target(char c)
{
	return c > 0x20 && c < 0x7f && c != '#';
}

/* The first byte of p..end that may not be in a value, or end. */
static const char *scan_value(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f), last = _mm_set1_epi8(0x1f);

	for (; end - p >= 16; p += 16) {
		__m128i b = _mm_loadu_si128((const __m128i *)p);
		/* min(b, 0x1f) == b says b <= 0x1f, unsigned */
		__m128i control =
			_mm_andnot_si128(_mm_cmpeq_epi8(b, tab), _mm_cmpeq_epi8(_mm_min_epu8(b, last), b));
		int stop = _mm_movemask_epi8(_mm_or_si128(control, _mm_cmpeq_epi8(b, del)));

		if (stop)
			return p + __builtin_ctz((unsigned)stop);
	}
#endif
	while (p < end && is_value(*p))
		p++;
	return p;
}

static const char *scan_target(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i space = _mm_set1_epi8(0x20), del = _mm_set1_epi8(0x7f), hash = _mm_set1_epi8('#');

	for (; end - p >= 16; p += 16) {
		__m128i b = _mm_loadu_si128((const __m128i *)p);
		/* signed: bytes above ASCII are negative, hence below the space too */
		__m128i good = _mm_and_si128(_mm_cmpgt_epi8(b, space), _mm_cmplt_epi8(b, del));
		int stop = _mm_movemask_epi8(_mm_andnot_si128(_mm_cmpeq_epi8(b, hash), good)) ^ 0xffff;

		if (stop)
			return p + __builtin_ctz((unsigned)stop);
	}
#endif
	while (p < end && is_target(*p))
		p++;
	return p;
}

unsigned http_error_status(int error)
{
	unsigned i = (unsigned)(error < 0 ? -error : error);

	return i < HTTP_ERROR_COUNT ? errors[i].status : 400;
}

const char *http_error_text(int error)
{
	unsigned i = (unsigned)(error < 0 ? -error : error);

	return i < HTTP_ERROR_COUNT ? errors[i].text : "unknown error";
}

struct span http_field_value(const struct http_head *head, enum http_field_id id)
{
	for (size_t i = 0; i < head->n_fields; i++)
		if (head->fields[i].id == id)
			return http_text(head, head->fields[i].value);
	return (struct span){NULL, 0};
}

static struct http_part part_of(const struct http_head *head, const char *from, const char *to)
{
	return (struct http_part){(uint16_t)(from - head->base), (uint16_t)(to - from)};
}

static void head_init(struct http_head *head, size_t max)
{
	memset(head, 0, offsetof(struct http_head, fields));
	head->max = (uint16_t)(max < HTTP_HEAD_LIMIT ? max : HTTP_HEAD_LIMIT);
}

/* `name` against a known name in lower case. `_` counts as `-`, and is remembered: only a forger or an
 * accident writes it. */
static bool name_matches(const char *name, struct span lower, bool *forged)
{
	bool under = false;

	for (size_t i = 0; i < lower.n; i++) {
		char c = name[i], want = lower.p[i];

		if (c == want || (c >= 'A' && c <= 'Z' && (c | 0x20) == want))
			continue;
		if (c != '_' || want != '-')
			return false;
		under = true;
	}
	*forged = under;
	return true;
}

static void identify(struct http_field *field, const char *name, size_t n)
{
	field->id = HTTP_FIELD_OTHER;
	field->flags = 0;
	if (n > KNOWN_LENGTH_MAX)
		return;
	for (size_t i = 0; i < 3 && known_by_length[n][i]; i++) {
		uint8_t id = known_by_length[n][i];
		bool forged;

		if (!name_matches(name, known[id].name, &forged))
			continue;
		field->id = forged ? HTTP_FIELD_OTHER : id;
		field->flags = forged ? HTTP_FIELD_DROP : known[id].flags;
		return;
	}
}

/* The next element of a comma-separated list in [*p, end), without white space around it; false at the end.
 * Empty elements are skipped. */
static bool list_next(const char **p, const char *end, struct span *ret)
{
	const char *from = *p, *to;

	while (from < end && (is_blank(*from) || *from == ','))
		from++;
	for (to = from; to < end && *to != ',';)
		to++;
	*p = to;
	while (to > from && is_blank(to[-1]))
		to--;
	*ret = (struct span){from, (size_t)(to - from)};
	return ret->n > 0;
}

static int take_connection(struct http_head *head, struct span value)
{
	const char *p = value.p, *end = value.p + value.n;
	struct span option;

	while (list_next(&p, end, &option)) {
		for (size_t i = 0; i < option.n; i++)
			if (!is(option.p[i], TOKEN))
				return -HTTP_BAD_VALUE;
		if (span_equal_nocase(option, SPAN("close")))
			head->has_close = true;
		else if (span_equal_nocase(option, SPAN("keep-alive")))
			head->has_keep_alive = true;
		else if (span_equal_nocase(option, SPAN("upgrade")))
			head->has_upgrade = true;
		else
			head->has_nominated = true;
	}
	return 0;
}

static void take_upgrade(struct http_head *head, struct span value)
{
	const char *p = value.p, *end = value.p + value.n;
	struct span protocol;

	while (list_next(&p, end, &protocol))
		if (span_equal_nocase(protocol, SPAN("websocket")))
			head->has_websocket = true;
}

static int take_length(struct http_head *head, struct span value)
{
	uint64_t length = 0;

	if (head->has_length)
		return -HTTP_LENGTH_TWICE;
	if (value.n == 0 || value.n > 19) /* 19 digits never overflow 64 bits */
		return -HTTP_BAD_LENGTH;
	for (size_t i = 0; i < value.n; i++) {
		if (!is_digit(value.p[i]))
			return -HTTP_BAD_LENGTH;
		length = length * 10 + (uint64_t)(value.p[i] - '0');
	}
	if (length > FRAMING_LENGTH_MAX)
		return -HTTP_BAD_LENGTH;
	head->has_length = true;
	head->length = length;
	return 0;
}

static int take_coding(struct http_head *head, struct span value)
{
	if (head->has_coding)
		return -HTTP_CODING_TWICE;
	head->has_coding = true;
	return span_equal_nocase(value, SPAN("chunked")) ? 0 : -HTTP_BAD_CODING;
}

/* What requests and responses have in common. */
static int take_field(struct http_head *head, const struct http_field *field)
{
	struct span value = http_text(head, field->value);

	switch (field->id) {
	case HTTP_FIELD_CONTENT_LENGTH:
		return take_length(head, value);
	case HTTP_FIELD_TRANSFER_ENCODING:
		return take_coding(head, value);
	case HTTP_FIELD_CONNECTION:
		return take_connection(head, value);
	case HTTP_FIELD_UPGRADE:
		take_upgrade(head, value);
		return 0;
	default:
		return 0;
	}
}

/* CR LF at p: 2, 0 when there is no more than the CR yet, or an error. */
static int line_end(const char *p, const char *end)
{
	if (p >= end)
		return 0;
	if (*p != '\r')
		return -HTTP_BAD_LINE_END;
	if (p + 1 >= end)
		return 0;
	return p[1] == '\n' ? 2 : -HTTP_BAD_LINE_END;
}

/* One field line; *ret_last when it was the empty line that ends the head. */
static int parse_field(struct http_head *head, const char *end, bool *ret_last)
{
	const char *line = head->base + head->line, *p = line, *colon, *value, *stop;
	struct http_field *field;
	int n;

	*ret_last = false;
	if (p < end && *p == '\r') {
		*ret_last = true;
		n = line_end(p, end);
		return n > 0 ? head->line + n : n;
	}
	if (p < end && is_blank(*p))
		return -HTTP_FOLDED;
	while (p < end && is(*p, TOKEN))
		p++;
	if (p == end)
		return 0;
	if (*p != ':' || p == line)
		return *p == '\n' && p == line ? -HTTP_BAD_LINE_END : -HTTP_BAD_NAME;
	colon = p++;
	while (p < end && is_blank(*p))
		p++;
	value = p;
	stop = scan_value(p, end);
	if (stop < end && *stop != '\r')
		return *stop == '\n' ? -HTTP_BAD_LINE_END : -HTTP_BAD_VALUE;
	n = line_end(stop, end);
	if (n <= 0)
		return n;
	if (head->n_fields == HTTP_FIELDS_MAX)
		return -HTTP_FIELDS_MANY;

	for (p = stop; p > value && is_blank(p[-1]);)
		p--;
	field = &head->fields[head->n_fields++];
	field->name = part_of(head, line, colon);
	field->value = part_of(head, value, p);
	identify(field, line, (size_t)(colon - line));
	return (int)(stop - head->base) + n;
}

/* Marks the fields that Connection names; never Host and Content-Length, without which the message would be
 * another. */
static int drop_nominated(struct http_head *head)
{
	unsigned nominated = 0;

	for (size_t i = 0; i < head->n_fields; i++) {
		struct span value = http_text(head, head->fields[i].value), option;
		const char *p = value.p, *end = value.p + value.n;

		if (head->fields[i].id != HTTP_FIELD_CONNECTION)
			continue;
		while (list_next(&p, end, &option)) {
			if (++nominated > NOMINATED_MAX)
				return -HTTP_FIELDS_MANY;
			for (size_t j = 0; j < head->n_fields; j++) {
				struct http_field *field = &head->fields[j];

				if (field->id != HTTP_FIELD_HOST && field->id != HTTP_FIELD_CONTENT_LENGTH &&
				    span_equal_nocase(http_text(head, field->name), option))
					field->flags |= HTTP_FIELD_DROP;
			}
		}
	}
	return 0;
}

static int finish_head(struct http_head *head)
{
	if (head->has_coding && head->has_length)
		return -HTTP_LENGTH_AND_CODING;
	if (head->has_coding && head->minor == 0)
		return -HTTP_CODING_IN_HTTP10;
	return head->has_nominated ? drop_nominated(head) : 0;
}

/* `HTTP/1.x` at p, with at least eight bytes there. */
static int parse_version(const char *p, uint8_t *ret_minor)
{
	if (memcmp(p, "HTTP/", 5) != 0 || !is_digit(p[5]) || p[6] != '.' || !is_digit(p[7]))
		return -HTTP_BAD_VERSION;
	if (p[5] != '1')
		return -HTTP_VERSION_REFUSED;
	*ret_minor = p[7] != '0';
	return 0;
}

static enum http_method method_of(struct span name)
{
	static const struct {
		struct span name;
		enum http_method method;
	} methods[] = {
		{{"GET", 3}, HTTP_GET},         {{"POST", 4}, HTTP_POST},       {{"HEAD", 4}, HTTP_HEAD},
		{{"PUT", 3}, HTTP_PUT},         {{"PATCH", 5}, HTTP_PATCH},     {{"DELETE", 6}, HTTP_DELETE},
		{{"OPTIONS", 7}, HTTP_OPTIONS}, {{"CONNECT", 7}, HTTP_CONNECT}, {{"TRACE", 5}, HTTP_TRACE},
	};

	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
		if (span_equal(name, methods[i].name))
			return methods[i].method;
	return HTTP_METHOD_OTHER;
}

/* host [ ":" port ] (RFC 3986 3.2.2), no user info. */
static bool host_valid(struct span host)
{
	const char *p = host.p, *end = host.p + host.n;
	unsigned port = 0;

	if (p < end && *p == '[') {
		const char *from = ++p;

		while (p < end && is(*p, IPV6))
			p++;
		if (p == from || p == end || *p++ != ']')
			return false;
	} else {
		while (p < end && is(*p, NAME))
			p++;
		if (p == host.p)
			return false;
	}
	if (p == end)
		return true;
	if (*p++ != ':')
		return false;
	for (; p < end; p++) {
		if (!is_digit(*p))
			return false;
		port = port * 10 + (unsigned)(*p - '0');
		if (port > 65535)
			return false;
	}
	return true;
}

/* The host without an empty or default port. */
static struct span host_without_default_port(struct span host, bool https)
{
	struct span port = https ? SPAN(":443") : SPAN(":80");

	if (host.n > port.n && memcmp(host.p + host.n - port.n, port.p, port.n) == 0)
		host.n -= port.n;
	else if (host.n > 1 && host.p[host.n - 1] == ':')
		host.n--;
	return host;
}

/* `scheme://authority path ? query` (RFC 9112 3.2.2), as proxies' clients send it. */
static int parse_absolute(struct http_request *r, const char *p, const char *end)
{
	const char *host = NULL;
	struct span s = {p, (size_t)(end - p)};

	if (s.n > 7 && span_equal_nocase((struct span){p, 7}, SPAN("http://"))) {
		host = p + 7;
	} else if (s.n > 8 && span_equal_nocase((struct span){p, 8}, SPAN("https://"))) {
		host = p + 8;
		r->https = true;
	} else {
		return -HTTP_BAD_TARGET;
	}
	for (p = host; p < end && *p != '/' && *p != '?';)
		p++;
	r->host = part_of(&r->head, host, p);
	if (!host_valid(http_text(&r->head, r->host)))
		return -HTTP_BAD_TARGET;
	r->absolute = true;
	host = p;
	while (p < end && *p != '?')
		p++;
	r->path = part_of(&r->head, host, p);
	r->query = part_of(&r->head, p, end);
	r->asterisk = r->method == HTTP_OPTIONS && r->path.n == 0 && r->query.n == 0;
	return 0;
}

static int parse_target(struct http_request *r, const char *p, const char *end)
{
	const char *query;

	r->target = part_of(&r->head, p, end);
	if (*p == '/') {
		query = memchr(p, '?', (size_t)(end - p));
		if (!query)
			query = end;
		r->path = part_of(&r->head, p, query);
		r->query = part_of(&r->head, query, end);
		return 0;
	}
	if (*p == '*' && end - p == 1 && r->method == HTTP_OPTIONS) {
		r->asterisk = true;
		return 0;
	}
	return parse_absolute(r, p, end);
}

/* method SP target SP HTTP/1.x CRLF */
static int parse_request_line(struct http_request *r, const char *end)
{
	struct http_head *head = &r->head;
	const char *line = head->base + head->line, *p = line, *target;
	int n;

	while (p < end && is(*p, TOKEN) && p - line <= HTTP_METHOD_MAX)
		p++;
	if (p - line > HTTP_METHOD_MAX)
		return -HTTP_METHOD_LONG;
	if (p == end)
		return 0;
	if (*p != ' ' || p == line)
		return -HTTP_BAD_METHOD;
	r->method_name = part_of(head, line, p);
	r->method = method_of(http_text(head, r->method_name));
	if (r->method == HTTP_CONNECT || r->method == HTTP_TRACE)
		return -HTTP_METHOD_REFUSED;

	target = ++p;
	p = scan_target(p, end);
	if (p - target > HTTP_TARGET_MAX)
		return -HTTP_TARGET_LONG;
	if (p == end)
		return head->line + (end - line) >= head->max ? -HTTP_TARGET_LONG : 0;
	if (*p != ' ' || p == target)
		return -HTTP_BAD_TARGET;
	n = parse_target(r, target, p);
	if (n < 0)
		return n;

	p++;
	if (end - p < 8)
		return 0;
	n = parse_version(p, &head->minor);
	if (n < 0)
		return n;
	n = line_end(p + 8, end);
	return n > 0 ? (int)(p + 8 - head->base) + n : n;
}

static int take_host(struct http_request *r, const struct http_field *field)
{
	struct span value = http_text(&r->head, field->value);

	if (r->has_host)
		return -HTTP_HOST_TWICE;
	r->has_host = true;
	/* `OPTIONS *` is about no host, so an empty one is right there (RFC 9110 7.2). */
	if (!host_valid(value) && !(value.n == 0 && r->asterisk && !r->absolute))
		return -HTTP_BAD_HOST;
	if (!r->absolute)
		r->host = field->value;
	else if (!span_equal_nocase(host_without_default_port(value, r->https),
				    host_without_default_port(http_text(&r->head, r->host), r->https)))
		return -HTTP_HOST_MISMATCH;
	return 0;
}

static int take_request_field(struct http_head *head, const struct http_field *field)
{
	struct http_request *r = (struct http_request *)((char *)head - offsetof(struct http_request, head));

	if (field->id == HTTP_FIELD_HOST)
		return take_host(r, field);
	if (field->id == HTTP_FIELD_EXPECT) {
		if (!span_equal_nocase(http_text(&r->head, field->value), SPAN("100-continue")))
			return -HTTP_BAD_EXPECT;
		r->expect_continue = true;
		return 0;
	}
	return take_field(&r->head, field);
}

static int finish_request(struct http_request *r)
{
	struct http_head *head = &r->head;
	int n = finish_head(head);

	if (n < 0)
		return n;
	if (!r->has_host && head->minor > 0)
		return -HTTP_HOST_MISSING;
	if (head->has_coding)
		r->body = FRAMING_CHUNKED;
	else
		r->body = head->length > 0 ? FRAMING_LENGTH : FRAMING_NONE;
	r->keep_alive = !head->has_close && (head->minor > 0 || head->has_keep_alive);
	/* RFC 9110 10.1.1: ignored from HTTP/1.0, and pointless without a body */
	r->expect_continue = r->expect_continue && head->minor > 0 && r->body != FRAMING_NONE;
	r->websocket = head->has_upgrade && head->has_websocket && r->method == HTTP_GET && head->minor > 0 &&
		       r->body == FRAMING_NONE;
	return 0;
}

void http_request_init(struct http_request *r, size_t max)
{
	memset(r, 0, offsetof(struct http_request, head));
	head_init(&r->head, max);
}

/* The end of the bytes that may be looked at: no head goes beyond its limit. */
static const char *head_end(struct http_head *head, const char *p, size_t n)
{
	head->base = p;
	return p + (n < head->max ? n : head->max);
}

/* What a step that wants more bytes means: 0, or an error when there may be no more. */
static int head_wants_more(const struct http_head *head, const char *end)
{
	return end - head->base < head->max ? 0 : -HTTP_HEAD_LONG;
}

/*
 * The fields from head->line on to the empty line: where the head ends, 0, or an error. Inlined, so that `take` costs no
 * indirect call for each field.
 */
static inline __attribute__((always_inline)) int parse_fields(struct http_head *head, const char *end,
							      int (*take)(struct http_head *head,
									  const struct http_field *field))
{
	for (;;) {
		bool last;
		int next = parse_field(head, end, &last);

		if (next <= 0)
			return next < 0 ? next : head_wants_more(head, end);
		head->line = (uint16_t)next;
		if (last)
			return next;
		next = take(head, &head->fields[head->n_fields - 1]);
		if (next < 0)
			return next;
	}
}

int http_request_parse(struct http_request *r, const char *p, size_t n)
{
	struct http_head *head = &r->head;
	const char *end = head_end(head, p, n);
	int next, fault;

	if (head->phase == 0) {
		/* One empty line, left over from a sloppy client's last body (RFC 9112 2.2). */
		if (head->line == 0 && p < end && *p == '\r') {
			next = line_end(p, end);
			if (next <= 0)
				return next;
			head->line = (uint16_t)next;
		}
		next = parse_request_line(r, end);
		if (next <= 0)
			return next < 0 ? next : head_wants_more(head, end);
		head->line = (uint16_t)next;
		head->phase = 1;
	}
	next = parse_fields(head, end, take_request_field);
	if (next > 0 && (fault = finish_request(r)) < 0)
		return fault;
	return next;
}

/* HTTP/1.x SP status [ SP reason ] CRLF; the space before an empty reason is often forgotten, and nothing
 * hangs on it. */
static int parse_status_line(struct http_response *r, const char *end)
{
	struct http_head *head = &r->head;
	const char *line = head->base, *p = line, *stop;
	int n;

	if (end - line < 13) {
		size_t have = end - line < 7 ? (size_t)(end - line) : 7;

		/* Not HTTP at all shows in the first bytes; no use waiting for more of it. */
		return memcmp(line, "HTTP/1.", have) == 0 ? 0 : -HTTP_BAD_STATUS;
	}
	if (parse_version(p, &head->minor) < 0)
		return -HTTP_BAD_STATUS;
	p += 8;
	if (p[0] != ' ' || p[1] < '1' || p[1] > '5' || !is_digit(p[2]) || !is_digit(p[3]))
		return -HTTP_BAD_STATUS;
	r->status = (unsigned)(p[1] - '0') * 100 + (unsigned)(p[2] - '0') * 10 + (unsigned)(p[3] - '0');
	p += 4;
	if (*p == ' ')
		p++;
	else if (*p != '\r')
		return -HTTP_BAD_STATUS;
	stop = scan_value(p, end);
	if (stop < end && *stop != '\r')
		return *stop == '\n' ? -HTTP_BAD_LINE_END : -HTTP_BAD_VALUE;
	r->reason = part_of(head, p, stop);
	n = line_end(stop, end);
	return n > 0 ? (int)(stop - head->base) + n : n;
}

static int finish_response(struct http_response *r, enum http_method to, bool to_websocket)
{
	struct http_head *head = &r->head;
	int n = finish_head(head);

	if (n < 0)
		return n;
	if (r->status == 101) {
		r->websocket = to_websocket && head->has_upgrade && head->has_websocket && head->minor > 0;
		if (!r->websocket)
			return -HTTP_BAD_UPGRADE;
	}
	if (r->status < 200 || r->status == 204 || r->status == 304 || to == HTTP_HEAD)
		r->body = FRAMING_NONE;
	else if (head->has_coding)
		r->body = FRAMING_CHUNKED;
	else if (head->has_length)
		r->body = head->length > 0 ? FRAMING_LENGTH : FRAMING_NONE;
	else
		r->body = FRAMING_CLOSE;
	r->keep_alive = !head->has_close && (head->minor > 0 || head->has_keep_alive) &&
			r->body != FRAMING_CLOSE && r->status != 101;
	return 0;
}

void http_response_init(struct http_response *r, size_t max)
{
	memset(r, 0, offsetof(struct http_response, head));
	head_init(&r->head, max);
}

int http_response_parse(struct http_response *r, const char *p, size_t n, enum http_method to,
			bool to_websocket)
{
	struct http_head *head = &r->head;
	const char *end = head_end(head, p, n);
	int next, fault;

	if (head->phase == 0) {
		next = parse_status_line(r, end);
		if (next <= 0)
			return next < 0 ? next : head_wants_more(head, end);
		head->line = (uint16_t)next;
		head->phase = 1;
	}
	next = parse_fields(head, end, take_field);
	if (next > 0 && (fault = finish_response(r, to, to_websocket)) < 0)
		return fault;
	return next;
}
