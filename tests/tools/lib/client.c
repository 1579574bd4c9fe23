/*
 * client.c: the steps of one client connection.
 */
#include "tests/tools/lib/client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const outcome_names[CLIENT_OUTCOME_COUNT] = {
	"ok", "refused", "unreachable", "reset", "closed", "timeout", "status", "wrong", "tls",
};

const char *client_outcome_name(enum client_outcome outcome)
{
	return outcome_names[outcome];
}

int client_kind_parse(const char *spec, bool keep, struct client_kind *ret)
{
	static const struct {
		const char *scheme;
		enum client_protocol protocol;
		bool tls;
	} schemes[] = {
		{"http:", CLIENT_HTTP, false},
		{"https:", CLIENT_HTTP, true},
		{"tcp:", CLIENT_ECHO, false},
		{"websocket:", CLIENT_WEBSOCKET, false},
	};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = strlen(schemes[i].scheme);

		if (strncmp(spec, schemes[i].scheme, n) != 0)
			continue;
		*ret = (struct client_kind){
			.protocol = schemes[i].protocol, .tls = schemes[i].tls, .keep = keep};
		if (ret->tls) {
			ret->ctx = SSL_CTX_new(TLS_client_method());
			/* Every attempt shakes hands anew, as a new client does. */
			SSL_CTX_set_session_cache_mode(ret->ctx, SSL_SESS_CACHE_OFF);
		}
		return addr_parse(span_of(spec + n), &ret->to);
	}
	return -EINVAL;
}

static enum client_outcome outcome_of(int error, enum client_state state)
{
	switch (error) {
	case ECONNREFUSED:
		return CLIENT_REFUSED;
	case ECONNRESET:
	case EPIPE:
		return state == CLIENT_CONNECTING ? CLIENT_REFUSED : CLIENT_RESET;
	case ETIMEDOUT:
		return CLIENT_TIMEOUT;
	default:
		return CLIENT_UNREACHABLE;
	}
}

static void want(struct client *client, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = client};

	if (events == client->wants)
		return;
	epoll_ctl(client->epoll_fd, client->wants ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, client->fd, &event);
	client->wants = events;
}

struct client *client_new(const struct client_kind *kind, int epoll_fd, nanos now,
			  enum client_outcome *ret_outcome)
{
	struct client *client = calloc(1, sizeof(*client));
	struct sockaddr_storage sa;
	socklen_t length = addr_to_sockaddr(&kind->to, &sa);
	int one = 1;

	*ret_outcome = CLIENT_UNREACHABLE;
	if (!client)
		return NULL;
	client->kind = kind;
	client->epoll_fd = epoll_fd;
	client->started = client->asked = now;
	client->state = CLIENT_CONNECTING;
	client->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (client->fd < 0) {
		free(client);
		return NULL;
	}
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(client->fd, (struct sockaddr *)&sa, length) != 0 && errno != EINPROGRESS) {
		*ret_outcome = outcome_of(errno, CLIENT_CONNECTING);
		client_free(client);
		return NULL;
	}
	want(client, EPOLLOUT);
	return client;
}

void client_free(struct client *client)
{
	if (client->ssl)
		SSL_free(client->ssl);
	close(client->fd);
	free(client);
}

bool client_is_dismissed(const struct client *client)
{
	return client->kind->protocol == CLIENT_HTTP &&
	       strcasestr(client->answer, "\r\nConnection: close\r\n");
}

bool client_waits(const struct client *client)
{
	return client->state != CLIENT_IDLE;
}

/* > 0 bytes, 0 end of the stream, -EAGAIN, or another negative errno; *client wants the right events
 * afterwards. */
static ssize_t move(struct client *client, bool out, char *bytes, size_t n)
{
	ssize_t moved;

	if (!client->ssl) {
		moved = out ? send(client->fd, bytes, n, MSG_NOSIGNAL) : recv(client->fd, bytes, n, 0);
		if (moved < 0) {
			if (errno == EAGAIN)
				want(client, out ? EPOLLOUT : EPOLLIN);
			return -errno;
		}
		return moved;
	}
	moved = out ? SSL_write(client->ssl, bytes, (int)n) : SSL_read(client->ssl, bytes, (int)n);
	if (moved > 0)
		return moved;
	switch (SSL_get_error(client->ssl, (int)moved)) {
	case SSL_ERROR_WANT_READ:
		want(client, EPOLLIN);
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		want(client, EPOLLOUT);
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		return errno ? -errno : 0;
	default:
		return -EPROTO;
	}
}

static void prepare(struct client *client)
{
	static uint64_t serial;

	client->n_sent = client->n_got = 0;
	if (client->state == CLIENT_UPGRADING)
		snprintf(client->question, sizeof(client->question),
			 "GET /socket HTTP/1.1\r\nHost: shop.lab\r\nConnection: Upgrade\r\nUpgrade: "
			 "websocket\r\n"
			 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
	else if (client->kind->protocol == CLIENT_HTTP)
		snprintf(client->question, sizeof(client->question),
			 "GET / HTTP/1.1\r\nHost: shop.lab\r\n%s\r\n",
			 client->kind->keep ? "" : "Connection: close\r\n");
	else
		snprintf(client->question, sizeof(client->question), "echo %026llu\n",
			 (unsigned long long)serial++);
}

/* Is the answer whole? -1 not yet, else its outcome. */
static int judge(struct client *client)
{
	const char *end, *field;
	size_t length = 0;

	client->answer[client->n_got] = '\0';
	if (client->state != CLIENT_UPGRADING && client->kind->protocol != CLIENT_HTTP) {
		size_t n = strlen(client->question);

		if (client->n_got < n)
			return -1;
		return client->n_got == n && memcmp(client->answer, client->question, n) == 0 ? CLIENT_OK
											      : CLIENT_WRONG;
	}
	end = strstr(client->answer, "\r\n\r\n");
	if (!end)
		return client->n_got == sizeof(client->answer) - 1 ? CLIENT_WRONG : -1;
	if (strncmp(client->answer, client->state == CLIENT_UPGRADING ? "HTTP/1.1 101 " : "HTTP/1.1 200 ",
		    13) != 0)
		return CLIENT_STATUS;
	/* The accept key of the sample nonce, RFC 6455 1.3: the answer came from who was asked. */
	if (client->state == CLIENT_UPGRADING)
		return strstr(client->answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") ? CLIENT_OK : CLIENT_WRONG;
	field = strcasestr(client->answer, "\r\nContent-Length:");
	if (!field || field > end)
		return CLIENT_WRONG;
	length = strtoul(field + 17, NULL, 10);
	if (length > sizeof(client->answer) - 1 - (size_t)(end + 4 - client->answer))
		return CLIENT_WRONG;
	return client->n_got < (size_t)(end + 4 - client->answer) + length ? -1 : CLIENT_OK;
}

static bool fail(const struct client *client, ssize_t error, enum client_outcome *ret_outcome)
{
	if (error == 0)
		*ret_outcome = CLIENT_CLOSED;
	else if (error == -EPROTO)
		*ret_outcome = CLIENT_TLS;
	else
		*ret_outcome = outcome_of((int)-error, client->state);
	return true;
}

/* Sends the rest of the question, then hears the answer. True with the outcome. */
static bool converse(struct client *client, enum client_outcome *ret_outcome)
{
	size_t n = strlen(client->question);
	ssize_t moved;
	int verdict;

	while (client->n_sent < n) {
		moved = move(client, true, client->question + client->n_sent, n - client->n_sent);
		if (moved == -EAGAIN)
			return false;
		if (moved < 0)
			return fail(client, moved, ret_outcome);
		client->n_sent += (size_t)moved;
	}
	for (;;) {
		moved = move(client, false, client->answer + client->n_got,
			     sizeof(client->answer) - 1 - client->n_got);
		if (moved == -EAGAIN)
			return false;
		if (moved <= 0)
			return fail(client, moved, ret_outcome);
		client->n_got += (size_t)moved;
		verdict = judge(client);
		if (verdict >= 0) {
			*ret_outcome = (enum client_outcome)verdict;
			return true;
		}
	}
}

static bool finish_connect(struct client *client, enum client_outcome *ret_outcome)
{
	socklen_t length = sizeof(int);
	int error = 0;

	getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error) {
		*ret_outcome = outcome_of(error, CLIENT_CONNECTING);
		return true;
	}
	if (client->kind->tls) {
		client->ssl = SSL_new(client->kind->ctx);
		SSL_set_fd(client->ssl, client->fd);
		SSL_set_tlsext_host_name(client->ssl, "shop.lab");
		client->state = CLIENT_HANDSHAKE;
	} else {
		client->state = client->kind->protocol == CLIENT_WEBSOCKET ? CLIENT_UPGRADING : CLIENT_ASKING;
		prepare(client);
	}
	return false;
}

/* An idle connection that has something to say has come to its end. */
static bool idle_broke(struct client *client, enum client_outcome *ret_outcome)
{
	char byte;
	ssize_t n = move(client, false, &byte, 1);

	if (n == -EAGAIN)
		return false;
	if (n > 0) {
		*ret_outcome = CLIENT_WRONG;
		return true;
	}
	return fail(client, n, ret_outcome);
}

/* After an answer a connection that is kept waits for the next question. */
static void rest(struct client *client, enum client_outcome outcome)
{
	if (!client->kind->keep || outcome != CLIENT_OK)
		return;
	client->state = CLIENT_IDLE;
	want(client, EPOLLIN);
}

bool client_turn(struct client *client, uint32_t events, enum client_outcome *ret_outcome)
{
	int n;

	if (client->state == CLIENT_IDLE)
		return idle_broke(client, ret_outcome);
	if (client->state == CLIENT_CONNECTING && finish_connect(client, ret_outcome))
		return true;
	if (client->state == CLIENT_HANDSHAKE) {
		errno = 0;
		n = SSL_connect(client->ssl);
		if (n != 1) {
			switch (SSL_get_error(client->ssl, n)) {
			case SSL_ERROR_WANT_READ:
				want(client, EPOLLIN);
				return false;
			case SSL_ERROR_WANT_WRITE:
				want(client, EPOLLOUT);
				return false;
			case SSL_ERROR_SYSCALL:
				return fail(client, errno ? -errno : 0, ret_outcome);
			default:
				return fail(client, -EPROTO, ret_outcome);
			}
		}
		client->state = CLIENT_ASKING;
		prepare(client);
	}
	if (!converse(client, ret_outcome))
		return false;
	if (client->state == CLIENT_UPGRADING && *ret_outcome == CLIENT_OK) {
		client->state = CLIENT_ASKING;
		prepare(client);
		if (!converse(client, ret_outcome))
			return false;
	}
	rest(client, *ret_outcome);
	return true;
}

bool client_ask_again(struct client *client, nanos now, enum client_outcome *ret_outcome)
{
	client->state = CLIENT_ASKING;
	client->asked = now;
	prepare(client);
	if (!converse(client, ret_outcome))
		return false;
	rest(client, *ret_outcome);
	return true;
}
