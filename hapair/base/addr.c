/*
 * addr.c: IP addresses, prefixes and endpoints as values.
 *
 * inet_pton(3) does the reading: it is strict (no octal, no short forms, no zone). IPv4 written as IPv6 is
 * refused, so that an address has one spelling only and two spellings of one socket cannot pass for two
 * sockets.
 */
#include "hapair/base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* Digits only, no sign, no leading zero, at most `max`. */
static int parse_number(struct span text, unsigned max, unsigned *ret)
{
	unsigned value = 0;

	if (text.n == 0 || text.n > 5 || (text.n > 1 && text.p[0] == '0'))
		return -EINVAL;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return -EINVAL;
		value = value * 10 + (unsigned)(text.p[i] - '0');
	}
	if (value > max)
		return -EINVAL;
	*ret = value;
	return 0;
}

int ip_parse(struct span text, struct ip *ret)
{
	char copy[IP_TEXT_MAX];
	struct ip ip = {0};

	if (text.n == 0 || text.n >= sizeof copy || memchr(text.p, '\0', text.n))
		return -EINVAL;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	ip.family = memchr(text.p, ':', text.n) ? AF_INET6 : AF_INET;
	if (inet_pton(ip.family, copy, ip.bytes) != 1)
		return -EINVAL;
	if (ip.family == AF_INET6 && memcmp(ip.bytes, mapped_prefix, sizeof mapped_prefix) == 0)
		return -EINVAL;
	*ret = ip;
	return 0;
}

int ip_parse_prefix(struct span text, struct ip *ret, uint8_t *ret_prefix_len)
{
	const char *slash = text.n ? memchr(text.p, '/', text.n) : NULL;
	struct ip ip;
	unsigned len;

	if (!slash)
		return -EINVAL;
	size_t before = (size_t)(slash - text.p);
	if (ip_parse((struct span){text.p, before}, &ip) < 0)
		return -EINVAL;
	struct span after = {slash + 1, text.n - before - 1};
	if (parse_number(after, ip.family == AF_INET ? 32 : 128, &len) < 0)
		return -EINVAL;
	*ret = ip;
	*ret_prefix_len = (uint8_t)len;
	return 0;
}

int addr_parse(struct span text, struct addr *ret)
{
	struct addr addr;
	struct span host, port_text;
	unsigned port;

	if (text.n > 0 && text.p[0] == '[') {
		const char *end = memchr(text.p, ']', text.n);
		if (!end)
			return -EINVAL;
		host = (struct span){text.p + 1, (size_t)(end - text.p) - 1};
		port_text = (struct span){end + 1, text.n - host.n - 2};
		if (port_text.n == 0 || port_text.p[0] != ':')
			return -EINVAL;
		port_text = (struct span){port_text.p + 1, port_text.n - 1};
	} else {
		const char *colon = text.n ? memchr(text.p, ':', text.n) : NULL;
		if (!colon)
			return -EINVAL;
		host = (struct span){text.p, (size_t)(colon - text.p)};
		port_text = (struct span){colon + 1, text.n - host.n - 1};
	}
	if (ip_parse(host, &addr.ip) < 0 || parse_number(port_text, 65535, &port) < 0 || port == 0)
		return -EINVAL;
	/* "[10.0.0.1]:80" is nobody's spelling. */
	if ((addr.ip.family == AF_INET6) != (text.p[0] == '['))
		return -EINVAL;
	addr.port = (uint16_t)port;
	*ret = addr;
	return 0;
}

const char *ip_format(const struct ip *ip, char out[IP_TEXT_MAX])
{
	if (ip->family == AF_UNSPEC || !inet_ntop(ip->family, ip->bytes, out, IP_TEXT_MAX))
		memcpy(out, "-", 2);
	return out;
}

const char *addr_format(const struct addr *addr, char out[ADDR_TEXT_MAX])
{
	char ip[IP_TEXT_MAX];

	ip_format(&addr->ip, ip);
	if (addr->ip.family == AF_INET6)
		snprintf(out, ADDR_TEXT_MAX, "[%s]:%u", ip, addr->port);
	else
		snprintf(out, ADDR_TEXT_MAX, "%s:%u", ip, addr->port);
	return out;
}

static size_t ip_size(const struct ip *ip)
{
	return ip->family == AF_INET ? 4 : ip->family == AF_INET6 ? 16 : 0;
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, ip_size(a)) == 0;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return a->port == b->port && ip_equal(&a->ip, &b->ip);
}

bool ip_is_wildcard(const struct ip *ip)
{
	static const uint8_t zero[16];

	return ip->family != AF_UNSPEC && memcmp(ip->bytes, zero, sizeof(zero)) == 0;
}

bool addr_overlap(const struct addr *a, const struct addr *b)
{
	return a->port == b->port && a->ip.family == b->ip.family &&
	       (ip_equal(&a->ip, &b->ip) || ip_is_wildcard(&a->ip) || ip_is_wildcard(&b->ip));
}

bool ip_in_prefix(const struct ip *ip, const struct ip *net, uint8_t prefix_len)
{
	size_t whole = prefix_len / 8;
	unsigned rest = prefix_len % 8;

	if (ip->family != net->family || ip->family == AF_UNSPEC || prefix_len > ip_size(ip) * 8)
		return false;
	if (memcmp(ip->bytes, net->bytes, whole) != 0)
		return false;
	return rest == 0 || ((ip->bytes[whole] ^ net->bytes[whole]) >> (8 - rest)) == 0;
}

/* By memcpy, because the compiler may assume that different sockaddr types never share memory (C11 6.5 p7).
 */
socklen_t addr_to_sockaddr(const struct addr *addr, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof *ret);
	if (addr->ip.family == AF_INET6) {
		struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(addr->port)};
		memcpy(&in6.sin6_addr, addr->ip.bytes, 16);
		memcpy(ret, &in6, sizeof in6);
		return sizeof in6;
	}
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
	memcpy(&in.sin_addr, addr->ip.bytes, 4);
	memcpy(ret, &in, sizeof in);
	return sizeof in;
}

int addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret)
{
	const char *from = (const char *)sa;
	struct addr addr = {0};
	sa_family_t family;

	memcpy(&family, from + offsetof(struct sockaddr, sa_family), sizeof family);
	if (family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, from, sizeof in);
		addr.ip.family = AF_INET;
		addr.port = ntohs(in.sin_port);
		memcpy(addr.ip.bytes, &in.sin_addr, 4);
	} else if (family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, from, sizeof in6);
		addr.port = ntohs(in6.sin6_port);
		bool mapped = memcmp(&in6.sin6_addr, mapped_prefix, sizeof mapped_prefix) == 0;
		addr.ip.family = mapped ? AF_INET : AF_INET6;
		if (mapped)
			memcpy(addr.ip.bytes, in6.sin6_addr.s6_addr + 12, 4);
		else
			memcpy(addr.ip.bytes, &in6.sin6_addr, 16);
	} else {
		return -EAFNOSUPPORT;
	}
	*ret = addr;
	return 0;
}
