/*
 * replication.c: see replication.h. In this order: the proxy, the disk, what operators say, what the peer says.
 */
#include "hapair/admin/replication.h"

#include "hapair/admin/client_flows.h"
#include "hapair/base/log.h"
#include "hapair/base/overlay.h"
#include "hapair/base/timer.h"
#include "hapair/config/report.h"
#include "hapair/sync/channel.h"
#include "hapair/sync/keyring.h"
#include "hapair/sync/store.h"
#include "hapair/sync/words.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAVE_AFTER     MS(50)     /* what the peer says comes in bursts: one file for all */
#define TICKETS_FIRST  SECONDS(1) /* the peer or the proxy may have some already */
#define TICKETS_EVERY  SECONDS(30)
#define AGAIN_AFTER    SECONDS(2)
#define SLICE_BYTES    (64 << 10)
#define VERDICTS_MAX   32 /* in one word */
#define STALE_VERDICTS SECONDS(10)

/* A verdict as the peer knows it from us; in the order of the snapshot. */
struct told {
	char pool[CONFIG_NAME_MAX + 1], name[CONFIG_NAME_MAX + 1];
	uint8_t state;
};

struct replication {
	struct role_runtime *rt;
	const struct snapshot *snapshot;
	void (*on_event)(const struct msg_event *event);
	struct replica *replica;
	struct store *store;
	struct event *save, *tickets_turn;
	struct channel *channel;    /* NULL: no peer */
	struct client_flows *flows; /* the same */
	struct overlay *overlay;    /* NULL: to be made anew */
	const struct config *overlaid;
	struct msg_ticket_keys tickets;
	struct {
		bool known;
		uint64_t sum, version, servers;
	} peer;
	size_t cursor; /* the next record to be said; past the end: all are */
	nanos said_all;
	struct told *told;
	size_t n_told, told_room;
	struct snapshot_sync status;
};

static const char *own_name(const struct replication *r)
{
	return r->rt->node_name;
}

/* The proxy */

static void tell_proxy(struct replication *r, const struct server_wanted *wanted)
{
	ipc_send(r->rt->peers[ROLE_PROXY], MSG_SERVER_SET,
		 &(struct msg_server_set){.id = 0, .wanted = *wanted}, -1);
}

static void tell_proxy_tickets(struct replication *r)
{
	if (r->tickets.n == 0)
		return;
	keyring_choose(&r->tickets, (uint64_t)(clock_wall_ms() / TICKET_PERIOD_MS));
	ipc_send(r->rt->peers[ROLE_PROXY], MSG_TICKET_KEYS, &r->tickets, -1);
}

static void tell_proxy_verdict(struct replication *r, const char *pool, const char *server, uint32_t state)
{
	struct msg_verdict verdict = {.state = state};

	MSG_TEXT(verdict.pool, pool);
	MSG_TEXT(verdict.server, server);
	ipc_send(r->rt->peers[ROLE_PROXY], MSG_VERDICT, &verdict, -1);
}

/* To a proxy that begins: all that was said, and what the one before it had found just now. */
void replication_proxy_linked(struct replication *r)
{
	const struct snapshot_proxy *last = &r->snapshot->proxy;

	for (size_t i = 0; i < r->replica->n; i++)
		if (!replica_is_tombstone(&r->replica->records[i]))
			tell_proxy(r, &r->replica->records[i].wanted);
	tell_proxy_tickets(r);
	if (!last->at || clock_now() - last->at > STALE_VERDICTS)
		return;
	for (size_t i = 0; i < last->n_servers; i++)
		if (last->servers[i].state == SERVER_UP || last->servers[i].state == SERVER_DOWN)
			tell_proxy_verdict(r, last->servers[i].pool, last->servers[i].name,
					   last->servers[i].state);
}

/* The disk */

static void on_save(evutil_socket_t fd, short what, void *ctx)
{
	struct replication *r = ctx;
	int error = store_save(r->store, r->replica);

	if (error < 0)
		log_warning("servers at run time: can't keep what was said: %s", strerror(-error));
}

/* The configuration in force */

static const struct server_wanted *wanted_at(const void *ctx, size_t i)
{
	return &((const struct replica *)ctx)->records[i].wanted;
}

static void forget_overlay(struct replication *r)
{
	overlay_free(r->overlay);
	r->overlay = NULL;
}

const struct config *replication_config(struct replication *r, const struct config *config)
{
	if (r->overlay && r->overlaid == config)
		return &r->overlay->config;
	forget_overlay(r);
	r->overlay = overlay_new(config, r->replica->n, wanted_at, r->replica);
	r->overlaid = config;
	if (!r->overlay)
		log_fatal("out of memory");
	return &r->overlay->config;
}

void replication_config_changed(struct replication *r)
{
	forget_overlay(r);
}

/* What operators say */

static void event_of(struct replication *r, const struct server_wanted *wanted, const char *to,
		     const char *node)
{
	struct msg_event event = {
		.wall_ms = clock_wall_ms(), .at = clock_now(), .epoch = r->snapshot->state.epoch};

	MSG_TEXT(event.type, "server");
	snprintf(event.subject, sizeof(event.subject), "%s/%s", wanted->pool, wanted->server);
	MSG_TEXT(event.to, to);
	if (strcmp(node, own_name(r)) == 0)
		MSG_TEXT(event.reason, "operator");
	else
		snprintf(event.reason, sizeof(event.reason), "operator, on %s", node);
	r->on_event(&event);
}

/* The timeline tells of servers that come, go and change their weight; of drain and maint the proxy tells. */
static void tell_difference(struct replication *r, const struct server_wanted *before,
			    const struct replica_record *now)
{
	char text[32];

	if (before->existence != now->wanted.existence)
		event_of(r, &now->wanted, now->wanted.existence == SERVER_REMOVED ? "removed" : "added",
			 now->stamps[REPLICA_EXISTENCE].node);
	else if (before->weight != now->wanted.weight) {
		snprintf(text, sizeof(text), now->wanted.weight ? "weight %u" : "own weight",
			 now->wanted.weight);
		event_of(r, &now->wanted, text, now->stamps[REPLICA_WEIGHT].node);
	}
}

static struct server_wanted wanted_of(const struct replication *r, const char *pool, const char *server)
{
	const struct replica_record *record = replica_find(r->replica, pool, server);
	struct server_wanted wanted = {.action = SERVER_ACTION_READY};

	if (record)
		return record->wanted;
	MSG_TEXT(wanted.pool, pool);
	MSG_TEXT(wanted.server, server);
	return wanted;
}

/* Every register but the one of existence at its default. */
static struct server_wanted wanted_fresh(const struct admin_command *command, enum server_existence existence)
{
	struct server_wanted wanted = {.action = SERVER_ACTION_READY, .existence = (uint8_t)existence};

	MSG_TEXT(wanted.pool, command->pool);
	MSG_TEXT(wanted.server, command->server);
	return wanted;
}

/* What is wanted after the command, and which registers it writes. */
static unsigned apply_command(const struct replication *r, const struct admin_command *command,
			      struct server_wanted *ret)
{
	const struct config_pool *pool = config_find_pool(r->rt->config, command->pool);

	*ret = wanted_of(r, command->pool, command->server);
	switch (command->verb) {
	case ADMIN_READY:
	case ADMIN_DRAIN:
	case ADMIN_MAINT:
		ret->action = (uint8_t)command->verb;
		return 1u << REPLICA_ACTION;
	case ADMIN_WEIGHT:
		ret->weight = command->weight;
		return 1u << REPLICA_WEIGHT;
	case ADMIN_REMOVE:
		*ret = wanted_fresh(command, SERVER_REMOVED);
		return REPLICA_ALL;
	case ADMIN_ADD:
		/* One of the file that was removed: it is back. */
		if (pool && config_find_server(pool, command->server)) {
			*ret = wanted_fresh(command, SERVER_AS_CONFIGURED);
			ret->weight = command->weight;
			return REPLICA_ALL;
		}
		*ret = wanted_fresh(command, SERVER_ADDED);
		ret->address = command->address;
		ret->added_weight = command->weight;
		return REPLICA_ALL;
	}
	return 0;
}

static int unknown(char why[ADMIN_WHY_MAX], const char *kind, const char *name,
		   const struct config_guess *guess)
{
	char text[CONFIG_GUESS_MAX];

	snprintf(why, ADMIN_WHY_MAX, "no %s %s%s", kind, name, config_guess_text(guess, text));
	return -ENOENT;
}

static int may_add(const struct replication *r, const struct admin_command *command,
		   const struct config_server *in_force, char why[ADMIN_WHY_MAX])
{
	const struct config_pool *file = config_find_pool(r->rt->config, command->pool);
	const struct config_server *of_file = config_find_server(file, command->server);
	char text[ADDR_TEXT_MAX];

	if (!words_is_name(command->server)) {
		snprintf(why, ADMIN_WHY_MAX, "a name has letters, digits, \".\", \"_\" and \"-\"");
		return -EINVAL;
	}
	if (in_force) {
		snprintf(why, ADMIN_WHY_MAX, "%s/%s is there already, at %s", command->pool, command->server,
			 addr_format(&in_force->address, text));
		return -EEXIST;
	}
	if (of_file && !addr_equal(&of_file->address, &command->address)) {
		snprintf(why, ADMIN_WHY_MAX,
			 "%s/%s was removed, and the configuration has it at %s; add it there, or take "
			 "another name",
			 command->pool, command->server, addr_format(&of_file->address, text));
		return -EEXIST;
	}
	return 0;
}

/* 0, or why the command makes no sense for what there is. */
static int examine(struct replication *r, const struct admin_command *command, char why[ADMIN_WHY_MAX])
{
	const struct config *config = replication_config(r, r->rt->config);
	const struct config_pool *pool = config_find_pool(config, command->pool);
	struct config_guess pools = {.word = command->pool}, servers = {.word = command->server};
	const struct config_server *server;

	for (size_t i = 0; i < config->n_pools; i++)
		config_guess_offer(&pools, config->pools[i].name);
	if (!pool)
		return unknown(why, "pool", command->pool, &pools);
	server = config_find_server(pool, command->server);
	if (command->verb == ADMIN_ADD)
		return may_add(r, command, server, why);
	for (size_t i = 0; i < pool->n_servers; i++)
		config_guess_offer(&servers, pool->servers[i].name);
	return server ? 0 : unknown(why, "server in that pool is called", command->server, &servers);
}

int replication_prepare(struct replication *r, const struct admin_command *command,
			struct msg_server_set *ret, char why[ADMIN_WHY_MAX])
{
	int error = examine(r, command, why);

	if (error < 0)
		return error;
	*ret = (struct msg_server_set){.id = command->id};
	apply_command(r, command, &ret->wanted);
	return 0;
}

static void say_record(struct replication *r, const struct replica_record *record)
{
	channel_say(r->channel, json_pack("{s:o}", "server", words_record(record)));
}

int replication_commit(struct replication *r, const struct admin_command *command)
{
	struct server_wanted wanted, before = wanted_of(r, command->pool, command->server);
	unsigned fields = apply_command(r, command, &wanted);
	int error = replica_say(r->replica, &wanted, fields, own_name(r), clock_wall_ms());
	const struct replica_record *record;

	if (error < 0)
		return error;
	forget_overlay(r);
	record = replica_find(r->replica, command->pool, command->server);
	tell_difference(r, &before, record);
	if (r->channel)
		say_record(r, record);
	return store_save(r->store, r->replica);
}

/* What we say to the peer */

static json_t *digest(const struct replication *r)
{
	char sum[17];

	snprintf(sum, sizeof(sum), "%016llx", (unsigned long long)r->replica->sum);
	return json_pack("{s:{s:s,s:I,s:I}}", "digest", "sum", sum, "version",
			 (json_int_t)r->replica->version, "servers", (json_int_t)r->replica->n);
}

/* As many records as the connection takes now; the rest follows when there is room again. */
static void say_more(struct replication *r)
{
	while (r->cursor < r->replica->n && channel_pending(r->channel) < SLICE_BYTES)
		say_record(r, &r->replica->records[r->cursor++]);
}

static void on_room(void *ctx)
{
	struct replication *r = ctx;

	say_more(r);
	client_flows_room(r->flows);
}

static void on_turn(void *ctx)
{
	struct replication *r = ctx;

	channel_say(r->channel, digest(r));
}

static bool told_is(const struct told *told, const struct msg_server *server)
{
	return strcmp(told->name, server->name) == 0 && strcmp(told->pool, server->pool) == 0;
}

static bool is_verdict(uint32_t state)
{
	return state == SERVER_UP || state == SERVER_DOWN;
}

/* What is not told as it is now, a few in a word. An operator's drain or maint hides the verdict: the last one stands. */
static void say_verdicts(struct replication *r)
{
	const struct snapshot_proxy *proxy = &r->snapshot->proxy;
	json_t *list = NULL;

	if (r->told_room < proxy->n_servers) {
		struct told *more = reallocarray(r->told, proxy->n_servers, sizeof(*more));

		if (!more)
			return;
		r->told = more;
		r->told_room = proxy->n_servers;
	}
	for (size_t i = 0; i < proxy->n_servers; i++) {
		const struct msg_server *server = &proxy->servers[i];
		struct told *told = &r->told[i];

		if (i >= r->n_told || !told_is(told, server)) {
			memset(told, 0, sizeof(*told));
			MSG_TEXT(told->pool, server->pool);
			MSG_TEXT(told->name, server->name);
		}
		if (!is_verdict(server->state) || told->state == server->state)
			continue;
		told->state = (uint8_t)server->state;
		list = list ? list : json_array();
		json_array_append_new(list, json_pack("[s,s,s]", server->pool, server->name,
						      server_state_name((enum server_state)server->state)));
		if (json_array_size(list) == VERDICTS_MAX) {
			channel_say(r->channel, json_pack("{s:o}", "verdicts", list));
			list = NULL;
		}
	}
	r->n_told = proxy->n_servers;
	if (list)
		channel_say(r->channel, json_pack("{s:o}", "verdicts", list));
}

void replication_proxy_reported(struct replication *r)
{
	if (r->channel && channel_status(r->channel)->up)
		say_verdicts(r);
}

static void say_tickets(struct replication *r)
{
	json_t *keys = json_array();

	for (uint32_t i = 0; i < r->tickets.n; i++)
		json_array_append_new(keys, words_ticket_key(&r->tickets.keys[i]));
	channel_say(r->channel, json_pack("{s:o}", "tickets", keys));
}

static void on_up(void *ctx)
{
	struct replication *r = ctx;

	r->peer.known = false;
	r->cursor = SIZE_MAX;
	r->said_all = 0;
	r->n_told = 0;
	channel_say(r->channel, digest(r));
	say_tickets(r);
	say_verdicts(r);
	client_flows_up(r->flows);
}

static void on_down(void *ctx)
{
	struct replication *r = ctx;

	r->peer.known = false;
	client_flows_down(r->flows);
}

/* What the peer says */

static bool hear_server(struct replication *r, const json_t *json)
{
	struct replica_record record;
	struct server_wanted before;
	int changed;

	if (!words_take_record(json, &record))
		return false;
	before = wanted_of(r, record.wanted.pool, record.wanted.server);
	changed = replica_merge(r->replica, &record);
	if (changed == -ENOSPC)
		log_warning("servers at run time: no room for %s/%s of the peer", record.wanted.pool,
			    record.wanted.server);
	if (changed != 1)
		return true;
	forget_overlay(r);
	tell_difference(r, &before, replica_find(r->replica, record.wanted.pool, record.wanted.server));
	tell_proxy(r, &replica_find(r->replica, record.wanted.pool, record.wanted.server)->wanted);
	if (!event_pending(r->save, EV_TIMEOUT, NULL))
		timer_after(r->save, SAVE_AFTER);
	return true;
}

static bool hear_digest(struct replication *r, const json_t *json)
{
	const char *sum = json_string_value(json_object_get(json, "sum"));
	char *end;

	if (!sum)
		return false;
	r->peer.sum = strtoull(sum, &end, 16);
	r->peer.version = (uint64_t)json_integer_value(json_object_get(json, "version"));
	r->peer.servers = (uint64_t)json_integer_value(json_object_get(json, "servers"));
	r->peer.known = true;
	if (*end)
		return false;
	if (r->peer.sum != r->replica->sum && r->cursor >= r->replica->n &&
	    (!r->said_all || clock_now() - r->said_all > AGAIN_AFTER)) {
		r->said_all = clock_now();
		r->cursor = 0;
		say_more(r);
	}
	return true;
}

static bool hear_verdicts(struct replication *r, const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const char *pool = json_string_value(json_array_get(one, 0)),
			   *server = json_string_value(json_array_get(one, 1)),
			   *state = json_string_value(json_array_get(one, 2));

		if (!words_is_name(pool) || !words_is_name(server) || !state)
			return false;
		if (strcmp(state, "up") == 0 || strcmp(state, "down") == 0)
			tell_proxy_verdict(r, pool, server, *state == 'u' ? SERVER_UP : SERVER_DOWN);
	}
	return json_is_array(list);
}

/* True: the ring is another one now. */
static bool add_tickets(struct replication *r, const struct ticket_key *keys, size_t n)
{
	uint64_t period = (uint64_t)(clock_wall_ms() / TICKET_PERIOD_MS);
	bool changed = keyring_expire(&r->tickets, period);

	for (size_t i = 0; i < n; i++)
		changed |= keyring_add(&r->tickets, &keys[i], period);
	return changed;
}

static bool hear_tickets(struct replication *r, const json_t *list)
{
	struct ticket_key key;
	const json_t *one;
	bool changed = false, good = json_is_array(list);
	size_t i;

	json_array_foreach(list, i, one)
	{
		good = good && words_take_ticket_key(one, &key);
		if (good)
			changed |= add_tickets(r, &key, 1);
	}
	OPENSSL_cleanse(&key, sizeof(key));
	if (changed)
		tell_proxy_tickets(r);
	return good;
}

/* A later version may say more; what is not known is passed over. */
static bool on_word(void *ctx, const json_t *word)
{
	struct replication *r = ctx;
	const json_t *part;

	if ((part = json_object_get(word, "server")))
		return hear_server(r, part);
	if ((part = json_object_get(word, "digest")))
		return hear_digest(r, part);
	if ((part = json_object_get(word, "verdicts")))
		return hear_verdicts(r, part);
	if ((part = json_object_get(word, "tickets")))
		return hear_tickets(r, part);
	if ((part = json_object_get(word, "flows")))
		return client_flows_hear(r->flows, part);
	return true;
}

static const struct channel_handler channel_handler = {on_up, on_down, on_word, on_room, on_turn};

/* Ticket keys */

void replication_take_tickets(struct replication *r, const struct msg_ticket_keys *keys)
{
	if (keys->n <= TICKET_KEYS_MAX && add_tickets(r, keys->keys, keys->n) && r->channel)
		say_tickets(r);
}

/* The keys of this period and of the next, where nobody has made them. */
static void on_tickets_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct replication *r = ctx;
	uint64_t period = (uint64_t)(clock_wall_ms() / TICKET_PERIOD_MS);
	struct ticket_key key;
	bool made = false;

	add_tickets(r, NULL, 0); /* only forgets */
	for (uint64_t p = period; p <= period + 1; p++) {
		if (!keyring_lacks(&r->tickets, p) || RAND_bytes((unsigned char *)&key, sizeof(key)) != 1)
			continue;
		key.period = p;
		made |= keyring_add(&r->tickets, &key, period);
	}
	OPENSSL_cleanse(&key, sizeof(key));
	if (made && r->channel)
		say_tickets(r);
	/* Also when there is no new one: which of them encrypts follows from the time. */
	tell_proxy_tickets(r);
	timer_after(r->tickets_turn, TICKETS_EVERY);
}

/* The whole */

void replication_flows_wanted(struct replication *r)
{
	if (r->flows)
		client_flows_wanted(r->flows);
}

const struct snapshot_sync *replication_status(struct replication *r)
{
	const struct channel_status *channel;

	if (!r->channel)
		return NULL;
	channel = channel_status(r->channel);
	r->status = (struct snapshot_sync){
		.connected = channel->up,
		.since = channel->since,
		.link = channel->link,
		.known = r->peer.known,
		.matches = r->peer.sum == r->replica->sum,
		.peer_version = r->peer.version,
		.peer_servers = r->peer.servers,
		.version = r->replica->version,
		.servers = r->replica->n,
		.ticket_keys = r->tickets.n,
		.flows = client_flows_own(r->flows),
		.peer_flows = client_flows_peers(r->flows),
		.received = channel->words_in,
		.sent = channel->words_out,
		.trouble = channel->trouble,
	};
	return &r->status;
}

struct replication *replication_new(struct role_runtime *rt, const struct snapshot *snapshot,
				    void (*on_event)(const struct msg_event *event))
{
	struct replication *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->rt = rt;
	r->snapshot = snapshot;
	r->on_event = on_event;
	r->cursor = SIZE_MAX;
	r->replica = calloc(1, sizeof(*r->replica));
	r->save = evtimer_new(rt->base, on_save, r);
	r->tickets_turn = evtimer_new(rt->base, on_tickets_turn, r);
	if (!r->replica || !r->save || !r->tickets_turn) {
		replication_free(r);
		return NULL;
	}
	return r;
}

int replication_open(struct replication *r, const struct msg_sync_keys *keys)
{
	r->store = store_open(r->rt->state_dir, r->replica);
	if (!r->store)
		return -ENOMEM;
	OPENSSL_init_ssl(0, NULL); /* reads its files now */
	if (r->rt->config->n_nodes < 2)
		return 0;
	r->channel = channel_new(r->rt->base, r->rt->config, r->rt->node, &channel_handler, r);
	r->flows = r->channel ? client_flows_new(r->rt, r->snapshot, r->channel) : NULL;
	if (!r->flows)
		return -ENOMEM;
	if (keys)
		channel_set_keys(r->channel, keys);
	channel_open(r->channel);
	return 0;
}

void replication_begin(struct replication *r)
{
	replication_proxy_linked(r);
	timer_after(r->tickets_turn, TICKETS_FIRST);
}

void replication_set_keys(struct replication *r, const struct msg_sync_keys *keys)
{
	if (r->channel)
		channel_set_keys(r->channel, keys);
}

void replication_free(struct replication *r)
{
	if (!r)
		return;
	/* What the peer said last may still be on its way to the disk. */
	if (r->save && event_pending(r->save, EV_TIMEOUT, NULL))
		on_save(-1, 0, r);
	channel_free(r->channel);
	client_flows_free(r->flows);
	if (r->save)
		event_free(r->save);
	if (r->tickets_turn)
		event_free(r->tickets_turn);
	store_free(r->store);
	forget_overlay(r);
	OPENSSL_cleanse(&r->tickets, sizeof(r->tickets));
	free(r->told);
	free(r->replica);
	free(r);
}
