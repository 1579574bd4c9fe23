/*
 * patience.h: when a role that died is started again, and when its silence means that it hangs. Pure:
 * instants come in.
 *
 * A role says ALIVE every second. The supervisor counts its own turns (one a second) without such a word: if
 * the whole node was stopped for a while (SIGSTOP, a paused machine, a suspend), the turn that follows comes
 * late, and a late turn proves nothing.
 */
#ifndef HAPAIR_PATIENCE_H
#define HAPAIR_PATIENCE_H

#include "hapair/base/clock.h"

#include <stdbool.h>

#define PATIENCE_TURN         SECONDS(1)
#define PATIENCE_SILENT_TURNS 10      /* then it is aborted (SIGABRT) */
#define PATIENCE_ABORT_TURNS  2       /* after which it is killed */
#define PATIENCE_FIRST_DELAY  MS(100) /* of the second start in a row; doubled for each further one */
#define PATIENCE_LONGEST      SECONDS(5)
#define PATIENCE_QUIET        SECONDS(1) /* a life as long as this is forgiven what came before */

struct patience {
	nanos started;         /* instant of the newest start */
	unsigned failures;     /* lives in a row that were short */
	unsigned silent_turns; /* since its last word */
};

enum patience_verdict { PATIENCE_WAIT, PATIENCE_ABORT, PATIENCE_KILL };

void patience_started(struct patience *p, nanos now);
void patience_heard(struct patience *p);

/* It died at `now`: how long to wait before the next start. 0 for the first in a row. */
nanos patience_died(struct patience *p, nanos now);

/* One turn of the supervisor, for a role that runs. */
enum patience_verdict patience_turn(struct patience *p, bool turn_was_late);

/* Whether a turn at `now` came late, the one before having been at `last`. */
bool patience_turn_is_late(nanos last, nanos now);

#endif
