/*
 * load.c: clients that never stop asking, and remember what they saw.
 * rooms: hapair/base/addr.c hapair/base/clock.c tests/tools/lib/instrument.c tests/tools/lib/client.c
 *
 *   load [-t TIMEOUT_MS] STREAM...
 *
 *   http:ADDRESS:PORT@RATE        a new connection RATE times a second, GET, answer, end
 *   https:ADDRESS:PORT@RATE       the same over TLS
 *   tcp:ADDRESS:PORT@RATE         a new connection, 32 bytes, the same 32 back
 *   keep-http:, keep-https:, keep-tcp:, keep-websocket:ADDRESS:PORT@N
 *                                 N connections that stay; each asks every 100 ms and reconnects when it
 * breaks
 *
 * Attempts start on time whatever became of the earlier ones, and each runs to its own timeout, so a hanging
 * server costs exactly what it costs. The timeout is below one second, the first retransmission of a SYN (RFC
 * 6298 2.1), so that an attempt started while nobody answered counts as failed. The gap of a window is the
 * longest time in it without the start of an attempt that succeeded.
 *
 * Commands and windows: lib/instrument.h. A window is reported when the last attempt that started in it has
 * ended.
 */
#include "tests/tools/lib/client.h"
#include "tests/tools/lib/instrument.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define STREAMS_MAX   8
#define SESSION_EVERY MS(100)
#define SESSION_WAIT  SECONDS(15) /* for one answer: long enough for TCP to mend what can be mended */
#define HUNG          SECONDS(1)
#define RECONNECT     MS(20)

struct record {
	nanos started, ended;
	enum client_outcome outcome;
};

struct session {
	struct client *client; /* NULL: to be connected at `due` */
	struct stream *stream;
	nanos due; /* of the next question; meaningless while one is out */
	bool was_up;
};

struct stream {
	const char *spec;
	struct client_kind kind;
	bool keep;
	unsigned rate; /* a second, or sessions */
	nanos next;    /* start of the next attempt */
	struct record *records;
	size_t n_records, room;
	struct session *sessions;
	/* sessions, of the present window */
	size_t exchanges, dismissed, broken, broken_by[CLIENT_OUTCOME_COUNT];
	nanos slowest;
	/* attempts that should have started while the instrument itself was held up */
	size_t skipped;
};

static struct stream streams[STREAMS_MAX];
static size_t n_streams;
static int epoll_fd, timer_fd;
static nanos timeout = MS(900);
static bool running = true;

static struct {
	bool open, closing;
	char label[64];
	nanos from, to;
	nanos late; /* the worst start of an attempt after its time */
} window;

static struct client *oldest, *newest; /* attempts in flight, in the order of their deadlines */

static void in_flight_add(struct client *client)
{
	client->prev = newest;
	client->next = NULL;
	*(newest ? &newest->next : &oldest) = client;
	newest = client;
}

static void in_flight_remove(struct client *client)
{
	*(client->prev ? &client->prev->next : &oldest) = client->next;
	*(client->next ? &client->next->prev : &newest) = client->prev;
}

static void record(struct stream *stream, nanos started, nanos ended, enum client_outcome outcome)
{
	if (stream->n_records == stream->room) {
		stream->room = stream->room ? stream->room * 2 : 4096;
		stream->records = realloc(stream->records, stream->room * sizeof(*stream->records));
		if (!stream->records)
			die("out of memory");
	}
	stream->records[stream->n_records++] = (struct record){started, ended, outcome};
}

/* An attempt or a session's question has come to its end. */
static void finish(struct client *client, enum client_outcome outcome)
{
	struct stream *stream = client->owner;
	struct session *session = client->session;
	nanos now = clock_now();

	if (!session) {
		record(stream, client->started, now, outcome);
		in_flight_remove(client);
		client_free(client);
		return;
	}
	if (outcome == CLIENT_OK) {
		stream->exchanges++;
		if (now - client->asked > stream->slowest)
			stream->slowest = now - client->asked;
		session->was_up = true;
		session->due = client->asked + SESSION_EVERY;
		if (client_is_dismissed(client)) { /* a new connection for the next question: nothing broke */
			stream->dismissed++;
			session->was_up = false;
			session->client = NULL;
			client_free(client);
		}
		return;
	}
	if (session->was_up) {
		stream->broken++;
		stream->broken_by[outcome]++;
	}
	session->was_up = false;
	session->client = NULL;
	session->due = now + RECONNECT;
	client_free(client);
}

static void start(struct stream *stream, struct session *session, nanos now)
{
	enum client_outcome outcome = CLIENT_OK;
	struct client *client = client_new(&stream->kind, epoll_fd, now, &outcome);

	if (!client) {
		if (session)
			session->due = now + RECONNECT;
		else
			record(stream, now, now, outcome);
		return;
	}
	client->owner = stream;
	client->session = session;
	client->deadline = now + (session ? SESSION_WAIT : timeout);
	if (session)
		session->client = client;
	else
		in_flight_add(client);
}

static void start_due_attempts(struct stream *stream, nanos now)
{
	nanos every = NS_PER_S / stream->rate;

	if (now < stream->next)
		return;
	if (now - stream->next > window.late)
		window.late = now - stream->next;
	/* One attempt for each turn that was missed, up to ten: more would be a burst that no client makes.
	 */
	for (int i = 0; now >= stream->next; stream->next += every)
		if (i++ < 10)
			start(stream, NULL, now);
		else
			stream->skipped++;
}

static void serve_sessions(struct stream *stream, nanos now)
{
	enum client_outcome outcome;

	for (unsigned i = 0; i < stream->rate; i++) {
		struct session *session = &stream->sessions[i];

		if (session->client && client_waits(session->client)) {
			if (now > session->client->deadline)
				finish(session->client, CLIENT_TIMEOUT);
		} else if (now >= session->due) {
			if (!session->client) {
				start(stream, session, now);
			} else {
				session->client->deadline = now + SESSION_WAIT;
				if (client_ask_again(session->client, now, &outcome))
					finish(session->client, outcome);
			}
		}
	}
}

static int by_start(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	return x->started < y->started ? -1 : x->started > y->started;
}

static void print_attempts(struct stream *stream)
{
	size_t requests = 0, ok = 0, by[CLIENT_OUTCOME_COUNT] = {0};
	nanos last = window.from, gap = 0, gap_at = window.from, first_failure = 0, last_failure = 0,
	      slowest = 0;
	const char *comma = "";

	qsort(stream->records, stream->n_records, sizeof(*stream->records), by_start);
	for (size_t i = 0; i < stream->n_records; i++) {
		const struct record *r = &stream->records[i];

		if (r->started < window.from || r->started > window.to)
			continue;
		requests++;
		by[r->outcome]++;
		if (r->outcome != CLIENT_OK) {
			first_failure = first_failure ? first_failure : r->started;
			last_failure = r->started;
			continue;
		}
		ok++;
		if (r->ended - r->started > slowest)
			slowest = r->ended - r->started;
		if (r->started - last > gap) {
			gap = r->started - last;
			gap_at = last;
		}
		last = r->started;
	}
	if (window.to - last > gap) {
		gap = window.to - last;
		gap_at = last;
	}
	printf("\"requests\":%zu,\"failed\":%zu,\"gap_ms\":%.1f,\"gap_at_ms\":%.1f,\"slowest_ms\":%.1f,",
	       requests, requests - ok, as_ms(gap), as_ms(gap_at - window.from), as_ms(slowest));
	if (first_failure)
		printf("\"failing_from_ms\":%.1f,\"failing_to_ms\":%.1f,", as_ms(first_failure - window.from),
		       as_ms(last_failure - window.from));
	printf("\"skipped\":%zu,\"failures\":{", stream->skipped);
	for (size_t i = 1; i < CLIENT_OUTCOME_COUNT; i++) {
		if (by[i] == 0)
			continue;
		printf("%s\"%s\":%zu", comma, client_outcome_name(i), by[i]);
		comma = ",";
	}
	printf("}");
}

/*
 * A session whose question has been out for a second when its window is reported hangs: it counts here, as broken, and not
 * again in the later window in which it is given up.
 */
static size_t count_hung(struct stream *stream)
{
	nanos now = clock_now();
	size_t hung = 0;

	for (unsigned i = 0; i < stream->rate; i++) {
		struct session *session = &stream->sessions[i];

		if (!session->was_up || !session->client || !client_waits(session->client) ||
		    now - session->client->asked < HUNG)
			continue;
		session->was_up = false;
		hung++;
	}
	return hung;
}

static void print_sessions(struct stream *stream)
{
	const char *comma = "";
	size_t up = 0, hung = count_hung(stream);

	for (unsigned i = 0; i < stream->rate; i++)
		up += stream->sessions[i].was_up;
	stream->broken += hung;
	printf("\"sessions\":%u,\"up\":%zu,\"exchanges\":%zu,\"dismissed\":%zu,\"broken\":%zu,\"slowest_ms\":"
	       "%.1f,\"failures\":"
	       "{",
	       stream->rate, up, stream->exchanges, stream->dismissed, stream->broken,
	       as_ms(stream->slowest));
	if (hung > 0) {
		printf("\"hung\":%zu", hung);
		comma = ",";
	}
	for (size_t i = 1; i < CLIENT_OUTCOME_COUNT; i++) {
		if (stream->broken_by[i] == 0)
			continue;
		printf("%s\"%s\":%zu", comma, client_outcome_name(i), stream->broken_by[i]);
		comma = ",";
	}
	printf("}");
}

static void print_window(void)
{
	printf("{\"window\":\"%s\",\"mono_ms\":%.0f,\"ms\":%.0f,\"stall_ms\":%.1f,\"wait_ms\":%.1f,\"late_"
	       "ms\":%.1f,"
	       "\"streams\":{",
	       window.label, as_ms(window.from), as_ms(window.to - window.from),
	       as_ms(stalls_worst(window.from, window.to)), as_ms(waits_worst(window.from, window.to)),
	       as_ms(window.late));
	for (size_t i = 0; i < n_streams; i++) {
		printf("%s\"%s\":{", i ? "," : "", streams[i].kind.name);
		if (streams[i].keep)
			print_sessions(&streams[i]);
		else
			print_attempts(&streams[i]);
		printf("}");
	}
	printf("}}\n");
	window.open = window.closing = false;
}

static void on_begin(const char *label)
{
	window.open = true;
	window.closing = false;
	snprintf(window.label, sizeof(window.label), "%s", label);
	window.from = clock_now();
	window.late = 0;
	for (size_t i = 0; i < n_streams; i++) {
		struct stream *stream = &streams[i];

		stream->n_records = 0;
		stream->exchanges = stream->dismissed = stream->broken = stream->skipped = 0;
		stream->slowest = 0;
		memset(stream->broken_by, 0, sizeof(stream->broken_by));
	}
}

static void on_end(void)
{
	if (!window.open)
		on_begin("");
	window.to = clock_now();
	window.closing = true;
}

static void on_quit(void)
{
	running = false;
}

/* Nothing that started in the window is still in flight. */
static bool window_is_complete(void)
{
	return window.closing && (!oldest || oldest->started > window.to);
}

static void add_stream(char *spec)
{
	struct stream *stream = &streams[n_streams++];
	char *at = strrchr(spec, '@'), *equals = strchr(spec, '=');
	const char *name = spec;

	if (n_streams > STREAMS_MAX)
		die("more than %d streams", STREAMS_MAX);
	if (!at || (stream->rate = (unsigned)strtoul(at + 1, NULL, 10)) == 0)
		die("%s: what follows the @ is a rate or a number of sessions", spec);
	*at = '\0';
	if (equals) {
		*equals = '\0';
		spec = equals + 1;
	}
	stream->keep = strncmp(spec, "keep-", 5) == 0;
	if (client_kind_parse(stream->keep ? spec + 5 : spec, stream->keep, &stream->kind) < 0)
		die("%s: expected http:, https:, tcp: or websocket: and ADDRESS:PORT", spec);
	stream->kind.name = name;
	if (!equals)
		*strchr(spec, ':') = '\0';
	stream->next = clock_now();
	if (!stream->keep)
		return;
	stream->sessions = calloc(stream->rate, sizeof(*stream->sessions));
	if (!stream->sessions)
		die("out of memory");
	/* Spread over the period, so that they ask in turn and not all at once. */
	for (unsigned i = 0; i < stream->rate; i++) {
		stream->sessions[i].stream = stream;
		stream->sessions[i].due = stream->next + SESSION_EVERY * i / stream->rate;
	}
}

static void arm_timer(void)
{
	struct itimerspec every = {.it_interval.tv_nsec = 1000000, .it_value.tv_nsec = 1000000};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &timer_fd};

	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	timerfd_settime(timer_fd, 0, &every, NULL);
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event);
	event.data.ptr = NULL;
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event);
}

static void turn(void)
{
	struct epoll_event events[256];
	int n = epoll_wait(epoll_fd, events, 256, -1);
	enum client_outcome outcome;
	uint64_t ticks;
	nanos now;

	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr == &timer_fd) {
			if (read(timer_fd, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
				die("timer: %s", strerror(errno));
		} else if (!events[i].data.ptr) {
			instrument_read_commands();
		} else if (client_turn(events[i].data.ptr, events[i].events, &outcome)) {
			finish(events[i].data.ptr, outcome);
		}
	}
	now = clock_now();
	while (oldest && oldest->deadline <= now)
		finish(oldest, CLIENT_TIMEOUT);
	for (size_t i = 0; i < n_streams; i++)
		if (streams[i].keep)
			serve_sessions(&streams[i], now);
		else
			start_due_attempts(&streams[i], now);
	if (window_is_complete())
		print_window();
}

int main(int argc, char **argv)
{
	static const struct instrument_ops ops = {.begin = on_begin, .end = on_end, .quit = on_quit};
	struct sched_param param = {.sched_priority = 1};
	int option;

	while ((option = getopt(argc, argv, "t:")) != -1) {
		if (option != 't')
			die("usage: load [-t TIMEOUT_MS] STREAM...");
		timeout = MS(strtol(optarg, NULL, 10));
	}
	signal(SIGPIPE, SIG_IGN);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (int i = optind; i < argc; i++)
		add_stream(argv[i]);
	instrument_init(&ops);
	stalls_start();
	/* Attempts are to start on time under the load that they make themselves. */
	if (sched_setscheduler(0, SCHED_RR, &param) != 0)
		fprintf(stderr, "no real-time priority: attempts may start late\n");
	arm_timer();
	while (running)
		turn();
	return 0;
}
