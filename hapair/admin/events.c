/*
 * events.c: the ring, its two files, and an event as JSON and as a line for people.
 *
 *   ring      ids  oldest .. newest, at index id % EVENTS_RING
 *   files     one is being written ("current"), the other holds what came before it; together they hold more
 * than the ring
 */
#include "hapair/admin/events.h"
#include "hapair/base/log.h"
#include "hapair/admin/json_values.h"
#include "hapair/admin/status_json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define COLOUR_DIM   "\033[2m"
#define COLOUR_BOLD  "\033[1m"
#define COLOUR_RESET "\033[0m"

struct events {
	char node[CONFIG_NAME_MAX + 1];
	struct event_record ring[EVENTS_RING];
	uint64_t newest; /* 0: none yet */
	size_t count;    /* in the ring */
	uint64_t added;
	struct {
		int fd; /* -1: none */
		size_t size;
		uint64_t newest;
	} files[2];
	unsigned current;
	size_t file_size;
	bool complained; /* of the files, once for each trouble */
};

static void keep(struct events *events, const struct event_record *record)
{
	events->ring[record->id % EVENTS_RING] = *record;
	events->newest = record->id;
	if (events->count < EVENTS_RING)
		events->count++;
}

/* Lines of one file, in memory, each a record; whole lines only. */
struct history {
	struct event_record *records;
	size_t n, room;
	size_t whole; /* bytes of whole lines */
};

static void history_line(struct history *history, const char *line, size_t n)
{
	json_t *json = json_loadb(line, n, 0, NULL);
	struct event_record record;

	if (event_from_json(json, &record)) {
		if (history->n == history->room) {
			size_t room = history->room ? history->room * 2 : 256;
			void *grown = reallocarray(history->records, room, sizeof(record));

			if (!grown)
				abort();
			history->records = grown;
			history->room = room;
		}
		history->records[history->n++] = record;
	}
	json_decref(json);
}

/* 0 or negative errno. Reads no more than `limit` bytes: somebody else may have put a large file there. */
static int history_read(int fd, size_t limit, struct history *ret)
{
	char *text = malloc(limit);
	size_t n = 0;
	ssize_t got;
	const char *line, *end;

	if (!text)
		return -ENOMEM;
	while (n < limit && (got = pread(fd, text + n, limit - n, (off_t)n)) > 0)
		n += (size_t)got;
	for (line = text; (end = memchr(line, '\n', n - (size_t)(line - text))); line = end + 1)
		history_line(ret, line, (size_t)(end - line));
	ret->whole = (size_t)(line - text);
	free(text);
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct event_record *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static int open_file(const char *state_dir, unsigned i)
{
	char *path;
	int fd;

	if (asprintf(&path, "%s/events.%u", state_dir, i) < 0)
		return -ENOMEM;
	fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
	if (fd < 0) {
		fd = -errno;
		log_warning("events: can't open %s: %s; events stay in memory", path, strerror(errno));
	}
	free(path);
	return fd;
}

static void open_files(struct events *events, const char *state_dir)
{
	struct history all = {0};

	for (unsigned i = 0; i < 2; i++) {
		struct history history = {0};

		events->files[i].fd = open_file(state_dir, i);
		if (events->files[i].fd < 0)
			continue;
		if (history_read(events->files[i].fd, events->file_size + 4096, &history) < 0)
			continue;
		/* The line that a crash cut off is cut off for good, or the next one would be glued to it. */
		if (ftruncate(events->files[i].fd, (off_t)history.whole) < 0)
			log_warning("events: can't cut events.%u: %s", i, strerror(errno));
		events->files[i].size = history.whole;
		for (size_t j = 0; j < history.n; j++) {
			if (history.records[j].id > events->files[i].newest)
				events->files[i].newest = history.records[j].id;
		}
		if (history.n) {
			all.records = reallocarray(all.records, all.n + history.n, sizeof(*all.records));
			if (!all.records)
				abort();
			memcpy(all.records + all.n, history.records, history.n * sizeof(*all.records));
			all.n += history.n;
		}
		free(history.records);
	}
	if (all.n)
		qsort(all.records, all.n, sizeof(*all.records), by_id);
	for (size_t j = 0; j < all.n; j++)
		/* Where numbers do not follow each other (a file was lost) the ring starts again. */
		if (all.records[j].id != events->newest || !events->count) {
			if (events->count && all.records[j].id != events->newest + 1)
				events->count = 0;
			keep(events, &all.records[j]);
		}
	free(all.records);
	events->current = events->files[1].newest > events->files[0].newest;
}

struct events *events_new(const char *state_dir, const char *node, size_t file_size)
{
	struct events *events = calloc(1, sizeof(*events));

	if (!events)
		return NULL;
	MSG_TEXT(events->node, node);
	events->file_size = file_size;
	events->files[0].fd = events->files[1].fd = -1;
	if (state_dir)
		open_files(events, state_dir);
	return events;
}

void events_free(struct events *events)
{
	if (!events)
		return;
	for (unsigned i = 0; i < 2; i++)
		if (events->files[i].fd >= 0)
			close(events->files[i].fd);
	free(events);
}

static void complain(struct events *events, int error)
{
	if (!events->complained)
		log_warning("events: can't write them to the state directory: %s; they stay in memory",
			    strerror(error));
	events->complained = true;
}

/* Appends one line to the current file, or to the other one, emptied, when it is full. */
static void write_line(struct events *events, const char *line, size_t n, uint64_t id)
{
	unsigned current = events->current;
	ssize_t written;

	if (events->files[0].fd < 0 || events->files[1].fd < 0)
		return;
	if (events->files[current].size + n > events->file_size) {
		current = !current;
		if (ftruncate(events->files[current].fd, 0) < 0) {
			complain(events, errno);
			return;
		}
		events->files[current].size = 0;
		events->current = current;
	}
	written = write(events->files[current].fd, line, n);
	if (written == (ssize_t)n) {
		events->files[current].size += n;
		events->files[current].newest = id;
		events->complained = false;
		return;
	}
	complain(events, written < 0 ? errno : ENOSPC);
	if (written > 0 && ftruncate(events->files[current].fd, (off_t)events->files[current].size) < 0)
		events->files[current].size +=
			(size_t)written; /* half a line; reading skips it with the next one */
}

/* A message comes from another process: its texts are terminated here whatever it sent. */
static void terminate(struct msg_event *event)
{
	event->type[sizeof(event->type) - 1] = '\0';
	event->subject[sizeof(event->subject) - 1] = '\0';
	event->from[sizeof(event->from) - 1] = '\0';
	event->to[sizeof(event->to) - 1] = '\0';
	event->reason[sizeof(event->reason) - 1] = '\0';
}

uint64_t events_add(struct events *events, const struct msg_event *event)
{
	struct event_record record = {.id = events->newest + 1, .event = *event};
	json_t *json;
	char *text, *line = NULL;
	int n;

	terminate(&record.event);
	memcpy(record.node, events->node, sizeof(record.node));
	keep(events, &record);
	events->added++;

	json = event_json(&record);
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	n = text ? asprintf(&line, "%s\n", text) : -1;
	if (n > 0)
		write_line(events, line, (size_t)n, record.id);
	if (n >= 0)
		free(line);
	free(text);
	return record.id;
}

uint64_t events_oldest(const struct events *events)
{
	return events->newest - events->count + 1;
}

uint64_t events_newest(const struct events *events)
{
	return events->newest;
}

const struct event_record *events_get(const struct events *events, uint64_t id)
{
	if (id > events->newest || id < events_oldest(events) || id == 0)
		return NULL;
	return &events->ring[id % EVENTS_RING];
}

uint64_t events_added(const struct events *events)
{
	return events->added;
}

json_t *event_json(const struct event_record *record)
{
	const struct msg_event *event = &record->event;
	json_t *json = value_object();
	char time_text[STATUS_TIME_MAX];

	object_put(json, "id", value_integer(true, (json_int_t)record->id));
	object_put(json, "time", value_text(status_time(event->wall_ms, time_text)));
	object_put(json, "mono_ms", value_integer(true, event->at / NS_PER_MS));
	object_put(json, "node", value_text(record->node));
	object_put(json, "type", value_text(event->type));
	object_put(json, "subject", value_text_or_null(event->subject));
	object_put(json, "from", value_text_or_null(event->from));
	object_put(json, "to", value_text_or_null(event->to));
	object_put(json, "reason", value_text_or_null(event->reason));
	object_put(json, "epoch", value_integer(event->epoch != 0, (json_int_t)event->epoch));
	return json;
}

/* The way back from status_time(); -1 when it is not one. */
static int64_t parse_time(const char *text)
{
	struct tm utc = {0};
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &utc) : NULL;
	int ms = 0;

	if (!rest || (*rest == '.' && sscanf(rest, ".%3dZ", &ms) != 1))
		return -1;
	return (int64_t)timegm(&utc) * 1000 + ms;
}

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

bool event_from_json(const json_t *json, struct event_record *ret)
{
	struct event_record record = {0};
	json_int_t id = json_integer_value(json_object_get(json, "id"));
	int64_t wall_ms = parse_time(json_string_value(json_object_get(json, "time")));

	if (id <= 0 || wall_ms < 0 || !*text_of(json, "type"))
		return false;
	record.id = (uint64_t)id;
	record.event.wall_ms = wall_ms;
	record.event.at = json_integer_value(json_object_get(json, "mono_ms")) * NS_PER_MS;
	record.event.epoch = (uint64_t)json_integer_value(json_object_get(json, "epoch"));
	MSG_TEXT(record.node, text_of(json, "node"));
	MSG_TEXT(record.event.type, text_of(json, "type"));
	MSG_TEXT(record.event.subject, text_of(json, "subject"));
	MSG_TEXT(record.event.from, text_of(json, "from"));
	MSG_TEXT(record.event.to, text_of(json, "to"));
	MSG_TEXT(record.event.reason, text_of(json, "reason"));
	*ret = record;
	return true;
}

/* "passive -> active (epoch 7): the peer is silent", as far as there is something to say. */
static void print_what(FILE *to, const struct msg_event *event, const char *bold, const char *reset)
{
	if (*event->from || *event->to)
		fprintf(to, "%s%s%s%s%s", bold, event->from, *event->from && *event->to ? " -> " : "",
			event->to, reset);
	if (event->epoch)
		fprintf(to, " (epoch %" PRIu64 ")", event->epoch);
	if (*event->reason)
		fprintf(to, "%s%s", *event->from || *event->to || event->epoch ? ": " : "", event->reason);
}

char *event_text(const json_t *json, bool colour)
{
	struct event_record record;
	char when[40], *text = NULL;
	time_t seconds;
	struct tm local;
	size_t n;
	FILE *to;

	if (!event_from_json(json, &record))
		return NULL;
	seconds = (time_t)(record.event.wall_ms / 1000);
	if (!localtime_r(&seconds, &local) || !strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &local))
		return NULL;
	to = open_memstream(&text, &n);
	if (!to)
		return NULL;
	fprintf(to, "%s%s.%03d%s  %s  %-7s  ", colour ? COLOUR_DIM : "", when,
		(int)(record.event.wall_ms % 1000), colour ? COLOUR_RESET : "", record.node,
		record.event.type);
	if (*record.event.subject)
		fprintf(to, "%s  ", record.event.subject);
	print_what(to, &record.event, colour ? COLOUR_BOLD : "", colour ? COLOUR_RESET : "");
	return fclose(to) == 0 ? text : NULL;
}
