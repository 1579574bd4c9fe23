/*
 * world.c: time, the queue of what will happen, and the network.
 */
#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_DATAGRAM UINT16_MAX

void world_trace(struct world *w, const char *format, ...)
{
	va_list args;

	if (!w->trace)
		return;
	printf("%12.3f ms  ", (double)w->now / 1e6);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* The queue: a binary heap */

static bool before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : (int32_t)(a->serial - b->serial) < 0;
}

void world_post(struct world *w, nanos at, enum event_kind kind, unsigned index)
{
	struct event e = {at, w->serial++, (uint16_t)kind, (uint16_t)index};
	unsigned i = w->n_events++;

	if (w->n_events >= EVENTS_MAX) {
		fprintf(stderr, "sim: the event queue is full (seed %llu)\n",
			(unsigned long long)w->plan->seed);
		abort();
	}
	for (; i > 0 && before(&e, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = e;
}

static struct event take(struct world *w)
{
	struct event top = w->heap[0], last = w->heap[--w->n_events];
	unsigned i = 0, child;

	while ((child = 2 * i + 1) < w->n_events) {
		if (child + 1 < w->n_events && before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!before(&w->heap[child], &last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return top;
}

/* The network */

void world_free(struct world *w, uint16_t index)
{
	w->datagrams[index].next = w->free_head;
	w->free_head = index;
}

/* `left`: its honest sending. */
static void carry(struct world *w, const struct wire_message *m, unsigned to, unsigned link, nanos left,
		  nanos delay)
{
	uint16_t index = w->free_head;
	struct datagram *d;

	if (index != NO_DATAGRAM)
		w->free_head = w->datagrams[index].next;
	else if (w->n_datagrams < DATAGRAMS_MAX)
		index = w->n_datagrams++;
	else
		return;
	d = &w->datagrams[index];
	d->m = *m;
	/* As the wire does. */
	d->m.echo_ago -= m->echo_ago % NS_PER_US;
	if (m->hold != WIRE_FOREVER)
		d->m.hold -= m->hold % NS_PER_US;
	if (w->nodes[0].old || w->nodes[1].old) {
		d->m.version = w->nodes[!to].old ? 1 : WIRE_VERSION;
		d->m.handover = 0;
	}
	d->left = left;
	d->to = (uint8_t)to;
	d->link = (uint8_t)link;
	world_post(w, w->now + delay, EVENT_DELIVER, index);
}

static bool flapped(const struct world *w, const struct path *path)
{
	return path->flap_period && (w->now - path->flap_from) / path->flap_period % 2 == 0;
}

void world_transmit(struct world *w, struct node *from, unsigned link, const struct wire_message *m)
{
	unsigned to = !from->id;
	const struct path *path = &w->paths[link][to];
	nanos delay;

	w->sent++;
	if (path->cut || flapped(w, path) || rng_below(&w->rng, 1000) < (uint64_t)w->plan->base_loss ||
	    (path->loss && rng_chance(&w->rng, path->loss)))
		return;
	delay = US(30) + rng_between(&w->rng, 0, w->plan->base_delay);
	if (path->delay_max && rng_chance(&w->rng, 50))
		delay += rng_between(&w->rng, 0, path->delay_max);
	if (path->reorders && rng_chance(&w->rng, 50))
		delay += rng_between(&w->rng, 0, LEASE_SLACK - MS(2));
	if (path->spike_until > w->now)
		delay = path->spike_until - w->now + rng_between(&w->rng, 0, MS(1));
	carry(w, m, to, link, w->now, delay);
	if (path->duplicate && rng_chance(&w->rng, path->duplicate))
		carry(w, m, to, link, w->now, delay + rng_between(&w->rng, 0, 3 * w->dead));
}

void world_inject(struct world *w)
{
	unsigned n = w->n_recorded < RECORDED ? w->n_recorded : RECORDED;
	const struct datagram *d;

	if (n == 0)
		return;
	d = &w->recorded[rng_below(&w->rng, n)];
	carry(w, &d->m, d->to, rng_chance(&w->rng, 10) ? !d->link : d->link, d->left, 0);
}

/* A schedule */

static void prepare(struct world *w, const struct plan *plan, bool trace, bool trace_all)
{
	memset(w, 0, offsetof(struct world, heap));
	w->n_events = w->n_recorded = w->n_datagrams = 0;
	memset(&w->recording, 0, sizeof(*w) - offsetof(struct world, recording));
	w->plan = plan;
	w->rng.state = plan->chance;
	w->drain_rng.state = plan->drains_chance;
	w->trace = trace;
	w->trace_all = trace_all;
	w->free_head = NO_DATAGRAM;
	w->interval = plan_interval(plan);
	w->dead = plan_dead(plan);
	w->end = plan->end;
	for (unsigned i = 0; i < 2; i++)
		node_init(w, i);
}

static void begin(struct world *w)
{
	for (unsigned i = 0; i < 2; i++) {
		node_start_role(w, &w->nodes[i]);
		world_post(w, rng_between(&w->rng, 0, 2 * w->interval), EVENT_FIT, i);
		if (w->plan->witness)
			world_post(w, rng_between(&w->rng, 0, w->interval), EVENT_ASK, i);
	}
}

static void happen(struct world *w, const struct event *e)
{
	switch ((enum event_kind)e->kind) {
	case EVENT_DELIVER:
		node_deliver(w, e->index);
		break;
	case EVENT_FAULT_START:
		faults_start(w, e->index);
		break;
	case EVENT_FAULT_END:
		faults_end(w, e->index);
		break;
	case EVENT_FIT:
		w->nodes[e->index].fitness = FITNESS_OK;
		node_sync(w, &w->nodes[e->index]);
		break;
	case EVENT_WAVER:
		faults_waver(w, e->index);
		break;
	case EVENT_ASK:
		node_ask(w, &w->nodes[e->index]);
		break;
	case EVENT_ANSWER:
		node_hear_answer(w, &w->nodes[e->index]);
		break;
	case EVENT_ATTACK:
		if (!w->faults[e->index].active)
			break;
		world_inject(w);
		world_post(w, w->now + rng_between(&w->rng, US(50), w->interval / 4), EVENT_ATTACK, e->index);
		break;
	case EVENT_PREPARED:
	case EVENT_DRAINED:
		node_tell_drain(w, e->kind, e->index);
		break;
	}
}

void world_run(struct world *w, const struct plan *plan, bool trace, bool trace_all)
{
	prepare(w, plan, trace, trace_all);
	faults_post(w);
	for (unsigned i = 0; i < 2; i++)
		world_trace(w, "%c: I %.0f ms, D %.0f ms, start_wait %.3f ms, priority %lld", 'A' + i,
			    (double)plan->interval[i] / 1e6,
			    (double)(plan->interval[i] * plan->dead_after[i]) / 1e6,
			    (double)plan->start_wait / 1e6, (long long)plan->priority[i]);
	world_trace(w, "loss %lld/1000, delay %.3f ms", (long long)plan->base_loss,
		    (double)plan->base_delay / 1e6);
	check_begin(w);
	begin(w);
	while (!w->violation) {
		struct node *next = w->nodes[0].wake <= w->nodes[1].wake ? &w->nodes[0] : &w->nodes[1];
		nanos event_at = w->n_events ? w->heap[0].at : NANOS_NEVER;

		if (next->frozen)
			next = w->nodes[!next->id].frozen ? NULL : &w->nodes[!next->id];
		w->now = next && next->wake < event_at ? next->wake : event_at;
		if (w->now >= w->end)
			break;
		if (event_at == w->now) {
			struct event e = take(w);

			happen(w, &e);
		} else {
			node_turn(w, next);
		}
		check_instant(w);
	}
	if (!w->violation)
		check_end(w);
}
