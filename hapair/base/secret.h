/*
 * secret.h: the pair's keys. Secret file: lines `KEYID HEX64` (64 hexadecimal digits), # comments; the first signs, all verify.
 */
#ifndef HAPAIR_BASE_SECRET_H
#define HAPAIR_BASE_SECRET_H

#include <stddef.h>
#include <stdint.h>

#define SECRET_KEYS_MAX  8
#define SECRET_KEY_BYTES 32

struct secret {
	size_t n; /* at least 1 */
	struct {
		uint32_t id; /* 1..4294967295 */
		uint8_t bytes[SECRET_KEY_BYTES];
	} keys[SECRET_KEYS_MAX];
};

/* 0, or -EINVAL with the number of the line that is wrong (0: no key at all) and a static text in *ret_why. */
int secret_parse(const char *text, size_t n, struct secret *ret, unsigned *ret_line, const char **ret_why);

/* Wipes it. */
void secret_forget(struct secret *secret);

#endif
