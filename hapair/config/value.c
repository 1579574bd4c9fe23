/*
 * value.c: the small languages inside of words.
 */
#include "hapair/config/value.h"

#include "hapair/base/addr.h"
#include "hapair/base/config.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The digits at the start; the rest in *ret_rest. NULL, or why not. */
static const char *take_digits(const char *text, uint64_t *ret, const char **ret_rest)
{
	uint64_t value = 0;

	if (!is_digit(*text))
		return "not a number";
	for (; is_digit(*text); text++) {
		if (value > (UINT64_MAX - 9) / 10)
			return "too large";
		value = value * 10 + (uint64_t)(*text - '0');
	}
	*ret = value;
	*ret_rest = text;
	return NULL;
}

const char *config_count_parse(const char *text, uint64_t *ret)
{
	uint64_t value;
	const char *rest;
	const char *why = take_digits(text, &value, &rest);

	if (why)
		return why;
	if (*rest)
		return "not a number";
	*ret = value;
	return NULL;
}

static const struct {
	const char *name;
	nanos length;
} units[] = {
	{"d", SECONDS(86400)}, {"h", SECONDS(3600)}, {"m", SECONDS(60)},
	{"s", SECONDS(1)},     {"ms", MS(1)},        {"us", US(1)},
};

#define N_UNITS (sizeof units / sizeof *units)

const char *config_duration_parse(const char *text, nanos *ret)
{
	uint64_t value;
	const char *unit;
	const char *why = take_digits(text, &value, &unit);

	if (why)
		return is_digit(*text) ? "too long" : "not a duration such as 50ms, 5s, 2m or 1h";
	if (!*unit)
		return "a duration needs a unit: ms, s, m or h";
	for (size_t i = 0; i < N_UNITS; i++) {
		if (strcmp(unit, units[i].name) != 0)
			continue;
		if (value > (uint64_t)INT64_MAX / (uint64_t)units[i].length)
			return "too long";
		*ret = (nanos)value * units[i].length;
		return NULL;
	}
	return *unit == '.' ? "a whole number and a unit, such as 1500ms"
			    : "the unit is none of us, ms, s, m, h, d";
}

const char *config_duration_text(nanos duration, char out[CONFIG_VALUE_TEXT])
{
	size_t i = 0;

	if (duration == 0)
		return strcpy(out, "0s");
	while (i < N_UNITS - 1 && duration % units[i].length != 0)
		i++;
	snprintf(out, CONFIG_VALUE_TEXT, "%lld%s", (long long)(duration / units[i].length), units[i].name);
	return out;
}

static const char size_units[] = "KMG";

const char *config_size_parse(const char *text, uint64_t *ret)
{
	uint64_t value;
	const char *unit;
	const char *why = take_digits(text, &value, &unit);

	if (why)
		return is_digit(*text) ? why : "not a size such as 512, 16K or 1M";
	unsigned shift = 0;
	if (*unit) {
		const char *known = strchr(size_units, *unit);
		if (!known || unit[1])
			return "the unit of a size is K, M or G";
		shift = 10 * (unsigned)(known - size_units + 1);
	}
	if (value > UINT64_MAX >> shift)
		return "too large";
	*ret = value << shift;
	return NULL;
}

const char *config_size_text(uint64_t bytes, char out[CONFIG_VALUE_TEXT])
{
	size_t i = 0;

	while (i < 3 && bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		i++;
	}
	snprintf(out, CONFIG_VALUE_TEXT, "%llu%.*s", (unsigned long long)bytes, i > 0,
		 size_units + (i ? i - 1 : 0));
	return out;
}

const char *config_name_wrong(const char *text)
{
	if (!*text)
		return "a name cannot be empty";
	if (strlen(text) > CONFIG_NAME_MAX)
		return "a name has at most 63 characters";
	for (; *text; text++)
		if (!is_letter(*text) && !is_digit(*text) && !strchr("._-", *text))
			return "a name has letters, digits, dots, dashes and underscores only";
	return NULL;
}

const char *config_interface_wrong(const char *text)
{
	size_t n = strlen(text);

	if (n == 0 || n > 15 || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return "the name of an interface has 1 to 15 characters";
	for (; *text; text++)
		if (*text <= ' ' || *text == '/' || *text == ':')
			return "no name of an interface";
	return NULL;
}

const char *config_user_wrong(const char *text)
{
	if (!*text || strlen(text) > 32)
		return "the name of a user has 1 to 32 characters";
	for (; *text; text++)
		if (*text <= ' ' || *text == ':' || *text == '/')
			return "no name of a user";
	return NULL;
}

const char *config_file_wrong(const char *text)
{
	if (*text != '/')
		return "the file name must begin with /";
	if (strlen(text) >= 4096)
		return "the file name is too long";
	return text[strlen(text) - 1] == '/' ? "this is a directory" : NULL;
}

/* An IPv6 address stands in brackets, as in a Host field (RFC 3986 3.2.2). */
static const char *literal_wrong(const char *text)
{
	size_t n = strlen(text);
	struct ip ip;

	if (text[n - 1] != ']' || ip_parse((struct span){text + 1, n - 2}, &ip) < 0 || ip.family != AF_INET6)
		return "no host name";
	return NULL;
}

const char *config_host_wrong(const char *text, int wildcard)
{
	size_t label = 0;

	if (*text == '[')
		return literal_wrong(text);
	if (wildcard && text[0] == '*' && text[1] == '.')
		text += 2;
	if (!*text || strlen(text) > 253)
		return "a host name has 1 to 253 characters";
	for (; *text; text++) {
		if (*text == ':')
			return "a host name has no port here";
		if (*text == '*')
			return wildcard ? "* may only stand for the front: *.example.com" : "no host name";
		if (*text == '.' && label == 0)
			return "a host name has no empty part";
		if (*text != '.' && !is_letter(*text) && !is_digit(*text) && *text != '-' && *text != '_')
			return "a host name has letters, digits, dashes and dots only";
		label = *text == '.' ? 0 : label + 1;
		if (label > 63)
			return "a part of a host name has at most 63 characters";
	}
	return label == 0 ? "a host name does not end with a dot here" : NULL;
}

const char *config_path_wrong(const char *text)
{
	if (*text != '/')
		return "a path begins with /";
	if (strlen(text) > 1024)
		return "a path has at most 1024 characters";
	for (; *text; text++)
		if (*text <= ' ' || *text >= 0x7f || *text == '#')
			return "a path has no spaces, control characters or #; write them as %20 and so on";
	return NULL;
}

/* Routes are compared with paths that were decoded and cleaned: what cannot come out of that can never match. */
const char *config_prefix_wrong(const char *text)
{
	if (*text != '/')
		return "a path begins with /";
	if (strlen(text) > 1024)
		return "a path has at most 1024 characters";
	if (strpbrk(text, "?#"))
		return "a route looks at the path only, which ends before ? and #";
	if (strpbrk(text, "%\\;"))
		return "write the path decoded; it has no %, \\ or ;";
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return "a path has no control characters";
		if (p[0] == '/' && p[1] == '/')
			return "this can never match: // is taken as /";
		if (p[0] == '/' && p[1] == '.' &&
		    (p[2] == '/' || !p[2] || (p[2] == '.' && (p[3] == '/' || !p[3]))))
			return "this can never match: . and .. are resolved first";
	}
	return NULL;
}
