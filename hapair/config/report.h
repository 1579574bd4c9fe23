/*
 * report.h: the mistakes of a configuration, all of them, in the order of the files.
 *
 * Each is `file:line: what; did you mean "..."?`. Line 0 stands for the file as a whole and is left out.
 */
#ifndef HAPAIR_CONFIG_REPORT_H
#define HAPAIR_CONFIG_REPORT_H

#include <stddef.h>
#include <stdio.h>

#define CONFIG_REPORT_MAX 200 /* mistakes that are kept; the rest is counted */

struct config_report;

struct config_report *config_report_new(void);
void config_report_free(struct config_report *report);

/* Names a file, in the order in which files are read; mistakes are printed in that order, then by line. */
void config_report_file(struct config_report *report, const char *file);
/* Control characters in the text are replaced. The very same mistake is kept once (a file may be included
 * twice). */
void config_report_add(struct config_report *report, const char *file, unsigned line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
size_t config_report_count(const struct config_report *report); /* mistakes; 0: all is well */
void config_report_print(const struct config_report *report, FILE *to);

/*
 * Did you mean? The candidate nearest to `word` (transposed neighbours count as one change), or NULL where
 * none is near enough to be worth a question. Offer candidates one by one.
 */
struct config_guess {
	const char *word;
	const char *best; /* NULL: none yet */
	size_t distance;  /* of best */
};

void config_guess_offer(struct config_guess *guess, const char *candidate);

/* `; did you mean "best"?`, or "". */
#define CONFIG_GUESS_MAX 112
const char *config_guess_text(const struct config_guess *guess, char out[CONFIG_GUESS_MAX]);

#endif
