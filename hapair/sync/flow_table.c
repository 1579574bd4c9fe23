/*
 * flow_table.c: entries without gaps, found by open addressing. A removed one's place is taken by the last; news() goes downwards, so
 * that what it moves it has seen.
 */
#include "hapair/sync/flow_table.h"

#include <errno.h>
#include <string.h>

void flow_table_init(struct flow_table *table, uint64_t seed)
{
	table->seed = seed;
	flow_table_clear(table);
}

void flow_table_clear(struct flow_table *table)
{
	if (table->n)
		memset(table->slots, 0, sizeof(table->slots));
	table->n = table->cursor = table->refused = 0;
}

/* The finisher of splitmix64: every bit of the input moves half of those of the output. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static uint64_t mix_addr(uint64_t h, const struct addr *addr)
{
	uint64_t part[2];

	memcpy(part, addr->ip.bytes, sizeof(part));
	return mix(mix(mix(h ^ part[0]) ^ part[1]) ^ addr->port);
}

static size_t home_of(const struct flow_table *table, const struct flow *flow)
{
	return mix_addr(mix_addr(table->seed, &flow->client), &flow->vip) & (FLOW_TABLE_SLOTS - 1);
}

/* The slot where it is, or the free one where it would be. */
static size_t slot_of(const struct flow_table *table, const struct flow *flow)
{
	size_t slot = home_of(table, flow);

	while (table->slots[slot] && !flow_equal(&table->entries[table->slots[slot] - 1].flow, flow))
		slot = (slot + 1) & (FLOW_TABLE_SLOTS - 1);
	return slot;
}

static struct flow_entry *put(struct flow_table *table, const struct flow *flow, int *ret)
{
	size_t slot = slot_of(table, flow);

	*ret = 0;
	if (!table->slots[slot]) {
		*ret = table->n < FLOW_TABLE_MAX ? 1 : -ENOSPC;
		if (*ret < 0)
			return NULL;
		table->entries[table->n] = (struct flow_entry){.flow = *flow};
		table->slots[slot] = (uint32_t)++table->n;
	}
	return &table->entries[table->slots[slot] - 1];
}

int flow_table_add(struct flow_table *table, const struct flow *flow)
{
	int ret;

	put(table, flow, &ret);
	return ret;
}

/* Those behind it that are not at home move up, so that no search ends at the gap. */
static void free_slot(struct flow_table *table, size_t gap)
{
	size_t slot = gap;

	table->slots[gap] = 0;
	for (;;) {
		size_t home;

		slot = (slot + 1) & (FLOW_TABLE_SLOTS - 1);
		if (!table->slots[slot])
			return;
		home = home_of(table, &table->entries[table->slots[slot] - 1].flow);
		if (((slot - home) & (FLOW_TABLE_SLOTS - 1)) < ((slot - gap) & (FLOW_TABLE_SLOTS - 1)))
			continue;
		table->slots[gap] = table->slots[slot];
		table->slots[slot] = 0;
		gap = slot;
	}
}

bool flow_table_remove(struct flow_table *table, const struct flow *flow)
{
	size_t slot = slot_of(table, flow), at = table->slots[slot], last = table->n;

	if (!at)
		return false;
	free_slot(table, slot);
	if (at != last) {
		table->slots[slot_of(table, &table->entries[last - 1].flow)] = (uint32_t)at;
		table->entries[at - 1] = table->entries[last - 1];
	}
	table->n--;
	return true;
}

void flow_table_scan_begin(struct flow_table *table)
{
	table->scan++;
	table->refused = 0;
}

void flow_table_see(struct flow_table *table, const struct flow *flow)
{
	int error;
	struct flow_entry *entry = put(table, flow, &error);

	if (entry)
		entry->seen = table->scan;
	else
		table->refused++;
}

void flow_table_scan_end(struct flow_table *table)
{
	table->cursor = table->n;
}

enum flow_news flow_table_news(struct flow_table *table, struct flow *ret)
{
	while (table->cursor > 0) {
		struct flow_entry *entry = &table->entries[--table->cursor];
		bool told = entry->told, there = entry->seen == table->scan;

		if (told && there)
			continue;
		*ret = entry->flow;
		entry->told = true;
		if (there)
			return FLOW_IS_NEW;
		flow_table_remove(table, ret);
		if (told)
			return FLOW_IS_GONE;
	}
	return FLOW_NO_NEWS;
}

void flow_table_untell(struct flow_table *table)
{
	for (size_t i = 0; i < table->n; i++)
		table->entries[i].told = false;
	table->cursor = table->n;
}
