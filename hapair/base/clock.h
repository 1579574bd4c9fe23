/*
 * clock.h: durations, and the one place where the clock is read.
 *
 * All durations and instants are signed nanoseconds. An instant is CLOCK_BOOTTIME: it goes on while a machine sleeps,
 * so a lease that ran out during a suspend is seen to have run out. Pure rooms take instants as arguments and never
 * call clock_now().
 */
#ifndef HAPAIR_BASE_CLOCK_H
#define HAPAIR_BASE_CLOCK_H

#include <stdint.h>
#include <sys/time.h>

typedef int64_t nanos;

#define NS_PER_US ((nanos)1000)
#define NS_PER_MS ((nanos)1000000)
#define NS_PER_S  ((nanos)1000000000)
#define US(n)     ((nanos)(n)*NS_PER_US)
#define MS(n)     ((nanos)(n)*NS_PER_MS)
#define SECONDS(n) ((nanos)(n)*NS_PER_S)
#define NANOS_NEVER INT64_MAX

/* Of two instants, or two durations. */
static inline nanos later(nanos a, nanos b)
{
	return a > b ? a : b;
}

static inline nanos sooner(nanos a, nanos b)
{
	return a < b ? a : b;
}

/* Now, since boot, suspended time included. */
nanos clock_now(void);

/* Wall clock in milliseconds since 1970, for people only; no decision may use it. */
int64_t clock_wall_ms(void);

/* A duration as libevent wants it; negative becomes zero. */
struct timeval clock_timeval(nanos duration);

#endif
