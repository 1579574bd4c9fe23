/*
 * sim.c: runs schedules of two hearts in virtual time and says whether anything happened that must not.
 *
 *   sim [--schedules N] [--seeds DIR] [--plant-schedules N]     the whole run, on two processes
 *   sim --seed N [--trace | --trace-all] [--plant P]            one schedule, readable
 *   sim --hunt N --plant P                                      finds seeds that catch a planted fault
 *
 * The whole run is: every seed kept in DIR (files, one number first), N schedules from seed 1 on, and every planted fault of
 * heartbeat/plant.h, which must be caught. Its last line is `N passed, N failed`; exit 0 when nothing failed.
 */
#include "heartbeat/plant.h"
#include "tests/sim/world.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS  2
#define FAILURES 8 /* shown of one worker */
#define TEXT     96

int hapair_plant;

static const char *const plants[PLANT_COUNT] = {
	[PLANT_NONE] = "none",
	[PLANT_LEASE_FROM_RENEWAL] = "lease from renewal instead of echo",
	[PLANT_EPOCH_KEPT] = "epoch not raised",
	[PLANT_REPLAY_OFF] = "replay window off",
	[PLANT_TIE_BY_PRIORITY] = "tie by priority alone",
	[PLANT_LAPSED_RENEWED] = "lapsed fence renewed",
	[PLANT_LATE_PROVES_SILENCE] = "late turn proves silence",
	[PLANT_RELEASE_UNCLOSED] = "released before the fence is closed",
	[PLANT_NO_START_WAIT] = "start_wait ignored",
	[PLANT_CLAIM_UNGRANTED] = "claim without the grant asked for",
	[PLANT_SILENCE_KEPT] = "lease from silence outlives the silence",
};

struct tally {
	uint64_t passed, failed, sent, rejected, claims;
	uint64_t seeds[FAILURES];
	char why[FAILURES][TEXT];
};

static struct world world;

static void run_one(uint64_t seed, struct tally *t)
{
	world_run(&world, seed, false, false);
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

static pid_t start_worker(uint64_t first, uint64_t count, int fd)
{
	struct tally t = {0};
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	for (uint64_t i = 0; i < count; i += WORKERS)
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
	pid_t pids[WORKERS];
	int pipes[WORKERS][2];
	struct tally t;
	int status;

	fflush(stdout);
	for (unsigned i = 0; i < WORKERS; i++) {
		if (pipe(pipes[i]) < 0)
			abort();
		pids[i] = start_worker(first + i, count > i ? count - i : 0, pipes[i][1]);
		close(pipes[i][1]);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		if (read(pipes[i][0], &t, sizeof(t)) == sizeof(t))
			add(sum, &t);
		else
			sum->failed++;
		close(pipes[i][0]);
		waitpid(pids[i], &status, 0);
	}
}

static void show_failures(const struct tally *t)
{
	for (uint64_t i = 0; i < t->failed && i < FAILURES; i++)
		printf("sim: seed %llu: %s (sim --seed %llu --trace)\n", (unsigned long long)t->seeds[i],
		       t->why[i], (unsigned long long)t->seeds[i]);
}

static void run_kept(const char *directory, struct tally *sum)
{
	struct dirent **names;
	int n = scandir(directory, &names, NULL, alphasort);
	struct tally t = {0};

	for (int i = 0; i < n; i++) {
		char path[512];
		unsigned long long seed;
		FILE *file;

		snprintf(path, sizeof(path), "%s/%s", directory, names[i]->d_name);
		file = names[i]->d_name[0] == '.' ? NULL : fopen(path, "r");
		if (file && fscanf(file, "%llu", &seed) == 1)
			run_one(seed, &t);
		else if (file)
			printf("sim: %s does not begin with a seed\n", path);
		if (file)
			fclose(file);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	printf("sim: %llu kept seeds, %llu violations\n", (unsigned long long)(t.passed + t.failed),
	       (unsigned long long)t.failed);
	show_failures(&t);
	add(sum, &t);
}

/* Runs until the fault is caught. */
static bool hunt(enum plant plant, uint64_t first, uint64_t count, bool quiet)
{
	hapair_plant = (int)plant;
	for (uint64_t i = 0; i < count; i++) {
		world_run(&world, first + i, false, false);
		if (!world.violation)
			continue;
		printf("sim: planted: %s: caught by seed %llu: %s\n", plants[plant],
		       (unsigned long long)(first + i), world.violation);
		hapair_plant = PLANT_NONE;
		return true;
	}
	hapair_plant = PLANT_NONE;
	if (!quiet)
		printf("sim: planted: %s: NOT CAUGHT in %llu schedules\n", plants[plant],
		       (unsigned long long)count);
	return false;
}

static double seconds_since(const struct timespec *from)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - from->tv_sec) + (double)(now.tv_nsec - from->tv_nsec) / 1e9;
}

static int run_all(uint64_t schedules, uint64_t first, const char *seeds, uint64_t plant_schedules)
{
	struct tally kept = {0}, many = {0};
	unsigned caught = 0, missed = 0;
	struct timespec start;
	double took;

	if (seeds)
		run_kept(seeds, &kept);
	clock_gettime(CLOCK_MONOTONIC, &start);
	run_many(first, schedules, &many);
	took = seconds_since(&start);
	printf("sim: %llu schedules in %.1f s, %.0f/s, %llu datagrams, %llu claims, %llu violations\n",
	       (unsigned long long)schedules, took, (double)schedules / took, (unsigned long long)many.sent,
	       (unsigned long long)many.claims, (unsigned long long)many.failed);
	show_failures(&many);
	for (int plant = PLANT_NONE + 1; plant < PLANT_COUNT && plant_schedules; plant++) {
		if (hunt((enum plant)plant, 1, plant_schedules, false))
			caught++;
		else
			missed++;
	}
	printf("%llu passed, %llu failed (%llu schedules, %u planted faults)\n",
	       (unsigned long long)(kept.passed + many.passed + caught),
	       (unsigned long long)(kept.failed + many.failed + missed),
	       (unsigned long long)(kept.passed + kept.failed + schedules), caught + missed);
	return kept.failed + many.failed + missed ? 1 : 0;
}

static int run_traced(uint64_t seed, bool trace, bool trace_all)
{
	world_run(&world, seed, trace, trace_all);
	printf("seed %llu: %s\n", (unsigned long long)seed,
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
	uint64_t schedules = 200000, first = 1, seed = 0, plant_schedules = 20000, hunted = 0;
	const char *seeds = NULL;
	bool trace = false, trace_all = false;

	for (int i = 1; i < argc; i++) {
		const char *option = argv[i];

		if (!strcmp(option, "--trace"))
			trace = true;
		else if (!strcmp(option, "--trace-all"))
			trace = trace_all = true;
		else if (!strcmp(option, "--schedules"))
			schedules = number(argv[++i]);
		else if (!strcmp(option, "--first"))
			first = number(argv[++i]);
		else if (!strcmp(option, "--seed"))
			seed = number(argv[++i]);
		else if (!strcmp(option, "--plant"))
			hapair_plant = (int)number(argv[++i]) % PLANT_COUNT;
		else if (!strcmp(option, "--plant-schedules"))
			plant_schedules = number(argv[++i]);
		else if (!strcmp(option, "--hunt"))
			hunted = number(argv[++i]);
		else if (!strcmp(option, "--seeds") && i + 1 < argc)
			seeds = argv[++i];
		else {
			fprintf(stderr, "sim: unknown option %s\n", option);
			return 2;
		}
	}
	if (seed)
		return run_traced(seed, trace, trace_all);
	if (hunted)
		return hunt((enum plant)hapair_plant, first, hunted, false) ? 0 : 1;
	return run_all(schedules, first, seeds, plant_schedules);
}
