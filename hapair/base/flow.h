/*
 * flow.h: one TCP connection between a client and a VIP, as a value.
 */
#ifndef HAPAIR_BASE_FLOW_H
#define HAPAIR_BASE_FLOW_H

#include "hapair/base/addr.h"

struct flow {
	struct addr client, vip; /* of one family */
};

static inline bool flow_equal(const struct flow *a, const struct flow *b)
{
	return addr_equal(&a->client, &b->client) && addr_equal(&a->vip, &b->vip);
}

#endif
