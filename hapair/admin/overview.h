/*
 * overview.h: GET /: the status as one small page without scripts, which reloads itself every two seconds.
 */
#ifndef HAPAIR_OVERVIEW_H
#define HAPAIR_OVERVIEW_H

#include <jansson.h>
#include <stdio.h>

/* From the JSON of the status; every text in it is escaped. */
void overview_print(const json_t *status, FILE *to);

#endif
