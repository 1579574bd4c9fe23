/*
 * facts.c: lists the facts, hashes them and compares two lists.
 */
#include "hapair/config/facts.h"

#include "hapair/config/config.h"
#include "hapair/config/options.h"
#include "hapair/config/value.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lister {
	struct arena *arena;
	const struct config *config;
	struct config_facts facts;
	size_t room;
};

static void add(struct lister *l, const char *subject, const char *key, const char *value)
{
	if (l->facts.n == l->room) {
		struct config_fact *old = l->facts.all;
		l->room = l->room ? l->room * 2 : 64;
		l->facts.all = ARENA_ARRAY(l->arena, struct config_fact, l->room);
		if (l->facts.n)
			memcpy(l->facts.all, old, l->facts.n * sizeof *old);
	}
	l->facts.all[l->facts.n++] = (struct config_fact){subject, key, value};
}

/* Values as text. */

static const char *choice_text(const struct config_choice *choices, unsigned value)
{
	for (; choices->name; choices++)
		if (choices->supported && choices->value == value)
			return choices->name;
	return "?";
}

static int by_text(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static const char *element_text(struct lister *l, enum config_type type, const void *elements, size_t i)
{
	const struct config_bind *bind = (const struct config_bind *)elements + i;
	char text[ADDR_TEXT_MAX];

	if (type == TYPE_IPS)
		return arena_printf(l->arena, "%s", ip_format((const struct ip *)elements + i, text));
	if (type == TYPE_BINDS)
		return arena_printf(l->arena, "%s%s", addr_format(&bind->address, text),
				    bind->tls ? " tls" : "");
	return arena_printf(l->arena, "%s%s", type == TYPE_ENDPOINTS ? "http://" : "",
			    addr_format((const struct addr *)elements + i, text));
}

/* The order of a list means nothing, except of links, where the i-th talks to the i-th. */
static const char *list_text(struct lister *l, const struct config_option *option, const char *field,
			     size_t n)
{
	const char **texts = ARENA_ARRAY(l->arena, const char *, n);
	const void *elements = field;
	const char *joined = "";

	if (option->type != TYPE_LINKS)
		memcpy(&elements, field, sizeof elements);
	for (size_t i = 0; i < n; i++)
		texts[i] = element_text(l, option->type, elements, i);
	if (n && option->type != TYPE_LINKS)
		qsort(texts, n, sizeof *texts, by_text);
	for (size_t i = 0; i < n; i++)
		joined = i ? arena_printf(l->arena, "%s, %s", joined, texts[i]) : texts[i];
	return joined;
}

static const char *pool_text(const struct lister *l, const char *field)
{
	size_t pool;

	memcpy(&pool, field, sizeof pool);
	return pool == CONFIG_NO_POOL ? "" : l->config->pools[pool].name;
}

static const char *number_text(struct lister *l, const struct config_option *option, const char *field)
{
	char text[CONFIG_VALUE_TEXT];
	nanos duration;
	uint64_t size;
	uint16_t port;
	unsigned count;

	switch (option->type) {
	case TYPE_DURATION:
		memcpy(&duration, field, sizeof duration);
		return arena_printf(l->arena, "%s", config_duration_text(duration, text));
	case TYPE_SIZE:
		memcpy(&size, field, sizeof size);
		return arena_printf(l->arena, "%s", config_size_text(size, text));
	case TYPE_PORT:
		memcpy(&port, field, sizeof port);
		return port ? arena_printf(l->arena, "%u", port) : "";
	default:
		memcpy(&count, field, sizeof count);
		if (option->type == TYPE_CHOICE)
			return choice_text(option->choices, count);
		if (option->type == TYPE_WORKERS && count == 0)
			return "auto";
		return arena_printf(l->arena, "%u", count);
	}
}

static const char *value_text(struct lister *l, const struct config_option *option, const void *object)
{
	const char *field = (const char *)object + option->offset;
	char text[ADDR_TEXT_MAX];
	const char *plain;
	size_t n;
	bool on;

	if (option->type >= TYPE_FILE) {
		memcpy(&plain, field, sizeof plain);
		return plain;
	}
	switch (option->type) {
	case TYPE_SWITCH:
		memcpy(&on, field, sizeof on);
		return on ? "on" : "off";
	case TYPE_ADDRESS:
		return arena_printf(l->arena, "%s", addr_format((const struct addr *)field, text));
	case TYPE_LINKS:
	case TYPE_ADDRESSES:
	case TYPE_BINDS:
	case TYPE_IPS:
	case TYPE_ENDPOINTS:
		memcpy(&n, (const char *)object + option->offset_n, sizeof n);
		return list_text(l, option, field, n);
	case TYPE_POOL:
		return pool_text(l, field);
	default:
		return number_text(l, option, field);
	}
}

/* A fact for each option of the block that has a value. */
static void add_options(struct lister *l, const char *subject, enum config_block_id id, const void *object)
{
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];
		if (option->block != id || !option->supported)
			continue;
		const char *value = value_text(l, option, object);
		if (*value)
			add(l, subject, option->key, value);
	}
}

static void add_block(struct lister *l, const char *subject, enum config_block_id id, const void *object)
{
	add(l, subject, "", "");
	add_options(l, subject, id, object);
}

/* Blocks. */

static void add_pool(struct lister *l, const struct config_pool *pool)
{
	const char *subject = arena_printf(l->arena, "pool %s", pool->name);

	add_block(l, subject, BLOCK_POOL, pool);
	if (pool->check.kind == CHECK_TCP) {
		/* What an http check would ask for has no meaning here. */
		struct config_pool tcp = *pool;
		tcp.check.path = tcp.check.host = "";
		tcp.check.expect = 0;
		add_block(l, arena_printf(l->arena, "%s check tcp", subject), BLOCK_CHECK, &tcp);
	} else if (pool->check.kind == CHECK_HTTP) {
		add_block(l, arena_printf(l->arena, "%s check http", subject), BLOCK_CHECK, pool);
	}
	for (size_t i = 0; i < pool->n_servers; i++)
		add_block(l, arena_printf(l->arena, "%s server %s", subject, pool->servers[i].name),
			  BLOCK_SERVER, &pool->servers[i]);
}

static void add_listen(struct lister *l, const struct config_listen *listen)
{
	const char *subject = arena_printf(l->arena, "listen %s", listen->name);

	add_block(l, subject, BLOCK_LISTEN, listen);
	if (*listen->certificate)
		add_options(l, arena_printf(l->arena, "%s tls", subject), BLOCK_TLS, listen);
	for (size_t i = 0; i < listen->n_routes; i++) {
		const struct config_route *route = &listen->routes[i];
		const char *name = arena_printf(l->arena, "%s route %s%s", subject,
						*route->host ? route->host : "*", route->path);
		add(l, name, "pool", l->config->pools[route->pool].name);
	}
}

static void add_witness(struct lister *l, const struct config_cluster *cluster)
{
	struct config_cluster gateway = *cluster;

	gateway.witness.ttl = 0; /* has no meaning there */
	if (cluster->witness.kind == WITNESS_GATEWAY)
		add_block(l, "witness gateway", BLOCK_WITNESS, &gateway);
	else if (cluster->witness.kind == WITNESS_ETCD)
		add_block(l, "witness etcd", BLOCK_WITNESS, cluster);
}

static int by_subject(const void *left, const void *right)
{
	const struct config_fact *a = left, *b = right;
	int order = strcmp(a->subject, b->subject);

	return order ? order : strcmp(a->key, b->key);
}

struct config_facts config_facts_of(const struct config *config, struct arena *arena)
{
	struct lister l = {.arena = arena, .config = config};
	char text[IP_TEXT_MAX];

	add_block(&l, arena_printf(arena, "cluster %s", config->cluster.name), BLOCK_CLUSTER,
		  &config->cluster);
	add_witness(&l, &config->cluster);
	for (size_t i = 0; i < config->n_nodes; i++)
		add_block(&l, arena_printf(arena, "node %s", config->nodes[i].name), BLOCK_NODE,
			  &config->nodes[i]);
	for (size_t i = 0; i < config->n_vips; i++)
		add_block(&l,
			  arena_printf(arena, "vip %s/%u", ip_format(&config->vips[i].ip, text),
				       config->vips[i].prefix_len),
			  BLOCK_VIP, &config->vips[i]);
	for (size_t i = 0; i < config->n_pools; i++)
		add_pool(&l, &config->pools[i]);
	for (size_t i = 0; i < config->n_listens; i++)
		add_listen(&l, &config->listens[i]);
	add_options(&l, "proxy", BLOCK_PROXY, config);
	add_options(&l, "admin", BLOCK_ADMIN, config);
	add_options(&l, "notify", BLOCK_NOTIFY, config);
	qsort(l.facts.all, l.facts.n, sizeof *l.facts.all, by_subject);
	return l.facts;
}

void config_facts_digest(const struct config_facts *facts, uint8_t digest[CONFIG_DIGEST])
{
	EVP_MD_CTX *sha = EVP_MD_CTX_new();
	bool good = sha && EVP_DigestInit_ex(sha, EVP_sha256(), NULL) == 1;

	for (size_t i = 0; i < facts->n && good; i++) {
		/* With their terminators, so that no two lists run together into the same bytes. */
		const char *texts[3] = {facts->all[i].subject, facts->all[i].key, facts->all[i].value};
		for (size_t j = 0; j < 3; j++)
			good = good && EVP_DigestUpdate(sha, texts[j], strlen(texts[j]) + 1) == 1;
	}
	good = good && EVP_DigestFinal_ex(sha, digest, NULL) == 1;
	EVP_MD_CTX_free(sha);
	/* Only memory can be missing here; a wrong digest would be worse than none. */
	if (!good)
		abort();
}

/* Differences. */

static void print_change(FILE *to, const struct config_fact *old, const struct config_fact *new)
{
	const struct config_fact *any = old ? old : new;

	if (old && new && !*any->key)
		return; /* the block is in both */
	if (!*any->key)
		fprintf(to, "%s: %s\n", any->subject, old ? "removed" : "added");
	else if (!old)
		fprintf(to, "%s: %s = %s added\n", any->subject, any->key, new->value);
	else if (!new)
		fprintf(to, "%s: %s = %s removed\n", any->subject, any->key, old->value);
	else if (strcmp(old->value, new->value) != 0)
		fprintf(to, "%s: %s %s -> %s\n", any->subject, any->key, old->value, new->value);
}

/* Is this a fact of a block (or of one within it) that came or went as a whole? */
static bool inside(const struct config_fact *fact, const char *whole)
{
	size_t n = whole ? strlen(whole) : 0;

	return whole && strncmp(fact->subject, whole, n) == 0 &&
	       (fact->subject[n] == '\0' || fact->subject[n] == ' ');
}

char *config_difference(const struct config *from, const struct config *to)
{
	struct arena *arena = arena_new();
	struct config_facts old = config_facts_of(from, arena), new = config_facts_of(to, arena);
	const char *removed = NULL, *added = NULL; /* the block that is gone, or new, as a whole */
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	for (size_t i = 0, j = 0; i < old.n || j < new.n;) {
		int order = i == old.n ? 1 : j == new.n ? -1 : by_subject(&old.all[i], &new.all[j]);
		const struct config_fact *before = order <= 0 ? &old.all[i++] : NULL;
		const struct config_fact *after = order >= 0 ? &new.all[j++] : NULL;
		if ((before && !after && inside(before, removed)) ||
		    (after && !before && inside(after, added)))
			continue;
		if (before && !after && !*before->key)
			removed = before->subject;
		if (after && !before && !*after->key)
			added = after->subject;
		print_change(out, before, after);
	}
	if (fclose(out) != 0)
		abort();
	arena_free(arena);
	return text;
}
