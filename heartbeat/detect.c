/*
 * detect.c: which messages prove life, and how well each link works.
 */
#include "heartbeat/detect.h"

#include "heartbeat/plant.h"

#include <string.h>

#define LOSS_WINDOW 32

void detect_init(struct detect *d, size_t n_links, nanos now)
{
	memset(d, 0, sizeof(*d));
	d->n_links = n_links;
	d->quiet_since = now;
}

static bool is_retired(const struct detect *d, uint64_t boot)
{
	for (unsigned i = 0; i < DETECT_RETIRED; i++) {
		if (d->retired[i] == boot)
			return true;
	}
	return false;
}

static void retire(struct detect *d, uint64_t boot)
{
	if (boot != 0 && !is_retired(d, boot))
		d->retired[d->n_retired++ % DETECT_RETIRED] = boot;
}

/* It echoes what I sent within D, so it was sent within D: no recording can do that. */
static bool proves_itself(const struct wire_message *m, uint64_t me, const struct lease_sent *sent,
			  nanos dead, nanos at)
{
	const struct lease_sending *echoed;

	if (PLANTED(PLANT_RECORDING_BELIEVED))
		return true;
	if (m->echo_boot != me)
		return false;
	echoed = lease_sent_find(sent, m->echo_sequence);
	return echoed && at - echoed->at <= dead;
}

static void count_arrival(struct detect_link *l, const struct wire_message *m, nanos at)
{
	uint32_t step = m->sent_on_link - l->counted;

	l->heard = l->quiet_since = at;
	l->received++;
	l->window_received++;
	if (step < UINT32_MAX / 2) { /* not overtaken */
		l->window_sent += l->counted == 0 ? 1 : step;
		l->counted = m->sent_on_link;
	}
	if (l->window_sent >= LOSS_WINDOW) {
		double lost = l->window_sent > l->window_received ? l->window_sent - l->window_received : 0;

		l->loss = (l->loss + lost / l->window_sent) / 2;
		l->window_sent = l->window_received = 0;
	}
}

static void heard(struct detect *d, const struct wire_message *m, unsigned link, nanos at)
{
	count_arrival(&d->links[link], m, at);
	/* Links are read one after the other: after a standstill what came first may be read last. */
	d->heard = later(d->heard, at);
	d->any_heard = later(d->any_heard, at);
	d->quiet_since = later(d->quiet_since, at);
	d->alone_since = later(d->alone_since, at);
	d->stranger.budget_end = 0;
}

static void note_newest(struct detect *d, const struct wire_message *m, nanos at)
{
	d->newest = m->sequence;
	d->newest_at = at;
	for (size_t i = 0; i < d->n_links; i++)
		d->links[i].heard_there = m->heard_links >> i & 1;
}

static void adopt(struct detect *d, const struct wire_message *m, unsigned link, nanos at)
{
	/* Only this message is known to be fresh: what the boot said before may have been recorded in an earlier life of mine. */
	uint64_t floor = m->sequence - 1;

	if (d->stranger.boot == m->boot && d->stranger.newest > floor)
		floor = d->stranger.newest;
	retire(d, d->boot);
	if (d->stranger.boot != m->boot)
		retire(d, d->stranger.boot);
	d->boot = m->boot;
	d->gone = false;
	for (size_t i = 0; i < d->n_links; i++) {
		replay_reset(&d->links[i].replay, floor);
		d->links[i].counted = 0;
		d->links[i].window_sent = d->links[i].window_received = 0;
	}
	replay_accept(&d->links[link].replay, m->sequence);
	memset(&d->stranger, 0, sizeof(d->stranger));
	heard(d, m, link, at);
	note_newest(d, m, at);
}

static enum detect_verdict meet_stranger(struct detect *d, const struct wire_message *m, unsigned link,
					 nanos dead, nanos budget, nanos at)
{
	if (m->boot == d->boot) {
		/* Its sequences are known, so it can't be a recording, nor become one; it may inhibit for as long as it is heard. */
		if (m->sequence <= d->newest || !replay_accept(&d->links[link].replay, m->sequence))
			return DETECT_REPLAY;
	} else {
		if (d->boot != 0 && !d->gone && at - d->heard <= dead)
			return DETECT_BOOT;
		if (d->stranger.budget_end == 0)
			d->stranger.budget_end = at + budget;
		if (at > d->stranger.budget_end)
			return DETECT_BOOT;
	}
	if (d->stranger.boot != m->boot) {
		d->stranger.boot = m->boot;
		d->stranger.newest = 0;
	}
	if (m->sequence <= d->stranger.newest)
		return DETECT_REPLAY;
	d->stranger.newest = m->sequence;
	d->stranger.newest_at = at;
	d->any_heard = d->quiet_since = at;
	return DETECT_STRANGER;
}

enum detect_verdict detect_message(struct detect *d, const struct wire_message *m, unsigned link, uint64_t me,
				   const struct lease_sent *sent, nanos dead, nanos budget, nanos at)
{
	if (m->boot == 0 || is_retired(d, m->boot))
		return DETECT_BOOT;
	if (m->sequence == 0)
		return DETECT_REPLAY;
	if ((m->boot != d->boot || at - d->heard > dead) && !proves_itself(m, me, sent, dead, at))
		return meet_stranger(d, m, link, dead, budget, at);
	if (m->boot != d->boot) {
		adopt(d, m, link, at);
		return DETECT_NEW_BOOT;
	}
	if (!replay_accept(&d->links[link].replay, m->sequence))
		return DETECT_REPLAY;
	heard(d, m, link, at);
	if (m->sequence <= d->newest)
		return DETECT_OLD;
	note_newest(d, m, at);
	return DETECT_NEWEST;
}

void detect_round_trip(struct detect *d, unsigned link, nanos rtt)
{
	struct detect_link *l = &d->links[link];
	nanos off;

	if (rtt < 0)
		rtt = 0;
	if (l->rtt == 0) {
		l->rtt = rtt;
		l->jitter = rtt / 2;
		return;
	}
	off = rtt > l->rtt ? rtt - l->rtt : l->rtt - rtt;
	l->jitter += (off - l->jitter) / 4;
	l->rtt += (rtt - l->rtt) / 8;
}

static void move_forward(nanos *since, nanos late, nanos now)
{
	*since = sooner(*since + late, now);
}

void detect_unwatched(struct detect *d, nanos late, nanos now)
{
	if (PLANTED(PLANT_LATE_PROVES_SILENCE))
		return;
	move_forward(&d->quiet_since, late, now);
	move_forward(&d->alone_since, late, now);
	for (size_t i = 0; i < d->n_links; i++)
		move_forward(&d->links[i].quiet_since, late, now);
}

bool detect_echo(const struct detect *d, uint64_t *ret_boot, uint64_t *ret_sequence, nanos *ret_at)
{
	bool stranger = d->stranger.boot != 0 && d->stranger.newest_at > d->heard;

	if (!stranger && d->boot == 0)
		return false;
	*ret_boot = stranger ? d->stranger.boot : d->boot;
	*ret_sequence = stranger ? d->stranger.newest : d->newest;
	*ret_at = stranger ? d->stranger.newest_at : d->newest_at;
	return true;
}

bool detect_way(struct detect *d, unsigned link, bool alive, nanos wait, nanos now)
{
	struct detect_link *l = &d->links[link];
	enum link_way way = LINK_PLAIN;

	if (alive && l->up != l->heard_there)
		way = l->up ? LINK_UNHEARD : LINK_DEAF;
	if (way != l->way_seen) {
		l->way_seen = way;
		l->way_since = now;
	}
	if (way == l->way || (way != LINK_PLAIN && now - l->way_since < wait))
		return false;
	l->way = way;
	return true;
}

nanos detect_quiet(const struct detect *d, nanos now)
{
	return now - d->quiet_since;
}
