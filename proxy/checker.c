/*
 * checker.c: one small state machine for each target.
 *
 *	IDLE --timer--> begin() --> CONNECTING --> [SENDING --> READING] --> finish() --> IDLE
 *	          no slot free: WAITING, until another target finishes
 *
 * The one timer of a target is its next check while idle and its deadline while running. Results are only
 * ever reported from the loop: a connect that fails on the spot activates the same event that a slow
 * failure would.
 */
#include "proxy/checker.h"
#include "hapair/base/list.h"
#include "hapair/base/timer.h"
#include "proxy/http.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX   HTTP_HEAD_MAX
#define NO_RESOURCES SECONDS(1) /* until the next try where descriptors or memory were missing */

enum target_state { IDLE, WAITING, CONNECTING, SENDING, READING };

struct checker {
	struct event_base *base;
	bool active;
	checker_on_result on_result;
	void *ctx;
	struct list targets, waiting;
	unsigned running;
	uint32_t added; /* targets ever; gives each its phase */
};

/* What a running http check needs beside its target. */
struct probe {
	struct http_response response;
	size_t n;
	char answer[ANSWER_MAX];
};

struct checker_target {
	struct checker *checker;
	struct list all, wait;
	void *owner;
	struct checker_spec spec; /* path and host are ours */
	char *request;
	size_t request_n;
	uint32_t phase; /* of the interval, as a fraction of 2^32 */
	enum target_state state;
	bool paused;
	bool again;     /* asked for while it could not begin */
	bool reporting; /* inside on_result */
	bool removed;   /* ... and removed there */
	struct event timer, io;
	int fd;
	int fault; /* errno of a connect that failed on the spot */
	nanos began;
	size_t sent;
	struct probe *probe;
};

static void on_timer(evutil_socket_t fd, short what, void *arg);
static void on_io(evutil_socket_t fd, short what, void *arg);

static nanos pace_of(const struct checker_target *t)
{
	return t->checker->active ? t->spec.interval : t->spec.standby_interval;
}

/* Until the target's next slot, but not so soon that the check that just was would hardly have helped. */
static nanos until_slot(const struct checker_target *t, nanos now)
{
	nanos pace = pace_of(t), phase = (nanos)((unsigned __int128)t->phase * (uint64_t)pace >> 32);
	nanos wait = pace - (now - phase) % pace;

	return wait < pace / 2 ? wait + pace : wait;
}

static bool is_running(const struct checker_target *t)
{
	return t->state >= CONNECTING;
}

static bool is_checked(const struct checker_target *t)
{
	return t->spec.kind != CHECK_NONE && !t->paused;
}

static void release_spec(struct checker_target *t)
{
	free(t->request);
	free((char *)t->spec.path);
	free((char *)t->spec.host);
}

/* Copies the strings and builds the request; the target is untouched on -ENOMEM. */
static int take_spec(struct checker_target *t, const struct checker_spec *spec)
{
	char *path = strdup(spec->path ? spec->path : ""), *host = strdup(spec->host ? spec->host : ""),
	     *request = NULL;
	char address[ADDR_TEXT_MAX];
	int n = -1;

	if (path && host)
		n = asprintf(&request,
			     "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: hapair\r\nAccept: "
			     "*/*\r\nConnection: close\r\n\r\n",
			     *path ? path : "/", *host ? host : addr_format(&spec->address, address));
	if (n < 0) {
		free(path);
		free(host);
		return -ENOMEM;
	}
	release_spec(t);
	t->spec = *spec;
	t->spec.path = path;
	t->spec.host = host;
	t->request = request;
	t->request_n = (size_t)n;
	return 0;
}

static void start_waiting(struct checker *c);

/* Whatever it was doing, it is idle now. */
static void drop(struct checker_target *t)
{
	event_del(&t->timer);
	list_remove(&t->wait);
	if (is_running(t)) {
		event_del(&t->io);
		close(t->fd);
		free(t->probe);
		t->probe = NULL;
		t->fd = -1;
		t->checker->running--;
	}
	t->state = IDLE;
}

static void free_target(struct checker_target *t)
{
	release_spec(t);
	free(t);
}

/* Descriptors or memory are missing: says nothing about the server. */
static void postpone(struct checker_target *t)
{
	drop(t);
	timer_after(&t->timer, NO_RESOURCES);
}

static void watch(struct checker_target *t, short what)
{
	event_del(&t->io);
	event_assign(&t->io, t->checker->base, t->fd, what | EV_PERSIST, on_io, t);
	event_add(&t->io, NULL);
}

static void begin(struct checker_target *t)
{
	struct checker *c = t->checker;
	struct sockaddr_storage sa;
	socklen_t sa_n = addr_to_sockaddr(&t->spec.address, &sa);

	if (c->running >= CHECKER_RUNNING_MAX) {
		t->state = WAITING;
		list_push_back(&c->waiting, &t->wait);
		return;
	}
	t->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (t->fd < 0) {
		timer_after(&t->timer, NO_RESOURCES);
		return;
	}
	t->state = CONNECTING;
	c->running++;
	t->again = false;
	t->began = clock_now();
	t->sent = 0;
	t->fault = connect(t->fd, (struct sockaddr *)&sa, sa_n) == 0 || errno == EINPROGRESS ? 0 : errno;
	if (t->spec.kind == CHECK_HTTP) {
		t->probe = malloc(sizeof *t->probe);
		if (!t->probe) {
			postpone(t);
			return;
		}
		http_response_init(&t->probe->response, ANSWER_MAX);
		t->probe->n = 0;
	}
	watch(t, EV_WRITE);
	if (t->fault)
		event_active(&t->io, EV_WRITE, 0);
	timer_after(&t->timer, t->spec.timeout);
}

/* Slots are free: those that wait have them. */
static void start_waiting(struct checker *c)
{
	while (c->running < CHECKER_RUNNING_MAX && !list_empty(&c->waiting)) {
		struct checker_target *t = list_entry(c->waiting.next, struct checker_target, wait);

		list_remove(&t->wait);
		t->state = IDLE;
		begin(t);
	}
}

static void finish(struct checker_target *t, bool ok, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void finish(struct checker_target *t, bool ok, const char *format, ...)
{
	struct checker *c = t->checker;
	struct checker_result result = {.ok = ok, .reached = ok || t->state > CONNECTING, .at = clock_now()};
	bool soon;
	va_list args;

	result.took = result.at - t->began;
	va_start(args, format);
	vsnprintf(result.detail, sizeof result.detail, format, args);
	va_end(args);
	drop(t);

	t->reporting = true;
	soon = c->on_result(c->ctx, t->owner, &result);
	t->reporting = false;
	if (t->removed) {
		free_target(t);
	} else if (is_checked(t)) {
		nanos pace = pace_of(t);

		if (t->again)
			timer_after(&t->timer, 0);
		else if (soon)
			timer_after(&t->timer, pace < CHECKER_SOON ? pace : CHECKER_SOON);
		else
			timer_after(&t->timer, until_slot(t, result.at));
	}
	start_waiting(c);
}

static const char *error_text(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return "connection refused";
	case ECONNRESET:
		return "connection reset";
	case EHOSTUNREACH:
		return "no route to host";
	case ENETUNREACH:
		return "network unreachable";
	case ETIMEDOUT:
		return "connect timed out";
	default:
		return strerror(error);
	}
}

static void send_request(struct checker_target *t)
{
	ssize_t n = send(t->fd, t->request + t->sent, t->request_n - t->sent, MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		finish(t, false, "%s", error_text(errno));
		return;
	}
	t->sent += (size_t)n;
	if (t->sent < t->request_n)
		return;
	t->state = READING;
	watch(t, EV_READ);
}

/* The head is complete: only the status counts, the body is nobody's business. */
static void judge_status(struct checker_target *t)
{
	unsigned status = t->probe->response.status;

	if (status == t->spec.expect)
		finish(t, true, "HTTP %u", status);
	else
		finish(t, false, "HTTP %u, not %u", status, t->spec.expect);
}

static void read_answer(struct checker_target *t)
{
	struct probe *probe = t->probe;
	ssize_t got = recv(t->fd, probe->answer + probe->n, ANSWER_MAX - probe->n, 0);
	int n;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		finish(t, false, "%s", got < 0 ? error_text(errno) : "closed without an answer");
		return;
	}
	probe->n += (size_t)got;
	while ((n = http_response_parse(&probe->response, probe->answer, probe->n, HTTP_GET, false)) > 0) {
		if (probe->response.status >= 200) {
			judge_status(t);
			return;
		}
		probe->n -= (size_t)n; /* an interim response; the one that counts follows */
		memmove(probe->answer, probe->answer + n, probe->n);
		http_response_init(&probe->response, ANSWER_MAX);
	}
	if (n < 0)
		finish(t, false, "malformed answer: %s", http_error_text(n));
}

static void connected(struct checker_target *t)
{
	int error = t->fault;
	socklen_t size = sizeof error;

	if (!error && getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error == EADDRNOTAVAIL || error == ENOBUFS || error == ENOMEM) {
		struct checker *c = t->checker;

		postpone(t);
		start_waiting(c);
	} else if (error) {
		finish(t, false, "%s", error_text(error));
	} else if (t->spec.kind == CHECK_TCP) {
		finish(t, true, "connected");
	} else {
		t->state = SENDING;
		send_request(t);
	}
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
	struct checker_target *t = arg;

	if (t->state == CONNECTING)
		connected(t);
	else if (t->state == SENDING)
		send_request(t);
	else
		read_answer(t);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct checker_target *t = arg;

	if (!is_running(t))
		begin(t);
	else
		finish(t, false, "no %s within %lld ms", t->state == CONNECTING ? "connection" : "answer",
		       (long long)(t->spec.timeout / NS_PER_MS));
}

struct checker *checker_new(struct event_base *base, bool active, checker_on_result on_result, void *ctx)
{
	struct checker *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	*c = (struct checker){.base = base, .active = active, .on_result = on_result, .ctx = ctx};
	list_init(&c->targets);
	list_init(&c->waiting);
	return c;
}

void checker_free(struct checker *c)
{
	if (!c)
		return;
	while (!list_empty(&c->targets)) {
		struct checker_target *t = list_entry(c->targets.next, struct checker_target, all);

		drop(t);
		list_remove(&t->all);
		free_target(t);
	}
	free(c);
}

struct checker_spec checker_spec(const struct config_pool *pool, const struct config_server *server)
{
	struct checker_spec spec = {
		.kind = pool->check.kind,
		.address = server->address,
		.path = pool->check.path,
		.host = pool->check.host,
		.expect = pool->check.expect,
		.interval = pool->check.interval,
		.standby_interval = pool->check.standby_interval,
		.timeout = pool->check.timeout,
	};

	if (pool->check.port)
		spec.address.port = pool->check.port;
	return spec;
}

struct checker_target *checker_add(struct checker *c, const struct checker_spec *spec, void *owner)
{
	struct checker_target *t = calloc(1, sizeof *t);

	if (!t || take_spec(t, spec) < 0) {
		free(t);
		return NULL;
	}
	t->checker = c;
	t->owner = owner;
	t->fd = -1;
	t->phase = c->added++ * 0x9e3779b9u; /* the golden ratio spreads any number of targets evenly */
	list_init(&t->wait);
	list_push_back(&c->targets, &t->all);
	event_assign(&t->timer, c->base, -1, 0, on_timer, t);
	event_assign(&t->io, c->base, -1, 0, on_io, t);
	checker_check_now(t);
	return t;
}

void checker_remove(struct checker_target *t)
{
	struct checker *c = t->checker;

	drop(t);
	list_remove(&t->all);
	if (t->reporting) {
		t->removed = true; /* finish() is still on the stack */
		return;
	}
	free_target(t);
	start_waiting(c);
}

static bool same_question(const struct checker_spec *a, const struct checker_spec *b)
{
	return a->kind == b->kind && addr_equal(&a->address, &b->address) && a->expect == b->expect &&
	       strcmp(a->path, b->path ? b->path : "") == 0 && strcmp(a->host, b->host ? b->host : "") == 0;
}

int checker_update(struct checker_target *t, const struct checker_spec *spec)
{
	int r;

	if (same_question(&t->spec, spec)) {
		bool same_pace = t->spec.interval == spec->interval &&
				 t->spec.standby_interval == spec->standby_interval;

		t->spec.interval = spec->interval;
		t->spec.standby_interval = spec->standby_interval;
		t->spec.timeout = spec->timeout;
		if (!same_pace && t->state == IDLE && is_checked(t))
			timer_after(&t->timer, until_slot(t, clock_now()));
		return 0;
	}
	r = take_spec(t, spec);
	if (r < 0)
		return r;
	drop(t);
	checker_check_now(t);
	start_waiting(t->checker);
	return 0;
}

void checker_check_now(struct checker_target *t)
{
	if (!is_checked(t))
		return;
	if (is_running(t) || t->reporting)
		t->again = true;
	else if (t->state == IDLE)
		timer_after(&t->timer, 0);
}

void checker_pause(struct checker_target *t, bool paused)
{
	if (t->paused == paused)
		return;
	t->paused = paused;
	if (!paused) {
		checker_check_now(t);
		return;
	}
	t->again = false;
	drop(t);
	start_waiting(t->checker);
}

void checker_set_active(struct checker *c, bool active)
{
	bool becomes = active && !c->active;

	c->active = active;
	if (!becomes)
		return;
	list_each(node, &c->targets)
		checker_check_now(list_entry(node, struct checker_target, all));
}
