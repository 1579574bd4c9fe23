/*
 * event_streams.h: GET /v1/events: JSON lines from the ring, a batch at a time, and then, where asked, those to come.
 *
 * A reader holds one batch; the next one is made when it has left. Who is so slow that the ring overtakes him loses his
 * connection, and nobody waits for him.
 */
#ifndef HAPAIR_EVENT_STREAMS_H
#define HAPAIR_EVENT_STREAMS_H

#include "hapair/admin/events.h"

#include <event2/http.h>

#define EVENT_STREAMS_MAX   32 /* readers at a time */
#define HTTP_IDLE_TIMEOUT_S 30 /* for whoever neither reads nor writes; a stream may be silent for longer */

struct event_streams;

/* NULL when out of memory. `events` must outlive it. */
struct event_streams *event_streams_new(struct events *events);
/* After the evhttp that it serves: streams end with their connections. */
void event_streams_free(struct event_streams *streams);

/* Answers the request, whose query is since=ID and follow=1. */
void event_streams_serve(struct event_streams *streams, struct evhttp_request *request);
/* New events are there. */
void event_streams_pump(struct event_streams *streams);

#endif
