/*
 * upstream.c: see upstream.h.
 */
#include "proxy/upstream.h"

#include <errno.h>

#define CLOSING_MAX 1024

static void idle_received(struct io_stream *stream, struct buffer *buffer, ssize_t n)
{
	/* Closed, or says something that nobody asked for: of no use either way. */
	if (n > 0)
		slab_put(io_buffers(stream->loop), buffer);
	upstream_close(upstream_of(stream), IO_CLOSE);
}

static const struct io_handler idle_handler = {
	.on_received = idle_received,
	.on_closed = upstream_closed,
};

static void on_old(struct wheel_timer *timer)
{
	upstream_close(list_entry(timer, struct upstream, timer), IO_CLOSE);
}

void upstreams_init(struct upstreams *all, struct io_loop *loop, unsigned worker, size_t limit)
{
	all->loop = loop;
	all->worker = worker;
	list_init(&all->idle);
	all->limit = limit;
	/* One that is closed keeps its place to the end of the turn. */
	slab_init(&all->slab, sizeof(struct upstream), 256, limit + CLOSING_MAX);
}

void upstreams_close_idle(struct upstreams *all)
{
	while (!list_empty(&all->idle))
		upstream_close(list_entry(all->idle.next, struct upstream, by_worker), IO_CLOSE);
}

void upstreams_done(struct upstreams *all)
{
	slab_done(&all->slab);
}

static void leave_idle(struct upstream *u)
{
	if (!list_linked(&u->by_server))
		return;
	u->server->idle[u->all->worker].n--;
	list_remove(&u->by_server);
	list_remove(&u->by_worker);
	wheel_cancel(&u->timer);
}

struct upstream *upstream_take(struct upstreams *all, struct server *server, nanos max_age,
			       const struct io_handler *handler, void *owner)
{
	struct server_idle *idle = &server->idle[all->worker];
	if (list_empty(&idle->list))
		return NULL;
	struct upstream *u = list_entry(idle->list.next, struct upstream, by_server);
	if (io_now(all->loop) - u->idle_since > max_age)
		return NULL;
	leave_idle(u);
	u->reused = true;
	u->stream.owner = owner;
	io_hand_over(&u->stream, handler);
	return u;
}

struct upstream *upstream_connect(struct upstreams *all, struct server *server,
				  const struct io_handler *handler, void *owner)
{
	/* The one that has been idle longest gives way to one that is needed now. */
	if (all->open >= all->limit && !list_empty(&all->idle))
		upstream_close(list_entry(all->idle.prev, struct upstream, by_worker), IO_CLOSE);
	struct upstream *u = all->open < all->limit ? slab_get(&all->slab) : NULL;
	if (u == NULL)
		return NULL;
	all->open++;
	u->all = all;
	u->server = server;
	u->reused = false;
	list_init(&u->by_server);
	list_init(&u->by_worker);
	wheel_timer_init(&u->timer, on_old);
	server_hold(server);
	io_connect(all->loop, &u->stream, handler, owner, &server->address);
	return u;
}

void upstream_give_back(struct upstream *u)
{
	struct upstreams *all = u->all;
	struct server_idle *idle = &u->server->idle[all->worker];
	if (idle->n >= UPSTREAM_IDLE_MAX) {
		upstream_close(u, IO_CLOSE);
		return;
	}
	u->idle_since = io_now(all->loop);
	u->stream.owner = u;
	io_hand_over(&u->stream, &idle_handler);
	idle->n++;
	list_push_front(&idle->list, &u->by_server);
	list_push_front(&all->idle, &u->by_worker);
	io_timer_set(all->loop, &u->timer, u->idle_since + UPSTREAM_IDLE_FOR);
	if (!io_is_receiving(&u->stream))
		io_receive(&u->stream, NULL);
}

void upstream_close(struct upstream *u, enum io_close_how how)
{
	if (u->stream.closed)
		return;
	leave_idle(u);
	u->all->open--;
	/* Whoever had it is not called any more. */
	io_hand_over(&u->stream, &idle_handler);
	io_close(&u->stream, how);
}

void upstream_closed(struct io_stream *stream)
{
	struct upstream *u = upstream_of(stream);
	server_drop(u->server);
	slab_put(&u->all->slab, u);
}

bool upstream_error_is_ours(int error)
{
	switch (-error) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EADDRNOTAVAIL:
		return true;
	default:
		return false;
	}
}
