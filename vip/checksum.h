/*
 * checksum.h [pure]: the Internet checksum, RFC 1071.
 *
 * A sum may go on over several pieces, each of an even number of bytes: a pseudo header first, then the message with its checksum field
 * zero.
 */
#ifndef HAPAIR_VIP_CHECKSUM_H
#define HAPAIR_VIP_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* `start`: the sum of what came before, or a number that counts as well, such as a length. */
uint32_t checksum_add(uint32_t start, const void *bytes, size_t n);

/* As it is written into the field, most significant byte first. */
uint16_t checksum_end(uint32_t sum);

#endif
