/*
 * mac.c: HMAC-SHA256 through EVP_MAC. A context is keyed once; EVP_MAC_init() without a key rewinds it, so a datagram costs
 * two or three SHA-256 blocks and no allocation.
 */
#include "heartbeat/mac.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

struct mac {
	uint8_t cluster[WIRE_CLUSTER];
	size_t n;
	struct mac_key {
		uint32_t id;
		EVP_MAC_CTX *ctx;
	} keys[SECRET_KEYS_MAX];
};

void mac_cluster_id(const char *cluster_name, uint8_t ret[WIRE_CLUSTER])
{
	uint8_t hash[SHA256_DIGEST_LENGTH];

	SHA256((const uint8_t *)cluster_name, strlen(cluster_name), hash);
	memcpy(ret, hash, WIRE_CLUSTER);
}

uint64_t mac_node_id(const char *node_name)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];

	SHA256((const uint8_t *)node_name, strlen(node_name), hash);
	return wire_number(hash);
}

int mac_random_boot(uint64_t *ret)
{
	uint64_t boot = 0;

	while (boot == 0) {
		if (RAND_bytes((uint8_t *)&boot, sizeof(boot)) != 1)
			return -EIO;
	}
	*ret = boot;
	return 0;
}

static EVP_MAC_CTX *keyed_context(EVP_MAC *hmac, const uint8_t key[SECRET_KEY_BYTES])
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
			       OSSL_PARAM_construct_end()};
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);

	if (ctx && EVP_MAC_init(ctx, key, SECRET_KEY_BYTES, params) == 1)
		return ctx;
	EVP_MAC_CTX_free(ctx);
	return NULL;
}

struct mac *mac_new(const struct secret *secret, const uint8_t cluster[WIRE_CLUSTER])
{
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	struct mac *mac = calloc(1, sizeof(*mac));

	if (!hmac || !mac)
		goto fail;
	memcpy(mac->cluster, cluster, WIRE_CLUSTER);
	for (size_t i = 0; i < secret->n; i++) {
		mac->keys[i].id = secret->keys[i].id;
		mac->keys[i].ctx = keyed_context(hmac, secret->keys[i].bytes);
		if (!mac->keys[i].ctx)
			goto fail;
		mac->n = i + 1;
	}
	EVP_MAC_free(hmac);
	return mac;
fail:
	EVP_MAC_free(hmac);
	mac_free(mac);
	return NULL;
}

void mac_free(struct mac *mac)
{
	if (!mac)
		return;
	for (size_t i = 0; i < mac->n; i++)
		EVP_MAC_CTX_free(mac->keys[i].ctx);
	free(mac);
}

static int compute(EVP_MAC_CTX *ctx, const uint8_t *bytes, size_t n, uint8_t out[WIRE_MAC_BYTES])
{
	size_t written = 0;

	if (EVP_MAC_init(ctx, NULL, 0, NULL) != 1 || EVP_MAC_update(ctx, bytes, n) != 1 ||
	    EVP_MAC_final(ctx, out, &written, WIRE_MAC_BYTES) != 1 || written != WIRE_MAC_BYTES)
		return -EIO;
	return 0;
}

int mac_seal(struct mac *mac, const struct wire_message *m, uint8_t out[WIRE_SIZE])
{
	wire_encode(m, mac->cluster, mac->keys[0].id, out);
	return compute(mac->keys[0].ctx, out, WIRE_HEAD, out + WIRE_HEAD);
}

static const struct mac_key *find_key(const struct mac *mac, uint32_t id)
{
	for (size_t i = 0; i < mac->n; i++) {
		if (mac->keys[i].id == id)
			return &mac->keys[i];
	}
	return NULL;
}

int mac_open(struct mac *mac, const uint8_t *bytes, size_t n, struct wire_message *ret)
{
	int reject = wire_check(bytes, n, mac->cluster);
	const struct mac_key *key;
	uint8_t expected[WIRE_MAC_BYTES];

	if (reject != REJECT_NONE)
		return reject;
	key = find_key(mac, wire_key_id(bytes));
	if (!key)
		return REJECT_KEY;
	if (compute(key->ctx, bytes, n - WIRE_MAC_BYTES, expected) < 0 ||
	    CRYPTO_memcmp(expected, bytes + n - WIRE_MAC_BYTES, WIRE_MAC_BYTES) != 0)
		return REJECT_MAC;
	wire_decode(bytes, n, ret);
	return REJECT_NONE;
}
