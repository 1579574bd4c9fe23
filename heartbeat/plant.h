/*
 * plant.h: faults that the simulator plants in the heart to see that its checker finds them (tests/sim/sim.mk
 * builds the pure rooms with HAPAIR_PLANT). In the product every one of them is the constant false.
 */
#ifndef HAPAIR_HEARTBEAT_PLANT_H
#define HAPAIR_HEARTBEAT_PLANT_H

enum plant {
	PLANT_NONE,
	PLANT_LEASE_FROM_RENEWAL,  /* lease counted from the receipt of the echo, not from the sending */
	PLANT_EPOCH_KEPT,          /* a claim keeps the epoch */
	PLANT_REPLAY_OFF,          /* every sequence is accepted again */
	PLANT_TIE_BY_PRIORITY,     /* equal priority: neither thinks that it is first */
	PLANT_LAPSED_RENEWED,      /* a fence that ran out is opened by the next grant */
	PLANT_LATE_PROVES_SILENCE, /* unwatched time counts as silence */
	PLANT_RELEASE_UNCLOSED,    /* says released, and lets fence and address end by themselves */
	PLANT_NO_START_WAIT,       /* a starting node claims on the first silence */
	PLANT_CLAIM_UNGRANTED,     /* claims while asking, without the peer's grant */
	PLANT_SILENCE_KEPT,        /* a datagram heard again does not end the right that silence gave */
	PLANT_CLOCK_STOOD, /* a grant may outlive the hold that came with it, when the own clock stood still */
	PLANT_DEAF_WINNER,             /* the winner of a split believes in silence */
	PLANT_EPOCH_FORGOTTEN,         /* a resumed role trusts the epoch that was saved last */
	PLANT_GRANT_KEPT,              /* an old grant counts although the peer holds */
	PLANT_RECORDING_BELIEVED,      /* a new boot needs no fresh echo */
	PLANT_PROMISE_BROKEN,          /* says released, and claims on silence as soon as it may */
	PLANT_OVERTAKEN_COUNTS,        /* an overtaken datagram tells the peer's state */
	PLANT_OVERRUN_IGNORED,         /* a renewal that took too long is good */
	PLANT_WHOLE_HOLD_AS_GRACE,     /* when silence ends, all of the peer's hold is used up */
	PLANT_MEMORY_WITHOUT_PROMISES, /* a resumed role does not know what it promised */
	PLANT_DRAINER_HOLDS,           /* a node that drains keeps the VIP's fence as it is */
	PLANT_STRANGER_MAY_HOLD,       /* a stranger that holds is no split */
	PLANT_NEXT_LIFE_BOUND,         /* a grant may outlive the wait of the peer's next life */
	PLANT_WITNESS_UNASKED, /* believes in silence without the witness' yes */
	PLANT_COUNT
};

#ifdef HAPAIR_PLANT
extern int hapair_plant; /* enum plant; the simulator's */
#define PLANTED(fault) (hapair_plant == (fault))
#else
#define PLANTED(fault) 0
#endif

#endif
