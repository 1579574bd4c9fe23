/*
 * client_flows.c: see client_flows.h. In this order: the list of the own, what is said, what is heard, what heartbeat is given.
 */
#include "hapair/admin/client_flows.h"

#include "hapair/base/flows.h"
#include "hapair/base/log.h"
#include "hapair/base/timer.h"
#include "hapair/sync/flow_table.h"
#include "hapair/sync/flow_text.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define LIST_EVERY  MS(200)
#define LIST_SHARE  20
#define SLICE_BYTES (64 << 10)
#define FLOWS_TEXT  3900 /* two of them fit in a word */
#define GIVE_EVERY  MS(1)
#define PRIORITY    2 /* after the channels between the roles */

/*
 * After the asking. The kernel takes an IPv6 address in use some milliseconds after it was added, and its routes up to a second after a
 * carrier came; a client that does not believe the first announcement does so later; and Linux answers such a packet twice a second at
 * most (tcp_invalid_ratelimit).
 */
static const nanos rounds[] = {MS(20), MS(320), MS(640), MS(1280)};
#define ROUNDS (sizeof(rounds) / sizeof(rounds[0]))

struct client_flows {
	struct role_runtime *rt;
	const struct snapshot *snapshot;
	struct channel *channel;
	struct flow_table *own, *peers;
	/* the list */
	struct flows *flows;
	struct event *list, *more;
	struct ip vips[CONFIG_VIPS_MAX];
	bool listing;
	bool anew;  /* the peer knows nothing: when the list has ended, all is said */
	nanos took; /* by this list */
	bool full;  /* told */
	/* what heartbeat is given */
	struct event *give;
	nanos wanted;
	struct flow *lost;
	size_t n_lost, round, cursor;
	bool outdated; /* what is known of the peer's was given: when it can't be heard any more, that is over */
};

/* What is said */

struct text {
	char bytes[FLOWS_TEXT];
	size_t n;
};

static void say(struct client_flows *cf, struct text *new, struct text *gone)
{
	if (new->n + gone->n > 0)
		channel_say(cf->channel, json_pack("{s:{s:s%,s:s%}}", "flows", "new", new->bytes, new->n,
						   "gone", gone->bytes, gone->n));
	new->n = gone->n = 0;
}

/* As much as the connection takes now. True: the peer knows all. */
static bool say_news(struct client_flows *cf)
{
	struct text new = {.n = 0}, gone = {.n = 0};
	enum flow_news news = FLOW_NO_NEWS;
	struct flow flow;

	while (channel_pending(cf->channel) < SLICE_BYTES &&
	       (news = flow_table_news(cf->own, &flow)) != FLOW_NO_NEWS) {
		struct text *text = news == FLOW_IS_NEW ? &new : &gone;

		text->n += flow_text_write(&flow, text->bytes + text->n);
		if (text->n + FLOW_TEXT_MAX > FLOWS_TEXT)
			say(cf, &new, &gone);
	}
	say(cf, &new, &gone);
	return news == FLOW_NO_NEWS && channel_pending(cf->channel) < SLICE_BYTES;
}

void client_flows_room(struct client_flows *cf)
{
	if (!cf->listing)
		say_news(cf);
}

void client_flows_up(struct client_flows *cf)
{
	channel_say(cf->channel, json_pack("{s:{s:b}}", "flows", "anew", 1));
	if (cf->listing) {
		cf->anew = true;
		return;
	}
	flow_table_untell(cf->own);
	say_news(cf);
}

/* The list */

static void list_ended(struct client_flows *cf)
{
	nanos pause = cf->took * LIST_SHARE;

	cf->listing = false;
	flow_table_scan_end(cf->own);
	if (cf->anew)
		flow_table_untell(cf->own);
	cf->anew = false;
	if (cf->own->refused && !cf->full)
		log_warning("%zu connections more than the %d of which the other node can know",
			    cf->own->refused, FLOW_TABLE_MAX);
	cf->full = cf->own->refused > 0;
	say_news(cf);
	timer_after(cf->list, pause > LIST_EVERY ? pause : LIST_EVERY);
}

static void see(void *ctx, const struct flow *flow, const struct inet_diag_sockid *id)
{
	flow_table_see(ctx, flow);
}

/* A list that broke off has not seen what is there: it counts as none. */
static void list_failed(struct client_flows *cf, int error)
{
	log_warning("connections can't be listed: %s; the other node does not know of any", strerror(-error));
	flow_table_scan_begin(cf->own);
	if (cf->more)
		event_del(cf->more);
	flows_free(cf->flows);
	cf->flows = NULL;
	list_ended(cf);
}

/* One buffer a turn, so that nothing else has to wait for the whole list. */
static void on_more(evutil_socket_t fd, short what, void *ctx)
{
	struct client_flows *cf = ctx;
	nanos began = clock_now();
	int more = flows_more(cf->flows, see, cf->own);

	cf->took += clock_now() - began;
	if (more < 0) {
		list_failed(cf, more);
	} else if (!more) {
		event_del(cf->more);
		list_ended(cf);
	}
}

static bool has_connections(const struct client_flows *cf)
{
	return cf->snapshot->state.held || cf->snapshot->state.state == NODE_DRAINING;
}

static void on_list(evutil_socket_t fd, short what, void *ctx)
{
	struct client_flows *cf = ctx;
	const struct config *config = cf->rt->config;
	size_t n = config->n_vips;
	int error;

	if (!channel_status(cf->channel)->up || !say_news(cf)) {
		timer_after(cf->list, LIST_EVERY);
		return;
	}
	cf->listing = true;
	cf->took = 0;
	flow_table_scan_begin(cf->own);
	if (!cf->flows || !has_connections(cf)) {
		list_ended(cf);
		return;
	}
	for (size_t i = 0; i < n; i++)
		cf->vips[i] = config->vips[i].ip;
	error = flows_begin(cf->flows, cf->vips, n);
	if (error)
		list_failed(cf, error);
	else
		event_add(cf->more, NULL);
}

/* What is heard */

/* `text` NULL: none were told. */
static bool hear_text(struct client_flows *cf, const json_t *text, bool new)
{
	const char *at = json_string_value(text);
	size_t left = json_string_length(text), n;
	struct flow flow;

	for (; left; at += n, left -= n) {
		n = flow_text_read(at, left, &flow);
		if (!n)
			return false;
		if (!new)
			flow_table_remove(cf->peers, &flow);
		else if (config_has_vip(cf->rt->config, &flow.vip.ip))
			flow_table_add(cf->peers, &flow);
	}
	return true;
}

static void forget_peers(struct client_flows *cf)
{
	flow_table_clear(cf->peers);
	cf->outdated = false;
}

static void forget_lost(struct client_flows *cf)
{
	event_del(cf->give);
	free(cf->lost);
	cf->lost = NULL;
	cf->n_lost = cf->round = cf->cursor = 0;
}

bool client_flows_hear(struct client_flows *cf, const json_t *flows)
{
	if (json_is_true(json_object_get(flows, "anew")))
		forget_peers(cf);
	return json_is_object(flows) && hear_text(cf, json_object_get(flows, "new"), true) &&
	       hear_text(cf, json_object_get(flows, "gone"), false);
}

void client_flows_down(struct client_flows *cf)
{
	if (cf->outdated)
		forget_peers(cf);
}

/* What heartbeat is given */

static void on_give(evutil_socket_t fd, short what, void *ctx)
{
	struct client_flows *cf = ctx;
	struct msg_flows m = {.n = 0};
	nanos pause = GIVE_EVERY;

	while (m.n < MSG_FLOWS_MAX && cf->cursor + m.n < cf->n_lost) {
		m.flows[m.n] = cf->lost[cf->cursor + m.n];
		m.n++;
	}
	/* What it does not take now it gets with the next. */
	if (ipc_send(cf->rt->peers[ROLE_HEARTBEAT], MSG_FLOWS, &m, -1) == 0)
		cf->cursor += m.n;
	if (cf->cursor == cf->n_lost) {
		cf->cursor = 0;
		if (++cf->round == ROUNDS) {
			log_info("clients of %zu connections of the other node were told that they are lost",
				 cf->n_lost);
			forget_lost(cf);
			return;
		}
		pause = cf->wanted + rounds[cf->round] - clock_now();
		pause = pause > GIVE_EVERY ? pause : GIVE_EVERY;
	}
	timer_after(cf->give, pause);
}

void client_flows_wanted(struct client_flows *cf)
{
	size_t n = cf->peers->n;

	forget_lost(cf);
	cf->lost = calloc(n ? n : 1, sizeof(*cf->lost));
	if (!cf->lost) {
		log_warning("out of memory: clients of %zu connections are not told that they are lost", n);
		return;
	}
	/* What the other node says from now on, that they are gone, changes nothing. */
	for (; cf->n_lost < n; cf->n_lost++)
		cf->lost[cf->n_lost] = cf->peers->entries[cf->n_lost].flow;
	cf->wanted = clock_now();
	cf->outdated = true;
	if (!channel_status(cf->channel)->up)
		forget_peers(cf);
	if (n)
		timer_after(cf->give, rounds[0]);
}

/* The whole */

size_t client_flows_own(const struct client_flows *cf)
{
	return cf->own->n;
}

size_t client_flows_peers(const struct client_flows *cf)
{
	return cf->peers->n;
}

static struct flow_table *table_new(void)
{
	struct flow_table *table = calloc(1, sizeof(*table));
	uint64_t seed = 0;

	RAND_bytes((unsigned char *)&seed, sizeof(seed));
	if (table)
		flow_table_init(table, seed);
	return table;
}

struct client_flows *client_flows_new(struct role_runtime *rt, const struct snapshot *snapshot,
				      struct channel *channel)
{
	struct client_flows *cf = calloc(1, sizeof(*cf));
	int error;

	if (!cf)
		return NULL;
	*cf = (struct client_flows){.rt = rt, .snapshot = snapshot, .channel = channel};
	cf->own = table_new();
	cf->peers = table_new();
	cf->list = evtimer_new(rt->base, on_list, cf);
	cf->give = evtimer_new(rt->base, on_give, cf);
	error = flows_new(&cf->flows);
	if (error)
		log_warning("connections can't be listed: %s; the other node does not know of any",
			    strerror(-error));
	else
		cf->more = event_new(rt->base, flows_fd(cf->flows), EV_READ | EV_PERSIST, on_more, cf);
	if (!cf->own || !cf->peers || !cf->list || !cf->give || (cf->flows && !cf->more)) {
		client_flows_free(cf);
		return NULL;
	}
	event_priority_set(cf->list, PRIORITY);
	if (cf->more)
		event_priority_set(cf->more, PRIORITY);
	timer_after(cf->list, LIST_EVERY);
	return cf;
}

void client_flows_free(struct client_flows *cf)
{
	if (!cf)
		return;
	if (cf->list)
		event_free(cf->list);
	if (cf->give)
		event_free(cf->give);
	if (cf->more)
		event_free(cf->more);
	flows_free(cf->flows);
	free(cf->lost);
	free(cf->own);
	free(cf->peers);
	free(cf);
}
