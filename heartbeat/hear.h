/*
 * hear.h: what a datagram tells the heart.
 */
#ifndef HAPAIR_HEARTBEAT_HEAR_H
#define HAPAIR_HEARTBEAT_HEAR_H

#include "heartbeat/heart.h"

/*
 * One message that mac_open() accepted, which came at `at`. REJECT_NONE, or REJECT_NODE, _LINK, _BOOT, _REPLAY: count it,
 * nothing was changed. Only takes note; what follows from all that was read is decided and sent by heart_turn().
 */
int heart_receive(struct heart *h, unsigned link, const struct wire_message *m, nanos at,
		  struct heart_actions *out);

#endif
