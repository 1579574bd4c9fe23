/*
 * world.h: two real hearts in virtual time over a seeded network, with a kernel that lets fences expire by itself.
 *
 * One world is one schedule: everything in it follows from its seed. Time is global nanoseconds; each node has a clock of its
 * own (offset and pace), which is all that its heart sees. faults.c decides what goes wrong, check.c what must not happen.
 */
#ifndef HAPAIR_SIM_WORLD_H
#define HAPAIR_SIM_WORLD_H

#include "heartbeat/core.h"
#include "tests/sim/plan.h"

#include <stdbool.h>
#include <stdint.h>

#define DATAGRAMS_MAX 4096
#define EVENTS_MAX    8192
#define QUEUE_MAX     200 /* datagrams that a socket buffer holds */
#define RECORDED      256 /* datagrams that an attacker keeps */

/* A planned fault on its day. */
struct fault {
	struct planned p;
	bool active, over;
	/* check.c's */
	bool watched, on_holder;
	unsigned claims_before;
};

enum event_kind {
	EVENT_DELIVER,
	EVENT_FAULT_START,
	EVENT_FAULT_END,
	EVENT_FIT,
	EVENT_ATTACK,
	EVENT_WAVER,
	EVENT_ASK, /* the shell asks the witness, or gives the key back */
	EVENT_ANSWER,
	EVENT_PREPARED, /* index: node, and 2 where it could not */
	EVENT_DRAINED
};

struct event {
	nanos at;
	uint32_t serial; /* first come, first served */
	uint16_t kind, index;
};

struct datagram {
	struct wire_message m;
	nanos left; /* global */
	nanos came; /* by the receiver's clock, once it lies in its buffer */
	uint8_t to, link;
	uint16_t next; /* free list, or a node's socket buffer */
};

struct node {
	struct heart heart;
	unsigned id;
	bool role_up, machine_up, frozen, paused;
	nanos clock_offset;
	int64_t clock_drift; /* 2^-20 */
	nanos wake;          /* global */
	nanos paused_at, vm_until;
	/* the kernel */
	nanos fence_until; /* global; 0 closed */
	bool address;
	/* what survives */
	uint64_t epoch_disk, boots;
	bool has_record, crash_armed, step_armed;
	unsigned crash_after, step_after; /* actions */
	bool to_start;                    /* once the machine goes on */
	bool held;       /* it stands still between two steps: w->held[id] is what it was about to do */
	bool held_heard; /* and it had read something */
	unsigned nested; /* what the kernel answered is obeyed inside of a step */
	struct memory_record record;
	nanos turned_at; /* local: the last turn, at whose end the shell saves */
	/* the world around */
	enum fitness_class fitness, wavering;
	bool usable, leaving, refuses, old;
	bool unwitnessed;
	struct {
		nanos question, asked, until;
		enum witness_answer answer;
	} answer; /* under way */
	nanos slow_max, late_max;
	struct heart_settings settings;
	uint16_t buffer[QUEUE_MAX];
	unsigned n_buffered;
	/* for the checker */
	nanos reached;        /* last datagram that the heart accepted */
	nanos limit;          /* what it heard must end an overlap until then */
	nanos limit_before;   /* at the end of the last wake-up */
	nanos reached_before; /* the same at the end of the last wake-up */
	nanos silence_until;  /* the end of the longest fence that came from silence */
	nanos claimed_at;     /* last CLAIM */
	uint64_t epoch_known;
	unsigned transitions, lapses;
};

struct path {
	bool cut, reorders;
	unsigned loss, duplicate; /* percent */
	nanos delay_max;
	nanos spike_until; /* what is sent before arrives then */
	nanos flap_from, flap_period;
};

struct world {
	const struct plan *plan;
	struct rng rng, drain_rng;
	nanos now, end;
	bool trace, trace_all;
	struct node nodes[2];
	struct path paths[LINKS][2]; /* [link][receiver] */
	nanos key_until;             /* etcd's: the cluster's key ends */
	unsigned key_of;
	nanos interval, dead; /* the longer of both */
	struct fault faults[FAULTS_MAX];
	unsigned n_faults;
	/* queue */
	struct event heap[EVENTS_MAX];
	unsigned n_events;
	uint32_t serial;
	struct datagram datagrams[DATAGRAMS_MAX];
	struct heart_actions held[2];
	uint16_t free_head, n_datagrams; /* ever used */
	struct datagram recorded[RECORDED];
	unsigned n_recorded;
	bool recording;
	/* the checker */
	const char *violation;
	nanos violation_at;
	unsigned claims, announces;
	bool overlap;
	nanos no_holder_since, calm_since;
	bool started;
	nanos expect_by;
	unsigned expect_node;
	/* totals */
	uint64_t sent, delivered, rejected;
};

/* Runs one schedule; w->violation is NULL when all was well. `w` may hold anything before; it keeps `plan`. */
void world_run(struct world *w, const struct plan *plan, bool trace, bool trace_all);

/* For node.c and faults.c */
void world_post(struct world *w, nanos at, enum event_kind kind, unsigned index);
void world_transmit(struct world *w, struct node *from, unsigned link, const struct wire_message *message);
void world_inject(struct world *w);
void world_free(struct world *w, uint16_t datagram);
void world_trace(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* node.c: the kernel of a node, and the shell around its heart */
void node_init(struct world *w, unsigned id);
nanos node_local(const struct world *w, const struct node *n);
void node_turn(struct world *w, struct node *n);
void node_deliver(struct world *w, uint16_t datagram);
/* The witness: EVENT_ASK and EVENT_ANSWER. */
void node_ask(struct world *w, struct node *n);
void node_hear_answer(struct world *w, struct node *n);
void node_tell_drain(struct world *w, unsigned kind, unsigned index);
void node_start_role(struct world *w, struct node *n);
void node_end_role(struct world *w, struct node *n, bool memory_lost);
void node_freeze(struct world *w, struct node *n, bool frozen, bool paused);
void node_lose_buffer(struct world *w, struct node *n);
void node_sync(struct world *w, struct node *n); /* tells the heart what its surroundings are */
void node_leave(struct world *w, struct node *n);
void node_switchover(struct world *w, struct node *n);
void node_close(struct node *n); /* the kernel: fence and address gone */
bool node_holds(const struct world *w, const struct node *n);

/* faults.c */
void faults_post(struct world *w);
void faults_start(struct world *w, unsigned index);
void faults_end(struct world *w, unsigned index);
/* A node begins to stand still between two steps. */
void faults_hold(struct world *w, struct node *n);
void faults_waver(struct world *w, unsigned index);

/* check.c */
void check_begin(struct world *w);
void check_fault_start(struct world *w, struct fault *f);
void check_fault_end(struct world *w, struct fault *f);
void check_claim(struct world *w, struct node *n, uint64_t epoch);
void check_preferred(struct world *w, const struct node *giver);
void check_reached(struct world *w, struct node *n, const struct datagram *d);
/* A node goes on that had read something and stood still before it could act on it. */
void check_resumed(struct world *w, struct node *n);
void check_instant(struct world *w);
void check_end(struct world *w);

#endif
