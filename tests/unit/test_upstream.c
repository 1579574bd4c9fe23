/* rooms: proxy/upstream.c proxy/slab.c proxy/wheel.c */
/*
 * Idle connections: who gets which, how long they wait, and that they never stand in the way of one that is needed.
 */
#include "tests/unit/io_fake.h"

#include "proxy/upstream.h"

#include <errno.h>

#define LIMIT 4

static struct io_loop loop;
static struct upstreams all;
/* With room for one worker's idle connections behind it. */
union one_worker {
	struct server server;
	char room[sizeof(struct server) + sizeof(struct server_idle)];
};
static union one_worker a, b;
static int owner;

static const struct io_handler handler = {.on_closed = upstream_closed};

static void server_reset(struct server *server)
{
	memset(server, 0, sizeof(union one_worker));
	list_init(&server->idle[0].list);
}

static int set_up(void **state)
{
	io_fake_init(&loop);
	server_reset(&a.server);
	server_reset(&b.server);
	upstreams_init(&all, &loop, 0, LIMIT);
	return 0;
}

static int tear_down(void **state)
{
	upstreams_close_idle(&all);
	io_fake_turn(&loop);
	assert_int_equal(a.server.refs, 0);
	assert_int_equal(b.server.refs, 0);
	assert_int_equal(all.open, 0);
	upstreams_done(&all);
	io_fake_done(&loop);
	return 0;
}

static struct upstream *connect_to(struct server *server)
{
	struct upstream *u = upstream_connect(&all, server, &handler, &owner);
	if (u != NULL)
		u->stream.connecting = false;
	return u;
}

static struct upstream *take(struct server *server, nanos max_age)
{
	return upstream_take(&all, server, max_age, &handler, &owner);
}

static void the_most_recently_used_is_taken_first(void **state)
{
	struct upstream *first = connect_to(&a.server), *second = connect_to(&a.server);
	assert_false(first->reused);
	upstream_give_back(first);
	upstream_give_back(second);
	assert_ptr_equal(take(&a.server, UPSTREAM_IDLE_FOR), second);
	assert_ptr_equal(take(&a.server, UPSTREAM_IDLE_FOR), first);
	assert_null(take(&a.server, UPSTREAM_IDLE_FOR));
	assert_true(first->reused);
	assert_ptr_equal(first->stream.owner, &owner);
	upstream_give_back(first);
	upstream_give_back(second);
}

static void another_servers_is_not_taken(void **state)
{
	upstream_give_back(connect_to(&a.server));
	assert_null(take(&b.server, UPSTREAM_IDLE_FOR));
}

static void whoever_takes_one_takes_its_receive(void **state)
{
	struct upstream *u = connect_to(&a.server);
	upstream_give_back(u);
	assert_true(io_is_receiving(&u->stream));
	assert_ptr_equal(take(&a.server, UPSTREAM_IDLE_FOR), u);
	assert_true(io_is_receiving(&u->stream));
	upstream_give_back(u); /* still in flight: not submitted twice */
}

static void one_that_has_waited_too_long_for_the_careful_is_left(void **state)
{
	upstream_give_back(connect_to(&a.server));
	io_fake_clock(&loop, loop.now + MS(600));
	assert_null(take(&a.server, MS(500)));
	struct upstream *u = take(&a.server, MS(700));
	assert_non_null(u);
	upstream_close(u, IO_CLOSE);
}

static void one_that_nobody_took_is_closed(void **state)
{
	upstream_give_back(connect_to(&a.server));
	io_fake_clock(&loop, loop.now + UPSTREAM_IDLE_FOR - MS(10));
	assert_int_equal(a.server.refs, 1);
	io_fake_clock(&loop, loop.now + MS(20));
	assert_int_equal(a.server.refs, 0);
	assert_int_equal(a.server.idle[0].n, 0);
	assert_null(take(&a.server, UPSTREAM_IDLE_FOR));
}

static void received(struct upstream *u, const char *p)
{
	size_t n = strlen(p);
	u->stream.receiving = false;
	u->stream.handler->on_received(&u->stream, n > 0 ? io_fake_bytes(&loop, p, n) : NULL, (ssize_t)n);
	io_fake_turn(&loop);
}

static void one_whose_server_closes_or_speaks_unasked_is_closed(void **state)
{
	upstream_give_back(connect_to(&a.server));
	struct upstream *u = list_entry(a.server.idle[0].list.next, struct upstream, by_server);
	received(u, "");
	assert_int_equal(a.server.refs, 0);
	u = connect_to(&a.server);
	upstream_give_back(u);
	received(u, "HTTP/1.1 408 Request Timeout\r\n\r\n");
	assert_int_equal(a.server.refs, 0);
	assert_null(take(&a.server, UPSTREAM_IDLE_FOR));
}

static void an_idle_one_gives_way_the_oldest_first(void **state)
{
	struct upstream *busy[LIMIT];
	for (int i = 0; i < LIMIT; i++)
		busy[i] = connect_to(i < 2 ? &a.server : &b.server);
	assert_null(connect_to(&b.server));
	upstream_give_back(busy[1]);
	upstream_give_back(busy[0]);
	busy[1] = connect_to(&b.server);
	assert_non_null(busy[1]);
	io_fake_turn(&loop);
	assert_int_equal(a.server.idle[0].n, 1);
	assert_ptr_equal(take(&a.server, UPSTREAM_IDLE_FOR), busy[0]);
	for (int i = 0; i < LIMIT; i++)
		upstream_close(busy[i], IO_CLOSE);
}

static void closing_twice_is_closing_once(void **state)
{
	struct upstream *u = connect_to(&a.server);
	upstream_close(u, IO_CLOSE);
	upstream_close(u, IO_RESET);
	assert_int_equal(all.open, 0);
	assert_int_equal(a.server.refs, 1); /* to the end of the turn */
	io_fake_turn(&loop);
	assert_int_equal(a.server.refs, 0);
}

static void only_our_own_shortages_say_nothing_about_the_server(void **state)
{
	static const int ours[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL};
	static const int theirs[] = {ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ECONNRESET};
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		assert_true(upstream_error_is_ours(-ours[i]));
	for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
		assert_false(upstream_error_is_ours(-theirs[i]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_most_recently_used_is_taken_first),
		TEST(another_servers_is_not_taken),
		TEST(whoever_takes_one_takes_its_receive),
		TEST(one_that_has_waited_too_long_for_the_careful_is_left),
		TEST(one_that_nobody_took_is_closed),
		TEST(one_whose_server_closes_or_speaks_unasked_is_closed),
		TEST(an_idle_one_gives_way_the_oldest_first),
		TEST(closing_twice_is_closing_once),
		TEST(only_our_own_shortages_say_nothing_about_the_server),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
