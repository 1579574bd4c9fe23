/*
 * echo.c: servers for the lab that send back what they get. rooms: hapair/base/addr.c hapair/base/clock.c
 *
 *   echo tcp:ADDRESS:PORT ... websocket:ADDRESS:PORT ...
 *
 * tcp sends every byte back, and passes on the end of the stream. websocket answers an HTTP/1.1 upgrade with
 * 101 and the Sec-WebSocket-Accept of RFC 6455 4.2.2, then sends every byte back (it does not look into
 * frames: what is tried is the tunnel); a request without upgrade gets 426. One thread, blocking-free,
 * level-triggered epoll.
 */
#include "hapair/base/addr.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER 16384

struct conn {
	int fd;
	bool listening, websocket, upgraded, eof;
	size_t n; /* bytes in buffer, not yet sent back */
	char buffer[BUFFER];
};

static int epoll_fd;

static void watch(struct conn *conn, int operation, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = conn};

	if (epoll_ctl(epoll_fd, operation, conn->fd, &event) != 0) {
		perror("epoll_ctl");
		exit(1);
	}
}

static void conn_close(struct conn *conn)
{
	close(conn->fd);
	free(conn);
}

static void listen_on(const char *spec)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	const char *address = strchr(spec, ':');
	struct sockaddr_storage sa;
	struct addr addr;
	socklen_t length;
	int one = 1;

	if (!conn || !address || addr_parse(span_of(address + 1), &addr) < 0) {
		fprintf(stderr, "usage: echo tcp:ADDRESS:PORT websocket:ADDRESS:PORT ...\n");
		exit(2);
	}
	length = addr_to_sockaddr(&addr, &sa);
	conn->listening = true;
	conn->websocket = spec[0] == 'w';
	conn->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(conn->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(conn->fd, (struct sockaddr *)&sa, length) != 0 || listen(conn->fd, 4096) != 0) {
		perror(spec);
		exit(1);
	}
	watch(conn, EPOLL_CTL_ADD, EPOLLIN);
}

static void accept_one(struct conn *listener)
{
	int one = 1, fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *conn;

	if (fd < 0)
		return;
	conn = calloc(1, sizeof(*conn));
	if (!conn) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	conn->fd = fd;
	conn->websocket = listener->websocket;
	watch(conn, EPOLL_CTL_ADD, EPOLLIN);
}

/* The value of a header field in a complete head, or an empty span. */
static struct span field(const char *head, const char *name)
{
	size_t length = strlen(name);

	for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r';
	     line = strstr(line + 2, "\r\n")) {
		const char *value = line + 2 + length;

		if (strncasecmp(line + 2, name, length) != 0 || *value != ':')
			continue;
		value += 1 + strspn(value + 1, " ");
		return (struct span){value, strcspn(value, "\r")};
	}
	return (struct span){"", 0};
}

/* Answers the head in the buffer; false when the connection is to be closed. */
static bool upgrade(struct conn *conn, char *end)
{
	char answer[256], accept_key[EVP_MAX_MD_SIZE * 2];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned digest_size;
	EVP_MD_CTX *sha1;
	struct span key;
	int n;

	end[2] = '\0'; /* the second CRLF of the two */
	key = field(conn->buffer, "Sec-WebSocket-Key");
	if (!span_equal_nocase(field(conn->buffer, "Upgrade"), SPAN("websocket")) || key.n == 0) {
		static const char refusal[] = "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n"
					      "Connection: upgrade, close\r\nContent-Length: 0\r\n\r\n";
		return send(conn->fd, refusal, sizeof(refusal) - 1, MSG_NOSIGNAL) < 0;
	}
	sha1 = EVP_MD_CTX_new();
	EVP_DigestInit_ex(sha1, EVP_sha1(), NULL);
	EVP_DigestUpdate(sha1, key.p, key.n);
	EVP_DigestUpdate(sha1, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
	EVP_DigestFinal_ex(sha1, digest, &digest_size);
	EVP_MD_CTX_free(sha1);
	EVP_EncodeBlock((unsigned char *)accept_key, digest, (int)digest_size);
	n = snprintf(answer, sizeof(answer),
		     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		     "Sec-WebSocket-Accept: %s\r\n\r\n",
		     accept_key);
	conn->upgraded = true;
	conn->n -= (size_t)(end + 4 - conn->buffer);
	memmove(conn->buffer, end + 4, conn->n);
	return send(conn->fd, answer, (size_t)n, MSG_NOSIGNAL) == n;
}

/* Sends what is there; false when the connection is over. */
static bool send_back(struct conn *conn)
{
	ssize_t sent;

	if (conn->n > 0) {
		sent = send(conn->fd, conn->buffer, conn->n, MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN)
			return false;
		if (sent > 0) {
			conn->n -= (size_t)sent;
			memmove(conn->buffer, conn->buffer + sent, conn->n);
		}
	}
	if (conn->n == 0 && conn->eof)
		return false;
	watch(conn, EPOLL_CTL_MOD, conn->n > 0 ? EPOLLOUT : EPOLLIN);
	return true;
}

static bool serve(struct conn *conn)
{
	char *end;
	ssize_t n;

	if (conn->n < BUFFER - 1 && !conn->eof) {
		n = recv(conn->fd, conn->buffer + conn->n, BUFFER - 1 - conn->n, 0);
		if (n < 0)
			return errno == EAGAIN && send_back(conn);
		conn->eof = n == 0;
		conn->n += (size_t)n;
	}
	if (!conn->websocket || conn->upgraded)
		return send_back(conn);
	conn->buffer[conn->n] = '\0';
	end = strstr(conn->buffer, "\r\n\r\n");
	if (end)
		return upgrade(conn, end) && send_back(conn);
	return !conn->eof && conn->n < BUFFER - 1;
}

int main(int argc, char **argv)
{
	struct epoll_event events[64];

	signal(SIGPIPE, SIG_IGN);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (argc < 2)
		listen_on("");
	for (int i = 1; i < argc; i++)
		listen_on(argv[i]);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < n; i++) {
			struct conn *conn = events[i].data.ptr;

			if (conn->listening)
				accept_one(conn);
			else if (!serve(conn))
				conn_close(conn);
		}
	}
}
