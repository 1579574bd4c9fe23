/*
 * replica.c: see replica.h. The hash table is open addressing with linear steps; only making room takes anything out of it, and
 * then builds it anew.
 */
#include "hapair/sync/replica.h"

#include <errno.h>
#include <string.h>

#define FNV_START 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ ((const uint8_t *)bytes)[i]) * FNV_PRIME;
	return h;
}

/* With the zero behind it, so that ("ab", "c") is not ("a", "bc"). */
static uint64_t hash_text(uint64_t h, const char *text)
{
	return hash_bytes(h, text, strlen(text) + 1);
}

static uint64_t hash_record(const struct replica_record *record)
{
	uint64_t h = hash_text(hash_text(FNV_START, record->wanted.pool), record->wanted.server);

	for (int i = 0; i < REPLICA_FIELDS; i++) {
		h = hash_bytes(h, &record->stamps[i].version, sizeof(record->stamps[i].version));
		h = hash_text(h, record->stamps[i].node);
	}
	return h;
}

/* The slot of that server, or the free one where it would stand. */
static size_t find_slot(const struct replica *r, const char *pool, const char *server)
{
	size_t slot = hash_text(hash_text(FNV_START, pool), server) % REPLICA_SLOTS;

	while (r->slots[slot]) {
		const struct server_wanted *wanted = &r->records[r->slots[slot] - 1].wanted;

		if (strcmp(wanted->server, server) == 0 && strcmp(wanted->pool, pool) == 0)
			break;
		slot = (slot + 1) % REPLICA_SLOTS;
	}
	return slot;
}

const struct replica_record *replica_find(const struct replica *r, const char *pool, const char *server)
{
	size_t slot = find_slot(r, pool, server);

	return r->slots[slot] ? &r->records[r->slots[slot] - 1] : NULL;
}

bool replica_is_tombstone(const struct replica_record *record)
{
	const struct server_wanted *wanted = &record->wanted;

	return wanted->action == SERVER_ACTION_READY && wanted->weight == 0 &&
	       wanted->existence == SERVER_AS_CONFIGURED;
}

/* What would not be missed: a removal counts too, of servers that were removed long ago. */
static bool may_go(const struct replica_record *record)
{
	return replica_is_tombstone(record) || record->wanted.existence == SERVER_REMOVED;
}

static uint64_t newest(const struct replica_record *record)
{
	uint64_t version = 0;

	for (int i = 0; i < REPLICA_FIELDS; i++)
		if (record->stamps[i].version > version)
			version = record->stamps[i].version;
	return version;
}

static int make_room(struct replica *r)
{
	struct replica_record *oldest = NULL;

	for (size_t i = 0; i < r->n; i++)
		if (may_go(&r->records[i]) && (!oldest || newest(&r->records[i]) < newest(oldest)))
			oldest = &r->records[i];
	if (!oldest)
		return -ENOSPC;
	r->sum -= hash_record(oldest);
	*oldest = r->records[--r->n];
	memset(r->slots, 0, sizeof(r->slots));
	for (size_t i = 0; i < r->n; i++)
		r->slots[find_slot(r, r->records[i].wanted.pool, r->records[i].wanted.server)] =
			(uint16_t)(i + 1);
	return 0;
}

static struct replica_record *place(struct replica *r, const char *pool, const char *server)
{
	size_t slot = find_slot(r, pool, server);
	struct replica_record *record;

	if (r->slots[slot])
		return &r->records[r->slots[slot] - 1];
	if (r->n == REPLICA_MAX) {
		if (make_room(r) < 0)
			return NULL;
		slot = find_slot(r, pool, server);
	}
	record = &r->records[r->n++];
	memset(record, 0, sizeof(*record));
	MSG_TEXT(record->wanted.pool, pool);
	MSG_TEXT(record->wanted.server, server);
	r->slots[slot] = (uint16_t)r->n;
	r->sum += hash_record(record);
	return record;
}

static bool is_later(const struct stamp *a, const struct stamp *b)
{
	if (a->version != b->version)
		return a->version > b->version;
	return strcmp(a->node, b->node) > 0;
}

static void take(struct server_wanted *to, const struct server_wanted *from, enum replica_field field)
{
	switch (field) {
	case REPLICA_ACTION:
		to->action = from->action;
		return;
	case REPLICA_WEIGHT:
		to->weight = from->weight;
		return;
	case REPLICA_EXISTENCE:
		to->existence = from->existence;
		to->added_weight = from->added_weight;
		to->address = from->address;
		return;
	case REPLICA_FIELDS:
		return;
	}
}

int replica_say(struct replica *r, const struct server_wanted *wanted, unsigned fields, const char *node,
		int64_t wall_ms)
{
	struct replica_record *record = place(r, wanted->pool, wanted->server);
	uint64_t version = r->version + 1;

	if (!record)
		return -ENOSPC;
	if (wall_ms > 0 && (uint64_t)wall_ms > version)
		version = (uint64_t)wall_ms;
	r->sum -= hash_record(record);
	for (enum replica_field i = 0; i < REPLICA_FIELDS; i++) {
		if (!(fields & 1u << i))
			continue;
		record->stamps[i].version = version;
		MSG_TEXT(record->stamps[i].node, node);
		take(&record->wanted, wanted, i);
	}
	r->sum += hash_record(record);
	r->version = version;
	return 0;
}

int replica_merge(struct replica *r, const struct replica_record *from)
{
	struct replica_record *record;
	int changed = 0;

	for (int i = 0; i < REPLICA_FIELDS; i++)
		if (from->stamps[i].version > REPLICA_VERSION_MAX)
			return -EINVAL;
	if (newest(from) == 0)
		return -EINVAL;
	record = place(r, from->wanted.pool, from->wanted.server);
	if (!record)
		return -ENOSPC;
	r->sum -= hash_record(record);
	for (enum replica_field i = 0; i < REPLICA_FIELDS; i++) {
		if (!is_later(&from->stamps[i], &record->stamps[i]))
			continue;
		record->stamps[i] = from->stamps[i];
		take(&record->wanted, &from->wanted, i);
		changed = 1;
	}
	r->sum += hash_record(record);
	if (newest(from) > r->version)
		r->version = newest(from);
	return changed;
}
