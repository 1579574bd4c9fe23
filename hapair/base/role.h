/*
 * role.h: what every role does the same way: talks to the supervisor on descriptor 3, gets its configuration and its channels
 * to the other roles, says that it is ready and alive, stops when told or when the supervisor is gone.
 *
 * The order of a life: the descriptors that go with the configuration (SECRET, CERTIFICATE, LISTENER) come to on_message() of the
 * role that gets them, then CONFIG; MEMORY, LINKs and BEGIN follow. start() finds rt->config and rt->peers filled, opens what needs
 * privileges and then calls sandbox_enter(); READY; then messages until STOP. No other role's message arrives before start() is
 * done. A reload is the same again in a running role: the descriptors of the new generation, then CONFIG: on_config().
 *
 * SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 and SIGPIPE are ignored: the supervisor alone acts on signals.
 */
#ifndef HAPAIR_BASE_ROLE_H
#define HAPAIR_BASE_ROLE_H

#include "hapair/base/config.h"
#include "hapair/base/ipc.h"

#include <event2/event.h>

#define ROLE_SUPERVISOR_FD 3

struct role_runtime {
	enum role self;
	const char *node_name; /* which node of the configuration this is */
	size_t node;           /* its index; the peer, where there is one, is the other */
	const char *run_dir, *state_dir;
	struct event_base *base;      /* precise timers, three priorities (0 first) */
	const struct config *config;  /* the newest; replaced after on_config() returned */
	uint64_t generation;
	uint32_t worker_count;
	struct ipc *peers[ROLE_COUNT]; /* NULL where not connected */
	const struct role_ops *ops;
	void *ctx; /* the role's own */
};

struct role_ops {
	enum role self;
	/* 0, or negative errno to end the role. */
	int (*start)(struct role_runtime *rt);
	/* Messages that role.c does not handle itself. `fd` as in ipc.h. Those that come before BEGIN arrive before start(). */
	void (*on_message)(struct role_runtime *rt, enum role from, enum msg_type type, const union msg_any *m, int fd);
	/* A fresh channel to a role that was restarted, after on_gone() for the old one; not for those of before start(). May be NULL. */
	void (*on_link)(struct role_runtime *rt, enum role peer);
	void (*on_gone)(struct role_runtime *rt, enum role peer); /* its process died; may be NULL */
	/* Reload. rt->config is still the old one and is freed by role.c after the return, unless held. */
	void (*on_config)(struct role_runtime *rt, const struct config *next);
	/* Ends by calling role_exit() now or later. */
	void (*on_stop)(struct role_runtime *rt);
	/* The supervisor is gone: the last words, then role_exit(), within a second. NULL: the role is killed with its parent. */
	void (*on_orphaned)(struct role_runtime *rt);
};

/* How main tells base to read and free a configuration without base knowing the reader. */
struct role_reader {
	struct config *(*read)(int bundle_fd); /* NULL on error, logged */
	void (*release)(const struct config *config);
};

/* The role's whole life; returns its exit status. `ctx` becomes rt->ctx. */
int role_run(const struct role_ops *ops, const struct role_reader *reader, const char *node_name, const char *run_dir,
	     const char *state_dir, void *ctx);

/* Leaves the loop at the end of this turn. */
void role_exit(struct role_runtime *rt, int status);

/* Snapshots outlive a reload where somebody still uses them (connections in flight): counted references. From any thread. */
void role_config_hold(const struct config *config);
void role_config_drop(const struct config *config);

/* To admin, with wall clock and instant filled in; also logged. Lost where admin is not there. */
void role_event(struct role_runtime *rt, const char *type, const char *subject, const char *from, const char *to,
		uint64_t epoch, const char *reason_format, ...) __attribute__((format(printf, 7, 8)));

#endif
