/*
 * nft.h: one nftables table of the netdev family, built and changed in netlink batches: what fence.c and drain.c have in common.
 *
 *     nft_begin(); nft_put_...(); ...; nft_commit()
 *
 * The kernel handles a batch inside sendmsg(), and its answers are in the receive queue when that returns, so nothing here waits
 * for more than nftables' own commit lock. Every message that matters asks for an acknowledgement; an error anywhere undoes the
 * whole batch. Functions return 0 or negative errno; the nft_put_ ones cannot fail (a batch that is too small is a mistake in
 * the program, and ends it). One thread at a time. Sources: linux/netfilter/nf_tables.h, nft(8).
 */
#ifndef HAPAIR_VIP_NFT_H
#define HAPAIR_VIP_NFT_H

#include "hapair/base/addr.h"
#include "hapair/base/clock.h"

#include <netinet/in.h> /* before any of linux/, which would define the same */
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <linux/netfilter/nf_tables.h>
#include <stddef.h>
#include <stdint.h>

#define NFT_BATCH_SIZE  131072 /* steering for 16 interfaces is about 60 KB */
#define NFT_COMMENT_MAX 128

/* The key types that nft(8) shows; the kernel only keeps them. A concatenation has six bits for each part. */
enum { NFT_TYPE_IPV4 = 7, NFT_TYPE_IPV6 = 8, NFT_TYPE_PORT = 13, NFT_TYPE_IFINDEX = 20 };

struct nft {
	struct mnl_socket *socket;
	unsigned port;
	uint32_t seq;
	char table[96];
	/* The batch being built. */
	struct mnl_nlmsg_batch *batch;
	char buffer[NFT_BATCH_SIZE * 2];
};

/* Opens the channel to nftables; needs CAP_NET_ADMIN from here on. The table: `hapair_NODE` and `suffix`. */
int nft_open(struct nft *nft, const char *node, const char *suffix);
void nft_close(struct nft *nft);

int nft_begin(struct nft *nft);
int nft_commit(struct nft *nft);

/* Looks for the table: 0 and its comment ("" when it has none), or -ENOENT. */
int nft_look(struct nft *nft, char ret_comment[NFT_COMMENT_MAX]);

/* The table of that name is removed, whether there is one or not; then made anew when `comment` is not NULL. */
void nft_put_no_table(struct nft *nft);
void nft_put_table(struct nft *nft, const char *comment);

/* `id` is this batch's; `size` 0: without a limit. */
void nft_put_set(struct nft *nft, const char *name, uint32_t id, uint32_t type, uint32_t key_len,
		 uint32_t flags, uint32_t size);
/* A set of that name to add elements to; nft_put_elements() frees it. One without elements, deleted, is all of them. */
struct nftnl_set *nft_set_named(const struct nft *nft, const char *name);
void nft_add_element(struct nftnl_set *set, const void *key, uint32_t key_len, nanos timeout);
/* `type` NFT_MSG_NEWSETELEM or _DELSETELEM, `flags` beside NLM_F_ACK. */
void nft_put_elements(struct nft *nft, uint16_t type, uint16_t flags, struct nftnl_set *set);
/* The addresses of one family. */
void nft_put_addresses(struct nft *nft, const char *name, int family, const struct ip *ips, size_t n);

/* A base chain on `devices`, terminated by NULL. */
void nft_put_hook(struct nft *nft, const char *name, uint32_t hook, int32_t priority, const char **devices);
void nft_put_chain(struct nft *nft, const char *name);
void nft_put_no_rules(struct nft *nft, const char *chain);

/* A rule, built from left to right; nft_put_verdict() or nft_put_rule() ends it. Values go through register 1. */
struct nftnl_rule *nft_rule(const struct nft *nft, const char *chain);
void nft_meta(struct nftnl_rule *rule, uint32_t key);
void nft_payload(struct nftnl_rule *rule, uint32_t base, uint32_t offset, uint32_t len);
void nft_payload_to(struct nftnl_rule *rule, uint32_t reg, uint32_t base, uint32_t offset, uint32_t len);
void nft_mask(struct nftnl_rule *rule, uint8_t mask);
void nft_compare(struct nftnl_rule *rule, uint32_t op, const void *data, uint32_t len);
void nft_lookup(struct nftnl_rule *rule, const char *set, uint32_t id, uint32_t flags);
/* The key in register 1 is in the set from now on, for `timeout`. `id` 0: a set of an earlier batch, here and in nft_lookup(). */
void nft_update(struct nftnl_rule *rule, const char *set, uint32_t id, nanos timeout);
void nft_store_link_header(struct nftnl_rule *rule, const uint8_t *bytes, uint32_t len);
void nft_forward(struct nftnl_rule *rule, uint32_t ifindex);
void nft_protocol(struct nftnl_rule *rule, uint16_t ethertype);
void nft_put_rule(struct nft *nft, struct nftnl_rule *rule);
/* `chain`: of NFT_GOTO, else NULL. */
void nft_put_verdict(struct nft *nft, struct nftnl_rule *rule, uint32_t verdict, const char *chain);

#endif
