/*
 * watch.c: see watch.h. The thinking is in health.c, the asking in checker.c.
 */
#include "proxy/watch.h"

#include "hapair/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROOF_TRIES 32

static void tell(struct watch *w, const struct server *server, const struct health_outcome *o,
		 const char *detail)
{
	char subject[CONFIG_NAME_MAX * 2 + 2];
	snprintf(subject, sizeof(subject), "%s/%s", server->pool->name, server->name);
	if (o->changed)
		role_event(w->rt, "server", subject, server_state_name(o->from), server_state_name(o->to),
			   w->epoch, "%s%s%s", health_reason_text(o->reason), *detail != '\0' ? ": " : "",
			   detail);
	if (o->notify == HEALTH_NOTIFY_NONE || !w->held)
		return;
	struct msg_hook hook = {.epoch = w->epoch};
	MSG_TEXT(hook.event, o->notify == HEALTH_NOTIFY_DOWN ? "server_down" : "server_up");
	MSG_TEXT(hook.pool, server->pool->name);
	MSG_TEXT(hook.server, server->name);
	snprintf(hook.reason, sizeof(hook.reason), "%s%s%s", health_reason_text(o->reason),
		 *detail != '\0' ? ": " : "", detail);
	ipc_send(w->rt->peers[ROLE_RUNNER], MSG_HOOK, &hook, -1);
}

/* True: another check should follow soon. */
static bool step(struct watch *w, struct server *server, enum health_event event, const char *detail)
{
	struct health_outcome outcome;
	health_step(&server->health, &server->pool->policy, event, clock_now(), &outcome);
	/* First who gets requests, then who hears of it. */
	pool_refresh(server->pool);
	tell(w, server, &outcome, detail);
	if (outcome.check_now && server->target != NULL)
		checker_check_now(server->target);
	if (outcome.changed)
		w->changed(w->ctx);
	return outcome.unsettled;
}

static bool is_checked(const struct server *server)
{
	return server->configured && server->target != NULL && server->health.admin != SERVER_ACTION_MAINT;
}

/* All servers, or so many of them, were tried since it was asked: enough to say that none is reached. */
static bool tried_enough(const struct watch *w)
{
	unsigned tried = 0;
	bool all = true;
	list_each(pool_node, &w->servers->pools) {
		const struct pool *pool = list_entry(pool_node, struct pool, node);
		list_each(node, &pool->all) {
			const struct server *server = list_entry(node, struct server, node);
			bool since = server->last_check.at - server->last_check.took >= w->proof_asked;
			if (!is_checked(server))
				continue;
			tried += since;
			all = all && since;
		}
	}
	return all || tried >= PROOF_TRIES;
}

/* True: this result answers. A check that had begun before may have connected in another time. */
static bool prove(struct watch *w, const struct checker_result *result)
{
	if (w->proof_asked == 0 || result->at - result->took < w->proof_asked)
		return false;
	if (result->reached)
		w->seen = result->at;
	else if (!watch_reaches(w) && tried_enough(w))
		w->missed = result->at;
	else
		return false;
	w->proof_asked = 0;
	return true;
}

static bool on_result(void *ctx, void *owner, const struct checker_result *result)
{
	struct server *server = owner;
	struct watch *w = ctx;
	bool news = server->last_check.at == 0 || server->last_check.reached != result->reached;
	server->last_check = *result;
	if (prove(w, result) || news)
		w->changed(w->ctx);
	return step(ctx, server, result->ok ? HEALTH_EVENT_CHECK_GOOD : HEALTH_EVENT_CHECK_BAD,
		    result->detail);
}

static void on_evidence(evutil_socket_t fd, short what, void *ctx)
{
	struct watch *w = ctx;
	uint64_t count;
	if (read(fd, &count, sizeof(count)) < 0)
		return;
	list_each(pool_node, &w->servers->pools) {
		struct pool *pool = list_entry(pool_node, struct pool, node);
		list_each(node, &pool->all) {
			struct server *server = list_entry(node, struct server, node);
			uint32_t seen = __atomic_exchange_n(&server->evidence, 0, __ATOMIC_RELAXED);
			if (!server->configured || seen == 0)
				continue;
			if (seen & EVIDENCE_REFUSED)
				step(w, server, HEALTH_EVENT_REFUSED, "");
			else
				step(w, server, HEALTH_EVENT_CONNECT_FAILED, "");
		}
	}
}

int watch_init(struct watch *w, struct role_runtime *rt, struct servers *servers, void (*changed)(void *ctx),
	       void *ctx)
{
	*w = (struct watch){.rt = rt, .servers = servers, .changed = changed, .ctx = ctx};
	w->checker = checker_new(rt->base, false, on_result, w);
	w->evidence = event_new(rt->base, servers->evidence_fd, EV_READ | EV_PERSIST, on_evidence, w);
	if (w->checker == NULL || w->evidence == NULL || event_priority_set(w->evidence, 0) < 0 ||
	    event_add(w->evidence, NULL) < 0)
		return -ENOMEM;
	return 0;
}

/* --- configuration -------------------------------------------------------------------------------------------------- */

static void on_added(void *ctx, struct server *server, const struct config_pool *pool,
		     const struct config_server *configured)
{
	struct watch *w = ctx;
	const struct checker_spec spec = checker_spec(pool, configured);
	health_init(&server->health, SERVER_UNKNOWN, clock_now());
	if (spec.kind == CHECK_NONE)
		return;
	server->target = checker_add(w->checker, &spec, server);
	if (server->target == NULL)
		log_fatal("out of memory");
}

static void on_kept(void *ctx, struct server *server, const struct config_pool *pool,
		    const struct config_server *configured)
{
	struct watch *w = ctx;
	const struct checker_spec spec = checker_spec(pool, configured);
	if (server->target != NULL && spec.kind == CHECK_NONE) {
		checker_remove(server->target);
		server->target = NULL;
		/* What the checks had found is not known any more; the operator's word stays. */
		uint8_t admin = server->health.admin;
		health_init(&server->health, SERVER_UNKNOWN, clock_now());
		server->health.admin = admin;
		memset(&server->last_check, 0, sizeof(server->last_check));
	} else if (server->target != NULL) {
		if (checker_update(server->target, &spec) < 0)
			log_fatal("out of memory");
	} else if (spec.kind != CHECK_NONE) {
		server->target = checker_add(w->checker, &spec, server);
		if (server->target == NULL)
			log_fatal("out of memory");
		checker_pause(server->target, server->health.admin == SERVER_ACTION_MAINT);
	}
}

static void on_removed(void *ctx, struct server *server)
{
	if (server->target != NULL)
		checker_remove(server->target);
	server->target = NULL;
}

static int set_action(struct watch *w, const struct server_wanted *wanted)
{
	static const enum health_event events[] = {
		[SERVER_ACTION_READY] = HEALTH_EVENT_READY,
		[SERVER_ACTION_DRAIN] = HEALTH_EVENT_DRAIN,
		[SERVER_ACTION_MAINT] = HEALTH_EVENT_MAINT,
	};
	struct pool *pool = servers_pool(w->servers, wanted->pool);
	struct server *server = pool != NULL && pool->configured ? pool_server(pool, wanted->server) : NULL;
	if (server == NULL)
		return -ENOENT;
	if (server->health.admin == wanted->action)
		return 0;
	step(w, server, events[wanted->action], "");
	if (server->target != NULL)
		checker_pause(server->target, wanted->action == SERVER_ACTION_MAINT);
	return 0;
}

int watch_apply(struct watch *w, const struct config *config)
{
	const struct servers_change change = {on_added, on_kept, on_removed, w};
	struct overlay *overlay = overlay_new(config, w->wanted.n, wanted_set_at, &w->wanted);
	if (overlay == NULL)
		return -ENOMEM;
	w->config = config;
	int r = servers_apply(w->servers, &overlay->config, clock_now(), &change);
	overlay_free(overlay);
	/* A server that came is ready until it is told otherwise. */
	for (size_t i = 0; i < w->wanted.n; i++)
		set_action(w, &w->wanted.entries[i]);
	return r;
}

/* --- the pair, the operator, the snapshot ----------------------------------------------------------------------------- */

void watch_set_state(struct watch *w, bool held, uint64_t epoch)
{
	w->epoch = epoch;
	if (held != w->held)
		checker_set_active(w->checker, held);
	w->held = held;
}

static bool every_pool(const struct watch *w, bool (*holds)(const struct pool *pool))
{
	list_each(node, &w->servers->pools) {
		const struct pool *pool = list_entry(node, struct pool, node);
		if (pool->configured && !holds(pool))
			return false;
	}
	return true;
}

/* Waiting would change nothing for its requests. */
static bool pool_decided(const struct pool *pool)
{
	return pool_serves(pool) || pool_settled(pool);
}

bool watch_settled(const struct watch *w)
{
	return every_pool(w, pool_settled);
}

bool watch_decided(const struct watch *w)
{
	return every_pool(w, pool_decided);
}

bool watch_reaches(const struct watch *w)
{
	bool tried = false;
	list_each(pool_node, &w->servers->pools) {
		const struct pool *pool = list_entry(pool_node, struct pool, node);
		list_each(node, &pool->all) {
			const struct server *server = list_entry(node, struct server, node);
			if (!is_checked(server))
				continue;
			if (server->last_check.at == 0 || server->last_check.reached)
				return true;
			tried = true;
		}
	}
	return !tried;
}

void watch_check_all(struct watch *w, nanos since)
{
	if (w->proof_asked != 0 && w->proof_since == since)
		return;
	w->proof_since = since;
	w->proof_asked = clock_now();
	list_each(pool_node, &w->servers->pools) {
		struct pool *pool = list_entry(pool_node, struct pool, node);
		list_each(node, &pool->all) {
			struct server *server = list_entry(node, struct server, node);
			if (server->configured && server->target != NULL)
				checker_check_now(server->target);
		}
	}
}

static bool makes_sense(const struct server_wanted *wanted)
{
	return wanted->action <= SERVER_ACTION_MAINT && wanted->existence < SERVER_EXISTENCE_COUNT;
}

bool watch_note_server(struct watch *w, const struct server_wanted *wanted)
{
	if (!makes_sense(wanted))
		return false;
	struct server_wanted *entry = wanted_set_place(&w->wanted, wanted->pool, wanted->server);
	if (entry == NULL)
		return false;
	bool differs = wanted_differs(entry, wanted);
	*entry = *wanted;
	set_action(w, wanted);
	return differs;
}

void watch_carry_out(struct watch *w)
{
	int r = watch_apply(w, w->config);
	if (r < 0)
		log_error("servers that were added at run time: %s",
			  r == -E2BIG ? "a pool is full" : strerror(-r));
	w->changed(w->ctx);
}

int watch_set_server(struct watch *w, const struct server_wanted *wanted)
{
	if (!makes_sense(wanted))
		return -EINVAL;
	struct server_wanted *entry = wanted_set_place(&w->wanted, wanted->pool, wanted->server);
	if (entry == NULL)
		return -ENOMEM;
	const struct server_wanted before = *entry;
	*entry = *wanted;
	if (!wanted_differs(&before, wanted)) {
		int r = set_action(w, wanted);
		if (r < 0)
			*entry = before;
		return r;
	}
	int r = watch_apply(w, w->config);
	if (r < 0) {
		*entry = before;
		watch_apply(w, w->config);
	}
	w->changed(w->ctx);
	return r;
}

void watch_inherit(struct watch *w, const struct msg_verdict *verdict)
{
	struct pool *pool = servers_pool(w->servers, verdict->pool);
	struct server *server =
		pool != NULL && pool->configured ? pool_server(pool, verdict->server) : NULL;
	if (server == NULL || (verdict->state != SERVER_UP && verdict->state != SERVER_DOWN))
		return;
	step(w, server,
	     verdict->state == SERVER_UP ? HEALTH_EVENT_INHERITED_UP : HEALTH_EVENT_INHERITED_DOWN, "");
}

static void describe(const struct server *server, struct msg_server *m)
{
	MSG_TEXT(m->pool, server->pool->name);
	MSG_TEXT(m->name, server->name);
	m->address = server->address;
	m->state = health_state(&server->health);
	m->weight = server->pool->entries[server->index].weight;
	m->active = server_active(server);
	m->total = __atomic_load_n(&server->total, __ATOMIC_RELAXED);
	m->failed = __atomic_load_n(&server->failed, __ATOMIC_RELAXED);
	m->since = server->health.since;
	m->last_check.at = server->last_check.at;
	m->last_check.took = server->last_check.took;
	m->last_check.ok = server->last_check.ok;
	MSG_TEXT(m->last_check.detail, server->last_check.detail);
}

uint32_t watch_send_servers(const struct watch *w, uint64_t serial)
{
	uint32_t n = 0;
	list_each(pool_node, &w->servers->pools) {
		struct pool *pool = list_entry(pool_node, struct pool, node);
		list_each(node, &pool->all) {
			struct server *server = list_entry(node, struct server, node);
			if (!server->configured)
				continue;
			struct msg_server m = {.serial = serial};
			describe(server, &m);
			ipc_send(w->rt->peers[ROLE_ADMIN], MSG_SERVER, &m, -1);
			n++;
		}
	}
	return n;
}
