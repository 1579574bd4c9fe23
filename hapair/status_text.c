/*
 * status_text.c: the status for people. A table is a list of rows of cells; columns are as wide as their widest cell.
 */
#include "hapair/status_text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COLOUR_GOOD  "\033[32m"
#define COLOUR_BAD   "\033[31;1m"
#define COLOUR_WARN  "\033[33m"
#define COLOUR_DIM   "\033[2m"
#define COLOUR_BOLD  "\033[1m"
#define COLOUR_RESET "\033[0m"

#define CELL_MAX    96
#define COLUMNS_MAX 10

bool status_text_wants_colour(void)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(none && *none) && !(term && strcmp(term, "dumb") == 0);
}

struct out {
	FILE *to;
	bool colour;
};

/* A table under way: rows are kept until it is printed. */
struct table {
	size_t columns, n, room;
	char (*cells)[CELL_MAX]; /* n rows of `columns`; the first is the head */
};

static void cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void cell(struct table *table, const char *format, ...)
{
	va_list args;

	if (table->n == table->room) {
		table->room = table->room ? table->room * 2 : 64;
		table->cells = reallocarray(table->cells, table->room, CELL_MAX);
		if (!table->cells)
			abort();
	}
	va_start(args, format);
	vsnprintf(table->cells[table->n++], CELL_MAX, format, args);
	va_end(args);
}

static struct table table_of(const char *const *titles, size_t columns)
{
	struct table table = {.columns = columns};

	for (size_t i = 0; i < columns; i++)
		cell(&table, "%s", titles[i]);
	return table;
}

#define TABLE(...)                                                                                           \
	table_of((const char *const[]){__VA_ARGS__},                                                         \
		 sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static const char *colour_of(const char *word)
{
	static const struct {
		const char *word, *colour;
	} colours[] = {
		{"active", COLOUR_GOOD},   {"passive", COLOUR_GOOD},  {"up", COLOUR_GOOD},
		{"held", COLOUR_GOOD},     {"fault", COLOUR_BAD},     {"down", COLOUR_BAD},
		{"starting", COLOUR_WARN}, {"draining", COLOUR_WARN}, {"drain", COLOUR_WARN},
		{"maint", COLOUR_WARN},    {"unknown", COLOUR_WARN},
	};

	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (strcmp(colours[i].word, word) == 0)
			return colours[i].colour;
	return "";
}

/* Prints and frees it. */
static void table_print(struct table *table, struct out *out)
{
	size_t widths[COLUMNS_MAX] = {0};

	for (size_t i = 0; i < table->n; i++) {
		size_t width = strlen(table->cells[i]);

		if (width > widths[i % table->columns])
			widths[i % table->columns] = width;
	}
	for (size_t i = 0; i < table->n; i++) {
		size_t column = i % table->columns;
		bool last = column + 1 == table->columns;
		const char *colour = !out->colour         ? ""
				     : i < table->columns ? COLOUR_DIM
							  : colour_of(table->cells[i]);

		fprintf(out->to, "%s%s%s%s", column ? "  " : "    ", colour, table->cells[i],
			*colour ? COLOUR_RESET : "");
		if (last)
			fputc('\n', out->to);
		else
			fprintf(out->to, "%*s", (int)(widths[column] - strlen(table->cells[i])), "");
	}
	free(table->cells);
}

/* Fields of the JSON */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

static void integer_cell(struct table *table, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_integer(value))
		cell(table, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		cell(table, "-");
}

#define AGE_MAX 32

/* 850 ms, 12.3 s, 5 m 12 s, 3 h 20 m, 4 d 2 h; "-" when it is not known. */
static const char *age_text(const json_t *object, const char *key, char out[AGE_MAX])
{
	const json_t *value = json_object_get(object, key);
	int64_t ms = json_integer_value(value), s = ms / 1000;

	if (!json_is_integer(value))
		snprintf(out, AGE_MAX, "-");
	else if (ms < 1000)
		snprintf(out, AGE_MAX, "%d ms", (int)ms);
	else if (s < 60)
		snprintf(out, AGE_MAX, "%d.%d s", (int)s, (int)(ms % 1000 / 100));
	else if (s < 3600)
		snprintf(out, AGE_MAX, "%d m %d s", (int)(s / 60), (int)(s % 60));
	else if (s < 86400)
		snprintf(out, AGE_MAX, "%d h %d m", (int)(s / 3600), (int)(s / 60 % 60));
	else
		snprintf(out, AGE_MAX, "%lld d %d h", (long long)(s / 86400), (int)(s / 3600 % 24));
	return out;
}

static void age_cell(struct table *table, const json_t *object, const char *key, const char *after)
{
	char text[AGE_MAX];

	age_text(object, key, text);
	cell(table, "%s%s", text, strcmp(text, "-") == 0 ? "" : after);
}

/* A title, and behind it how old what follows is. */
static void section(struct out *out, const char *title, const json_t *object, const char *age_key)
{
	char age[AGE_MAX];

	fprintf(out->to, "\n%s%s%s", out->colour ? COLOUR_BOLD : "", title, out->colour ? COLOUR_RESET : "");
	if (age_key) {
		age_text(object, age_key, age);
		if (strcmp(age, "-") == 0)
			fprintf(out->to, "  (not reported yet)");
		else
			fprintf(out->to, "  (as of %s ago)", age);
	}
	fputc('\n', out->to);
}

static void print_node(const json_t *status, struct out *out)
{
	const char *state = text_of(status, "state"), *colour = out->colour ? colour_of(state) : "";
	const json_t *epoch = json_object_get(status, "epoch"), *drain = json_object_get(status, "drain");
	char age[AGE_MAX];

	fprintf(out->to, "%s%s%s is %s%s%s", out->colour ? COLOUR_BOLD : "", text_of(status, "node"),
		out->colour ? COLOUR_RESET : "", colour, state, *colour ? COLOUR_RESET : "");
	if (json_is_integer(json_object_get(status, "state_age_ms")))
		fprintf(out->to, " for %s", age_text(status, "state_age_ms", age));
	fprintf(out->to, ": %s\n", text_of(status, "reason"));
	fprintf(out->to, "cluster %s", text_of(status, "cluster"));
	if (json_is_integer(epoch))
		fprintf(out->to, ", epoch %" JSON_INTEGER_FORMAT, json_integer_value(epoch));
	fprintf(out->to, ", hapair %s", text_of(status, "version"));
	if (json_is_object(drain))
		fprintf(out->to, ", %" JSON_INTEGER_FORMAT " connections left to drain",
			json_integer_value(json_object_get(drain, "left")));
	fputc('\n', out->to);
}

/* It moved too often. */
static void print_damping(const json_t *status, struct out *out)
{
	const json_t *damping = json_object_get(status, "damping");
	char left[AGE_MAX];

	if (json_is_true(json_object_get(damping, "held_down")))
		fprintf(out->to, "held down for %s: it moved too often, so priority is not looked at\n",
			age_text(damping, "ends_in_ms", left));
	if (json_is_true(json_object_get(damping, "peer_held_down")))
		fprintf(out->to, "the peer is held down: it moved too often\n");
}

static void print_vips(const json_t *status, struct out *out)
{
	struct table table = TABLE("address", "interface", "here", "holder", "reported");
	const json_t *vip;
	size_t i;

	if (json_array_size(json_object_get(status, "vips")) == 0) {
		free(table.cells);
		return;
	}
	json_array_foreach(json_object_get(status, "vips"), i, vip)
	{
		const json_t *held = json_object_get(vip, "held");

		cell(&table, "%s/%d", text_of(vip, "address"),
		     (int)json_integer_value(json_object_get(vip, "prefix")));
		cell(&table, "%s", text_of(vip, "interface"));
		cell(&table, "%s", json_is_null(held) ? "-" : json_is_true(held) ? "held" : "no");
		cell(&table, "%s", text_of(vip, "holder"));
		age_cell(&table, vip, "age_ms", " ago");
	}
	section(out, "virtual addresses", NULL, NULL);
	table_print(&table, out);
}

static void print_fence(const json_t *status, struct out *out)
{
	const json_t *fence = json_object_get(status, "fence");
	json_int_t left = json_integer_value(json_object_get(fence, "left_ms"));

	if (!json_is_object(fence))
		return;
	if (json_is_false(json_object_get(fence, "in_force")))
		fprintf(out->to, "    fence not in force: only the address's lifetime guards");
	else if (left > 0)
		fprintf(out->to, "    fence open for %" JSON_INTEGER_FORMAT " ms more", left);
	else
		fprintf(out->to, "    fence closed");
	fprintf(out->to,
		", lapsed %" JSON_INTEGER_FORMAT " times; heartbeat %s, at most %" JSON_INTEGER_FORMAT
		" us late\n",
		json_integer_value(json_object_get(fence, "lapses")),
		json_is_true(json_object_get(fence, "realtime")) ? "real-time" : "without real-time priority",
		json_integer_value(json_object_get(fence, "lateness_max_us")));
}

static void print_witness(const json_t *status, struct out *out)
{
	const json_t *witness = json_object_get(status, "witness");
	char age[AGE_MAX];

	if (!json_is_object(witness))
		return;
	age_text(witness, "answered_ms", age);
	fprintf(out->to, "    witness %s: %s, last yes %s ago\n", text_of(witness, "kind"),
		text_of(witness, "answer"), age);
}

/* What operators said at run time, on both nodes. */
static void print_sync(const json_t *status, struct out *out)
{
	const json_t *sync = json_object_get(status, "sync");
	char age[AGE_MAX];

	if (!json_is_object(sync))
		return;
	age_text(sync, "age_ms", age);
	if (json_is_true(json_object_get(sync, "connected")))
		fprintf(out->to, "    sync: connected over %s for %s, %s\n", text_of(sync, "link"), age,
			json_is_true(json_object_get(sync, "matches"))    ? "both nodes hold the same"
			: json_is_false(json_object_get(sync, "matches")) ? "catching up"
									  : "comparing");
	else
		fprintf(out->to, "    sync: not connected%s%s, %s\n", strcmp(age, "-") == 0 ? "" : " for ",
			strcmp(age, "-") == 0 ? "" : age, text_of(sync, "trouble"));
}

static void print_one_way(const json_t *peer, struct out *out)
{
	const json_t *link;
	size_t i;

	json_array_foreach(json_object_get(peer, "links"), i, link)
	{
		if (json_is_string(json_object_get(link, "one_way")))
			fprintf(out->to, "    %s is ONE-WAY: %s\n", text_of(link, "local"),
				text_of(link, "one_way"));
	}
}

static void print_peer(const json_t *status, struct out *out)
{
	const json_t *peer = json_object_get(status, "peer"), *link;
	struct table table;
	size_t i;

	if (!json_is_object(peer)) {
		section(out, "peer", NULL, NULL);
		fprintf(out->to, "    none is configured\n");
		return;
	}
	section(out, "peer", peer, "age_ms");
	fprintf(out->to, "    %s: ", text_of(peer, "node"));
	if (json_is_true(json_object_get(peer, "alive")))
		fprintf(out->to, "%s, %s\n", text_of(peer, "state"),
			json_is_false(json_object_get(peer, "config_matches"))
				? "ITS CONFIGURATION IS ANOTHER ONE"
				: "same configuration");
	else
		fprintf(out->to, "%s\n",
			json_is_false(json_object_get(peer, "alive")) ? "not heard" : "not known");
	table = TABLE("link", "", "state", "last heard", "round trip", "jitter", "loss");
	json_array_foreach(json_object_get(peer, "links"), i, link)
	{
		const json_t *up = json_object_get(link, "up"), *rtt = json_object_get(link, "rtt_us"),
			     *loss = json_object_get(link, "loss_pct"),
			     *jitter = json_object_get(link, "jitter_us");

		cell(&table, "%s", text_of(link, "local"));
		cell(&table, "%s", text_of(link, "remote"));
		cell(&table, "%s", json_is_null(up) ? "-" : json_is_true(up) ? "up" : "down");
		age_cell(&table, link, "last_heard_ms", " ago");
		cell(&table, json_is_integer(rtt) ? "%.3f ms" : "-", (double)json_integer_value(rtt) / 1000);
		cell(&table, json_is_integer(jitter) ? "%.3f ms" : "-",
		     (double)json_integer_value(jitter) / 1000);
		cell(&table, json_is_number(loss) ? "%.1f %%" : "-", json_number_value(loss));
	}
	table_print(&table, out);
	print_one_way(peer, out);
	print_sync(status, out);
}

static void print_listeners(const json_t *status, struct out *out)
{
	struct table table = TABLE("name", "mode", "open", "total", "requests", "bind");
	const json_t *listener, *bind;
	size_t i, j;

	json_array_foreach(json_object_get(status, "listeners"), i, listener)
	{
		char binds[CELL_MAX] = "";
		size_t n = 0;

		cell(&table, "%s", text_of(listener, "name"));
		cell(&table, "%s", text_of(listener, "mode"));
		integer_cell(&table, listener, "active");
		integer_cell(&table, listener, "total");
		integer_cell(&table, listener, "requests");
		json_array_foreach(json_object_get(listener, "bind"), j, bind)
		{
			if (n < sizeof(binds))
				n += (size_t)snprintf(binds + n, sizeof(binds) - n, "%s%s", j ? ", " : "",
						      json_string_value(bind));
		}
		cell(&table, "%s", binds);
	}
	section(out, "listeners", status, "proxy_age_ms");
	table_print(&table, out);
}

static void server_rows(struct table *table, const json_t *pool)
{
	const json_t *server;
	size_t i;

	json_array_foreach(json_object_get(pool, "servers"), i, server)
	{
		const json_t *check = json_object_get(server, "last_check");
		char age[AGE_MAX];

		cell(table, "%s", text_of(server, "name"));
		cell(table, "%s", text_of(server, "address"));
		cell(table, "%s", text_of(server, "state"));
		age_cell(table, server, "state_age_ms", "");
		integer_cell(table, server, "weight");
		integer_cell(table, server, "active");
		integer_cell(table, server, "total");
		integer_cell(table, server, "failed");
		if (json_is_object(check))
			cell(table, "%s: %s, %.1f ms, %s ago",
			     json_is_true(json_object_get(check, "ok")) ? "ok" : "failed",
			     text_of(check, "detail"), json_number_value(json_object_get(check, "ms")),
			     age_text(check, "age_ms", age));
		else
			cell(table, "-");
	}
}

bool status_text_print_servers(const json_t *status, const char *pool_name, FILE *to, bool colour)
{
	struct out out = {to, colour};
	const json_t *pool;
	bool found = false;
	size_t i;

	json_array_foreach(json_object_get(status, "pools"), i, pool)
	{
		struct table table;
		char title[160];

		if (pool_name && strcmp(pool_name, text_of(pool, "name")) != 0)
			continue;
		found = true;
		snprintf(title, sizeof(title), "pool %s, %s", text_of(pool, "name"),
			 text_of(pool, "balance"));
		section(&out, title, status, "proxy_age_ms");
		table = TABLE("server", "address", "state", "for", "weight", "active", "total", "failed",
			      "last check");
		server_rows(&table, pool);
		table_print(&table, &out);
	}
	return found || !pool_name;
}

static void print_processes(const json_t *status, struct out *out)
{
	struct table table = TABLE("role", "pid", "restarts");
	const json_t *process;
	size_t i;

	json_array_foreach(json_object_get(status, "processes"), i, process)
	{
		cell(&table, "%s", text_of(process, "role"));
		integer_cell(&table, process, "pid");
		integer_cell(&table, process, "restarts");
	}
	section(out, "processes", NULL, NULL);
	table_print(&table, out);
}

void status_text_print(const json_t *status, FILE *to, bool colour)
{
	struct out out = {to, colour};

	print_node(status, &out);
	print_damping(status, &out);
	print_vips(status, &out);
	print_fence(status, &out);
	print_witness(status, &out);
	print_peer(status, &out);
	print_listeners(status, &out);
	status_text_print_servers(status, NULL, to, colour);
	print_processes(status, &out);
}
