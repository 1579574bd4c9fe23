/*
 * instrument.h: what every instrument of the lab shares.
 *
 * An instrument reads commands from standard input, one a line: `begin LABEL` opens a window, `end` closes it
 * and makes the instrument print one line of JSON about it, `quit` (or the end of input) ends it. Beside its
 * work a control thread measures stalls of the machine itself: it sleeps a millisecond at a time at a
 * real-time priority, and whatever delays it has delayed the product too. Who reads the JSON decides whether
 * a window with a stall is void.
 */
#ifndef HAPAIR_TOOLS_INSTRUMENT_H
#define HAPAIR_TOOLS_INSTRUMENT_H

#include "hapair/base/clock.h"

#include <stdbool.h>

struct instrument_ops {
	void (*begin)(const char *label);
	void (*end)(void);
	void (*quit)(void);
};

/* Makes standard input non-blocking, and standard output one line at a time. */
void instrument_init(const struct instrument_ops *ops);

/* Standard input is readable: acts on every whole line. */
void instrument_read_commands(void);

/* Starts the control thread. Without the right to real-time priority it runs as it is, and says so on
 * standard error. */
void stalls_start(void);

/* The longest delay of the control thread between two instants, in ns. */
nanos stalls_worst(nanos from, nanos to);

/*
 * The same of a second thread without any priority: how long an ordinary process had to wait for a processor. It excuses
 * nothing, because what keeps it waiting may be the product, but it explains.
 */
nanos waits_worst(nanos from, nanos to);

/* Milliseconds for people. */
static inline double as_ms(nanos ns)
{
	return (double)ns / (double)NS_PER_MS;
}

/* Prints a message and ends with status 1. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
