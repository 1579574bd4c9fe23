/*
 * shrink.c: every step that makes a schedule simpler is tried, and kept where it still fails in the same way, until none helps.
 */
#include "tests/sim/shrink.h"

#include "heartbeat/lease.h"

#include <string.h>

#define ROUNDS_MAX 40 /* durations halve, so a few dozen rounds reach the bottom */

struct shrinking {
	struct plan *plan;
	verdict_fn *verdict;
	void *arg;
	const char *violation;
	nanos at;
	bool smaller; /* in this round */
};

static bool keep_if_failing(struct shrinking *s, const struct plan *candidate)
{
	const char *violation;
	nanos at;

	if (memcmp(candidate, s->plan, sizeof(*candidate)) == 0)
		return false;
	violation = s->verdict(candidate, s->arg, &at);
	if (!violation || strcmp(violation, s->violation) != 0)
		return false;
	*s->plan = *candidate;
	s->at = at;
	return s->smaller = true;
}

static void drop_faults(struct shrinking *s)
{
	for (int64_t i = s->plan->n_faults - 1; i >= 0; i--) {
		struct plan p = *s->plan;

		p.n_faults--;
		memmove(&p.faults[i], &p.faults[i + 1], (size_t)(p.n_faults - i) * sizeof(p.faults[0]));
		memset(&p.faults[p.n_faults], 0, sizeof(p.faults[0]));
		keep_if_failing(s, &p);
	}
}

static void round_faults(struct shrinking *s)
{
	for (int64_t i = 0; i < s->plan->n_faults; i++) {
		struct plan p = *s->plan;
		struct planned *f = &p.faults[i];

		f->until = f->at + (f->until - f->at) / 2;
		if (f->until - f->at > MS(1))
			keep_if_failing(s, &p);
		p = *s->plan;
		f->at -= f->at % MS(1);
		keep_if_failing(s, &p);
		p = *s->plan;
		f->until -= f->until % MS(1);
		if (f->until > f->at)
			keep_if_failing(s, &p);
		p = *s->plan;
		f->amount /= 2;
		keep_if_failing(s, &p);
	}
}

/* The field of both nodes, to a plain value. */
static void plain(struct shrinking *s, int64_t (*field)[2], int64_t value)
{
	size_t at = (size_t)((char *)field - (char *)s->plan);
	struct plan p = *s->plan;
	int64_t both[2] = {value, value};

	memcpy((char *)&p + at, both, sizeof(both));
	keep_if_failing(s, &p);
}

static void plain_world(struct shrinking *s)
{
	struct plan p = *s->plan;

	p.end = s->at + 1;
	if (p.end < s->plan->end)
		keep_if_failing(s, &p);
	p = *s->plan;
	p.base_loss = 0;
	keep_if_failing(s, &p);
	p = *s->plan;
	p.base_delay = US(50);
	keep_if_failing(s, &p);
	p = *s->plan;
	p.start_wait -= p.start_wait % MS(1);
	keep_if_failing(s, &p);
	plain(s, &s->plan->clock_drift, 0);
	plain(s, &s->plan->clock_offset, SECONDS(1));
	plain(s, &s->plan->can_drain, 0);
	plain(s, &s->plan->preempt, 0);
	plain(s, &s->plan->priority, 100);
	plain(s, &s->plan->interval, s->plan->interval[0]);
	plain(s, &s->plan->dead_after, s->plan->dead_after[0]);
}

void plan_shrink(struct plan *plan, verdict_fn *verdict, void *arg)
{
	struct shrinking s = {.plan = plan, .verdict = verdict, .arg = arg, .smaller = true};

	s.violation = verdict(plan, arg, &s.at);
	for (unsigned i = 0; s.violation && s.smaller && i < ROUNDS_MAX; i++) {
		s.smaller = false;
		drop_faults(&s);
		plain_world(&s);
		round_faults(&s);
	}
}
