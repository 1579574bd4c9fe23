/*
 * sources.c: reads files and environment by running the parser over them once, and keeps what it asked for.
 *
 * The bundle, in a memfd: a header, then each file, then each variable, every text with its length before it. Numbers are in
 * the machine's own order, since a bundle never leaves it. Only the supervisor writes bundles, yet they are read with care:
 * every length is checked against what is left.
 */
#include "hapair/config/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUNDLE_MAGIC "hapair-config-1\n"

struct variable {
	const char *name;
	const char *value; /* NULL: not set */
};

struct config_sources {
	struct arena *arena;
	struct config_text *files; /* CONFIG_FILES_MAX, so that they never move; the first is the main file */
	size_t n_files;
	struct variable variables[CONFIG_VARIABLES_MAX];
	size_t n_variables;
	size_t bytes; /* of all files */
};

static struct config_sources *sources_new(void)
{
	struct arena *arena = arena_new();
	struct config_sources *sources = arena_alloc(arena, sizeof *sources);

	sources->arena = arena;
	sources->files = ARENA_ARRAY(arena, struct config_text, CONFIG_FILES_MAX);
	return sources;
}

void config_sources_free(struct config_sources *sources)
{
	if (sources)
		arena_free(sources->arena);
}

/* Files. */

static const struct config_text *find_file(const struct config_sources *sources, const char *name)
{
	for (size_t i = 0; i < sources->n_files; i++)
		if (strcmp(sources->files[i].name, name) == 0)
			return &sources->files[i];
	return NULL;
}

/* `path` as seen from the file that includes it. */
static const char *resolve(struct arena *arena, const struct config_text *from, const char *path)
{
	const char *slash = strrchr(from->name, '/');

	if (*path == '/' || !slash)
		return path;
	return arena_printf(arena, "%.*s/%s", (int)(slash - from->name), from->name, path);
}

/* NULL, or why not; then errno is of no use. */
static const char *read_open_file(struct config_sources *sources, int fd, struct config_text *file)
{
	struct stat st;
	size_t n = 0;

	if (fstat(fd, &st) < 0)
		return strerror(errno);
	if (S_ISDIR(st.st_mode))
		return strerror(EISDIR);
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	if (st.st_size > CONFIG_FILE_BYTES_MAX ||
	    sources->bytes + (size_t)st.st_size > CONFIG_BUNDLE_BYTES_MAX / 2)
		return "too large";
	/* One byte more tells whether it grew meanwhile. */
	char *bytes = arena_alloc(sources->arena, (size_t)st.st_size + 1);
	while (n <= (size_t)st.st_size) {
		ssize_t got = read(fd, bytes + n, (size_t)st.st_size + 1 - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return strerror(errno);
		if (got == 0)
			break;
		n += (size_t)got;
	}
	if (n > (size_t)st.st_size)
		return "it is being written at this moment";
	file->bytes = bytes;
	file->n = n;
	file->device = st.st_dev;
	file->inode = st.st_ino;
	sources->bytes += n;
	return NULL;
}

static const struct config_text *read_file(struct config_sources *sources, const char *name)
{
	static const struct config_text too_many = {.name = "this file", .error = "too many files"};
	if (sources->n_files == CONFIG_FILES_MAX)
		return &too_many;
	struct config_text *file = &sources->files[sources->n_files++];
	file->name = arena_text(sources->arena, span_of(name));
	/* Not blocking, in case it is a pipe that nobody writes to. */
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		file->error = arena_text(sources->arena, span_of(strerror(errno)));
		return file;
	}
	const char *error = read_open_file(sources, fd, file);
	close(fd);
	if (error)
		file->error = arena_text(sources->arena, span_of(error));
	return file;
}

static const struct config_text *live_file(void *ctx, const struct config_text *from, const char *path)
{
	struct config_sources *sources = ctx;
	const char *name = resolve(sources->arena, from, path);
	const struct config_text *known = find_file(sources, name);

	return known ? known : read_file(sources, name);
}

static const struct config_text *kept_file(void *ctx, const struct config_text *from, const char *path)
{
	static const struct config_text missing = {.name = "this file", .error = "it is not in the bundle"};
	const struct config_sources *sources = ctx;
	struct arena *scratch = arena_new();
	const struct config_text *known = find_file(sources, resolve(scratch, from, path));

	arena_free(scratch);
	return known ? known : &missing;
}

/* Variables. */

static const struct variable *find_variable(const struct config_sources *sources, const char *name)
{
	for (size_t i = 0; i < sources->n_variables; i++)
		if (strcmp(sources->variables[i].name, name) == 0)
			return &sources->variables[i];
	return NULL;
}

static const char *kept_variable(void *ctx, const char *name)
{
	const struct variable *known = find_variable(ctx, name);

	return known ? known->value : NULL;
}

static const char *live_variable(void *ctx, const char *name)
{
	struct config_sources *sources = ctx;
	const struct variable *known = find_variable(sources, name);

	if (known || sources->n_variables == CONFIG_VARIABLES_MAX)
		return known ? known->value : NULL;
	const char *value = getenv(name);
	struct variable *variable = &sources->variables[sources->n_variables++];
	variable->name = arena_text(sources->arena, span_of(name));
	/* What is too long for a word counts as not set, rather than being cut. */
	if (value && strlen(value) <= CONFIG_VARIABLE_MAX)
		variable->value = arena_text(sources->arena, span_of(value));
	return variable->value;
}

struct config_sources *config_sources_read(const char *path, struct config_report *report)
{
	struct config_sources *sources = sources_new();
	struct config_input input = {.ctx = sources, .variable = live_variable, .file = live_file};
	const struct config_text *main_file = read_file(sources, path);

	if (main_file->error) {
		config_report_add(report, path, 0, "cannot be read: %s", main_file->error);
		config_sources_free(sources);
		return NULL;
	}
	/* Its mistakes are not for now; what it asks for is. */
	struct arena *scratch = arena_new();
	struct config_report *unread = config_report_new();
	config_tree_parse(&input, main_file, scratch, unread);
	config_report_free(unread);
	arena_free(scratch);
	return sources;
}

struct config_sources *config_sources_from_text(const char *name, const char *text, size_t n)
{
	struct config_sources *sources = sources_new();

	sources->files[0].name = arena_text(sources->arena, span_of(name));
	sources->files[0].bytes = arena_text(sources->arena, (struct span){text, n});
	sources->files[0].n = n;
	sources->n_files = 1;
	return sources;
}

const struct config_text *config_sources_main(const struct config_sources *sources)
{
	return &sources->files[0];
}

struct config_input config_sources_input(const struct config_sources *sources)
{
	return (struct config_input){
		.ctx = (void *)(uintptr_t)sources, .variable = kept_variable, .file = kept_file};
}

/* The bundle. */

struct writer {
	unsigned char *bytes; /* NULL: only counts */
	size_t n;
};

static void put(struct writer *w, const void *from, size_t n)
{
	if (w->bytes && n)
		memcpy(w->bytes + w->n, from, n);
	w->n += n;
}

static void put_number(struct writer *w, uint64_t number)
{
	put(w, &number, sizeof number);
}

/* NULL is told from "". */
static void put_text(struct writer *w, const char *text, size_t n)
{
	put_number(w, text ? (uint64_t)n + 1 : 0);
	put(w, text, text ? n : 0);
}

static void put_all(struct writer *w, const struct config_sources *sources)
{
	put(w, BUNDLE_MAGIC, sizeof BUNDLE_MAGIC);
	put_number(w, sources->n_files);
	put_number(w, sources->n_variables);
	for (size_t i = 0; i < sources->n_files; i++) {
		const struct config_text *file = &sources->files[i];
		put_text(w, file->name, strlen(file->name));
		put_text(w, file->error, file->error ? strlen(file->error) : 0);
		put_text(w, file->error ? NULL : file->bytes, file->n);
		put_number(w, file->device);
		put_number(w, file->inode);
	}
	for (size_t i = 0; i < sources->n_variables; i++) {
		const struct variable *variable = &sources->variables[i];
		put_text(w, variable->name, strlen(variable->name));
		put_text(w, variable->value, variable->value ? strlen(variable->value) : 0);
	}
}

static int write_all(int fd, const unsigned char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t put_now = write(fd, bytes, n);
		if (put_now < 0 && errno != EINTR)
			return -errno;
		if (put_now > 0) {
			bytes += put_now;
			n -= (size_t)put_now;
		}
	}
	return 0;
}

int config_sources_to_fd(const struct config_sources *sources)
{
	struct writer size = {0}, writer = {0};

	put_all(&size, sources);
	if (size.n > CONFIG_BUNDLE_BYTES_MAX)
		return -EFBIG;
	int fd = memfd_create("hapair-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	writer.bytes = malloc(size.n);
	if (!writer.bytes)
		abort();
	put_all(&writer, sources);
	int error = write_all(fd, writer.bytes, writer.n);
	free(writer.bytes);
	if (error == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		error = -errno;
	if (error < 0) {
		close(fd);
		return error;
	}
	return fd;
}

struct reader {
	const unsigned char *p;
	size_t left;
	bool bad;
};

static void take(struct reader *r, void *to, size_t n)
{
	if (r->bad || r->left < n) {
		r->bad = true;
		memset(to, 0, n);
		return;
	}
	memcpy(to, r->p, n);
	r->p += n;
	r->left -= n;
}

static uint64_t take_number(struct reader *r)
{
	uint64_t number;

	take(r, &number, sizeof number);
	return number;
}

static const char *take_text(struct reader *r, struct arena *arena, size_t *ret_n)
{
	uint64_t n = take_number(r);

	*ret_n = 0;
	if (n == 0)
		return NULL;
	if (r->bad || n - 1 > r->left) {
		r->bad = true;
		return NULL;
	}
	char *text = arena_text(arena, (struct span){(const char *)r->p, (size_t)n - 1});
	*ret_n = (size_t)n - 1;
	r->p += n - 1;
	r->left -= (size_t)n - 1;
	return text;
}

static void take_file(struct reader *r, struct arena *arena, struct config_text *file)
{
	size_t n;

	file->name = take_text(r, arena, &n);
	file->error = take_text(r, arena, &n);
	file->bytes = take_text(r, arena, &file->n);
	file->device = take_number(r);
	file->inode = take_number(r);
	if (!file->name || (!file->error && !file->bytes))
		r->bad = true;
}

static void take_variable(struct reader *r, struct arena *arena, struct variable *variable)
{
	size_t n;

	variable->name = take_text(r, arena, &n);
	variable->value = take_text(r, arena, &n);
	if (!variable->name)
		r->bad = true;
}

struct config_sources *config_sources_from_bytes(const void *bytes, size_t n)
{
	struct config_sources *sources = sources_new();
	struct reader r = {.p = bytes, .left = n};
	char magic[sizeof BUNDLE_MAGIC];

	take(&r, magic, sizeof magic);
	uint64_t n_files = take_number(&r), n_variables = take_number(&r);
	if (memcmp(magic, BUNDLE_MAGIC, sizeof magic) != 0 || n_files == 0 || n_files > CONFIG_FILES_MAX ||
	    n_variables > CONFIG_VARIABLES_MAX)
		r.bad = true;
	for (; !r.bad && sources->n_files < n_files; sources->n_files++)
		take_file(&r, sources->arena, &sources->files[sources->n_files]);
	for (; !r.bad && sources->n_variables < n_variables; sources->n_variables++)
		take_variable(&r, sources->arena, &sources->variables[sources->n_variables]);
	if (r.bad || r.left || sources->files[0].error) {
		config_sources_free(sources);
		return NULL;
	}
	return sources;
}

struct config_sources *config_sources_from_fd(int fd)
{
	struct config_sources *sources = NULL;
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > CONFIG_BUNDLE_BYTES_MAX)
		return NULL;
	size_t size = (size_t)st.st_size, n = 0;
	unsigned char *bytes = malloc(size);
	if (!bytes)
		abort();
	/* By offset: the roles share one open file. */
	while (n < size) {
		ssize_t got = pread(fd, bytes + n, size - n, (off_t)n);
		if (got == 0 || (got < 0 && errno != EINTR))
			break;
		if (got > 0)
			n += (size_t)got;
	}
	if (n == size)
		sources = config_sources_from_bytes(bytes, n);
	free(bytes);
	return sources;
}
