/*
 * flows.c: one dump of inet_diag for each family, filtered here.
 */
#include "vip/flows.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NEW_SYN_RECV    12 /* TCP_NEW_SYN_RECV: half-open connections, told as SYN_RECV */
#define HALF_OPEN_TRIES 2
#define STATES                                                                                               \
	(1u << TCP_ESTABLISHED | 1u << TCP_SYN_RECV | 1u << TCP_FIN_WAIT1 | 1u << TCP_FIN_WAIT2 |            \
	 1u << TCP_CLOSE_WAIT | 1u << TCP_LAST_ACK | 1u << TCP_CLOSING | 1u << NEW_SYN_RECV)

struct flows {
	struct mnl_socket *socket;
	unsigned port;
	uint32_t seq;
	char buffer[32768];
};

struct walk {
	const struct ip *vips;
	size_t n_vips;
	void (*each)(void *ctx, const struct flow *flow);
	void *ctx;
	long n;
};

int flows_new(struct flows **ret)
{
	struct flows *flows = calloc(1, sizeof(*flows));

	if (!flows)
		return -ENOMEM;
	flows->socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (!flows->socket || mnl_socket_bind(flows->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int error = -errno;

		flows_free(flows);
		return error;
	}
	flows->port = mnl_socket_get_portid(flows->socket);
	*ret = flows;
	return 0;
}

void flows_free(struct flows *flows)
{
	if (!flows)
		return;
	if (flows->socket)
		mnl_socket_close(flows->socket);
	free(flows);
}

int flows_fd(const struct flows *flows)
{
	return mnl_socket_get_fd(flows->socket);
}

static void take_ip(struct ip *to, int family, const void *bytes)
{
	memset(to, 0, sizeof(*to));
	to->family = (uint8_t)family;
	memcpy(to->bytes, bytes, family == AF_INET6 ? 16 : 4);
}

/* Is there something left to do for it here? */
static bool has_a_future(const struct inet_diag_msg *diag)
{
	/* Everything was acknowledged, and nobody here waits for the client's end. */
	if (diag->idiag_state == TCP_FIN_WAIT2)
		return diag->idiag_inode != 0;
	/* Half open, and the client has not answered for 3 s (RFC 6298): most likely it never will. */
	if (diag->idiag_state == TCP_SYN_RECV)
		return diag->idiag_retrans < HALF_OPEN_TRIES;
	return true;
}

static int see_socket(const struct nlmsghdr *nlh, void *ctx)
{
	const struct inet_diag_msg *diag = mnl_nlmsg_get_payload(nlh);
	struct walk *walk = ctx;
	struct flow flow = {.client_port = diag->id.idiag_dport, .vip_port = diag->id.idiag_sport};

	take_ip(&flow.vip, diag->idiag_family, diag->id.idiag_src);
	take_ip(&flow.client, diag->idiag_family, diag->id.idiag_dst);
	for (size_t i = 0; i < walk->n_vips; i++) {
		if (!ip_equal(&walk->vips[i], &flow.vip))
			continue;
		walk->n += has_a_future(diag);
		if (walk->each)
			walk->each(walk->ctx, &flow);
		break;
	}
	return MNL_CB_OK;
}

static int list_family(struct flows *flows, int family, struct walk *walk)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(flows->buffer);
	struct inet_diag_req_v2 *request;
	int more = MNL_CB_OK;

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = ++flows->seq;
	request = mnl_nlmsg_put_extra_header(nlh, sizeof(*request));
	request->sdiag_family = (uint8_t)family;
	request->sdiag_protocol = IPPROTO_TCP;
	request->idiag_states = STATES;
	if (mnl_socket_sendto(flows->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (more > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(flows->socket, flows->buffer, sizeof(flows->buffer));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		more = mnl_cb_run(flows->buffer, (size_t)n, flows->seq, flows->port, see_socket, walk);
		if (more < 0)
			return -errno;
	}
	return 0;
}

long flows_list(struct flows *flows, const struct ip *vips, size_t n_vips,
		void (*each)(void *ctx, const struct flow *flow), void *ctx)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct walk walk = {vips, n_vips, each, ctx, 0};

	for (size_t f = 0; f < 2; f++) {
		bool wanted = false;
		int error;

		for (size_t i = 0; i < n_vips; i++)
			wanted |= vips[i].family == families[f];
		error = wanted ? list_family(flows, families[f], &walk) : 0;
		if (error)
			return error;
	}
	return walk.n;
}
