/* rooms: */
/*
 * say: speaks bytes to a TCP port of 127.0.0.1 and prints what comes back, for tests that need exact bytes at exact moments.
 *
 *	say [ADDRESS:]PORT STEP...
 *
 * A step is text to send, with \r \n \t \\ \xHH, or one of
 *	@MS    wait so many milliseconds (and go on receiving)
 *	=TEXT  wait until TEXT was received (at most 5 s)
 *	*N=C   send N bytes of the character C
 *	%MS    wait without receiving
 *	|      send no more (half-close)
 *	!      reset the connection and end
 * SAY_RECEIVE_BUFFER=BYTES in the environment makes the kernel's buffer small. At the end it reads until the other end closes or 5 s have passed without a byte. Exit 0: the other end closed properly; 3: reset; 4: still open.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int fd, ended; /* ended: 1 closed, 3 reset */
static char *got;
static size_t n_got;

static long long now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* One poll of at most `ms`; what comes is printed and kept. */
static int receive(int ms)
{
	static char buffer[65536];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	if (ended || poll(&p, 1, ms) <= 0)
		return 0;
	ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
	if (n <= 0) {
		ended = n == 0 ? 1 : 3;
		return 0;
	}
	fwrite(buffer, 1, (size_t)n, stdout);
	fflush(stdout);
	got = realloc(got, n_got + (size_t)n + 1);
	if (got == NULL)
		exit(1);
	memcpy(got + n_got, buffer, (size_t)n);
	n_got += (size_t)n;
	got[n_got] = '\0';
	return 1;
}

static void wait_for(int ms, const char *text)
{
	long long until = now_ms() + ms;
	for (;;) {
		if (text != NULL && got != NULL && memmem(got, n_got, text, strlen(text)) != NULL)
			return;
		long long left = until - now_ms();
		if (left <= 0 || ended)
			return;
		receive((int)left);
	}
}

static void send_all(const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EAGAIN) {
			receive(10);
			continue;
		}
		if (sent < 0)
			return;
		p += sent;
		n -= (size_t)sent;
	}
}

static void send_text(const char *text)
{
	char *out = malloc(strlen(text) + 1);
	size_t n = 0;
	if (out == NULL)
		exit(1);
	for (const char *p = text; *p != '\0'; p++) {
		if (*p != '\\' || p[1] == '\0') {
			out[n++] = *p;
			continue;
		}
		p++;
		if (*p == 'x' && p[1] != '\0' && p[2] != '\0') {
			char hex[3] = {p[1], p[2], '\0'};
			out[n++] = (char)strtoul(hex, NULL, 16);
			p += 2;
		} else {
			out[n++] = *p == 'r' ? '\r' : *p == 'n' ? '\n' : *p == 't' ? '\t' : *p;
		}
	}
	send_all(out, n);
	free(out);
}

static void send_many(const char *what)
{
	char block[4096];
	size_t n = strtoul(what, NULL, 10);
	const char *c = strchr(what, '=');
	memset(block, c != NULL ? c[1] : 'x', sizeof(block));
	while (n > 0) {
		size_t part = n < sizeof(block) ? n : sizeof(block);
		send_all(block, part);
		n -= part;
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	static const int on = 1;
	if (argc < 2)
		return 2;
	char *port = strchr(argv[1], ':');
	if (port != NULL)
		*port++ = '\0';
	if (port != NULL && inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		return 2;
	to.sin_port = htons((uint16_t)atoi(port != NULL ? port : argv[1]));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (getenv("SAY_RECEIVE_BUFFER") != NULL) {
		int size = atoi(getenv("SAY_RECEIVE_BUFFER"));
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	}
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("say: connect");
		return 1;
	}
	for (int i = 2; i < argc; i++) {
		const char *step = argv[i];
		if (*step == '@') {
			wait_for(atoi(step + 1), NULL);
		} else if (*step == '=') {
			wait_for(5000, step + 1);
		} else if (*step == '%') {
			usleep((useconds_t)atoi(step + 1) * 1000);
		} else if (*step == '*') {
			send_many(step + 1);
		} else if (strcmp(step, "|") == 0) {
			shutdown(fd, SHUT_WR);
		} else if (strcmp(step, "!") == 0) {
			struct linger now = {1, 0};
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
			close(fd);
			return 0;
		} else {
			send_text(step);
		}
	}
	while (!ended && receive(5000))
		;
	return ended == 1 ? 0 : ended == 3 ? 3 : 4;
}
