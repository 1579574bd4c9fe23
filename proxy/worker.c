/*
 * worker.c: see worker.h.
 */
#include "proxy/worker.h"

#include "hapair/base/log.h"
#include "proxy/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define COMPLAINTS_PER_SECOND 10
#define FLUSH_EVERY           MS(500)
#define FLUSH_AT              (ACCESS_BATCH / 2)

struct listener {
	struct list node;
	struct worker *worker;
	struct plan *plan; /* referred to */
	uint32_t listen;
	bool tls;
	struct io_listener *io;
};

/* --- listeners --------------------------------------------------------------------------------------------------- */

static void on_accepted(void *ctx, int fd, const struct addr *peer)
{
	struct listener *l = ctx;
	const struct config_listen *listen = &l->plan->config->listens[l->listen];
	if (fd >= 0) {
		session_accept(l->worker, l->plan, l->listen, l->tls, fd, peer);
		return;
	}
	worker_complain(l->worker, "listener %s: accept: %s", listen->name, strerror(-fd));
	if (fd == -EBADF || fd == -EINVAL || fd == -ENOTSOCK)
		__atomic_store_n(&l->worker->listener_lost, true, __ATOMIC_RELAXED);
}

static void listeners_close(struct worker *w)
{
	while (!list_empty(&w->listeners)) {
		struct listener *l = list_entry(w->listeners.next, struct listener, node);
		list_remove(&l->node);
		io_listener_free(l->io);
		plan_drop(l->plan);
		free(l);
	}
}

static void listener_open(struct worker *w, const struct worker_bind *bind, bool accepting)
{
	struct listener *l = calloc(1, sizeof(*l));
	if (l == NULL) {
		close(bind->fd);
		__atomic_store_n(&w->listener_lost, true, __ATOMIC_RELAXED);
		return;
	}
	l->worker = w;
	l->plan = plan_hold(w->plan);
	l->listen = bind->listen;
	l->tls = w->plan->config->listens[bind->listen].binds[bind->bind].tls;
	l->io = io_listen(w->loop, bind->fd, on_accepted, l);
	if (l->io == NULL) {
		log_error("listener %s: its socket can't be watched",
			  w->plan->config->listens[bind->listen].name);
		__atomic_store_n(&w->listener_lost, true, __ATOMIC_RELAXED);
		plan_drop(l->plan);
		free(l);
		return;
	}
	list_push_back(&w->listeners, &l->node);
	io_listener_pause(l->io, !accepting);
}

/* --- orders -------------------------------------------------------------------------------------------------------- */

static void maybe_stop(struct worker *w)
{
	if (w->stopping && list_empty(&w->all)) {
		upstreams_close_idle(&w->upstreams);
		io_loop_stop(w->loop);
	}
}

static void on_stop_at(struct wheel_timer *timer)
{
	struct worker *w = list_entry(timer, struct worker, stop_timer);
	sessions_end(w, SESSION_END_ALL);
	maybe_stop(w);
}

static void on_end_at(struct wheel_timer *timer)
{
	struct worker *w = list_entry(timer, struct worker, end_timer);
	sessions_end(w, SESSION_END_VIP);
}

static void take_plan(struct worker *w, struct plan *plan, const struct worker_bind *binds, size_t n,
		      bool accepting)
{
	listeners_close(w);
	plan_drop(w->plan);
	w->plan = plan;
	for (size_t i = 0; i < n; i++)
		listener_open(w, &binds[i], accepting && !w->stopping);
}

static void begin_stopping(struct worker *w, nanos stop_at)
{
	if (!w->stopping)
		listeners_close(w);
	w->stopping = true;
	io_timer_set(w->loop, &w->stop_timer, stop_at);
	sessions_end(w, SESSION_END_IDLE);
	maybe_stop(w);
}

static void on_orders(void *ctx)
{
	struct worker *w = ctx;
	struct worker_orders *o = &w->orders;
	__atomic_store_n(&w->seen, __atomic_load_n(&w->asked, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
	pthread_mutex_lock(&o->lock);
	struct plan *plan = o->plan;
	struct worker_bind *binds = o->binds;
	size_t n_binds = o->n_binds;
	bool accepting = o->accepting, stopping = o->stopping;
	nanos end_at = o->end_at, stop_at = o->stop_at;
	o->plan = NULL;
	o->binds = NULL;
	o->n_binds = 0;
	pthread_mutex_unlock(&o->lock);
	if (plan != NULL)
		take_plan(w, plan, binds, n_binds, accepting);
	free(binds);
	list_each(node, &w->listeners)
		io_listener_pause(list_entry(node, struct listener, node)->io, !accepting || stopping);
	if (w->end_at != end_at) {
		w->end_at = end_at;
		w->releasing = end_at != NANOS_NEVER;
		io_timer_set(w->loop, &w->end_timer, end_at);
	}
	if (stopping)
		begin_stopping(w, stop_at);
}

void worker_session_ended(struct worker *w)
{
	maybe_stop(w);
}

/* --- the log --------------------------------------------------------------------------------------------------------- */

void worker_complain(struct worker *w, const char *format, ...)
{
	char text[512];
	va_list args;
	nanos now = io_now(w->loop);
	if (now - w->complaints_from >= SECONDS(1)) {
		if (w->complaints_dropped > 0)
			log_warning("%u more like these in the last second", w->complaints_dropped);
		w->complaints_from = now;
		w->complaints = w->complaints_dropped = 0;
	}
	if (++w->complaints > COMPLAINTS_PER_SECOND) {
		w->complaints_dropped++;
		return;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_warning("%s", text);
}

static void on_flush(struct wheel_timer *timer)
{
	struct worker *w = list_entry(timer, struct worker, flush_timer);
	access_flush(&w->access);
}

static void after_turn(void *ctx)
{
	struct worker *w = ctx;
	if (w->access.n == 0)
		return;
	if (w->access.n >= FLUSH_AT)
		access_flush(&w->access);
	else if (w->flush_timer.deadline == NANOS_NEVER)
		io_timer_set(w->loop, &w->flush_timer, io_now(w->loop) + FLUSH_EVERY);
}

/* --- the thread -------------------------------------------------------------------------------------------------------- */

static void *worker_main(void *ctx)
{
	struct worker *w = ctx;
	char name[16];
	snprintf(name, sizeof(name), "worker %u", w->index);
	prctl(PR_SET_NAME, name, 0, 0, 0);
	int r = io_loop_run(w->loop);
	if (r < 0)
		log_fatal("worker %u: the loop failed: %s", w->index, strerror(-r));
	access_flush(&w->access);
	listeners_close(w);
	__atomic_store_n(&w->gone, true, __ATOMIC_RELEASE);
	return NULL;
}

int worker_start(struct worker *w, unsigned index, struct servers *servers, struct access_log *log,
		 size_t connections_max)
{
	memset(w, 0, sizeof(*w));
	w->index = index;
	w->servers = servers;
	w->end_at = NANOS_NEVER;
	w->orders.end_at = NANOS_NEVER;
	pthread_mutex_init(&w->orders.lock, NULL);
	list_init(&w->listeners);
	list_init(&w->all);
	/* A connection holds at most four buffers, one is the rule while it is busy and none while it is not. */
	w->loop = io_loop_new(connections_max * 2);
	if (w->loop == NULL)
		return -ENOMEM;
	session_slabs_init(&w->sessions, &w->partial_heads, connections_max);
	upstreams_init(&w->upstreams, w->loop, index, connections_max);
	access_batch_init(&w->access, log);
	wheel_timer_init(&w->end_timer, on_end_at);
	wheel_timer_init(&w->stop_timer, on_stop_at);
	wheel_timer_init(&w->flush_timer, on_flush);
	io_loop_on_post(w->loop, on_orders, w);
	io_loop_after_turn(w->loop, after_turn, w);
	int r = pthread_create(&w->thread, NULL, worker_main, w);
	if (r != 0) {
		io_loop_free(w->loop);
		w->loop = NULL;
	}
	return -r;
}

int worker_set_plan(struct worker *w, struct plan *plan, const struct worker_bind *binds, size_t n)
{
	struct worker_bind *copy = calloc(n + 1, sizeof(*copy));
	if (copy == NULL) {
		for (size_t i = 0; i < n; i++)
			close(binds[i].fd);
		return -ENOMEM;
	}
	memcpy(copy, binds, n * sizeof(*copy));
	struct worker_orders *o = &w->orders;
	pthread_mutex_lock(&o->lock);
	/* One that the worker has not come to yet is superseded. */
	for (size_t i = 0; i < o->n_binds; i++)
		close(o->binds[i].fd);
	free(o->binds);
	plan_drop(o->plan);
	o->plan = plan_hold(plan);
	o->binds = copy;
	o->n_binds = n;
	pthread_mutex_unlock(&o->lock);
	io_loop_post(w->loop);
	return 0;
}

void worker_set_accepting(struct worker *w, bool accepting)
{
	pthread_mutex_lock(&w->orders.lock);
	w->orders.accepting = accepting;
	pthread_mutex_unlock(&w->orders.lock);
	io_loop_post(w->loop);
}

void worker_set_end(struct worker *w, nanos end_at)
{
	pthread_mutex_lock(&w->orders.lock);
	w->orders.end_at = end_at;
	pthread_mutex_unlock(&w->orders.lock);
	io_loop_post(w->loop);
}

void worker_stop(struct worker *w, nanos stop_at)
{
	pthread_mutex_lock(&w->orders.lock);
	w->orders.stopping = true;
	w->orders.stop_at = stop_at;
	pthread_mutex_unlock(&w->orders.lock);
	io_loop_post(w->loop);
}

void worker_join(struct worker *w)
{
	pthread_join(w->thread, NULL);
}

unsigned worker_missed(struct worker *w)
{
	if (__atomic_load_n(&w->seen, __ATOMIC_RELAXED) != w->asked) {
		w->missed++;
		return w->missed;
	}
	w->missed = 0;
	__atomic_store_n(&w->asked, w->asked + 1, __ATOMIC_RELAXED);
	io_loop_post(w->loop);
	return 0;
}
