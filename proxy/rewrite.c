/*
 * rewrite.c: outgoing heads. A bounded writer that remembers an overflow instead of asking at each step; one
 * loop over the fields; what we have to say ourselves at the end.
 */
#include "proxy/rewrite.h"

const struct span rewrite_continue = {"HTTP/1.1 100 Continue\r\n\r\n", 25};

struct writer {
	char *p, *end;
	bool full;
};

static inline void put(struct writer *w, const char *p, size_t n)
{
	if (__builtin_expect((size_t)(w->end - w->p) < n, 0)) {
		w->full = true;
		w->p = w->end;
		return;
	}
	memcpy(w->p, p, n);
	w->p += n;
}

static inline void put_span(struct writer *w, struct span s)
{
	if (s.n > 0) /* an empty span may point nowhere, which memcpy() must not be given */
		put(w, s.p, s.n);
}

/* A constant length becomes a few moves. */
#define put_text(w, text) put(w, text, sizeof(text) - 1)

static void put_number(struct writer *w, uint64_t n)
{
	char digits[20];
	size_t i = sizeof digits;

	do
		digits[--i] = (char)('0' + n % 10);
	while (n /= 10);
	put(w, digits + i, sizeof digits - i);
}

static void put_field(struct writer *w, const struct http_head *head, const struct http_field *field)
{
	put_span(w, http_text(head, field->name));
	put_text(w, ": ");
	put_span(w, http_text(head, field->value));
	put_text(w, "\r\n");
}

static void put_length(struct writer *w, uint64_t length)
{
	put_text(w, "Content-Length: ");
	put_number(w, length);
	put_text(w, "\r\n");
}

static size_t finish(const struct writer *w, const char *out)
{
	return w->full ? 0 : (size_t)(w->p - out);
}

/* Fields of a request that only we may say, or that are written apart from the others. */
static bool request_field_ours(uint8_t id, const struct rewrite_request *how)
{
	switch (id) {
	case HTTP_FIELD_HOST:
	case HTTP_FIELD_CONTENT_LENGTH:
	case HTTP_FIELD_FORWARDED:
	case HTTP_FIELD_X_FORWARDED_FOR:
	case HTTP_FIELD_X_FORWARDED_HOST:
	case HTTP_FIELD_X_FORWARDED_PORT:
	case HTTP_FIELD_X_FORWARDED_SERVER:
	case HTTP_FIELD_X_REAL_IP:
		return true;
	case HTTP_FIELD_X_FORWARDED_PROTO:
		return !how->append_forwarded;
	case HTTP_FIELD_EXPECT:
		return !how->expect;
	default:
		return false;
	}
}

static void put_forwarded(struct writer *w, const struct http_head *head, const struct rewrite_request *how)
{
	bool proto = false;

	put_text(w, "X-Forwarded-For: ");
	for (size_t i = 0; how->append_forwarded && i < head->n_fields; i++) {
		proto |= head->fields[i].id == HTTP_FIELD_X_FORWARDED_PROTO;
		if (head->fields[i].id != HTTP_FIELD_X_FORWARDED_FOR || head->fields[i].value.n == 0)
			continue;
		put_span(w, http_text(head, head->fields[i].value));
		put_text(w, ", ");
	}
	put_span(w, how->client);
	put_text(w, "\r\n");
	if (proto)
		return;
	if (how->tls)
		put_text(w, "X-Forwarded-Proto: https\r\n");
	else
		put_text(w, "X-Forwarded-Proto: http\r\n");
}

static void put_target(struct writer *w, const struct http_request *r)
{
	if (r->asterisk) {
		put_text(w, "*");
		return;
	}
	if (r->path.n == 0)
		put_text(w, "/");
	put_span(w, http_text(&r->head, r->path));
	put_span(w, http_text(&r->head, r->query));
}

size_t rewrite_request(const struct http_request *r, const struct rewrite_request *how, char *out,
		       size_t size)
{
	const struct http_head *head = &r->head;
	struct writer w = {out, out + size, false};

	put_span(&w, http_text(head, r->method_name));
	put_text(&w, " ");
	put_target(&w, r);
	put_text(&w, " HTTP/1.1\r\nHost: ");
	put_span(&w, r->host.n || r->asterisk ? http_text(head, r->host) : how->host);
	put_text(&w, "\r\n");
	for (size_t i = 0; i < head->n_fields; i++) {
		const struct http_field *field = &head->fields[i];

		if (!(field->flags & HTTP_FIELD_DROP) && !request_field_ours(field->id, how))
			put_field(&w, head, field);
	}
	if (r->body == FRAMING_CHUNKED)
		put_text(&w, "Transfer-Encoding: chunked\r\n");
	else if (head->has_length)
		put_length(&w, head->length);
	put_forwarded(&w, head, how);
	if (r->websocket)
		put_text(&w, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
	else if (!how->keep_alive)
		put_text(&w, "Connection: close\r\n");
	put_text(&w, "\r\n");
	return finish(&w, out);
}

static void put_response_framing(struct writer *w, const struct http_response *r,
				 const struct rewrite_response *how)
{
	const struct http_head *head = &r->head;

	/* RFC 9110 8.6: neither in an interim response nor in a 204 */
	if (r->status < 200 || r->status == 204)
		return;
	if (how->framing == FRAMING_CHUNKED)
		put_text(w, "Transfer-Encoding: chunked\r\n");
	else if (how->framing != FRAMING_CLOSE && head->has_length)
		put_length(w, head->length);
}

static void put_response_connection(struct writer *w, const struct http_response *r,
				    const struct rewrite_response *how)
{
	if (r->status == 101)
		put_text(w, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
	else if (r->status < 200)
		return;
	else if (!how->keep_alive)
		put_text(w, "Connection: close\r\n");
	else if (how->client_minor == 0)
		put_text(w, "Connection: keep-alive\r\n");
}

size_t rewrite_response(const struct http_response *r, const struct rewrite_response *how, char *out,
			size_t size)
{
	const struct http_head *head = &r->head;
	struct writer w = {out, out + size, false};

	put_text(&w, "HTTP/1.1 ");
	put_number(&w, r->status);
	put_text(&w, " ");
	put_span(&w, http_text(head, r->reason));
	put_text(&w, "\r\n");
	for (size_t i = 0; i < head->n_fields; i++) {
		const struct http_field *field = &head->fields[i];

		if (!(field->flags & HTTP_FIELD_DROP) && field->id != HTTP_FIELD_CONTENT_LENGTH &&
		    field->id != HTTP_FIELD_SERVER && field->id != HTTP_FIELD_X_POWERED_BY)
			put_field(&w, head, field);
	}
	put_response_framing(&w, r, how);
	put_response_connection(&w, r, how);
	put_text(&w, "\r\n");
	return finish(&w, out);
}

/* Those that hapair answers with itself. */
static const struct {
	unsigned status;
	const char *phrase;
} phrases[] = {
	{400, "Bad Request"},           {404, "Not Found"},
	{405, "Method Not Allowed"},    {408, "Request Timeout"},
	{413, "Content Too Large"},     {414, "URI Too Long"},
	{417, "Expectation Failed"},    {421, "Misdirected Request"},
	{429, "Too Many Requests"},     {431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"}, {501, "Not Implemented"},
	{502, "Bad Gateway"},           {503, "Service Unavailable"},
	{504, "Gateway Timeout"},       {505, "HTTP Version Not Supported"},
};

const char *rewrite_status_phrase(unsigned status)
{
	for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Unknown";
}

size_t rewrite_error(unsigned status, bool keep_alive, bool head_only, char *out, size_t size)
{
	struct span phrase = span_of(rewrite_status_phrase(status));
	struct writer w = {out, out + size, false};

	put_text(&w, "HTTP/1.1 ");
	put_number(&w, status);
	put_text(&w, " ");
	put_span(&w, phrase);
	put_text(&w, "\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n");
	put_length(&w, phrase.n + sizeof "503 \n" - 1);
	if (status == 503)
		put_text(&w, "Retry-After: 1\r\n");
	if (status == 405)
		put_text(&w, "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n");
	if (keep_alive)
		put_text(&w, "Connection: keep-alive\r\n\r\n");
	else
		put_text(&w, "Connection: close\r\n\r\n");
	if (!head_only) {
		put_number(&w, status);
		put_text(&w, " ");
		put_span(&w, phrase);
		put_text(&w, "\n");
	}
	return finish(&w, out);
}
