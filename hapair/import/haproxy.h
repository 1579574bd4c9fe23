/*
 * haproxy.h: reads a configuration of HAProxy (2.6, configuration manual) into a target: global, defaults, frontend, backend,
 * listen; the directives that say which requests go to which servers, their checks, timeouts and TLS. Every line that it does
 * not translate becomes a note. Pure but for the arena.
 */
#ifndef HAPAIR_IMPORT_HAPROXY_H
#define HAPAIR_IMPORT_HAPROXY_H

#include "hapair/base/span.h"
#include "hapair/import/out.h"

/* `file` is how notes call it; it and `text` need not outlive the call. */
void haproxy_import(struct target *target, const char *file, struct span text);

#endif
