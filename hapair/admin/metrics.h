/*
 * metrics.h: the text of GET /metrics, Prometheus' exposition format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * Base units (seconds, bytes, ratios), counters end in _total, every metric has HELP and TYPE, all samples of
 * a metric stand together. What is not known has no sample. Labels: node, and pool, server, listener, link,
 * vip, role, state, class, reason.
 */
#ifndef HAPAIR_METRICS_H
#define HAPAIR_METRICS_H

#include "hapair/admin/snapshot.h"

#include <stdio.h>

/* `n_events`: events that admin took since it started. */
void metrics_print(const struct snapshot_view *view, uint64_t n_events, FILE *to);

#endif
