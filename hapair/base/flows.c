/*
 * flows.c: one dump of inet_diag for each family, filtered here. The kernel fills the next buffer when one was taken, so a list costs
 * nothing while nobody reads it.
 */
#include "hapair/base/flows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#define NEW_SYN_RECV    12 /* TCP_NEW_SYN_RECV: half-open connections, told as SYN_RECV */
#define HALF_OPEN_TRIES 2
#define STATES                                                                                               \
	(1u << TCP_ESTABLISHED | 1u << TCP_SYN_RECV | 1u << TCP_FIN_WAIT1 | 1u << TCP_FIN_WAIT2 |            \
	 1u << TCP_CLOSE_WAIT | 1u << TCP_LAST_ACK | 1u << TCP_CLOSING | 1u << NEW_SYN_RECV)

static const int families[] = {AF_INET, AF_INET6};
#define FAMILIES (sizeof(families) / sizeof(families[0]))

struct flows {
	struct mnl_socket *socket;
	unsigned port;
	uint32_t seq;
	/* of the list */
	const struct ip *vips;
	size_t n_vips;
	size_t next; /* of families */
	bool busy;   /* the one before it is under way */
	long live;
	flow_each *each;
	void *ctx;
	char buffer[32768];
};

int flows_new(struct flows **ret)
{
	struct flows *flows = calloc(1, sizeof(*flows));

	if (!flows)
		return -ENOMEM;
	flows->socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC | SOCK_NONBLOCK);
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

static void take_addr(struct addr *to, int family, const void *bytes, uint16_t port)
{
	memset(to, 0, sizeof(*to));
	to->ip.family = (uint8_t)family;
	memcpy(to->ip.bytes, bytes, family == AF_INET6 ? 16 : 4);
	to->port = ntohs(port);
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
	struct flows *flows = ctx;
	struct flow flow;

	take_addr(&flow.vip, diag->idiag_family, diag->id.idiag_src, diag->id.idiag_sport);
	take_addr(&flow.client, diag->idiag_family, diag->id.idiag_dst, diag->id.idiag_dport);
	for (size_t i = 0; i < flows->n_vips; i++) {
		if (!ip_equal(&flows->vips[i], &flow.vip.ip))
			continue;
		flows->live += has_a_future(diag);
		if (flows->each)
			flows->each(flows->ctx, &flow, &diag->id);
		break;
	}
	return MNL_CB_OK;
}

static int ask(struct flows *flows, int family)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(flows->buffer);
	struct inet_diag_req_v2 *request;

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = ++flows->seq;
	request = mnl_nlmsg_put_extra_header(nlh, sizeof(*request));
	request->sdiag_family = (uint8_t)family;
	request->sdiag_protocol = IPPROTO_TCP;
	request->idiag_states = STATES;
	return mnl_socket_sendto(flows->socket, nlh, nlh->nlmsg_len) < 0 ? -errno : 0;
}

static bool has_family(const struct flows *flows, int family)
{
	for (size_t i = 0; i < flows->n_vips; i++)
		if (flows->vips[i].family == family)
			return true;
	return false;
}

/* Asks for the next family that a VIP has, if there is one. */
static int ask_next(struct flows *flows)
{
	int error = 0;

	flows->busy = false;
	while (!flows->busy && !error && flows->next < FAMILIES) {
		int family = families[flows->next++];

		if (has_family(flows, family)) {
			error = ask(flows, family);
			flows->busy = !error;
		}
	}
	return error;
}

int flows_begin(struct flows *flows, const struct ip *vips, size_t n_vips)
{
	if (flows->busy)
		return -EBUSY;
	flows->vips = vips;
	flows->n_vips = n_vips;
	flows->next = 0;
	flows->live = 0;
	return ask_next(flows);
}

int flows_more(struct flows *flows, flow_each *each, void *ctx)
{
	ssize_t n;
	int more;

	if (!flows->busy)
		return 0;
	do
		n = mnl_socket_recvfrom(flows->socket, flows->buffer, sizeof(flows->buffer));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	flows->each = each;
	flows->ctx = ctx;
	more = mnl_cb_run(flows->buffer, (size_t)n, flows->seq, flows->port, see_socket, flows);
	if (more < 0)
		return -errno;
	return more > MNL_CB_STOP ? 1 : (ask_next(flows) ?: flows->busy);
}

long flows_live(const struct flows *flows)
{
	return flows->live;
}

long flows_list(struct flows *flows, const struct ip *vips, size_t n_vips, flow_each *each, void *ctx)
{
	int more = flows_begin(flows, vips, n_vips) ?: 1;

	while (more > 0)
		more = flows_more(flows, each, ctx);
	return more < 0 ? more : flows->live;
}
