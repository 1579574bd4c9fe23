/*
 * server_states.c: a small table and its two files. {"serial": N, "servers": [{"pool", "server", "state"}]}
 */
#include "hapair/admin/server_states.h"
#include "hapair/base/log.h"
#include "hapair/admin/json_values.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (2 * 1024 * 1024)

struct server_states {
	struct server_state_entry *entries;
	size_t n, room;
	uint64_t serial; /* of the newest file */
	int fds[2];      /* -1: none */
	unsigned newest; /* the file that holds `serial`; the other one is written next */
};

static struct server_state_entry *find(const struct server_states *states, const char *pool,
				       const char *server)
{
	for (size_t i = 0; i < states->n; i++)
		if (strcmp(states->entries[i].server, server) == 0 &&
		    strcmp(states->entries[i].pool, pool) == 0)
			return &states->entries[i];
	return NULL;
}

static void forget(struct server_states *states, struct server_state_entry *entry)
{
	*entry = states->entries[--states->n];
}

static int remember(struct server_states *states, const char *pool, const char *server,
		    enum server_action action)
{
	struct server_state_entry *entry = find(states, pool, server);

	if (action == SERVER_ACTION_READY) {
		if (entry)
			forget(states, entry);
		return 0;
	}
	if (!entry) {
		if (states->n == SERVER_STATES_MAX)
			return -ENOSPC;
		if (states->n == states->room) {
			size_t room = states->room ? states->room * 2 : 16;
			void *grown = reallocarray(states->entries, room, sizeof(*entry));

			if (!grown)
				return -ENOMEM;
			states->entries = grown;
			states->room = room;
		}
		entry = &states->entries[states->n++];
		MSG_TEXT(entry->pool, pool);
		MSG_TEXT(entry->server, server);
	}
	entry->action = action;
	return 0;
}

/* The file's JSON, or NULL when it is empty, torn or not ours. */
static json_t *read_file(int fd)
{
	char *text = malloc(FILE_MAX);
	json_t *json;
	ssize_t got;
	size_t n = 0;

	if (!text)
		return NULL;
	while (n < FILE_MAX && (got = pread(fd, text + n, FILE_MAX - n, (off_t)n)) > 0)
		n += (size_t)got;
	json = json_loadb(text, n, 0, NULL);
	free(text);
	if (json && (!json_is_integer(json_object_get(json, "serial")) ||
		     !json_is_array(json_object_get(json, "servers")))) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static void take_file(struct server_states *states, const json_t *json)
{
	const json_t *server;
	size_t i;

	json_array_foreach(json_object_get(json, "servers"), i, server)
	{
		const char *pool = json_string_value(json_object_get(server, "pool"));
		const char *name = json_string_value(json_object_get(server, "server"));
		const char *state = json_string_value(json_object_get(server, "state"));

		if (!pool || !name || !state)
			continue;
		if (strcmp(state, "drain") == 0)
			remember(states, pool, name, SERVER_ACTION_DRAIN);
		else if (strcmp(state, "maint") == 0)
			remember(states, pool, name, SERVER_ACTION_MAINT);
	}
}

static void open_files(struct server_states *states, const char *state_dir)
{
	json_t *files[2] = {NULL, NULL};

	for (unsigned i = 0; i < 2; i++) {
		char *path;

		if (asprintf(&path, "%s/servers.%u", state_dir, i) < 0)
			continue;
		states->fds[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
		if (states->fds[i] < 0)
			log_warning("server states: can't open %s: %s; they will not survive a restart", path,
				    strerror(errno));
		else
			files[i] = read_file(states->fds[i]);
		free(path);
	}
	for (unsigned i = 0; i < 2; i++)
		if (files[i]) {
			uint64_t serial = (uint64_t)json_integer_value(json_object_get(files[i], "serial"));

			if (serial >= states->serial) {
				states->serial = serial;
				states->newest = i;
			}
		}
	if (files[states->newest])
		take_file(states, files[states->newest]);
	json_decref(files[0]);
	json_decref(files[1]);
}

struct server_states *server_states_new(const char *state_dir)
{
	struct server_states *states = calloc(1, sizeof(*states));

	if (!states)
		return NULL;
	states->fds[0] = states->fds[1] = -1;
	if (state_dir)
		open_files(states, state_dir);
	return states;
}

void server_states_free(struct server_states *states)
{
	if (!states)
		return;
	for (unsigned i = 0; i < 2; i++)
		if (states->fds[i] >= 0)
			close(states->fds[i]);
	free(states->entries);
	free(states);
}

static char *dump(const struct server_states *states)
{
	json_t *json = value_object(), *servers = value_array();
	char *text;

	for (size_t i = 0; i < states->n; i++) {
		const struct server_state_entry *entry = &states->entries[i];
		json_t *server = value_object();

		object_put(server, "pool", value_text(entry->pool));
		object_put(server, "server", value_text(entry->server));
		object_put(server, "state",
			   value_text(entry->action == SERVER_ACTION_DRAIN ? "drain" : "maint"));
		array_put(servers, server);
	}
	object_put(json, "serial", value_integer(true, (json_int_t)states->serial + 1));
	object_put(json, "servers", servers);
	text = json_dumps(json, JSON_INDENT(1));
	json_decref(json);
	return text;
}

/* To the older file; it becomes the newest only when every byte is on the disk. */
static int save(struct server_states *states)
{
	unsigned older = !states->newest;
	int fd = states->fds[older], r = 0;
	char *text;
	size_t n;

	if (fd < 0)
		return states->fds[states->newest] < 0 ? 0 : -EBADF;
	text = dump(states);
	if (!text)
		return -ENOMEM;
	n = strlen(text);
	if (ftruncate(fd, 0) < 0)
		r = -errno;
	for (size_t done = 0; r == 0 && done < n;) {
		ssize_t written = pwrite(fd, text + done, n - done, (off_t)done);

		if (written < 0)
			r = -errno;
		else
			done += (size_t)written;
	}
	if (r == 0 && fdatasync(fd) < 0)
		r = -errno;
	free(text);
	if (r < 0)
		return r;
	states->serial++;
	states->newest = older;
	return 0;
}

int server_states_set(struct server_states *states, const char *pool, const char *server,
		      enum server_action action)
{
	int r = remember(states, pool, server, action);

	return r < 0 ? r : save(states);
}

static bool configured(const struct config *config, const struct server_state_entry *entry)
{
	for (size_t i = 0; i < config->n_pools; i++) {
		const struct config_pool *pool = &config->pools[i];

		if (strcmp(pool->name, entry->pool) != 0)
			continue;
		for (size_t j = 0; j < pool->n_servers; j++)
			if (strcmp(pool->servers[j].name, entry->server) == 0)
				return true;
	}
	return false;
}

void server_states_prune(struct server_states *states, const struct config *config)
{
	size_t before = states->n;
	int r;

	for (size_t i = states->n; i-- > 0;)
		if (!configured(config, &states->entries[i]))
			forget(states, &states->entries[i]);
	if (states->n == before)
		return;
	r = save(states);
	if (r < 0)
		log_warning("server states: can't write them: %s", strerror(-r));
}

size_t server_states_count(const struct server_states *states)
{
	return states->n;
}

const struct server_state_entry *server_states_at(const struct server_states *states, size_t i)
{
	return &states->entries[i];
}
