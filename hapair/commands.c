/*
 * commands.c: the commands that do something: switchover, reload, server. They post to the control socket and print the answer.
 */
#include "hapair/commands.h"
#include "hapair/base/addr.h"
#include "hapair/config/report.h"
#include "hapair/admin/control_client.h"
#include "hapair/status_text.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A little more than admin itself waits (admin/commands.c), so that its explanation arrives. */
#define SWITCHOVER_TIMEOUT_S 20
#define RELOAD_TIMEOUT_S     70
#define SERVER_TIMEOUT_S     10

static const char *field(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

/* Text of several lines, with a newline at its end. */
static void print_block(const char *text, FILE *to)
{
	size_t n = strlen(text);

	if (n)
		fprintf(to, "%s%s", text, text[n - 1] == '\n' ? "" : "\n");
}

/* Posts; NULL and the exit status when there is no answer or it is an error, which is printed. Else a new reference. */
static json_t *post(const struct invocation *invocation, const char *target, unsigned timeout_s,
		    int *ret_exit)
{
	char *body;
	int http, r = control_request(invocation->run_dir, "POST", target, timeout_s, &http, &body);
	json_t *json;

	if (r < 0) {
		control_explain(invocation->run_dir, r, stderr);
		*ret_exit = control_no_daemon(r) ? EXIT_NO_DAEMON : EXIT_FAILED;
		return NULL;
	}
	json = json_loads(body, 0, NULL);
	free(body);
	*ret_exit = EXIT_FAILED;
	if (http == 200 && json_is_object(json)) {
		*ret_exit = EXIT_DONE;
		return json;
	}
	print_block(field(json, "mistakes"), stderr);
	if (*field(json, "error"))
		fprintf(stderr, "hapair: %s\n", field(json, "error"));
	else
		fprintf(stderr, "hapair: the daemon answered with HTTP %d\n", http);
	json_decref(json);
	return NULL;
}

/* A command without arguments; NULL and the exit status as post(). */
static json_t *post_plain(const struct invocation *invocation, int argc, char **argv, const char *target,
			  unsigned timeout_s, int *ret_exit)
{
	if (argc == 1)
		return post(invocation, target, timeout_s, ret_exit);
	*ret_exit = invocation_usage(argv[0]);
	return NULL;
}

/* Says how many connections are left, whenever that changes, until the drain is over. The status is asked once a second. */
static int wait_for_drain(const struct invocation *invocation)
{
	json_int_t told = -1;

	for (;;) {
		int exit_status;
		char *text;
		json_t *status = command_fetch_status(invocation, &text, &exit_status);
		const json_t *drain = json_object_get(status, "drain");
		json_int_t left = json_integer_value(json_object_get(drain, "left"));
		bool over = status && !json_is_object(drain);

		if (!over && status && json_is_integer(json_object_get(drain, "left")) && left != told) {
			printf("%" JSON_INTEGER_FORMAT " connections left\n", left);
			fflush(stdout);
			told = left;
		}
		json_decref(status);
		if (status)
			free(text);
		if (over)
			puts("the drain is over");
		if (over || !status)
			return over ? EXIT_DONE : exit_status;
		sleep(1);
	}
}

int command_switchover(const struct invocation *invocation, int argc, char **argv)
{
	bool wait = argc == 2 && strcmp(argv[1], "--wait") == 0;
	int exit_status;
	json_t *answer = post_plain(invocation, wait ? 1 : argc, argv, "/v1/switchover", SWITCHOVER_TIMEOUT_S,
				    &exit_status);

	if (answer)
		printf("%s (%" JSON_INTEGER_FORMAT " ms)\n",
		       *field(answer, "text") ? field(answer, "text") : "done",
		       json_integer_value(json_object_get(answer, "took_ms")));
	fflush(stdout);
	if (answer && wait)
		exit_status = wait_for_drain(invocation);
	json_decref(answer);
	return exit_status;
}

int command_reload(const struct invocation *invocation, int argc, char **argv)
{
	int exit_status;
	json_t *answer = post_plain(invocation, argc, argv, "/v1/reload", RELOAD_TIMEOUT_S, &exit_status);

	if (answer && *field(answer, "difference"))
		print_block(field(answer, "difference"), stdout);
	else if (answer)
		puts("nothing has changed");
	json_decref(answer);
	return exit_status;
}

static int no_pool(const json_t *json, const char *name)
{
	struct config_guess guess = {.word = name};
	char text[CONFIG_GUESS_MAX];
	const json_t *pool;
	size_t i;

	json_array_foreach(json_object_get(json, "pools"), i, pool)
		config_guess_offer(&guess, field(pool, "name"));
	fprintf(stderr, "hapair: no pool %s%s\n", name, config_guess_text(&guess, text));
	return EXIT_FAILED;
}

static int server_list(const struct invocation *invocation, const char *pool)
{
	int exit_status;
	char *text;
	json_t *json = command_fetch_status(invocation, &text, &exit_status);

	if (!json)
		return exit_status;
	exit_status = EXIT_DONE;
	if (!status_text_print_servers(json, pool, stdout, status_text_wants_colour()))
		exit_status = no_pool(json, pool);
	json_decref(json);
	free(text);
	return exit_status;
}

/* The words of a server's sub-command: POOL/NAME and what follows it, into a query. */
struct server_verb {
	const char *name;
	int least, most; /* words after the verb */
	const char *query; /* of the first word after the name; NULL: takes none */
};

static const struct server_verb server_verbs[] = {
	{"drain", 1, 1, NULL},     {"ready", 1, 1, NULL},       {"maint", 1, 1, NULL},
	{"add", 2, 3, "address="}, {"remove", 1, 1, NULL},      {"weight", 2, 2, "weight="},
};

/* Words that a query would have to escape are no address and no number: the daemon need not see them. */
static bool is_plain(const char *word)
{
	static const char allowed[] = "ABCDEFabcdef0123456789.:[]";

	return *word && word[strspn(word, allowed)] == '\0';
}

/* The request's target, or NULL where a word is not what it should be (said on standard error). */
static char *server_target(const struct server_verb *verb, int argc, char **argv)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/";
	const char *name = argv[0], *slash = strchr(name, '/'), *value = argc > 1 ? argv[1] : "", *weight = "";
	char escaped[3 * ADDR_TEXT_MAX + 1] = "", *target;

	if (!slash || slash == name || !slash[1] || strchr(slash + 1, '/') || name[strspn(name, allowed)]) {
		fprintf(stderr, "hapair: a server is named POOL/NAME, not \"%s\"\n", name);
		return NULL;
	}
	if (argc > 1 && (!is_plain(value) || strlen(value) >= ADDR_TEXT_MAX)) {
		fprintf(stderr, "hapair: \"%s\" is not %s\n", value,
			strcmp(verb->name, "add") == 0 ? "an address like 10.0.0.13:8080" : "a weight");
		return NULL;
	}
	if (argc > 2) {
		if (strncmp(argv[2], "weight=", 7) != 0 || !is_plain(argv[2] + 7)) {
			fprintf(stderr, "hapair: weight=N is expected, not \"%s\"\n", argv[2]);
			return NULL;
		}
		weight = argv[2];
	}
	for (char *to = escaped; *value; value++)
		to += sprintf(to, strchr("[]", *value) ? "%%%02X" : "%c", (unsigned char)*value);
	return asprintf(&target, "/v1/servers/%s/%s%s%s%s%s%s", name, verb->name, argc > 1 ? "?" : "",
			argc > 1 ? verb->query : "", escaped, *weight ? "&" : "", weight) < 0
		       ? NULL
		       : target;
}

static int server_set(const struct invocation *invocation, const struct server_verb *verb, int argc,
		      char **argv)
{
	char *target = server_target(verb, argc, argv);
	int exit_status;
	json_t *answer;

	if (!target)
		return EXIT_USAGE;
	answer = post(invocation, target, SERVER_TIMEOUT_S, &exit_status);
	free(target);
	if (!answer)
		return exit_status;
	printf("%s: %s", argv[0], verb->name);
	for (int i = 1; i < argc; i++)
		printf(" %s", argv[i]);
	printf("%s%s\n", *field(answer, "text") ? ", " : "", field(answer, "text"));
	json_decref(answer);
	return exit_status;
}

int command_server(const struct invocation *invocation, int argc, char **argv)
{
	struct config_guess guess = {.word = argc > 1 ? argv[1] : ""};
	char text[CONFIG_GUESS_MAX];

	if (argc < 2)
		return invocation_usage(argv[0]);
	if (strcmp(argv[1], "list") == 0)
		return argc > 3 ? invocation_usage(argv[0])
				: server_list(invocation, argc == 3 ? argv[2] : NULL);
	config_guess_offer(&guess, "list");
	for (size_t i = 0; i < sizeof(server_verbs) / sizeof(server_verbs[0]); i++) {
		const struct server_verb *verb = &server_verbs[i];
		int words = argc - 2;

		config_guess_offer(&guess, verb->name);
		if (strcmp(argv[1], verb->name) == 0)
			return words < verb->least || words > verb->most
				       ? invocation_usage(argv[0])
				       : server_set(invocation, verb, words, argv + 2);
	}
	fprintf(stderr, "hapair: no command server %s%s\n", argv[1], config_guess_text(&guess, text));
	return invocation_usage(argv[0]);
}
