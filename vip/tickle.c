/*
 * tickle.c: see tickle.h.
 */
#include "vip/tickle.h"

#include "vip/checksum.h"

#include <netinet/in.h>
#include <string.h>

#define IP4    20
#define IP6    40
#define TCP    20
#define HOPS   64
#define ACK    0x10
#define WINDOW 1024

static void put16(uint8_t *to, unsigned value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

/* `addresses`: source and destination as they are in the IP header, `length` bytes in all. */
static void put_tcp(const struct flow *flow, uint32_t seq, const uint8_t *addresses, size_t length,
		    uint8_t *out)
{
	memset(out, 0, TCP);
	put16(out, flow->vip.port);
	put16(out + 2, flow->client.port);
	put16(out + 4, seq >> 16);
	put16(out + 6, seq);
	out[12] = TCP / 4 << 4;
	out[13] = ACK;
	put16(out + 14, WINDOW);
	put16(out + 16,
	      checksum_end(checksum_add(checksum_add(IPPROTO_TCP + TCP, addresses, length), out, TCP)));
}

static size_t put_ip4(const struct flow *flow, uint32_t seq, uint8_t *out)
{
	memset(out, 0, IP4);
	out[0] = 4 << 4 | IP4 / 4;
	put16(out + 2, IP4 + TCP);
	put16(out + 6, 0x4000); /* not to be fragmented */
	out[8] = HOPS;
	out[9] = IPPROTO_TCP;
	memcpy(out + 12, flow->vip.ip.bytes, 4);
	memcpy(out + 16, flow->client.ip.bytes, 4);
	put16(out + 10, checksum_end(checksum_add(0, out, IP4)));
	put_tcp(flow, seq, out + 12, 8, out + IP4);
	return IP4 + TCP;
}

static size_t put_ip6(const struct flow *flow, uint32_t seq, uint8_t *out)
{
	memset(out, 0, IP6);
	out[0] = 6 << 4;
	put16(out + 4, TCP);
	out[6] = IPPROTO_TCP;
	out[7] = HOPS;
	memcpy(out + 8, flow->vip.ip.bytes, 16);
	memcpy(out + 24, flow->client.ip.bytes, 16);
	put_tcp(flow, seq, out + 8, 32, out + IP6);
	return IP6 + TCP;
}

size_t tickle_packet(const struct flow *flow, uint32_t seq, uint8_t out[TICKLE_MAX])
{
	int family = flow->vip.ip.family;

	if (flow->client.ip.family != family || (family != AF_INET && family != AF_INET6))
		return 0;
	return family == AF_INET6 ? put_ip6(flow, seq, out) : put_ip4(flow, seq, out);
}
