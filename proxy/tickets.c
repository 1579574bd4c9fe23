/*
 * tickets.c: see tickets.h. The lock is taken for a handshake, never for a request.
 */
#include "proxy/tickets.h"

#include "hapair/base/log.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct msg_ticket_keys ring;
static bool said; /* by admin */

void tickets_init(void)
{
	pthread_mutex_lock(&lock);
	if (ring.n == 0) {
		if (RAND_bytes((unsigned char *)&ring.keys[0], sizeof(ring.keys[0])) != 1)
			log_fatal("no random numbers");
		ring.n = 1;
		ring.newest = 0;
	}
	pthread_mutex_unlock(&lock);
}

void tickets_set(const struct msg_ticket_keys *keys)
{
	if (keys->n == 0 || keys->n > TICKET_KEYS_MAX || keys->newest >= keys->n)
		return;
	pthread_mutex_lock(&lock);
	ring = *keys;
	said = true;
	pthread_mutex_unlock(&lock);
}

bool tickets_get(struct msg_ticket_keys *ret)
{
	pthread_mutex_lock(&lock);
	bool known = said;
	if (known)
		*ret = ring;
	pthread_mutex_unlock(&lock);
	return known;
}

/* The newest (name NULL), or the one of that name. 0: none; 1; 2: not the newest. */
static int find(const unsigned char *name, struct ticket_key *ret)
{
	int found = 0;
	pthread_mutex_lock(&lock);
	for (uint32_t i = 0; i < ring.n && found == 0; i++) {
		bool newest = i == ring.newest;
		if (name == NULL ? !newest : memcmp(ring.keys[i].name, name, TICKET_NAME) != 0)
			continue;
		*ret = ring.keys[i];
		found = newest ? 1 : 2;
	}
	pthread_mutex_unlock(&lock);
	return found;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): negative: failed; 0: a whole handshake; 1: go on; 2: go on and give a new ticket. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
		     EVP_MAC_CTX *mac, int encrypts)
{
	struct ticket_key key;
	char digest[] = "sha256";
	int result = find(encrypts ? NULL : name, &key);
	if (result == 0)
		return 0;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac, sizeof(key.mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	bool good = EVP_MAC_CTX_set_params(mac, params) == 1;
	if (encrypts) {
		memcpy(name, key.name, TICKET_NAME);
		good = good && RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
		       EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv) == 1;
	} else {
		good = good && EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv) == 1;
	}
	OPENSSL_cleanse(&key, sizeof(key));
	return good ? result : -1;
}

void tickets_use(SSL_CTX *ctx, const char *scope)
{
	unsigned char id[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	EVP_Digest(scope, strlen(scope), id, &n, EVP_sha256(), NULL);
	SSL_CTX_set_session_id_context(ctx, id, n);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}
