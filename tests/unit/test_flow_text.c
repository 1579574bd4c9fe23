/* rooms: hapair/sync/flow_text.c hapair/base/addr.c */
#include "hapair/sync/flow_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define FOUR "40a000007c3500a00003201bb"
#define SIX  "620010db8000000000000000000000007c350fd0000000000000000000000000000500050"

static struct flow flow_of(const char *client, const char *vip)
{
	struct flow flow;

	assert_int_equal(addr_parse(span_of(client), &flow.client), 0);
	assert_int_equal(addr_parse(span_of(vip), &flow.vip), 0);
	return flow;
}

static void connections_of_both_families_are_written_and_read(void **state)
{
	struct flow four = flow_of("10.0.0.7:50000", "10.0.0.50:443"),
		    six = flow_of("[2001:db8::7]:50000", "[fd00::50]:80"), back;
	char out[2 * FLOW_TEXT_MAX];
	size_t n = flow_text_write(&four, out);

	assert_int_equal(n, strlen(FOUR));
	assert_int_equal(flow_text_write(&six, out + n), strlen(SIX));
	assert_memory_equal(out, FOUR SIX, strlen(FOUR SIX));
	assert_int_equal(flow_text_read(out, strlen(FOUR SIX), &back), strlen(FOUR));
	assert_true(flow_equal(&back, &four));
	assert_int_equal(flow_text_read(out + n, strlen(SIX), &back), FLOW_TEXT_MAX);
	assert_true(flow_equal(&back, &six));
}

static void what_is_cut_or_is_none_is_refused(void **state)
{
	char text[] = SIX;
	struct flow flow;

	for (size_t n = 0; n < strlen(SIX); n++)
		assert_int_equal(flow_text_read(SIX, n, &flow), 0);
	for (size_t n = 0; n < strlen(FOUR); n++)
		assert_int_equal(flow_text_read(FOUR, n, &flow), 0);
	for (size_t i = 0; i < strlen(SIX); i++) {
		text[i] = 'G';
		assert_int_equal(flow_text_read(text, strlen(SIX), &flow), 0);
		text[i] = SIX[i];
	}
	assert_int_equal(flow_text_read("50a000007c3500a00003201bb", strlen(FOUR), &flow), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_of_both_families_are_written_and_read),
		cmocka_unit_test(what_is_cut_or_is_none_is_refused),
	};

	return cmocka_run_group_tests_name("flow_text", tests, NULL, NULL);
}
