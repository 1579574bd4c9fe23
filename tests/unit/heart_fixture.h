/*
 * heart_fixture.h: two hearts and two links without loss, in steps of a tenth of a millisecond, for the stories of a pair (heart_story.h).
 *
 * What is sent in one step arrives in the next. The kernel of each node is one number, the end of its fence.
 */
#ifndef TESTS_UNIT_HEART_FIXTURE_H
#define TESTS_UNIT_HEART_FIXTURE_H

#include "heartbeat/core.h"

#include <string.h>

#define STEP      US(100)
#define IN_FLIGHT 256

struct stage_node {
	struct heart heart;
	bool runs;
	nanos fence_until;
	bool address;
	bool refuses; /* its kernel */
	unsigned sent, claims, announces, transitions, links_down, one_way, two_way, lost, strangers,
		held_down, calm;
	nanos claimed_at, closed_at, released_told_at;
	uint64_t epoch_disk;
	unsigned prepares, undrained, resets;
	bool preparing, drains;
	int switched; /* error of HEART_SWITCHED; 1 none yet */
	bool stopped;
	const char *last_why;
};

struct stage {
	nanos now;
	struct stage_node nodes[2];
	bool cut[2];  /* nothing reaches node i */
	int cut_link; /* only on this link; -1 on both */
	nanos hiccup; /* a renewal of node 0 takes so long */
	struct {
		struct wire_message m;
		unsigned to;
	} flight[IN_FLIGHT];
	unsigned n_flight;
	bool overlapped;
};

static inline bool stage_holds(const struct stage *s, unsigned i)
{
	return s->nodes[i].address && s->nodes[i].fence_until > s->now;
}

static inline void stage_fence(struct stage *s, unsigned i, const struct heart_action *a,
			       struct heart_actions *more)
{
	struct stage_node *n = &s->nodes[i];

	if (n->refuses) {
		n->fence_until = 0;
		n->address = false;
		heart_fence_refused(&n->heart, s->now, "refused", more);
	} else if (a->kind == HEART_FENCE && n->fence_until <= s->now) {
		heart_fence_failed(&n->heart, s->now, "lapsed", more);
	} else {
		n->fence_until = a->until;
		/* Made again, it was computed at the end of the hiccup before. */
		heart_fence_done(&n->heart, a->computed,
				 (a->computed > s->now ? a->computed : s->now) + (i == 0 ? s->hiccup : 0),
				 more);
	}
}

static inline void stage_perform(struct stage *s, unsigned i, struct heart_actions *out)
{
	struct stage_node *n = &s->nodes[i];
	struct heart_actions more;

	more.n = 0;
	for (unsigned k = 0; k < out->n; k++) {
		const struct heart_action *a = &out->list[k];

		if (more.n && heart_is_void(&n->heart, a))
			continue;
		switch (a->kind) {
		case HEART_SEND:
			n->sent++;
			if ((a->message.flags & WIRE_RELEASED) && !n->released_told_at)
				n->released_told_at = s->now;
			if (!(s->cut[!i] && (s->cut_link < 0 || s->cut_link == (int)a->link)) &&
			    s->n_flight < IN_FLIGHT) {
				s->flight[s->n_flight].m = a->message;
				s->flight[s->n_flight++].to = !i;
			}
			break;
		case HEART_CLAIM:
			n->address = true;
			n->claims++;
			n->claimed_at = s->now;
			stage_fence(s, i, a, &more);
			break;
		case HEART_FENCE:
			stage_fence(s, i, a, &more);
			break;
		case HEART_RESET:
			n->resets++;
			break;
		case HEART_CLOSE:
			n->fence_until = 0;
			n->closed_at = s->now;
			break;
		case HEART_RELEASE:
			n->address = false;
			break;
		case HEART_PREPARE:
			n->prepares++;
			n->preparing = true; /* answered by stage_answer() */
			break;
		case HEART_DRAIN:
			n->fence_until = 0;
			n->address = false;
			n->closed_at = s->now;
			n->drains = true;
			break;
		case HEART_UNDRAIN:
			n->undrained++;
			n->drains = n->preparing = false;
			break;
		case HEART_ANNOUNCE:
			n->announces++;
			break;
		case HEART_EPOCH:
			n->epoch_disk = a->epoch;
			break;
		case HEART_TRANSITION:
			n->transitions++;
			n->last_why = a->text;
			break;
		case HEART_SWITCHED:
			n->switched = a->error;
			break;
		case HEART_STOPPED:
			n->stopped = true;
			n->runs = false;
			break;
		case HEART_NOTE:
			n->links_down += a->subject == HEART_LINK_DOWN;
			n->one_way += a->subject == HEART_LINK_ONE_WAY;
			n->two_way += a->subject == HEART_LINK_TWO_WAY;
			n->lost += a->subject == HEART_PEER_LOST;
			n->strangers += a->subject == HEART_PEER_STRANGER;
			n->held_down += a->subject == HEART_HELD_DOWN;
			n->calm += a->subject == HEART_CALM;
			break;
		}
	}
	out->n = 0;
	if (more.n)
		stage_perform(s, i, &more);
}

static inline struct heart_settings stage_settings(unsigned i)
{
	return (struct heart_settings){
		.has_peer = true,
		.n_links = 2,
		.interval = MS(50),
		.dead_after = 3,
		.start_wait = SECONDS(1),
		.priority = i == 0 ? 200 : 100,
		.node = i + 1,
		.peer = !i + 1,
		.digest = 1,
	};
}

static inline void stage_boot_with(struct stage *s, unsigned i, const struct heart_settings *settings)
{
	static struct heart_actions out;
	static uint64_t boots;
	struct stage_node *n = &s->nodes[i];
	uint64_t disk = n->epoch_disk;

	memset(n, 0, sizeof(*n));
	n->epoch_disk = disk;
	n->runs = true;
	n->switched = 1;
	out.n = 0;
	heart_init(&n->heart, settings, ++boots, disk, s->now, &out);
	heart_fitness(&n->heart, FITNESS_OK, s->now, &out);
	stage_perform(s, i, &out);
}

static inline void stage_boot(struct stage *s, unsigned i)
{
	struct heart_settings settings = stage_settings(i);

	stage_boot_with(s, i, &settings);
}

static inline void stage_step(struct stage *s)
{
	static struct heart_actions out;
	struct wire_message arrived[IN_FLIGHT];
	unsigned to[IN_FLIGHT], n = s->n_flight;

	s->now += STEP;
	for (unsigned k = 0; k < n; k++) {
		arrived[k] = s->flight[k].m;
		to[k] = s->flight[k].to;
	}
	s->n_flight = 0;
	for (unsigned i = 0; i < 2; i++) {
		struct stage_node *node = &s->nodes[i];

		out.n = 0;
		for (unsigned k = 0; k < n && node->runs; k++) {
			if (to[k] == i)
				heart_receive(&node->heart, arrived[k].link, &arrived[k], s->now, &out);
			stage_perform(s, i, &out);
		}
		if (node->runs)
			heart_turn(&node->heart, s->now, &out);
		stage_perform(s, i, &out);
	}
	s->overlapped |= stage_holds(s, 0) && stage_holds(s, 1);
}

/* The shell of node i has prepared, or could not. */
static inline void stage_answer(struct stage *s, unsigned i, bool ok)
{
	static struct heart_actions more;

	more.n = 0;
	s->nodes[i].preparing = false;
	heart_prepared(&s->nodes[i].heart, ok, s->now, &more);
	stage_perform(s, i, &more);
}

static inline void stage_run(struct stage *s, nanos duration)
{
	for (nanos until = s->now + duration; s->now < until;)
		stage_step(s);
}

/* Both up, node 0 (the higher priority) active. */
static inline void stage_begin(struct stage *s)
{
	memset(s, 0, sizeof(*s));
	s->cut_link = -1;
	s->now = SECONDS(500);
	stage_boot(s, 0);
	stage_boot(s, 1);
	stage_run(s, SECONDS(2));
}

#endif
