/*
 * witness.c: which answers count, and when a gateway is asked.
 */
#include "heartbeat/witness.h"

#define CALM_PACE MS(100)

nanos witness_calm_pace(nanos interval)
{
	return later(interval, CALM_PACE);
}

void witness_want(struct witness *w, bool wanted, nanos now)
{
	if (wanted == w->wanted && w->question != 0)
		return;
	w->wanted = wanted;
	w->question = later(now, w->question + 1);
	if (!wanted) {
		w->answer = WITNESS_UNKNOWN;
		w->until = 0;
	}
}

void witness_hear(struct witness *w, nanos question, enum witness_answer answer, nanos asked, nanos until)
{
	if (question != w->question)
		return;
	w->answer = answer;
	w->asked = asked;
	w->until = answer == WITNESS_YES ? until : 0;
}

bool witness_probe_due(nanos since, nanos quiet, nanos interval)
{
	return since >= (quiet >= interval ? interval / 8 : witness_calm_pace(interval));
}
