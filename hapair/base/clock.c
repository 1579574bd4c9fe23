/*
 * clock.c: the one place where the clock is read.
 */
#include "hapair/base/clock.h"

#include <stdlib.h>
#include <time.h>

nanos clock_now(void)
{
	struct timespec ts;

	/* Since Linux 2.6.39 this cannot fail; a clock that reads zero would be worse than no process. */
	if (clock_gettime(CLOCK_BOOTTIME, &ts) != 0)
		abort();
	return SECONDS(ts.tv_sec) + ts.tv_nsec;
}

int64_t clock_wall_ms(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_REALTIME, &ts) != 0)
		return 0;
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / NS_PER_MS;
}

struct timeval clock_timeval(nanos duration)
{
	if (duration <= 0)
		return (struct timeval){0, 0};
	/* Rounded up: a timer that fires early finds nothing due and spins. */
	nanos us = duration / NS_PER_US + (duration % NS_PER_US != 0);
	return (struct timeval){.tv_sec = us / 1000000, .tv_usec = us % 1000000};
}
