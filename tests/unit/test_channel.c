/* rooms: hapair/sync/channel.c hapair/base/addr.c hapair/base/clock.c hapair/base/log.c hapair/base/msg.c */
/*
 * Two channels in one process, over loopback and real TLS. Nothing is timed: the loop turns until what is expected has come, and
 * the watchdog of the test ends one that never would.
 */
#include "hapair/sync/channel.h"

#include "hapair/base/log.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WATCHDOG_S 20

struct side {
	struct channel *channel;
	unsigned ups, downs, words, rooms;
	char last[64];
	bool accepts;
};

struct pair {
	struct event_base *base;
	struct config config;
	struct config_node nodes[2];
	struct side sides[2]; /* alpha connects, beta accepts */
};

static void on_up(void *ctx)
{
	((struct side *)ctx)->ups++;
}

static void on_down(void *ctx)
{
	((struct side *)ctx)->downs++;
}

static bool on_word(void *ctx, const json_t *word)
{
	struct side *s = ctx;
	const char *text = json_string_value(json_object_get(word, "text"));

	s->words++;
	snprintf(s->last, sizeof(s->last), "%s", text ? text : "");
	return s->accepts;
}

static void on_room(void *ctx)
{
	((struct side *)ctx)->rooms++;
}

static void on_turn(void *ctx)
{
	struct side *s = ctx;

	channel_say(s->channel, json_pack("{s:s}", "text", "turn"));
}

static const struct channel_handler handler = {on_up, on_down, on_word, on_room, on_turn};

/* A port of loopback that is free now. */
static uint16_t free_port(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	close(fd);
	return ntohs(sa.sin_port);
}

static struct msg_sync_keys keys_of(unsigned a, unsigned b)
{
	struct msg_sync_keys keys = {.n = b ? 2 : 1};

	keys.keys[0].id = a;
	memset(keys.keys[0].bytes, (int)a, SYNC_KEY_BYTES);
	keys.keys[1].id = b;
	memset(keys.keys[1].bytes, (int)b, SYNC_KEY_BYTES);
	return keys;
}

static void pair_init(struct pair *p, const struct msg_sync_keys *alpha, const struct msg_sync_keys *beta)
{
	struct event_config *wanted = event_config_new();

	memset(p, 0, sizeof(*p));
	event_config_set_flag(wanted, EVENT_BASE_FLAG_PRECISE_TIMER);
	p->base = event_base_new_with_config(wanted);
	event_config_free(wanted);
	assert_int_equal(event_base_priority_init(p->base, 3), 0);
	p->nodes[0] = (struct config_node){.name = "alpha", .n_links = 1};
	p->nodes[1] = (struct config_node){.name = "beta", .n_links = 1};
	assert_int_equal(addr_parse(span_of("127.0.0.1:1"), &p->nodes[0].links[0]), 0);
	p->nodes[1].links[0] = p->nodes[0].links[0];
	p->nodes[0].links[0].port = free_port();
	p->nodes[1].links[0].port = free_port();
	p->config = (struct config){.cluster.name = "shop", .nodes = p->nodes, .n_nodes = 2};
	for (size_t i = 0; i < 2; i++) {
		p->sides[i].accepts = true;
		p->sides[i].channel = channel_new(p->base, &p->config, i, &handler, &p->sides[i]);
		assert_non_null(p->sides[i].channel);
		channel_set_keys(p->sides[i].channel, i == 0 ? alpha : beta);
	}
	channel_open(p->sides[1].channel);
	channel_open(p->sides[0].channel);
	alarm(WATCHDOG_S);
}

static void pair_done(struct pair *p)
{
	alarm(0);
	for (size_t i = 0; i < 2; i++)
		channel_free(p->sides[i].channel);
	event_base_free(p->base);
}

static bool up(const struct pair *p)
{
	return channel_status(p->sides[0].channel)->up && channel_status(p->sides[1].channel)->up;
}

static void turn(struct pair *p)
{
	event_base_loop(p->base, EVLOOP_ONCE);
}

static void what_one_says_the_other_hears(void **state)
{
	struct msg_sync_keys keys = keys_of(1, 0);
	struct pair p;

	pair_init(&p, &keys, &keys);
	while (!up(&p))
		turn(&p);
	channel_say(p.sides[0].channel, json_pack("{s:s}", "text", "from alpha"));
	channel_say(p.sides[1].channel, json_pack("{s:s}", "text", "from beta"));
	while (p.sides[0].words == 0 || p.sides[1].words == 0)
		turn(&p);
	assert_string_equal(p.sides[0].last, "from beta");
	assert_string_equal(p.sides[1].last, "from alpha");
	pair_done(&p);
}

static void a_key_that_only_one_has_opens_nothing(void **state)
{
	struct msg_sync_keys alpha = keys_of(1, 0), beta = keys_of(1, 0);
	struct pair p;

	beta.keys[0].bytes[5] ^= 1; /* the same id */
	pair_init(&p, &alpha, &beta);
	while (channel_status(p.sides[0].channel)->trouble[0] == '\0' ||
	       channel_status(p.sides[1].channel)->trouble[0] == '\0')
		turn(&p);
	assert_false(up(&p));
	assert_int_equal(p.sides[0].ups + p.sides[1].ups, 0);
	pair_done(&p);
}

static void during_a_rotation_the_key_that_both_have_is_found(void **state)
{
	struct msg_sync_keys alpha = keys_of(2, 1), beta = keys_of(1, 0);
	struct pair p;

	pair_init(&p, &alpha, &beta);
	while (!up(&p))
		turn(&p);
	pair_done(&p);
}

static void a_node_of_another_cluster_is_sent_away(void **state)
{
	struct msg_sync_keys keys = keys_of(1, 0);
	struct config other;
	struct pair p;

	pair_init(&p, &keys, &keys);
	channel_free(p.sides[0].channel);
	other = p.config;
	other.cluster.name = "bank";
	p.sides[0].channel = channel_new(p.base, &other, 0, &handler, &p.sides[0]);
	channel_set_keys(p.sides[0].channel, &keys);
	channel_open(p.sides[0].channel);
	while (!strstr(channel_status(p.sides[1].channel)->trouble, "another cluster"))
		turn(&p);
	assert_int_equal(p.sides[1].ups, 0);
	pair_done(&p);
}

static void who_says_what_he_may_not_is_cut_off_and_may_begin_anew(void **state)
{
	struct msg_sync_keys keys = keys_of(1, 0);
	struct pair p;

	pair_init(&p, &keys, &keys);
	while (!up(&p))
		turn(&p);
	p.sides[1].accepts = false;
	channel_say(p.sides[0].channel, json_pack("{s:s}", "text", "nonsense"));
	while (p.sides[1].downs == 0)
		turn(&p);
	p.sides[1].accepts = true;
	while (p.sides[1].ups < 2 || !up(&p))
		turn(&p);
	assert_int_equal(p.sides[0].downs, 1);
	pair_done(&p);
}

static void thousands_of_words_arrive_in_their_order(void **state)
{
	struct msg_sync_keys keys = keys_of(1, 0);
	struct pair p;
	char text[32];

	pair_init(&p, &keys, &keys);
	while (!up(&p))
		turn(&p);
	for (int i = 0; i < 4000; i++) {
		snprintf(text, sizeof(text), "word %d", i);
		channel_say(p.sides[0].channel, json_pack("{s:s}", "text", text));
	}
	while (strcmp(p.sides[1].last, "word 3999") != 0)
		turn(&p);
	assert_true(p.sides[1].words >= 4000);
	assert_int_equal(p.sides[1].downs, 0);
	pair_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_one_says_the_other_hears),
		cmocka_unit_test(a_key_that_only_one_has_opens_nothing),
		cmocka_unit_test(during_a_rotation_the_key_that_both_have_is_found),
		cmocka_unit_test(a_node_of_another_cluster_is_sent_away),
		cmocka_unit_test(who_says_what_he_may_not_is_cut_off_and_may_begin_anew),
		cmocka_unit_test(thousands_of_words_arrive_in_their_order),
	};

	log_init("test");
	OPENSSL_init_ssl(0, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
