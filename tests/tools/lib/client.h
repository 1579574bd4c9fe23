/*
 * client.h: one client connection as a state machine: connect, TLS, ask, hear the answer, perhaps ask again.
 *
 * Used by load.c. Non-blocking, level-triggered epoll. client_turn() says when a question has its outcome; a
 * client of a kind that keeps its connection can then ask again.
 */
#ifndef HAPAIR_TOOLS_CLIENT_H
#define HAPAIR_TOOLS_CLIENT_H

#include "hapair/base/addr.h"
#include "hapair/base/clock.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

enum client_outcome {
	CLIENT_OK,
	CLIENT_REFUSED,     /* connect: reset at once */
	CLIENT_UNREACHABLE, /* no host, no route, no port left */
	CLIENT_RESET,       /* established, then reset */
	CLIENT_CLOSED,      /* ended before the whole answer */
	CLIENT_TIMEOUT,
	CLIENT_STATUS, /* an answer, but not 200 (101 for WebSocket) */
	CLIENT_WRONG,  /* an answer that is not what was asked for */
	CLIENT_TLS,
	CLIENT_OUTCOME_COUNT
};

const char *client_outcome_name(enum client_outcome outcome);

enum client_protocol { CLIENT_HTTP, CLIENT_ECHO, CLIENT_WEBSOCKET };

struct client_kind {
	const char *name;
	enum client_protocol protocol;
	bool tls, keep;
	struct addr to;
	SSL_CTX *ctx;
};

/* `http:ADDRESS:PORT`, https, tcp or websocket. 0, or -EINVAL. */
int client_kind_parse(const char *spec, bool keep, struct client_kind *ret);

struct client {
	const struct client_kind *kind;
	int fd, epoll_fd;
	enum client_state {
		CLIENT_CONNECTING,
		CLIENT_HANDSHAKE,
		CLIENT_UPGRADING,
		CLIENT_ASKING,
		CLIENT_HEARING,
		CLIENT_IDLE
	} state;
	SSL *ssl;
	uint32_t wants; /* what epoll was told */
	size_t n_sent, n_got;
	char question[160], answer[2048];
	nanos started, asked, deadline;
	/* the user's */
	void *owner, *session;
	struct client *prev, *next;
};

/* Starts to connect. NULL with the outcome when that fails at once. */
struct client *client_new(const struct client_kind *kind, int epoll_fd, nanos now,
			  enum client_outcome *ret_outcome);
void client_free(struct client *client);

/* True when the question has its outcome, or an idle connection broke (any outcome but CLIENT_OK). */
bool client_turn(struct client *client, uint32_t events, enum client_outcome *ret_outcome);

/* After CLIENT_OK: the server said that this connection takes no further request, as it may (RFC 9112 9.6). */
bool client_is_dismissed(const struct client *client);

/* A question is out. */
bool client_waits(const struct client *client);

/* Only when it does not wait. True as client_turn(). */
bool client_ask_again(struct client *client, nanos now, enum client_outcome *ret_outcome);

#endif
