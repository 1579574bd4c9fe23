/*
 * commands_init.c: `hapair init`: from answers, given as flags or asked for on a terminal, to a configuration and a secret.
 *
 * Both files are written beside their place and renamed into it. A secret that is there stays, since the other node has it too.
 */
#include "hapair/commands.h"
#include "hapair/config/config.h"
#include "hapair/init/setup.h"
#include "hapair/keygen.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INIT_DIRECTORY "/etc/hapair" /* what the unit of systemd reads */
#define INIT_FORCE     'f'

static void complain(const char *about, const char *mistakes)
{
	for (const char *line = mistakes; *line;) {
		size_t n = strcspn(line, "\n");

		fprintf(stderr, "hapair: %s: %.*s\n", about, (int)n, line);
		line += n + (line[n] == '\n');
	}
}

/* Flags. */

void command_init_flags(FILE *to)
{
	for (int q = 0; q < SETUP_QUESTIONS; q++) {
		const struct setup_row *row = &setup_rows[q];
		char call[64];

		snprintf(call, sizeof call, "--%s %s", row->flag, row->form);
		fprintf(to, "  %-34s %s%s%s%s\n", call, row->asks,
			row->fallback          ? "; else "
			: row->max == row->min ? "; once for each"
					       : "; one or more",
			row->fallback ? row->fallback : "",
			row->fallback && row->max > 1 ? "; several are possible" : "");
	}
	fprintf(to, "  %-34s %s\n", "--force",
		"replace a configuration that is there; a secret that is there stays in any case");
}

static int usage(const char *why, const char *what)
{
	if (why)
		fprintf(stderr, "hapair: init: %s%s\n", why, what);
	return invocation_usage("init");
}

/* Every wrong flag is told; false if there was one. */
static bool take_flags(struct setup *setup, int argc, char **argv, bool *ret_force, int *ret_exit)
{
	struct option longs[SETUP_QUESTIONS + 2] = {{0}};
	bool good = true;
	int option;

	for (int q = 0; q < SETUP_QUESTIONS; q++)
		longs[q] = (struct option){setup_rows[q].flag, required_argument, NULL, 256 + q};
	longs[SETUP_QUESTIONS] = (struct option){"force", no_argument, NULL, INIT_FORCE};
	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		const char *why;
		char about[4096 + 32];

		if (option == '?') {
			*ret_exit = usage(NULL, "");
			return false;
		}
		if (option == INIT_FORCE) {
			*ret_force = true;
			continue;
		}
		why = setup_answer(setup, (enum setup_question)(option - 256), optarg);
		if (!why)
			continue;
		snprintf(about, sizeof about, "--%s %s", setup_rows[option - 256].flag, optarg);
		complain(about, why);
		*ret_exit = EXIT_USAGE;
		good = false;
	}
	if (good && optind < argc) {
		*ret_exit = usage("what is this: ", argv[optind]);
		return false;
	}
	return good;
}

/* Prompts. */

/* One answer without its newline, malloc'd; NULL at the end of input. */
static char *read_answer(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	fflush(stdout);
	n = getline(&line, &size, stdin);
	if (n < 0) {
		free(line);
		return NULL;
	}
	line[strcspn(line, "\r\n")] = '\0';
	return line;
}

/* Until there are `min` good answers; then an empty one ends it. False: the input has ended. */
static bool ask(struct setup *setup, enum setup_question question)
{
	const struct setup_row *row = &setup_rows[question];

	if (setup_answers(setup, question) >= row->min && setup_answers(setup, question) > 0)
		return true;
	printf("%s, as %s", row->asks, row->form);
	if (row->fallback)
		printf(" (or empty: %s)", row->fallback);
	else if (row->max > row->min)
		printf("; after the last an empty line");
	puts("");
	while (setup_answers(setup, question) < row->max) {
		size_t n = setup_answers(setup, question);
		const char *why;
		char *answer;

		printf("  %s %zu: ", row->flag, n + 1);
		answer = read_answer();
		if (!answer)
			return false;
		if (!*answer && n >= row->min) {
			free(answer);
			return true;
		}
		why = *answer ? setup_answer(setup, question, answer) : "needs an answer";
		if (why)
			printf("    %s\n", why);
		free(answer);
	}
	return true;
}

/* What a terminal is asked when flags are missing. */
static bool ask_all(struct setup *setup)
{
	const char *missing;

	for (enum setup_question q = 0; q < SETUP_QUESTIONS; q++)
		if (setup_rows[q].prompted && !(q == SETUP_CHECK && setup_answers(setup, SETUP_TCP)) &&
		    !ask(setup, q))
			return false;
	while ((missing = setup_missing(setup))) { /* a pool that only --http or --tcp names */
		const char *why;
		char *answer;

		printf("still missing: %s\n", missing);
		if (strncmp(missing, "--server", 8) != 0)
			return false;
		printf("  server: ");
		answer = read_answer();
		if (!answer)
			return false;
		why = setup_answer(setup, SETUP_SERVER, answer);
		if (why)
			printf("    %s\n", why);
		free(answer);
	}
	return true;
}

/* Files. */

static int sync_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644), r = 0;
	size_t n = strlen(text);

	if (fd < 0)
		return -errno;
	while (n > 0 && r == 0) {
		ssize_t written = write(fd, text, n);

		if (written < 0 && errno != EINTR)
			r = -errno;
		if (written > 0) {
			text += written;
			n -= (size_t)written;
		}
	}
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r < 0)
		unlink(path);
	return r;
}

/* Renames into its place; -EEXIST where there is one and it may not be replaced. */
static int put(const char *from, const char *to, bool replace)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, replace ? 0 : RENAME_NOREPLACE) == 0)
		return 0;
	int r = -errno;
	unlink(from);
	return r;
}

struct files {
	char *directory, *config, *secret, *config_new, *secret_new;
};

static bool name_files(struct files *f, const char *directory)
{
	*f = (struct files){0};
	f->directory = strdup(directory);
	return f->directory && asprintf(&f->config, "%s/hapair.conf", directory) >= 0 &&
	       asprintf(&f->secret, "%s/secret.key", directory) >= 0 &&
	       asprintf(&f->config_new, "%s/.hapair.conf.%d", directory, (int)getpid()) >= 0 &&
	       asprintf(&f->secret_new, "%s/.secret.key.%d", directory, (int)getpid()) >= 0;
}

static void forget_files(struct files *f)
{
	free(f->directory);
	free(f->config);
	free(f->secret);
	free(f->config_new);
	free(f->secret_new);
}

static int failed(const char *path, int r)
{
	fprintf(stderr, "hapair: %s: %s\n", path, strerror(-r));
	return EXIT_FAILED;
}

static int write_files(const struct files *f, const char *text, bool force)
{
	bool had_secret = access(f->secret, F_OK) == 0;
	int r;

	if (!force && access(f->config, F_OK) == 0) {
		fprintf(stderr, "hapair: %s is there already; --force replaces it\n", f->config);
		return EXIT_FAILED;
	}
	if (mkdir(f->directory, 0755) < 0 && errno != EEXIST)
		return failed(f->directory, -errno);
	r = write_text(f->config_new, text);
	if (r < 0)
		return failed(f->config_new, r);
	if (!had_secret) {
		r = keygen_write(f->secret_new);
		if (r == 0)
			r = put(f->secret_new, f->secret, false);
	}
	if (r < 0) {
		unlink(f->config_new);
		return failed(f->secret, r);
	}
	r = put(f->config_new, f->config, force);
	if (r == 0)
		r = sync_directory(f->directory);
	if (r < 0)
		return failed(f->config, r);
	printf("%s %s\nwrote %s\n", had_secret ? "kept" : "wrote", f->secret, f->config);
	return EXIT_DONE;
}

/* As `hapair check`; on a machine that is none of the nodes only the text. *ret_node: which it is, or -1. */
static int check(const struct invocation *invocation, const struct files *f, int *ret_node)
{
	struct config_report *report = config_report_new(), *lost = config_report_new();
	struct config_sources *sources = config_sources_read(f->config, report);
	struct config *config = sources ? config_read(sources, report) : NULL;
	int node =
		config ? config_find_node(config, invocation->node, *invocation->node ? report : lost) : -1;

	if (node >= 0)
		config_check_machine(config, (size_t)node, report);
	if (config_report_count(report) == 0)
		printf("%s: good%s%s\n", f->config, node >= 0 ? ", as node " : "",
		       node >= 0 ? config->nodes[node].name : "; this machine is neither node");
	else
		config_report_print(report, stderr);
	int status = config_report_count(report) == 0 ? EXIT_DONE : EXIT_FAILED;
	*ret_node = node;
	config_free(config);
	config_sources_free(sources);
	config_report_free(lost);
	config_report_free(report);
	return status;
}

/* The commands that are left to type. `node` is this machine in the order of their names, -1: neither. */
static void print_next(const struct setup *setup, const struct files *f, int node)
{
	bool usual = strcmp(f->directory, INIT_DIRECTORY) == 0;
	const char *start = "systemctl enable --now hapair";
	char *own = NULL;
	size_t first = strcmp(setup_node_name(setup, 0), setup_node_name(setup, 1)) < 0
			       ? 0
			       : 1; /* the reader sorts */

	if (!usual && asprintf(&own, "hapair -c %s run", f->config) >= 0)
		start = own;
	for (size_t i = 0; i < 2; i++) {
		size_t other = node < 0 ? i : ((size_t)node == 0 ? 1 - first : first);
		const char *address = setup_node_address(setup, other);
		bool ipv6 = strchr(address, ':');

		if (node >= 0 && i > 0)
			break;
		printf("\nfor %s:\n", setup_node_name(setup, other));
		if (!usual)
			printf("  ssh root@%s mkdir -p %s\n", address, f->directory);
		printf("  scp -p %s %s root@%s%s%s:%s/\n  ssh root@%s %s\n", f->config, f->secret,
		       ipv6 ? "[" : "", address, ipv6 ? "]" : "", f->directory, address, start);
	}
	if (node >= 0)
		printf("\nhere:\n  %s\n", start);
	printf("\nthen ask for something: curl http%s://%s/\n", setup_answers(setup, SETUP_TLS) ? "s" : "",
	       setup_vip_address(setup));
	free(own);
}

static int init(const struct invocation *invocation, struct setup *setup, int argc, char **argv)
{
	bool force = false;
	int status = EXIT_FAILED, node;
	const char *missing;
	struct files files;

	if (!take_flags(setup, argc, argv, &force, &status))
		return status;
	missing = setup_missing(setup);
	if (missing && !isatty(STDIN_FILENO))
		return usage("missing: ", missing);
	if (missing && !ask_all(setup)) {
		fprintf(stderr, "\nhapair: the answers ended too early; nothing was written\n");
		return EXIT_FAILED;
	}
	if (name_files(&files, setup_directory(setup)))
		status = write_files(&files, setup_text(setup), force);
	else
		fprintf(stderr, "hapair: out of memory\n");
	if (status == EXIT_DONE) {
		status = check(invocation, &files, &node);
		print_next(setup, &files, node);
	}
	forget_files(&files);
	return status;
}

int command_init(const struct invocation *invocation, int argc, char **argv)
{
	struct arena *arena = arena_new();
	int status = init(invocation, setup_new(arena), argc, argv);

	arena_free(arena);
	return status;
}
