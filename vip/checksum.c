/*
 * checksum.c: see checksum.h.
 */
#include "vip/checksum.h"

uint32_t checksum_add(uint32_t start, const void *bytes, size_t n)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i + 1 < n; i += 2)
		start += (uint32_t)(b[i] << 8 | b[i + 1]);
	return start;
}

uint16_t checksum_end(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}
