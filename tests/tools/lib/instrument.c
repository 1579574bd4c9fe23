/*
 * instrument.c: commands on standard input, and the control thread that watches the machine.
 */
#include "tests/tools/lib/instrument.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STALL_PRIORITY 20 /* as heartbeat's: what holds this thread up holds heartbeat up */
#define STALL_PERIOD   MS(1)
#define STALL_NOTED    MS(1) /* shorter delays are no stalls */
#define STALLS_MAX     65536

static const struct instrument_ops *instrument_ops;
static char pending[256];
static size_t n_pending;

struct stall {
	nanos at, late;
};

static struct control {
	bool realtime;
	pthread_mutex_t lock;
	size_t n;
	struct stall stalls[STALLS_MAX];
} with_priority = {.realtime = true, .lock = PTHREAD_MUTEX_INITIALIZER},
  ordinary = {.lock = PTHREAD_MUTEX_INITIALIZER};

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

void instrument_init(const struct instrument_ops *ops)
{
	instrument_ops = ops;
	fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

static void act_on(char *line)
{
	if (strncmp(line, "begin", 5) == 0)
		instrument_ops->begin(line[5] ? line + 6 : "");
	else if (strcmp(line, "end") == 0)
		instrument_ops->end();
	else if (strcmp(line, "quit") == 0)
		instrument_ops->quit();
	else
		fprintf(stderr, "unknown command: %s\n", line);
}

void instrument_read_commands(void)
{
	ssize_t n = read(STDIN_FILENO, pending + n_pending, sizeof(pending) - 1 - n_pending);
	char *line = pending, *newline;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		instrument_ops->quit();
		return;
	}
	n_pending += (size_t)n;
	pending[n_pending] = '\0';
	while ((newline = strchr(line, '\n'))) {
		*newline = '\0';
		act_on(line);
		line = newline + 1;
	}
	n_pending -= (size_t)(line - pending);
	memmove(pending, line, n_pending);
	if (n_pending == sizeof(pending) - 1)
		n_pending = 0;
}

static void *watch_the_machine(void *arg)
{
	struct control *control = arg;
	struct sched_param param = {.sched_priority = STALL_PRIORITY};
	nanos next, now, late;

	if (control->realtime && pthread_setschedparam(pthread_self(), SCHED_RR, &param) != 0)
		fprintf(stderr, "no real-time priority for the control thread: its stalls say less\n");
	for (next = clock_now() + STALL_PERIOD;; next += STALL_PERIOD) {
		struct timespec until = {.tv_sec = next / NS_PER_S, .tv_nsec = next % NS_PER_S};

		clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, NULL);
		now = clock_now();
		late = now - next;
		if (late < STALL_NOTED)
			continue;
		pthread_mutex_lock(&control->lock);
		control->stalls[control->n++ % STALLS_MAX] = (struct stall){now, late};
		pthread_mutex_unlock(&control->lock);
		next = now;
	}
	return NULL;
}

void stalls_start(void)
{
	pthread_t thread, other;

	if (pthread_create(&thread, NULL, watch_the_machine, &with_priority) != 0 ||
	    pthread_create(&other, NULL, watch_the_machine, &ordinary) != 0)
		die("can't start the control threads");
	pthread_detach(thread);
	pthread_detach(other);
}

static nanos worst_of(struct control *control, nanos from, nanos to)
{
	nanos worst = 0;
	size_t n;

	pthread_mutex_lock(&control->lock);
	n = control->n < STALLS_MAX ? control->n : STALLS_MAX;
	for (size_t i = 0; i < n; i++) {
		const struct stall *stall = &control->stalls[i];

		if (stall->at >= from && stall->at - stall->late <= to && stall->late > worst)
			worst = stall->late;
	}
	pthread_mutex_unlock(&control->lock);
	return worst;
}

nanos stalls_worst(nanos from, nanos to)
{
	return worst_of(&with_priority, from, to);
}

nanos waits_worst(nanos from, nanos to)
{
	return worst_of(&ordinary, from, to);
}
