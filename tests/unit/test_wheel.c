/* rooms: proxy/wheel.c */
#include "proxy/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define TICK ((nanos)1 << WHEEL_TICK_SHIFT)

struct probe {
	struct wheel_timer timer;
	nanos fired_at; /* 0: not */
	unsigned times;
};

static struct wheel wheel;
static nanos now;

static void note(struct wheel_timer *timer)
{
	struct probe *p = list_entry(timer, struct probe, timer);
	p->fired_at = now;
	p->times++;
}

static void again_in_a_second(struct wheel_timer *timer)
{
	note(timer);
	wheel_set(&wheel, timer, now + SECONDS(1));
}

static void begin(nanos at)
{
	now = at;
	wheel_init(&wheel, now);
}

static void probe_init(struct probe *p)
{
	*p = (struct probe){0};
	wheel_timer_init(&p->timer, note);
}

/* As an engine does: sleeps until wheel_next(), but no longer than `until`. */
static void run(nanos until)
{
	while (now < until) {
		nanos next = wheel_next(&wheel);
		now = next < until ? next : until;
		wheel_turn(&wheel, now);
	}
}

static void fires_within_a_tick_after_its_deadline_and_never_before(void **state)
{
	static const nanos delays[] = {1,	  TICK - 1,    TICK,	    TICK + 1,	 MS(100),    MS(511), MS(513),
				       SECONDS(1), SECONDS(33), SECONDS(60), SECONDS(600), SECONDS(7200), SECONDS(86400)};
	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		struct probe p;
		begin(SECONDS(12345) + 777);
		nanos deadline = now + delays[i];
		probe_init(&p);
		wheel_set(&wheel, &p.timer, deadline);
		run(deadline + SECONDS(1));
		assert_int_equal(p.times, 1);
		assert_true(p.fired_at >= deadline);
		assert_true(p.fired_at <= deadline + TICK);
	}
}

static void a_deadline_that_moves_on_fires_at_the_last_one_only(void **state)
{
	struct probe p;
	begin(0);
	probe_init(&p);
	for (nanos t = 0; t < SECONDS(50); t += MS(10)) {
		run(t);
		wheel_set(&wheel, &p.timer, now + SECONDS(5));
	}
	assert_int_equal(p.times, 0);
	nanos deadline = p.timer.deadline;
	run(deadline + SECONDS(1));
	assert_int_equal(p.times, 1);
	assert_true(p.fired_at >= deadline && p.fired_at <= deadline + TICK);
}

static void a_deadline_that_moves_forward_fires_early(void **state)
{
	struct probe p;
	begin(SECONDS(1));
	probe_init(&p);
	wheel_set(&wheel, &p.timer, SECONDS(3600));
	wheel_set(&wheel, &p.timer, SECONDS(2));
	run(SECONDS(3));
	assert_int_equal(p.times, 1);
}

static void a_cancelled_timer_is_silent(void **state)
{
	struct probe p;
	begin(0);
	probe_init(&p);
	wheel_set(&wheel, &p.timer, SECONDS(1));
	wheel_cancel(&p.timer);
	wheel_cancel(&p.timer);
	run(SECONDS(5));
	assert_int_equal(p.times, 0);
	wheel_set(&wheel, &p.timer, SECONDS(6));
	wheel_set(&wheel, &p.timer, NANOS_NEVER);
	run(SECONDS(9));
	assert_int_equal(p.times, 0);
	assert_true(wheel_next(&wheel) == NANOS_NEVER);
}

static void a_timer_may_set_itself_again(void **state)
{
	struct probe p;
	begin(0);
	probe_init(&p);
	p.timer.fire = again_in_a_second;
	wheel_set(&wheel, &p.timer, SECONDS(1));
	run(SECONDS(10) + MS(500));
	assert_in_range(p.times, 9, 10);
	wheel_cancel(&p.timer);
}

static void a_long_pause_loses_nothing(void **state)
{
	struct probe p[64];
	begin(MS(3));
	for (unsigned i = 0; i < 64; i++) {
		probe_init(&p[i]);
		wheel_set(&wheel, &p[i].timer, SECONDS(1) * (i + 1));
	}
	now = SECONDS(1000);
	wheel_turn(&wheel, now);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(p[i].times, 1);
}

/* Against a list that is searched in full. */
static void a_thousand_timers_agree_with_the_obvious(void **state)
{
	enum { N = 1000 };
	static struct probe p[N];
	srandom(7);
	begin(SECONDS(99));
	for (unsigned i = 0; i < N; i++)
		probe_init(&p[i]);
	for (unsigned step = 0; step < 20000; step++) {
		struct probe *one = &p[random() % N];
		long what = random() % 8;
		if (what == 0) {
			wheel_cancel(&one->timer);
		} else if (what < 6) {
			one->times = 0;
			wheel_set(&wheel, &one->timer, now + random() % (what == 1 ? SECONDS(4000) : SECONDS(2)));
		} else {
			run(now + random() % MS(300));
		}
		for (unsigned i = 0; step % 100 == 0 && i < N; i++) {
			nanos deadline = p[i].timer.deadline;
			assert_true(deadline == NANOS_NEVER || deadline + TICK >= now);
			assert_true(p[i].times <= 1);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fires_within_a_tick_after_its_deadline_and_never_before),
		cmocka_unit_test(a_deadline_that_moves_on_fires_at_the_last_one_only),
		cmocka_unit_test(a_deadline_that_moves_forward_fires_early),
		cmocka_unit_test(a_cancelled_timer_is_silent),
		cmocka_unit_test(a_timer_may_set_itself_again),
		cmocka_unit_test(a_long_pause_loses_nothing),
		cmocka_unit_test(a_thousand_timers_agree_with_the_obvious),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
