/*
 * timer.h: libevent's timers with durations of clock.h.
 */
#ifndef HAPAIR_BASE_TIMER_H
#define HAPAIR_BASE_TIMER_H

#include "hapair/base/clock.h"

#include <event2/event.h>

/* The timer's function is called once, `delay` from now; a negative delay is none. Takes the place of an earlier start. */
static inline void timer_after(struct event *timer, nanos delay)
{
	struct timeval tv = clock_timeval(delay);

	event_add(timer, &tv);
}

#endif
