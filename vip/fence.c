/*
 * fence.c: the table `hapair_NODE` of the netdev family, built and renewed in netlink batches.
 *
 *     set open { type iface_index; flags timeout; }      one element per interface, alive: this node may
 * answer set vip4 { type ipv4_addr; }   set vip6 { type ipv6_addr; } chain ingress { hook ingress devices;
 * iif @open accept; <drop what asks for a VIP> } chain egress  { hook egress devices;  oif @open accept;
 * <drop what speaks for a VIP> }
 *
 * A renewal deletes and adds the elements in one batch. Before Linux 6.12 adding an element again does not
 * extend it; and the deletion fails when the element has lapsed, which undoes the batch: a lapsed fence can't
 * be renewed, by construction.
 *
 * The kernel handles a batch inside sendmsg() and its answers are in the receive queue when that returns, so
 * reading never waits. Every message that matters asks for an acknowledgement; an error anywhere undoes the
 * whole batch.
 */
#include "vip/fence.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef NF_NETDEV_EGRESS /* headers before Linux 5.16; the kernel decides */
#define NF_NETDEV_EGRESS 1
#endif

#define BATCH_SIZE     32768 /* the largest installation is about 9 KB */
#define CHAIN_PRIORITY -300

/* The key types that nft(8) shows; the kernel only keeps them. */
enum { TYPE_IPV4 = 7, TYPE_IPV6 = 8, TYPE_IFINDEX = 20 };

struct fence {
	struct mnl_socket *socket;
	unsigned port;
	uint32_t seq;
	nanos tick;
	char table[96];
	struct fence_plan plan;
	/* The batch being built. */
	struct mnl_nlmsg_batch *batch;
	char buffer[BATCH_SIZE * 2];
};

static nanos clock_tick(void)
{
	struct timespec ts;

	/* The coarse clock advances once a jiffy. */
	if (clock_getres(CLOCK_MONOTONIC_COARSE, &ts) || ts.tv_nsec <= 0)
		return MS(10);
	return SECONDS(ts.tv_sec) + ts.tv_nsec;
}

int fence_new(const char *node, struct fence **ret)
{
	struct fence *fence = calloc(1, sizeof(*fence));

	if (!fence)
		return -ENOMEM;
	fence->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!fence->socket || mnl_socket_bind(fence->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int error = -errno;

		fence_free(fence);
		return error;
	}
	fence->port = mnl_socket_get_portid(fence->socket);
	fence->seq = (uint32_t)time(NULL);
	fence->tick = clock_tick();
	snprintf(fence->table, sizeof(fence->table), "hapair_%s", node);
	for (char *c = fence->table; *c; c++) /* nft(8) would want quotes around anything else */
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
			*c = '_';
	*ret = fence;
	return 0;
}

void fence_free(struct fence *fence)
{
	if (!fence)
		return;
	if (fence->socket)
		mnl_socket_close(fence->socket);
	free(fence);
}

nanos fence_shortest(const struct fence *fence)
{
	/* A timeout that rounds to no tick at all would mean "for ever" to the kernel. */
	return 2 * fence->tick > MS(2) ? 2 * fence->tick : MS(2);
}

/* --- batches --- */

static void *cursor(struct fence *fence)
{
	return mnl_nlmsg_batch_current(fence->batch);
}

static void advance(struct fence *fence)
{
	if (!mnl_nlmsg_batch_next(fence->batch))
		abort(); /* the limits above make this impossible */
}

static int batch_begin(struct fence *fence)
{
	fence->batch = mnl_nlmsg_batch_start(fence->buffer, BATCH_SIZE);
	if (!fence->batch)
		return -ENOMEM;
	nftnl_batch_begin(cursor(fence), fence->seq++);
	advance(fence);
	return 0;
}

static struct nlmsghdr *batch_message(struct fence *fence, uint16_t type, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(cursor(fence), type, NFPROTO_NETDEV, flags, fence->seq++);
}

/* Reads every answer that is there: the first error, or 0. -EPROTO when none came at all. */
static int read_answers(struct fence *fence)
{
	char buffer[8192];
	bool heard = false;
	int error = 0;

	for (;;) {
		ssize_t n = mnl_socket_recvfrom(fence->socket, buffer, sizeof(buffer));
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		for (struct nlmsghdr *nlh = (struct nlmsghdr *)buffer; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left)) {
			const struct nlmsgerr *answer = mnl_nlmsg_get_payload(nlh);

			if (nlh->nlmsg_type != NLMSG_ERROR)
				continue;
			heard = true;
			if (answer->error && !error)
				error = answer->error;
		}
	}
	return error ? error : heard ? 0 : -EPROTO;
}

static int batch_commit(struct fence *fence)
{
	int error = 0;

	nftnl_batch_end(cursor(fence), fence->seq++);
	advance(fence);
	if (mnl_socket_sendto(fence->socket, mnl_nlmsg_batch_head(fence->batch),
			      mnl_nlmsg_batch_size(fence->batch)) < 0)
		error = -errno;
	mnl_nlmsg_batch_stop(fence->batch);
	fence->batch = NULL;
	return error ? error : read_answers(fence);
}

/* --- what a batch is made of --- */

static void put_table(struct fence *fence, uint16_t type, uint16_t flags, const char *comment)
{
	struct nftnl_table *table = nftnl_table_alloc();

	nftnl_table_set_str(table, NFTNL_TABLE_NAME, fence->table);
	if (comment) {
		struct nftnl_udata_buf *udata = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);

		nftnl_udata_put_strz(udata, NFTNL_UDATA_TABLE_COMMENT, comment);
		nftnl_table_set_data(table, NFTNL_TABLE_USERDATA, nftnl_udata_buf_data(udata),
				     nftnl_udata_buf_len(udata));
		nftnl_udata_buf_free(udata);
	}
	nftnl_table_nlmsg_build_payload(batch_message(fence, type, flags), table);
	nftnl_table_free(table);
	advance(fence);
}

static void put_set(struct fence *fence, const char *name, uint32_t id, uint32_t type, uint32_t key_len,
		    uint32_t flags)
{
	struct nftnl_set *set = nftnl_set_alloc();

	nftnl_set_set_str(set, NFTNL_SET_TABLE, fence->table);
	nftnl_set_set_str(set, NFTNL_SET_NAME, name);
	nftnl_set_set_u32(set, NFTNL_SET_ID, id);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, type);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, key_len);
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS, flags);
	if (type == TYPE_IFINDEX) { /* so that nft(8) shows the interface, not a number read backwards */
		struct nftnl_udata_buf *udata = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);

		nftnl_udata_put_u32(udata, NFTNL_UDATA_SET_KEYBYTEORDER, 1 /* host */);
		nftnl_set_set_data(set, NFTNL_SET_USERDATA, nftnl_udata_buf_data(udata),
				   nftnl_udata_buf_len(udata));
		nftnl_udata_buf_free(udata);
	}
	nftnl_set_nlmsg_build_payload(batch_message(fence, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_ACK), set);
	nftnl_set_free(set);
	advance(fence);
}

static void put_elements(struct fence *fence, uint16_t type, uint16_t flags, struct nftnl_set *set)
{
	nftnl_set_elems_nlmsg_build_payload(batch_message(fence, type, flags), set);
	nftnl_set_free(set);
	advance(fence);
}

static struct nftnl_set *set_named(struct fence *fence, const char *name)
{
	struct nftnl_set *set = nftnl_set_alloc();

	nftnl_set_set_str(set, NFTNL_SET_TABLE, fence->table);
	nftnl_set_set_str(set, NFTNL_SET_NAME, name);
	return set;
}

static void put_vips(struct fence *fence, const char *name, int family, uint32_t key_len)
{
	struct nftnl_set *set = set_named(fence, name);
	size_t n = 0;

	for (size_t i = 0; i < fence->plan.n_vips; i++) {
		struct nftnl_set_elem *elem;

		if (fence->plan.vips[i].family != family)
			continue;
		elem = nftnl_set_elem_alloc();
		nftnl_set_elem_set(elem, NFTNL_SET_ELEM_KEY, fence->plan.vips[i].bytes, key_len);
		nftnl_set_elem_add(set, elem);
		n++;
	}
	if (n)
		put_elements(fence, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_ACK, set);
	else
		nftnl_set_free(set);
}

/* The elements of `open`: none with a timeout of 0 (deletion by key). */
static struct nftnl_set *open_elements(struct fence *fence, nanos left)
{
	struct nftnl_set *set = set_named(fence, "open");

	for (size_t i = 0; i < fence->plan.n_devices; i++) {
		struct nftnl_set_elem *elem = nftnl_set_elem_alloc();
		uint32_t index = fence->plan.devices[i].index;

		nftnl_set_elem_set(elem, NFTNL_SET_ELEM_KEY, &index, sizeof(index));
		if (left)
			nftnl_set_elem_set_u64(elem, NFTNL_SET_ELEM_TIMEOUT, (uint64_t)(left / NS_PER_MS));
		nftnl_set_elem_add(set, elem);
	}
	return set;
}

static void put_open(struct fence *fence, nanos left)
{
	put_elements(fence, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK,
		     open_elements(fence, left));
}

static void put_chain(struct fence *fence, const char *name, uint32_t hook)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	const char *devices[FENCE_DEVICES_MAX + 1] = {NULL};

	for (size_t i = 0; i < fence->plan.n_devices; i++)
		devices[i] = fence->plan.devices[i].name;
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, fence->table);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter");
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook);
	nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, CHAIN_PRIORITY);
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	nftnl_chain_set_array(chain, NFTNL_CHAIN_DEVICES, devices);
	nftnl_chain_nlmsg_build_payload(batch_message(fence, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ACK),
					chain);
	nftnl_chain_free(chain);
	advance(fence);
}

/* --- rules --- */

static struct nftnl_rule *rule_in(struct fence *fence, const char *chain)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();

	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, fence->table);
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain);
	nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, NFPROTO_NETDEV);
	return rule;
}

static void expr_meta(struct nftnl_rule *rule, uint32_t key)
{
	struct nftnl_expr *e = nftnl_expr_alloc("meta");

	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
	nftnl_rule_add_expr(rule, e);
}

static void expr_payload(struct nftnl_rule *rule, uint32_t base, uint32_t offset, uint32_t len)
{
	struct nftnl_expr *e = nftnl_expr_alloc("payload");

	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	nftnl_rule_add_expr(rule, e);
}

static void expr_equals(struct nftnl_rule *rule, const void *data, uint32_t len)
{
	struct nftnl_expr *e = nftnl_expr_alloc("cmp");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, len);
	nftnl_rule_add_expr(rule, e);
}

static void expr_lookup(struct nftnl_rule *rule, const char *set, uint32_t id, uint32_t flags)
{
	struct nftnl_expr *e = nftnl_expr_alloc("lookup");

	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SET_ID, id);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, flags);
	nftnl_rule_add_expr(rule, e);
}

/* Ends the rule and puts it into the batch. */
static void put_rule(struct fence *fence, struct nftnl_rule *rule, uint32_t verdict)
{
	struct nftnl_expr *e = nftnl_expr_alloc("immediate");
	uint16_t flags = NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK;

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, verdict);
	nftnl_rule_add_expr(rule, e);
	nftnl_rule_nlmsg_build_payload(batch_message(fence, NFT_MSG_NEWRULE, flags), rule);
	nftnl_rule_free(rule);
	advance(fence);
}

enum { SET_OPEN = 1, SET_VIP4, SET_VIP6 };

static void match_protocol(struct nftnl_rule *rule, uint16_t ethertype)
{
	uint16_t wire = htons(ethertype);

	expr_meta(rule, NFT_META_PROTOCOL);
	expr_equals(rule, &wire, sizeof(wire));
}

static void put_rule_open(struct fence *fence, const char *chain, uint32_t key)
{
	struct nftnl_rule *rule = rule_in(fence, chain);

	expr_meta(rule, key);
	expr_lookup(rule, "open", SET_OPEN, 0);
	put_rule(fence, rule, NF_ACCEPT);
}

/* An address of the network header that is a VIP. */
static void put_rule_address(struct fence *fence, const char *chain, uint16_t ethertype, uint32_t offset)
{
	struct nftnl_rule *rule = rule_in(fence, chain);
	bool ipv6 = ethertype == ETHERTYPE_IPV6;

	match_protocol(rule, ethertype);
	expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, offset, ipv6 ? 16 : 4);
	expr_lookup(rule, ipv6 ? "vip6" : "vip4", ipv6 ? SET_VIP6 : SET_VIP4, 0);
	put_rule(fence, rule, NF_DROP);
}

/* Neighbour discovery messages of that type about a VIP, whoever sent them to whom (RFC 4861 4.3, 4.4). */
static void put_rule_neighbour(struct fence *fence, const char *chain, uint8_t type)
{
	struct nftnl_rule *rule = rule_in(fence, chain);
	uint8_t icmpv6 = IPPROTO_ICMPV6;

	match_protocol(rule, ETHERTYPE_IPV6);
	expr_meta(rule, NFT_META_L4PROTO);
	expr_equals(rule, &icmpv6, 1);
	expr_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
	expr_equals(rule, &type, 1);
	expr_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 8, 16);
	expr_lookup(rule, "vip6", SET_VIP6, 0);
	put_rule(fence, rule, NF_DROP);
}

/* RFC 826: operation at 6, sender's address at 14, target's at 24. */
static void put_rule_arp_request(struct fence *fence)
{
	struct nftnl_rule *rule = rule_in(fence, "ingress");
	uint16_t request = htons(ARPOP_REQUEST);

	match_protocol(rule, ETHERTYPE_ARP);
	expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 6, 2);
	expr_equals(rule, &request, sizeof(request));
	expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 14, 4);
	expr_lookup(rule, "vip4", SET_VIP4, NFT_LOOKUP_F_INV);
	expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 24, 4);
	expr_lookup(rule, "vip4", SET_VIP4, 0);
	put_rule(fence, rule, NF_DROP);
}

static void put_rule_arp_speaks(struct fence *fence)
{
	struct nftnl_rule *rule = rule_in(fence, "egress");

	match_protocol(rule, ETHERTYPE_ARP);
	expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 14, 4);
	expr_lookup(rule, "vip4", SET_VIP4, 0);
	put_rule(fence, rule, NF_DROP);
}

static void put_rules(struct fence *fence)
{
	put_rule_open(fence, "ingress", NFT_META_IIF);
	put_rule_arp_request(fence);
	put_rule_address(fence, "ingress", ETHERTYPE_IP, 16);
	put_rule_address(fence, "ingress", ETHERTYPE_IPV6, 24);
	put_rule_neighbour(fence, "ingress", ND_NEIGHBOR_SOLICIT);

	put_rule_open(fence, "egress", NFT_META_OIF);
	put_rule_arp_speaks(fence);
	put_rule_address(fence, "egress", ETHERTYPE_IP, 12);
	put_rule_address(fence, "egress", ETHERTYPE_IPV6, 8);
	put_rule_neighbour(fence, "egress", ND_NEIGHBOR_ADVERT);
}

/* --- the plan's mark --- */

/* FNV-1a; it only has to tell one configuration of this node from another. */
static uint64_t hash(uint64_t h, const void *data, size_t n)
{
	for (const uint8_t *p = data; n--; p++)
		h = (h ^ *p) * UINT64_C(0x100000001b3);
	return h;
}

static void plan_mark(const struct fence_plan *plan, char out[48])
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < plan->n_devices; i++) {
		h = hash(h, &plan->devices[i].index, sizeof(plan->devices[i].index));
		h = hash(h, plan->devices[i].name, strlen(plan->devices[i].name) + 1);
	}
	for (size_t i = 0; i < plan->n_vips; i++) {
		h = hash(h, &plan->vips[i].family, 1);
		h = hash(h, plan->vips[i].bytes, sizeof(plan->vips[i].bytes));
	}
	snprintf(out, 48, "hapair fence 1 %016" PRIx64, h);
}

struct table_view {
	bool found;
	char comment[48];
};

static int see_comment(const struct nftnl_udata *attr, void *data)
{
	struct table_view *view = data;

	if (nftnl_udata_type(attr) == NFTNL_UDATA_TABLE_COMMENT &&
	    nftnl_udata_len(attr) <= sizeof(view->comment)) {
		memcpy(view->comment, nftnl_udata_get(attr), nftnl_udata_len(attr));
		view->comment[sizeof(view->comment) - 1] = 0;
	}
	return 0;
}

static int see_table(const struct nlmsghdr *nlh, void *data)
{
	struct table_view *view = data;
	struct nftnl_table *table = nftnl_table_alloc();

	if (table && nftnl_table_nlmsg_parse(nlh, table) == 0) {
		uint32_t len = 0;
		const void *udata = nftnl_table_get_data(table, NFTNL_TABLE_USERDATA, &len);

		view->found = true;
		if (udata)
			nftnl_udata_parse(udata, len, see_comment, view);
	}
	nftnl_table_free(table);
	return MNL_CB_OK;
}

static int look(struct fence *fence, struct table_view *ret)
{
	char buffer[8192];
	struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *nlh =
		nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETTABLE, NFPROTO_NETDEV, NLM_F_ACK, fence->seq++);
	ssize_t n;

	memset(ret, 0, sizeof(*ret));
	nftnl_table_set_str(table, NFTNL_TABLE_NAME, fence->table);
	nftnl_table_nlmsg_build_payload(nlh, table);
	nftnl_table_free(table);
	if (mnl_socket_sendto(fence->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while ((n = mnl_socket_recvfrom(fence->socket, buffer, sizeof(buffer))) > 0)
		mnl_cb_run(buffer, (size_t)n, 0, fence->port, see_table, ret);
	return ret->found ? 0 : -ENOENT;
}

/* ENOENT from a batch says that the element or the whole table was missing; which of them? */
static int lapsed_or_gone(struct fence *fence)
{
	struct table_view view;

	return look(fence, &view) == 0 ? -ENOENT : -ESTALE;
}

/* --- the contract --- */

int fence_adopt(struct fence *fence, const struct fence_plan *plan)
{
	struct table_view view;
	char mark[48];
	int error = look(fence, &view);

	if (error)
		return error;
	plan_mark(plan, mark);
	if (strcmp(mark, view.comment) != 0)
		return -ENOENT;
	fence->plan = *plan;
	return 0;
}

int fence_install(struct fence *fence, const struct fence_plan *plan, nanos left)
{
	char mark[48];
	int error;

	if (plan->n_devices > FENCE_DEVICES_MAX || plan->n_vips > FENCE_VIPS_MAX)
		return -EINVAL;
	fence->plan = *plan;
	plan_mark(plan, mark);
	error = batch_begin(fence);
	if (error)
		return error;
	put_table(fence, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK,
		  NULL); /* so that the deletion finds one */
	put_table(fence, NFT_MSG_DELTABLE, NLM_F_ACK, NULL);
	put_table(fence, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK, mark);
	put_set(fence, "open", SET_OPEN, TYPE_IFINDEX, 4, NFT_SET_TIMEOUT);
	put_set(fence, "vip4", SET_VIP4, TYPE_IPV4, 4, 0);
	put_set(fence, "vip6", SET_VIP6, TYPE_IPV6, 16, 0);
	put_vips(fence, "vip4", AF_INET, 4);
	put_vips(fence, "vip6", AF_INET6, 16);
	if (plan->n_devices) {
		put_chain(fence, "ingress", NF_NETDEV_INGRESS);
		put_chain(fence, "egress", NF_NETDEV_EGRESS);
		put_rules(fence);
		if (left >= fence_shortest(fence))
			put_open(fence, left);
	}
	return batch_commit(fence);
}

int fence_open(struct fence *fence, nanos left)
{
	int error;

	if (left < fence_shortest(fence))
		return -ERANGE;
	error = batch_begin(fence);
	if (error)
		return error;
	put_elements(fence, NFT_MSG_DELSETELEM, NLM_F_ACK,
		     set_named(fence, "open")); /* no key: all of them */
	put_open(fence, left);
	error = batch_commit(fence);
	return error == -ENOENT ? -ESTALE : error;
}

int fence_renew(struct fence *fence, nanos left)
{
	int error;

	if (left < fence_shortest(fence))
		return -ERANGE;
	error = batch_begin(fence);
	if (error)
		return error;
	put_elements(fence, NFT_MSG_DELSETELEM, NLM_F_ACK, open_elements(fence, 0));
	put_open(fence, left);
	error = batch_commit(fence);
	return error == -ENOENT ? lapsed_or_gone(fence) : error;
}

int fence_close(struct fence *fence)
{
	int error = batch_begin(fence);

	if (error)
		return error;
	put_elements(fence, NFT_MSG_DELSETELEM, NLM_F_ACK, set_named(fence, "open"));
	error = batch_commit(fence);
	return error == -ENOENT ? -ESTALE : error;
}

int fence_remove(struct fence *fence)
{
	int error = batch_begin(fence);

	if (error)
		return error;
	put_table(fence, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK, NULL);
	put_table(fence, NFT_MSG_DELTABLE, NLM_F_ACK, NULL);
	return batch_commit(fence);
}
