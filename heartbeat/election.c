/*
 * election.c: the order between two nodes, and the whole table.
 *
 *                 peer holds, or nobody can claim
 *      starting ----------------------------------> passive <-------- mended --------- fault
 *         |                                          |   ^                               ^
 *         | silence, grant, release                  |   | yields: lapsed, unfit,        | broken
 *         +------------------> active <--------------+   | split lost, switchover, ...   |
 *                                |                       |                               |
 *                                +-----------------------+-------------------------------+
 *
 * active --prepared--> draining --drained--> passive: draining is passive with connections of a given-away VIP still to end.
 */
#include "heartbeat/election.h"

#include "heartbeat/plant.h"

bool election_can_serve(const struct election_standing *a)
{
	return a->usable && a->fitness > FITNESS_NO_LISTENER;
}

bool election_first(const struct election_standing *a, const struct election_standing *b)
{
	bool serves_a = election_can_serve(a), serves_b = election_can_serve(b);

	if (serves_a != serves_b)
		return serves_a;
	if (a->fitness != b->fitness)
		return a->fitness > b->fitness;
	if (a->reach != b->reach)
		return a->reach > b->reach;
	if (PLANTED(PLANT_TIE_BY_PRIORITY))
		return a->priority > b->priority;
	if (a->priority != b->priority)
		return a->priority > b->priority;
	return a->node > b->node;
}

bool election_fitter(const struct election_standing *b, const struct election_standing *a)
{
	return election_can_serve(b) &&
	       (!a->usable || b->fitness > a->fitness || (b->fitness == a->fitness && b->reach > a->reach));
}

bool election_keeps(const struct election_standing *a, const struct election_standing *b)
{
	if (a->usable != b->usable)
		return a->usable;
	if (a->fitness != b->fitness)
		return a->fitness > b->fitness;
	if (a->reach != b->reach)
		return a->reach > b->reach;
	if (a->connections != b->connections)
		return a->connections > b->connections;
	if (a->epoch != b->epoch)
		return a->epoch > b->epoch;
	return a->node > b->node;
}

#define STAY(why)                                                                                            \
	{                                                                                                    \
		ELECTION_IGNORE, NODE_STATE_COUNT, why                                                       \
	}
#define ASK(why)                                                                                             \
	{                                                                                                    \
		ELECTION_ASK, NODE_STATE_COUNT, why                                                          \
	}
#define RAISE(why)                                                                                           \
	{                                                                                                    \
		ELECTION_RAISE, NODE_STATE_COUNT, why                                                        \
	}
#define REFUSE(why)                                                                                          \
	{                                                                                                    \
		ELECTION_REFUSE, NODE_STATE_COUNT, why                                                       \
	}
#define MOVE(next, why)                                                                                      \
	{                                                                                                    \
		ELECTION_MOVE, NODE_##next, why                                                              \
	}
#define CLAIM(why)                                                                                           \
	{                                                                                                    \
		ELECTION_CLAIM, NODE_ACTIVE, why                                                             \
	}
#define YIELD(next, why)                                                                                     \
	{                                                                                                    \
		ELECTION_YIELD, NODE_##next, why                                                             \
	}

static const struct election_cell table[NODE_STATE_COUNT][ELECTION_EVENT_COUNT] =
	{
		[NODE_STARTING] =
			{
				[ELECTION_SILENCE] = CLAIM("nobody else was heard during the wait"),
				[ELECTION_FIRST] = ASK("nobody holds the VIP and this node goes first"),
				[ELECTION_GRANTED] =
					CLAIM("the peer granted it: nobody held it and this node goes first"),
				[ELECTION_RELEASED] = CLAIM("the peer released it"),
				[ELECTION_PEER_HOLDS] = MOVE(PASSIVE, "the peer holds it"),
				[ELECTION_WAITED] =
					MOVE(PASSIVE, "start_wait is over and this node may not claim yet"),
				[ELECTION_SPLIT_WON] = STAY("a starting node holds nothing"),
				[ELECTION_SPLIT_LOST] = STAY("a starting node holds nothing"),
				[ELECTION_SPLIT_ENDED] = STAY("a starting node holds nothing"),
				[ELECTION_LAPSED] = STAY("a starting node has no fence to lose"),
				[ELECTION_OVERRUN] = STAY("a starting node renews nothing"),
				[ELECTION_PEER_FITTER] = STAY("a starting node has nothing to hand over"),
				[ELECTION_OUTRANKED] = STAY("a starting node has nothing to hand over"),
				[ELECTION_SWITCHOVER] = REFUSE("this node does not hold the VIP"),
				[ELECTION_PREPARED] = STAY("a starting node has nothing to give"),
				[ELECTION_BROKEN] = MOVE(FAULT, "this node cannot hold the VIP"),
				[ELECTION_MENDED] = STAY("a starting node had not said that it was broken"),
				[ELECTION_DRAINED] = STAY("a starting node has no connections"),
				[ELECTION_STOP] = MOVE(PASSIVE, "the daemon stops"),
			},
		[NODE_PASSIVE] =
			{
				[ELECTION_SILENCE] = CLAIM("the peer fell silent"),
				[ELECTION_FIRST] = ASK("nobody holds the VIP and this node goes first"),
				[ELECTION_GRANTED] =
					CLAIM("the peer granted it: nobody held it and this node goes first"),
				[ELECTION_RELEASED] = CLAIM("the peer released it"),
				[ELECTION_PEER_HOLDS] = STAY("that is how it should be"),
				[ELECTION_WAITED] = STAY("start_wait is for a starting node"),
				[ELECTION_SPLIT_WON] = STAY("a passive node holds nothing"),
				[ELECTION_SPLIT_LOST] = STAY("a passive node holds nothing"),
				[ELECTION_SPLIT_ENDED] = STAY("a passive node holds nothing"),
				[ELECTION_LAPSED] = STAY("a passive node has no fence to lose"),
				[ELECTION_OVERRUN] = STAY("a passive node renews nothing"),
				[ELECTION_PEER_FITTER] = STAY("a passive node has nothing to hand over"),
				[ELECTION_OUTRANKED] = STAY("a passive node has nothing to hand over"),
				[ELECTION_SWITCHOVER] = REFUSE("this node does not hold the VIP"),
				[ELECTION_PREPARED] = STAY("a passive node has nothing to give"),
				[ELECTION_BROKEN] = MOVE(FAULT, "this node cannot hold the VIP"),
				[ELECTION_MENDED] = STAY("nothing was broken"),
				[ELECTION_DRAINED] = STAY("no drain is going on"),
				[ELECTION_STOP] = STAY("there is nothing to give up; goodbye is said"),
			},
		[NODE_ACTIVE] =
			{
				[ELECTION_SILENCE] =
					STAY("the lease from silence is renewed, nothing is claimed"),
				[ELECTION_FIRST] = STAY("this node holds it already"),
				[ELECTION_GRANTED] = STAY("a grant extends the lease, nothing is claimed"),
				[ELECTION_RELEASED] = STAY("this node holds it already"),
				[ELECTION_PEER_HOLDS] = STAY("both hold: it is a split, and decided as one"),
				[ELECTION_WAITED] = STAY("start_wait is for a starting node"),
				[ELECTION_SPLIT_WON] = STAY("both hold, and the peer is to let go"),
				[ELECTION_SPLIT_LOST] = YIELD(PASSIVE, "both held it, and the peer keeps it"),
				[ELECTION_SPLIT_ENDED] = RAISE("the peer let go after a split"),
				[ELECTION_LAPSED] = YIELD(PASSIVE, "the lease ran out"),
				[ELECTION_OVERRUN] =
					YIELD(PASSIVE, "a renewal of the fence failed or took too long"),
				[ELECTION_PEER_FITTER] = YIELD(PASSIVE, "the peer is fitter"),
				[ELECTION_OUTRANKED] =
					YIELD(PASSIVE, "preempt: the peer has the higher priority"),
				[ELECTION_SWITCHOVER] = YIELD(PASSIVE, "switchover by the operator"),
				[ELECTION_PREPARED] =
					YIELD(DRAINING,
					      "the VIP is handed over; connections are served to their end"),
				[ELECTION_BROKEN] = YIELD(FAULT, "this node cannot hold the VIP"),
				[ELECTION_MENDED] = STAY("nothing was broken"),
				[ELECTION_DRAINED] = STAY("a drain ended by claiming again"),
				[ELECTION_STOP] = YIELD(PASSIVE, "the daemon stops"),
			},
		[NODE_DRAINING] =
			{
				[ELECTION_SILENCE] = CLAIM("the peer fell silent during the drain"),
				[ELECTION_FIRST] = ASK("nobody holds the VIP and this node goes first"),
				[ELECTION_GRANTED] = CLAIM("the peer granted it back"),
				[ELECTION_RELEASED] = CLAIM("the peer released it back"),
				[ELECTION_PEER_HOLDS] = STAY("that is how it should be"),
				[ELECTION_WAITED] = STAY("start_wait is for a starting node"),
				[ELECTION_SPLIT_WON] = STAY("a draining node holds nothing"),
				[ELECTION_SPLIT_LOST] = STAY("a draining node holds nothing"),
				[ELECTION_SPLIT_ENDED] = STAY("a draining node holds nothing"),
				[ELECTION_LAPSED] = STAY("a draining node has given its lease away"),
				[ELECTION_OVERRUN] = STAY("a draining node renews nothing"),
				[ELECTION_PEER_FITTER] = STAY("the VIP was given away already"),
				[ELECTION_OUTRANKED] = STAY("the VIP was given away already"),
				[ELECTION_SWITCHOVER] = REFUSE("this node has given the VIP away already"),
				[ELECTION_PREPARED] = STAY("the VIP was given away already"),
				[ELECTION_BROKEN] = MOVE(FAULT, "this node cannot hold the VIP"),
				[ELECTION_MENDED] = STAY("nothing was broken"),
				[ELECTION_DRAINED] = MOVE(PASSIVE, "its connections have ended"),
				[ELECTION_STOP] = MOVE(PASSIVE, "the daemon stops"),
			},
		[NODE_FAULT] =
			{
				[ELECTION_SILENCE] = STAY("this node cannot hold the VIP"),
				[ELECTION_FIRST] = STAY("this node cannot hold the VIP"),
				[ELECTION_GRANTED] = STAY("this node cannot hold the VIP"),
				[ELECTION_RELEASED] = STAY("this node cannot hold the VIP"),
				[ELECTION_PEER_HOLDS] = STAY("that is how it should be"),
				[ELECTION_WAITED] = STAY("start_wait is for a starting node"),
				[ELECTION_SPLIT_WON] = STAY("a node in fault holds nothing"),
				[ELECTION_SPLIT_LOST] = STAY("a node in fault holds nothing"),
				[ELECTION_SPLIT_ENDED] = STAY("a node in fault holds nothing"),
				[ELECTION_LAPSED] = STAY("a node in fault has no fence to lose"),
				[ELECTION_OVERRUN] = STAY("a node in fault renews nothing"),
				[ELECTION_PEER_FITTER] = STAY("a node in fault has nothing to hand over"),
				[ELECTION_OUTRANKED] = STAY("a node in fault has nothing to hand over"),
				[ELECTION_SWITCHOVER] = REFUSE("this node does not hold the VIP"),
				[ELECTION_PREPARED] = STAY("a node in fault has nothing to give"),
				[ELECTION_BROKEN] = STAY("that is known"),
				[ELECTION_MENDED] = MOVE(PASSIVE, "this node can hold the VIP again"),
				[ELECTION_DRAINED] = STAY("no drain is going on"),
				[ELECTION_STOP] = STAY("there is nothing to give up; goodbye is said"),
			},
};

const struct election_cell *election_cell(enum node_state state, enum election_event event)
{
	return &table[state][event];
}

const char *election_event_name(enum election_event event)
{
	static const char *const names[ELECTION_EVENT_COUNT] = {
		[ELECTION_SILENCE] = "silence",
		[ELECTION_FIRST] = "first",
		[ELECTION_GRANTED] = "granted",
		[ELECTION_RELEASED] = "released",
		[ELECTION_PEER_HOLDS] = "peer_holds",
		[ELECTION_WAITED] = "waited",
		[ELECTION_SPLIT_WON] = "split_won",
		[ELECTION_SPLIT_LOST] = "split_lost",
		[ELECTION_SPLIT_ENDED] = "split_ended",
		[ELECTION_LAPSED] = "lapsed",
		[ELECTION_OVERRUN] = "overrun",
		[ELECTION_PEER_FITTER] = "peer_fitter",
		[ELECTION_OUTRANKED] = "outranked",
		[ELECTION_SWITCHOVER] = "switchover",
		[ELECTION_PREPARED] = "prepared",
		[ELECTION_BROKEN] = "broken",
		[ELECTION_MENDED] = "mended",
		[ELECTION_DRAINED] = "drained",
		[ELECTION_STOP] = "stop",
	};

	return event < ELECTION_EVENT_COUNT ? names[event] : "?";
}
