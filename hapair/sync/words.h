/*
 * words.h: records and ticket keys as JSON, the same on the disk and between the nodes; and the judge of what comes back.
 *
 *   record  {"pool":"web","server":"s1","action":["drain",VERSION,"alpha"],"weight":[4,VERSION,"alpha"],
 *            "existence":["added",VERSION,"alpha","10.0.0.14:8080",2]}          registers that were never written are left out
 *   key     {"period":N,"name":HEX,"cipher":HEX,"mac":HEX}
 *
 * Members that are not known are passed over, so that a later version may add some.
 */
#ifndef HAPAIR_SYNC_WORDS_H
#define HAPAIR_SYNC_WORDS_H

#include "hapair/sync/replica.h"

#include <jansson.h>

/* New references; NULL when out of memory. */
json_t *words_record(const struct replica_record *record);
json_t *words_ticket_key(const struct ticket_key *key);

/* False, and *ret is of no use: not such a value. */
bool words_take_record(const json_t *json, struct replica_record *ret);
bool words_take_ticket_key(const json_t *json, struct ticket_key *ret);

/* A name as the configuration allows it; `text` may be NULL. */
bool words_is_name(const char *text);

#endif
