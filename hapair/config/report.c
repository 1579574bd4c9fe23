/*
 * report.c: collects mistakes, sorts them and prints them.
 */
#include "hapair/config/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX  512 /* of one mistake */
#define GUESS_LEN 64  /* longer words are not worth a guess */

struct mistake {
	size_t file; /* index in files */
	unsigned line;
	size_t serial; /* keeps the order among the mistakes of one line */
	char text[TEXT_MAX];
};

struct config_report {
	char **files;
	size_t n_files;
	struct mistake *mistakes[CONFIG_REPORT_MAX];
	size_t n_kept, n;
};

static void *checked(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

struct config_report *config_report_new(void)
{
	return checked(calloc(1, sizeof(struct config_report)));
}

void config_report_free(struct config_report *report)
{
	if (!report)
		return;
	for (size_t i = 0; i < report->n_kept; i++)
		free(report->mistakes[i]);
	for (size_t i = 0; i < report->n_files; i++)
		free(report->files[i]);
	free(report->files);
	free(report);
}

static size_t file_index(struct config_report *report, const char *file)
{
	for (size_t i = 0; i < report->n_files; i++)
		if (strcmp(report->files[i], file) == 0)
			return i;
	report->files = checked(realloc(report->files, (report->n_files + 1) * sizeof *report->files));
	report->files[report->n_files] = checked(strdup(file));
	return report->n_files++;
}

void config_report_file(struct config_report *report, const char *file)
{
	file_index(report, file);
}

/* What stands in a file may go to a terminal or a log. */
static void tame(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static int known(const struct config_report *report, const struct mistake *mistake)
{
	for (size_t i = 0; i < report->n_kept; i++) {
		const struct mistake *other = report->mistakes[i];
		if (other->file == mistake->file && other->line == mistake->line &&
		    strcmp(other->text, mistake->text) == 0)
			return 1;
	}
	return 0;
}

void config_report_add(struct config_report *report, const char *file, unsigned line, const char *format, ...)
{
	struct mistake mistake = {.file = file_index(report, file), .line = line, .serial = report->n_kept};
	va_list args;

	va_start(args, format);
	vsnprintf(mistake.text, sizeof mistake.text, format, args);
	va_end(args);
	tame(mistake.text);
	if (known(report, &mistake))
		return;
	report->n++;
	if (report->n_kept == CONFIG_REPORT_MAX)
		return;
	struct mistake *kept = checked(malloc(sizeof *kept));
	*kept = mistake;
	report->mistakes[report->n_kept++] = kept;
}

size_t config_report_count(const struct config_report *report)
{
	return report->n;
}

static int by_place(const void *left, const void *right)
{
	const struct mistake *a = *(struct mistake *const *)left, *b = *(struct mistake *const *)right;

	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->serial < b->serial ? -1 : 1;
}

void config_report_print(const struct config_report *report, FILE *to)
{
	struct mistake *sorted[CONFIG_REPORT_MAX];

	memcpy(sorted, report->mistakes, sizeof sorted);
	qsort(sorted, report->n_kept, sizeof *sorted, by_place);
	for (size_t i = 0; i < report->n_kept; i++) {
		const char *file = report->files[sorted[i]->file];
		if (sorted[i]->line)
			fprintf(to, "%s:%u: %s\n", file, sorted[i]->line, sorted[i]->text);
		else
			fprintf(to, "%s: %s\n", file, sorted[i]->text);
	}
	if (report->n > report->n_kept)
		fprintf(to, "and %zu more mistakes\n", report->n - report->n_kept);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: insert, delete, replace, or swap two neighbours, each once per place. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][GUESS_LEN + 1];
	size_t *two_up = rows[0], *up = rows[1], *row = rows[2];
	size_t n = strlen(a), m = strlen(b);

	for (size_t j = 0; j <= m; j++)
		up[j] = j;
	for (size_t i = 1; i <= n; i++) {
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			row[j] = least(up[j - 1] + (a[i - 1] != b[j - 1]), least(up[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], two_up[j - 2] + 1);
		}
		size_t *recycled = two_up;
		two_up = up;
		up = row;
		row = recycled;
	}
	return up[m];
}

void config_guess_offer(struct config_guess *guess, const char *candidate)
{
	size_t n = strlen(guess->word), m = strlen(candidate);

	if (n == 0 || m == 0 || n > GUESS_LEN || m > GUESS_LEN)
		return;
	size_t d = distance(guess->word, candidate);
	/* A third of the word may be wrong, but never the whole of it. */
	size_t allowed = 1 + (n > m ? n : m) / 4;
	if (d > allowed || d >= least(n, m))
		return;
	if (!guess->best || d < guess->distance) {
		guess->best = candidate;
		guess->distance = d;
	}
}

const char *config_guess_text(const struct config_guess *guess, char out[CONFIG_GUESS_MAX])
{
	if (guess->best && guess->distance > 0)
		snprintf(out, CONFIG_GUESS_MAX, "; did you mean \"%s\"?", guess->best);
	else
		out[0] = '\0';
	return out;
}
