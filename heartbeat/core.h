/*
 * core.h: the heart of a node: detection, lease and election as one pure object. Events and instants come in,
 * actions go out. The daemon's shell (heartbeat.c) and the simulator (tests/sim) drive the very same code.
 *
 * The shell's loop. On each wake-up:
 *   1. read every link dry: mac_open(), then heart_receive() for each datagram, with the instant at which it came: the
 *      kernel's time stamp, brought to clock_now() and kept between the last time that the links were dry and now. (The
 *      instant of reading is safe too, but a stopped process whose socket buffer ran over would then look deaf.)
 *   2. heart_turn(now), always, also when only datagrams woke it: replies leave here;
 *   3. heart_save(), then memory_save(), when heart_dirty();
 *   4. sleep until heart_due() or the next datagram.
 * After every call that takes `out`, perform out's actions in their order, then forget them. `now` is
 * clock_now() read just before the call and never goes backwards.
 *
 * Fence and claim. FENCE and CLAIM carry `until`, an instant, computed at `computed`. The shell programs the
 * kernel with the time that is left (until - clock_now()); when it is done it reads the clock again and calls
 * heart_fence_done(), which closes everything when more than m/2 has passed. A refusal by the kernel (the
 * element has lapsed, no interface) is told by heart_fence_failed(). FENCE may shorten as well as extend.
 * CLOSE and RELEASE are done before any later SEND, without exception.
 *
 * Before the first heart_init() the shell has removed whatever an earlier life left (fence element, address),
 * except where heart_resume() says that the earlier life goes on.
 */
#ifndef HAPAIR_HEARTBEAT_CORE_H
#define HAPAIR_HEARTBEAT_CORE_H

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
	nanos linger; /* how long the addresses may answer after the fence's end; 0 with nft, else their
			 valid_lft + 1 s */
};

enum heart_action_kind {
	HEART_SEND,     /* seal and send `message` on `link` now */
	HEART_FENCE,    /* the open fence shall end at `until` */
	HEART_CLOSE,    /* close the fence, now */
	HEART_CLAIM,    /* address, fence open until `until`, announce; a CLAIM needs no fence to be there */
	HEART_RELEASE,  /* remove the address (end its clients' connections first); follows a CLOSE */
	HEART_ANNOUNCE, /* announce again, whole schedule: a split has ended */
	HEART_EPOCH,    /* keep `epoch` on disk; do not wait for it */
	HEART_TRANSITION, /* the state changed: from, to, event, why; for log, events, hooks, MSG_STATE */
	HEART_NOTE,       /* something to tell people that is no transition: subject, text */
	HEART_SWITCHED,   /* the switchover ended: error (0 done), text */
	HEART_STOPPED,    /* the goodbye was heard or waited for: the role may end */
};

enum heart_subject {
	HEART_LINK_UP,       /* link */
	HEART_LINK_DOWN,     /* link */
	HEART_PEER_SEEN,     /* a boot of the peer is believed */
	HEART_PEER_LOST,     /* silent for D */
	HEART_PEER_LEFT,     /* it said goodbye */
	HEART_PEER_STATE,    /* from, to */
	HEART_PEER_STRANGER, /* a boot that does not hear us */
	HEART_CONFIG_DIFFERS,
	HEART_CONFIG_MATCHES,
	HEART_STAYS, /* unfit, but nobody better is there */
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
	uint64_t bye_from; /* first sequence that said goodbye */
	nanos stop_by, switch_by;
	uint32_t connections;

	/* the peer */
	struct detect detect;
	struct wire_message peer; /* the newest believed message */
	nanos fit_since;          /* it can serve since, as heard; 0 it cannot */
	bool peer_lost;           /* told */
	uint64_t stranger_told;   /* boot */
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

/*
 * A new life under a new boot id. `epoch`: the highest one kept on disk, 0 when none. Fitness is DEAD until
 * told, usable is true. A node without a peer is active as soon as it is fit.
 */
void heart_init(struct heart *h, const struct heart_settings *settings, uint64_t boot, uint64_t epoch,
		nanos now, struct heart_actions *out);

/*
 * A new process in the life of an old one. False: there is nothing to resume (use heart_init()). True:
 * carries on with the same boot id; *ret_holds says whether the fence of the old process is still open and
 * goes on (leave fence and address in place; the first actions renew them); when false the shell removes what
 * is left before the first SEND.
 */
bool heart_resume(struct heart *h, const struct heart_settings *settings, const struct memory_record *record,
		  nanos now, bool *ret_holds, struct heart_actions *out);

/* One message that mac_open() accepted. REJECT_NONE, or REJECT_NODE, _LINK, _BOOT, _REPLAY: count it, nothing
 * was changed. */
int heart_receive(struct heart *h, unsigned link, const struct wire_message *m, nanos at,
		  struct heart_actions *out);

void heart_turn(struct heart *h, nanos now, struct heart_actions *out);
nanos heart_due(const struct heart *h);

/* A FENCE or CLAIM was done at `done`; `computed` is the action's. */
void heart_fence_done(struct heart *h, nanos computed, nanos done, struct heart_actions *out);
/* The kernel refused it. `text`: static, why. */
void heart_fence_failed(struct heart *h, nanos now, const char *text, struct heart_actions *out);

void heart_fitness(struct heart *h, enum fitness_class fitness, nanos now, struct heart_actions *out);
/* False: an interface of a VIP is gone or has no carrier; `text`: static, what is wrong. */
void heart_usable(struct heart *h, bool usable, const char *text, nanos now, struct heart_actions *out);
void heart_connections(struct heart *h, uint32_t live);
void heart_drained(struct heart *h, nanos now, struct heart_actions *out);

/*
 * Hands the VIP to the peer. 0: begun, HEART_SWITCHED follows. -EPERM: this node does not hold it;
 * -EHOSTUNREACH: the peer is not heard; -EAGAIN: the peer cannot serve; -EALREADY: one is going on.
 * *ret_text: static, for people, also on success.
 */
int heart_switchover(struct heart *h, nanos now, const char **ret_text, struct heart_actions *out);

/* Gives up the VIP, says goodbye; HEART_STOPPED follows at once or within a few intervals. */
void heart_stop(struct heart *h, nanos now, struct heart_actions *out);

/* Reload: interval, dead_after, start_wait, preempt, priority, digest and linger may differ; the rest must
 * not. */
void heart_change(struct heart *h, const struct heart_settings *settings, nanos now,
		  struct heart_actions *out);

bool heart_dirty(const struct heart *h);
void heart_save(struct heart *h, nanos now, struct memory_record *ret);

/* For status. */
bool heart_holds(const struct heart *h, nanos now);
bool heart_peer_alive(const struct heart *h, nanos now);
void heart_describe(const struct heart *h, nanos now,
		    struct msg_pair *ret); /* all but names, addresses, rejected, realtime */

#endif
