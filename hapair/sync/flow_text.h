/*
 * flow_text.h [pure]: connections as text between the nodes, one after the other without anything between them.
 *
 *   "4" CLIENT PORT VIP PORT   8, 4, 8 and 4 hexadecimal digits (lower case)
 *   "6" CLIENT PORT VIP PORT   32, 4, 32 and 4
 */
#ifndef HAPAIR_SYNC_FLOW_TEXT_H
#define HAPAIR_SYNC_FLOW_TEXT_H

#include "hapair/base/flow.h"

#include <stddef.h>

#define FLOW_TEXT_MAX 73

/* The length; no zero byte is added. */
size_t flow_text_write(const struct flow *flow, char out[FLOW_TEXT_MAX]);
/* The length of the one that `text` begins with, or 0: there is none. */
size_t flow_text_read(const char *text, size_t n, struct flow *ret);

#endif
