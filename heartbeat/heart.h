/*
 * heart.h: the heart of a node as data: its settings, its state, and the actions that it asks for. core.h says how to use it.
 *
 * The fields of struct heart belong to act.c, core.c, hear.c, obey.c, orders.c and life.c; others look through the functions of core.h and life.h.
 */
#ifndef HAPAIR_HEARTBEAT_HEART_H
#define HAPAIR_HEARTBEAT_HEART_H

#include "heartbeat/damping.h"
#include "heartbeat/detect.h"
#include "heartbeat/election.h"
#include "heartbeat/lease.h"
#include "heartbeat/memory.h"
#include "heartbeat/wire.h"

struct heart_settings {
	bool has_peer; /* false: one node only; then the rest about the peer is not looked at */
	size_t n_links;
	nanos interval;
	unsigned dead_after; /* with interval accepted by lease_refusal() */
	nanos start_wait;
	bool preempt;
	uint32_t priority;
	uint64_t node, peer; /* mac_node_id() of the names */
	uint64_t digest;     /* wire_number() of the configuration's digest */
	bool can_drain;      /* this machine can hand over without breaking connections */
	nanos drain_timeout; /* they are served no longer than this */
	nanos linger; /* how long the addresses may answer after the fence's end; 0 with nft, else their
			 valid_lft + 1 s */
};

enum heart_action_kind {
	HEART_SEND,    /* seal and send `message` on `link` now */
	HEART_FENCE,   /* the open fence shall end at `until` */
	HEART_CLOSE,   /* close the fence, now */
	HEART_CLAIM,   /* address, fence open until `until`, announce; a CLAIM needs no fence to be there */
	HEART_RESET,   /* end the connections and tell their clients; follows a CLOSE, and nothing waits for it */
	HEART_RELEASE, /* remove the address; follows a RESET */
	HEART_PREPARE, /* for a switchover that breaks nothing, `giving` or not; answered by heart_prepared() */
	HEART_DRAIN, /* in place of CLOSE and RELEASE: only connections that are there go on; heart_drained() ends it */
	HEART_UNDRAIN,    /* put back what PREPARE and DRAIN did; ends what was still being served */
	HEART_ANNOUNCE,   /* announce again, whole schedule: a split has ended */
	HEART_EPOCH,      /* keep `epoch`, claimed or heard of, on disk; do not wait for it */
	HEART_TRANSITION, /* the state changed: from, to, event, why; for log, events, hooks, MSG_STATE */
	HEART_NOTE,       /* something to tell people that is no transition: subject, text */
	HEART_SWITCHED,   /* the switchover ended: error (0 done), text */
	HEART_STOPPED,    /* the goodbye was heard or waited for: the role may end */
};

enum heart_subject {
	HEART_LINK_UP,       /* link */
	HEART_LINK_DOWN,     /* link */
	HEART_LINK_ONE_WAY,  /* link */
	HEART_LINK_TWO_WAY,  /* link: it was one-way */
	HEART_PEER_SEEN,     /* a boot of the peer is believed */
	HEART_PEER_LOST,     /* silent for D */
	HEART_PEER_LEFT,     /* it said goodbye */
	HEART_PEER_STATE,    /* from, to */
	HEART_PEER_STRANGER, /* a boot that does not hear us */
	HEART_CONFIG_DIFFERS,
	HEART_CONFIG_MATCHES,
	HEART_STAYS,     /* unfit, but nobody better is there */
	HEART_HELD_DOWN, /* it moved too often; until damping.until */
	HEART_CALM,      /* that is over */
};

struct heart_action {
	enum heart_action_kind kind;
	unsigned link;
	nanos until, computed;
	uint64_t epoch;
	enum node_state from, to;
	enum election_event event;
	enum heart_subject subject;
	int error;
	bool giving;
	const char *text; /* static */
	struct wire_message message;
};

#define HEART_ACTIONS_MAX 40 /* more than any one call can give */

struct heart_actions {
	unsigned n;
	struct heart_action list[HEART_ACTIONS_MAX];
};

struct heart {
	struct heart_settings settings;
	struct lease_terms terms;
	uint64_t boot, sequence, epoch;
	uint64_t epoch_seen; /* highest that the peer told */
	enum node_state state;
	nanos since;                     /* of state */
	const char *reason;              /* why it came to state */
	char reason_kept[MEMORY_REASON]; /* of an earlier life of the role */

	/* holder */
	bool asks;             /* active, or asking to become it */
	uint64_t ask_from;     /* a grant to claim must echo this sequence or a later one */
	nanos fence_end;       /* 0: closed */
	nanos granted;         /* the longest lease that the peer granted, 0 none */
	nanos offer;           /* what its newest message alone is worth, 0 nothing */
	bool overran;          /* the fence was set too late, and is being set again */
	bool on_silence;       /* fence_end came from silence */
	bool split;            /* the peer holds too, and this node keeps */
	bool claimed_by_order; /* held because of an operator's switchover: no preemption */

	/* waiter */
	nanos not_before;    /* no claim on silence before */
	nanos promised;      /* said RELEASED: no claim before, unless the peer grants it */
	nanos start_end;     /* of start_wait */
	nanos release_until; /* says RELEASED until then, or until the peer holds */
	bool release_by_order;
	nanos retry_after; /* a holder that let go does not want it back before */

	/* the own node */
	uint8_t fitness; /* enum fitness_class */
	bool usable, stopping, stopped, switching;
	const char *unusable_why; /* static; NULL not known */
	nanos refused_until;      /* the kernel refused the VIP: a fault until then; 0 no */
	nanos hold_down;          /* the last such fault lasted so long */
	struct damping damping;   /* what it moved of itself */
	bool held_down;           /* told, and its end not yet */
	uint64_t bye_from;        /* first sequence that said goodbye */
	nanos stop_by, switch_by;
	uint32_t connections;

	/* handing over without breaking connections */
	struct heart_handover {
		bool handing;              /* this node holds, and gives when both are prepared */
		bool taking;               /* the peer is about to give, and this node prepares */
		bool in_force;             /* PREPARE was asked for, and UNDRAIN not yet */
		bool ready, failed;        /* the shell's answer */
		bool stops;                /* the daemon stops when it is over */
		enum election_event event; /* what it is about, and what happens when it cannot be prepared */
		nanos by;                  /* then it is done plainly */
		nanos until;               /* end of draining */
		const char *plain;         /* why the last one was plain; NULL: nothing was broken */
	} handover;

	/* the peer */
	struct detect detect;
	struct wire_message peer; /* the newest believed message */
	nanos fit_since;          /* it can serve since, as heard; 0 it cannot */
	bool peer_lost;           /* told */
	uint64_t stranger;        /* boot of the newest one */
	nanos stranger_since;
	bool stranger_told;
	bool config_told, config_differs;
	uint32_t reply_due; /* bit i: link i is to be answered */
	nanos grace; /* until when a lease from silence may outlive the silence; 0: nothing was heard since the last turn */

	/* timers */
	struct lease_sent sent;
	uint32_t sent_on_link[CONFIG_LINKS_MAX];
	nanos next_beat, next_burst;
	nanos due;
	uint64_t renewals, lapses;
	nanos late_last, late_max;
	bool dirty;
};

/* The peer is believed, has not left, and was heard within the wait; time that nobody watched does not count. */
bool heart_peer_alive(const struct heart *h, nanos now);

/* It is alive and says that it holds. */
bool heart_peer_holds_now(const struct heart *h, nanos now);

#endif
