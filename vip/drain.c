/*
 * drain.c: the table, its modes, and the thread that prepares, counts and puts back. See drain.h for what is steered where.
 *
 *     set vip4, vip6                       as in the fence
 *     set mine4 { client . port . vip . port; timeout }   mine6
 *     chain ingress { hook ingress, before the fence; ip daddr @vip4 goto v4;  ip6 daddr @vip6 goto v6 }
 *     chain v4, v6 { <the rules of the mode> }
 *
 * A connection is remembered for REMEMBERED, which is longer than any drain, for FINISHED after the client's FIN (it may go on to
 * receive) and for BROKEN after its RST, so that a long drain on a busy node does not fill the set with the dead.
 */
#include "vip/drain.h"

#include "hapair/base/flows.h"
#include "hapair/base/log.h"
#include "hapair/base/thread.h"
#include "vip/loopback.h"
#include "vip/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CHAIN_PRIORITY -310 /* the fence is at -300 */
#define REMEMBERED     SECONDS(7 * 86400)
#define FINISHED       SECONDS(300)
#define BROKEN         SECONDS(10)
#define MINE_MAX       1048576
#define SEEDS          64 /* elements in one batch */
#define COUNT_EVERY    MS(100)
#define COUNT_SHARE    20 /* counting takes at most one 20th of a processor */
#define THREAD_STACK   (192 * 1024)

enum { SET_VIP4 = 1, SET_VIP6, SET_MINE4, SET_MINE6 };
enum job { JOB_NONE, JOB_PREPARE, JOB_UNDO };

#define CONCAT(ip)                                                                                           \
	((uint32_t)(ip) << 18 | (uint32_t)NFT_TYPE_PORT << 12 | (uint32_t)(ip) << 6 | NFT_TYPE_PORT)

/* Of one family: offsets in its header, and where its parts lie in the key, in bytes. */
static const struct family {
	int family;
	uint16_t ethertype;
	uint32_t saddr, daddr, length;
	uint32_t key_len;
	uint32_t type;
	const char *chain, *vips, *mine;
	uint32_t vips_id, mine_id;
} families[2] = {
	{AF_INET, ETHERTYPE_IP, 12, 16, 4, 16, CONCAT(NFT_TYPE_IPV4), "v4", "vip4", "mine4", SET_VIP4,
	 SET_MINE4},
	{AF_INET6, ETHERTYPE_IPV6, 8, 24, 16, 40, CONCAT(NFT_TYPE_IPV6), "v6", "vip6", "mine6", SET_VIP6,
	 SET_MINE6},
};

struct drain {
	/* The caller's. */
	struct nft now;
	struct handover_plan plan;
	enum drain_mode mode;
	/* Between the two. */
	pthread_mutex_t lock; /* held for moments only */
	enum job job;
	struct handover_plan job_plan;
	enum drain_mode job_mode;
	bool done;
	int error;
	atomic_bool counting, stop;
	atomic_long left;
	int wake_fd, news_fd;
	bool running;
	pthread_t thread;
	/* The thread's, and drain_clean()'s before it runs. */
	struct nft slow;
	struct flows *flows;
	struct loopback *loopback;
	struct ip vips[HANDOVER_VIPS_MAX]; /* of what is installed */
	size_t n_vips;
	nanos next_count;
};

/* --- rules --- */

static void match_tcp(struct nftnl_rule *rule)
{
	uint8_t tcp = IPPROTO_TCP;

	nft_meta(rule, NFT_META_L4PROTO);
	nft_compare(rule, NFT_CMP_EQ, &tcp, 1);
}

/* The connection of a frame from a client, as the key of `mine`. */
static void load_key(struct nftnl_rule *rule, const struct family *f)
{
	uint32_t step = f->length / 4;

	nft_payload_to(rule, NFT_REG32_00, NFT_PAYLOAD_NETWORK_HEADER, f->saddr, f->length);
	nft_payload_to(rule, NFT_REG32_00 + step, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2);
	nft_payload_to(rule, NFT_REG32_00 + step + 1, NFT_PAYLOAD_NETWORK_HEADER, f->daddr, f->length);
	nft_payload_to(rule, NFT_REG32_00 + 2 * step + 1, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
}

static void match_begin(struct nftnl_rule *rule)
{
	uint8_t syn = TH_SYN;

	match_tcp(rule);
	nft_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
	nft_mask(rule, TH_SYN | TH_ACK);
	nft_compare(rule, NFT_CMP_EQ, &syn, 1);
}

/* The sets are of this batch when the table is new, and known by name later. */
static uint32_t id_of(bool fresh, uint32_t id)
{
	return fresh ? id : 0;
}

static void put_ends(struct nft *nft, const struct family *f, uint8_t flag, nanos timeout, bool fresh)
{
	struct nftnl_rule *rule = nft_rule(nft, f->chain);
	uint8_t none = 0;

	match_tcp(rule);
	nft_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
	nft_mask(rule, flag);
	nft_compare(rule, NFT_CMP_NEQ, &none, 1);
	load_key(rule, f);
	nft_lookup(rule, f->mine, id_of(fresh, f->mine_id), 0);
	load_key(rule, f);
	nft_update(rule, f->mine, id_of(fresh, f->mine_id), timeout);
	nft_put_rule(nft, rule);
}

/* Two rules: where the set is full, the connection is served all the same. */
static void put_begins_here(struct nft *nft, const struct family *f, bool fresh)
{
	struct nftnl_rule *rule = nft_rule(nft, f->chain);

	match_begin(rule);
	load_key(rule, f);
	nft_update(rule, f->mine, id_of(fresh, f->mine_id), REMEMBERED);
	nft_put_rule(nft, rule);
	rule = nft_rule(nft, f->chain);
	match_begin(rule);
	nft_put_verdict(nft, rule, NF_ACCEPT, NULL);
}

static void match_device(struct nftnl_rule *rule, const struct handover_device *device)
{
	uint32_t index = device->index;

	nft_meta(rule, NFT_META_IIF);
	nft_compare(rule, NFT_CMP_EQ, &index, sizeof(index));
}

static void put_from_peer(struct nft *nft, const struct family *f, const struct handover_device *device)
{
	struct nftnl_rule *rule = nft_rule(nft, f->chain);

	match_device(rule, device);
	nft_payload(rule, NFT_PAYLOAD_LL_HEADER, 6, HANDOVER_MAC);
	nft_compare(rule, NFT_CMP_EQ, device->peer, HANDOVER_MAC);
	nft_put_verdict(nft, rule, NF_ACCEPT, NULL);
}

static void put_to_peer(struct nft *nft, const struct family *f, const struct handover_device *device,
			bool begins)
{
	struct nftnl_rule *rule = nft_rule(nft, f->chain);
	uint8_t header[2 * HANDOVER_MAC];

	memcpy(header, device->peer, HANDOVER_MAC);
	memcpy(header + HANDOVER_MAC, device->own, HANDOVER_MAC);
	match_device(rule, device);
	if (begins)
		match_begin(rule);
	nft_store_link_header(rule, header, sizeof(header));
	nft_forward(rule, device->index);
	nft_put_rule(nft, rule);
}

/* While the peer gives, its clients' connections begin here. */
static void put_begins_at_peer(struct nft *nft, const struct family *f, const struct handover_device *device,
			       bool fresh)
{
	struct nftnl_rule *rule = nft_rule(nft, f->chain);

	match_device(rule, device);
	nft_payload(rule, NFT_PAYLOAD_LL_HEADER, 6, HANDOVER_MAC);
	nft_compare(rule, NFT_CMP_EQ, device->peer, HANDOVER_MAC);
	match_begin(rule);
	load_key(rule, f);
	nft_update(rule, f->mine, id_of(fresh, f->mine_id), REMEMBERED);
	nft_put_rule(nft, rule);
}

static void put_mine(struct nft *nft, const struct family *f, bool fresh)
{
	struct nftnl_rule *rule = nft_rule(nft, f->chain);

	match_tcp(rule);
	load_key(rule, f);
	nft_lookup(rule, f->mine, id_of(fresh, f->mine_id), 0);
	nft_put_verdict(nft, rule, NF_ACCEPT, NULL);
}

static void put_not_tcp(struct nft *nft, const struct family *f)
{
	struct nftnl_rule *rule = nft_rule(nft, f->chain);
	uint8_t tcp = IPPROTO_TCP;

	nft_meta(rule, NFT_META_L4PROTO);
	nft_compare(rule, NFT_CMP_NEQ, &tcp, 1);
	nft_put_verdict(nft, rule, NF_ACCEPT, NULL);
}

static void put_rules(struct nft *nft, const struct handover_plan *plan, const struct family *f,
		      enum drain_mode mode, bool fresh)
{
	put_ends(nft, f, TH_FIN, FINISHED, fresh);
	put_ends(nft, f, TH_RST, BROKEN, fresh);
	if (mode != DRAIN_PEER)
		put_begins_here(nft, f, fresh);
	if (mode == DRAIN_ALL)
		return;
	for (size_t i = 0; mode == DRAIN_PEER && i < plan->n_devices; i++)
		put_begins_at_peer(nft, f, &plan->devices[i], fresh);
	for (size_t i = 0; i < plan->n_devices; i++)
		put_from_peer(nft, f, &plan->devices[i]);
	for (size_t i = 0; mode == DRAIN_PEER && i < plan->n_devices; i++)
		put_to_peer(nft, f, &plan->devices[i], true);
	put_mine(nft, f, fresh);
	if (mode == DRAIN_HOLD)
		put_not_tcp(nft, f);
	for (size_t i = 0; i < plan->n_devices; i++)
		put_to_peer(nft, f, &plan->devices[i], false);
}

static void put_goto(struct nft *nft, const struct family *f)
{
	struct nftnl_rule *rule = nft_rule(nft, "ingress");

	nft_protocol(rule, f->ethertype);
	nft_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, f->daddr, f->length);
	nft_lookup(rule, f->vips, f->vips_id, 0);
	nft_put_verdict(nft, rule, (uint32_t)NFT_GOTO, f->chain);
}

static int install(struct nft *nft, const struct handover_plan *plan, enum drain_mode mode,
		   const char *record)
{
	const char *devices[HANDOVER_DEVICES_MAX + 1] = {NULL};
	int error = nft_begin(nft);

	if (error)
		return error;
	for (size_t i = 0; i < plan->n_devices; i++)
		devices[i] = plan->devices[i].name;
	nft_put_table(nft, record);
	for (size_t i = 0; i < 2; i++) {
		const struct family *f = &families[i];

		nft_put_set(nft, f->vips, f->vips_id, f->family == AF_INET6 ? NFT_TYPE_IPV6 : NFT_TYPE_IPV4,
			    f->length, 0, 0);
		nft_put_addresses(nft, f->vips, f->family, plan->vips, plan->n_vips);
		nft_put_set(nft, f->mine, f->mine_id, f->type, f->key_len, NFT_SET_TIMEOUT | NFT_SET_EVAL,
			    MINE_MAX);
		nft_put_chain(nft, f->chain);
		put_rules(nft, plan, f, mode, true);
	}
	nft_put_hook(nft, "ingress", NF_NETDEV_INGRESS, CHAIN_PRIORITY, devices);
	for (size_t i = 0; i < 2; i++)
		put_goto(nft, &families[i]);
	return nft_commit(nft);
}

static void put_change(struct nft *nft, const struct handover_plan *plan, enum drain_mode mode)
{
	for (size_t i = 0; i < 2; i++) {
		nft_put_no_rules(nft, families[i].chain);
		put_rules(nft, plan, &families[i], mode, false);
	}
}

static int change(struct nft *nft, const struct handover_plan *plan, enum drain_mode mode)
{
	int error = nft_begin(nft);

	if (error)
		return error;
	put_change(nft, plan, mode);
	return nft_commit(nft);
}

/* --- what is there already --- */

struct seeding {
	struct nft *nft;
	struct nftnl_set *sets[2];
	unsigned n;
	bool anew; /* what was remembered before goes with the first batch */
	int error;
};

static void seed_flush(struct seeding *seeding)
{
	int error = seeding->n || seeding->anew ? nft_begin(seeding->nft) : -ENODATA;

	for (size_t i = 0; i < 2 && !error && seeding->anew; i++)
		nft_put_elements(seeding->nft, NFT_MSG_DELSETELEM, 0,
				 nft_set_named(seeding->nft, families[i].mine));
	for (size_t i = 0; i < 2; i++) {
		if (seeding->sets[i] && !error)
			nft_put_elements(seeding->nft, NFT_MSG_NEWSETELEM, NLM_F_CREATE, seeding->sets[i]);
		else if (seeding->sets[i])
			nftnl_set_free(seeding->sets[i]);
		seeding->sets[i] = NULL;
	}
	if (!error)
		error = nft_commit(seeding->nft);
	seeding->n = 0;
	seeding->anew = false;
	if (error && error != -ENODATA && !seeding->error)
		seeding->error = error;
}

static void seed(void *ctx, const struct flow *flow, const struct inet_diag_sockid *id)
{
	struct seeding *seeding = ctx;
	size_t which = flow->client.ip.family == AF_INET6;
	const struct family *f = &families[which];
	uint16_t client_port = htons(flow->client.port), vip_port = htons(flow->vip.port);
	uint8_t key[40] = {0};

	memcpy(key, flow->client.ip.bytes, f->length);
	memcpy(key + f->length, &client_port, 2);
	memcpy(key + f->length + 4, flow->vip.ip.bytes, f->length);
	memcpy(key + 2 * f->length + 4, &vip_port, 2);
	if (!seeding->sets[which])
		seeding->sets[which] = nft_set_named(seeding->nft, f->mine);
	nft_add_element(seeding->sets[which], key, f->key_len, REMEMBERED);
	if (++seeding->n == SEEDS)
		seed_flush(seeding);
}

/* After the table has begun to remember, so that none is missed. */
static int remember_all(struct drain *drain, const struct handover_plan *plan)
{
	/* A client may have used the port of a connection that ended here for one that it has with the peer. Frames for
	 * connections of this node come from the peer just now, so nothing is lost while the list is made anew. */
	struct seeding seeding = {.nft = &drain->slow, .anew = !plan->giving};
	long n = flows_list(drain->flows, plan->vips, plan->n_vips, seed, &seeding);

	seed_flush(&seeding);
	if (n < 0)
		return (int)n;
	atomic_store(&drain->left, n);
	return seeding.error;
}

/* --- the thread's work --- */

static int put_back(struct drain *drain, const struct ip *vips, size_t n)
{
	char comment[NFT_COMMENT_MAX];
	struct handover_before before;
	int error = 0;

	if (nft_look(&drain->slow, comment) != 0)
		return loopback_remove(drain->loopback, vips, n);
	/* The settings are known as long as the table is there: it goes last. */
	if (handover_record_read(comment, &before))
		error = loopback_write(drain->loopback, &before);
	if (!error)
		error = loopback_remove(drain->loopback, vips, n);
	if (!error)
		error = nft_begin(&drain->slow);
	if (!error) {
		nft_put_no_table(&drain->slow);
		error = nft_commit(&drain->slow);
	}
	return error;
}

static int make_record(struct drain *drain, const struct handover_plan *plan, struct handover_before *ret,
		       char record[HANDOVER_RECORD_MAX])
{
	int error;

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < plan->n_devices; i++)
		ret->devices[ret->n++].index = plan->devices[i].index;
	error = loopback_read(drain->loopback, ret);
	if (error)
		return error;
	return handover_record_write(ret, record) ? 0 : -E2BIG;
}

static int quieten(struct drain *drain, struct handover_before values)
{
	for (size_t i = 0; i < values.n; i++) {
		values.devices[i].arp_announce = 2;
		if (values.devices[i].arp_ignore == 0)
			values.devices[i].arp_ignore = 1;
	}
	return loopback_write(drain->loopback, &values);
}

static int prepare(struct drain *drain, const struct handover_plan *plan, enum drain_mode mode)
{
	char record[NFT_COMMENT_MAX];
	struct handover_before before;
	int error;

	if (nft_look(&drain->slow, record) == 0 && handover_record_read(record, &before)) {
		error = change(&drain->slow, plan, mode);
	} else {
		error = make_record(drain, plan, &before, record);
		if (!error)
			error = install(&drain->slow, plan, mode, record);
	}
	memcpy(drain->vips, plan->vips, sizeof(drain->vips));
	drain->n_vips = plan->n_vips;
	if (!error)
		error = quieten(drain, before);
	if (!error)
		error = loopback_add(drain->loopback, plan->vips, plan->n_vips, plan->timeout);
	if (!error)
		error = remember_all(drain, plan);
	if (error)
		put_back(drain, plan->vips, plan->n_vips);
	return error;
}

static void count(struct drain *drain)
{
	nanos began = clock_now(), took;
	long n;

	if (began < drain->next_count)
		return;
	n = flows_list(drain->flows, drain->vips, drain->n_vips, NULL, NULL);
	took = clock_now() - began;
	drain->next_count = began + (took * COUNT_SHARE > COUNT_EVERY ? took * COUNT_SHARE : COUNT_EVERY);
	if (n < 0)
		log_warning("connections can't be counted: %s", strerror((int)-n));
	else if (atomic_exchange(&drain->left, n) != n || n == 0)
		thread_wake(drain->news_fd);
}

static void work(struct drain *drain)
{
	struct handover_plan plan;
	enum drain_mode mode;
	enum job job;
	int error;

	pthread_mutex_lock(&drain->lock);
	job = drain->job;
	plan = drain->job_plan;
	mode = drain->job_mode;
	drain->job = JOB_NONE;
	pthread_mutex_unlock(&drain->lock);
	if (job == JOB_UNDO) {
		error = put_back(drain, drain->vips, drain->n_vips);
		if (error)
			log_warning("after a drain: not everything could be put back: %s", strerror(-error));
	} else if (job == JOB_PREPARE) {
		error = prepare(drain, &plan, mode);
		pthread_mutex_lock(&drain->lock);
		drain->done = true;
		drain->error = error;
		pthread_mutex_unlock(&drain->lock);
		thread_wake(drain->news_fd);
	}
	if (atomic_load(&drain->counting))
		count(drain);
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return x < y ? -1 : x > y;
}

static void *thread_main(void *arg)
{
	struct drain *drain = arg;
	struct pollfd wait = {.fd = drain->wake_fd, .events = POLLIN};
	int fds[] = {mnl_socket_get_fd(drain->slow.socket), flows_fd(drain->flows),
		     loopback_fd(drain->loopback), drain->wake_fd, drain->news_fd};

	qsort(fds, sizeof(fds) / sizeof(fds[0]), sizeof(fds[0]), by_number);
	thread_keep_only(fds, sizeof(fds) / sizeof(fds[0]));
	while (!atomic_load(&drain->stop)) {
		int timeout = atomic_load(&drain->counting) ? (int)(COUNT_EVERY / NS_PER_MS) : -1;
		uint64_t rung;

		if (poll(&wait, 1, timeout) > 0 && read(drain->wake_fd, &rung, sizeof(rung)) < 0)
			continue;
		work(drain);
	}
	return NULL;
}

/* --- the contract --- */

int drain_new(const char *node, struct drain **ret)
{
	struct drain *drain = calloc(1, sizeof(*drain));
	int error;

	if (!drain)
		return -ENOMEM;
	thread_lock_init(&drain->lock);
	atomic_store(&drain->left, -1);
	drain->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	drain->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	error = drain->wake_fd < 0 || drain->news_fd < 0 ? -errno : nft_open(&drain->now, node, "_drain");
	if (!error)
		error = nft_open(&drain->slow, node, "_drain");
	if (!error)
		error = flows_new(&drain->flows);
	if (!error)
		error = loopback_new(&drain->loopback);
	if (error)
		drain_free(drain);
	else
		*ret = drain;
	return error;
}

int drain_start(struct drain *drain)
{
	int error = thread_start(&drain->thread, THREAD_STACK, thread_main, drain);

	drain->running = error == 0;
	return error;
}

static void end_thread(struct drain *drain)
{
	if (!drain->running)
		return;
	atomic_store(&drain->stop, true);
	thread_wake(drain->wake_fd);
	pthread_join(drain->thread, NULL);
	drain->running = false;
}

void drain_free(struct drain *drain)
{
	if (!drain)
		return;
	end_thread(drain);
	nft_close(&drain->now);
	nft_close(&drain->slow);
	flows_free(drain->flows);
	loopback_free(drain->loopback);
	if (drain->wake_fd >= 0)
		close(drain->wake_fd);
	if (drain->news_fd >= 0)
		close(drain->news_fd);
	pthread_mutex_destroy(&drain->lock);
	free(drain);
}

int drain_clean(struct drain *drain, const struct ip *vips, size_t n)
{
	end_thread(drain);
	drain->mode = DRAIN_OFF;
	return put_back(drain, vips, n);
}

int drain_adopt(struct drain *drain, const struct handover_plan *plan, enum drain_mode mode)
{
	char comment[NFT_COMMENT_MAX];
	struct handover_before before;

	if (nft_look(&drain->now, comment) != 0 || !handover_record_read(comment, &before))
		return -ENOENT;
	drain->plan = *plan;
	drain->mode = mode;
	memcpy(drain->vips, plan->vips, sizeof(drain->vips));
	drain->n_vips = plan->n_vips;
	return 0;
}

static void order(struct drain *drain, enum job job)
{
	pthread_mutex_lock(&drain->lock);
	drain->job = job;
	drain->job_plan = drain->plan;
	drain->job_mode = drain->mode;
	drain->done = false;
	pthread_mutex_unlock(&drain->lock);
	thread_wake(drain->wake_fd);
}

void drain_prepare(struct drain *drain, const struct handover_plan *plan)
{
	drain->plan = *plan;
	/* Who is about to take lets connections begin here only where the peer passes them on. A giver that has a mode holds. */
	if (!plan->giving)
		drain->mode = DRAIN_PEER;
	else if (drain->mode == DRAIN_OFF)
		drain->mode = DRAIN_ALL;
	order(drain, JOB_PREPARE);
}

int drain_fd(const struct drain *drain)
{
	return drain->news_fd;
}

bool drain_prepared(struct drain *drain, int *ret_error)
{
	uint64_t rung;
	bool done;

	if (read(drain->news_fd, &rung, sizeof(rung)) < 0 && errno != EAGAIN)
		log_warning("eventfd: %s", strerror(errno));
	pthread_mutex_lock(&drain->lock);
	done = drain->done;
	drain->done = false;
	*ret_error = drain->error;
	pthread_mutex_unlock(&drain->lock);
	if (done && *ret_error)
		drain->mode = DRAIN_OFF;
	return done;
}

int drain_steer(struct drain *drain, enum drain_mode mode)
{
	int error;

	if (drain->mode == DRAIN_OFF)
		return -ENOENT;
	if (drain->mode == mode)
		return 0;
	error = change(&drain->now, &drain->plan, mode);
	if (!error)
		drain->mode = mode;
	return error;
}

void drain_put_given(struct nft *batch, void *ctx)
{
	struct drain *drain = ctx;
	char table[sizeof(batch->table)];

	memcpy(table, batch->table, sizeof(table));
	memcpy(batch->table, drain->now.table, sizeof(batch->table));
	put_change(batch, &drain->plan, DRAIN_PEER);
	memcpy(batch->table, table, sizeof(batch->table));
}

void drain_given(struct drain *drain)
{
	drain->mode = DRAIN_PEER;
}

enum drain_mode drain_mode(const struct drain *drain)
{
	return drain->mode;
}

void drain_undo(struct drain *drain)
{
	if (drain->mode == DRAIN_OFF)
		return;
	drain->mode = DRAIN_OFF;
	order(drain, JOB_UNDO);
}

void drain_count(struct drain *drain, bool on)
{
	if (atomic_exchange(&drain->counting, on) != on)
		thread_wake(drain->wake_fd);
}

long drain_left(const struct drain *drain)
{
	return atomic_load(&((struct drain *)drain)->left);
}
