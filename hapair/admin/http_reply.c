/*
 * http_reply.c: see the header.
 */
#include "hapair/admin/http_reply.h"
#include "hapair/admin/json_values.h"

#include <event2/buffer.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void http_set_header(struct evhttp_request *request, const char *name, const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(request), name, value);
}

static const char *reason_of(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 409:
		return "Conflict";
	case 422:
		return "Unprocessable Content";
	case 503:
		return "Service Unavailable";
	case 504:
		return "Gateway Timeout";
	default:
		return "Internal Server Error";
	}
}

static void free_text(const void *text, size_t n, void *ctx)
{
	free((void *)text);
}

void http_reply_text(struct evhttp_request *request, int status, const char *type, char *text, size_t n)
{
	struct evbuffer *body = evbuffer_new();
	char length[24];

	http_set_header(request, "Content-Type", type);
	http_set_header(request, "Cache-Control", "no-store");
	http_set_header(request, "X-Content-Type-Options", "nosniff");
	if (!body || !text) {
		free(text);
		evhttp_send_error(request, 500, NULL);
	} else if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
		/* evhttp would send the body along. */
		snprintf(length, sizeof(length), "%zu", n);
		http_set_header(request, "Content-Length", length);
		free(text);
		evhttp_send_reply(request, status, reason_of(status), NULL);
	} else if (evbuffer_add_reference(body, text, n, free_text, NULL) < 0) {
		free(text);
		evhttp_send_error(request, 500, NULL);
	} else {
		evhttp_send_reply(request, status, reason_of(status), body);
	}
	if (body)
		evbuffer_free(body);
}

void http_reply_json(struct evhttp_request *request, int status, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT), *line = NULL;
	int n = text ? asprintf(&line, "%s\n", text) : -1;

	json_decref(json);
	free(text);
	http_reply_text(request, status, "application/json", n < 0 ? NULL : line, n < 0 ? 0 : (size_t)n);
}

void http_reply_error(struct evhttp_request *request, int status, const char *format, ...)
{
	json_t *json = value_object();
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	object_put(json, "error", value_text(text));
	http_reply_json(request, status, json);
}

void http_reply_plain(struct evhttp_request *request, int status, const char *word)
{
	char *text;
	int n = asprintf(&text, "%s\n", word);

	http_reply_text(request, status, "text/plain; charset=utf-8", n < 0 ? NULL : text,
			n < 0 ? 0 : (size_t)n);
}
