/*
 * flow_text.c: see flow_text.h.
 */
#include "hapair/sync/flow_text.h"

#include <string.h>

static char *write_bytes(char *to, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*to++ = digits[bytes[i] >> 4];
		*to++ = digits[bytes[i] & 15];
	}
	return to;
}

static char *write_addr(char *to, const struct addr *addr, size_t n)
{
	uint8_t port[2] = {(uint8_t)(addr->port >> 8), (uint8_t)addr->port};

	return write_bytes(write_bytes(to, addr->ip.bytes, n), port, sizeof(port));
}

size_t flow_text_write(const struct flow *flow, char out[FLOW_TEXT_MAX])
{
	bool six = flow->vip.ip.family == AF_INET6;
	size_t n = six ? 16 : 4;

	*out = six ? '6' : '4';
	return (size_t)(write_addr(write_addr(out + 1, &flow->client, n), &flow->vip, n) - out);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_bytes(const char **from, uint8_t *ret, size_t n)
{
	for (size_t i = 0; i < n; i++, *from += 2) {
		int high = digit((*from)[0]), low = digit((*from)[1]);

		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool read_addr(const char **from, int family, size_t n, struct addr *ret)
{
	uint8_t port[2];

	memset(ret, 0, sizeof(*ret));
	ret->ip.family = (uint8_t)family;
	if (!read_bytes(from, ret->ip.bytes, n) || !read_bytes(from, port, sizeof(port)))
		return false;
	ret->port = (uint16_t)(port[0] << 8 | port[1]);
	return true;
}

size_t flow_text_read(const char *text, size_t n, struct flow *ret)
{
	bool six = n > 0 && text[0] == '6';
	int family = six ? AF_INET6 : AF_INET;
	size_t bytes = six ? 16 : 4, length = 1 + 4 * (bytes + 2);
	const char *from = text + 1;

	if (n < length || (!six && text[0] != '4') || !read_addr(&from, family, bytes, &ret->client) ||
	    !read_addr(&from, family, bytes, &ret->vip))
		return 0;
	return length;
}
