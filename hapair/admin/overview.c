/*
 * overview.c: the page. It shows what `hapair status` shows, from the same JSON.
 */
#include "hapair/admin/overview.h"

#include <stdbool.h>
#include <string.h>

static const char head[] =
	"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width\">\n"
	"<meta http-equiv=\"refresh\" content=\"2\">\n<style>\n"
	"body{font:15px/1.5 system-ui,sans-serif;margin:2em;color:#222;background:#fff}\n"
	"table{border-collapse:collapse;margin:.3em 0 1.5em}th,td{text-align:left;padding:.15em 1.2em .15em "
	"0}\n"
	"th{color:#666;font-weight:normal;border-bottom:1px solid "
	"#ccc}h1{font-size:1.4em}h2{font-size:1.1em;margin:0}\n"
	".good{color:#060}.bad{color:#b00;font-weight:bold}.off{color:#666}\n"
	"@media "
	"(prefers-color-scheme:dark){body{color:#ddd;background:#181818}.good{color:#7c7}.bad{color:#f77}}\n"
	"</style>\n";

static void print_escaped(FILE *to, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '&':
			fputs("&amp;", to);
			break;
		case '<':
			fputs("&lt;", to);
			break;
		case '>':
			fputs("&gt;", to);
			break;
		case '"':
			fputs("&quot;", to);
			break;
		default:
			fputc(*text, to);
		}
}

/* A scalar as text; a dash for what is not known. */
static void print_value(FILE *to, const json_t *value)
{
	if (json_is_string(value))
		print_escaped(to, json_string_value(value));
	else if (json_is_integer(value))
		fprintf(to, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		fprintf(to, "%.1f", json_real_value(value));
	else if (json_is_boolean(value))
		fputs(json_is_true(value) ? "yes" : "no", to);
	else
		fputs("&ndash;", to);
}

static const char *class_of(const json_t *state)
{
	static const char *const good[] = {"active", "passive", "up"}, *const bad[] = {"fault", "down"};
	const char *text = json_string_value(state);

	if (json_is_true(state))
		return "good";
	if (json_is_false(state))
		return "bad";
	for (size_t i = 0; text && i < sizeof(good) / sizeof(good[0]); i++)
		if (strcmp(text, good[i]) == 0)
			return "good";
	for (size_t i = 0; text && i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strcmp(text, bad[i]) == 0)
			return "bad";
	return "off";
}

struct column {
	const char *title, *key;
	bool coloured;
};

static void print_row(FILE *to, const json_t *row, const struct column *columns)
{
	fputs("<tr>", to);
	for (; columns->title; columns++) {
		const json_t *value = json_object_get(row, columns->key);

		if (columns->coloured && !json_is_null(value))
			fprintf(to, "<td class=\"%s\">", class_of(value));
		else
			fputs("<td>", to);
		print_value(to, value);
		fputs("</td>", to);
	}
	fputs("</tr>\n", to);
}

static void print_table(FILE *to, const char *title, const json_t *rows, const struct column *columns)
{
	const json_t *row;
	size_t i;

	if (json_array_size(rows) == 0)
		return;
	fputs("<h2>", to);
	print_escaped(to, title);
	fputs("</h2>\n<table><tr>", to);
	for (const struct column *column = columns; column->title; column++)
		fprintf(to, "<th>%s</th>", column->title);
	fputs("</tr>\n", to);
	json_array_foreach(rows, i, row) print_row(to, row, columns);
	fputs("</table>\n", to);
}

static const struct column vip_columns[] = {
	{"address", "address", false}, {"interface", "interface", false}, {"held here", "held", false},
	{"holder", "holder", false},   {"age, ms", "age_ms", false},      {NULL, NULL, false},
};
static const struct column link_columns[] = {
	{"local", "local", false},
	{"remote", "remote", false},
	{"up", "up", true},
	{"last heard, ms ago", "last_heard_ms", false},
	{"round trip, us", "rtt_us", false},
	{"loss, %", "loss_pct", false},
	{NULL, NULL, false},
};
static const struct column listener_columns[] = {
	{"name", "name", false},    {"mode", "mode", false},         {"connections", "active", false},
	{"so far", "total", false}, {"requests", "requests", false}, {NULL, NULL, false},
};
static const struct column server_columns[] = {
	{"name", "name", false},     {"address", "address", false},
	{"state", "state", true},    {"for, ms", "state_age_ms", false},
	{"weight", "weight", false}, {"active", "active", false},
	{"total", "total", false},   {"failed", "failed", false},
	{NULL, NULL, false},
};
static const struct column process_columns[] = {
	{"role", "role", false},
	{"pid", "pid", false},
	{"restarts", "restarts", false},
	{NULL, NULL, false},
};

static void print_field(FILE *to, const char *before, const json_t *object, const char *key)
{
	fputs(before, to);
	print_value(to, json_object_get(object, key));
}

static void print_node(FILE *to, const json_t *status)
{
	const json_t *state = json_object_get(status, "state"), *peer = json_object_get(status, "peer");

	print_field(to, "<h1>", status, "node");
	fprintf(to, " is <span class=\"%s\">", class_of(state));
	print_value(to, state);
	print_field(to, "</span></h1>\n<p>cluster ", status, "cluster");
	print_field(to, ", epoch ", status, "epoch");
	print_field(to, ", since ", status, "state_age_ms");
	print_field(to, " ms: ", status, "reason");
	fputs("</p>\n", to);
	if (!json_is_object(peer))
		return;
	print_field(to, "<p>peer ", peer, "node");
	print_field(to, ": ", peer, "state");
	print_field(to, ", alive: ", peer, "alive");
	print_field(to, ", same configuration: ", peer, "config_matches");
	fputs("</p>\n", to);
}

void overview_print(const json_t *status, FILE *to)
{
	const json_t *pool;
	size_t i;

	fputs(head, to);
	print_field(to, "<title>", status, "node");
	fputs(" - hapair</title></head><body>\n", to);
	print_node(to, status);
	print_table(to, "Virtual addresses", json_object_get(status, "vips"), vip_columns);
	print_table(to, "Links", json_object_get(json_object_get(status, "peer"), "links"), link_columns);
	print_table(to, "Listeners", json_object_get(status, "listeners"), listener_columns);
	json_array_foreach(json_object_get(status, "pools"), i, pool)
	{
		char title[128];

		snprintf(title, sizeof(title), "Pool %s (%s)",
			 json_string_value(json_object_get(pool, "name")),
			 json_string_value(json_object_get(pool, "balance")));
		print_table(to, title, json_object_get(pool, "servers"), server_columns);
	}
	print_table(to, "Processes", json_object_get(status, "processes"), process_columns);
	print_field(to, "<p class=\"off\">hapair ", status, "version");
	print_field(to, ", ", status, "time");
	fputs("</p></body></html>\n", to);
}
