/*
 * value.h: durations, sizes, numbers and names as text, and back.
 *
 * Pure: a parser returns NULL and sets *ret, or returns why not, as a static text that goes on after "VALUE: ".
 */
#ifndef HAPAIR_CONFIG_VALUE_H
#define HAPAIR_CONFIG_VALUE_H

#include "hapair/base/clock.h"

#include <stdint.h>

#define CONFIG_VALUE_TEXT 32

const char *config_duration_parse(const char *text,
				  nanos *ret);                  /* 50ms 5s 2m 1h 1d 100us; a unit is needed */
const char *config_size_parse(const char *text, uint64_t *ret); /* 512 16K 1M 2G, of 1,024 */
const char *config_count_parse(const char *text, uint64_t *ret); /* decimal digits */

/* The shortest spelling that is exact; nothing below a microsecond. Return `out`. */
const char *config_duration_text(nanos duration, char out[CONFIG_VALUE_TEXT]);
const char *config_size_text(uint64_t bytes, char out[CONFIG_VALUE_TEXT]);

/* NULL if it may be the name of a cluster, node, pool, server or listener. */
const char *config_name_wrong(const char *text);
const char *config_interface_wrong(const char *text);
const char *config_user_wrong(const char *text);
const char *config_file_wrong(const char *text); /* absolute */
const char *
config_host_wrong(const char *text,
		  int wildcard); /* of requests, without port; wildcard: `*.` may stand before it */
const char *config_path_wrong(const char *text);   /* what a check asks for */
const char *config_prefix_wrong(const char *text); /* what a route compares with, see proxy/route.h */

#endif
