/*
 * fence.c: the table `hapair_NODE` of the netdev family, built and renewed in netlink batches (nft.h).
 *
 *     set open  { type iface_index; flags timeout; }     one element per interface, alive: this node may answer
 *     set flows { ... }  set fresh { ... }               the same for connections during a drain
 *     set vip4 { type ipv4_addr; }   set vip6 { type ipv6_addr; }
 *     chain ingress { hook ingress devices; iif @open accept; <connections>; <drop what asks for a VIP> }
 *     chain egress  { hook egress devices;  oif @open accept; <connections>; <drop what speaks for a VIP> }
 *
 * A renewal deletes and adds the elements in one batch. Before Linux 6.12 adding an element again does not
 * extend it; and the deletion fails when the element has lapsed, which undoes the batch: a lapsed fence can't
 * be renewed, by construction.
 */
#include "vip/fence.h"

#include "vip/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef NF_NETDEV_EGRESS /* headers before Linux 5.16; the kernel decides */
#define NF_NETDEV_EGRESS 1
#endif

#define CHAIN_PRIORITY -300

struct fence {
	struct nft nft; /* a batch: the largest installation is about 12 KB */
	nanos tick;
	struct fence_plan plan;
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
	int error;

	if (!fence)
		return -ENOMEM;
	error = nft_open(&fence->nft, node, "");
	if (error) {
		free(fence);
		return error;
	}
	fence->tick = clock_tick();
	*ret = fence;
	return 0;
}

void fence_free(struct fence *fence)
{
	if (!fence)
		return;
	nft_close(&fence->nft);
	free(fence);
}

nanos fence_shortest(const struct fence *fence)
{
	/* A timeout that rounds to no tick at all would mean "for ever" to the kernel. */
	return 2 * fence->tick > MS(2) ? 2 * fence->tick : MS(2);
}

/* --- elements --- */

/* Every interface; with a timeout of 0: for a deletion by key. */
static struct nftnl_set *devices_in(struct fence *fence, const char *name, nanos left)
{
	struct nftnl_set *set = nft_set_named(&fence->nft, name);

	for (size_t i = 0; i < fence->plan.n_devices; i++) {
		uint32_t index = fence->plan.devices[i].index;

		nft_add_element(set, &index, sizeof(index), left);
	}
	return set;
}

static void put_devices(struct fence *fence, const char *name, nanos left)
{
	nft_put_elements(&fence->nft, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL,
			 devices_in(fence, name, left));
}

static void put_none(struct fence *fence, const char *name)
{
	/* No key: all of them. */
	nft_put_elements(&fence->nft, NFT_MSG_DELSETELEM, 0, nft_set_named(&fence->nft, name));
}

static void put_closed(struct fence *fence)
{
	put_none(fence, "open");
	put_none(fence, "flows");
	put_none(fence, "fresh");
}

/* --- rules --- */

enum { SET_OPEN = 1, SET_FLOWS, SET_FRESH, SET_VIP4, SET_VIP6 };

static void put_rule_open(struct fence *fence, const char *chain, uint32_t key)
{
	struct nftnl_rule *rule = nft_rule(&fence->nft, chain);

	nft_meta(rule, key);
	nft_lookup(rule, "open", SET_OPEN, 0);
	nft_put_verdict(&fence->nft, rule, NF_ACCEPT, NULL);
}

static void match_address(struct nftnl_rule *rule, uint16_t ethertype, uint32_t offset)
{
	bool ipv6 = ethertype == ETHERTYPE_IPV6;

	nft_protocol(rule, ethertype);
	nft_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, offset, ipv6 ? 16 : 4);
	nft_lookup(rule, ipv6 ? "vip6" : "vip4", ipv6 ? SET_VIP6 : SET_VIP4, 0);
}

/* An address of the network header that is a VIP. */
static void put_rule_address(struct fence *fence, const char *chain, uint16_t ethertype, uint32_t offset)
{
	struct nftnl_rule *rule = nft_rule(&fence->nft, chain);

	match_address(rule, ethertype, offset);
	nft_put_verdict(&fence->nft, rule, NF_DROP, NULL);
}

/* TCP from or to a VIP passes where `set` names the interface; without `begins` not what begins a connection (SYN alone). */
static void put_rule_connections(struct fence *fence, const char *chain, uint32_t key, const char *set,
				 uint32_t id, uint16_t ethertype, uint32_t offset, bool begins)
{
	struct nftnl_rule *rule = nft_rule(&fence->nft, chain);
	uint8_t tcp = IPPROTO_TCP, syn = TH_SYN;

	nft_meta(rule, key);
	nft_lookup(rule, set, id, 0);
	match_address(rule, ethertype, offset);
	nft_meta(rule, NFT_META_L4PROTO);
	nft_compare(rule, NFT_CMP_EQ, &tcp, 1);
	if (!begins) {
		nft_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
		nft_mask(rule, TH_SYN | TH_ACK);
		nft_compare(rule, NFT_CMP_NEQ, &syn, 1);
	}
	nft_put_verdict(&fence->nft, rule, NF_ACCEPT, NULL);
}

/* Neighbour discovery messages of that type about a VIP, whoever sent them to whom (RFC 4861 4.3, 4.4). */
static void put_rule_neighbour(struct fence *fence, const char *chain, uint8_t type)
{
	struct nftnl_rule *rule = nft_rule(&fence->nft, chain);
	uint8_t icmpv6 = IPPROTO_ICMPV6;

	nft_protocol(rule, ETHERTYPE_IPV6);
	nft_meta(rule, NFT_META_L4PROTO);
	nft_compare(rule, NFT_CMP_EQ, &icmpv6, 1);
	nft_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
	nft_compare(rule, NFT_CMP_EQ, &type, 1);
	nft_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 8, 16);
	nft_lookup(rule, "vip6", SET_VIP6, 0);
	nft_put_verdict(&fence->nft, rule, NF_DROP, NULL);
}

/* RFC 826: operation at 6, sender's address at 14, target's at 24. */
static void put_rule_arp_request(struct fence *fence)
{
	struct nftnl_rule *rule = nft_rule(&fence->nft, "ingress");
	uint16_t request = htons(ARPOP_REQUEST);

	nft_protocol(rule, ETHERTYPE_ARP);
	nft_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 6, 2);
	nft_compare(rule, NFT_CMP_EQ, &request, sizeof(request));
	nft_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 14, 4);
	nft_lookup(rule, "vip4", SET_VIP4, NFT_LOOKUP_F_INV);
	nft_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 24, 4);
	nft_lookup(rule, "vip4", SET_VIP4, 0);
	nft_put_verdict(&fence->nft, rule, NF_DROP, NULL);
}

static void put_rule_arp_speaks(struct fence *fence)
{
	struct nftnl_rule *rule = nft_rule(&fence->nft, "egress");

	nft_protocol(rule, ETHERTYPE_ARP);
	nft_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 14, 4);
	nft_lookup(rule, "vip4", SET_VIP4, 0);
	nft_put_verdict(&fence->nft, rule, NF_DROP, NULL);
}

/* The end of a connection that was here is no answer: nothing comes in that it could answer. */
static void put_rule_resets(struct fence *fence, uint16_t ethertype, uint32_t offset)
{
	struct nftnl_rule *rule = nft_rule(&fence->nft, "egress");
	uint8_t tcp = IPPROTO_TCP, none = 0;

	match_address(rule, ethertype, offset);
	nft_meta(rule, NFT_META_L4PROTO);
	nft_compare(rule, NFT_CMP_EQ, &tcp, 1);
	nft_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
	nft_mask(rule, TH_RST);
	nft_compare(rule, NFT_CMP_NEQ, &none, 1);
	nft_put_verdict(&fence->nft, rule, NF_ACCEPT, NULL);
}

static void put_rules(struct fence *fence)
{
	put_rule_open(fence, "ingress", NFT_META_IIF);
	put_rule_connections(fence, "ingress", NFT_META_IIF, "flows", SET_FLOWS, ETHERTYPE_IP, 16, false);
	put_rule_connections(fence, "ingress", NFT_META_IIF, "flows", SET_FLOWS, ETHERTYPE_IPV6, 24, false);
	put_rule_connections(fence, "ingress", NFT_META_IIF, "fresh", SET_FRESH, ETHERTYPE_IP, 16, true);
	put_rule_connections(fence, "ingress", NFT_META_IIF, "fresh", SET_FRESH, ETHERTYPE_IPV6, 24, true);
	put_rule_arp_request(fence);
	put_rule_address(fence, "ingress", ETHERTYPE_IP, 16);
	put_rule_address(fence, "ingress", ETHERTYPE_IPV6, 24);
	put_rule_neighbour(fence, "ingress", ND_NEIGHBOR_SOLICIT);

	put_rule_open(fence, "egress", NFT_META_OIF);
	put_rule_connections(fence, "egress", NFT_META_OIF, "flows", SET_FLOWS, ETHERTYPE_IP, 12, true);
	put_rule_connections(fence, "egress", NFT_META_OIF, "flows", SET_FLOWS, ETHERTYPE_IPV6, 8, true);
	put_rule_resets(fence, ETHERTYPE_IP, 12);
	put_rule_resets(fence, ETHERTYPE_IPV6, 8);
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
	snprintf(out, 48, "hapair fence 3 %016" PRIx64, h);
}

/* ENOENT from a batch says that the element or the whole table was missing; which of them? */
static int lapsed_or_gone(struct fence *fence)
{
	char comment[NFT_COMMENT_MAX];

	return nft_look(&fence->nft, comment) == 0 ? -ENOENT : -ESTALE;
}

/* A batch that lets something through for `left`. */
static int begin_until(struct fence *fence, nanos left)
{
	return left < fence_shortest(fence) ? -ERANGE : nft_begin(&fence->nft);
}

/* Of a batch that deletes no element: ENOENT says that the whole table is gone. */
static int commit(struct fence *fence)
{
	int error = nft_commit(&fence->nft);

	return error == -ENOENT ? -ESTALE : error;
}

/* --- the contract --- */

int fence_adopt(struct fence *fence, const struct fence_plan *plan)
{
	char comment[NFT_COMMENT_MAX], mark[48];
	int error = nft_look(&fence->nft, comment);

	if (error)
		return error;
	plan_mark(plan, mark);
	if (strcmp(mark, comment) != 0)
		return -ENOENT;
	fence->plan = *plan;
	return 0;
}

int fence_install(struct fence *fence, const struct fence_plan *plan, nanos left)
{
	const char *devices[FENCE_DEVICES_MAX + 1] = {NULL};
	struct nft *nft = &fence->nft;
	char mark[48];
	int error;

	if (plan->n_devices > FENCE_DEVICES_MAX || plan->n_vips > FENCE_VIPS_MAX)
		return -EINVAL;
	fence->plan = *plan;
	plan_mark(plan, mark);
	error = nft_begin(nft);
	if (error)
		return error;
	nft_put_table(nft, mark);
	nft_put_set(nft, "open", SET_OPEN, NFT_TYPE_IFINDEX, 4, NFT_SET_TIMEOUT, 0);
	nft_put_set(nft, "flows", SET_FLOWS, NFT_TYPE_IFINDEX, 4, NFT_SET_TIMEOUT, 0);
	nft_put_set(nft, "fresh", SET_FRESH, NFT_TYPE_IFINDEX, 4, NFT_SET_TIMEOUT, 0);
	nft_put_set(nft, "vip4", SET_VIP4, NFT_TYPE_IPV4, 4, 0, 0);
	nft_put_set(nft, "vip6", SET_VIP6, NFT_TYPE_IPV6, 16, 0, 0);
	nft_put_addresses(nft, "vip4", AF_INET, plan->vips, plan->n_vips);
	nft_put_addresses(nft, "vip6", AF_INET6, plan->vips, plan->n_vips);
	if (plan->n_devices) {
		for (size_t i = 0; i < plan->n_devices; i++)
			devices[i] = plan->devices[i].name;
		nft_put_hook(nft, "ingress", NF_NETDEV_INGRESS, CHAIN_PRIORITY, devices);
		nft_put_hook(nft, "egress", NF_NETDEV_EGRESS, CHAIN_PRIORITY, devices);
		put_rules(fence);
		if (left >= fence_shortest(fence))
			put_devices(fence, "open", left);
	}
	return nft_commit(nft);
}

int fence_open(struct fence *fence, nanos left)
{
	int error = begin_until(fence, left);

	if (error)
		return error;
	put_closed(fence);
	put_devices(fence, "open", left);
	return commit(fence);
}

int fence_renew(struct fence *fence, nanos left)
{
	int error = begin_until(fence, left);

	if (error)
		return error;
	nft_put_elements(&fence->nft, NFT_MSG_DELSETELEM, 0, devices_in(fence, "open", 0));
	put_devices(fence, "open", left);
	error = nft_commit(&fence->nft);
	return error == -ENOENT ? lapsed_or_gone(fence) : error;
}

int fence_connections(struct fence *fence, nanos left, bool begins,
		      void (*also)(struct nft *batch, void *ctx), void *ctx)
{
	int error = begin_until(fence, left);

	if (error)
		return error;
	put_closed(fence);
	put_devices(fence, "flows", left);
	if (begins)
		put_devices(fence, "fresh", left);
	if (also)
		also(&fence->nft, ctx);
	return commit(fence);
}

int fence_close(struct fence *fence)
{
	int error = nft_begin(&fence->nft);

	if (error)
		return error;
	put_closed(fence);
	return commit(fence);
}

int fence_remove(struct fence *fence)
{
	int error = nft_begin(&fence->nft);

	if (error)
		return error;
	nft_put_no_table(&fence->nft);
	return nft_commit(&fence->nft);
}
