/*
 * commands.h: commands that came by POST and wait for the role that carries them out.
 *
 * Each is answered exactly once: with the role's reply, because its time is over, or because the role is gone. A client that does
 * not wait is forgotten; the command itself goes on, and is known until then.
 */
#ifndef HAPAIR_ADMIN_COMMANDS_H
#define HAPAIR_ADMIN_COMMANDS_H

#include "hapair/base/msg.h"

#include <event2/event.h>
#include <event2/http.h>

#define ADMIN_COMMANDS_MAX 32 /* under way at a time */
#define ADMIN_WHY_MAX      256

enum admin_action { ADMIN_SWITCHOVER, ADMIN_RELOAD, ADMIN_SERVER };

/* The first three are an enum server_action. */
enum admin_verb {
	ADMIN_READY = SERVER_ACTION_READY,
	ADMIN_DRAIN = SERVER_ACTION_DRAIN,
	ADMIN_MAINT = SERVER_ACTION_MAINT,
	ADMIN_ADD,
	ADMIN_REMOVE,
	ADMIN_WEIGHT
};

struct admin_command {
	uint32_t id; /* never 0; given by admin_commands_run() */
	enum admin_action action;
	enum admin_verb verb; /* this and the rest: of ADMIN_SERVER */
	char pool[CONFIG_NAME_MAX + 1], server[CONFIG_NAME_MAX + 1];
	struct addr address; /* ADMIN_ADD */
	uint16_t weight;     /* ADMIN_ADD, ADMIN_WEIGHT: 1..256 */
};

struct admin_commands;

/*
 * `pass_on` gives a command to the role: 0, and admin_commands_answer() or _abandon() will follow; or negative errno, with a
 * sentence in `why` ("" for the errno's own). NULL when out of memory.
 */
struct admin_commands *admin_commands_new(struct event_base *base,
					  int (*pass_on)(void *ctx, const struct admin_command *command,
							 char why[ADMIN_WHY_MAX]),
					  void *ctx);
/* After the evhttp that it serves, whose connections are gone by then. */
void admin_commands_free(struct admin_commands *commands);

void admin_commands_run(struct admin_commands *commands, struct evhttp_request *request,
			struct admin_command *command);

/*
 * The result: `error` 0 or negative errno, `text` what is to be said of it, under `key` ("text", "difference"). With an error it is
 * {"error": text}, and "mistakes": detail where `detail` is not NULL. took_ms is added.
 */
void admin_commands_answer(struct admin_commands *commands, uint32_t id, int error, const char *key,
			   const char *text, const char *detail);
/* The command that waits under this id, or NULL (its time was over). */
const struct admin_command *admin_commands_waiting(const struct admin_commands *commands, uint32_t id);
/* Whether any command of this kind waits. */
bool admin_commands_waits(const struct admin_commands *commands, enum admin_action action);
/* Fails every waiting command of this kind: who was to answer is gone. */
void admin_commands_abandon(struct admin_commands *commands, enum admin_action action, const char *why);

#endif
