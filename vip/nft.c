/*
 * nft.c: netlink messages for nftables, through libnftnl.
 */
#include "vip/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int nft_open(struct nft *nft, const char *node, const char *suffix)
{
	memset(nft, 0, sizeof(*nft));
	nft->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!nft->socket || mnl_socket_bind(nft->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int error = -errno;

		nft_close(nft);
		return error;
	}
	nft->port = mnl_socket_get_portid(nft->socket);
	nft->seq = (uint32_t)time(NULL);
	snprintf(nft->table, sizeof(nft->table), "hapair_%s%s", node, suffix);
	for (char *c = nft->table; *c; c++) /* nft(8) would want quotes around anything else */
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
			*c = '_';
	return 0;
}

void nft_close(struct nft *nft)
{
	if (nft->socket)
		mnl_socket_close(nft->socket);
	nft->socket = NULL;
}

/* --- batches --- */

static void *cursor(struct nft *nft)
{
	return mnl_nlmsg_batch_current(nft->batch);
}

static void advance(struct nft *nft)
{
	if (!mnl_nlmsg_batch_next(nft->batch))
		abort(); /* the callers' limits make this impossible */
}

int nft_begin(struct nft *nft)
{
	nft->batch = mnl_nlmsg_batch_start(nft->buffer, NFT_BATCH_SIZE);
	if (!nft->batch)
		return -ENOMEM;
	nftnl_batch_begin(cursor(nft), nft->seq++);
	advance(nft);
	return 0;
}

static struct nlmsghdr *message(struct nft *nft, uint16_t type, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(cursor(nft), type, NFPROTO_NETDEV, flags, nft->seq++);
}

/* Reads every answer that is there: the first error, or 0. -EPROTO when none came at all. */
static int read_answers(struct nft *nft)
{
	char buffer[8192];
	bool heard = false;
	int error = 0;

	for (;;) {
		ssize_t n = mnl_socket_recvfrom(nft->socket, buffer, sizeof(buffer));
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

int nft_commit(struct nft *nft)
{
	int error = 0;

	nftnl_batch_end(cursor(nft), nft->seq++);
	advance(nft);
	if (mnl_socket_sendto(nft->socket, mnl_nlmsg_batch_head(nft->batch),
			      mnl_nlmsg_batch_size(nft->batch)) < 0)
		error = -errno;
	mnl_nlmsg_batch_stop(nft->batch);
	nft->batch = NULL;
	return error ? error : read_answers(nft);
}

/* --- what a batch is made of --- */

static void put_table(struct nft *nft, uint16_t type, uint16_t flags, const char *comment)
{
	struct nftnl_table *table = nftnl_table_alloc();

	nftnl_table_set_str(table, NFTNL_TABLE_NAME, nft->table);
	if (comment) {
		struct nftnl_udata_buf *udata = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);

		nftnl_udata_put_strz(udata, NFTNL_UDATA_TABLE_COMMENT, comment);
		nftnl_table_set_data(table, NFTNL_TABLE_USERDATA, nftnl_udata_buf_data(udata),
				     nftnl_udata_buf_len(udata));
		nftnl_udata_buf_free(udata);
	}
	nftnl_table_nlmsg_build_payload(message(nft, type, flags), table);
	nftnl_table_free(table);
	advance(nft);
}

void nft_put_no_table(struct nft *nft)
{
	/* Made first, so that the deletion finds one. */
	put_table(nft, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK, NULL);
	put_table(nft, NFT_MSG_DELTABLE, NLM_F_ACK, NULL);
}

void nft_put_table(struct nft *nft, const char *comment)
{
	nft_put_no_table(nft);
	put_table(nft, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK, comment);
}

void nft_put_set(struct nft *nft, const char *name, uint32_t id, uint32_t type, uint32_t key_len,
		 uint32_t flags, uint32_t size)
{
	struct nftnl_set *set = nftnl_set_alloc();

	nftnl_set_set_str(set, NFTNL_SET_TABLE, nft->table);
	nftnl_set_set_str(set, NFTNL_SET_NAME, name);
	nftnl_set_set_u32(set, NFTNL_SET_ID, id);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, type);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, key_len);
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS, flags);
	if (size)
		nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, size);
	if (type == NFT_TYPE_IFINDEX) { /* so that nft(8) shows the interface, not a number read backwards */
		struct nftnl_udata_buf *udata = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);

		nftnl_udata_put_u32(udata, NFTNL_UDATA_SET_KEYBYTEORDER, 1 /* host */);
		nftnl_set_set_data(set, NFTNL_SET_USERDATA, nftnl_udata_buf_data(udata),
				   nftnl_udata_buf_len(udata));
		nftnl_udata_buf_free(udata);
	}
	nftnl_set_nlmsg_build_payload(message(nft, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_ACK), set);
	nftnl_set_free(set);
	advance(nft);
}

struct nftnl_set *nft_set_named(const struct nft *nft, const char *name)
{
	struct nftnl_set *set = nftnl_set_alloc();

	nftnl_set_set_str(set, NFTNL_SET_TABLE, nft->table);
	nftnl_set_set_str(set, NFTNL_SET_NAME, name);
	return set;
}

void nft_add_element(struct nftnl_set *set, const void *key, uint32_t key_len, nanos timeout)
{
	struct nftnl_set_elem *elem = nftnl_set_elem_alloc();

	nftnl_set_elem_set(elem, NFTNL_SET_ELEM_KEY, key, key_len);
	if (timeout)
		nftnl_set_elem_set_u64(elem, NFTNL_SET_ELEM_TIMEOUT, (uint64_t)(timeout / NS_PER_MS));
	nftnl_set_elem_add(set, elem);
}

void nft_put_elements(struct nft *nft, uint16_t type, uint16_t flags, struct nftnl_set *set)
{
	nftnl_set_elems_nlmsg_build_payload(message(nft, type, flags | NLM_F_ACK), set);
	nftnl_set_free(set);
	advance(nft);
}

void nft_put_addresses(struct nft *nft, const char *name, int family, const struct ip *ips, size_t n)
{
	struct nftnl_set *set = nft_set_named(nft, name);
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		if (ips[i].family != family)
			continue;
		nft_add_element(set, ips[i].bytes, family == AF_INET6 ? 16 : 4, 0);
		found++;
	}
	if (found)
		nft_put_elements(nft, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set);
	else
		nftnl_set_free(set);
}

static void put_chain(struct nft *nft, struct nftnl_chain *chain, const char *name)
{
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, nft->table);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
	nftnl_chain_nlmsg_build_payload(message(nft, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ACK), chain);
	nftnl_chain_free(chain);
	advance(nft);
}

void nft_put_hook(struct nft *nft, const char *name, uint32_t hook, int32_t priority, const char **devices)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();

	nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter");
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook);
	nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, priority);
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	nftnl_chain_set_array(chain, NFTNL_CHAIN_DEVICES, devices);
	put_chain(nft, chain, name);
}

void nft_put_chain(struct nft *nft, const char *name)
{
	put_chain(nft, nftnl_chain_alloc(), name);
}

/* --- rules --- */

struct nftnl_rule *nft_rule(const struct nft *nft, const char *chain)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();

	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, nft->table);
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain);
	nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, NFPROTO_NETDEV);
	return rule;
}

void nft_put_no_rules(struct nft *nft, const char *chain)
{
	struct nftnl_rule *rule = nft_rule(nft, chain);

	nftnl_rule_nlmsg_build_payload(message(nft, NFT_MSG_DELRULE, NLM_F_ACK), rule);
	nftnl_rule_free(rule);
	advance(nft);
}

void nft_meta(struct nftnl_rule *rule, uint32_t key)
{
	struct nftnl_expr *e = nftnl_expr_alloc("meta");

	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
	nftnl_rule_add_expr(rule, e);
}

void nft_payload_to(struct nftnl_rule *rule, uint32_t reg, uint32_t base, uint32_t offset, uint32_t len)
{
	struct nftnl_expr *e = nftnl_expr_alloc("payload");

	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, reg);
	nftnl_rule_add_expr(rule, e);
}

void nft_payload(struct nftnl_rule *rule, uint32_t base, uint32_t offset, uint32_t len)
{
	nft_payload_to(rule, NFT_REG_1, base, offset, len);
}

void nft_mask(struct nftnl_rule *rule, uint8_t mask)
{
	struct nftnl_expr *e = nftnl_expr_alloc("bitwise");
	uint8_t zero = 0;

	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, 1);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, &mask, 1);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, &zero, 1);
	nftnl_rule_add_expr(rule, e);
}

void nft_compare(struct nftnl_rule *rule, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *e = nftnl_expr_alloc("cmp");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, len);
	nftnl_rule_add_expr(rule, e);
}

void nft_lookup(struct nftnl_rule *rule, const char *set, uint32_t id, uint32_t flags)
{
	struct nftnl_expr *e = nftnl_expr_alloc("lookup");

	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set);
	if (id)
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SET_ID, id);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, flags);
	nftnl_rule_add_expr(rule, e);
}

void nft_update(struct nftnl_rule *rule, const char *set, uint32_t id, nanos timeout)
{
	struct nftnl_expr *e = nftnl_expr_alloc("dynset");

	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	nftnl_expr_set_u64(e, NFTNL_EXPR_DYNSET_TIMEOUT, (uint64_t)(timeout / NS_PER_MS));
	nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, set);
	if (id)
		nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SET_ID, id);
	nftnl_rule_add_expr(rule, e);
}

static void immediate(struct nftnl_rule *rule, const void *data, uint32_t len)
{
	struct nftnl_expr *e = nftnl_expr_alloc("immediate");

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
	nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, data, len);
	nftnl_rule_add_expr(rule, e);
}

void nft_store_link_header(struct nftnl_rule *rule, const uint8_t *bytes, uint32_t len)
{
	struct nftnl_expr *e = nftnl_expr_alloc("payload");

	immediate(rule, bytes, len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_LL_HEADER);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, 0);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_NONE);
	nftnl_rule_add_expr(rule, e);
}

void nft_forward(struct nftnl_rule *rule, uint32_t ifindex)
{
	struct nftnl_expr *e = nftnl_expr_alloc("fwd");

	immediate(rule, &ifindex, sizeof(ifindex));
	nftnl_expr_set_u32(e, NFTNL_EXPR_FWD_SREG_DEV, NFT_REG_1);
	nftnl_rule_add_expr(rule, e);
}

void nft_protocol(struct nftnl_rule *rule, uint16_t ethertype)
{
	uint16_t wire = htons(ethertype);

	nft_meta(rule, NFT_META_PROTOCOL);
	nft_compare(rule, NFT_CMP_EQ, &wire, sizeof(wire));
}

void nft_put_rule(struct nft *nft, struct nftnl_rule *rule)
{
	nftnl_rule_nlmsg_build_payload(message(nft, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK),
				       rule);
	nftnl_rule_free(rule);
	advance(nft);
}

void nft_put_verdict(struct nft *nft, struct nftnl_rule *rule, uint32_t verdict, const char *chain)
{
	struct nftnl_expr *e = nftnl_expr_alloc("immediate");

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, verdict);
	if (chain)
		nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain);
	nftnl_rule_add_expr(rule, e);
	nft_put_rule(nft, rule);
}

/* --- looking --- */

struct view {
	bool found;
	char *comment;
};

static int see_comment(const struct nftnl_udata *attr, void *data)
{
	struct view *view = data;

	if (nftnl_udata_type(attr) == NFTNL_UDATA_TABLE_COMMENT && nftnl_udata_len(attr) <= NFT_COMMENT_MAX) {
		memcpy(view->comment, nftnl_udata_get(attr), nftnl_udata_len(attr));
		view->comment[NFT_COMMENT_MAX - 1] = 0;
	}
	return 0;
}

static int see_table(const struct nlmsghdr *nlh, void *data)
{
	struct view *view = data;
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

int nft_look(struct nft *nft, char ret_comment[NFT_COMMENT_MAX])
{
	char buffer[8192];
	struct view view = {.comment = ret_comment};
	struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *nlh =
		nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETTABLE, NFPROTO_NETDEV, NLM_F_ACK, nft->seq++);
	ssize_t n;

	memset(ret_comment, 0, NFT_COMMENT_MAX);
	nftnl_table_set_str(table, NFTNL_TABLE_NAME, nft->table);
	nftnl_table_nlmsg_build_payload(nlh, table);
	nftnl_table_free(table);
	if (mnl_socket_sendto(nft->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while ((n = mnl_socket_recvfrom(nft->socket, buffer, sizeof(buffer))) > 0)
		mnl_cb_run(buffer, (size_t)n, 0, nft->port, see_table, &view);
	return view.found ? 0 : -ENOENT;
}
