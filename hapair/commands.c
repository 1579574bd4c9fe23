/*
 * commands.c: the commands that do something: switchover, reload, server. They post to the control socket and print the answer.
 */
#include "hapair/commands.h"
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

/* POOL/NAME, into the path of the request. Names have none of the characters that a path would have to escape. */
static int server_set(const struct invocation *invocation, const char *verb, const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/";
	const char *slash = strchr(name, '/');
	int exit_status;
	json_t *answer;
	char *target;

	if (!slash || slash == name || !slash[1] || strchr(slash + 1, '/') || name[strspn(name, allowed)]) {
		fprintf(stderr, "hapair: a server is named POOL/NAME, not \"%s\"\n", name);
		return EXIT_USAGE;
	}
	if (asprintf(&target, "/v1/servers/%s/%s", name, verb) < 0)
		return EXIT_FAILED;
	answer = post(invocation, target, SERVER_TIMEOUT_S, &exit_status);
	free(target);
	if (!answer)
		return exit_status;
	printf("%s: %s%s%s\n", name, verb, *field(answer, "text") ? ", " : "", field(answer, "text"));
	json_decref(answer);
	return exit_status;
}

int command_server(const struct invocation *invocation, int argc, char **argv)
{
	static const char *const later[] = {"add", "remove", "weight"}, *const settings[] = {"drain", "ready",
											     "maint"};
	struct config_guess guess = {.word = argc > 1 ? argv[1] : ""};
	char text[CONFIG_GUESS_MAX];

	if (argc < 2)
		return invocation_usage(argv[0]);
	if (strcmp(argv[1], "list") == 0)
		return argc > 3 ? invocation_usage(argv[0])
				: server_list(invocation, argc == 3 ? argv[2] : NULL);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (strcmp(argv[1], settings[i]) == 0)
			return argc != 3 ? invocation_usage(argv[0])
					 : server_set(invocation, argv[1], argv[2]);
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		if (strcmp(argv[1], later[i]) == 0) {
			fprintf(stderr,
				"hapair: server %s is not supported yet; change the configuration and "
				"reload\n",
				argv[1]);
			return EXIT_USAGE;
		}
	config_guess_offer(&guess, "list");
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		config_guess_offer(&guess, settings[i]);
	fprintf(stderr, "hapair: no command server %s%s\n", argv[1], config_guess_text(&guess, text));
	return invocation_usage(argv[0]);
}
