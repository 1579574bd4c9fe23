/* rooms: hapair/sync/flow_text.c hapair/sync/flow_table.c hapair/base/addr.c */
/* parsers: hapair/sync/flow_text.c */
/*
 * What the other node says of its connections: any bytes are read to their end or to the first that is none, each that was read is
 * written as it was, and the table holds what a list of them holds.
 *
 * The first byte says how many bytes are about new ones; the rest is about gone ones.
 */
#include "hapair/sync/flow_table.h"
#include "hapair/sync/flow_text.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static struct flow_table table;

static void hear(const char *text, size_t n, bool new)
{
	char again[FLOW_TEXT_MAX];
	struct flow flow;

	for (size_t length; n && (length = flow_text_read(text, n, &flow)); text += length, n -= length) {
		CHECK(length <= n);
		CHECK(flow_text_write(&flow, again) == length && memcmp(again, text, length) == 0);
		if (new)
			CHECK(flow_table_add(&table, &flow) >= 0 && flow_table_add(&table, &flow) == 0);
		else if (flow_table_remove(&table, &flow))
			CHECK(!flow_table_remove(&table, &flow));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t new;

	if (!size)
		return 0;
	new = data[0] < size - 1 ? data[0] : size - 1;
	hear((const char *)data + 1, new, true);
	hear((const char *)data + 1 + new, size - 1 - new, false);
	while (table.n) {
		struct flow flow = table.entries[0].flow;

		CHECK(flow_table_remove(&table, &flow));
	}
	return 0;
}
