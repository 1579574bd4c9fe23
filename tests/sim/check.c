/*
 * check.c: what must not happen.
 *
 *   1. Two holders at one instant, unless the older one had heard nothing (that took less than s) for D - m - I - s when the newer one claimed; and from
 *      the first datagram that either hears and that left after both held, it ends within two intervals. A machine that its hypervisor had stopped is the
 *      stated exception: its fence may live on until the first datagram.
 *   2. Nobody holds although a node could and all has been calm for a bound; and after a plain loss of the holder, the
 *      other one must hold within D + 5 ms, after a released VIP within a few milliseconds.
 *      What preempt gives is taken at once.
 *   3. More claims than a fault that came alone can account for; above all none when the holder was not concerned.
 *   4. A claim whose epoch is not above every epoch that the node knew.
 *   5. A claim on silence while the other one holds, and nothing is wrong but with the claimant itself.
 *   6. Both started at the same instant: one active, one transition each.
 */
#include "tests/sim/world.h"

#include <stdio.h>
#include <string.h>

#define PREPARE_WAIT  SECONDS(3) /* orders.c */
#define SETTLED_WAITS 6          /* D after which nothing of a fault should go on */

static void fail(struct world *w, const char *what)
{
	if (w->violation)
		return;
	w->violation = what;
	w->violation_at = w->now;
	world_trace(w, "**** %s", what);
}

void check_begin(struct world *w)
{
	w->expect_by = NANOS_NEVER;
	w->no_holder_since = 0;
}

/* A replaying attacker and copies must have no effect at all, so they do not excuse anything. */
static bool disturbs(const struct fault *f)
{
	return f->p.kind != FAULT_REPLAY && f->p.kind != FAULT_DUPLICATE;
}

static bool calm(const struct world *w)
{
	for (unsigned i = 0; i < w->n_faults; i++) {
		if (w->faults[i].active && disturbs(&w->faults[i]))
			return false;
	}
	return true;
}

static nanos dead_of(const struct world *w, unsigned node)
{
	return w->nodes[node].settings.interval * w->nodes[node].settings.dead_after;
}

static nanos longest_dead(const struct world *w)
{
	return dead_of(w, 0) > dead_of(w, 1) ? dead_of(w, 0) : dead_of(w, 1);
}

static nanos shortest_dead(const struct world *w)
{
	return dead_of(w, 0) < dead_of(w, 1) ? dead_of(w, 0) : dead_of(w, 1);
}

static int only_holder(const struct world *w)
{
	bool a = node_holds(w, &w->nodes[0]), b = node_holds(w, &w->nodes[1]);

	return a == b ? -1 : b;
}

/* Then the holder first waits for both to be prepared. */
static bool drains(const struct world *w)
{
	return w->plan->can_drain[0] && w->plan->can_drain[1];
}

static bool perfect_network(const struct world *w)
{
	return w->plan->base_loss == 0;
}

static bool runs(const struct node *n)
{
	return n->role_up && !n->frozen && n->fitness == FITNESS_OK && n->usable && !n->leaving &&
	       n->heart.refused_until == 0;
}

/* How soon the other node must hold when this fault hits the holder alone. NANOS_NEVER: no such promise. */
static nanos takeover_within(const struct world *w, const struct fault *f)
{
	/* A key must end first. */
	if (w->plan->witness == WITNESS_ETCD)
		return NANOS_NEVER;
	switch (f->p.kind) {
	case FAULT_MACHINE:
	case FAULT_KILL:
	case FAULT_STOP:
	case FAULT_STALL:
		/* Shorter ones may be survived, or end in a release. */
		return f->p.until - f->p.at > 2 * longest_dead(w)
			       ? longest_dead(w) + MS(5) + (w->plan->witness ? w->interval : 0)
			       : NANOS_NEVER;
	case FAULT_UNFIT:
	case FAULT_BROKEN:
		return w->plan->base_delay + MS(1);
	case FAULT_LEAVE:
	case FAULT_UPGRADE:
		/* A node that is started again while it still prepares has given nothing. */
		if (drains(w) && f->p.until - f->p.at <= PREPARE_WAIT + MS(10))
			return NANOS_NEVER;
		/* fall through */
	case FAULT_SWITCH:
		/* Connections are not broken where both can prepare, which the holder waits for. */
		return drains(w) ? PREPARE_WAIT + 4 * w->plan->base_delay + MS(1)
				 : w->plan->base_delay + MS(1);
	default:
		return NANOS_NEVER;
	}
}

/* Claims that a fault may cause when it comes alone; UINT32_MAX: not judged. */
static unsigned claims_allowed(const struct world *w, const struct fault *f)
{
	nanos length = f->p.until - f->p.at, shortest = shortest_dead(w);

	if (w->nodes[0].settings.preempt) /* the VIP goes back, and there may have been others */
		return UINT32_MAX;
	switch (f->p.kind) {
	case FAULT_REPLAY:
	case FAULT_DUPLICATE:
	case FAULT_RELOAD:
	case FAULT_REORDER:
		return 0;
	case FAULT_WITNESS:
		/* Whoever reaches the gateway is the fitter one. */
		return f->on_holder && w->plan->witness == WITNESS_GATEWAY;
	case FAULT_FLAP:
	case FAULT_CUT:
		/* One link is enough, in both directions. */
		if ((f->p.cuts & 0x3) == 0 || (f->p.cuts & 0xc) == 0)
			return 0;
		return f->p.kind == FAULT_CUT ? 2 : UINT32_MAX;
	case FAULT_ROLE:
		/* Back within the lease: the VIP stays. */
		return !f->on_holder || length < shortest - lease_margin(shortest) - 2 * w->interval - MS(2)
			       ? 0
			       : 1;
	case FAULT_MACHINE:
	case FAULT_KILL:
	case FAULT_LEAVE:
	case FAULT_UNFIT:
	case FAULT_BROKEN:
	case FAULT_STOP:
	case FAULT_STALL:
	case FAULT_SWITCH:
	case FAULT_UPGRADE:
		return f->on_holder;
	case FAULT_STEP:
	case FAULT_VM_PAUSE:
		return f->on_holder ? 2 : 0;
	case FAULT_LATE:
	case FAULT_SLOW:
	case FAULT_REFUSE:
	case FAULT_WAVER:
		return f->on_holder ? UINT32_MAX : 0;
	default:
		return UINT32_MAX;
	}
}

/* Longer than any D that a reload makes. */
static nanos settling(const struct world *w)
{
	return SETTLED_WAITS * w->dead * 3 / 2;
}

/* An order may wait for both nodes to be prepared. */
static nanos effect_ends(const struct world *w, const struct fault *f)
{
	bool orders = f->p.kind == FAULT_SWITCH || f->p.kind == FAULT_LEAVE || f->p.kind == FAULT_UPGRADE;
	nanos prepared = f->p.at + PREPARE_WAIT;

	return orders && drains(w) && prepared > f->p.until ? prepared : f->p.until;
}

static bool alone(const struct world *w, const struct fault *f)
{
	nanos settle = settling(w);

	for (unsigned i = 0; i < w->n_faults; i++) {
		const struct fault *other = &w->faults[i];

		if (other != f && disturbs(other) && other->p.at < effect_ends(w, f) + settle &&
		    effect_ends(w, other) + settle > f->p.at)
			return false;
	}
	return true;
}

static void check_start(struct world *w)
{
	w->started = true;
	if (only_holder(w) < 0)
		fail(w, "both were started, and not exactly one is active");
	else if (w->nodes[0].transitions > 1 || w->nodes[1].transitions > 1)
		fail(w, "both were started, and a node made more than one transition");
}

void check_fault_start(struct world *w, struct fault *f)
{
	int holder = only_holder(w);
	nanos within;

	if (!w->started)
		check_start(w);
	if (disturbs(f))
		w->expect_by = NANOS_NEVER;
	if (holder < 0 || !calm(w) || !alone(w, f) || !perfect_network(w) || !runs(&w->nodes[0]) ||
	    !runs(&w->nodes[1]) || w->now - w->calm_since < settling(w))
		return;
	f->on_holder = (unsigned)holder == f->p.node;
	f->claims_before = w->claims;
	f->watched = disturbs(f);
	within = f->on_holder ? takeover_within(w, f) : NANOS_NEVER;
	if (within != NANOS_NEVER) {
		w->expect_by = w->now + within;
		w->expect_node = !f->p.node;
	}
}

void check_fault_end(struct world *w, struct fault *f)
{
	if (disturbs(f))
		w->calm_since = w->now;
}

/* Judged when the next disturbance begins, or at the end of the schedule: both come later than the settling time, or not at all. */
static void judge(struct world *w, struct fault *f)
{
	if (!f->watched || !f->over || w->now < f->p.until + settling(w) - w->dead)
		return;
	f->watched = false;
	if (claims_allowed(w, f) != UINT32_MAX && w->claims - f->claims_before > claims_allowed(w, f)) {
		world_trace(w, "---- %s: %u claims", fault_name(f->p.kind), w->claims - f->claims_before);
		fail(w, f->on_holder ? "more claims than the fault of the holder accounts for"
				     : "the VIP was claimed although the holder was not concerned");
	}
}

static bool is_of_a_node(const struct fault *f)
{
	switch (f->p.kind) {
	case FAULT_LOSS:
	case FAULT_DELAY:
	case FAULT_CUT:
	case FAULT_SPIKE:
	case FAULT_FLAP:
	case FAULT_REORDER:
	case FAULT_RELOAD:
		return false;
	default:
		return true;
	}
}

/* Whatever is wrong now, or was a while ago, is wrong with this node alone: the other one and all paths are well. */
static bool concerns_only(const struct world *w, const struct node *n)
{
	for (unsigned i = 0; i < w->n_faults; i++) {
		const struct fault *f = &w->faults[i];

		if (disturbs(f) && f->p.at <= w->now && w->now < f->p.until + settling(w) &&
		    (!is_of_a_node(f) || f->p.node != n->id))
			return false;
	}
	return perfect_network(w);
}

void check_claim(struct world *w, struct node *n, uint64_t epoch)
{
	const struct node *other = &w->nodes[!n->id];

	w->claims++;
	if (w->started && n->heart.on_silence && node_holds(w, other) && runs(other) && concerns_only(w, n))
		fail(w,
		     "a claim on silence beside a holder that was well: the own standstill was taken for it");
	if (epoch <= n->epoch_known)
		fail(w, "a claim without a higher epoch");
	n->epoch_known = epoch;
}

/* Given without need: then to somebody who takes it at once. */
void check_preferred(struct world *w, const struct node *giver)
{
	const struct node *other = &w->nodes[!giver->id];

	if (!calm(w) || !perfect_network(w) || !runs(other))
		return;
	w->expect_by = w->now + 2 * w->plan->base_delay + MS(1);
	w->expect_node = other->id;
}

/* A stranger that does not hold has D - m to show that it hears (heartbeat/DESIGN.md, 6). */
static void limit_overlap(struct world *w, struct node *n, bool believed)
{
	nanos longest = w->nodes[0].settings.interval > w->nodes[1].settings.interval
				? w->nodes[0].settings.interval
				: w->nodes[1].settings.interval;
	nanos limit = w->now + (believed ? 2 * longest : longest_dead(w)) + MS(3);

	if (limit < n->limit)
		n->limit = limit;
}

static nanos later_claim(const struct world *w)
{
	return w->nodes[0].claimed_at > w->nodes[1].claimed_at ? w->nodes[0].claimed_at
							       : w->nodes[1].claimed_at;
}

void check_reached(struct world *w, struct node *n, const struct datagram *d)
{
	/* What took longer than s says nothing about now, and what was not believed either may be of a former life. */
	bool fast = w->now - d->left <= LEASE_SLACK, believed = n->heart.detect.heard == d->came;

	if (fast)
		n->reached = w->now;
	if (d->m.epoch > n->epoch_known)
		n->epoch_known = d->m.epoch;
	/* What left before both held tells nobody that both hold. */
	if (w->overlap && (fast || believed) && d->left >= later_claim(w))
		limit_overlap(w, n, believed || d->m.state == NODE_ACTIVE);
}

void check_resumed(struct world *w, struct node *n)
{
	if (w->overlap)
		limit_overlap(w, n, true);
}

static nanos threshold(const struct node *n)
{
	struct lease_terms t = n->heart.terms;

	if (n->heart.peer.dead != 0 && n->heart.peer.dead < t.dead) {
		t.dead = n->heart.peer.dead;
		t.margin = lease_margin(t.dead);
	}
	return lease_silence(&t) > t.interval ? lease_silence(&t) : t.interval;
}

static nanos last_pause(const struct world *w)
{
	return w->nodes[0].vm_until > w->nodes[1].vm_until ? w->nodes[0].vm_until : w->nodes[1].vm_until;
}

static void check_overlap(struct world *w)
{
	bool both = node_holds(w, &w->nodes[0]) && node_holds(w, &w->nodes[1]);
	const struct node *old =
		w->nodes[0].claimed_at <= w->nodes[1].claimed_at ? &w->nodes[0] : &w->nodes[1];

	if (!both) {
		w->overlap = false;
		w->nodes[0].limit = w->nodes[1].limit = NANOS_NEVER;
		return;
	}
	if (!w->overlap) {
		w->overlap = true;
		world_trace(w, "---- two holders; the old one, %c, heard something %.3f ms ago",
			    'A' + old->id, (double)(w->now - old->reached) / 1e6);
		/* A machine that stood still goes on with what it had: the old one's fence, or an overlap that was there before. */
		if (w->now - last_pause(w) <= 2 * longest_dead(w))
			return;
		if (w->now - old->reached < threshold(old))
			fail(w, "two holders, and the old one had heard its peer");
		else if (w->plan->witness == WITNESS_ETCD)
			fail(w, "two holders, and only one had the key");
		else if (w->now >= old->silence_until)
			fail(w, "two holders, and the old one did not hold on silence");
	}
	if (w->now > w->nodes[0].limit || w->now > w->nodes[1].limit)
		fail(w, "two holders for longer than two intervals after they heard each other");
}

static bool somebody_could(const struct world *w)
{
	return runs(&w->nodes[0]) || runs(&w->nodes[1]);
}

static nanos patience(const struct world *w)
{
	nanos strangers = 20 * longest_dead(w);

	return (strangers > w->plan->start_wait ? strangers : w->plan->start_wait) + 6 * longest_dead(w) +
	       (w->plan->witness ? 2 * w->plan->witness_ttl + SECONDS(3) : 0);
}

static void check_holder(struct world *w)
{
	bool held = node_holds(w, &w->nodes[0]) || node_holds(w, &w->nodes[1]);

	if (held || !somebody_could(w) || !calm(w)) {
		w->no_holder_since = w->now;
		return;
	}
	if (w->now - w->no_holder_since > patience(w))
		fail(w, "nobody holds although a node could and all is calm");
}

void check_instant(struct world *w)
{
	const struct node *expected = &w->nodes[w->expect_node];

	check_overlap(w);
	check_holder(w);
	if (w->expect_by != NANOS_NEVER && node_holds(w, expected) && expected->claimed_at <= w->expect_by)
		w->expect_by = NANOS_NEVER;
	if (w->now > w->expect_by)
		fail(w, "the other node did not take over in time");
	for (unsigned i = 0; i < w->n_faults; i++)
		judge(w, &w->faults[i]);
}

void check_end(struct world *w)
{
	w->now = w->end;
	for (unsigned i = 0; i < w->n_faults; i++)
		judge(w, &w->faults[i]);
}
