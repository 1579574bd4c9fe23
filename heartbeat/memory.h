/*
 * memory.h: what must survive the crash of the heartbeat role, in a memory that the supervisor owns and
 * shares with it (MSG_MEMORY), so that a restarted heartbeat carries on within its own lease, under the same
 * boot id.
 *
 * Two slots, written in turn: the older one is overwritten, then its serial makes it the newer. A crash in
 * the middle of a write leaves a slot whose checksum is wrong, and the other one counts. Instants are
 * clock_now() of this machine; the memory dies with the supervisor, so never outlives them.
 */
#ifndef HAPAIR_HEARTBEAT_MEMORY_H
#define HAPAIR_HEARTBEAT_MEMORY_H

#include "heartbeat/damping.h"
#include "heartbeat/detect.h"

#define MEMORY_MAGIC  UINT64_C(0x6861706169726d33) /* "hapairm3"; another layout takes another number */
#define MEMORY_REASON 96
/* Sequences that a role may use between two saves; a restarted one begins beyond them. */
#define MEMORY_SEQUENCES 4096

struct memory_record {
	uint64_t boot;     /* own; 0: no earlier life */
	uint64_t sequence; /* the last one used when this was saved */
	uint64_t epoch, epoch_seen;
	uint64_t ask_from;
	uint32_t state; /* enum node_state */
	uint8_t asks, fitness, usable, on_silence, claimed_by_order, peer_lost, held_down;
	nanos saved;     /* when */
	nanos since;     /* of state */
	nanos fence_end; /* 0: closed */
	nanos granted, not_before, promised, start_end, retry_after, fit_since, refused_until, hold_down;
	struct damping damping;
	struct lease_sending echoed;
	struct detect detect;
	struct wire_message peer; /* the newest believed message */
	uint32_t sent_on_link[CONFIG_LINKS_MAX];
	char reason[MEMORY_REASON];
};

struct memory_slot {
	uint64_t magic;
	uint64_t serial; /* odd and even slots in turn; 0: never written */
	struct memory_record record;
	uint64_t checksum; /* over all before it */
};

struct memory {
	struct memory_slot slots[2];
};

/* The newer whole slot, or false when there is none (all zero, torn, or another layout). */
bool memory_load(const struct memory *memory, struct memory_record *ret);
/* A handful of microseconds. Another process may read at any instant. */
void memory_save(struct memory *memory, const struct memory_record *record);

#endif
