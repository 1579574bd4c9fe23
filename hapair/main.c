/*
 * main.c: the one program: the options, the table of commands, and the way into a role when the supervisor executed us as one.
 */
#include "hapair/admin/admin.h"
#include "hapair/base/log.h"
#include "hapair/base/role.h"
#include "hapair/command_line.h"
#include "hapair/commands.h"
#include "hapair/completion.h"
#include "hapair/config/config.h"
#include "hapair/base/invocation.h"
#include "hapair/keygen.h"
#include "hapair/manual.h"
#include "hapair/runner.h"
#include "hapair/supervisor/spawn.h"
#include "hapair/supervisor/supervisor.h"
#include "heartbeat/heartbeat.h"
#include "proxy/proxy.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAPAIR_SANITIZED
/* The roles end with their event base and configuration still in use: that is no leak. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

static int command_version(const struct invocation *invocation, int argc, char **argv);
static int command_help(const struct invocation *invocation, int argc, char **argv);

static const struct command commands[] = {
	{"run", "", "this node, in the foreground, until SIGTERM; SIGHUP reloads", "hapair run", command_run},
	{"check", "", "read the configuration and print every mistake", "hapair -c new.conf check",
	 command_check},
	{"status", "[--json] [--watch]", "pair, links, VIPs, listeners, pools and servers, each with its age",
	 "hapair status --watch", command_status},
	{"events", "[--follow] [--json]", "what happened, when and why", "hapair events --follow",
	 command_events},
	{"switchover", "[--wait]",
	 "hand the VIP to the peer without breaking connections; --wait: until the last has ended",
	 "hapair switchover", command_switchover},
	{"server",
	 "list [POOL] | add POOL/NAME ADDRESS [weight=N] | weight POOL/NAME N | drain|ready|maint|remove "
	 "POOL/NAME",
	 "the servers: show them, change them on both nodes; kept over reloads and restarts",
	 "hapair server add web/s3 10.0.0.13:8080 weight=2", command_server},
	{"reload", "", "check the configuration, show the difference, apply it; refused whole if wrong",
	 "hapair reload", command_reload},
	{"init", "[FLAG ...]",
	 "write a configuration and a secret; what was not given is asked for on a terminal",
	 "hapair init --node alpha=10.0.0.1 --node beta=10.0.0.2 --vip 10.0.0.50/24 --server 10.0.0.11:8080",
	 command_init},
	{"import", "[--keepalived FILE] [--haproxy FILE] [--node NAME=ADDRESS[,ADDRESS] --node ...]",
	 "print a configuration made of theirs; what has no counterpart stands in it as a comment",
	 "hapair import --keepalived /etc/keepalived/keepalived.conf --haproxy /etc/haproxy/haproxy.cfg "
	 ">hapair.conf",
	 command_import},
	{"keygen", "FILE", "write a new secret for a pair", "hapair keygen /etc/hapair/secret.key",
	 command_keygen},
	{"version", "", "print the version", "hapair version", command_version},
	{"help", "[COMMAND | config]", "this, one command, or every option of the configuration",
	 "hapair help server", command_help},
};

static const struct command_option options[] = {
	{'c', "FILE", "the configuration, " INVOCATION_CONFIG "; the same on both nodes"},
	{'n', "NODE", "which node of it this is; else found by host name, then by link address"},
	{'r', "RUNDIR", INVOCATION_RUN_DIR "; " INVOCATION_CONTROL " lies there"},
	{'s', "STATEDIR", INVOCATION_STATE_DIR "/NODE; epoch, servers, events"},
	{'h', "", "help"},
	{'V', "", "the version"},
};

static const struct command_exit exits[] = {
	{EXIT_DONE, "done"},
	{EXIT_FAILED, "failed"},
	{EXIT_USAGE, "wrong usage"},
	{EXIT_NOT_SERVING, "status: the node is in fault or starting"},
	{EXIT_NO_DAEMON, "no daemon answers"},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define N_COMMANDS   COUNT(commands)

static const struct command_line command_line = {commands, COUNT(commands), options,
						 COUNT(options), exits,	    COUNT(exits)};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int no_command(const char *name)
{
	struct config_guess guess = {.word = name};
	char text[CONFIG_GUESS_MAX];

	for (size_t i = 0; i < N_COMMANDS; i++)
		config_guess_offer(&guess, commands[i].name);
	fprintf(stderr, "hapair: no command %s%s; see hapair help\n", name, config_guess_text(&guess, text));
	return EXIT_USAGE;
}

static void print_command(FILE *to, const struct command *c)
{
	fprintf(to, "usage: hapair [-c FILE] [-n NODE] [-r RUNDIR] [-s STATEDIR] %s%s%s\n", c->name,
		*c->synopsis ? " " : "", c->synopsis);
	fprintf(to, "  %s\n", c->does);
	if (c->run == command_init)
		command_init_flags(to);
	fprintf(to, "  example: %s\n", c->example);
}

static void print_help(FILE *to)
{
	fprintf(to, "usage: hapair [-c FILE] [-n NODE] [-r RUNDIR] [-s STATEDIR] COMMAND\n\n");
	for (size_t i = 0; i < N_COMMANDS; i++) {
		char call[300];

		snprintf(call, sizeof(call), "%s %s", commands[i].name, commands[i].synopsis);
		fprintf(to, strlen(call) > 48 ? "  %s\n%51s%s\n" : "  %-48s%s%s\n", call, " ",
			commands[i].does);
	}
	fputc('\n', to);
	for (size_t i = 0; i < COUNT(options); i++)
		fprintf(to, "  -%c %-9s %s\n", options[i].letter, options[i].argument, options[i].doc);
	fputs("\nexit status:\n", to);
	for (size_t i = 0; i < COUNT(exits); i++)
		fprintf(to, "  %-12d %s\n", exits[i].status, exits[i].doc);
}

int invocation_usage(const char *name)
{
	const struct command *c = find_command(name);

	if (c)
		print_command(stderr, c);
	else
		print_help(stderr);
	return EXIT_USAGE;
}

static int command_version(const struct invocation *invocation, int argc, char **argv)
{
	if (argc != 1)
		return invocation_usage("version");
	printf("hapair %s\n", HAPAIR_VERSION);
	return EXIT_DONE;
}

/* What the build asks for, under the names of the files. */
static const struct {
	const char *name;
	void (*print)(const struct command_line *line, FILE *to);
} papers[] = {
	{"hapair.8", manual_print_program},
	{"hapair.conf.5", manual_print_config},
	{"hapair.bash", completion_print_bash},
	{"hapair.zsh", completion_print_zsh},
};

static int command_help(const struct invocation *invocation, int argc, char **argv)
{
	const struct command *c;

	if (argc > 2)
		return invocation_usage("help");
	if (argc == 1) {
		print_help(stdout);
		return EXIT_DONE;
	}
	if (strcmp(argv[1], "config") == 0) {
		config_print_reference(stdout);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < COUNT(papers); i++)
		if (strcmp(argv[1], papers[i].name) == 0) {
			papers[i].print(&command_line, stdout);
			return EXIT_DONE;
		}
	c = find_command(argv[1]);
	if (!c)
		return no_command(argv[1]);
	print_command(stdout, c);
	return EXIT_DONE;
}

static char *title; /* argv[0] */

/* A role reads the same bytes with the same code as the supervisor did. */
static struct config *read_bundle(int fd)
{
	struct config_report *report = config_report_new();
	struct config_sources *sources = config_sources_from_fd(fd);
	struct config *config = NULL;

	if (sources && report)
		config = config_read(sources, report);
	if (!config && report)
		config_report_print(report, stderr);
	spawn_spare_begins(title);
	if (sources)
		config_sources_free(sources);
	if (report)
		config_report_free(report);
	return config;
}

static int run_role(const struct spawn_identity *identity)
{
	static const struct role_reader reader = {read_bundle, config_free};
	static const struct role_ops *const roles[ROLE_COUNT] = {
		[ROLE_HEARTBEAT] = &heartbeat_role,
		[ROLE_PROXY] = &proxy_role,
		[ROLE_ADMIN] = &admin_role,
		[ROLE_RUNNER] = &runner_role,
	};

	return role_run(roles[identity->role], &reader, identity->node, identity->run_dir,
			identity->state_dir, NULL);
}

/* A reader that went away, or a full disk, is a failure too. */
static int finish(int status)
{
	if (fflush(stdout) != 0 && status == EXIT_DONE) {
		perror("hapair: standard output");
		return EXIT_FAILED;
	}
	return status;
}

/* True: the options are good, and `optind` stands on the command. */
static bool parse_options(int argc, char **argv, struct invocation *ret)
{
	static const struct option longs[] = {
		{"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {0}};
	int option;

	/* "+": what follows the command is the command's. */
	while ((option = getopt_long(argc, argv, "+c:n:r:s:hV", longs, NULL)) != -1) {
		switch (option) {
		case 'c':
			ret->config = optarg;
			break;
		case 'n':
			ret->node = optarg;
			break;
		case 'r':
			ret->run_dir = optarg;
			break;
		case 's':
			ret->state_dir = optarg;
			break;
		case 'h':
			print_help(stdout);
			exit(finish(EXIT_DONE));
		case 'V':
			exit(finish(command_version(ret, 1, NULL)));
		default:
			return false;
		}
	}
	return optind < argc && *ret->config && *ret->run_dir;
}

int main(int argc, char **argv)
{
	struct invocation invocation = {INVOCATION_CONFIG, "", INVOCATION_RUN_DIR, ""};
	struct spawn_identity identity;
	const struct command *c;

	title = argv[0];
	if (argc == 1 && spawn_am_role(argv[0], &identity))
		return run_role(&identity);
	if (!parse_options(argc, argv, &invocation)) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	c = find_command(argv[optind]);
	if (!c)
		return no_command(argv[optind]);
	argc -= optind;
	argv += optind;
	optind = 1;
	return finish(c->run(&invocation, argc, argv));
}
