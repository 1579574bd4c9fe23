/*
 * status_text.h: the readable form of `hapair status` and `hapair server list`, made from the JSON that admin
 * sent.
 *
 * It shows only what the JSON says; null and missing fields are shown as "-". Every fact carries its age
 * where the JSON has one.
 */
#ifndef HAPAIR_STATUS_TEXT_H
#define HAPAIR_STATUS_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Colour is for people at a terminal who did not ask for none (https://no-color.org). */
bool status_text_wants_colour(void);

void status_text_print(const json_t *status, FILE *to, bool colour);

/* The table of servers, of one pool or (NULL) of all. False, and nothing printed, when there is no such pool.
 */
bool status_text_print_servers(const json_t *status, const char *pool, FILE *to, bool colour);

#endif
