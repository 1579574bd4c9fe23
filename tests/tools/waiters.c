/*
 * waiters.c: clients that have asked and now wait, without a timeout of their own: when do they learn that nobody will answer?
 * rooms: hapair/base/addr.c hapair/base/clock.c tests/tools/lib/instrument.c
 *
 *   waiters N ADDRESS:PORT...       N connections, spread over the addresses. Each says a word and hears it again, then waits.
 *   waiters serve ADDRESS:PORT...   the other end, where it is not a proxy's: says again what it hears and keeps every connection.
 *                                   It listens also where there is no such address yet, and prints "ready".
 *
 * Commands and windows: lib/instrument.h. A window tells how many wait by its end, and how many learnt in it that their connection is over, by
 * a reset or an end, the last of them so many ms after its begin.
 */
#include "hapair/base/addr.h"
#include "tests/tools/lib/instrument.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define WORD      "wait"
#define OPEN_MAX_ 400 /* not yet waiting, at once */
#define BACKLOG   4096

static struct waiter {
	int fd; /* 0: not begun, or over */
	bool asked, waits;
} *waiters;
static size_t n_waiters, next, opening, waiting;
static struct addr *targets;
static size_t n_targets;
static int epoll_fd;
static bool running = true;
static struct {
	char label[64];
	nanos from, last;
	size_t reset, closed;
} window;

static void watch(int fd, uint32_t events, void *ptr)
{
	struct epoll_event event = {.events = events, .data.ptr = ptr};

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll: %s", strerror(errno));
}

/* --- the clients --- */

static void over(struct waiter *waiter, bool reset)
{
	close(waiter->fd);
	waiter->fd = 0;
	if (!waiter->waits)
		die("a connection ended before it could wait: %s", strerror(errno));
	waiter->waits = false;
	waiting--;
	window.last = clock_now();
	*(reset ? &window.reset : &window.closed) += 1;
}

static void begin_one(struct waiter *waiter, const struct addr *to)
{
	struct sockaddr_storage sa;
	socklen_t n = addr_to_sockaddr(to, &sa);

	waiter->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (waiter->fd < 0 || (connect(waiter->fd, (struct sockaddr *)&sa, n) < 0 && errno != EINPROGRESS))
		die("connect: %s", strerror(errno));
	watch(waiter->fd, EPOLLIN | EPOLLOUT | EPOLLET, waiter);
	opening++;
}

static void client_turn(struct waiter *waiter, uint32_t events)
{
	char word[sizeof(WORD)];
	ssize_t n;

	if (!waiter->asked && (events & EPOLLOUT) &&
	    send(waiter->fd, WORD, strlen(WORD), MSG_NOSIGNAL) == (ssize_t)strlen(WORD))
		waiter->asked = true;
	n = recv(waiter->fd, word, sizeof(word), 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		over(waiter, n < 0);
		return;
	}
	if (n != (ssize_t)strlen(WORD) || waiter->waits)
		die("an answer that was not expected");
	waiter->waits = true;
	opening--;
	waiting++;
}

static void on_begin(const char *label)
{
	memset(&window, 0, sizeof(window));
	snprintf(window.label, sizeof(window.label), "%s", label);
	window.from = window.last = clock_now();
}

static void on_end(void)
{
	printf("{\"label\":\"%s\",\"waiting\":%zu,\"reset\":%zu,\"closed\":%zu,\"last_ms\":%.2f,\"stall_ms\":%.2f}\n",
	       window.label, waiting, window.reset, window.closed, as_ms(window.last - window.from),
	       as_ms(stalls_worst(window.from, clock_now())));
}

static void on_quit(void)
{
	running = false;
}

static void wait_for_answers(void)
{
	static const struct instrument_ops ops = {.begin = on_begin, .end = on_end, .quit = on_quit};
	struct epoll_event events[256];

	waiters = calloc(n_waiters, sizeof(*waiters));
	if (!waiters)
		die("out of memory");
	instrument_init(&ops);
	stalls_start();
	watch(STDIN_FILENO, EPOLLIN, NULL);
	while (running) {
		int n;

		for (; next < n_waiters && opening < OPEN_MAX_; next++)
			begin_one(&waiters[next], &targets[next % n_targets]);
		n = epoll_wait(epoll_fd, events, 256, -1);
		for (int i = 0; i < n; i++) {
			if (!events[i].data.ptr)
				instrument_read_commands();
			else
				client_turn(events[i].data.ptr, events[i].events);
		}
	}
}

/* --- the other end --- */

static int listen_on(const struct addr *address)
{
	struct sockaddr_storage sa;
	socklen_t n = addr_to_sockaddr(address, &sa);
	int one = 1, fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	/* IP_FREEBIND counts for both families. */
	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&sa, n) < 0 || listen(fd, BACKLOG) < 0)
		die("listen: %s", strerror(errno));
	return fd;
}

static void serve_one(int fd, uint32_t events, const int *listeners)
{
	char word[64];
	ssize_t n;
	int client;

	for (size_t i = 0; i < n_targets; i++) {
		if (listeners[i] != fd)
			continue;
		while ((client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
			watch(client, EPOLLIN, (void *)(intptr_t)client);
		return;
	}
	n = recv(fd, word, sizeof(word), 0);
	if (n <= 0 || send(fd, word, (size_t)n, MSG_NOSIGNAL) != n)
		close(fd);
}

static void serve(void)
{
	int *listeners = calloc(n_targets, sizeof(*listeners));
	struct epoll_event events[256];

	if (!listeners)
		die("out of memory");
	for (size_t i = 0; i < n_targets; i++) {
		listeners[i] = listen_on(&targets[i]);
		watch(listeners[i], EPOLLIN, (void *)(intptr_t)listeners[i]);
	}
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 256, -1);

		for (int i = 0; i < n; i++)
			serve_one((int)(intptr_t)events[i].data.ptr, events[i].events, listeners);
	}
}

int main(int argc, char **argv)
{
	bool serves = argc > 2 && strcmp(argv[1], "serve") == 0;

	if (argc < 3 || (!serves && (n_waiters = strtoul(argv[1], NULL, 10)) == 0))
		die("usage: waiters N|serve ADDRESS:PORT...");
	n_targets = (size_t)argc - 2;
	targets = calloc(n_targets, sizeof(*targets));
	for (size_t i = 0; targets && i < n_targets; i++)
		if (addr_parse(span_of(argv[i + 2]), &targets[i]) < 0)
			die("%s: expected ADDRESS:PORT", argv[i + 2]);
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (serves)
		serve();
	wait_for_answers();
	return 0;
}
