/*
 * mac.h: signs and verifies heartbeats with the pair's keys (HMAC-SHA256, RFC 2104, by OpenSSL).
 *
 * Every key has its context made at start; signing and verifying allocate nothing that OpenSSL does not
 * already hold. Rotation without a gap: give both nodes old and new keys (the first signs, all verify), then
 * new first, then drop old.
 */
#ifndef HAPAIR_HEARTBEAT_MAC_H
#define HAPAIR_HEARTBEAT_MAC_H

#include "hapair/base/secret.h"
#include "heartbeat/wire.h"

struct mac;

/* The first 128 bits of SHA-256(name) / the first 64 bits of it. */
void mac_cluster_id(const char *cluster_name, uint8_t ret[WIRE_CLUSTER]);
uint64_t mac_node_id(const char *node_name);

/* 64 random bits, never 0. 0 or -EIO. */
int mac_random_boot(uint64_t *ret);

/* Copies the keys; the caller may forget the secret afterwards. NULL when OpenSSL or memory fails. */
struct mac *mac_new(const struct secret *secret, const uint8_t cluster[WIRE_CLUSTER]);
void mac_free(struct mac *mac);

/* Encodes and signs with the first key. 0, or -EIO when OpenSSL fails (nothing may be sent then). */
int mac_seal(struct mac *mac, const struct wire_message *m, uint8_t out[WIRE_SIZE]);

/*
 * Cheap checks first, then key id, then the MAC in constant time. REJECT_NONE and the message, or the reason
 * (REJECT_SHORT, _MAGIC, _VERSION, _CLUSTER, _KEY, _MAC) and *ret untouched. Any version is verified.
 */
int mac_open(struct mac *mac, const uint8_t *bytes, size_t n, struct wire_message *ret);

#endif
