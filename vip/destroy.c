/*
 * destroy.c: a list of connections (flows.h), read buffer by buffer; what a buffer holds is ordered to end in batches.
 */
#include "vip/destroy.h"

#include "hapair/base/flows.h"
#include "hapair/base/log.h"

#include <assert.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#ifndef SOCK_DESTROY
#define SOCK_DESTROY 21
#endif

#define VIPS    16
#define LISTED  400 /* more than one buffer of the list can hold */
#define BATCH   32  /* orders at once */
#define ANSWERS 8192

struct order {
	struct nlmsghdr header;
	struct inet_diag_req_v2 request;
};

struct destroy {
	struct mnl_socket *socket; /* for the orders */
	struct ip vips[VIPS];
	size_t n_vips;
	bool wanted;         /* a list is to begin */
	struct flows *flows; /* the one that is under way; NULL: none */
	bool more;           /* it is not at its end */
	struct order orders[LISTED];
	size_t n, given;
	uint32_t seq;
	size_t count;
	bool refused; /* told */
};

int destroy_new(struct destroy **ret)
{
	struct destroy *destroy = calloc(1, sizeof(*destroy));

	if (!destroy)
		return -ENOMEM;
	destroy->socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!destroy->socket || mnl_socket_bind(destroy->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int error = -errno;

		destroy_free(destroy);
		return error;
	}
	*ret = destroy;
	return 0;
}

void destroy_free(struct destroy *destroy)
{
	if (!destroy)
		return;
	destroy_stop(destroy);
	if (destroy->socket)
		mnl_socket_close(destroy->socket);
	free(destroy);
}

void destroy_stop(struct destroy *destroy)
{
	/* A list that is not read to its end leaves its channel of no use. */
	flows_free(destroy->flows);
	destroy->flows = NULL;
	destroy->wanted = false;
	destroy->n = destroy->given = 0;
}

void destroy_begin(struct destroy *destroy, const struct ip *vips, size_t n)
{
	destroy_stop(destroy);
	destroy->count = 0;
	assert(n <= VIPS);
	memcpy(destroy->vips, vips, n * sizeof(*vips));
	destroy->n_vips = n;
	destroy->wanted = true;
}

/* The kernel fills the first buffer at once, which may take it milliseconds. */
static bool list_begin(struct destroy *destroy)
{
	int error = flows_new(&destroy->flows);

	if (!error)
		error = flows_begin(destroy->flows, destroy->vips, destroy->n_vips);
	if (error)
		log_warning("connections can't be listed: %s", strerror(-error));
	destroy->wanted = false;
	destroy->more = !error;
	return !error;
}

static void order_one(void *ctx, const struct flow *flow, const struct inet_diag_sockid *id)
{
	struct destroy *destroy = ctx;

	assert(destroy->n < LISTED);
	destroy->orders[destroy->n++] = (struct order){
		.header = {.nlmsg_len = sizeof(struct order),
			   .nlmsg_type = SOCK_DESTROY,
			   .nlmsg_flags = NLM_F_REQUEST,
			   .nlmsg_seq = ++destroy->seq},
		.request = {.sdiag_family = flow->vip.ip.family,
			    .sdiag_protocol = IPPROTO_TCP,
			    .idiag_states = ~0u,
			    .id = *id},
	};
}

/* Only what was refused is answered. Returns the number of answers; *ret_error: an error that every order will meet. */
static size_t read_answers(struct destroy *destroy, int *ret_error)
{
	char buffer[ANSWERS];
	size_t refused = 0;
	ssize_t got;

	while ((got = mnl_socket_recvfrom(destroy->socket, buffer, sizeof(buffer))) > 0) {
		int left = (int)got;

		for (const struct nlmsghdr *nlh = (const void *)buffer; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left)) {
			const struct nlmsgerr *answer = mnl_nlmsg_get_payload(nlh);

			refused++;
			/* The others are of connections that ended by themselves. */
			if (nlh->nlmsg_type == NLMSG_ERROR &&
			    (answer->error == -EOPNOTSUPP || answer->error == -EPERM))
				*ret_error = answer->error;
		}
	}
	return refused;
}

/* False: it makes no sense to go on. */
static bool give_orders(struct destroy *destroy)
{
	size_t left = destroy->n - destroy->given, n = left < BATCH ? left : BATCH;
	int error = 0;

	if (mnl_socket_sendto(destroy->socket, &destroy->orders[destroy->given], n * sizeof(struct order)) < 0)
		error = -errno;
	destroy->given += n;
	destroy->count += n - read_answers(destroy, &error);
	if (error && !destroy->refused)
		log_warning("clients of a lost VIP can't be told: connections can't be ended (%s)",
			    strerror(-error));
	destroy->refused |= error != 0;
	return !error;
}

static bool list_more(struct destroy *destroy)
{
	int more;

	destroy->n = destroy->given = 0;
	more = flows_more(destroy->flows, order_one, destroy);
	if (more < 0)
		log_warning("connections can't be listed: %s", strerror(-more));
	destroy->more = more > 0;
	return more >= 0;
}

bool destroy_go_on(struct destroy *destroy, nanos until)
{
	bool going = destroy->wanted || destroy->flows;

	while (going) {
		if (destroy->wanted)
			going = list_begin(destroy);
		else if (destroy->given < destroy->n)
			going = give_orders(destroy);
		else
			going = destroy->more && list_more(destroy);
		if (going && clock_now() >= until)
			return true;
	}
	destroy_stop(destroy);
	return false;
}

size_t destroy_count(const struct destroy *destroy)
{
	return destroy->count;
}
