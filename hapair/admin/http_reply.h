/*
 * http_reply.h: the whole answer to one request of evhttp; the request is evhttp's again afterwards.
 */
#ifndef HAPAIR_HTTP_REPLY_H
#define HAPAIR_HTTP_REPLY_H

#include <event2/http.h>
#include <jansson.h>
#include <stddef.h>

void http_set_header(struct evhttp_request *request, const char *name, const char *value);

/* Takes `text`, malloc'd, of n bytes; NULL is answered with 500. */
void http_reply_text(struct evhttp_request *request, int status, const char *type, char *text, size_t n);
/* Takes `json`. */
void http_reply_json(struct evhttp_request *request, int status, json_t *json);
/* {"error": "..."} */
void http_reply_error(struct evhttp_request *request, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* One word and a newline. */
void http_reply_plain(struct evhttp_request *request, int status, const char *word);

#endif
