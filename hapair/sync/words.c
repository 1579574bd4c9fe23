/*
 * words.c: see words.h.
 */
#include "hapair/sync/words.h"

#include <string.h>

static const char *const actions[] = {"ready", "drain", "maint"};
static const char *const existences[] = {"configured", "added", "removed"};

bool words_is_name(const char *text)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = text ? strspn(text, allowed) : 0;

	return n > 0 && n <= CONFIG_NAME_MAX && text[n] == '\0';
}

/* Out */

/* [value, version, node]; takes `value`. */
static json_t *register_json(json_t *value, const struct stamp *stamp)
{
	return json_pack("[o,I,s]", value, (json_int_t)stamp->version, stamp->node);
}

json_t *words_record(const struct replica_record *record)
{
	const struct server_wanted *wanted = &record->wanted;
	json_t *json = json_pack("{s:s,s:s}", "pool", wanted->pool, "server", wanted->server), *existence;
	char text[ADDR_TEXT_MAX];

	if (!json)
		return NULL;
	if (record->stamps[REPLICA_ACTION].version)
		json_object_set_new(
			json, "action",
			register_json(json_string(actions[wanted->action]), &record->stamps[REPLICA_ACTION]));
	if (record->stamps[REPLICA_WEIGHT].version)
		json_object_set_new(
			json, "weight",
			register_json(json_integer(wanted->weight), &record->stamps[REPLICA_WEIGHT]));
	if (record->stamps[REPLICA_EXISTENCE].version) {
		existence = register_json(json_string(existences[wanted->existence]),
					  &record->stamps[REPLICA_EXISTENCE]);
		if (wanted->existence == SERVER_ADDED) {
			json_array_append_new(existence, json_string(addr_format(&wanted->address, text)));
			json_array_append_new(existence, json_integer(wanted->added_weight));
		}
		json_object_set_new(json, "existence", existence);
	}
	return json;
}

static json_t *hex_json(const uint8_t *bytes, size_t n)
{
	char text[2 * TICKET_KEY];
	json_t *json;

	for (size_t i = 0; i < n; i++) {
		text[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		text[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	json = json_stringn(text, 2 * n);
	explicit_bzero(text, sizeof(text));
	return json;
}

json_t *words_ticket_key(const struct ticket_key *key)
{
	return json_pack("{s:I,s:o,s:o,s:o}", "period", (json_int_t)key->period, "name",
			 hex_json(key->name, TICKET_NAME), "cipher", hex_json(key->cipher, TICKET_KEY), "mac",
			 hex_json(key->mac, TICKET_KEY));
}

/* In */

/* The index of the word in the list, or -1. */
static int find_word(const json_t *json, const char *const *words, int n)
{
	const char *text = json_string_value(json);

	for (int i = 0; text && i < n; i++)
		if (strcmp(text, words[i]) == 0)
			return i;
	return -1;
}

#define FIND_WORD(json, words) find_word(json, words, sizeof(words) / sizeof((words)[0]))

static bool take_stamp(const json_t *json, struct stamp *ret)
{
	const json_t *version = json_array_get(json, 1);
	const char *node = json_string_value(json_array_get(json, 2));

	if (!json_is_integer(version) || json_integer_value(version) <= 0 ||
	    json_integer_value(version) > (json_int_t)REPLICA_VERSION_MAX || !words_is_name(node))
		return false;
	ret->version = (uint64_t)json_integer_value(version);
	MSG_TEXT(ret->node, node);
	return true;
}

/* 0..256, or at least 1 where 0 would say nothing. */
static bool take_weight(const json_t *json, int least, uint16_t *ret)
{
	if (!json_is_integer(json) || json_integer_value(json) < least || json_integer_value(json) > 256)
		return false;
	*ret = (uint16_t)json_integer_value(json);
	return true;
}

static bool take_existence(const json_t *json, struct server_wanted *ret)
{
	const char *address = json_string_value(json_array_get(json, 3));
	int existence = FIND_WORD(json_array_get(json, 0), existences);

	if (existence < 0)
		return false;
	ret->existence = (uint8_t)existence;
	if (existence != SERVER_ADDED)
		return true;
	return address && addr_parse(span_of(address), &ret->address) == 0 &&
	       take_weight(json_array_get(json, 4), 1, &ret->added_weight);
}

bool words_take_record(const json_t *json, struct replica_record *ret)
{
	const char *pool = json_string_value(json_object_get(json, "pool")),
		   *server = json_string_value(json_object_get(json, "server"));
	const json_t *action = json_object_get(json, "action"), *weight = json_object_get(json, "weight"),
		     *existence = json_object_get(json, "existence");
	int word = 0;

	memset(ret, 0, sizeof(*ret));
	if (!words_is_name(pool) || !words_is_name(server))
		return false;
	MSG_TEXT(ret->wanted.pool, pool);
	MSG_TEXT(ret->wanted.server, server);
	if (action && ((word = FIND_WORD(json_array_get(action, 0), actions)) < 0 ||
		       !take_stamp(action, &ret->stamps[REPLICA_ACTION])))
		return false;
	ret->wanted.action = (uint8_t)word;
	if (weight && (!take_weight(json_array_get(weight, 0), 0, &ret->wanted.weight) ||
		       !take_stamp(weight, &ret->stamps[REPLICA_WEIGHT])))
		return false;
	if (existence && (!take_existence(existence, &ret->wanted) ||
			  !take_stamp(existence, &ret->stamps[REPLICA_EXISTENCE])))
		return false;
	return action || weight || existence;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_hex(const json_t *json, uint8_t *ret, size_t n)
{
	const char *text = json_string_value(json);

	if (!text || json_string_length(json) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool words_take_ticket_key(const json_t *json, struct ticket_key *ret)
{
	const json_t *period = json_object_get(json, "period");

	if (!json_is_integer(period) || json_integer_value(period) < 0)
		return false;
	ret->period = (uint64_t)json_integer_value(period);
	return take_hex(json_object_get(json, "name"), ret->name, TICKET_NAME) &&
	       take_hex(json_object_get(json, "cipher"), ret->cipher, TICKET_KEY) &&
	       take_hex(json_object_get(json, "mac"), ret->mac, TICKET_KEY);
}
