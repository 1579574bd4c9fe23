/*
 * world.h: two real hearts in virtual time over a seeded network, with a kernel that lets fences expire by itself.
 *
 * One world is one schedule: everything in it follows from its seed. Time is global nanoseconds; each node has a clock of its
 * own (offset and pace), which is all that its heart sees. faults.c decides what goes wrong, check.c what must not happen.
 */
#ifndef HAPAIR_SIM_WORLD_H
#define HAPAIR_SIM_WORLD_H

#include "heartbeat/core.h"

#include <stdbool.h>
#include <stdint.h>

#define LINKS         2
#define FAULTS_MAX    4
#define DATAGRAMS_MAX 4096
#define EVENTS_MAX    8192
#define QUEUE_MAX     200 /* datagrams that a socket buffer holds */
#define RECORDED      256 /* datagrams that an attacker keeps */

struct rng {
	uint64_t state;
};

uint64_t rng_next(struct rng *r);
/* 0 .. bound - 1; bound > 0 */
uint64_t rng_below(struct rng *r, uint64_t bound);
nanos rng_between(struct rng *r, nanos low, nanos high);
bool rng_chance(struct rng *r, unsigned percent);

enum fault_kind {
	FAULT_LOSS,      /* a link or both lose 10 to 60 % */
	FAULT_DELAY,     /* datagrams come up to several D late, overtaking each other */
	FAULT_DUPLICATE, /* copies, some of them late */
	FAULT_CUT,       /* directions of links carry nothing */
	FAULT_STOP,      /* the heartbeat process is stopped; its socket buffer fills */
	FAULT_STALL,     /* the same, and what came meanwhile is lost */
	FAULT_VM_PAUSE,  /* the hypervisor stops the machine and its clocks */
	FAULT_ROLE,      /* the role dies in the middle of something and comes back within moments */
	FAULT_KILL,      /* every process dies; the kernel lives on; started again later */
	FAULT_MACHINE,   /* the machine dies; started again later */
	FAULT_LEAVE,     /* the daemon is stopped properly; started again later */
	FAULT_UNFIT,     /* its proxy dies */
	FAULT_BROKEN,    /* its interface is gone */
	FAULT_SWITCH,    /* the operator's switchover */
	FAULT_SLOW,      /* the kernel takes long to renew */
	FAULT_LATE,      /* its timers come late */
	FAULT_REPLAY,    /* an attacker plays recorded datagrams again */
	FAULT_RELOAD,    /* another interval and D, on one node first, then on the other */
	FAULT_COUNT
};

struct fault {
	enum fault_kind kind;
	nanos at, until;
	unsigned node;   /* whom it hits */
	unsigned cuts;   /* bit link * 2 + receiver: also where loss, delay and duplication are */
	unsigned amount; /* percent, or microseconds */
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
	bool has_record, crash_armed;
	unsigned crash_after; /* actions */
	struct memory_record record;
	nanos turned_at; /* local: the last turn, at whose end the shell saves */
	/* the world around */
	bool fit, usable, leaving;
	nanos slow_max, late_max;
	struct heart_settings settings;
	uint16_t buffer[QUEUE_MAX];
	unsigned n_buffered;
	/* for the checker */
	nanos reached;        /* last datagram that the heart accepted */
	nanos limit_before;   /* w->overlap_limit, then */
	nanos reached_before; /* the same at the end of the last wake-up */
	nanos claimed_at;     /* last CLAIM */
	uint64_t epoch_known;
	unsigned transitions, lapses;
};

struct path {
	bool cut;
	unsigned loss, duplicate; /* percent */
	nanos delay_max;
};

struct world {
	uint64_t seed;
	struct rng rng;
	struct rng drain_rng; /* of its own, so that a seed of before means what it meant */
	bool drains;
	nanos now, end;
	bool trace, trace_all;
	struct node nodes[2];
	struct path paths[LINKS][2]; /* [link][receiver] */
	unsigned base_loss;          /* per mille */
	nanos base_delay;
	nanos interval, dead, start_wait;
	struct fault faults[FAULTS_MAX];
	unsigned n_faults;
	/* queue */
	struct event heap[EVENTS_MAX];
	unsigned n_events;
	uint32_t serial;
	struct datagram datagrams[DATAGRAMS_MAX];
	uint16_t free_head;
	struct datagram recorded[RECORDED];
	unsigned n_recorded;
	bool recording;
	/* the checker */
	const char *violation;
	nanos violation_at;
	unsigned claims, announces;
	bool overlap;
	nanos overlap_limit, no_holder_since, calm_since;
	bool started;
	nanos expect_by;
	unsigned expect_node;
	/* totals */
	uint64_t sent, delivered, rejected;
};

/* Runs one schedule; w->violation is NULL when all was well. `w` may hold anything before. */
void world_run(struct world *w, uint64_t seed, bool trace, bool trace_all);

/* For faults.c */
void world_post(struct world *w, nanos at, enum event_kind kind, unsigned index);
nanos world_local(const struct world *w, const struct node *n);
void world_start_role(struct world *w, struct node *n);
void world_end_role(struct world *w, struct node *n, bool memory_lost);
void world_freeze(struct world *w, struct node *n, bool frozen, bool paused);
void world_lose_buffer(struct world *w, struct node *n);
void world_sync(struct world *w, struct node *n); /* tells the heart what its surroundings are */
void world_leave(struct world *w, struct node *n);
void world_switchover(struct world *w, struct node *n);
void world_close(struct node *n); /* the kernel: fence and address gone */
void world_inject(struct world *w);
bool world_holds(const struct world *w, const struct node *n);
void world_trace(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* faults.c */
void faults_choose(struct world *w);
void faults_start(struct world *w, unsigned index);
void faults_end(struct world *w, unsigned index);
const char *fault_name(enum fault_kind kind);

/* check.c */
void check_begin(struct world *w);
void check_fault_start(struct world *w, struct fault *f);
void check_fault_end(struct world *w, struct fault *f);
void check_claim(struct world *w, struct node *n, uint64_t epoch);
void check_preferred(struct world *w, const struct node *giver);
void check_reached(struct world *w, struct node *n, const struct datagram *d);
void check_instant(struct world *w);
void check_end(struct world *w);

#endif
