/*
 * status_json.h: the JSON of `hapair status --json` and GET /v1/status.
 *
 * The fields are a contract (DESIGN section 7, schema 1): fields may be added, none renamed, and what is not
 * known is null. Durations end in _ms or _us; every age counts back from "time".
 */
#ifndef HAPAIR_STATUS_JSON_H
#define HAPAIR_STATUS_JSON_H

#include "hapair/admin/snapshot.h"

#include <jansson.h>

#define STATUS_SCHEMA 1

/* A new reference, or NULL when out of memory. */
json_t *status_json(const struct snapshot_view *view);

/* "2026-11-24T04:08:05.123Z"; `out` is returned. */
#define STATUS_TIME_MAX 40
const char *status_time(int64_t wall_ms, char out[STATUS_TIME_MAX]);

#endif
