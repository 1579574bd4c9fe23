/* rooms: */
/*
 * odd_server: an HTTP server on 127.0.0.1 that behaves as the path says, well or badly, for tests of what stands in front of it.
 *
 *	odd_server PORT NAME
 *
 * For each request it prints `NAME CONNECTION REQUEST METHOD PATH BODYBYTES` (numbers from 1). Paths:
 *	/health /ok        200; /head gives the received head back, /echo the body, /empty is a 204, /large/N N bytes, /slow/MS waits first
 *	/chunked /eof      a body in chunks (with an extension and a trailer), a body that ends with the connection
 *	/continue /hints   100 before reading the body, 103 before the 200
 *	/early             413 before the body was read
 *	/die /rst          closes, resets without a response; /die-once only the first time, /die-if-reused only when not a connection's first request
 *	/close-after       a good response, and closed without a word
 *	/half /short /stall /garbage /bighead /badchunk /smuggle /extra    responses that are wrong in one way each
 *	/ws                101 and then everything back as it comes
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX 65536
#define BODY_MAX (4 << 20)

static const char *name;
static unsigned connections;

struct connection {
	int fd;
	unsigned number, requests;
	char in[HEAD_MAX + 1];
	size_t n;
	char method[32], path[4096];
	size_t head_n;
	char *body;
	size_t body_n;
};

static bool fill(struct connection *c)
{
	ssize_t n = recv(c->fd, c->in + c->n, HEAD_MAX - c->n, 0);
	if (n <= 0)
		return false;
	c->n += (size_t)n;
	c->in[c->n] = '\0';
	return true;
}

static void consume(struct connection *c, size_t n)
{
	memmove(c->in, c->in + n, c->n - n);
	c->n -= n;
	c->in[c->n] = '\0';
}

static void put(struct connection *c, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		p += sent;
		n -= (size_t)sent;
	}
}

__attribute__((format(printf, 2, 3))) static void say(struct connection *c, const char *format, ...)
{
	char *text;
	va_list args;
	va_start(args, format);
	int n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		exit(1);
	put(c, text, (size_t)n);
	free(text);
}

static void respond(struct connection *c, const char *status, const char *p, size_t n)
{
	say(c, "HTTP/1.1 %s\r\nServer: odd\r\nX-Server: %s\r\nContent-Length: %zu\r\n\r\n", status, name, n);
	if (strcmp(c->method, "HEAD") != 0)
		put(c, p, n);
}

static const char *field(const struct connection *c, const char *key)
{
	const char *p = c->in;
	size_t n = strlen(key);
	while ((p = strstr(p, "\r\n")) != NULL && p < c->in + c->head_n) {
		p += 2;
		if (strncasecmp(p, key, n) == 0 && p[n] == ':')
			return p + n + 1 + strspn(p + n + 1, " ");
	}
	return NULL;
}

static bool take(struct connection *c, size_t n)
{
	while (n > 0) {
		if (c->n == 0 && !fill(c))
			return false;
		size_t part = c->n < n ? c->n : n;
		if (c->body_n + part <= BODY_MAX)
			memcpy(c->body + c->body_n, c->in, part);
		c->body_n += part;
		consume(c, part);
		n -= part;
	}
	return true;
}

static bool take_line(struct connection *c, char *line, size_t size)
{
	char *end;
	while ((end = strstr(c->in, "\r\n")) == NULL)
		if (!fill(c))
			return false;
	snprintf(line, size, "%.*s", (int)(end - c->in), c->in);
	consume(c, (size_t)(end - c->in) + 2);
	return true;
}

static bool read_body(struct connection *c, size_t length, bool chunked)
{
	char line[256];
	c->body_n = 0;
	if (!chunked)
		return take(c, length);
	for (;;) {
		if (!take_line(c, line, sizeof(line)))
			return false;
		size_t n = strtoul(line, NULL, 16);
		if (n == 0)
			return take_line(c, line, sizeof(line));
		if (!take(c, n) || !take_line(c, line, sizeof(line)))
			return false;
	}
}

static void reset(struct connection *c)
{
	struct linger now = {1, 0};
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void websocket(struct connection *c)
{
	say(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	       "Sec-WebSocket-Accept: x\r\n\r\nhello");
	put(c, c->in, c->n);
	c->n = 0;
	while (fill(c)) {
		put(c, c->in, c->n);
		c->n = 0;
	}
	say(c, "bye");
}

static bool is(const struct connection *c, const char *path)
{
	return strcmp(c->path, path) == 0;
}

/* Bodies that are right; false: not one of these paths. */
static bool answer_well(struct connection *c, const char *head)
{
	static char large[1 << 16];
	if (is(c, "/head")) {
		respond(c, "200 OK", head, strlen(head));
	} else if (is(c, "/echo") || is(c, "/continue")) {
		respond(c, "200 OK", c->body, c->body_n);
	} else if (is(c, "/empty")) {
		say(c, "HTTP/1.1 204 No Content\r\n\r\n");
	} else if (strncmp(c->path, "/large/", 7) == 0) {
		size_t n = strtoul(c->path + 7, NULL, 10);
		say(c, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", n);
		memset(large, 'L', sizeof(large));
		for (; n > 0; n -= n < sizeof(large) ? n : sizeof(large))
			put(c, large, n < sizeof(large) ? n : sizeof(large));
	} else if (is(c, "/chunked")) {
		say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n");
		usleep(20000);
		say(c, "6\r\n world\r\n0\r\nX-Trailer: yes\r\n\r\n");
	} else if (is(c, "/hints")) {
		say(c, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
		respond(c, "200 OK", "hints\n", 6);
	} else {
		return false;
	}
	return true;
}

/* Of all servers in this directory. */
static bool first_time(void)
{
	int fd = open("died-once", O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Something is wrong with these; true: the connection ends. */
static bool answer_badly(struct connection *c)
{
	if (is(c, "/die") || (is(c, "/die-once") && first_time()) ||
	    (is(c, "/die-if-reused") && c->requests > 1))
		return true;
	if (is(c, "/rst"))
		reset(c);
	else if (is(c, "/half"))
		say(c, "HTTP/1.1 200 OK\r\nContent-Le");
	else if (is(c, "/short"))
		say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789");
	else if (is(c, "/garbage"))
		say(c, "NOT HTTP\r\n\r\n");
	else if (is(c, "/badchunk"))
		say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZZ\r\n");
	else if (is(c, "/smuggle"))
		say(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
	else if (is(c, "/eof"))
		say(c, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
	else if (is(c, "/close-after"))
		respond(c, "200 OK", "bye\n", 4);
	else if (is(c, "/bighead"))
		say(c, "HTTP/1.1 200 OK\r\nX-Big: %08000d\r\nX-Big: %08000d\r\nX-Big: %08000d\r\n\r\n", 1, 2, 3);
	else
		return false;
	return true;
}

static bool serve_one(struct connection *c)
{
	char head[HEAD_MAX + 1];
	char *end;
	while ((end = strstr(c->in, "\r\n\r\n")) == NULL)
		if (c->n >= HEAD_MAX || !fill(c))
			return false;
	c->requests++;
	c->head_n = (size_t)(end - c->in) + 4;
	if (sscanf(c->in, "%31s %4095s", c->method, c->path) != 2)
		return false;
	const char *length = field(c, "Content-Length"), *coding = field(c, "Transfer-Encoding");
	size_t body = length != NULL ? strtoul(length, NULL, 10) : 0;
	bool chunked = coding != NULL && strncasecmp(coding, "chunked", 7) == 0;
	snprintf(head, sizeof(head), "%.*s", (int)c->head_n, c->in);
	consume(c, c->head_n);
	if (is(c, "/early")) {
		respond(c, "413 Content Too Large", "no\n", 3);
		sleep(1);
		return false;
	}
	if (is(c, "/continue"))
		say(c, "HTTP/1.1 100 Continue\r\n\r\n");
	bool whole = read_body(c, body, chunked);
	printf("%s %u %u %s %s %zu\n", name, c->number, c->requests, c->method, c->path, c->body_n);
	if (!whole)
		return false;
	if (is(c, "/ws")) {
		websocket(c);
		return false;
	}
	if (strncmp(c->path, "/slow/", 6) == 0)
		usleep((useconds_t)atoi(c->path + 6) * 1000);
	if (is(c, "/stall")) {
		say(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789");
		sleep(30);
		return false;
	}
	if (answer_badly(c))
		return false;
	if (answer_well(c, head))
		return true;
	char text[64];
	int n = snprintf(text, sizeof(text), "%s\n", name);
	respond(c, "200 OK", text, (size_t)n);
	if (is(c, "/extra"))
		say(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
	return true;
}

static void *serve(void *ctx)
{
	struct connection *c = ctx;
	while (serve_one(c))
		;
	close(c->fd);
	free(c->body);
	free(c);
	return NULL;
}

int main(int argc, char **argv)
{
	static const int on = 1;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (argc < 3)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	name = argv[2];
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 1024) < 0) {
		perror("odd_server");
		return 1;
	}
	for (;;) {
		pthread_t thread;
		int fd = accept(listener, NULL, NULL);
		if (fd < 0)
			continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		struct connection *c = calloc(1, sizeof(*c));
		if (c == NULL || (c->body = malloc(BODY_MAX)) == NULL)
			return 1;
		c->fd = fd;
		c->number = ++connections;
		if (pthread_create(&thread, NULL, serve, c) != 0)
			return 1;
		pthread_detach(thread);
	}
}
