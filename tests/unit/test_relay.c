/* rooms: proxy/relay.c proxy/framing.c proxy/slab.c proxy/wheel.c */
/*
 * One direction of bytes: nothing is read before what was read is through, and every way to end has its name.
 */
#include "tests/unit/io_fake.h"

#include "proxy/relay.h"

#include <errno.h>

static struct io_loop loop;
static struct io_stream from, to;
static struct relay relay;

static int set_up(void **state)
{
	io_fake_init(&loop);
	io_fake_stream(&loop, &from);
	io_fake_stream(&loop, &to);
	return 0;
}

static int tear_down(void **state)
{
	relay_done(&relay);
	io_fake_done(&loop);
	return 0;
}

static enum relay_result begin(enum framing_kind kind, uint64_t length, const char *head,
			       const char *received)
{
	struct framing framing;
	framing_init(&framing, kind, length, false);
	return relay_begin(&relay, &from, &to, &framing, span_of(head),
			   *received != '\0' ? io_fake_bytes(&loop, received, strlen(received)) : NULL);
}

static enum relay_result receive(const char *p, size_t n)
{
	assert_true(from.receiving);
	from.receiving = false;
	return relay_received(&relay, n > 0 ? io_fake_bytes(&loop, p, n) : NULL, (ssize_t)n);
}

static enum relay_result sent(const char *want)
{
	char got[256];
	size_t n = 0;
	assert_true(to.sending);
	for (size_t i = 0; i < to.n_out; i++) {
		assert_true(n + to.out[i].iov_len < sizeof(got));
		memcpy(got + n, to.out[i].iov_base, to.out[i].iov_len);
		n += to.out[i].iov_len;
	}
	got[n] = '\0';
	assert_string_equal(got, want);
	to.sending = false;
	return relay_sent(&relay, 0);
}

static enum relay_result spliced(ssize_t n, bool target_failed)
{
	assert_true(from.splicing);
	from.splicing = false;
	return relay_spliced(&relay, n, target_failed);
}

static void head_and_first_bytes_leave_together(void **state)
{
	assert_int_equal(begin(FRAMING_LENGTH, 5, "HEAD|", "hello"), RELAY_GOES_ON);
	assert_int_equal(sent("HEAD|hello"), RELAY_COMPLETE);
	assert_int_equal(relay.bytes, 5);
	assert_false(relay.active);
}

static void nothing_is_received_before_what_was_is_through(void **state)
{
	assert_int_equal(begin(FRAMING_LENGTH, 8, "", ""), RELAY_GOES_ON);
	assert_int_equal(receive("1234", 4), RELAY_GOES_ON);
	assert_false(from.receiving);
	assert_true(relay_is_blocked(&relay));
	assert_int_equal(sent("1234"), RELAY_GOES_ON);
	assert_true(from.receiving);
	assert_false(relay_is_blocked(&relay));
	assert_int_equal(loop.buffers.used, 0);
	assert_int_equal(receive("5678", 4), RELAY_GOES_ON);
	assert_int_equal(sent("5678"), RELAY_COMPLETE);
}

static void what_follows_the_body_stays_in_the_buffer(void **state)
{
	assert_int_equal(begin(FRAMING_LENGTH, 4, "", "bodyGET /next"), RELAY_GOES_ON);
	assert_int_equal(sent("body"), RELAY_COMPLETE);
	assert_non_null(relay.buffer);
	assert_int_equal(buffer_used(relay.buffer), strlen("GET /next"));
}

static void a_body_of_nothing_sends_its_head_and_is_done(void **state)
{
	assert_int_equal(begin(FRAMING_NONE, 0, "HEAD", "surplus"), RELAY_GOES_ON);
	assert_int_equal(sent("HEAD"), RELAY_COMPLETE);
	assert_int_equal(buffer_used(relay.buffer), strlen("surplus"));
}

static void bytes_that_are_all_dropped_send_nothing(void **state)
{
	assert_int_equal(begin(FRAMING_CHUNKED, 0, "", ""), RELAY_GOES_ON);
	assert_int_equal(receive("5", 1), RELAY_GOES_ON);
	assert_int_equal(sent("5"), RELAY_GOES_ON);
	assert_int_equal(receive(";ext=1", 6), RELAY_GOES_ON);
	assert_false(to.sending);
	assert_true(from.receiving);
	assert_int_equal(loop.buffers.used, 0);
}

static void what_was_good_before_a_fault_still_leaves(void **state)
{
	assert_int_equal(begin(FRAMING_CHUNKED, 0, "", "5\r\nhello\r\nZZ"), RELAY_GOES_ON);
	assert_int_equal(sent("5\r\nhello\r\n"), RELAY_MALFORMED);
	assert_int_equal(relay.framing.error, FRAMING_BAD_SIZE);
}

static void an_end_inside_the_body_is_no_end(void **state)
{
	assert_int_equal(begin(FRAMING_LENGTH, 8, "", ""), RELAY_GOES_ON);
	assert_int_equal(receive("1234", 4), RELAY_GOES_ON);
	assert_int_equal(sent("1234"), RELAY_GOES_ON);
	assert_int_equal(receive(NULL, 0), RELAY_TRUNCATED);
}

static void an_end_where_the_connection_ends_the_body_completes(void **state)
{
	assert_int_equal(begin(FRAMING_CLOSE, 0, "", ""), RELAY_GOES_ON);
	assert_int_equal(receive(NULL, 0), RELAY_COMPLETE);
}

static void errors_are_told_by_their_side(void **state)
{
	assert_int_equal(begin(FRAMING_LENGTH, 8, "", ""), RELAY_GOES_ON);
	from.receiving = false;
	assert_int_equal(relay_received(&relay, NULL, -ECONNRESET), RELAY_SOURCE_FAILED);
	assert_int_equal(relay.error, -ECONNRESET);
	assert_int_equal(begin(FRAMING_LENGTH, 8, "", "1234"), RELAY_GOES_ON);
	to.sending = false;
	assert_int_equal(relay_sent(&relay, -EPIPE), RELAY_TARGET_FAILED);
	assert_int_equal(relay.error, -EPIPE);
}

static void a_long_body_is_spliced_to_its_last_byte_and_no_further(void **state)
{
	const uint64_t length = 5000000;
	assert_int_equal(begin(FRAMING_LENGTH, length, "HEAD", ""), RELAY_GOES_ON);
	assert_int_equal(sent("HEAD"), RELAY_GOES_ON);
	uint64_t left = length;
	while (left > 40000) {
		assert_in_range(from.splice_max, 1, left);
		assert_int_equal(spliced(40000, false), RELAY_GOES_ON);
		left -= 40000;
	}
	assert_int_equal(left, 40000);
	assert_int_equal(from.splice_max, 40000);
	assert_int_equal(spliced(40000, false), RELAY_COMPLETE);
	assert_int_equal(relay.bytes, length);
}

static void the_end_of_a_body_that_is_short_is_received(void **state)
{
	assert_int_equal(begin(FRAMING_LENGTH, 100000, "", ""), RELAY_GOES_ON);
	assert_int_equal(spliced(99996, false), RELAY_GOES_ON);
	assert_false(from.splicing);
	assert_int_equal(receive("tail", 4), RELAY_GOES_ON);
	assert_int_equal(sent("tail"), RELAY_COMPLETE);
}

static void what_the_pipe_holds_goes_before_anything_is_received(void **state)
{
	assert_int_equal(begin(FRAMING_LENGTH, 100000, "", ""), RELAY_GOES_ON);
	loop.in_pipe = 4;
	assert_int_equal(spliced(99996, false), RELAY_GOES_ON);
	assert_true(from.splicing);
	assert_int_equal(from.splice_max, 4);
	loop.in_pipe = 0;
	assert_int_equal(spliced(4, false), RELAY_COMPLETE);
}

static void without_a_pipe_bytes_are_copied(void **state)
{
	assert_int_equal(begin(FRAMING_LENGTH, 1000000, "", ""), RELAY_GOES_ON);
	assert_int_equal(spliced(-EMFILE, false), RELAY_GOES_ON);
	assert_int_equal(receive("copied", 6), RELAY_GOES_ON);
	assert_int_equal(sent("copied"), RELAY_GOES_ON);
	assert_true(from.receiving);
	assert_false(from.splicing);
}

static void a_failed_splice_is_told_by_its_side(void **state)
{
	assert_int_equal(begin(FRAMING_LENGTH, 1000000, "", ""), RELAY_GOES_ON);
	assert_int_equal(spliced(-EPIPE, true), RELAY_TARGET_FAILED);
	assert_int_equal(begin(FRAMING_LENGTH, 1000000, "", ""), RELAY_GOES_ON);
	assert_int_equal(spliced(-ECONNRESET, false), RELAY_SOURCE_FAILED);
	assert_int_equal(begin(FRAMING_LENGTH, 1000000, "", ""), RELAY_GOES_ON);
	assert_int_equal(spliced(0, false), RELAY_TRUNCATED);
}

static void a_tunnel_splices_while_buffers_come_full(void **state)
{
	static char full[BUFFER_BYTES];
	assert_int_equal(begin(FRAMING_CLOSE, 0, "", ""), RELAY_GOES_ON);
	assert_int_equal(receive("small", 5), RELAY_GOES_ON);
	assert_int_equal(sent("small"), RELAY_GOES_ON);
	assert_false(from.splicing);
	assert_int_equal(receive(full, sizeof(full)), RELAY_GOES_ON);
	to.sending = false;
	assert_int_equal(relay_sent(&relay, 0), RELAY_GOES_ON);
	assert_int_equal(spliced(60000, false), RELAY_GOES_ON);
	assert_int_equal(spliced(10, false), RELAY_GOES_ON);
	assert_false(from.splicing);
	assert_true(from.receiving);
}

static void tls_is_never_spliced(void **state)
{
	loop.no_splice = true;
	assert_int_equal(begin(FRAMING_LENGTH, 1000000, "", ""), RELAY_GOES_ON);
	assert_true(from.receiving);
	assert_false(from.splicing);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(head_and_first_bytes_leave_together),
		TEST(nothing_is_received_before_what_was_is_through),
		TEST(what_follows_the_body_stays_in_the_buffer),
		TEST(a_body_of_nothing_sends_its_head_and_is_done),
		TEST(bytes_that_are_all_dropped_send_nothing),
		TEST(what_was_good_before_a_fault_still_leaves),
		TEST(an_end_inside_the_body_is_no_end),
		TEST(an_end_where_the_connection_ends_the_body_completes),
		TEST(errors_are_told_by_their_side),
		TEST(a_long_body_is_spliced_to_its_last_byte_and_no_further),
		TEST(the_end_of_a_body_that_is_short_is_received),
		TEST(what_the_pipe_holds_goes_before_anything_is_received),
		TEST(without_a_pipe_bytes_are_copied),
		TEST(a_failed_splice_is_told_by_its_side),
		TEST(a_tunnel_splices_while_buffers_come_full),
		TEST(tls_is_never_spliced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
