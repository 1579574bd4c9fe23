/*
 * proxy.c: the main thread of the role: its life, its orders to the workers, what it tells the other roles.
 *
 *   start     log, sandbox, servers and their first checks, workers that do not accept yet
 *   settled   every server was checked once; or 100 ms are over and every pool has one that is up; or one check's time has
 *             passed: accept, FITNESS_OK
 *   reload    a new plan with its sockets to every worker; connections go on
 *   stop      no more accepting, a short while for what is being answered
 */
#include "proxy/proxy.h"

#include "hapair/base/log.h"
#include "hapair/base/sandbox.h"
#include "hapair/base/timer.h"
#include "proxy/tickets.h"
#include "proxy/watch.h"
#include "proxy/worker.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SNAPSHOT_EVERY MS(500)
#define SNAPSHOT_SOON  MS(5)  /* several changes at a time are one snapshot */
#define CARRY_OUT_SOON MS(20) /* and what is said of many servers is one change of them */
#define STOP_WITHIN    SECONDS(2)
#define STOP_POLL      MS(5)
#define SETTLE_SOON    MS(100) /* then servers that do not answer are waited for only where nobody else is up */
#define SETTLE_MAX     SECONDS(10)
#define STUCK_TICKS    20 /* snapshots that a worker may miss before it counts as stuck: 10 s */

/* What came from the supervisor for the generation that is being made up. */
struct arrivals {
	uint64_t generation;
	struct {
		struct msg_listener what;
		int fd;
	} * sockets;
	size_t n_sockets;
	int *pem_fds; /* by listener, -1: none */
	size_t n_pem_fds;
};

struct proxy {
	struct role_runtime *rt;
	struct arrivals arrivals;
	struct access_log log;
	struct servers *servers;
	struct watch watch;
	struct list counters; /* of struct listener_counters */
	struct plan *plan;
	struct worker *workers;
	unsigned n_workers;
	unsigned n_started;
	struct event *tick, *soon, *settle, *stop, *carry_out;
	nanos begun;
	bool accepting, stopping, held;
	bool incomplete; /* a bind of the plan has no socket */
	uint64_t serial;
	struct msg_fitness fitness; /* as told last */
	uint64_t lost_lines;
};

static struct proxy *proxy_of(struct role_runtime *rt)
{
	if (rt->ctx == NULL) {
		struct proxy *p = calloc(1, sizeof(*p));
		if (p == NULL)
			log_fatal("out of memory");
		p->rt = rt;
		list_init(&p->counters);
		rt->ctx = p;
	}
	return rt->ctx;
}

/* --- what comes before a configuration ------------------------------------------------------------------------------ */

static void arrivals_clear(struct arrivals *a)
{
	for (size_t i = 0; i < a->n_sockets; i++)
		if (a->sockets[i].fd >= 0)
			close(a->sockets[i].fd);
	for (size_t i = 0; i < a->n_pem_fds; i++)
		if (a->pem_fds[i] >= 0)
			close(a->pem_fds[i]);
	free(a->sockets);
	free(a->pem_fds);
	memset(a, 0, sizeof(*a));
}

/* The first of a newer generation makes what was gathered for an older one void. */
static void arrivals_begin(struct arrivals *a, uint64_t generation)
{
	if (a->generation != generation)
		arrivals_clear(a);
	a->generation = generation;
}

static void take_socket(struct proxy *p, const struct msg_listener *m, int fd)
{
	struct arrivals *a = &p->arrivals;
	arrivals_begin(a, m->generation);
	void *more = realloc(a->sockets, (a->n_sockets + 1) * sizeof(*a->sockets));
	if (more == NULL)
		log_fatal("out of memory");
	a->sockets = more;
	a->sockets[a->n_sockets].what = *m;
	a->sockets[a->n_sockets++].fd = fd;
}

static void take_certificate(struct proxy *p, const struct msg_certificate *m, int fd)
{
	struct arrivals *a = &p->arrivals;
	arrivals_begin(a, m->generation);
	if (m->listen >= a->n_pem_fds) {
		int *more = realloc(a->pem_fds, (m->listen + 1) * sizeof(*more));
		if (more == NULL)
			log_fatal("out of memory");
		for (size_t i = a->n_pem_fds; i <= m->listen; i++)
			more[i] = -1;
		a->pem_fds = more;
		a->n_pem_fds = m->listen + 1;
	}
	if (a->pem_fds[m->listen] >= 0)
		close(a->pem_fds[m->listen]);
	a->pem_fds[m->listen] = fd;
}

/* --- what the others hear --------------------------------------------------------------------------------------------- */

static bool listener_lost(const struct proxy *p)
{
	for (unsigned i = 0; i < p->n_workers; i++)
		if (__atomic_load_n(&p->workers[i].listener_lost, __ATOMIC_RELAXED))
			return true;
	return p->incomplete;
}

static void tell_fitness(struct proxy *p, bool again)
{
	struct msg_fitness now = {.class = FITNESS_OK};
	if (p->stopping) {
		now.class = FITNESS_NO_LISTENER;
		MSG_TEXT(now.reason, "stopping");
	} else if (!p->accepting) {
		now.class = FITNESS_NO_LISTENER;
		MSG_TEXT(now.reason, "first checks are running");
	} else if (listener_lost(p)) {
		now.class = FITNESS_NO_LISTENER;
		MSG_TEXT(now.reason, "a listening socket is gone");
	}
	now.no_servers = !watch_reaches(&p->watch);
	now.seen = p->watch.seen;
	now.missed = p->watch.missed;
	if (!again && memcmp(&now, &p->fitness, sizeof(now)) == 0)
		return;
	p->fitness = now;
	ipc_send(p->rt->peers[ROLE_HEARTBEAT], MSG_FITNESS, &now, -1);
}

static void sum(struct msg_listener_stats *m, const struct counters *c)
{
	m->active += (uint32_t)__atomic_load_n(&c->active, __ATOMIC_RELAXED);
	m->total += __atomic_load_n(&c->total, __ATOMIC_RELAXED);
	m->requests += __atomic_load_n(&c->requests, __ATOMIC_RELAXED);
	for (int i = 0; i < 6; i++)
		m->responses[i] += __atomic_load_n(&c->responses[i], __ATOMIC_RELAXED);
	m->bytes_in += __atomic_load_n(&c->bytes_in, __ATOMIC_RELAXED);
	m->bytes_out += __atomic_load_n(&c->bytes_out, __ATOMIC_RELAXED);
	m->retries += __atomic_load_n(&c->retries, __ATOMIC_RELAXED);
}

static void send_snapshot(struct proxy *p)
{
	const struct config *config = p->plan->config;
	struct ipc *admin = p->rt->peers[ROLE_ADMIN];
	if (admin == NULL)
		return;
	uint64_t serial = ++p->serial;
	struct msg_proxy_stats stats = {.serial = serial, .workers = p->n_workers, .at = clock_now()};
	stats.n_servers = watch_send_servers(&p->watch, serial);
	for (size_t i = 0; i < config->n_listens; i++) {
		struct msg_listener_stats m = {.serial = serial};
		MSG_TEXT(m.name, config->listens[i].name);
		for (unsigned w = 0; w < p->n_workers; w++)
			sum(&m, &p->plan->listens[i].counters[w]);
		ipc_send(admin, MSG_LISTENER_STATS, &m, -1);
		stats.n_listeners++;
	}
	MSG_TEXT(stats.engine, io_engine_name());
	ipc_send(admin, MSG_PROXY_STATS, &stats, -1);
}

static void on_change(void *ctx)
{
	struct proxy *p = ctx;
	if (p->soon != NULL && !event_pending(p->soon, EV_TIMEOUT, NULL))
		timer_after(p->soon, SNAPSHOT_SOON);
}

static void on_soon(evutil_socket_t fd, short what, void *ctx)
{
	send_snapshot(ctx);
}

static void on_carry_out(evutil_socket_t fd, short what, void *ctx)
{
	struct proxy *p = ctx;
	watch_carry_out(&p->watch);
	send_snapshot(p);
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct proxy *p = ctx;
	send_snapshot(p);
	tell_fitness(p, false);
	uint64_t lost = __atomic_load_n(&p->log.lost, __ATOMIC_RELAXED);
	if (lost != p->lost_lines)
		log_warning("access log: %llu lines were lost: it does not keep up",
			    (unsigned long long)(lost - p->lost_lines));
	p->lost_lines = lost;
	for (unsigned i = 0; i < p->n_started && !p->stopping; i++)
		if (worker_missed(&p->workers[i]) > STUCK_TICKS)
			log_fatal("worker %u does not turn any more", i);
}

/* --- the workers' work -------------------------------------------------------------------------------------------------- */

static void accept_now(struct proxy *p)
{
	if (p->accepting)
		return;
	p->accepting = true;
	event_del(p->settle);
	for (unsigned i = 0; i < p->n_started; i++)
		worker_set_accepting(&p->workers[i], true);
	tell_fitness(p, false);
}

static nanos longest_check(const struct config *config)
{
	nanos longest = 0;
	for (size_t i = 0; i < config->n_pools; i++)
		if (config->pools[i].check.kind != CHECK_NONE && config->pools[i].check.timeout > longest)
			longest = config->pools[i].check.timeout;
	return longest < SETTLE_MAX ? longest : SETTLE_MAX;
}

/* The first request should not meet a server that nobody has looked at; nor should it wait for one that is silent. */
static bool may_accept(const struct proxy *p)
{
	nanos waited = clock_now() - p->begun;
	return watch_settled(&p->watch) || (waited >= SETTLE_SOON && watch_decided(&p->watch)) ||
	       waited >= longest_check(p->plan->config);
}

/* The loop's clock is that of the turn, so this may come early: then it comes again. */
static void on_settle(evutil_socket_t fd, short what, void *ctx)
{
	struct proxy *p = ctx;
	nanos now = clock_now(), soon = p->begun + SETTLE_SOON;
	if (may_accept(p))
		accept_now(p);
	else
		timer_after(p->settle, (now < soon ? soon : p->begun + longest_check(p->plan->config)) - now);
}

static void on_watch_changed(void *ctx)
{
	struct proxy *p = ctx;
	on_change(p);
	if (!p->accepting && p->settle != NULL && may_accept(p))
		accept_now(p);
	if (p->plan != NULL)
		tell_fitness(p, false);
}

static size_t count_binds(const struct config *config)
{
	size_t n = 0;
	for (size_t i = 0; i < config->n_listens; i++)
		n += config->listens[i].n_binds;
	return n;
}

/* Hands each worker its sockets of the plan that was made from `config`. */
static int hand_out(struct proxy *p, const struct config *config)
{
	struct arrivals *a = &p->arrivals;
	size_t wanted = count_binds(config);
	int result = 0;
	p->incomplete = false;
	for (unsigned w = 0; w < p->n_started; w++) {
		struct worker_bind *binds = calloc(a->n_sockets + 1, sizeof(*binds));
		size_t n = 0;
		if (binds == NULL)
			return -ENOMEM;
		for (size_t i = 0; i < a->n_sockets; i++) {
			const struct msg_listener *m = &a->sockets[i].what;
			if (m->worker != w || m->listen >= config->n_listens ||
			    m->bind >= config->listens[m->listen].n_binds)
				continue;
			binds[n++] = (struct worker_bind){a->sockets[i].fd, m->listen, m->bind};
			a->sockets[i].fd = -1;
		}
		if (n < wanted)
			p->incomplete = true;
		int r = worker_set_plan(&p->workers[w], p->plan, binds, n);
		free(binds);
		if (r < 0)
			result = r;
	}
	if (p->incomplete)
		log_error("%zu listening sockets are wanted for each worker, fewer came", wanted);
	return result;
}

/* The servers, the plan and the sockets of `config`; on error the old ones stay. */
static int apply(struct proxy *p, const struct config *config)
{
	struct arrivals *a = &p->arrivals;
	char why[256];
	int *pems = calloc(config->n_listens + 1, sizeof(*pems));
	if (pems == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_listens; i++)
		pems[i] = i < a->n_pem_fds ? a->pem_fds[i] : -1;
	int r = watch_apply(&p->watch, config);
	struct plan *plan = r < 0 ? NULL
				  : plan_new(config, a->generation, p->servers, &p->counters, p->n_workers,
					     pems, why, sizeof(why));
	free(pems);
	if (plan == NULL) {
		log_error("the configuration can't be served: %s", r < 0 ? strerror(-r) : why);
		arrivals_clear(a);
		return r < 0 ? r : -EINVAL;
	}
	plan_drop(p->plan);
	p->plan = plan;
	r = hand_out(p, config);
	arrivals_clear(a);
	return r;
}

/* As many descriptors as allowed; returns how many connections that makes for each worker. */
static size_t raise_limits(unsigned n_workers)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		limit.rlim_cur = 1024;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			getrlimit(RLIMIT_NOFILE, &limit);
	}
	size_t files = limit.rlim_cur > 1048576 ? 1048576 : (size_t)limit.rlim_cur;
	size_t spare = 128;
	/* A client, a server, and now and then a pipe. */
	size_t each = files > spare ? (files - spare) / 3 / n_workers : 0;
	return each > 16 ? each : 16;
}

static int start(struct role_runtime *rt)
{
	struct proxy *p = proxy_of(rt);
	const struct config *config = rt->config;
	p->n_workers = rt->worker_count > 0 ? rt->worker_count : 1;
	size_t connections_max = raise_limits(p->n_workers);
	int r = access_log_open(&p->log, config->proxy.access_log, config->proxy.user);
	if (r < 0)
		return r;
	OPENSSL_init_ssl(0, NULL); /* reads its files now */
	tickets_init();
	r = sandbox_enter(SANDBOX_PROXY, config->proxy.user);
	if (r < 0)
		return r;
	p->servers = servers_new(p->n_workers);
	p->workers = aligned_alloc(64, (p->n_workers * sizeof(*p->workers) + 63) & ~(size_t)63);
	p->tick = event_new(rt->base, -1, EV_PERSIST, on_tick, p);
	p->soon = event_new(rt->base, -1, 0, on_soon, p);
	p->carry_out = event_new(rt->base, -1, 0, on_carry_out, p);
	if (p->servers == NULL || p->workers == NULL || p->tick == NULL || p->soon == NULL ||
	    p->carry_out == NULL)
		return -ENOMEM;
	for (; p->n_started < p->n_workers; p->n_started++) {
		r = worker_start(&p->workers[p->n_started], p->n_started, p->servers, &p->log,
				 connections_max);
		if (r < 0)
			return r;
	}
	r = watch_init(&p->watch, rt, p->servers, on_watch_changed, p);
	if (r == 0)
		r = apply(p, config);
	if (r < 0)
		return r;
	p->settle = event_new(rt->base, -1, 0, on_settle, p);
	if (p->settle == NULL)
		return -ENOMEM;
	timer_after(p->tick, SNAPSHOT_EVERY);
	tell_fitness(p, true);
	p->begun = clock_now();
	if (may_accept(p))
		accept_now(p);
	else
		timer_after(p->settle, SETTLE_SOON);
	send_snapshot(p);
	return 0;
}

static void on_config(struct role_runtime *rt, const struct config *next)
{
	struct proxy *p = proxy_of(rt);
	access_log_reopen(&p->log, next->proxy.access_log);
	if (apply(p, next) < 0)
		return;
	tell_fitness(p, false);
	send_snapshot(p);
}

/* --- messages ------------------------------------------------------------------------------------------------------------- */

static void on_state(struct proxy *p, const struct msg_state *m)
{
	bool held = m->held != 0;
	watch_set_state(&p->watch, held, m->epoch);
	if (held == p->held)
		return;
	p->held = held;
	/* Who came to a VIP that is elsewhere now can be served on for a while, not for ever. */
	nanos end_at = held ? NANOS_NEVER : clock_now() + p->plan->config->cluster.drain_timeout;
	for (unsigned i = 0; i < p->n_started; i++)
		worker_set_end(&p->workers[i], end_at);
}

static void on_server_set(struct proxy *p, const struct msg_server_set *m)
{
	if (m->id == 0) {
		if (watch_note_server(&p->watch, &m->wanted) &&
		    !event_pending(p->carry_out, EV_TIMEOUT, NULL))
			timer_after(p->carry_out, CARRY_OUT_SOON);
		return;
	}
	int r = watch_set_server(&p->watch, &m->wanted);
	struct msg_reply reply = {.id = m->id, .error = r};
	if (r < 0)
		snprintf(reply.text, sizeof(reply.text), "%s/%s: %s", m->wanted.pool, m->wanted.server,
			 r == -ENOENT  ? "no such server"
			 : r == -E2BIG ? "the pool is full"
				       : strerror(-r));
	ipc_send(p->rt->peers[ROLE_ADMIN], MSG_REPLY, &reply, -1);
	send_snapshot(p);
}

static void on_message(struct role_runtime *rt, enum role from, enum msg_type type, const union msg_any *m,
		       int fd)
{
	struct proxy *p = proxy_of(rt);
	switch (type) {
	case MSG_LISTENER:
		take_socket(p, &m->m_LISTENER, fd);
		return;
	case MSG_CERTIFICATE:
		take_certificate(p, &m->m_CERTIFICATE, fd);
		return;
	case MSG_STATE:
		on_state(p, &m->m_STATE);
		return;
	case MSG_CHECK:
		watch_check_all(&p->watch, m->m_CHECK.since);
		return;
	case MSG_SERVER_SET:
		on_server_set(p, &m->m_SERVER_SET);
		return;
	case MSG_VERDICT:
		watch_inherit(&p->watch, &m->m_VERDICT);
		return;
	case MSG_TICKET_KEYS:
		tickets_set(&m->m_TICKET_KEYS);
		return;
	default:
		log_fatal("message %s is not the proxy's", msg_infos[type].name);
	}
}

static void on_link(struct role_runtime *rt, enum role peer)
{
	struct proxy *p = proxy_of(rt);
	if (peer == ROLE_HEARTBEAT)
		tell_fitness(p, true);
	if (peer == ROLE_ADMIN) {
		struct msg_ticket_keys keys;
		if (tickets_get(&keys))
			ipc_send(rt->peers[ROLE_ADMIN], MSG_TICKET_KEYS_HELD, &keys, -1);
		OPENSSL_cleanse(&keys, sizeof(keys));
		send_snapshot(p);
	}
}

/* --- the end ------------------------------------------------------------------------------------------------------------------ */

static void on_stop_poll(evutil_socket_t fd, short what, void *ctx)
{
	struct proxy *p = ctx;
	for (unsigned i = 0; i < p->n_started; i++)
		if (!__atomic_load_n(&p->workers[i].gone, __ATOMIC_ACQUIRE))
			return;
	for (unsigned i = 0; i < p->n_started; i++)
		worker_join(&p->workers[i]);
	event_del(p->stop);
	role_exit(p->rt, EXIT_SUCCESS);
}

static void on_stop(struct role_runtime *rt)
{
	struct proxy *p = proxy_of(rt);
	nanos stop_at = clock_now() + (p->stopping ? 0 : STOP_WITHIN);
	bool again = p->stopping;
	p->stopping = true;
	tell_fitness(p, false);
	for (unsigned i = 0; i < p->n_started; i++)
		worker_stop(&p->workers[i], stop_at);
	if (again)
		return;
	p->stop = event_new(rt->base, -1, EV_PERSIST, on_stop_poll, p);
	if (p->stop == NULL)
		log_fatal("out of memory");
	timer_after(p->stop, STOP_POLL);
}

const struct role_ops proxy_role = {
	.self = ROLE_PROXY,
	.start = start,
	.on_message = on_message,
	.on_link = on_link,
	.on_config = on_config,
	.on_stop = on_stop,
};
