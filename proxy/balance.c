/*
 * balance.c: the three ways to pick, each one pass over the shared array. Decisions are the same on every
 * machine: integers only.
 */
#include "proxy/balance.h"

/* The shared numbers, as they are at this moment. */
static inline uint32_t active_of(const struct balance_server *server)
{
	return __atomic_load_n(&server->active, __ATOMIC_RELAXED);
}

static inline uint32_t weight_of(const struct balance_server *server)
{
	return __atomic_load_n(&server->weight, __ATOMIC_RELAXED);
}

static inline bool is_usable(const struct balance_server *server)
{
	return __atomic_load_n(&server->usable, __ATOMIC_RELAXED);
}

struct candidates {
	const struct balance_server *servers;
	size_t n;
	const uint16_t *tried;
	size_t n_tried;
};

static inline bool is_tried(const struct candidates *c, size_t i)
{
	for (size_t t = 0; t < c->n_tried; t++)
		if (c->tried[t] == i)
			return true;
	return false;
}

static inline bool may_take(const struct candidates *c, size_t i)
{
	return is_usable(&c->servers[i]) && !is_tried(c, i);
}

/* Why there was no candidate. */
static int nobody(const struct candidates *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (is_usable(&c->servers[i]))
			return BALANCE_ALL_TRIED;
	return BALANCE_NONE_USABLE;
}

/* The finaliser of splitmix64: every bit of the input reaches every bit of the output. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static uint64_t hash_bytes(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint64_t h = 0xcbf29ce484222325; /* FNV-1a */

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return mix(h);
}

uint64_t balance_server_key(struct span name)
{
	return hash_bytes(name.p, name.n);
}

uint64_t balance_client_key(const struct ip *client)
{
	return hash_bytes(client->bytes, client->family == AF_INET6 ? 8 : 4);
}

void balance_init(struct balance_state *s, enum config_balance kind, int32_t *storage, size_t n,
		  uint32_t worker)
{
	*s = (struct balance_state){
		.kind = kind, .current = storage, .random = mix(worker + 1), .heaviest = 1};
	for (size_t i = 0; i < n; i++)
		storage[i] = worker > 0 && i == worker % n; /* a lead of one breaks the first tie */
}

/* active per weight of a against b, without dividing */
static inline bool less_loaded(uint64_t active_a, uint64_t weight_a, uint64_t active_b, uint64_t weight_b)
{
	return active_a * weight_b < active_b * weight_a;
}

/*
 * Smooth weighted round robin: everyone gains its weight, the one that leads is picked and pays the sum of
 * all. A server that is out loses its lead or debt, so that it comes back as one among equals.
 */
static int pick_in_turn(struct balance_state *s, const struct candidates *c)
{
	int32_t total = 0;
	int best = -1;

	for (size_t i = 0; i < c->n; i++) {
		int32_t weight = (int32_t)weight_of(&c->servers[i]);

		if (!is_usable(&c->servers[i])) {
			s->current[i] = 0;
			continue;
		}
		if (is_tried(c, i))
			continue;
		total += weight;
		s->current[i] += weight;
		if (best < 0 || s->current[i] > s->current[best])
			best = (int)i;
	}
	if (best < 0)
		return nobody(c);
	s->current[best] -= total;
	return best;
}

/* Fewest active per weight; equals by smooth weighted round robin among themselves. */
static int pick_least_by_scan(struct balance_state *s, const struct candidates *c)
{
	/* Read once: what others change meanwhile must not change who is equal to whom. Weight 0 is out. */
	uint32_t active[BALANCE_SCAN_MAX], weight[BALANCE_SCAN_MAX];
	int32_t total = 0;
	int best = -1, first = -1;

	for (size_t i = 0; i < c->n; i++) {
		active[i] = active_of(&c->servers[i]);
		weight[i] = may_take(c, i) ? weight_of(&c->servers[i]) : 0;
		if (weight[i] &&
		    (first < 0 || less_loaded(active[i], weight[i], active[first], weight[first])))
			first = (int)i;
	}
	if (first < 0)
		return nobody(c);
	for (size_t i = (size_t)first; i < c->n; i++) {
		if (weight[i] == 0 || less_loaded(active[first], weight[first], active[i], weight[i]))
			continue;
		total += (int32_t)weight[i];
		s->current[i] += (int32_t)weight[i];
		if (best < 0 || s->current[i] > s->current[best])
			best = (int)i;
	}
	s->current[best] -= total;
	return best;
}

static uint64_t random_next(struct balance_state *s)
{
	return mix(s->random += 0x9e3779b97f4a7c15);
}

/*
 * A candidate drawn by weight, or -1 after too many misses: an index is kept with the probability weight /
 * heaviest.
 */
static int draw(struct balance_state *s, const struct candidates *c)
{
	for (unsigned tries = 0; tries < BALANCE_SCAN_MAX; tries++) {
		uint64_t r = random_next(s);
		size_t i = (size_t)((r >> 32) * c->n >> 32);
		uint32_t weight = weight_of(&c->servers[i]);

		if (weight > s->heaviest)
			s->heaviest = weight;
		if ((uint32_t)r % s->heaviest < weight && may_take(c, i))
			return (int)i;
	}
	s->heaviest = 1; /* perhaps the heavy ones are gone; learnt anew in a few draws */
	return -1;
}

/* The least loaded of all, for the rare case that drawing finds nobody: most of a large pool is out. */
static int least_of_all(const struct candidates *c)
{
	uint32_t best_active = 0;
	int best = -1;

	for (size_t i = 0; i < c->n; i++) {
		uint32_t active = active_of(&c->servers[i]);

		if (may_take(c, i) && (best < 0 || less_loaded(active, weight_of(&c->servers[i]), best_active,
							       weight_of(&c->servers[best])))) {
			best = (int)i;
			best_active = active;
		}
	}
	return best >= 0 ? best : nobody(c);
}

static int pick_least(struct balance_state *s, const struct candidates *c)
{
	const struct balance_server *servers = c->servers;
	int a, b;

	if (c->n <= BALANCE_SCAN_MAX)
		return pick_least_by_scan(s, c);
	a = draw(s, c);
	b = draw(s, c);
	if (a < 0 || b < 0)
		return least_of_all(c);
	return less_loaded(active_of(&servers[b]), weight_of(&servers[b]), active_of(&servers[a]),
			   weight_of(&servers[a]))
		       ? b
		       : a;
}

/*
 * log2(1 + i / 256) * 2^31; a table, because both nodes must decide alike whatever their processors'
 * floating point does.
 */
static const uint32_t log2_table[257] = {
	0x00000000, 0x00b84e23, 0x016fe50b, 0x0226c623, 0x02dcf2d1, 0x03926c77, 0x04473475, 0x04fb4c25,
	0x05aeb4dd, 0x06616ff1, 0x07137eae, 0x07c4e261, 0x08759c50, 0x0925adbf, 0x09d517ef, 0x0a83dc1b,
	0x0b31fb7d, 0x0bdf774b, 0x0c8c50b7, 0x0d3888f0, 0x0de42120, 0x0e8f1a72, 0x0f397609, 0x0fe33508,
	0x108c588d, 0x1134e1b5, 0x11dcd197, 0x1284294b, 0x132ae9e2, 0x13d1146e, 0x1476a9fa, 0x151bab90,
	0x15c01a3a, 0x1663f6fb, 0x170742d5, 0x17a9fec8, 0x184c2bd0, 0x18edcae8, 0x198edd07, 0x1a2f6323,
	0x1acf5e2e, 0x1b6ecf17, 0x1c0db6ce, 0x1cac163c, 0x1d49ee4c, 0x1de73fe4, 0x1e840be7, 0x1f205339,
	0x1fbc16b9, 0x20575745, 0x20f215b7, 0x218c52eb, 0x22260fb6, 0x22bf4ced, 0x23580b65, 0x23f04bee,
	0x24880f56, 0x251f566b, 0x25b621f9, 0x264c72c7, 0x26e2499d, 0x2777a741, 0x280c8c76, 0x28a0f9fe,
	0x2934f098, 0x29c87102, 0x2a5b7bf9, 0x2aee1236, 0x2b803474, 0x2c11e368, 0x2ca31fc9, 0x2d33ea49,
	0x2dc4439b, 0x2e542c70, 0x2ee3a575, 0x2f72af59, 0x30014ac6, 0x308f7868, 0x311d38e6, 0x31aa8ce7,
	0x32377512, 0x32c3f20a, 0x33500472, 0x33dbaceb, 0x3466ec15, 0x34f1c28e, 0x357c30f3, 0x360637e0,
	0x368fd7ee, 0x371911b8, 0x37a1e5d4, 0x382a54d8, 0x38b25f5a, 0x393a05ee, 0x39c14924, 0x3a482990,
	0x3acea7c0, 0x3b54c444, 0x3bda7fa9, 0x3c5fda7a, 0x3ce4d544, 0x3d697090, 0x3dedace6, 0x3e718acf,
	0x3ef50ad2, 0x3f782d72, 0x3ffaf335, 0x407d5c9e, 0x40ff6a2e, 0x41811c68, 0x420273ca, 0x428370d4,
	0x43041403, 0x43845dd5, 0x44044ec5, 0x4483e74e, 0x450327eb, 0x45821112, 0x4600a33e, 0x467edee4,
	0x46fcc47a, 0x477a5476, 0x47f78f4c, 0x4874756f, 0x48f10751, 0x496d4563, 0x49e93016, 0x4a64c7da,
	0x4ae00d1d, 0x4b5b004d, 0x4bd5a1d8, 0x4c4ff228, 0x4cc9f1ab, 0x4d43a0c9, 0x4dbcffee, 0x4e360f81,
	0x4eaecfeb, 0x4f274192, 0x4f9f64de, 0x50173a35, 0x508ec1fa, 0x5105fc93, 0x517cea63, 0x51f38bcb,
	0x5269e12f, 0x52dfeaf0, 0x5355a96d, 0x53cb1d07, 0x5440461c, 0x54b5250c, 0x5529ba33, 0x559e05ee,
	0x5612089a, 0x5685c293, 0x56f93433, 0x576c5dd4, 0x57df3fd0, 0x5851da81, 0x58c42e3d, 0x59363b5e,
	0x59a80239, 0x5a198326, 0x5a8abe79, 0x5afbb489, 0x5b6c65aa, 0x5bdcd22f, 0x5c4cfa6c, 0x5cbcdeb4,
	0x5d2c7f59, 0x5d9bdcad, 0x5e0af6ff, 0x5e79cea2, 0x5ee863e5, 0x5f56b717, 0x5fc4c886, 0x60329882,
	0x60a02757, 0x610d7553, 0x617a82c3, 0x61e74ff2, 0x6253dd2c, 0x62c02abc, 0x632c38ed, 0x63980809,
	0x64039858, 0x646eea24, 0x64d9fdb7, 0x6544d356, 0x65af6b4b, 0x6619c5db, 0x6683e34f, 0x66edc3eb,
	0x675767f5, 0x67c0cfb3, 0x6829fb69, 0x6892eb5c, 0x68fb9fce, 0x69641904, 0x69cc5741, 0x6a345ac6,
	0x6a9c23d6, 0x6b03b2b2, 0x6b6b079c, 0x6bd222d4, 0x6c39049b, 0x6c9fad30, 0x6d061cd3, 0x6d6c53c2,
	0x6dd2523d, 0x6e381882, 0x6e9da6ce, 0x6f02fd60, 0x6f681c73, 0x6fcd0445, 0x7031b512, 0x70962f16,
	0x70fa728c, 0x715e7faf, 0x71c256ba, 0x7225f7e8, 0x72896373, 0x72ec9993, 0x734f9a83, 0x73b2667b,
	0x7414fdb5, 0x74776067, 0x74d98eca, 0x753b8916, 0x759d4f81, 0x75fee242, 0x76604191, 0x76c16da3,
	0x772266ad, 0x77832ce6, 0x77e3c082, 0x784421b7, 0x78a450b8, 0x79044dbb, 0x796418f2, 0x79c3b292,
	0x7a231ace, 0x7a8251d8, 0x7ae157e3, 0x7b402d22, 0x7b9ed1c7, 0x7bfd4603, 0x7c5b8a07, 0x7cb99e06,
	0x7d17822f, 0x7d7536b4, 0x7dd2bbc4, 0x7e30118f, 0x7e8d3846, 0x7eea3017, 0x7f46f932, 0x7fa393c5,
	0x80000000,
};

/* -log2(u / 2^32) * 2^31 for u > 0: exponentially distributed when u is uniform. */
static uint64_t minus_log2(uint32_t u)
{
	unsigned shift = (unsigned)__builtin_clz(u);
	uint32_t mantissa = u << shift, i = mantissa >> 23 & 255, rest = mantissa & 0x7fffff;
	uint64_t step = log2_table[i + 1] - log2_table[i];

	return ((uint64_t)(shift + 1) << 31) - log2_table[i] - (step * rest >> 23);
}

/* What all usable servers carry together, tried ones included. */
struct load {
	uint64_t active, weight, n;
};

static struct load load_of(const struct candidates *c)
{
	struct load load = {0};

	for (size_t i = 0; i < c->n; i++) {
		uint64_t usable = is_usable(&c->servers[i]);

		load.active += usable * active_of(&c->servers[i]);
		load.weight += usable * weight_of(&c->servers[i]);
		load.n += usable;
	}
	return load;
}

/* One more keeps it within 125 % of its share of all, this one included, or within the floor. */
static bool within_bound(uint64_t active, uint64_t weight, const struct load *load)
{
	return active * load->weight * 100 < (load->active + 1) * weight * BALANCE_BOUND_PERCENT ||
	       active * load->weight < BALANCE_BOUND_FLOOR * weight * load->n;
}

/*
 * Weighted rendezvous: server i draws an exponential number of rate weight from (client, i); the smallest
 * wins. Each server wins its share of all clients, and who wins among some is not changed by who else is
 * there. Those over the bound are passed over, unless all are.
 */
static int pick_by_hash(const struct candidates *c, uint64_t client)
{
	struct load load = load_of(c);
	uint64_t best_cost = 0, best_weight = 1, over_cost = 0, over_weight = 1;
	int best = -1, over = -1;

	for (size_t i = 0; i < c->n; i++) {
		const struct balance_server *server = &c->servers[i];
		uint64_t cost, weight = weight_of(server);
		uint32_t u;

		if (!may_take(c, i))
			continue;
		u = (uint32_t)(mix(client ^ server->key) >> 32) | 1;
		/* -log2(x) > 1 - x: most lose already by this, without a look into the table. */
		if (best >= 0 && (-(uint64_t)u & UINT32_MAX) / 2 * best_weight >= best_cost * weight)
			continue;
		cost = minus_log2(u);
		if (best >= 0 && cost * best_weight >= best_cost * weight)
			continue;
		if (within_bound(active_of(server), weight, &load)) {
			best = (int)i;
			best_cost = cost;
			best_weight = weight;
		} else if (over < 0 || cost * over_weight < over_cost * weight) {
			over = (int)i;
			over_cost = cost;
			over_weight = weight;
		}
	}
	if (best >= 0)
		return best;
	return over >= 0 ? over : nobody(c);
}

int balance_pick(struct balance_state *s, const struct balance_server *servers, size_t n, uint64_t client,
		 const uint16_t *tried, size_t n_tried)
{
	const struct candidates c = {servers, n, tried, n_tried};

	switch (s->kind) {
	case BALANCE_ROUNDROBIN:
		return pick_in_turn(s, &c);
	case BALANCE_LEASTCONN:
		return pick_least(s, &c);
	case BALANCE_IPHASH:
		return pick_by_hash(&c, client);
	}
	return BALANCE_NONE_USABLE;
}
