/*
 * conflict.h [pure]: is somebody else using the VIP? What frames that were heard say, and what to do about it.
 *
 * Follows RFC 5227: while waiting to claim, an answer to a probe names a holder (2.1.1); while holding, any ARP
 * whose sender is the VIP but not us is a conflict, and we defend (2.4 c: a VIP's holder does not give up because of
 * somebody who is not its peer; between peers the heartbeat decides). The RFC defends once in 10 s, so that two
 * stubborn hosts do not flood the link; here it is twice a second, because each foreign frame turns clients away from
 * a service that is meant to be there. The same for neighbour advertisements (RFC 4862 5.4.4).
 */
#ifndef HAPAIR_VIP_CONFLICT_H
#define HAPAIR_VIP_CONFLICT_H

#include "hapair/base/addr.h"
#include "hapair/base/clock.h"
#include "vip/announce.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conflict_claim {
	CONFLICT_NOTHING,  /* not about this VIP, ours, or malformed */
	CONFLICT_HOLDER,   /* its sender says that it holds the VIP */
	CONFLICT_ENQUIRER, /* its sender asks whether anybody does (a probe) */
};

/* What a whole Ethernet frame says about `vip`; ret_mac is its sender where it says something. */
enum conflict_claim conflict_read(const uint8_t *frame, size_t n, const struct ip *vip,
				  const uint8_t own_mac[MAC_BYTES], uint8_t ret_mac[MAC_BYTES]);

#define CONFLICT_DEFEND_INTERVAL MS(500)
#define CONFLICT_REPORT_INTERVAL SECONDS(60) /* the same holder is reported again after this */

/* Per VIP; zero-initialised. */
struct conflict {
	uint8_t mac[MAC_BYTES]; /* of the newest foreign holder */
	nanos last_heard;       /* 0: never */
	nanos last_defence, last_report;
	uint64_t count;
};

struct conflict_advice {
	bool report; /* tell people: a new holder, or an old one again after a while */
	bool defend; /* announce once, now */
};

/* A foreign holder was heard at `now`; `held`: by us too. */
struct conflict_advice conflict_heard(struct conflict *conflict, const uint8_t mac[MAC_BYTES], bool held,
				      nanos now);

/* Does anybody seem to hold it, as of what was heard since `since`? */
bool conflict_since(const struct conflict *conflict, nanos since);

#endif
