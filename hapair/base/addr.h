/*
 * addr.h: IP addresses, prefixes and endpoints as values.
 *
 * Text forms: 10.0.0.1, fd00::1, 10.0.0.50/24, 10.0.0.1:80, [fd00::50]:443 (RFC 5952 on output).
 * Refused: octal or short IPv4, zones, IPv4-mapped IPv6, port 0. AF_UNSPEC is formatted as "-".
 */
#ifndef HAPAIR_BASE_ADDR_H
#define HAPAIR_BASE_ADDR_H

#include "hapair/base/span.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct ip {
	uint8_t family;    /* AF_INET, AF_INET6, or AF_UNSPEC for "none" */
	uint8_t bytes[16]; /* network order; IPv4 uses the first four, the rest is zero */
};

struct addr {
	struct ip ip;
	uint16_t port; /* host order */
};

#define IP_TEXT_MAX   46 /* with NUL */
#define ADDR_TEXT_MAX 54 /* [IPv6]:65535 with NUL */

/* Each parser takes the whole span or returns -EINVAL and leaves *ret alone. */
int ip_parse(struct span text, struct ip *ret);
int ip_parse_prefix(struct span text, struct ip *ret, uint8_t *ret_prefix_len);
int addr_parse(struct span text, struct addr *ret); /* the port is required */

/* Both return `out`, always terminated. */
const char *ip_format(const struct ip *ip, char out[IP_TEXT_MAX]);
const char *addr_format(const struct addr *addr, char out[ADDR_TEXT_MAX]);

bool ip_equal(const struct ip *a, const struct ip *b);
bool addr_equal(const struct addr *a, const struct addr *b);
/* 0.0.0.0 or ::. */
bool ip_is_wildcard(const struct ip *ip);
/* No two sockets can listen on both. (An IPv6 wildcard takes IPv6 only, IPV6_V6ONLY, so families never meet.) */
bool addr_overlap(const struct addr *a, const struct addr *b);
bool ip_in_prefix(const struct ip *ip, const struct ip *net, uint8_t prefix_len);

/* Length of the filled sockaddr. */
socklen_t addr_to_sockaddr(const struct addr *addr, struct sockaddr_storage *ret);
/* -EAFNOSUPPORT for other families; IPv4-mapped IPv6 becomes IPv4. */
int addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret);

#endif
