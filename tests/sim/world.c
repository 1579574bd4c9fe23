/*
 * world.c: time, network, kernels and the loop that the daemon's shell runs, without its system calls.
 */
#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_DATAGRAM UINT16_MAX
#define KERNEL_MAX  US(150) /* a renewal takes up to this */
#define TIMER_MAX   US(80)  /* a timer is that late at most, without a fault */

uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
	return (uint64_t)(((unsigned __int128)rng_next(r) * bound) >> 64);
}

nanos rng_between(struct rng *r, nanos low, nanos high)
{
	return high <= low ? low : low + (nanos)rng_below(r, (uint64_t)(high - low));
}

bool rng_chance(struct rng *r, unsigned percent)
{
	return rng_below(r, 100) < percent;
}

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
		fprintf(stderr, "sim: the event queue is full (seed %llu)\n", (unsigned long long)w->seed);
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

/* Clocks */

nanos world_local(const struct world *w, const struct node *n)
{
	return w->now + n->clock_offset + ((w->now * n->clock_drift) >> 20);
}

/* The global instant at which the node's clock shows `local`, or a moment later. */
static nanos global_of(const struct node *n, nanos local)
{
	nanos x = local - n->clock_offset;

	return local == NANOS_NEVER ? NANOS_NEVER : x - ((x * n->clock_drift) >> 20) + US(2);
}

/* The network */

static uint16_t datagram_new(struct world *w, const struct wire_message *m, unsigned to, unsigned link)
{
	uint16_t index = w->free_head;
	struct datagram *d;

	if (index == NO_DATAGRAM)
		return index;
	d = &w->datagrams[index];
	w->free_head = d->next;
	d->m = *m;
	d->left = w->now;
	d->to = (uint8_t)to;
	d->link = (uint8_t)link;
	return index;
}

static void datagram_free(struct world *w, uint16_t index)
{
	w->datagrams[index].next = w->free_head;
	w->free_head = index;
}

static void carry(struct world *w, const struct wire_message *m, unsigned to, unsigned link, nanos delay)
{
	uint16_t index = datagram_new(w, m, to, link);

	if (index != NO_DATAGRAM)
		world_post(w, w->now + delay, EVENT_DELIVER, index);
}

static void transmit(struct world *w, struct node *from, unsigned link, const struct wire_message *message)
{
	unsigned to = !from->id;
	const struct path *path = &w->paths[link][to];
	struct wire_message m = *message;
	nanos delay;

	/* As the wire does. */
	m.echo_ago -= m.echo_ago % NS_PER_US;
	if (m.hold != WIRE_FOREVER)
		m.hold -= m.hold % NS_PER_US;
	w->sent++;
	if (path->cut || rng_below(&w->rng, 1000) < w->base_loss ||
	    (path->loss && rng_chance(&w->rng, path->loss)))
		return;
	delay = US(30) + rng_between(&w->rng, 0, w->base_delay);
	if (path->delay_max && rng_chance(&w->rng, 50))
		delay += rng_between(&w->rng, 0, path->delay_max);
	carry(w, &m, to, link, delay);
	if (path->duplicate && rng_chance(&w->rng, path->duplicate))
		carry(w, &m, to, link, delay + rng_between(&w->rng, 0, 3 * w->dead));
}

void world_inject(struct world *w)
{
	unsigned n = w->n_recorded < RECORDED ? w->n_recorded : RECORDED;
	const struct datagram *d;

	if (n == 0)
		return;
	d = &w->recorded[rng_below(&w->rng, n)];
	carry(w, &d->m, d->to, rng_chance(&w->rng, 10) ? !d->link : d->link, 0);
}

/* The kernel of a node */

bool world_holds(const struct world *w, const struct node *n)
{
	return n->address && n->fence_until > w->now && !n->paused;
}

void world_close(struct node *n)
{
	n->fence_until = 0;
	n->address = false;
}

static nanos kernel_time(struct world *w, struct node *n)
{
	return rng_between(&w->rng, US(20), KERNEL_MAX + n->slow_max);
}

/* The shell reads the clock, asks for the time that is left, and the kernel starts it when it gets to it. */
static void set_fence(struct world *w, struct node *n, const struct heart_action *a,
		      struct heart_actions *more)
{
	nanos took = kernel_time(w, n), local = world_local(w, n), left = a->until - local;

	more->n = 0;
	if (a->kind == HEART_FENCE && n->fence_until <= w->now) {
		heart_fence_failed(&n->heart, local, "the element has lapsed", more);
		return;
	}
	if (left <= 0)
		n->fence_until = 0;
	else
		n->fence_until = w->now + took + left;
	heart_fence_done(&n->heart, a->computed, local + took, more);
}

static void perform(struct world *w, struct node *n, const struct heart_actions *out);

static void trace_action(struct world *w, struct node *n, const struct heart_action *a)
{
	static const char *const subjects[] = {
		"link up",        "link down",    "one-way",    "two-way",       "peer seen",
		"peer lost",      "peer left",    "peer state", "peer stranger", "config differs",
		"config matches", "stays, unfit", "held down",  "calm"};
	char name = (char)('A' + n->id);
	double left = (double)(a->until - world_local(w, n)) / 1e6;

	if (!w->trace)
		return;
	switch (a->kind) {
	case HEART_SEND:
		if (w->trace_all)
			world_trace(
				w, "%c   sends link %u seq %llu %s%s%s%s echo %llu hold %.3f", name, a->link,
				(unsigned long long)a->message.sequence, node_state_name(a->message.state),
				a->message.flags & WIRE_ASKS ? " asks" : "",
				a->message.flags & WIRE_RELEASED ? " released" : "",
				a->message.flags & WIRE_REPLY ? " reply" : "",
				(unsigned long long)a->message.echo_sequence, (double)a->message.hold / 1e6);
		break;
	case HEART_FENCE:
		if (w->trace_all)
			world_trace(w, "%c   fence for %.3f", name, left);
		break;
	case HEART_RESET:
		world_trace(w, "%c   tells its clients", name);
		break;
	case HEART_CLOSE:
		world_trace(w, "%c   closes its fence", name);
		break;
	case HEART_CLAIM:
		world_trace(w, "%c   CLAIMS epoch %llu for %.3f", name, (unsigned long long)a->epoch, left);
		break;
	case HEART_RELEASE:
		world_trace(w, "%c   removes the address", name);
		break;
	case HEART_PREPARE:
		world_trace(w, "%c   prepares to %s", name, a->giving ? "give" : "take");
		break;
	case HEART_DRAIN:
		world_trace(w, "%c   closes its fence but for connections", name);
		break;
	case HEART_UNDRAIN:
		world_trace(w, "%c   puts back what it had prepared", name);
		break;
	case HEART_ANNOUNCE:
		world_trace(w, "%c   announces again, epoch %llu", name, (unsigned long long)a->epoch);
		break;
	case HEART_EPOCH:
		break;
	case HEART_TRANSITION:
		world_trace(w, "%c   %s -> %s on %s: %s", name, node_state_name(a->from),
			    node_state_name(a->to), election_event_name(a->event), a->text);
		break;
	case HEART_NOTE:
		world_trace(w, "%c   notes %s (link %u): %s", name, subjects[a->subject], a->link, a->text);
		break;
	case HEART_SWITCHED:
		world_trace(w, "%c   switchover: %d %s", name, a->error, a->text);
		break;
	case HEART_STOPPED:
		world_trace(w, "%c   has stopped", name);
		break;
	}
}

/* A few milliseconds mostly; sometimes it cannot be done, or is not answered. */
static void begin_preparing(struct world *w, struct node *n)
{
	nanos at = w->now + rng_between(&w->drain_rng, US(200), MS(5));

	if (rng_chance(&w->drain_rng, 5))
		return;
	if (rng_chance(&w->drain_rng, 10))
		at += rng_between(&w->drain_rng, 0, 2 * w->dead);
	world_post(w, at, EVENT_PREPARED, n->id | (rng_chance(&w->drain_rng, 10) ? 2 : 0));
}

static void perform_one(struct world *w, struct node *n, const struct heart_action *a)
{
	struct heart_actions more;

	trace_action(w, n, a);
	switch (a->kind) {
	case HEART_SEND:
		transmit(w, n, a->link, &a->message);
		break;
	case HEART_CLAIM:
		n->address = true;
		n->claimed_at = w->now;
		check_claim(w, n, a->epoch);
		/* fall through */
	case HEART_FENCE:
		set_fence(w, n, a, &more);
		if (more.n)
			perform(w, n, &more);
		break;
	case HEART_CLOSE:
		n->fence_until = 0;
		break;
	case HEART_RELEASE:
		n->address = false;
		break;
	case HEART_PREPARE:
		begin_preparing(w, n);
		break;
	case HEART_DRAIN:
		world_close(n);
		world_post(w, w->now + rng_between(&w->drain_rng, US(100), 6 * w->dead), EVENT_DRAINED,
			   n->id);
		break;
	case HEART_UNDRAIN:
	case HEART_RESET:
		break;
	case HEART_ANNOUNCE:
		w->announces++;
		break;
	case HEART_EPOCH:
		n->epoch_disk = a->epoch;
		break;
	case HEART_TRANSITION:
		n->transitions++;
		break;
	case HEART_STOPPED:
		world_end_role(w, n, true);
		break;
	case HEART_NOTE:
	case HEART_SWITCHED:
		break;
	}
}

static void perform(struct world *w, struct node *n, const struct heart_actions *out)
{
	for (unsigned i = 0; i < out->n && n->role_up; i++) {
		if (n->crash_armed && n->crash_after-- == 0) {
			world_trace(w, "%c   the role dies before its next action", 'A' + n->id);
			/* What it read now led to nothing. */
			n->reached = n->reached_before;
			w->overlap_limit = n->limit_before;
			world_end_role(w, n, false);
			return;
		}
		perform_one(w, n, &out->list[i]);
	}
}

/* The shell of a node */

static void turn(struct world *w, struct node *n)
{
	static struct heart_actions out;
	nanos due, late;

	if (!n->role_up)
		return;
	out.n = 0;
	heart_turn(&n->heart, world_local(w, n), &out);
	perform(w, n, &out);
	if (!n->role_up)
		return;
	n->reached_before = n->reached;
	n->limit_before = w->overlap_limit;
	n->turned_at = world_local(w, n);
	if (n->crash_armed) { /* the save at the end of a wake-up; otherwise made when it is needed */
		heart_save(&n->heart, world_local(w, n), &n->record);
		n->has_record = true;
	}
	due = global_of(n, heart_due(&n->heart));
	late = rng_between(&w->rng, 0, TIMER_MAX + n->late_max);
	n->wake = due == NANOS_NEVER ? due : (due > w->now ? due : w->now) + late;
}

static void receive(struct world *w, struct node *n, const struct datagram *d)
{
	static struct heart_actions out;

	out.n = 0;
	if (heart_receive(&n->heart, d->link, &d->m, d->came, &out) != REJECT_NONE) {
		w->rejected++;
		return;
	}
	w->delivered++;
	/* What the attacker has is what had arrived; holding something back first is not replay but delay. */
	if (w->recording)
		w->recorded[w->n_recorded++ % RECORDED] = *d;
	if (w->trace_all)
		world_trace(w, "%c hears link %u seq %llu", 'A' + n->id, d->link,
			    (unsigned long long)d->m.sequence);
	check_reached(w, n, d);
	perform(w, n, &out);
}

static void deliver(struct world *w, uint16_t index)
{
	struct node *n = &w->nodes[w->datagrams[index].to];

	w->datagrams[index].came = world_local(w, n);
	if (n->role_up && n->frozen && n->n_buffered < QUEUE_MAX) {
		n->buffer[n->n_buffered++] = index;
		return;
	}
	if (n->role_up && !n->frozen) {
		receive(w, n, &w->datagrams[index]);
		turn(w, n);
	}
	datagram_free(w, index);
}

void world_lose_buffer(struct world *w, struct node *n)
{
	for (unsigned i = 0; i < n->n_buffered; i++)
		datagram_free(w, n->buffer[i]);
	n->n_buffered = 0;
}

void world_freeze(struct world *w, struct node *n, bool frozen, bool paused)
{
	nanos asleep;
	unsigned n_read;

	if (paused && !n->paused)
		n->paused_at = w->now;
	if (!paused && n->paused) {
		asleep = w->now - n->paused_at;
		n->clock_offset -= asleep;
		n->vm_until = w->now;
		if (n->fence_until > n->paused_at)
			n->fence_until += asleep;
	}
	n->paused = paused;
	if (n->frozen && !frozen && n->role_up) {
		n->frozen = false;
		n_read = n->n_buffered;
		for (unsigned i = 0; i < n_read && n->role_up; i++)
			receive(w, n, &w->datagrams[n->buffer[i]]);
		world_lose_buffer(w, n);
		world_sync(w, n);
		if (n->leaving && n->role_up)
			world_leave(w, n);
		turn(w, n);
	}
	n->frozen = frozen;
}

/* May the shell be told something? A late one has its turn first, unless it stood still only after it had looked (odd seeds). */
static bool listens(struct world *w, struct node *n)
{
	if (n->role_up && !n->frozen && w->seed % 2 == 0 && heart_overdue(&n->heart, world_local(w, n)))
		turn(w, n);
	return n->role_up && !n->frozen;
}

void world_sync(struct world *w, struct node *n)
{
	static struct heart_actions out;

	if (!listens(w, n))
		return;
	out.n = 0;
	if (memcmp(&n->heart.settings, &n->settings, sizeof(n->settings)) != 0)
		heart_change(&n->heart, &n->settings, world_local(w, n), &out);
	heart_fitness(&n->heart, n->fit ? FITNESS_OK : FITNESS_DEAD, world_local(w, n), &out);
	heart_usable(&n->heart, n->usable, "an interface is gone", world_local(w, n), &out);
	perform(w, n, &out);
	turn(w, n);
}

/* The shell's thread is done, or the last connection has ended; a frozen shell hears of it later. */
static void tell_drain(struct world *w, unsigned kind, unsigned index)
{
	static struct heart_actions out;
	struct node *n = &w->nodes[index & 1];

	if (n->role_up && n->frozen)
		world_post(w, w->now + MS(2), kind, index);
	if (!listens(w, n))
		return;
	out.n = 0;
	if (kind == EVENT_PREPARED)
		heart_prepared(&n->heart, !(index & 2), world_local(w, n), &out);
	else
		heart_drained(&n->heart, world_local(w, n), &out);
	perform(w, n, &out);
	turn(w, n);
}

void world_leave(struct world *w, struct node *n)
{
	static struct heart_actions out;

	n->leaving = true;
	if (!listens(w, n))
		return;
	out.n = 0;
	heart_stop(&n->heart, world_local(w, n), &out);
	perform(w, n, &out);
	turn(w, n);
}

void world_switchover(struct world *w, struct node *n)
{
	static struct heart_actions out;
	const char *text;
	int error;

	if (!listens(w, n))
		return;
	out.n = 0;
	error = heart_switchover(&n->heart, world_local(w, n), &text, &out);
	world_trace(w, "%c   is told to switch over: %d %s", 'A' + n->id, error, text);
	perform(w, n, &out);
	turn(w, n);
}

void world_start_role(struct world *w, struct node *n)
{
	static struct heart_actions out;
	nanos local = world_local(w, n);
	bool holds = false;

	if (n->role_up || !n->machine_up)
		return;
	out.n = 0;
	n->crash_armed = n->leaving = false;
	n->role_up = true;
	if (n->has_record && heart_resume(&n->heart, &n->settings, &n->record, local, &holds, &out)) {
		world_trace(w, "%c role is back%s", 'A' + n->id, holds ? " and holds on" : "");
		if (!holds)
			world_close(n);
	} else {
		world_trace(w, "%c starts, boot %llu", 'A' + n->id, (unsigned long long)n->boots + 1);
		world_close(n);
		heart_init(&n->heart, &n->settings, (n->id + 1) * 1000 + ++n->boots, n->epoch_disk, local,
			   &out);
	}
	n->has_record = false;
	perform(w, n, &out);
	world_sync(w, n);
	turn(w, n);
}

void world_end_role(struct world *w, struct node *n, bool memory_lost)
{
	if (n->role_up && !memory_lost && !n->crash_armed) {
		heart_save(&n->heart, n->turned_at, &n->record);
		n->has_record = true;
	}
	if (memory_lost)
		n->has_record = false;
	n->role_up = n->crash_armed = false;
	n->wake = NANOS_NEVER;
	world_lose_buffer(w, n);
}

/* A schedule */

static void settings_of(struct world *w, struct node *n, unsigned dead_after)
{
	memset(&n->settings, 0, sizeof(n->settings));
	n->settings = (struct heart_settings){
		.has_peer = true,
		.n_links = LINKS,
		.interval = w->interval,
		.dead_after = dead_after,
		.start_wait = w->start_wait,
		.priority = 100,
		.node = n->id + 1,
		.peer = !n->id + 1,
		.digest = 1,
		.can_drain = w->drains,
		.drain_timeout = 8 * w->dead,
	};
}

static void prepare(struct world *w, uint64_t seed, bool trace, bool trace_all)
{
	static const nanos intervals[] = {MS(10), MS(20), MS(50), MS(100)};
	unsigned dead_after;
	bool same_priority;

	memset(w, 0, offsetof(struct world, heap));
	w->n_events = w->n_recorded = 0;
	memset(&w->recording, 0, sizeof(*w) - offsetof(struct world, recording));
	w->seed = seed;
	w->rng.state = seed * UINT64_C(0xd1342543de82ef95) + 1;
	w->drain_rng.state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	w->drains = rng_chance(&w->drain_rng, 50);
	w->trace = trace;
	w->trace_all = trace_all;
	for (unsigned i = 0; i < DATAGRAMS_MAX; i++)
		w->datagrams[i].next = (uint16_t)(i + 1 < DATAGRAMS_MAX ? i + 1 : NO_DATAGRAM);
	w->free_head = 0;
	w->interval = intervals[rng_below(&w->rng, 4)];
	dead_after = 3 + (unsigned)rng_below(&w->rng, 3);
	w->dead = dead_after * w->interval;
	w->start_wait = rng_between(&w->rng, w->interval, 8 * w->dead);
	w->base_loss = rng_chance(&w->rng, 60) ? 0 : (unsigned)rng_below(&w->rng, 20);
	w->base_delay = rng_between(&w->rng, US(20), MS(1));
	w->end = (200 + (nanos)rng_below(&w->rng, 60)) * w->interval;
	same_priority = rng_chance(&w->rng, 50);
	for (unsigned i = 0; i < 2; i++) {
		struct node *n = &w->nodes[i];

		n->id = i;
		settings_of(w, n, dead_after);
		if (!same_priority)
			n->settings.priority = 100 + 100 * i;
		n->settings.preempt = seed % 8 == 0;
		n->clock_offset = rng_between(&w->rng, SECONDS(1), SECONDS(100000));
		n->clock_drift = (int64_t)rng_below(&w->rng, 400) - 200;
		n->machine_up = n->usable = true;
		n->wake = NANOS_NEVER;
		n->reached = n->claimed_at = -SECONDS(1000);
		n->vm_until = -SECONDS(1000);
	}
}

static void begin(struct world *w)
{
	for (unsigned i = 0; i < 2; i++) {
		world_start_role(w, &w->nodes[i]);
		world_post(w, rng_between(&w->rng, 0, 2 * w->interval), EVENT_FIT, i);
	}
}

static void happen(struct world *w, const struct event *e)
{
	switch ((enum event_kind)e->kind) {
	case EVENT_DELIVER:
		deliver(w, e->index);
		break;
	case EVENT_FAULT_START:
		faults_start(w, e->index);
		break;
	case EVENT_FAULT_END:
		faults_end(w, e->index);
		break;
	case EVENT_FIT:
		w->nodes[e->index].fit = true;
		world_sync(w, &w->nodes[e->index]);
		break;
	case EVENT_ATTACK:
		if (!w->faults[e->index].active)
			break;
		world_inject(w);
		world_post(w, w->now + rng_between(&w->rng, US(50), w->interval / 4), EVENT_ATTACK, e->index);
		break;
	case EVENT_PREPARED:
	case EVENT_DRAINED:
		tell_drain(w, e->kind, e->index);
		break;
	}
}

void world_run(struct world *w, uint64_t seed, bool trace, bool trace_all)
{
	prepare(w, seed, trace, trace_all);
	faults_choose(w);
	world_trace(w,
		    "seed %llu: I %.0f ms, D %.0f ms, start_wait %.3f ms, priorities %u %u, loss %u/1000, "
		    "delay %.3f ms",
		    (unsigned long long)seed, (double)w->interval / 1e6, (double)w->dead / 1e6,
		    (double)w->start_wait / 1e6, w->nodes[0].settings.priority, w->nodes[1].settings.priority,
		    w->base_loss, (double)w->base_delay / 1e6);
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
			turn(w, next);
		}
		check_instant(w);
	}
	if (!w->violation)
		check_end(w);
}
