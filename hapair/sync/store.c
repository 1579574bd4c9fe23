/*
 * store.c: {"serial": N, "records": [...]}, see words.h for a record.
 */
#include "hapair/sync/store.h"

#include "hapair/base/log.h"
#include "hapair/sync/words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (8 * 1024 * 1024)

struct store {
	uint64_t serial; /* of the newest file */
	int fds[2];      /* -1: none */
	unsigned newest; /* the file that holds `serial`; the other one is written next */
};

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
		     !json_is_array(json_object_get(json, "records")))) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static void take_file(const json_t *json, struct replica *replica)
{
	struct replica_record record;
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(json, "records"), i, one)
	{
		if (!words_take_record(one, &record) || replica_merge(replica, &record) < 0)
			log_warning("servers at run time: entry %zu on the disk is not understood", i);
	}
}

static json_t *open_file(struct store *store, unsigned i, const char *state_dir)
{
	char *path;

	if (asprintf(&path, "%s/servers.%u", state_dir, i) < 0)
		return NULL;
	store->fds[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
	if (store->fds[i] < 0)
		log_warning("servers at run time: can't open %s: %s; what is said will not survive a restart",
			    path, strerror(errno));
	free(path);
	return store->fds[i] < 0 ? NULL : read_file(store->fds[i]);
}

struct store *store_open(const char *state_dir, struct replica *replica)
{
	struct store *store = calloc(1, sizeof(*store));
	json_t *files[2] = {NULL, NULL};

	if (!store)
		return NULL;
	store->fds[0] = store->fds[1] = -1;
	for (unsigned i = 0; state_dir && i < 2; i++) {
		uint64_t serial;

		files[i] = open_file(store, i, state_dir);
		serial = (uint64_t)json_integer_value(json_object_get(files[i], "serial"));
		if (files[i] && serial >= store->serial) {
			store->serial = serial;
			store->newest = i;
		}
	}
	if (files[store->newest])
		take_file(files[store->newest], replica);
	json_decref(files[0]);
	json_decref(files[1]);
	return store;
}

void store_free(struct store *store)
{
	if (!store)
		return;
	for (unsigned i = 0; i < 2; i++)
		if (store->fds[i] >= 0)
			close(store->fds[i]);
	free(store);
}

static char *dump(uint64_t serial, const struct replica *replica)
{
	json_t *records = json_array(), *json;
	char *text;

	for (size_t i = 0; i < replica->n; i++)
		if (json_array_append_new(records, words_record(&replica->records[i])) < 0) {
			json_decref(records);
			return NULL;
		}
	json = json_pack("{s:I,s:o}", "serial", (json_int_t)serial, "records", records);
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	return text;
}

static int write_all(int fd, const char *text, size_t n)
{
	if (ftruncate(fd, 0) < 0)
		return -errno;
	for (size_t done = 0; done < n;) {
		ssize_t written = pwrite(fd, text + done, n - done, (off_t)done);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		done += (size_t)written;
	}
	return fdatasync(fd) < 0 ? -errno : 0;
}

/* To the older file; it becomes the newest only when every byte is on the disk. */
int store_save(struct store *store, const struct replica *replica)
{
	unsigned older = !store->newest;
	char *text;
	int r;

	if (store->fds[older] < 0)
		return store->fds[store->newest] < 0 ? 0 : -EBADF;
	text = dump(store->serial + 1, replica);
	if (!text)
		return -ENOMEM;
	r = write_all(store->fds[older], text, strlen(text));
	free(text);
	if (r < 0)
		return r;
	store->serial++;
	store->newest = older;
	return 0;
}
