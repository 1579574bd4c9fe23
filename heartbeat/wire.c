/*
 * wire.c: encode and decode. The offsets below are the picture in wire.h.
 */
#include "heartbeat/wire.h"

#include <endian.h>
#include <string.h>

#define MAGIC 0x68617072u /* "hapr" */

enum offset {
	AT_MAGIC = 0,
	AT_VERSION = 4,
	AT_LINK = 5,
	AT_FLAGS = 6,
	AT_CLUSTER = 8,
	AT_KEY = 24,
	AT_STATE = 28,
	AT_FITNESS = 29,
	AT_HEARD_LINKS = 30,
	AT_NODE = 32,
	AT_BOOT = 40,
	AT_SEQUENCE = 48,
	AT_ECHO_BOOT = 56,
	AT_ECHO_SEQUENCE = 64,
	AT_ECHO_AGO = 72,
	AT_HOLD = 76,
	AT_EPOCH = 80,
	AT_DEAD = 88,
	AT_LINGER = 92,
	AT_INTERVAL = 96,
	AT_SENT_ON_LINK = 100,
	AT_CONNECTIONS = 104,
	AT_PRIORITY = 108,
	AT_SYNC_VERSION = 112,
	AT_DIGEST = 120,
	AT_HANDOVER = 128,
	AT_N_MACS = 129,
	AT_MACS = 132,
};

static void put16(uint8_t *p, uint16_t v)
{
	v = htobe16(v);
	memcpy(p, &v, sizeof(v));
}

static void put32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

static void put64(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

static uint16_t get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

/* Rounds down: a hold or an age that is told too small only makes the receiver more careful. */
static uint32_t micros(nanos duration)
{
	if (duration <= 0)
		return 0;
	duration /= NS_PER_US;
	return duration < UINT32_MAX ? (uint32_t)duration : UINT32_MAX;
}

/* The largest number is forever, which is said only when it is meant. */
static uint32_t hold_micros(nanos hold)
{
	uint32_t value = micros(hold);

	return hold != WIRE_FOREVER && value == UINT32_MAX ? UINT32_MAX - 1 : value;
}

static nanos duration_of(uint32_t value)
{
	return US(value);
}

uint64_t wire_number(const uint8_t bytes[8])
{
	return get64(bytes);
}

int wire_check(const uint8_t *bytes, size_t n, const uint8_t cluster[WIRE_CLUSTER])
{
	if (n < WIRE_SIZE_MIN)
		return REJECT_SHORT;
	if (get32(bytes + AT_MAGIC) != MAGIC)
		return REJECT_MAGIC;
	if (bytes[AT_VERSION] == 0 || n > WIRE_SIZE_MAX || (bytes[AT_VERSION] == 1 && n != WIRE_SIZE_MIN) ||
	    (bytes[AT_VERSION] == WIRE_VERSION && n != WIRE_SIZE))
		return REJECT_VERSION;
	if (memcmp(bytes + AT_CLUSTER, cluster, WIRE_CLUSTER) != 0)
		return REJECT_CLUSTER;
	return REJECT_NONE;
}

uint32_t wire_key_id(const uint8_t *bytes)
{
	return get32(bytes + AT_KEY);
}

void wire_decode(const uint8_t *bytes, size_t n, struct wire_message *ret)
{
	uint32_t hold = get32(bytes + AT_HOLD);

	*ret = (struct wire_message){
		.version = bytes[AT_VERSION],
		.link = bytes[AT_LINK],
		.flags = get16(bytes + AT_FLAGS),
		.state = bytes[AT_STATE] < NODE_STATE_COUNT ? bytes[AT_STATE] : NODE_FAULT,
		.fitness = bytes[AT_FITNESS] < FITNESS_COUNT ? bytes[AT_FITNESS] : FITNESS_DEAD,
		.heard_links = bytes[AT_HEARD_LINKS],
		.node = get64(bytes + AT_NODE),
		.boot = get64(bytes + AT_BOOT),
		.sequence = get64(bytes + AT_SEQUENCE),
		.echo_boot = get64(bytes + AT_ECHO_BOOT),
		.echo_sequence = get64(bytes + AT_ECHO_SEQUENCE),
		.echo_ago = duration_of(get32(bytes + AT_ECHO_AGO)),
		.hold = hold == UINT32_MAX ? WIRE_FOREVER : duration_of(hold),
		.epoch = get64(bytes + AT_EPOCH),
		.dead = duration_of(get32(bytes + AT_DEAD)),
		.linger = duration_of(get32(bytes + AT_LINGER)),
		.interval = duration_of(get32(bytes + AT_INTERVAL)),
		.sent_on_link = get32(bytes + AT_SENT_ON_LINK),
		.connections = get32(bytes + AT_CONNECTIONS),
		.priority = get32(bytes + AT_PRIORITY),
		.sync_version = get64(bytes + AT_SYNC_VERSION),
		.digest = get64(bytes + AT_DIGEST),
	};
	/* What a later version says here is what this one does, or it says nothing of it. */
	if (bytes[AT_VERSION] < 2 || n < WIRE_SIZE)
		return;
	ret->handover = bytes[AT_HANDOVER];
	ret->n_macs = bytes[AT_N_MACS] < WIRE_MACS ? bytes[AT_N_MACS] : WIRE_MACS;
	memcpy(ret->macs, bytes + AT_MACS, sizeof(ret->macs));
}

void wire_encode(const struct wire_message *m, const uint8_t cluster[WIRE_CLUSTER], uint32_t key_id,
		 uint8_t out[WIRE_SIZE])
{
	memset(out, 0, WIRE_SIZE);
	put32(out + AT_MAGIC, MAGIC);
	out[AT_VERSION] = WIRE_VERSION;
	out[AT_LINK] = m->link;
	put16(out + AT_FLAGS, m->flags);
	memcpy(out + AT_CLUSTER, cluster, WIRE_CLUSTER);
	put32(out + AT_KEY, key_id);
	out[AT_STATE] = m->state;
	out[AT_FITNESS] = m->fitness;
	out[AT_HEARD_LINKS] = m->heard_links;
	put64(out + AT_NODE, m->node);
	put64(out + AT_BOOT, m->boot);
	put64(out + AT_SEQUENCE, m->sequence);
	put64(out + AT_ECHO_BOOT, m->echo_boot);
	put64(out + AT_ECHO_SEQUENCE, m->echo_sequence);
	put32(out + AT_ECHO_AGO, micros(m->echo_ago));
	put32(out + AT_HOLD, hold_micros(m->hold));
	put64(out + AT_EPOCH, m->epoch);
	put32(out + AT_DEAD, micros(m->dead));
	put32(out + AT_LINGER, micros(m->linger));
	put32(out + AT_INTERVAL, micros(m->interval));
	put32(out + AT_SENT_ON_LINK, m->sent_on_link);
	put32(out + AT_CONNECTIONS, m->connections);
	put32(out + AT_PRIORITY, m->priority);
	put64(out + AT_SYNC_VERSION, m->sync_version);
	put64(out + AT_DIGEST, m->digest);
	out[AT_HANDOVER] = m->handover;
	out[AT_N_MACS] = m->n_macs;
	memcpy(out + AT_MACS, m->macs, sizeof(m->macs));
}
