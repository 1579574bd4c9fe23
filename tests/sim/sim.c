/*
 * sim.c: runs schedules of two hearts in virtual time and says whether anything happened that must not.
 *
 *   sim [--schedules N] [--first N] [--seeds DIR] [--plant-schedules N]   the whole run, on every core
 *   sim --seed N | --file PATH [--trace | --trace-all] [--plant NAME]      one schedule, readable
 *   sim --seed N --shrink [--plant NAME]                                   made small, as a file, on standard output
 *   sim --plant NAME ...                                                   the whole run with it: what failing looks like
 *   sim --explore [--plant NAME]                                           every way to start, small scopes (explore.h)
 *   sim --renew DIR                                                        keeps schedules for what is planted and rare
 *   sim --hunt N --plant NAME                                              looks for a seed that catches a planted fault
 *
 * The whole run is: every way to start, every schedule kept in DIR, N schedules from seed 1 on, and every planted fault of heartbeat/plant.h,
 * which must be caught. Its last line is `N passed, N failed`; exit 0 when nothing failed.
 */
#include "heartbeat/plant.h"
#include "tests/sim/explore.h"
#include "tests/sim/shrink.h"
#include "tests/sim/world.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX 64
#define HUNT_STEP   4000
#define FAILURES    8 /* shown of one worker */
#define TEXT        96
#define PATH_TEXT   512

int hapair_plant;

static const char *const plants[PLANT_COUNT] = {
	[PLANT_NONE] = "none",
	[PLANT_LEASE_FROM_RENEWAL] = "lease-from-renewal",
	[PLANT_EPOCH_KEPT] = "epoch-kept",
	[PLANT_REPLAY_OFF] = "replay-off",
	[PLANT_TIE_BY_PRIORITY] = "tie-by-priority",
	[PLANT_LAPSED_RENEWED] = "lapsed-renewed",
	[PLANT_LATE_PROVES_SILENCE] = "late-proves-silence",
	[PLANT_RELEASE_UNCLOSED] = "release-unclosed",
	[PLANT_NO_START_WAIT] = "no-start-wait",
	[PLANT_CLAIM_UNGRANTED] = "claim-ungranted",
	[PLANT_SILENCE_KEPT] = "silence-kept",
	[PLANT_CLOCK_STOOD] = "clock-stood",
	[PLANT_DEAF_WINNER] = "deaf-winner",
	[PLANT_EPOCH_FORGOTTEN] = "epoch-forgotten",
	[PLANT_GRANT_KEPT] = "grant-kept",
	[PLANT_RECORDING_BELIEVED] = "recording-believed",
	[PLANT_PROMISE_BROKEN] = "promise-broken",
	[PLANT_OVERTAKEN_COUNTS] = "overtaken-counts",
	[PLANT_OVERRUN_IGNORED] = "overrun-ignored",
	[PLANT_WHOLE_HOLD_AS_GRACE] = "whole-hold-as-grace",
	[PLANT_MEMORY_WITHOUT_PROMISES] = "memory-without-promises",
	[PLANT_DRAINER_HOLDS] = "drainer-holds",
	[PLANT_STRANGER_MAY_HOLD] = "stranger-may-hold",
	[PLANT_NEXT_LIFE_BOUND] = "next-life-bound",
	[PLANT_WITNESS_UNASKED] = "witness-unasked",
};

struct tally {
	uint64_t passed, failed, sent, rejected, claims;
	uint64_t seeds[FAILURES];
	char why[FAILURES][TEXT];
};

/* The kept schedule that shows a planted fault. */
static char shown_by[PLANT_COUNT][PATH_TEXT];
static struct world world;
static enum plant planted; /* in the whole run: what a failure of it looks like */

static const char *verdict(const struct plan *plan, enum plant plant)
{
	hapair_plant = (int)plant;
	world_run(&world, plan, false, false);
	hapair_plant = PLANT_NONE;
	return world.violation;
}

static void run_one(uint64_t seed, struct tally *t)
{
	struct plan plan;

	plan_draw(&plan, seed);
	verdict(&plan, planted);
	t->sent += world.sent;
	t->rejected += world.rejected;
	t->claims += world.claims;
	if (!world.violation) {
		t->passed++;
		return;
	}
	if (t->failed < FAILURES) {
		t->seeds[t->failed] = seed;
		snprintf(t->why[t->failed], TEXT, "%s, at %.3f ms", world.violation,
			 (double)world.violation_at / 1e6);
	}
	t->failed++;
}

static unsigned workers(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1 ? 1 : cores > WORKERS_MAX ? WORKERS_MAX : (unsigned)cores;
}

static pid_t start_worker(uint64_t first, uint64_t count, unsigned step, int fd)
{
	struct tally t = {0};
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	for (uint64_t i = 0; i < count; i += step)
		run_one(first + i, &t);
	if (write(fd, &t, sizeof(t)) != sizeof(t))
		_exit(1);
	_exit(0);
}

static void add(struct tally *sum, const struct tally *t)
{
	for (uint64_t i = 0; i < t->failed && i < FAILURES && sum->failed + i < FAILURES; i++) {
		sum->seeds[sum->failed + i] = t->seeds[i];
		memcpy(sum->why[sum->failed + i], t->why[i], TEXT);
	}
	sum->passed += t->passed;
	sum->failed += t->failed;
	sum->sent += t->sent;
	sum->rejected += t->rejected;
	sum->claims += t->claims;
}

/* A worker that died counts as one failure. */
static void run_many(uint64_t first, uint64_t count, struct tally *sum)
{
	unsigned n = workers();
	pid_t pids[WORKERS_MAX];
	int pipes[WORKERS_MAX][2];
	struct tally t;
	int status;

	fflush(stdout);
	for (unsigned i = 0; i < n; i++) {
		if (pipe(pipes[i]) < 0)
			abort();
		pids[i] = start_worker(first + i, count > i ? count - i : 0, n, pipes[i][1]);
		close(pipes[i][1]);
	}
	for (unsigned i = 0; i < n; i++) {
		if (read(pipes[i][0], &t, sizeof(t)) == sizeof(t))
			add(sum, &t);
		else
			sum->failed++;
		close(pipes[i][0]);
		waitpid(pids[i], &status, 0);
	}
}

static const char *shrinking_verdict(const struct plan *plan, void *plant, nanos *ret_at)
{
	const char *violation = verdict(plan, *(enum plant *)plant);

	*ret_at = world.violation_at;
	return violation;
}

/* Written as a file that can be kept, with what went wrong as its first line. False: nothing does. */
static bool write_shrunk(struct plan *plan, enum plant plant, FILE *file)
{
	const char *violation;

	plan_shrink(plan, shrinking_verdict, &plant);
	violation = verdict(plan, plant);
	snprintf(plan->planted, sizeof(plan->planted), "%s", plant ? plants[plant] : "");
	plan_write(plan, violation ? violation : "no violation", file);
	return violation;
}

/* As DIRECTORY/WHAT-NAME, small. */
static void store(const char *directory, const char *what, const char *name, uint64_t seed, enum plant plant)
{
	char path[PATH_TEXT];
	struct plan plan;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s-%s", directory, what, name);
	file = fopen(path, "w");
	if (!file) {
		perror(path);
		return;
	}
	plan_draw(&plan, seed);
	write_shrunk(&plan, plant, file);
	fclose(file);
	printf("sim: seed %llu, made small: %s (sim --file %s --trace)\n", (unsigned long long)seed, path,
	       path);
}

/* The first failure is kept, so that the next run begins with it. */
static void store_failure(const char *directory, uint64_t seed)
{
	char name[24];

	snprintf(name, sizeof(name), "%llu", (unsigned long long)seed);
	store(directory, "failed", name, seed, planted);
}

static void show_failures(const struct tally *t)
{
	for (uint64_t i = 0; i < t->failed && i < FAILURES; i++)
		printf("sim: seed %llu: %s (sim --seed %llu --trace)\n", (unsigned long long)t->seeds[i],
		       t->why[i], (unsigned long long)t->seeds[i]);
}

static enum plant plant_named(const char *name)
{
	for (int i = PLANT_NONE + 1; i < PLANT_COUNT; i++) {
		if (!strcmp(plants[i], name))
			return (enum plant)i;
	}
	fprintf(stderr, "sim: no such planted fault: %s\n", name);
	exit(2);
}

static bool read_plan(const char *path, struct plan *plan, char about[PLAN_TEXT])
{
	FILE *file = fopen(path, "r");
	bool understood = file && plan_read(plan, about, file);

	if (file)
		fclose(file);
	if (!understood)
		printf("sim: %s cannot be read as a schedule\n", path);
	return understood;
}

/* One kept schedule: nothing may go wrong in it, but for the planted fault that it was kept for. */
static bool run_file(const char *path)
{
	struct plan plan;
	char about[PLAN_TEXT];
	const char *violation;
	enum plant plant;

	if (!read_plan(path, &plan, about))
		return false;
	violation = verdict(&plan, PLANT_NONE);
	if (violation)
		printf("sim: %s: %s (sim --file %s --trace)\n", path, violation, path);
	if (violation || !plan.planted[0])
		return !violation;
	plant = plant_named(plan.planted);
	if (!verdict(&plan, plant)) {
		/* The heart has changed; catches() looks for another one, sim --renew keeps it. */
		printf("sim: %s: does not show %s any more\n", path, plan.planted);
		return true;
	}
	snprintf(shown_by[plant], PATH_TEXT, "%s", path);
	return true;
}

static void run_kept(const char *directory, struct tally *t)
{
	struct dirent **names;
	int n = scandir(directory, &names, NULL, alphasort);

	if (n < 0)
		perror(directory);
	t->failed += n < 0;
	for (int i = 0; i < n; i++) {
		char path[PATH_TEXT];

		snprintf(path, sizeof(path), "%s/%s", directory, names[i]->d_name);
		if (names[i]->d_name[0] != '.') {
			if (run_file(path))
				t->passed++;
			else
				t->failed++;
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	printf("sim: %llu kept schedules, %llu failed\n", (unsigned long long)(t->passed + t->failed),
	       (unsigned long long)t->failed);
}

/* The first of every `step`-th seed from `first` on that catches the fault, 0: none of `count`. */
static uint64_t search(enum plant plant, uint64_t first, uint64_t count, unsigned step)
{
	struct plan plan;

	for (uint64_t i = 0; i < count; i += step) {
		plan_draw(&plan, first + i);
		if (verdict(&plan, plant))
			return first + i;
	}
	return 0;
}

/* The same on every core. */
static uint64_t search_wide(enum plant plant, uint64_t first, uint64_t count)
{
	unsigned n = workers();
	uint64_t found = 0, seed;
	int pipes[WORKERS_MAX][2];
	pid_t pids[WORKERS_MAX];

	fflush(stdout);
	for (unsigned i = 0; i < n; i++) {
		if (pipe(pipes[i]) < 0 || (pids[i] = fork()) < 0)
			abort();
		if (pids[i] == 0) {
			seed = search(plant, first + i, count > i ? count - i : 0, n);
			_exit(write(pipes[i][1], &seed, sizeof(seed)) != sizeof(seed));
		}
		close(pipes[i][1]);
	}
	for (unsigned i = 0; i < n; i++) {
		if (read(pipes[i][0], &seed, sizeof(seed)) == sizeof(seed) && seed &&
		    (!found || seed < found))
			found = seed;
		close(pipes[i][0]);
		waitpid(pids[i], NULL, 0);
	}
	return found;
}

/* Looks until the fault is caught; the seed, 0: not. */
static uint64_t hunt(enum plant plant, uint64_t first, uint64_t count)
{
	uint64_t found = 0;
	struct plan plan;

	for (uint64_t done = 0; done < count && !found; done += HUNT_STEP)
		found = search_wide(plant, first + done, count - done < HUNT_STEP ? count - done : HUNT_STEP);
	if (!found)
		return 0;
	plan_draw(&plan, found);
	printf("sim: planted: %s: caught by seed %llu: %s\n", plants[plant], (unsigned long long)found,
	       verdict(&plan, plant));
	return found;
}

/* By a kept schedule, or else by a drawn one. */
static bool catches(enum plant plant, uint64_t schedules)
{
	if (shown_by[plant][0]) {
		printf("sim: planted: %s: caught by %s\n", plants[plant], shown_by[plant]);
		return true;
	}
	if (hunt(plant, 1, schedules))
		return true;
	printf("sim: planted: %s: NOT CAUGHT in %llu schedules\n", plants[plant],
	       (unsigned long long)schedules);
	return false;
}

/* Each some seconds at most; what is beyond is left to chance. */
static const struct scope scopes[] = {
	{.losses = 2, .horizon = MS(30)},
	{.losses = 1, .lates = 1, .horizon = MS(30)},
	{.deaths = 1, .horizon = MS(12)},
	{.losses = 1, .second = MS(3), .horizon = MS(30)},
	{.losses = 2, .second = MS(15), .horizon = MS(45)},
	{.losses = 1, .second = MS(100), .horizon = MS(130)},
};

/* False: something is wrong; the way to it was told. */
static bool explore_all(enum plant plant, bool tell, struct tally *t)
{
	uint64_t states = 0, ends = 0;
	bool fine = true;

	hapair_plant = (int)plant;
	for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]) && fine; i++) {
		struct explored e = explore(&scopes[i], tell);

		states += e.states;
		ends += e.ends;
		fine = !e.violation;
	}
	hapair_plant = PLANT_NONE;
	if (tell)
		printf("sim: explored %llu states of a start, %llu ends of it, %s\n",
		       (unsigned long long)states, (unsigned long long)ends,
		       fine ? "all well" : "a violation");
	if (fine)
		t->passed++;
	else
		t->failed++;
	return fine;
}

/* What a start shows by itself must be seen by exploring it. */
static void explore_planted(struct tally *t)
{
	static const enum plant shown[] = {PLANT_EPOCH_KEPT, PLANT_TIE_BY_PRIORITY, PLANT_NO_START_WAIT};

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		struct tally one = {0};
		bool seen = !explore_all(shown[i], false, &one);

		printf("sim: explored with %s: %s\n", plants[shown[i]], seen ? "seen" : "NOT SEEN");
		t->passed += seen;
		t->failed += !seen;
	}
}

static double seconds_since(const struct timespec *from)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - from->tv_sec) + (double)(now.tv_nsec - from->tv_nsec) / 1e9;
}

static int run_all(uint64_t schedules, uint64_t first, const char *seeds, uint64_t plant_schedules)
{
	struct tally explored = {0}, kept = {0}, many = {0};
	unsigned caught = 0, missed = 0;
	struct timespec start;
	double took;

	explore_all(PLANT_NONE, true, &explored);
	explore_planted(&explored);
	if (seeds)
		run_kept(seeds, &kept);
	clock_gettime(CLOCK_MONOTONIC, &start);
	run_many(first, schedules, &many);
	took = seconds_since(&start);
	printf("sim: %llu schedules in %.1f s, %.0f/s, %llu datagrams, %llu claims, %llu violations\n",
	       (unsigned long long)schedules, took, (double)schedules / took, (unsigned long long)many.sent,
	       (unsigned long long)many.claims, (unsigned long long)many.failed);
	show_failures(&many);
	if (many.failed && many.seeds[0] && seeds)
		store_failure(seeds, many.seeds[0]);
	for (int plant = PLANT_NONE + 1; plant < PLANT_COUNT && plant_schedules; plant++) {
		if (catches((enum plant)plant, plant_schedules))
			caught++;
		else
			missed++;
	}
	printf("%llu passed, %llu failed (%llu schedules, %u planted faults)\n",
	       (unsigned long long)(explored.passed + kept.passed + many.passed + caught),
	       (unsigned long long)(explored.failed + kept.failed + many.failed + missed),
	       (unsigned long long)(kept.passed + kept.failed + schedules), caught + missed);
	return explored.failed + kept.failed + many.failed + missed ? 1 : 0;
}

/* Keeps a schedule, small, for every planted fault that no kept one shows and that is not found at once. */
static int renew(const char *directory, uint64_t schedules)
{
	struct tally kept = {0};
	int missing = 0;

	run_kept(directory, &kept);
	for (int i = PLANT_NONE + 1; i < PLANT_COUNT; i++) {
		enum plant plant = (enum plant)i;
		uint64_t seed = shown_by[plant][0] ? 0 : hunt(plant, 1, schedules);

		if (seed > HUNT_STEP)
			store(directory, "planted", plants[plant], seed, plant);
		missing += !shown_by[plant][0] && !seed;
	}
	printf("sim: %d planted faults are not caught\n", missing);
	return missing ? 1 : 0;
}

static int run_traced(const struct plan *plan, enum plant plant, bool trace, bool trace_all)
{
	hapair_plant = (int)plant;
	world_run(&world, plan, trace, trace_all);
	printf("seed %llu: %s\n", (unsigned long long)plan->seed,
	       world.violation ? world.violation : "no violation");
	return world.violation ? 1 : 0;
}

static uint64_t number(const char *text)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = text ? strtoull(text, &end, 10) : 0;
	if (!text || *end || end == text || errno) {
		fprintf(stderr, "sim: a number is missing or wrong: %s\n", text ? text : "");
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	uint64_t schedules = 200000, first = 1, plant_schedules = 400000, hunted = 0;
	const char *seeds = NULL, *renewed = NULL;
	bool trace = false, trace_all = false, shrink = false, one = false, explores = false;
	struct plan plan;
	struct tally tally = {0};
	char about[PLAN_TEXT];

	for (int i = 1; i < argc; i++) {
		const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (!strcmp(option, "--trace"))
			trace = true;
		else if (!strcmp(option, "--trace-all"))
			trace = trace_all = true;
		else if (!strcmp(option, "--shrink"))
			shrink = true;
		else if (!strcmp(option, "--explore"))
			explores = true;
		else if (!value) {
			fprintf(stderr, "sim: %s is not known, or its value is missing\n", option);
			return 2;
		} else if (i++, !strcmp(option, "--schedules"))
			schedules = number(value);
		else if (!strcmp(option, "--first"))
			first = number(value);
		else if (!strcmp(option, "--plant"))
			planted = plant_named(value);
		else if (!strcmp(option, "--plant-schedules"))
			plant_schedules = number(value);
		else if (!strcmp(option, "--hunt"))
			hunted = number(value);
		else if (!strcmp(option, "--seeds"))
			seeds = value;
		else if (!strcmp(option, "--renew"))
			renewed = value;
		else if (!strcmp(option, "--seed")) {
			plan_draw(&plan, number(value));
			one = true;
		} else if (!strcmp(option, "--file")) {
			if (!read_plan(value, &plan, about))
				return 2;
			one = true;
		} else {
			fprintf(stderr, "sim: unknown option %s\n", option);
			return 2;
		}
	}
	if (explores)
		return explore_all(planted, true, &tally) ? 0 : 1;
	if (one && shrink)
		return write_shrunk(&plan, planted, stdout) ? 0 : 1;
	if (one)
		return run_traced(&plan, planted, trace, trace_all);
	if (renewed)
		return renew(renewed, plant_schedules);
	if (hunted)
		return hunt(planted, first, hunted) ? 0 : 1;
	return run_all(schedules, first, seeds, plant_schedules);
}
