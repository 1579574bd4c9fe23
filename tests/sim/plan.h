/*
 * plan.h: a schedule before it happens: two nodes' settings, a network, what goes wrong and when. Drawn from a seed, or read from
 * a file, where it does not depend on how seeds are drawn; plan_shrink() makes a failing one small.
 *
 * A file: after `# `, what it is about; `planted NAME` where it shows that fault; `NAME VALUE` for every field of struct plan;
 * `fault KIND NODE AT UNTIL PATHS AMOUNT` for every fault. Instants and durations are nanoseconds.
 */
#ifndef HAPAIR_SIM_PLAN_H
#define HAPAIR_SIM_PLAN_H

#include "hapair/base/clock.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define LINKS      2
#define FAULTS_MAX 8
#define PLAN_TEXT  160
#define PLAN_WORD  32

struct rng {
	uint64_t state;
};

/* Inline: a schedule draws thousands of numbers (splitmix64). */
static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 .. bound - 1; bound > 0 */
static inline uint64_t rng_below(struct rng *r, uint64_t bound)
{
	return (uint64_t)(((unsigned __int128)rng_next(r) * bound) >> 64);
}

static inline nanos rng_between(struct rng *r, nanos low, nanos high)
{
	return high <= low ? low : low + (nanos)rng_below(r, (uint64_t)(high - low));
}

static inline bool rng_chance(struct rng *r, unsigned percent)
{
	return rng_below(r, 100) < percent;
}

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
	FAULT_REORDER,   /* datagrams overtake each other, none is late */
	FAULT_SPIKE,     /* nothing arrives, then everything at once */
	FAULT_FLAP,      /* directions of links come and go */
	FAULT_STEP,      /* the process, or its machine, stands still between two steps of one turn */
	FAULT_UPGRADE,   /* stopped properly; the one that is started again speaks the other wire version */
	FAULT_REFUSE,    /* the kernel refuses the VIP now and then */
	FAULT_WAVER,     /* its proxy comes and goes */
	FAULT_WITNESS,   /* the node does not reach the witness */
	FAULT_COUNT
};

struct planned {
	enum fault_kind kind;
	nanos at, until;
	unsigned node;   /* whom it hits */
	unsigned cuts;   /* bit link * 2 + receiver: also where loss, delay and duplication are */
	unsigned amount; /* percent, or microseconds, or what the kind makes of it */
};

/* All but the faults are of 8 bytes: plan.c has a table of them. */
struct plan {
	uint64_t seed;
	uint64_t chance, drains_chance; /* where the run's streams of chance begin */
	nanos interval[2], start_wait, end;
	int64_t dead_after[2], priority[2], preempt[2], can_drain[2];
	int64_t old[2]; /* of wire version 1 */
	nanos drain_timeout[2];
	nanos clock_offset[2];
	int64_t clock_drift[2]; /* 2^-20 */
	int64_t witness;        /* enum config_witness */
	nanos witness_ttl;
	int64_t base_loss; /* per mille */
	nanos base_delay;
	int64_t n_faults;
	struct planned faults[FAULTS_MAX];
	char planted[PLAN_WORD]; /* the planted fault that this schedule shows, by its name; "" none */
};

void plan_draw(struct plan *p, uint64_t seed);

/* The longer one of both nodes. */
nanos plan_dead(const struct plan *p);
nanos plan_interval(const struct plan *p);

void plan_write(const struct plan *p, const char *about, FILE *file);
/* False: a line that is not understood. `about`: the first line. */
bool plan_read(struct plan *p, char about[PLAN_TEXT], FILE *file);

const char *fault_name(enum fault_kind kind);

#endif
