/*
 * watch.h: what is known of the servers' health and what follows from it, on the main thread: checks and evidence come in, one
 * event and at most one notification for each change go out, and the workers see who takes requests.
 */
#ifndef HAPAIR_PROXY_WATCH_H
#define HAPAIR_PROXY_WATCH_H

#include "hapair/base/overlay.h"
#include "hapair/base/role.h"
#include "proxy/checker.h"
#include "proxy/servers.h"

struct watch {
	struct role_runtime *rt;
	struct servers *servers;
	struct checker *checker;
	const struct config *config; /* as applied last; the caller's */
	struct wanted_set wanted;    /* what operators said, over reloads */
	struct event *evidence; /* a worker saw something */
	bool held;              /* this node answers for the VIP: full pace, and hooks are ours to run */
	uint64_t epoch;
	nanos proof_since; /* names what watch_check_all() was asked for last */
	nanos proof_asked; /* when; 0: answered */
	/* When a check that began after that connected to a server, or enough of them had not; 0 never. */
	nanos seen, missed;
	void (*changed)(void *ctx); /* some server's state has changed, or which of them are reached */
	void *ctx;
};

/* 0 or negative errno. */
int watch_init(struct watch *watch, struct role_runtime *rt, struct servers *servers,
	       void (*changed)(void *ctx), void *ctx);

/* Servers come and go as `config` and operators say; those that stay keep what is known of them. 0 or negative errno.
 * `config` is used until the next call. */
int watch_apply(struct watch *watch, const struct config *config);

void watch_set_state(struct watch *watch, bool held, uint64_t epoch);

/* Every server that is checked has been checked once. */
bool watch_settled(const struct watch *watch);
/* Every pool has a server that is known to be up, whatever the others turn out to be, or has none left to wait for. */
bool watch_decided(const struct watch *watch);

/* False: every server that is checked was tried, and not one of them connected to. */
bool watch_reaches(const struct watch *watch);
/* Checks every server now; `seen` or `missed` is the answer. Asked again with the same `since`, it goes on with what it began. */
void watch_check_all(struct watch *watch, nanos since);

/*
 * The operator's word. Carried out at once: 0, or negative errno and nothing has changed (-ENOENT: no such server; -E2BIG: the pool is
 * full). Or only taken down, for watch_carry_out(): then many cost as much as one; true when there is anything to carry out.
 */
int watch_set_server(struct watch *watch, const struct server_wanted *wanted);
bool watch_note_server(struct watch *watch, const struct server_wanted *wanted);
void watch_carry_out(struct watch *watch);

/* What an earlier life or the other node found; forgotten where the server is not known (yet), or better is known. */
void watch_inherit(struct watch *watch, const struct msg_verdict *verdict);

/* A MSG_SERVER for each server to admin; how many there are. */
uint32_t watch_send_servers(const struct watch *watch, uint64_t serial);

#endif
