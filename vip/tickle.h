/*
 * tickle.h [pure]: the packet that makes the client of a lost connection ask for it: a bare ACK in the name of the VIP.
 *
 * Its sequence number is made up. The client answers with what it expects (RFC 9293, 3.10.7.4: an unacceptable segment is answered by
 * an ACK), and the node that has the VIP now, which knows of no such connection, answers that with a reset the client believes
 * (3.10.7.1). A client that is waiting for an answer learns in a round trip what its own timeouts would tell it in minutes. Whoever
 * has no such connection, or a living one, loses nothing by it.
 *
 * Source: IPv4 RFC 791, IPv6 RFC 8200, TCP RFC 9293, checksum RFC 1071.
 */
#ifndef HAPAIR_VIP_TICKLE_H
#define HAPAIR_VIP_TICKLE_H

#include "hapair/base/flow.h"

#include <stddef.h>
#include <stdint.h>

#define TICKLE_MAX 60

/*
 * The packet from its IP header on, and its length; 0: the addresses are of different families, or of none. `seq` is the number that is
 * made up: one that happens to lie in the client's window is not answered, so it should be another each time.
 */
size_t tickle_packet(const struct flow *flow, uint32_t seq, uint8_t out[TICKLE_MAX]);

#endif
