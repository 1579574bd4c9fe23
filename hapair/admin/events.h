/*
 * events.h: the timeline of this node: a bounded ring in memory, kept in two bounded files of the state
 * directory.
 *
 * Each event has a number, one higher than the one before it, also across restarts. The files (events.0,
 * events.1: JSON lines) are opened once, while there are privileges; new events go to the one file until it
 * is full, then the older one is emptied and takes over, so no rename and no rewriting is needed and a crash
 * loses at most the line that it was in. They are not synced: a claim must never wait for a disk, and neither
 * must admin. A full disk costs the file, not the ring.
 */
#ifndef HAPAIR_EVENTS_H
#define HAPAIR_EVENTS_H

#include "hapair/base/msg.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENTS_RING      2048          /* events in memory */
#define EVENTS_FILE_SIZE (1024 * 1024) /* bytes in each of the two files, about 3,000 events */

struct event_record {
	uint64_t id; /* 1.. */
	char node[CONFIG_NAME_MAX + 1];
	struct msg_event event;
};

struct events;

/* `state_dir` may be NULL: in memory only. `file_size` as EVENTS_FILE_SIZE. NULL when out of memory. What
 * can't be opened or read back is logged and done without. */
struct events *events_new(const char *state_dir, const char *node, size_t file_size);
void events_free(struct events *events);

/* Numbers and keeps one; returns its number. */
uint64_t events_add(struct events *events, const struct msg_event *event);

/* The oldest and newest number that events_get() knows; newest < oldest when there is none. */
uint64_t events_oldest(const struct events *events);
uint64_t events_newest(const struct events *events);
const struct event_record *events_get(const struct events *events, uint64_t id);
uint64_t events_added(const struct events *events); /* since events_new() */

/* One event as in `events --json`: time, mono_ms, node, type, from, to, reason, epoch; and id, subject. "" is
 * null. */
json_t *event_json(const struct event_record *record);
/* The way back, for reading files; false when it is not an event. */
bool event_from_json(const json_t *json, struct event_record *ret);
/* A readable line without newline, local time with milliseconds, from the JSON of one event; malloc'd, NULL
 * when it is none. */
char *event_text(const json_t *json, bool colour);

#endif
