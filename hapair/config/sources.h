/*
 * sources.h: the main file and all that it includes, as bytes, with the values of the environment that
 * they name.
 */
#ifndef HAPAIR_CONFIG_SOURCES_H
#define HAPAIR_CONFIG_SOURCES_H

#include "hapair/config/report.h"
#include "hapair/config/tree.h"

#include <stddef.h>

#define CONFIG_FILE_BYTES_MAX   (1024 * 1024)
#define CONFIG_FILES_MAX        128
#define CONFIG_VARIABLES_MAX    256
#define CONFIG_VARIABLE_MAX     4096 /* bytes in a value */
#define CONFIG_BUNDLE_BYTES_MAX (8 * 1024 * 1024)

struct config_sources;

/*
 * Reads from disk and environment. NULL when the main file can't be read (reported); what is wrong with an
 * include or a variable is remembered and reported by config_read(), at the line that names it.
 */
struct config_sources *config_sources_read(const char *path, struct config_report *report);
/* One file that needs no disk, for tests: what it includes does not exist, no variable is set. */
struct config_sources *config_sources_from_text(const char *name, const char *text, size_t n);
void config_sources_free(struct config_sources *sources); /* NULL is allowed */

int config_sources_to_fd(
	const struct config_sources *sources); /* a sealed memfd, or negative errno; the caller closes it */
/* Reads the whole of it by pread(2) and leaves it open. NULL: not a bundle of ours. */
struct config_sources *config_sources_from_fd(int fd);
/* The bundle's bytes; from_fd's inside, for the fuzzer. */
struct config_sources *config_sources_from_bytes(const void *bytes, size_t n);

/* For the parser: nothing but what was read. */
const struct config_text *config_sources_main(const struct config_sources *sources);
struct config_input config_sources_input(const struct config_sources *sources);

#endif
