/*
 * vip_probe: drives the vip rooms alone, without a heartbeat, and prints what they do. For trying in a namespace.
 *
 *   vip_probe NODE VIP/PREFIX[@INTERFACE].. -- ACTION..
 *
 *   claim=MS        claim for MS milliseconds         renew=MS      extend to MS from now
 *   hold=MS         renew every 50 ms for MS          sleep=MS      only look at the kernel's news
 *   measure=N       time N renewals                   cycle=N       time N claims and closings
 *   probe close release announce leave               stop: freeze itself (SIGSTOP)
 *   warm=MS         as the first action: go on with what an earlier run left, for MS
 *
 * rooms: vip/vip.c vip/vip_drain.c vip/vip_loss.c vip/destroy.c vip/tickle.c vip/checksum.c vip/drain.c vip/handover.c vip/loopback.c vip/libnl.c vip/nft.c vip/fence.c vip/address.c vip/announce.c vip/conflict.c vip/packet.c vip/port.c vip/watch.c hapair/base/addr.c hapair/base/clock.c hapair/base/flows.c hapair/base/log.c hapair/base/thread.c
 */
#include "hapair/base/log.h"
#include "vip/vip.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static nanos started;

static double at(void)
{
	return (double)(clock_now() - started) / 1e6;
}

static void on_event(void *ctx, enum vip_event event, const char *subject, const char *text)
{
	static const char *const names[] = {"link up",        "link down",      "address restored",
					    "address failed", "fence restored", "fence failed",
					    "foreign holder"};

	printf("%9.3f event: %s %s %s\n", at(), names[event], subject, text);
}

static void on_usable(void *ctx, bool usable, const char *why)
{
	printf("%9.3f usable: %s (%s)\n", at(), usable ? "yes" : "no", why);
}

static void on_prepared(void *ctx, int error)
{
}

static void on_left(void *ctx, long left)
{
}

static void say(const char *what, nanos took, int error)
{
	printf("%9.3f %s: %s, %.0f us\n", at(), what, error ? strerror(-error) : "done", (double)took / 1e3);
}

static void listen_until(struct vips *vips, nanos until)
{
	struct pollfd p = {.fd = vip_fd(vips), .events = POLLIN};

	for (nanos now = clock_now(); now < until; now = clock_now()) {
		nanos next = vip_due(vips) < until ? vip_due(vips) : until;

		poll(&p, 1, next > now ? (int)((next - now + MS(1) - 1) / NS_PER_MS) : 0);
		if (p.revents)
			vip_read(vips, clock_now());
		vip_turn(vips, clock_now());
	}
}

static int compare(const void *a, const void *b)
{
	nanos x = *(const nanos *)a, y = *(const nanos *)b;

	return x < y ? -1 : x > y;
}

static void print_times(const char *what, nanos *times, size_t n)
{
	qsort(times, n, sizeof(*times), compare);
	printf("%9.3f %s: n %zu median %.0f us, p99 %.0f us, worst %.0f us\n", at(), what, n,
	       (double)times[n / 2] / 1e3, (double)times[n * 99 / 100] / 1e3, (double)times[n - 1] / 1e3);
}

static void measure(struct vips *vips, size_t n, bool claims)
{
	nanos *times = calloc(n, sizeof(*times));

	for (size_t i = 0; i < n; i++) {
		nanos before = clock_now();
		int error = claims ? vip_claim(vips, before + MS(150)) : vip_extend(vips, before + MS(150));

		times[i] = clock_now() - before;
		if (error)
			say(claims ? "claim" : "renew", times[i], error);
		if (claims) {
			vip_close(vips);
			vip_release(vips);
		}
		listen_until(vips, clock_now() + MS(2));
	}
	print_times(claims ? "claim" : "renewal", times, n);
	free(times);
}

static void act(struct vips *vips, const char *action)
{
	const char *value = strchr(action, '=');
	long n = value ? atol(value + 1) : 0;
	nanos before = clock_now();

	if (!strncmp(action, "claim=", 6)) {
		int error = vip_claim(vips, before + MS(n));

		say(action, clock_now() - before, error);
	} else if (!strncmp(action, "renew=", 6)) {
		int error = vip_extend(vips, before + MS(n));

		say(action, clock_now() - before, error);
	} else if (!strncmp(action, "hold=", 5)) {
		for (nanos end = before + MS(n); clock_now() < end;) {
			int error = vip_extend(vips, clock_now() + MS(150));

			if (error)
				say("renewal", 0, error);
			listen_until(vips, clock_now() + MS(50));
		}
		say(action, 0, 0);
	} else if (!strncmp(action, "sleep=", 6)) {
		listen_until(vips, before + MS(n));
	} else if (!strncmp(action, "measure=", 8)) {
		measure(vips, (size_t)n, false);
	} else if (!strncmp(action, "cycle=", 6)) {
		measure(vips, (size_t)n, true);
	} else if (!strcmp(action, "probe")) {
		vip_probe(vips, before);
	} else if (!strcmp(action, "close")) {
		int error = vip_close(vips);

		say(action, clock_now() - before, error);
	} else if (!strcmp(action, "release")) {
		vip_release(vips);
		say(action, clock_now() - before, 0);
	} else if (!strcmp(action, "announce")) {
		vip_announce(vips, before);
	} else if (!strcmp(action, "leave")) {
		vip_leave_nothing(vips);
	} else if (!strcmp(action, "stop")) {
		raise(SIGSTOP);
	} else {
		fprintf(stderr, "vip_probe: what is %s?\n", action);
		exit(2);
	}
}

static size_t read_wishes(char **argv, int argc, struct vip_wish *wishes)
{
	size_t n = 0;

	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0 && n < VIPS_MAX; i++) {
		char *interface = strchr(argv[i], '@');

		if (interface) {
			*interface++ = 0;
			snprintf(wishes[n].interface, sizeof(wishes[n].interface), "%s", interface);
		}
		if (ip_parse_prefix(span_of(argv[i]), &wishes[n].ip, &wishes[n].prefix_len)) {
			fprintf(stderr, "vip_probe: %s is no VIP\n", argv[i]);
			exit(2);
		}
		n++;
	}
	return n;
}

int main(int argc, char **argv)
{
	static const struct vip_handler handler = {on_event, on_usable, on_prepared, on_left};
	struct vip_wish wishes[VIPS_MAX] = {0};
	struct vips *vips;
	size_t n;
	int error, i;
	bool warm;

	log_init("vip_probe");
	setvbuf(stdout, NULL, _IOLBF, 0);
	started = clock_now();
	if (argc < 3) {
		fprintf(stderr, "usage: vip_probe NODE VIP/PREFIX[@INTERFACE].. -- ACTION..\n");
		return 2;
	}
	n = read_wishes(argv, argc, wishes);
	for (i = 2; i < argc && strcmp(argv[i], "--") != 0;)
		i++;
	i++;
	warm = i < argc && !strncmp(argv[i], "warm=", 5);
	error = vip_new(argv[1], &handler, NULL, &vips);
	if (!error)
		error = vip_set(vips, wishes, n, warm, warm ? clock_now() + MS(atol(argv[i] + 5)) : 0);
	if (!error)
		error = vip_run(vips);
	say("set", clock_now() - started, error);
	if (error)
		return 1;
	printf("%9.3f fenced %d, held %d\n", at(), vip_fenced(vips), vip_held(vips));
	for (i += warm; i < argc; i++)
		act(vips, argv[i]);
	vip_free(vips);
	return 0;
}
