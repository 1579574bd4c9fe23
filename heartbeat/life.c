/*
 * life.c: the beginning of a life, a new process in an old one, and what is kept for it.
 */
#include "heartbeat/life.h"

#include "heartbeat/act.h"
#include "heartbeat/plant.h"

#include <string.h>

static void settle(struct heart *h, const struct heart_settings *settings, uint64_t boot)
{
	memset(h, 0, sizeof(*h));
	h->settings = *settings;
	h->terms = lease_terms_of(settings->interval, settings->dead_after);
	h->boot = boot;
	h->usable = true;
	h->reach = REACH_ALL;
	h->reason = "";
}

void heart_init(struct heart *h, const struct heart_settings *settings, uint64_t boot, uint64_t epoch,
		nanos now, struct heart_actions *out)
{
	settle(h, settings, boot);
	h->epoch = epoch;
	h->epoch_seen = epoch ? epoch + 1 : 0; /* the last claim may not have reached the disk */
	h->state = NODE_STARTING;
	h->since = now;
	h->reason = "the daemon starts";
	h->fitness = FITNESS_DEAD;
	h->gateway_floor = now;
	detect_init(&h->detect, settings->n_links, now);
	/* The safe part of start_wait: an earlier life may have promised D, or have said goodbye to a peer that now relies on it
	 * (heart_witnessed). The rest ends when the peer is heard to hold. */
	h->not_before = now + later(2 * h->terms.dead, settings->witness_wait);
	h->start_end = later(now + settings->start_wait, h->not_before);
	if (PLANTED(PLANT_NO_START_WAIT))
		h->start_end = h->not_before = now;
	h->next_beat = now + h->terms.interval;
	h->due = h->next_beat;
	act_beat(h, now, out);
}

static bool goes_on(const struct memory_record *r, nanos now)
{
	return r->state == NODE_ACTIVE && now < r->fence_end;
}

static void recall(struct heart *h, const struct memory_record *r)
{
	h->sequence = r->sequence + MEMORY_SEQUENCES;
	h->epoch = r->epoch;
	h->epoch_seen = r->epoch_seen;
	h->ask_from = r->ask_from;
	h->state = r->state;
	h->fitness = r->fitness;
	h->usable = r->usable;
	h->since = r->since;
	if (!PLANTED(PLANT_MEMORY_WITHOUT_PROMISES)) {
		h->not_before = r->not_before;
		h->promised = r->promised;
	}
	h->start_end = r->start_end;
	h->retry_after = r->retry_after;
	h->fit_since = r->fit_since;
	h->refused_until = r->refused_until;
	h->hold_down = r->hold_down;
	h->peer_lost = r->peer_lost;
	h->damping = r->damping;
	h->held_down = r->held_down;
	h->sent.echoed = r->echoed;
	h->detect = r->detect;
	h->detect.n_links = h->settings.n_links;
	h->peer = r->peer;
	memcpy(h->sent_on_link, r->sent_on_link, sizeof(h->sent_on_link));
	memcpy(h->reason_kept, r->reason, sizeof(h->reason_kept));
	h->reason_kept[MEMORY_REASON - 1] = 0;
	h->reason = h->reason_kept;
}

bool heart_resume(struct heart *h, const struct heart_settings *settings, const struct memory_record *record,
		  nanos now, bool *ret_holds, struct heart_actions *out)
{
	if (record->boot == 0 || record->state >= NODE_STATE_COUNT)
		return false;
	settle(h, settings, record->boot);
	recall(h, record);
	/* Nobody watched while there was no process. */
	detect_unwatched(&h->detect, later(now - record->saved, 0), now);
	h->next_beat = now + h->terms.interval;
	h->gateway_floor = now;
	h->due = now;
	*ret_holds = goes_on(record, now);
	if (*ret_holds) {
		h->asks = true;
		h->granted = record->granted;
		h->on_silence = record->on_silence;
		h->claimed_by_order = record->claimed_by_order;
		/* Fails when the fence was closed after the last save, and then nothing was taken back that was released. */
		act_fence(h, HEART_FENCE, record->fence_end, now, out);
		/* Perhaps in the middle of a switchover: what the peer says decides whether it is put back. */
		h->handover.in_force = true;
	} else {
		/* What the old process promised or claimed after its last save is not known. */
		if (!PLANTED(PLANT_EPOCH_FORGOTTEN))
			h->epoch_seen = (h->epoch_seen > h->epoch ? h->epoch_seen : h->epoch) + 1;
		if (!PLANTED(PLANT_MEMORY_WITHOUT_PROMISES))
			h->promised = later(h->promised, now + h->terms.dead);
		if (h->state == NODE_ACTIVE)
			act_transition(h, ELECTION_LAPSED, NODE_PASSIVE,
				       "the lease ran out while the heartbeat role was down", now, out);
		else if (h->state == NODE_DRAINING)
			act_transition(h, ELECTION_DRAINED, NODE_PASSIVE,
				       "the heartbeat role was restarted during the drain", now, out);
	}
	act_beat(h, now, out);
	return true;
}

void heart_change(struct heart *h, const struct heart_settings *settings, nanos now,
		  struct heart_actions *out)
{
	nanos heard = later(h->detect.any_heard, h->detect.heard);

	/* Another witness has said nothing yet. */
	if (settings->witness != h->settings.witness) {
		h->witness = (struct witness){.question = h->witness.question};
		h->gateway_floor = now;
	}
	h->settings = *settings;
	h->terms = lease_terms_of(settings->interval, settings->dead_after);
	/* Messages sent from now on carry the new D; the wait since the last heartbeat must cover it. */
	if (heard != 0)
		h->not_before = later(h->not_before, heard + heart_wait(h));
	h->next_beat = sooner(h->next_beat, now + h->terms.interval);
	h->config_told = false;
	h->dirty = true;
	if (h->detect.boot != 0)
		act_compare_configuration(h, out);
	act_beat(h, now, out);
}

bool heart_dirty(const struct heart *h)
{
	return h->dirty;
}

void heart_save(struct heart *h, nanos now, struct memory_record *ret)
{
	size_t length = strnlen(h->reason, MEMORY_REASON - 1);

	memset(ret, 0, sizeof(*ret));
	ret->boot = h->boot;
	ret->sequence = h->sequence;
	ret->epoch = h->epoch;
	ret->epoch_seen = h->epoch_seen;
	ret->ask_from = h->ask_from;
	ret->state = h->state;
	ret->asks = h->asks;
	ret->fitness = h->fitness;
	ret->usable = h->usable;
	ret->on_silence = h->on_silence;
	ret->claimed_by_order = h->claimed_by_order;
	ret->peer_lost = h->peer_lost;
	ret->damping = h->damping;
	ret->held_down = h->held_down;
	ret->saved = now;
	ret->since = h->since;
	ret->fence_end = h->fence_end;
	ret->granted = h->granted;
	ret->not_before = h->not_before;
	ret->promised = h->promised;
	ret->start_end = h->start_end;
	ret->retry_after = h->retry_after;
	ret->fit_since = h->fit_since;
	ret->refused_until = h->refused_until;
	ret->hold_down = h->hold_down;
	ret->echoed = h->sent.echoed;
	ret->detect = h->detect;
	ret->peer = h->peer;
	memcpy(ret->sent_on_link, h->sent_on_link, sizeof(ret->sent_on_link));
	memcpy(ret->reason, h->reason, length);
	h->dirty = false;
}

bool heart_holds(const struct heart *h, nanos now)
{
	return h->state == NODE_ACTIVE && now < h->fence_end;
}

enum witness_answer heart_witness_now(const struct heart *h, nanos now)
{
	/* In calm it is asked less often than a yes lasts, and would seem to come and go. */
	if (h->settings.witness == WITNESS_GATEWAY)
		return heart_gateway_seen(h, now) ? WITNESS_YES : WITNESS_UNKNOWN;
	return h->witness.answer == WITNESS_YES && now >= h->witness.until ? WITNESS_UNKNOWN
									   : h->witness.answer;
}

void heart_describe(const struct heart *h, nanos now, struct msg_pair *ret)
{
	ret->peer_known = h->detect.boot != 0;
	ret->peer_alive = heart_peer_alive(h, now);
	ret->peer_state = h->peer.state;
	ret->peer_epoch = h->peer.epoch;
	ret->config_matches = ret->peer_known && !h->config_differs;
	ret->n_links = (uint32_t)h->settings.n_links;
	for (size_t i = 0; i < h->settings.n_links; i++) {
		const struct detect_link *l = &h->detect.links[i];
		struct msg_pair_link *to = &ret->links[i];

		to->up = l->up;
		to->way = (uint8_t)l->way;
		to->known = l->heard != 0;
		to->last_heard = l->heard;
		to->rtt = l->rtt;
		to->jitter = l->jitter;
		to->loss = l->loss;
		to->sent = l->sent;
		to->received = l->received;
	}
	ret->moves = h->damping.moved;
	ret->held_until = damping_holds(&h->damping, now) ? h->damping.until : 0;
	ret->peer_held = ret->peer_alive && (h->peer.flags & WIRE_HELD_DOWN);
	ret->renewals = h->renewals;
	ret->lapses = h->lapses;
	ret->lateness_last = h->late_last;
	ret->lateness_max = h->late_max;
	ret->witness = heart_witness_now(h, now);
	ret->witness_asked = h->witness.asked;
	ret->fence_left = heart_holds(h, now) ? h->fence_end - now : 0;
}
