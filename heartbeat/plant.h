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
	PLANT_COUNT
};

#ifdef HAPAIR_PLANT
extern int hapair_plant; /* enum plant; the simulator's */
#define PLANTED(fault) (hapair_plant == (fault))
#else
#define PLANTED(fault) 0
#endif

#endif
