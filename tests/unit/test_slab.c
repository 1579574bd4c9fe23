/* rooms: proxy/slab.c */
#include "proxy/slab.h"

#include "proxy/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void gives_back_the_warmest_first(void **state)
{
	struct slab slab;
	slab_init(&slab, 100, 8, 100);
	void *a = slab_get(&slab), *b = slab_get(&slab);
	slab_put(&slab, a);
	slab_put(&slab, b);
	assert_ptr_equal(slab_get(&slab), b);
	assert_ptr_equal(slab_get(&slab), a);
	slab_done(&slab);
}

static void stops_at_its_limit_and_goes_on_when_one_comes_back(void **state)
{
	struct slab slab;
	void *all[10];
	slab_init(&slab, 64, 4, 10);
	for (int i = 0; i < 10; i++) {
		all[i] = slab_get(&slab);
		assert_non_null(all[i]);
		assert_int_equal((uintptr_t)all[i] % 64, 0);
		for (int j = 0; j < i; j++)
			assert_ptr_not_equal(all[i], all[j]);
	}
	assert_null(slab_get(&slab));
	slab_put(&slab, all[3]);
	assert_ptr_equal(slab_get(&slab), all[3]);
	assert_int_equal(slab.used, 10);
	slab_done(&slab);
}

static void objects_do_not_touch_each_other(void **state)
{
	struct slab slab;
	char *all[50];
	slab_init(&slab, 65, 7, 50);
	for (int i = 0; i < 50; i++) {
		all[i] = slab_get(&slab);
		memset(all[i], i, 65);
	}
	for (int i = 0; i < 50; i++)
		for (int j = 0; j < 65; j++)
			assert_int_equal(all[i][j], i);
	slab_done(&slab);
}

static void a_buffer_keeps_its_bytes_in_order(void **state)
{
	struct slab slab;
	slab_init(&slab, sizeof(struct buffer), 4, 4);
	struct buffer *b = buffer_get(&slab);
	assert_int_equal(buffer_used(b), 0);
	assert_int_equal(buffer_room(b), BUFFER_BYTES);
	memcpy(b->bytes, "0123456789", 10);
	b->end = 10;
	buffer_consume(b, 4);
	assert_true(span_equal(buffer_span(b), SPAN("456789")));
	buffer_pack(b);
	assert_true(span_equal(buffer_span(b), SPAN("456789")));
	assert_int_equal(buffer_room(b), BUFFER_BYTES - 6);
	buffer_consume(b, 6);
	assert_int_equal(b->start, 0);
	assert_int_equal(buffer_room(b), BUFFER_BYTES);
	slab_done(&slab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_back_the_warmest_first),
		cmocka_unit_test(stops_at_its_limit_and_goes_on_when_one_comes_back),
		cmocka_unit_test(objects_do_not_touch_each_other),
		cmocka_unit_test(a_buffer_keeps_its_bytes_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
