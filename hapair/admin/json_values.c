/*
 * json_values.c: see the header.
 */
#include "hapair/admin/json_values.h"

#include <stdlib.h>
#include <string.h>

static json_t *must(json_t *value)
{
	if (!value)
		abort();
	return value;
}

json_t *value_object(void)
{
	return must(json_object());
}

json_t *value_array(void)
{
	return must(json_array());
}

/* A check's detail or a reason may quote what a server sent. */
static json_t *text_without_foreign_bytes(const char *text)
{
	char *copy = strdup(text);
	json_t *value;

	if (!copy)
		abort();
	for (char *c = copy; *c; c++)
		if (*c & 0x80)
			*c = '?';
	value = must(json_string(copy));
	free(copy);
	return value;
}

json_t *value_text(const char *text)
{
	json_t *value;

	if (!text)
		return json_null();
	value = json_string(text);
	return value ? value : text_without_foreign_bytes(text);
}

json_t *value_text_or_null(const char *text)
{
	return text && *text ? value_text(text) : json_null();
}

json_t *value_integer(bool known, json_int_t value)
{
	return known ? must(json_integer(value)) : json_null();
}

json_t *value_real(bool known, double value)
{
	json_t *real = known ? json_real(value) : NULL;

	return real ? real : json_null(); /* NaN and infinities are not JSON */
}

json_t *value_boolean(bool known, bool value)
{
	return known ? json_boolean(value) : json_null();
}

json_t *value_age_ms(nanos now, nanos at)
{
	return value_integer(at != 0, now > at ? (now - at) / NS_PER_MS : 0);
}

void object_put(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) < 0)
		abort();
}

void array_put(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) < 0)
		abort();
}
