/*
 * lease.c: the arithmetic of the lease. Every rounding and every allowance here is to the holder's disadvantage.
 */
#include "heartbeat/lease.h"

#include <stddef.h>

#define INTERVAL_MIN MS(10)
#define MARGIN_MIN   MS(2)

/* Of an age told by the other clock, this part is not believed: clocks differ by less than one in a thousand. */
#define DRIFT 1024

nanos lease_margin(nanos dead)
{
	return later(dead / 10, MARGIN_MIN);
}

struct lease_terms lease_terms_of(nanos interval, unsigned dead_after)
{
	nanos dead = interval * dead_after;

	return (struct lease_terms){interval, dead, lease_margin(dead), LEASE_SLACK};
}

nanos lease_silence(const struct lease_terms *t)
{
	return t->dead - t->margin - t->interval - t->slack;
}

const char *lease_refusal(nanos interval, unsigned dead_after)
{
	struct lease_terms terms;

	if (interval < INTERVAL_MIN)
		return "interval is below 10ms";
	if (interval > SECONDS(60))
		return "interval is above 60s";
	if (dead_after < 2)
		return "dead_after is below 2";
	if (dead_after > LEASE_DEAD_MAX)
		return "dead_after is above 60";
	terms = lease_terms_of(interval, dead_after);
	if (lease_silence(&terms) <= interval)
		return "dead_after leaves no room for one lost heartbeat; raise it or the interval";
	return NULL;
}

void lease_sent_note(struct lease_sent *sent, uint64_t sequence, unsigned link, nanos at)
{
	sent->ring[sequence % LEASE_SENT] = (struct lease_sending){sequence, at, (uint8_t)link};
}

const struct lease_sending *lease_sent_find(const struct lease_sent *sent, uint64_t sequence)
{
	const struct lease_sending *entry = &sent->ring[sequence % LEASE_SENT];

	if (sequence == 0)
		return NULL;
	if (entry->sequence == sequence)
		return entry;
	return sent->echoed.sequence == sequence ? &sent->echoed : NULL;
}

nanos lease_grant(nanos sent, nanos ago, nanos hold, nanos dead)
{
	if (hold == NANOS_NEVER)
		return NANOS_NEVER;
	return sent + ago - ago / DRIFT + hold - lease_margin(dead);
}

nanos lease_wait(nanos own_dead, nanos peer_dead, nanos peer_linger)
{
	return later(own_dead, peer_dead) + peer_linger;
}
