/*
 * plan.c: how a schedule is drawn, written and read. Its own stream of chance, so that the run's do not depend on it.
 *
 * Most schedules are short, 40 to 60 intervals of bad days after a start that is calm so that it can be judged; one in eight is
 * long, for what needs time (settling, hold-downs, budgets, a second fault long after the first).
 */
#include "tests/sim/plan.h"

#include "heartbeat/lease.h"

#include <stddef.h>
#include <string.h>

static const char *const kinds[FAULT_COUNT] = {
	"loss",        "delay",       "duplicates", "cut",          "stop",      "stall",  "vm-pause",
	"role-crash",  "kill",        "machine",    "leave",        "unfit",     "broken", "switchover",
	"slow-kernel", "late-timers", "replay",     "reload",       "reorder",   "spike",  "flap",
	"step",        "upgrade",     "refused",    "proxy-wavers", "no-witness"};

const char *fault_name(enum fault_kind kind)
{
	return kinds[kind];
}

nanos plan_interval(const struct plan *p)
{
	return p->interval[0] > p->interval[1] ? p->interval[0] : p->interval[1];
}

nanos plan_dead(const struct plan *p)
{
	nanos a = p->interval[0] * p->dead_after[0], b = p->interval[1] * p->dead_after[1];

	return a > b ? a : b;
}

/* Drawing */

static nanos duration_of(struct rng *r, enum fault_kind kind, nanos interval, nanos dead)
{
	switch (kind) {
	case FAULT_ROLE:
		return rng_between(r, MS(3), rng_chance(r, 70) ? dead / 2 : 3 * dead);
	case FAULT_STOP:
	case FAULT_STALL:
	case FAULT_VM_PAUSE:
	case FAULT_SPIKE:
	case FAULT_STEP:
		return rng_between(r, MS(1), 3 * dead);
	case FAULT_SWITCH:
	case FAULT_SLOW:
	case FAULT_LATE:
		return rng_between(r, interval, 4 * dead);
	default:
		return rng_between(r, MS(1), rng_chance(r, 25) ? 12 * dead : 4 * dead);
	}
}

static unsigned draw_cuts(struct rng *r)
{
	switch (rng_below(r, 5)) {
	case 0: /* everything */
		return (1u << 2 * LINKS) - 1;
	case 1: /* everything towards one node */
		return rng_chance(r, 50) ? 0x5 : 0xa;
	case 2: /* one link */
		return rng_chance(r, 50) ? 0x3 : 0xc;
	case 3: /* nothing reaches one node, and half of what it sends is lost too */
		return rng_chance(r, 50) ? 0x7 : 0xb;
	default:
		return 1 + (unsigned)rng_below(r, (1u << 2 * LINKS) - 1);
	}
}

static void draw_fault(struct rng *r, struct plan *p, enum fault_kind kind, nanos at)
{
	struct planned *f = &p->faults[p->n_faults++];

	f->kind = kind;
	f->node = (unsigned)rng_below(r, 2);
	f->at = at < p->end ? at : p->end - p->interval[0];
	f->until = f->at + duration_of(r, kind, plan_interval(p), plan_dead(p));
	f->cuts = draw_cuts(r);
	f->amount = (unsigned)rng_below(r, 1000000);
}

/* What the operator orders, and what comes in between. */
static void draw_race(struct rng *r, struct plan *p, nanos at)
{
	static const enum fault_kind ends[] = {FAULT_SWITCH, FAULT_ROLE,   FAULT_KILL,     FAULT_MACHINE,
					       FAULT_LEAVE,  FAULT_STOP,   FAULT_VM_PAUSE, FAULT_STEP,
					       FAULT_UNFIT,  FAULT_BROKEN, FAULT_CUT,      FAULT_UPGRADE};

	draw_fault(r, p, rng_chance(r, 70) ? FAULT_SWITCH : FAULT_LEAVE, at);
	draw_fault(r, p, ends[rng_below(r, sizeof(ends) / sizeof(ends[0]))],
		   at + rng_between(r, 0, rng_chance(r, 60) ? MS(10) : 2 * plan_dead(p)));
}

/* Both machines lose their power, at once or nearly so. */
static void draw_reboots(struct rng *r, struct plan *p, nanos at)
{
	draw_fault(r, p, FAULT_MACHINE, at);
	draw_fault(r, p, FAULT_MACHINE, at + (rng_chance(r, 50) ? 0 : rng_between(r, 0, 2 * plan_dead(p))));
	p->faults[p->n_faults - 1].node = !p->faults[p->n_faults - 2].node;
}

static void draw_faults(struct rng *r, struct plan *p, nanos from, unsigned n)
{
	while (p->n_faults < n) {
		nanos at = rng_between(r, from, p->end - p->interval[0]);
		uint64_t what = rng_below(r, 100);

		/* Faults like company: half of them begin close to the one before. */
		if (p->n_faults > 0 && rng_chance(r, 50))
			at = p->faults[p->n_faults - 1].at + rng_between(r, 0, 3 * plan_dead(p));
		if (what < 12)
			draw_race(r, p, at);
		else if (what < 16)
			draw_reboots(r, p, at);
		else
			draw_fault(r, p, (enum fault_kind)rng_below(r, FAULT_COUNT), at);
	}
}

/* One node is not configured, or not built, like the other. */
static void draw_differences(struct rng *r, struct plan *p)
{
	unsigned node = (unsigned)rng_below(r, 2);
	nanos interval = p->interval[node] * (rng_chance(r, 50) ? 2 : 1);
	int64_t dead_after = p->dead_after[node] - 1 + (int64_t)rng_below(r, 4);

	switch (rng_below(r, 6)) {
	case 0:
	case 1:
		if (lease_refusal(interval, (unsigned)dead_after) != NULL)
			break;
		p->interval[node] = interval;
		p->dead_after[node] = dead_after;
		break;
	case 2:
		p->can_drain[node] = 0;
		break;
	case 3:
		p->drain_timeout[node] = rng_between(r, 0, plan_dead(p));
		break;
	case 4:
		p->preempt[node] = !p->preempt[node];
		break;
	default:
		p->old[node] = 1;
		break;
	}
}

static void draw_nodes(struct rng *r, struct plan *p)
{
	static const nanos intervals[] = {MS(10), MS(20), MS(50), MS(100)};
	bool preempt = rng_chance(r, 12), same_priority = rng_chance(r, 50), drains = rng_chance(r, 50);
	/* Two clocks differ by less than one 1,024th (heartbeat/DESIGN.md, 8). */
	uint64_t pace = rng_chance(r, 85) ? 200 : 500;
	nanos interval = intervals[rng_below(r, 4)];
	int64_t dead_after = 3 + (int64_t)rng_below(r, 3);

	for (unsigned i = 0; i < 2; i++) {
		p->interval[i] = interval;
		p->dead_after[i] = dead_after;
		p->priority[i] = same_priority ? 100 : 100 + 100 * (int64_t)i;
		p->preempt[i] = preempt;
		p->can_drain[i] = drains;
		p->drain_timeout[i] = 8 * interval * dead_after;
		p->clock_offset[i] = rng_between(r, SECONDS(1), SECONDS(100000));
		p->clock_drift[i] = (int64_t)rng_below(r, 2 * pace) - (int64_t)pace;
	}
	if (rng_chance(r, 30))
		draw_differences(r, p);
}

void plan_draw(struct plan *p, uint64_t seed)
{
	struct rng r = {seed * UINT64_C(0xd1342543de82ef95) + 1};
	bool is_long = rng_chance(&r, 12);
	nanos interval, dead, calm;

	memset(p, 0, sizeof(*p));
	p->seed = seed;
	p->chance = rng_next(&r);
	p->drains_chance = rng_next(&r);
	draw_nodes(&r, p);
	interval = plan_interval(p);
	dead = plan_dead(p);
	p->start_wait = rng_between(&r, interval, is_long ? 8 * dead : 2 * dead);
	p->base_loss = rng_chance(&r, 60) ? 0 : (int64_t)rng_below(&r, 20);
	p->base_delay = rng_between(&r, US(20), MS(1));
	calm = (p->start_wait > 2 * dead ? p->start_wait : 2 * dead) + dead + 4 * interval;
	p->end =
		calm + (is_long ? 150 + (nanos)rng_below(&r, 100) : 40 + (nanos)rng_below(&r, 20)) * interval;
	draw_faults(&r, p, calm, is_long ? 3 + (unsigned)rng_below(&r, 4) : 1 + (unsigned)rng_below(&r, 4));
	if (rng_chance(&r, 25)) {
		p->witness = 1 + (int64_t)rng_below(&r, 2);
		p->witness_ttl = rng_between(&r, 3 * dead, 12 * dead);
	}
}

/* Files */

#define FIELD(name)                                                                                          \
	{                                                                                                    \
#name, offsetof(struct plan, name)                                                           \
	}
#define BOTH(name)                                                                                           \
	{#name "_a", offsetof(struct plan, name)},                                                           \
	{                                                                                                    \
#name "_b", offsetof(struct plan, name) + sizeof(int64_t)                                    \
	}

static const struct field {
	const char *name;
	size_t at;
} fields[] = {
	FIELD(seed),        FIELD(chance),       FIELD(drains_chance), BOTH(interval),    BOTH(dead_after),
	FIELD(start_wait),  FIELD(end),          BOTH(priority),       BOTH(preempt),     BOTH(can_drain),
	BOTH(old),          BOTH(drain_timeout), BOTH(clock_offset),   BOTH(clock_drift), FIELD(witness),
	FIELD(witness_ttl), FIELD(base_loss),    FIELD(base_delay),
};

#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

void plan_write(const struct plan *p, const char *about, FILE *file)
{
	fprintf(file, "# %s\n", about);
	if (p->planted[0])
		fprintf(file, "planted %s\n", p->planted);
	for (size_t i = 0; i < N_FIELDS; i++)
		fprintf(file, "%s %lld\n", fields[i].name,
			(long long)*(const int64_t *)((const char *)p + fields[i].at));
	for (int64_t i = 0; i < p->n_faults; i++) {
		const struct planned *f = &p->faults[i];

		fprintf(file, "fault %s %u %lld %lld %u %u\n", fault_name(f->kind), f->node, (long long)f->at,
			(long long)f->until, f->cuts, f->amount);
	}
}

static bool read_fault(struct plan *p, const char *line)
{
	struct planned *f = &p->faults[p->n_faults];
	char kind[PLAN_WORD];
	long long at, until;
	unsigned i = 0;

	if (p->n_faults == FAULTS_MAX || sscanf(line, "fault %31s %u %lld %lld %u %u", kind, &f->node, &at,
						&until, &f->cuts, &f->amount) != 6)
		return false;
	while (i < FAULT_COUNT && strcmp(kinds[i], kind) != 0)
		i++;
	f->kind = (enum fault_kind)i;
	f->at = at;
	f->until = until;
	p->n_faults++;
	return i < FAULT_COUNT && f->node < 2;
}

static bool read_line(struct plan *p, const char *line)
{
	char name[PLAN_WORD];
	long long value;

	if (sscanf(line, "planted %31s", p->planted) == 1)
		return true;
	if (!strncmp(line, "fault ", 6))
		return read_fault(p, line);
	if (sscanf(line, "%31s %lld", name, &value) != 2)
		return false;
	for (size_t i = 0; i < N_FIELDS; i++) {
		if (strcmp(fields[i].name, name) != 0)
			continue;
		*(int64_t *)((char *)p + fields[i].at) = value;
		return true;
	}
	return false;
}

bool plan_read(struct plan *p, char about[PLAN_TEXT], FILE *file)
{
	char line[256];

	memset(p, 0, sizeof(*p));
	about[0] = 0;
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		if (line[0] == '#' && !about[0])
			snprintf(about, PLAN_TEXT, "%.*s", PLAN_TEXT - 1, line + strspn(line, "# "));
		else if (line[0] != '#' && line[0] && !read_line(p, line))
			return false;
	}
	/* What a damaged file would do: nothing happens in it, or no time passes. */
	return p->end > 0 && lease_refusal(p->interval[0], (unsigned)p->dead_after[0]) == NULL &&
	       lease_refusal(p->interval[1], (unsigned)p->dead_after[1]) == NULL;
}
