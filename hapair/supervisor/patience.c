/* patience.c: restart delays, and judging silence. */
#include "hapair/supervisor/patience.h"

void patience_started(struct patience *p, nanos now)
{
	p->started = now;
	p->silent_turns = 0;
}

void patience_heard(struct patience *p)
{
	p->silent_turns = 0;
}

nanos patience_died(struct patience *p, nanos now)
{
	nanos delay = PATIENCE_FIRST_DELAY;

	if (now - p->started >= PATIENCE_QUIET)
		p->failures = 0;
	p->failures++;
	if (p->failures == 1)
		return 0;
	for (unsigned i = 2; i < p->failures && delay < PATIENCE_LONGEST; i++)
		delay *= 2;
	return delay < PATIENCE_LONGEST ? delay : PATIENCE_LONGEST;
}

enum patience_verdict patience_turn(struct patience *p, bool turn_was_late)
{
	if (turn_was_late) {
		p->silent_turns = 0;
		return PATIENCE_WAIT;
	}
	p->silent_turns++;
	if (p->silent_turns == PATIENCE_SILENT_TURNS)
		return PATIENCE_ABORT;
	if (p->silent_turns >= PATIENCE_SILENT_TURNS + PATIENCE_ABORT_TURNS)
		return PATIENCE_KILL;
	return PATIENCE_WAIT;
}

bool patience_turn_is_late(nanos last, nanos now)
{
	return now - last > 2 * PATIENCE_TURN;
}
