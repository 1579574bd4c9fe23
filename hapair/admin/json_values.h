/*
 * json_values.h: JSON values as hapair writes them: what is not known is null, text is always valid UTF-8.
 *
 * Each returns a new reference and never NULL: being out of memory here ends the process, which is restarted.
 */
#ifndef HAPAIR_JSON_VALUES_H
#define HAPAIR_JSON_VALUES_H

#include "hapair/base/clock.h"

#include <jansson.h>
#include <stdbool.h>

json_t *value_object(void);
json_t *value_array(void);
/* NULL is null; a byte that does not belong to UTF-8 becomes '?'. */
json_t *value_text(const char *text);
/* "" is null too. */
json_t *value_text_or_null(const char *text);
json_t *value_integer(bool known, json_int_t value);
json_t *value_real(bool known, double value);
json_t *value_boolean(bool known, bool value);
/* Whole milliseconds from `at` to `now`, not below 0; null when `at` is 0 (never). */
json_t *value_age_ms(nanos now, nanos at);

/* Take over `value`. */
void object_put(json_t *object, const char *key, json_t *value);
void array_put(json_t *array, json_t *value);

#endif
