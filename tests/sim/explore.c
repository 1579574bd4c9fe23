/*
 * explore.c: all interleavings of a start over one link, depth first, each state once.
 *
 * A state is two hearts, their kernels, the datagrams under way and the time. A move delivers a datagram, whichever; loses one; makes a
 * proxy ready; lets the time go on to the next timer; lets that timer be late; or ends a role that comes back with its memory. No datagram is
 * under way for longer than s, so what is not lost must arrive before time may go on. States are told apart by a hash of
 * everything in them.
 */
#include "tests/sim/explore.h"

#include "heartbeat/core.h"
#include "heartbeat/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL   MS(10)
#define DEAD_AFTER 3
#define DEAD       (DEAD_AFTER * INTERVAL)
#define TRANSIT    (LEASE_SLACK - MS(1))
#define LATE       MS(8)
#define STEPS_MAX  20000
#define CALM       (20 * DEAD)
#define FLIGHTS    24
#define DEPTH      4096
#define SEEN       (1u << 23)
#define BEGIN      SECONDS(1000)

struct flight {
	struct wire_message m;
	nanos sent;
	uint8_t to;
};

struct side {
	struct heart heart;
	nanos due, fence_until, reached, claimed_at;
	bool up, ready, address, silent_fence;
	unsigned transitions;
	uint64_t epoch_disk, epoch_known;
};

struct state {
	nanos now;
	struct side sides[2];
	unsigned n, losses, lates, deaths;
	struct flight flights[FLIGHTS];
};

enum move_kind { MOVE_DELIVER, MOVE_LOSE, MOVE_READY, MOVE_TIMER, MOVE_LATE, MOVE_DIE };

struct move {
	enum move_kind kind;
	unsigned index;
};

static struct {
	const struct scope *scope;
	struct explored result;
	struct move way[DEPTH];
	unsigned depth;
	uint64_t *seen;
} x;

static void violate(const char *what)
{
	if (!x.result.violation)
		x.result.violation = what;
}

/* The pair */

static void perform(struct state *s, unsigned i, const struct heart_actions *out);

static void set_fence(struct state *s, unsigned i, const struct heart_action *a)
{
	struct side *n = &s->sides[i];
	struct heart_actions more = {0};

	if (a->kind == HEART_FENCE && n->fence_until <= s->now) {
		heart_fence_failed(&n->heart, s->now, "lapsed", &more);
	} else {
		n->fence_until = a->until > s->now ? a->until : 0;
		n->silent_fence = n->heart.on_silence;
		heart_fence_done(&n->heart, a->computed, s->now, &more);
	}
	perform(s, i, &more);
}

static void put_under_way(struct state *s, unsigned i, const struct wire_message *m)
{
	struct flight *f = &s->flights[s->n];

	if (s->n++ == FLIGHTS) {
		fprintf(stderr, "sim: too many datagrams under way\n");
		abort();
	}
	f->m = *m;
	f->sent = s->now;
	f->to = (uint8_t)!i;
}

static void note_claim(struct state *s, struct side *n, const struct heart_action *a)
{
	if (a->epoch <= n->epoch_known)
		violate("a claim without a higher epoch");
	n->epoch_known = a->epoch;
	n->address = true;
	n->claimed_at = s->now;
}

static void perform(struct state *s, unsigned i, const struct heart_actions *out)
{
	struct side *n = &s->sides[i];

	for (unsigned k = 0; k < out->n; k++) {
		const struct heart_action *a = &out->list[k];

		switch (a->kind) {
		case HEART_SEND:
			put_under_way(s, i, &a->message);
			break;
		case HEART_CLAIM:
			note_claim(s, n, a);
			/* fall through */
		case HEART_FENCE:
			set_fence(s, i, a);
			break;
		case HEART_CLOSE:
			n->fence_until = 0;
			break;
		case HEART_RELEASE:
			n->address = false;
			break;
		case HEART_EPOCH:
			n->epoch_disk = a->epoch;
			break;
		case HEART_TRANSITION:
			n->transitions++;
			break;
		default:
			break;
		}
	}
}

static void turn(struct state *s, unsigned i)
{
	static struct heart_actions out;

	out.n = 0;
	heart_turn(&s->sides[i].heart, s->now, &out);
	perform(s, i, &out);
	s->sides[i].due = heart_due(&s->sides[i].heart);
}

static struct heart_settings settings_of(unsigned i)
{
	return (struct heart_settings){
		.has_peer = true,
		.n_links = 1,
		.interval = INTERVAL,
		.dead_after = DEAD_AFTER,
		.start_wait = 2 * INTERVAL,
		.priority = 100,
		.node = i + 1,
		.peer = !i + 1,
		.digest = 1,
	};
}

static void start(struct state *s, unsigned i)
{
	static struct heart_actions out;
	struct heart_settings settings = settings_of(i);

	out.n = 0;
	s->sides[i].up = true;
	heart_init(&s->sides[i].heart, &settings, 1000 + i, 0, s->now, &out);
	perform(s, i, &out);
	s->sides[i].due = heart_due(&s->sides[i].heart);
}

/* The moves */

static void deliver(struct state *s, unsigned index)
{
	static struct heart_actions out;
	struct flight f = s->flights[index];
	struct side *n = &s->sides[f.to];

	s->flights[index] = s->flights[--s->n];
	memset(&s->flights[s->n], 0, sizeof(f));
	if (!n->up)
		return;
	out.n = 0;
	if (heart_receive(&n->heart, f.m.link, &f.m, s->now, &out) == REJECT_NONE) {
		n->reached = s->now;
		if (f.m.epoch > n->epoch_known)
			n->epoch_known = f.m.epoch;
	}
	perform(s, f.to, &out);
	turn(s, f.to);
}

static void be_ready(struct state *s, unsigned i)
{
	static struct heart_actions out;

	out.n = 0;
	s->sides[i].ready = true;
	heart_fitness(&s->sides[i].heart, FITNESS_OK, s->now, &out);
	perform(s, i, &out);
	turn(s, i);
}

static void die(struct state *s, unsigned i)
{
	static struct heart_actions out;
	struct side *n = &s->sides[i];
	struct heart_settings settings = settings_of(i);
	struct memory_record record;
	bool holds;

	heart_save(&n->heart, s->now, &record);
	out.n = 0;
	if (!heart_resume(&n->heart, &settings, &record, s->now, &holds, &out))
		abort();
	if (!holds) {
		n->fence_until = 0;
		n->address = false;
	}
	perform(s, i, &out);
	turn(s, i);
	s->deaths++;
}

static nanos due_of(const struct state *s, unsigned i)
{
	if (!s->sides[i].up)
		return BEGIN + x.scope->second;
	return s->sides[i].due;
}

static unsigned next_timer(const struct state *s)
{
	return due_of(s, 1) < due_of(s, 0);
}

static void timer(struct state *s, unsigned i)
{
	if (due_of(s, i) > s->now)
		s->now = due_of(s, i);
	if (s->sides[i].up)
		turn(s, i);
	else
		start(s, i);
}

static void apply(struct state *s, struct move m)
{
	switch (m.kind) {
	case MOVE_DELIVER:
		deliver(s, m.index);
		break;
	case MOVE_LOSE:
		s->flights[m.index] = s->flights[--s->n];
		memset(&s->flights[s->n], 0, sizeof(s->flights[0]));
		s->losses++;
		break;
	case MOVE_READY:
		be_ready(s, m.index);
		break;
	case MOVE_TIMER:
		timer(s, m.index);
		break;
	case MOVE_LATE:
		s->sides[m.index].due += LATE;
		s->lates++;
		break;
	case MOVE_DIE:
		die(s, m.index);
		break;
	}
}

/* May the time go on to `at`? Everything that was sent TRANSIT before has arrived or is lost, and both proxies are ready. */
static bool time_may_be(const struct state *s, nanos at)
{
	for (unsigned i = 0; i < s->n; i++) {
		if (at - s->flights[i].sent > TRANSIT)
			return false;
	}
	for (unsigned i = 0; i < 2; i++) {
		if (s->sides[i].up && !s->sides[i].ready)
			return false;
	}
	return true;
}

static unsigned moves_of(const struct state *s, struct move *moves)
{
	unsigned n = 0, next = next_timer(s);
	nanos at = due_of(s, next), now = s->now;

	for (unsigned i = 0; i < s->n; i++) {
		moves[n++] = (struct move){MOVE_DELIVER, i};
		if (s->losses < x.scope->losses)
			moves[n++] = (struct move){MOVE_LOSE, i};
	}
	for (unsigned i = 0; i < 2; i++) {
		if (s->sides[i].up && !s->sides[i].ready)
			moves[n++] = (struct move){MOVE_READY, i};
		else if (s->sides[i].up && s->deaths < x.scope->deaths)
			moves[n++] = (struct move){MOVE_DIE, i};
	}
	if (time_may_be(s, at > now ? at : now))
		moves[n++] = (struct move){MOVE_TIMER, next};
	if (s->lates < x.scope->lates && s->sides[next].up)
		moves[n++] = (struct move){MOVE_LATE, next};
	return n;
}

/* What must not be */

static bool holds(const struct state *s, unsigned i)
{
	return s->sides[i].address && s->sides[i].fence_until > s->now;
}

static void check(const struct state *s)
{
	struct lease_terms t = lease_terms_of(INTERVAL, DEAD_AFTER);
	unsigned old = s->sides[0].claimed_at > s->sides[1].claimed_at;
	const struct side *n = &s->sides[old];

	if (holds(s, 0) && holds(s, 1) &&
	    (s->sides[!old].claimed_at - n->reached < lease_silence(&t) || !n->silent_fence))
		violate("two holders, and the old one was not in silence");
}

/* From here on nothing is lost, late or dead: soon exactly one holds, and goes on to. */
static void check_end(const struct state *end)
{
	static struct state s;
	unsigned holder, steps = 0;

	memcpy(&s, end, sizeof(s));
	while (s.now < end->now + CALM && !x.result.violation) {
		if (s.n)
			apply(&s, (struct move){MOVE_DELIVER, 0});
		else if (s.sides[0].up && !s.sides[0].ready)
			apply(&s, (struct move){MOVE_READY, 0});
		else if (s.sides[1].up && !s.sides[1].ready)
			apply(&s, (struct move){MOVE_READY, 1});
		else
			apply(&s, (struct move){MOVE_TIMER, next_timer(&s)});
		check(&s);
		if (++steps == STEPS_MAX)
			violate("the time does not go on");
		holder = holds(&s, 1);
		if (s.now >= end->now + CALM / 2 && (holds(&s, 0) == holds(&s, 1) || !s.sides[holder].up))
			violate("all has been calm for long, and not exactly one is active");
	}
	if (s.losses + s.lates + s.deaths == 0 && (s.sides[0].transitions > 1 || s.sides[1].transitions > 1))
		violate("nothing was lost, and a node made more than one transition");
}

/* Seen before? */

static uint64_t mix(uint64_t h, const void *data, size_t size)
{
	const unsigned char *bytes = data;
	uint64_t word;

	for (; size >= 8; bytes += 8, size -= 8) {
		memcpy(&word, bytes, 8);
		h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	word = 0;
	memcpy(&word, bytes, size);
	h = (h ^ word) * UINT64_C(0xbf58476d1ce4e5b9);
	return h ^ h >> 32;
}

/* The oldest sequence of node i that the other one may still echo. */
static uint64_t oldest_echo(const struct state *s, unsigned i)
{
	const struct side *n = &s->sides[i], *other = &s->sides[!i];
	uint64_t oldest = n->heart.sequence + 1;

	if (other->heart.detect.boot == n->heart.boot)
		oldest = other->heart.detect.newest;
	else if (other->heart.detect.stranger.boot == n->heart.boot)
		oldest = other->heart.detect.stranger.newest;
	for (unsigned k = 0; k < s->n; k++) {
		const struct flight *f = &s->flights[k];

		if (f->to == i && f->m.echo_boot == n->heart.boot && f->m.echo_sequence < oldest)
			oldest = f->m.echo_sequence;
	}
	return oldest;
}

/*
 * A heart, but for what cannot matter any more: figures for people, what nobody can echo, which sequences were heard (what is under
 * way says for itself whether it still would be, hash_flight()). Sequences count from the newest on.
 */
static uint64_t hash_side(const struct state *s, unsigned i)
{
	static struct heart h;
	const struct side *n = &s->sides[i];
	uint64_t mine = n->heart.sequence, theirs = s->sides[!i].heart.sequence, oldest = oldest_echo(s, i);
	uint64_t hash;

	memcpy(&h, &n->heart, sizeof(h));
	hash = mix(4, &n->due, sizeof(*n) - offsetof(struct side, due));
	for (uint64_t k = oldest; k <= mine && k != 0; k++) {
		struct lease_sending *sent = &h.sent.ring[k % LEASE_SENT];

		if (sent->sequence != k)
			continue;
		hash = mix(hash, &(uint64_t){mine - k}, 8);
		hash = mix(hash, &sent->at, sizeof(sent->at));
	}
	h.sequence = h.bye_from = 0;
	h.ask_from = h.asks ? mine - h.ask_from : 0;
	h.sent.echoed.sequence -= mine;
	h.peer.echo_sequence = h.peer.echo_boot == h.boot ? mine - h.peer.echo_sequence : 0;
	h.peer.sequence = h.peer.sent_on_link = 0;
	h.detect.newest -= theirs;
	h.detect.stranger.newest -= h.detect.stranger.boot ? theirs : 0;
	memset(&h.detect.links[0].replay, 0, sizeof(h.detect.links[0].replay));
	h.detect.links[0].rtt = h.detect.links[0].jitter = 0;
	h.detect.links[0].counted = h.detect.links[0].window_sent = h.detect.links[0].window_received = 0;
	h.detect.links[0].loss = 0;
	h.detect.links[0].sent = h.detect.links[0].received = 0;
	memset(h.sent_on_link, 0, sizeof(h.sent_on_link));
	h.reason = NULL;
	h.since = h.late_last = h.late_max = 0;
	h.renewals = h.lapses = 0;
	hash = mix(hash, &h, offsetof(struct heart, sent));
	hash = mix(hash, &h.sent.echoed, sizeof(h.sent.echoed));
	return mix(hash, &h.sent_on_link, sizeof(h) - offsetof(struct heart, sent_on_link));
}

static uint64_t hash_flight(const struct state *s, const struct flight *f)
{
	const struct heart *to = &s->sides[f->to].heart, *from = &s->sides[!f->to].heart;
	struct replay r = to->detect.links[f->m.link].replay;
	struct flight rest = *f;

	rest.m.sequence = from->sequence - f->m.sequence;
	rest.m.echo_sequence = f->m.echo_boot == to->boot ? to->sequence - f->m.echo_sequence : 0;
	rest.m.sent_on_link = replay_accept(&r, f->m.sequence);
	return mix(3, &rest, sizeof(rest));
}

static bool seen(const struct state *s)
{
	uint64_t h = mix(2, &s->now, offsetof(struct state, sides)), sum = 0;
	uint64_t slot;

	h = mix(h, &(uint64_t){hash_side(s, 0)}, 8);
	h = mix(h, &(uint64_t){hash_side(s, 1)}, 8);
	h = mix(h, &s->n, offsetof(struct state, flights) - offsetof(struct state, n));
	/* In whatever order they lie. */
	for (unsigned i = 0; i < s->n; i++)
		sum += hash_flight(s, &s->flights[i]);
	h = mix(h, &sum, sizeof(sum)) | 1;
	for (slot = h >> 20 & (SEEN - 1); x.seen[slot]; slot = (slot + 1) & (SEEN - 1)) {
		if (x.seen[slot] == h)
			return true;
	}
	x.seen[slot] = h;
	if (++x.result.states > SEEN / 4 * 3) {
		fprintf(stderr, "sim: the scope is too large to explore\n");
		abort();
	}
	return false;
}

static void visit(const struct state *s)
{
	struct move moves[2 * FLIGHTS + 6];
	struct state *next;
	unsigned n;

	check(s);
	if (x.result.violation || seen(s))
		return;
	if (s->now >= BEGIN + x.scope->horizon) {
		x.result.ends++;
		check_end(s);
		return;
	}
	if (x.depth == DEPTH)
		abort();
	n = moves_of(s, moves);
	next = malloc(sizeof(*next));
	if (!next)
		abort();
	for (unsigned i = 0; i < n && !x.result.violation; i++) {
		*next = *s;
		x.way[x.depth++] = moves[i];
		apply(next, moves[i]);
		visit(next);
		if (!x.result.violation)
			x.depth--;
	}
	free(next);
}

static void begin(struct state *s)
{
	memset(s, 0, sizeof(*s));
	s->now = BEGIN;
	for (unsigned i = 0; i < 2; i++)
		s->sides[i].reached = s->sides[i].claimed_at = -SECONDS(1000);
	start(s, 0);
}

static void tell_move(const struct state *s, struct move m)
{
	static const char *const kinds[] = {"delivered", "lost", "ready", "timer", "late timer", "dies"};
	const struct flight *f = &s->flights[m.index];
	double at = (double)(s->now - BEGIN) / 1e6;

	if (m.kind <= MOVE_LOSE)
		printf("%8.3f ms  %c to %c, link %u, sequence %llu, %s%s: %s\n", at, 'B' - f->to, 'A' + f->to,
		       f->m.link, (unsigned long long)f->m.sequence, node_state_name(f->m.state),
		       f->m.flags & WIRE_ASKS ? " asks" : "", kinds[m.kind]);
	else
		printf("%8.3f ms  %c: %s\n", at, 'A' + m.index, kinds[m.kind]);
}

static void tell_way(void)
{
	static struct state s;

	begin(&s);
	for (unsigned i = 0; i < x.depth; i++) {
		enum node_state was[2] = {s.sides[0].heart.state, s.sides[1].heart.state};

		tell_move(&s, x.way[i]);
		apply(&s, x.way[i]);
		for (unsigned k = 0; k < 2; k++) {
			if (s.sides[k].heart.state != was[k])
				printf("             %c %s -> %s\n", 'A' + k, node_state_name(was[k]),
				       node_state_name(s.sides[k].heart.state));
		}
	}
	printf("%8.3f ms  **** %s\n", (double)(s.now - BEGIN) / 1e6, x.result.violation);
}

struct explored explore(const struct scope *scope, bool tell)
{
	static struct state first;

	memset(&x, 0, sizeof(x));
	x.scope = scope;
	x.seen = calloc(SEEN, sizeof(*x.seen));
	if (!x.seen)
		abort();
	begin(&first);
	visit(&first);
	free(x.seen);
	if (tell && x.result.violation)
		tell_way();
	return x.result;
}
