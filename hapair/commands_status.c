/*
 * commands_status.c: the commands that look: status and events.
 */
#include "hapair/commands.h"
#include "hapair/admin/control_client.h"
#include "hapair/admin/events.h"
#include "hapair/status_text.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SCREEN_HOME  "\033[H"
#define SCREEN_CLEAR "\033[2J"
#define LINE_REST    "\033[K"
#define SCREEN_REST  "\033[J"

static int failed(const struct invocation *invocation, int error)
{
	control_explain(invocation->run_dir, error, stderr);
	return control_no_daemon(error) ? EXIT_NO_DAEMON : EXIT_FAILED;
}

/* The exit status that belongs to the state in the JSON. */
static int exit_of(const json_t *status)
{
	const char *state = json_string_value(json_object_get(status, "state"));

	if (!state)
		return EXIT_FAILED;
	return strcmp(state, "fault") == 0 || strcmp(state, "starting") == 0 ? EXIT_NOT_SERVING : EXIT_DONE;
}

json_t *command_fetch_status(const struct invocation *invocation, char **ret_text, int *ret_exit)
{
	int http, r = control_request(invocation->run_dir, "GET", "/v1/status", CONTROL_TIMEOUT_S, &http,
				      ret_text);
	json_t *status;

	if (r < 0) {
		*ret_exit = failed(invocation, r);
		return NULL;
	}
	status = json_loads(*ret_text, 0, NULL);
	if (http != 200 || !json_is_object(status)) {
		fprintf(stderr, "hapair: the daemon does not tell its status (HTTP %d)\n", http);
		json_decref(status);
		free(*ret_text);
		*ret_exit = EXIT_FAILED;
		return NULL;
	}
	*ret_exit = exit_of(status);
	return status;
}

static int status_once(const struct invocation *invocation, bool as_json)
{
	char *text;
	int exit_status;
	json_t *status = command_fetch_status(invocation, &text, &exit_status);

	if (!status)
		return exit_status;
	if (as_json)
		fputs(text, stdout);
	else
		status_text_print(status, stdout, status_text_wants_colour());
	json_decref(status);
	free(text);
	if (fflush(stdout) != 0)
		return EXIT_FAILED;
	return exit_status;
}

/* Draws over what is there, line by line, so that nothing flickers. */
static void redraw(const json_t *status, bool screen)
{
	char *text = NULL, *line, *rest;
	size_t n;
	FILE *to = open_memstream(&text, &n);

	if (!to)
		return;
	status_text_print(status, to, status_text_wants_colour());
	fclose(to);
	if (screen)
		fputs(SCREEN_HOME, stdout);
	for (rest = text; (line = strsep(&rest, "\n")) && rest;)
		printf("%s%s\n", line, screen ? LINE_REST : "");
	fputs(screen ? SCREEN_REST : "\n", stdout);
	fflush(stdout);
	free(text);
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	interrupted = 1;
}

/* Until Ctrl-C. A daemon that is away is waited for. As JSON it is one line a second. */
static int status_watch(const struct invocation *invocation, bool as_json)
{
	struct sigaction action = {.sa_handler = on_interrupt}; /* without SA_RESTART: ends the pause */
	bool screen = isatty(STDOUT_FILENO) && !as_json;
	int exit_status = EXIT_DONE;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (screen)
		fputs(SCREEN_CLEAR, stdout);
	while (!interrupted) {
		char *text;
		json_t *status;

		status = command_fetch_status(invocation, &text, &exit_status);
		if (status) {
			if (as_json)
				fputs(text, stdout);
			else
				redraw(status, screen);
			json_decref(status);
			free(text);
		} else if (exit_status != EXIT_NO_DAEMON) {
			return exit_status;
		}
		if (fflush(stdout) != 0 || ferror(stdout))
			return EXIT_FAILED;
		if (!interrupted)
			nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
	}
	return exit_status;
}

int command_status(const struct invocation *invocation, int argc, char **argv)
{
	bool as_json = false, watch = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			as_json = true;
		else if (strcmp(argv[i], "--watch") == 0)
			watch = true;
		else
			return invocation_usage(argv[0]);
	}
	return watch ? status_watch(invocation, as_json) : status_once(invocation, as_json);
}

struct printing {
	bool as_json, colour;
	int http; /* status of the answer; its lines are events when it is 200 */
};

static bool print_event(void *ctx, const char *line)
{
	struct printing *printing = ctx;
	json_t *json = json_loads(line, 0, NULL);
	char *text = NULL;

	if (printing->http != 200)
		fprintf(stderr, "hapair: %s\n",
			json ? json_string_value(json_object_get(json, "error")) : line);
	else if (printing->as_json)
		puts(line);
	else if ((text = event_text(json, printing->colour)))
		puts(text);
	free(text);
	json_decref(json);
	return fflush(stdout) == 0;
}

int command_events(const struct invocation *invocation, int argc, char **argv)
{
	struct printing printing = {.colour = status_text_wants_colour()};
	bool follow = false;
	int r;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			printing.as_json = true;
		else if (strcmp(argv[i], "--follow") == 0)
			follow = true;
		else
			return invocation_usage(argv[0]);
	}
	r = control_stream(invocation->run_dir, follow ? "/v1/events?follow=1" : "/v1/events", &printing.http,
			   print_event, &printing);
	if (r < 0)
		return failed(invocation, r);
	if (printing.http != 200 || ferror(stdout))
		return EXIT_FAILED;
	if (follow) {
		fprintf(stderr, "hapair: the daemon closed the stream\n");
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}
