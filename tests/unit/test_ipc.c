/* rooms: hapair/base/ipc.c hapair/base/msg.c hapair/base/log.c */
#include "hapair/base/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct side {
	struct ipc *ipc;
	unsigned messages, gone;
	enum msg_type last_type;
	union msg_any last;
	int last_fd;
	bool frees_on_message, frees_on_gone;
};

static void on_message(void *ctx, enum role from, enum msg_type type, const union msg_any *message, int fd)
{
	struct side *s = ctx;

	s->messages++;
	s->last_type = type;
	s->last = *message;
	s->last_fd = fd;
	if (s->frees_on_message) {
		ipc_free(s->ipc);
		s->ipc = NULL;
	}
}

static void on_gone(void *ctx, enum role from)
{
	struct side *s = ctx;

	s->gone++;
	if (s->frees_on_gone) {
		ipc_free(s->ipc);
		s->ipc = NULL;
	}
}

static const struct ipc_handler handler = {on_message, on_gone};

/* Everything that can be done now; nothing here waits. */
static void turn(struct event_base *base)
{
	for (int i = 0; i < 8; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

struct pair {
	struct event_base *base;
	struct side a, b;
	int raw; /* instead of b: the bare socket, else -1 */
};

/* In place: the channels point to it. */
static void pair_open(struct pair *p, enum role a, enum role b, bool raw)
{
	int fds[2];

	*p = (struct pair){.base = event_base_new(), .raw = -1};
	event_base_priority_init(p->base, 3);
	assert_int_equal(ipc_pair(fds), 0);
	p->a.ipc = ipc_new(p->base, fds[0], a, b, &handler, &p->a, 1);
	assert_non_null(p->a.ipc);
	if (raw) {
		p->raw = fds[1];
		return;
	}
	p->b.ipc = ipc_new(p->base, fds[1], b, a, &handler, &p->b, 1);
	assert_non_null(p->b.ipc);
}

static void pair_done(struct pair *p)
{
	ipc_free(p->a.ipc);
	ipc_free(p->b.ipc);
	if (p->raw >= 0)
		close(p->raw);
	event_base_free(p->base);
}

static void a_message_arrives_as_it_was_sent(void **state)
{
	struct pair p;
	struct msg_event event = {.epoch = 7};

	pair_open(&p, ROLE_HEARTBEAT, ROLE_ADMIN, false);
	MSG_TEXT(event.reason, "the peer is silent");
	assert_int_equal(ipc_send(p.a.ipc, MSG_EVENT, &event, -1), 0);
	turn(p.base);
	assert_int_equal(p.b.messages, 1);
	assert_int_equal(p.b.last_type, MSG_EVENT);
	assert_memory_equal(&p.b.last.m_EVENT, &event, sizeof(event));
	assert_int_equal(p.b.last_fd, -1);
	pair_done(&p);
}

static void a_descriptor_travels_beside_its_message(void **state)
{
	struct pair p;
	int pipe_fds[2];
	char c = 0;

	pair_open(&p, ROLE_SUPERVISOR, ROLE_HEARTBEAT, false);
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(ipc_send(p.a.ipc, MSG_SECRET, &(struct msg_secret){3}, pipe_fds[1]), 0);
	close(pipe_fds[1]);
	turn(p.base);
	assert_int_equal(p.b.messages, 1);
	assert_true(p.b.last_fd >= 0);
	assert_true(fcntl(p.b.last_fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(p.b.last_fd, "x", 1), 1);
	assert_int_equal(read(pipe_fds[0], &c, 1), 1);
	assert_int_equal(c, 'x');
	close(p.b.last_fd);
	close(pipe_fds[0]);
	pair_done(&p);
}

static void what_a_dead_process_said_comes_before_its_death(void **state)
{
	struct pair p;

	pair_open(&p, ROLE_HEARTBEAT, ROLE_SUPERVISOR, false);
	ipc_send(p.a.ipc, MSG_STOPPED, &(struct msg_empty){0}, -1);
	ipc_free(p.a.ipc);
	p.a.ipc = NULL;
	/* The survivor finds out by sending, too; still the word comes first. */
	assert_int_equal(ipc_send(p.b.ipc, MSG_STOP, &(struct msg_empty){0}, -1), -EPIPE);
	assert_int_equal(p.b.gone, 0); /* never from inside ipc_send() */
	turn(p.base);
	assert_int_equal(p.b.messages, 1);
	assert_int_equal(p.b.last_type, MSG_STOPPED);
	assert_int_equal(p.b.gone, 1);
	assert_int_equal(ipc_send(p.b.ipc, MSG_STOP, &(struct msg_empty){0}, -1), -EPIPE);
	turn(p.base);
	assert_int_equal(p.b.gone, 1); /* once */
	pair_done(&p);
}

static void a_full_socket_queues_and_delivers_in_order(void **state)
{
	struct pair p;
	struct msg_fitness m = {.class = 0};
	unsigned sent = 0;

	pair_open(&p, ROLE_PROXY, ROLE_HEARTBEAT, false);
	for (; sent < 4000; sent++) {
		m.class = sent;
		assert_int_equal(ipc_send(p.a.ipc, MSG_FITNESS, &m, -1), 0);
	}
	for (unsigned i = 0; i < 4000 && p.b.messages < sent; i++) {
		unsigned before = p.b.messages;

		turn(p.base);
		assert_true(p.b.messages > before);
	}
	assert_int_equal(p.b.messages, sent);
	assert_int_equal(p.b.last.m_FITNESS.class, sent - 1);
	assert_int_equal(p.a.gone, 0);
	pair_done(&p);
}

static void a_lossy_message_is_dropped_before_the_channel_is_given_up(void **state)
{
	struct pair p;
	struct msg_pair m = {0};
	int r = 0;

	pair_open(&p, ROLE_HEARTBEAT, ROLE_ADMIN, true);
	for (unsigned i = 0; i < 100000 && r == 0; i++)
		r = ipc_send(p.a.ipc, MSG_PAIR, &m, -1);
	assert_int_equal(r, -ENOBUFS);
	turn(p.base);
	assert_int_equal(p.a.gone, 0);
	/* There is room yet for what must not be lost. */
	assert_int_equal(ipc_send(p.a.ipc, MSG_EVENT, &(struct msg_event){0}, -1), 0);
	pair_done(&p);
}

static void a_receiver_that_is_stuck_is_treated_as_gone(void **state)
{
	struct pair p;
	struct msg_event m = {0};
	int r = 0;

	pair_open(&p, ROLE_HEARTBEAT, ROLE_ADMIN, true);
	for (unsigned i = 0; i < 100000 && r == 0; i++)
		r = ipc_send(p.a.ipc, MSG_EVENT, &m, -1);
	assert_int_equal(r, -EPIPE);
	assert_int_equal(p.a.gone, 0);
	turn(p.base);
	assert_int_equal(p.a.gone, 1);
	pair_done(&p);
}

static void the_owner_may_free_the_channel_in_its_callbacks(void **state)
{
	struct pair p;

	pair_open(&p, ROLE_HEARTBEAT, ROLE_SUPERVISOR, false);
	p.b.frees_on_message = true;
	p.a.frees_on_gone = true;
	ipc_send(p.a.ipc, MSG_ALIVE, &(struct msg_empty){0}, -1);
	ipc_send(p.a.ipc, MSG_ALIVE, &(struct msg_empty){0}, -1);
	turn(p.base);
	assert_int_equal(p.b.messages, 1);
	assert_null(p.b.ipc);
	assert_int_equal(p.a.gone, 1);
	assert_null(p.a.ipc);
	pair_done(&p);
}

static void without_a_channel_sending_says_so(void **state)
{
	assert_int_equal(ipc_send(NULL, MSG_ALIVE, &(struct msg_empty){0}, -1), -ENOTCONN);
}

static void send_raw(int fd, uint64_t type, size_t size)
{
	char bytes[8192] = {0};

	memcpy(bytes, &type, sizeof(type));
	assert_true(send(fd, bytes, sizeof(type) + size, 0) > 0);
}

static void the_supervisor_gives_up_a_sender_that_breaks_the_table(void **state)
{
	const struct {
		uint64_t type;
		size_t size;
	} bad[] = {
		{MSG_COUNT, 4},                            /* no such type */
		{MSG_STOPPED, sizeof(struct msg_empty)},   /* heartbeat's, not the proxy's */
		{MSG_ALIVE, sizeof(struct msg_empty) + 1}, /* size */
		{MSG_ALIVE, sizeof(union msg_any) + 1},    /* does not fit */
		{MSG_STATE, sizeof(struct msg_state)},     /* not to the supervisor */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pair p;

		pair_open(&p, ROLE_SUPERVISOR, ROLE_PROXY, true);
		send_raw(p.raw, bad[i].type, bad[i].size);
		send_raw(p.raw, MSG_ALIVE, sizeof(struct msg_empty));
		turn(p.base);
		assert_int_equal(p.a.messages, 0);
		assert_int_equal(p.a.gone, 1);
		pair_done(&p);
	}
}

static void a_role_ends_on_a_message_outside_the_table(void **state)
{
	int wait_status;
	pid_t pid = fork();

	if (pid == 0) {
		struct pair p;

		signal(SIGABRT, SIG_DFL);
		pair_open(&p, ROLE_ADMIN, ROLE_PROXY, true);
		send_raw(p.raw, MSG_STATE, sizeof(struct msg_state)); /* heartbeat's */
		turn(p.base);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &wait_status, 0), pid);
	assert_true(WIFSIGNALED(wait_status));
	assert_int_equal(WTERMSIG(wait_status), SIGABRT);
}

static void text_without_an_end_does_not_run_into_what_came_before(void **state)
{
	struct pair p;
	struct {
		uint64_t type;
		struct msg_fitness m;
	} raw;

	pair_open(&p, ROLE_HEARTBEAT, ROLE_PROXY, true);
	memset(&raw, 'x', sizeof(raw));
	raw.type = MSG_FITNESS;
	assert_int_equal(send(p.raw, &raw, sizeof(raw.type) + sizeof(raw.m), 0),
			 sizeof(raw.type) + sizeof(raw.m));
	turn(p.base);
	assert_int_equal(p.a.messages, 1);
	assert_int_equal(((const char *)&p.a.last)[sizeof(struct msg_fitness)], 0);
	pair_done(&p);
}

static void every_message_has_a_sender_and_a_receiver(void **state)
{
	for (int type = 0; type < MSG_COUNT; type++) {
		assert_true(msg_infos[type].from != 0 && msg_infos[type].to != 0);
		assert_int_equal(msg_infos[type].from & msg_infos[type].to & (ROLE_BIT(ROLE_COUNT) - 1), 0);
		assert_true(msg_infos[type].size <= sizeof(union msg_any));
		assert_non_null(msg_infos[type].name);
	}
}

static void text_fields_are_cut_terminated_and_clean(void **state)
{
	char field[8];

	memset(field, 'x', sizeof(field));
	MSG_TEXT(field, "ab");
	assert_memory_equal(field, "ab\0\0\0\0\0\0", sizeof(field));
	MSG_TEXT(field, "abcdefghij");
	assert_string_equal(field, "abcdefg");
}

static void a_number_that_is_no_state_has_no_name(void **state)
{
	assert_string_equal(node_state_name(NODE_DRAINING), "draining");
	assert_string_equal(node_state_name((enum node_state)99), "?");
	assert_string_equal(reject_name(-1), "?");
	assert_string_equal(role_name(ROLE_RUNNER), "runner");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_arrives_as_it_was_sent),
		cmocka_unit_test(a_descriptor_travels_beside_its_message),
		cmocka_unit_test(what_a_dead_process_said_comes_before_its_death),
		cmocka_unit_test(a_full_socket_queues_and_delivers_in_order),
		cmocka_unit_test(a_lossy_message_is_dropped_before_the_channel_is_given_up),
		cmocka_unit_test(a_receiver_that_is_stuck_is_treated_as_gone),
		cmocka_unit_test(the_owner_may_free_the_channel_in_its_callbacks),
		cmocka_unit_test(without_a_channel_sending_says_so),
		cmocka_unit_test(the_supervisor_gives_up_a_sender_that_breaks_the_table),
		cmocka_unit_test(a_role_ends_on_a_message_outside_the_table),
		cmocka_unit_test(text_without_an_end_does_not_run_into_what_came_before),
		cmocka_unit_test(every_message_has_a_sender_and_a_receiver),
		cmocka_unit_test(text_fields_are_cut_terminated_and_clean),
		cmocka_unit_test(a_number_that_is_no_state_has_no_name),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
