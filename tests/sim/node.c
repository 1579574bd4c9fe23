/*
 * node.c: a node around its heart: the kernel, and the loop that the daemon's shell runs, without its system calls.
 */
#include "tests/sim/world.h"

#include <string.h>

#define KERNEL_MAX US(150) /* a renewal takes up to this */
#define TIMER_MAX  US(80)  /* a timer is that late at most, without a fault */

/* Clocks */

nanos node_local(const struct world *w, const struct node *n)
{
	nanos at = n->paused ? n->paused_at : w->now;

	return at + n->clock_offset + ((at * n->clock_drift) >> 20);
}

/* The global instant at which the node's clock shows `local`, or a moment later. */
static nanos global_of(const struct node *n, nanos local)
{
	nanos x = local - n->clock_offset;

	return local == NANOS_NEVER ? NANOS_NEVER : x - ((x * n->clock_drift) >> 20) + US(2);
}

/* The kernel of a node */

bool node_holds(const struct world *w, const struct node *n)
{
	return n->address && n->fence_until > w->now && !n->paused;
}

void node_close(struct node *n)
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
	nanos took = kernel_time(w, n), local = node_local(w, n), at = w->now, left;

	/* What the answer to a slow renewal asks for begins when that one is done. */
	if (a->computed > local) {
		at += a->computed - local;
		local = a->computed;
	}
	left = a->until - local;
	more->n = 0;
	if (a->kind == HEART_FENCE && n->fence_until <= w->now) {
		heart_fence_failed(&n->heart, local, "the element has lapsed", more);
		return;
	}
	if (n->refuses && rng_chance(&w->rng, 50)) {
		heart_fence_refused(&n->heart, local + took, "the kernel refuses", more);
		return;
	}
	if (left <= 0)
		n->fence_until = 0;
	else
		n->fence_until = at + took + left;
	if (n->heart.on_silence && n->fence_until > n->silence_until)
		n->silence_until = n->fence_until;
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
	double left = (double)(a->until - node_local(w, n)) / 1e6;

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
	case HEART_CLOSE:
		world_trace(w, "%c   closes its fence", name);
		break;
	case HEART_RESET:
		world_trace(w, "%c   tells its clients", name);
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
		world_transmit(w, n, a->link, &a->message);
		break;
	case HEART_CLAIM:
		n->address = true;
		n->claimed_at = w->now;
		check_claim(w, n, a->epoch);
		/* fall through */
	case HEART_FENCE:
		set_fence(w, n, a, &more);
		n->nested++;
		perform(w, n, &more);
		n->nested--;
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
		node_close(n);
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
		if (a->event == ELECTION_OUTRANKED)
			check_preferred(w, n);
		break;
	case HEART_STOPPED:
		node_end_role(w, n, true);
		break;
	case HEART_NOTE:
	case HEART_SWITCHED:
		break;
	}
}

static bool dies(struct world *w, struct node *n)
{
	/* Not between a renewal that took too long and its correction (heartbeat/DESIGN.md, 8). */
	if (!n->crash_armed || n->nested || n->crash_after-- > 0)
		return false;
	world_trace(w, "%c   the role dies before its next action", 'A' + n->id);
	/* What it read now led to nothing. */
	n->reached = n->reached_before;
	n->limit = n->limit_before;
	node_end_role(w, n, false);
	return true;
}

/* It stands still before its next action; the rest is done when it goes on. */
static bool stands_still(struct world *w, struct node *n, const struct heart_actions *out, unsigned next)
{
	if (!n->step_armed || n->nested || n->step_after-- > 0)
		return false;
	world_trace(w, "%c   stands still before its next action", 'A' + n->id);
	n->step_armed = false;
	n->held = true;
	/* What it read now leads to nothing before it goes on. */
	n->held_heard = n->reached != n->reached_before;
	n->reached = n->reached_before;
	n->limit = n->limit_before;
	w->held[n->id].n = out->n - next;
	memcpy(w->held[n->id].list, out->list + next, (out->n - next) * sizeof(out->list[0]));
	faults_hold(w, n);
	return true;
}

static void perform(struct world *w, struct node *n, const struct heart_actions *out)
{
	for (unsigned i = 0; i < out->n && n->role_up; i++) {
		if (dies(w, n) || stands_still(w, n, out, i))
			return;
		perform_one(w, n, &out->list[i]);
	}
}

/* The shell of a node */

void node_turn(struct world *w, struct node *n)
{
	static struct heart_actions out;
	nanos due, late;

	if (!n->role_up || n->held)
		return;
	out.n = 0;
	heart_turn(&n->heart, node_local(w, n), &out);
	perform(w, n, &out);
	if (!n->role_up || n->held)
		return;
	n->reached_before = n->reached;
	n->limit_before = n->limit;
	n->turned_at = node_local(w, n);
	if (n->crash_armed ||
	    n->step_armed) { /* the save at the end of a wake-up; otherwise made when it is needed */
		heart_save(&n->heart, node_local(w, n), &n->record);
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

void node_deliver(struct world *w, uint16_t index)
{
	struct node *n = &w->nodes[w->datagrams[index].to];

	w->datagrams[index].came = node_local(w, n);
	if (n->role_up && n->frozen && n->n_buffered < QUEUE_MAX) {
		n->buffer[n->n_buffered++] = index;
		return;
	}
	if (n->role_up && !n->frozen) {
		receive(w, n, &w->datagrams[index]);
		node_turn(w, n);
	}
	world_free(w, index);
}

void node_lose_buffer(struct world *w, struct node *n)
{
	for (unsigned i = 0; i < n->n_buffered; i++)
		world_free(w, n->buffer[i]);
	n->n_buffered = 0;
}

static void go_on(struct world *w, struct node *n)
{
	static struct heart_actions rest;

	if (n->held) {
		n->held = false;
		if (n->held_heard)
			check_resumed(w, n);
		rest = w->held[n->id];
		perform(w, n, &rest);
	}
	for (unsigned i = 0; i < n->n_buffered && n->role_up; i++)
		receive(w, n, &w->datagrams[n->buffer[i]]);
	node_lose_buffer(w, n);
	node_sync(w, n);
	if (n->leaving && n->role_up)
		node_leave(w, n);
	node_turn(w, n);
}

void node_freeze(struct world *w, struct node *n, bool frozen, bool paused)
{
	nanos asleep;
	bool thaws;

	if (paused && !n->paused)
		n->paused_at = w->now;
	if (!paused && n->paused) {
		asleep = w->now - n->paused_at;
		n->clock_offset -= asleep;
		n->vm_until = w->now;
		if (n->fence_until > n->paused_at)
			n->fence_until += asleep;
	}
	thaws = n->frozen && !frozen && n->role_up;
	n->paused = paused;
	n->frozen = frozen;
	if (thaws)
		go_on(w, n);
	else if (n->to_start && !paused)
		node_start_role(w, n);
}

/* May the shell be told something? A late one has its turn first, unless it stood still only after it had looked (odd seeds). */
static bool listens(struct world *w, struct node *n)
{
	if (n->role_up && !n->frozen && w->plan->seed % 2 == 0 && heart_overdue(&n->heart, node_local(w, n)))
		node_turn(w, n);
	return n->role_up && !n->frozen;
}

void node_sync(struct world *w, struct node *n)
{
	static struct heart_actions out;

	if (!listens(w, n))
		return;
	out.n = 0;
	if (memcmp(&n->heart.settings, &n->settings, sizeof(n->settings)) != 0)
		heart_change(&n->heart, &n->settings, node_local(w, n), &out);
	heart_fitness(&n->heart, n->fitness, node_local(w, n), &out);
	heart_usable(&n->heart, n->usable, "an interface is gone", node_local(w, n), &out);
	perform(w, n, &out);
	node_turn(w, n);
}

/* The shell's thread is done, or the last connection has ended; a frozen shell hears of it later. */
void node_tell_drain(struct world *w, unsigned kind, unsigned index)
{
	static struct heart_actions out;
	struct node *n = &w->nodes[index & 1];

	if (n->role_up && n->frozen)
		world_post(w, w->now + MS(2), kind, index);
	if (!listens(w, n))
		return;
	out.n = 0;
	if (kind == EVENT_PREPARED)
		heart_prepared(&n->heart, !(index & 2), node_local(w, n), &out);
	else
		heart_drained(&n->heart, node_local(w, n), &out);
	perform(w, n, &out);
	node_turn(w, n);
}

/* The shell asks again and again while its heart wants to know; a key that is not wanted any more is given back. */
void node_ask(struct world *w, struct node *n)
{
	const struct witness *want = &n->heart.witness;
	bool mine = w->key_of == n->id || w->key_until <= w->now, up = n->role_up && !n->frozen;

	world_post(w, w->now + rng_between(&w->rng, w->interval / 4, w->interval / 2), EVENT_ASK, n->id);
	if (!up || n->unwitnessed || n->answer.asked)
		return;
	/* A gateway is probed all the time. */
	if (!want->wanted && w->plan->witness == WITNESS_ETCD) {
		if (w->key_of == n->id)
			w->key_until = 0;
		return;
	}
	n->answer.question = want->question;
	n->answer.asked = node_local(w, n);
	n->answer.answer = WITNESS_YES;
	if (w->plan->witness == WITNESS_GATEWAY) {
		n->answer.until = n->answer.asked + n->heart.terms.dead;
	} else if (mine) {
		w->key_of = n->id;
		w->key_until = w->now + w->plan->witness_ttl;
		n->answer.until = n->answer.asked + w->plan->witness_ttl - w->plan->witness_ttl / 100;
	} else {
		n->answer.answer = WITNESS_NO;
	}
	world_post(w, w->now + rng_between(&w->rng, US(50), MS(2)), EVENT_ANSWER, n->id);
}

void node_hear_answer(struct world *w, struct node *n)
{
	nanos asked = n->answer.asked;

	n->answer.asked = 0;
	if (n->unwitnessed || !listens(w, n))
		return;
	heart_witness(&n->heart, n->answer.question, n->answer.answer, asked, n->answer.until);
	node_turn(w, n);
}

void node_leave(struct world *w, struct node *n)
{
	static struct heart_actions out;

	n->leaving = true;
	n->has_record &= n->role_up; /* a daemon that stops starts no role again */
	if (!listens(w, n))
		return;
	out.n = 0;
	heart_stop(&n->heart, node_local(w, n), &out);
	perform(w, n, &out);
	node_turn(w, n);
}

void node_switchover(struct world *w, struct node *n)
{
	static struct heart_actions out;
	const char *text;
	int error;

	if (!listens(w, n))
		return;
	out.n = 0;
	error = heart_switchover(&n->heart, node_local(w, n), &text, &out);
	world_trace(w, "%c   is told to switch over: %d %s", 'A' + n->id, error, text);
	perform(w, n, &out);
	node_turn(w, n);
}

void node_start_role(struct world *w, struct node *n)
{
	static struct heart_actions out;
	nanos local = node_local(w, n);
	bool holds = false;

	if (n->role_up || !n->machine_up)
		return;
	n->to_start = n->paused; /* a machine that stands still starts nothing */
	if (n->to_start)
		return;
	out.n = 0;
	n->crash_armed = n->step_armed = n->leaving = false;
	n->role_up = true;
	if (n->has_record && heart_resume(&n->heart, &n->settings, &n->record, local, &holds, &out)) {
		world_trace(w, "%c role is back%s", 'A' + n->id, holds ? " and holds on" : "");
		if (!holds)
			node_close(n);
	} else {
		world_trace(w, "%c starts, boot %llu", 'A' + n->id, (unsigned long long)n->boots + 1);
		node_close(n);
		heart_init(&n->heart, &n->settings, (n->id + 1) * 1000 + ++n->boots, n->epoch_disk, local,
			   &out);
	}
	n->has_record = false;
	perform(w, n, &out);
	node_sync(w, n);
	node_turn(w, n);
}

void node_end_role(struct world *w, struct node *n, bool memory_lost)
{
	if (n->role_up && !memory_lost && !n->crash_armed && !n->held) {
		heart_save(&n->heart, n->turned_at, &n->record);
		n->has_record = true;
	}
	if (memory_lost || n->leaving)
		n->has_record = false;
	n->role_up = n->crash_armed = n->step_armed = n->held = false;
	n->wake = NANOS_NEVER;
	node_lose_buffer(w, n);
}

void node_init(struct world *w, unsigned id)
{
	struct node *n = &w->nodes[id];
	const struct plan *p = w->plan;

	n->id = id;
	n->settings = (struct heart_settings){
		.has_peer = true,
		.n_links = LINKS,
		.interval = p->interval[id],
		.dead_after = (unsigned)p->dead_after[id],
		.start_wait = p->start_wait,
		.preempt = p->preempt[id],
		.priority = (uint32_t)p->priority[id],
		.node = id + 1,
		.peer = !id + 1,
		.digest = 1,
		.can_drain = p->can_drain[id] && !p->old[id],
		.drain_timeout = p->drain_timeout[id],
		.witness = (enum config_witness)p->witness,
		.witness_wait = p->witness == WITNESS_ETCD ? p->witness_ttl + SECONDS(2) : 0,
	};
	n->clock_offset = p->clock_offset[id];
	n->clock_drift = p->clock_drift[id];
	n->old = p->old[id];
	n->machine_up = n->usable = true;
	n->wake = NANOS_NEVER;
	n->limit = n->limit_before = NANOS_NEVER;
	n->reached = n->claimed_at = n->vm_until = -SECONDS(1000);
}
