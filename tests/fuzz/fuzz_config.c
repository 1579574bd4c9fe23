/* rooms: hapair/config/arena.c hapair/config/config.c hapair/config/build.c hapair/config/facts.c hapair/config/lex.c
 * rooms: hapair/config/machine.c hapair/config/options.c hapair/config/report.c hapair/config/rules.c hapair/config/set.c
 * rooms: hapair/config/sources.c hapair/config/tree.c hapair/config/value.c hapair/base/addr.c hapair/base/secret.c heartbeat/lease.c
 * parsers: hapair/config/lex.c hapair/config/tree.c hapair/config/value.c
 *
 * Configurations from anywhere. The input is the main file; byte 0x1f separates it from files that it may include as "1", "2",
 * and so on. Variables whose names begin with S are set. What begins like a bundle is read as one, too.
 *
 * Must hold: reading ends, each mistake has a line, a configuration without mistakes equals itself and has one digest.
 */
#include "hapair/config/config.h"
#include "hapair/config/build.h"
#include "hapair/config/facts.h"
#include "hapair/config/rules.h"
#include "hapair/config/value.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILES_MAX 4

struct files {
	struct config_text texts[FILES_MAX];
	struct config_text missing;
};

static const char *variable(void *ctx, const char *name)
{
	static const char odd[] = "a\nb";

	if (strcmp(name, "SPACES") == 0)
		return "two words } = {";
	if (strcmp(name, "STRANGE") == 0)
		return odd;
	return name[0] == 'S' ? "8080" : NULL;
}

static const struct config_text *file(void *ctx, const struct config_text *from, const char *path)
{
	struct files *files = ctx;

	for (size_t i = 0; i < FILES_MAX; i++)
		if (files->texts[i].bytes && strcmp(files->texts[i].name, path) == 0)
			return &files->texts[i];
	return &files->missing;
}

static void read_text(const uint8_t *data, size_t size)
{
	static const char *const names[FILES_MAX] = {"main", "1", "2", "3"};
	struct files files = {.missing = {.name = "missing", .error = "missing"}};
	const char *p = (const char *)data, *end = p + size;

	for (size_t i = 0; i < FILES_MAX; i++) {
		const char *stop = end > p ? memchr(p, 0x1f, (size_t)(end - p)) : NULL;
		files.texts[i] = (struct config_text){
			.name = names[i], .bytes = p, .n = (size_t)((stop ? stop : end) - p)};
		if (!stop)
			break;
		p = stop + 1;
	}
	struct config_input input = {.ctx = &files, .variable = variable, .file = file};
	struct arena *arena = arena_new();
	struct config_report *report = config_report_new();
	struct config_item *tree = config_tree_parse(&input, &files.texts[0], arena, report);
	struct config *config = config_build(tree, "main", arena, report);
	config_check_rules(config, report);
	if (config_report_count(report) == 0) {
		struct config_facts facts = config_facts_of(config, arena);
		uint8_t digest[CONFIG_DIGEST];
		config_facts_digest(&facts, digest);
		char *difference = config_difference(config, config);
		if (*difference)
			abort();
		free(difference);
	} else {
		char *text = NULL;
		size_t n = 0;
		FILE *out = open_memstream(&text, &n);
		config_report_print(report, out);
		fclose(out);
		for (char *line = text; *line; line = strchr(line, '\n') + 1)
			if (!strchr(line, ':') && strncmp(line, "and ", 4) != 0)
				abort();
		free(text);
	}
	config_report_free(report);
	arena_free(arena);
}

static void read_sources(struct config_sources *sources)
{
	struct config_report *report = config_report_new();
	struct config *config = sources ? config_read(sources, report) : NULL;
	const char *where;
	unsigned line;

	if (config)
		config_where_key(config, "cluster", 0, "interval", &where, &line);
	if (sources && !config != (config_report_count(report) > 0))
		abort();
	config_free(config);
	config_report_free(report);
	config_sources_free(sources);
}

/* As if the input were one word: what is read comes back the same when it is written and read again. */
static void read_value(const uint8_t *data, size_t size)
{
	char *word = strndup((const char *)data, size), text[CONFIG_VALUE_TEXT];
	nanos duration, duration_again;
	uint64_t bytes, bytes_again;

	if (!word)
		abort();
	if (!config_duration_parse(word, &duration) &&
	    (config_duration_parse(config_duration_text(duration, text), &duration_again) ||
	     duration != duration_again))
		abort();
	if (!config_size_parse(word, &bytes) &&
	    (config_size_parse(config_size_text(bytes, text), &bytes_again) || bytes != bytes_again))
		abort();
	if (!config_count_parse(word, &bytes) && word[strspn(word, "0123456789")])
		abort();
	config_name_wrong(word);
	config_interface_wrong(word);
	config_user_wrong(word);
	config_file_wrong(word);
	config_host_wrong(word, 0);
	config_host_wrong(word, 1);
	config_path_wrong(word);
	config_prefix_wrong(word);
	free(word);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_text(data, size);
	if (size <= 5000)
		read_value(data, size);
	read_sources(config_sources_from_bytes(data, size));
	return 0;
}
