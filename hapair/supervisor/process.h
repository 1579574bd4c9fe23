/*
 * process.h: one role's process as the supervisor has it: this life, the one before, and the spare that is to be the next.
 *
 * A spare is a process that is loaded and waits for its first word (spawn.h). Loading takes most of the time of a start, heartbeat
 * has no more than the rest of its lease for all of it, and clients wait for the proxy: these two have one, made when all is calm.
 */
#ifndef HAPAIR_PROCESS_H
#define HAPAIR_PROCESS_H

#include "hapair/base/ipc.h"
#include "hapair/supervisor/patience.h"
#include "hapair/supervisor/spawn.h"

/* What all processes of a node have in common; outlives them. */
struct process_home {
	struct event_base *base;
	int self; /* spawn_self_open() */
	const char *node, *run_dir, *state_dir;
};

struct supervisor;

struct process {
	const struct process_home *home;
	enum role role;
	pid_t pid;           /* 0: not running */
	struct ipc *channel; /* NULL: not running, or ending */
	bool ready;
	unsigned restarts;
	int last_exit; /* wait status; 0 before the first death */
	nanos died;    /* instant of the newest death */
	struct patience patience;
	bool frozen; /* stopped by a signal (SIGSTOP), as was told last */
	struct {
		pid_t pid; /* 0: none */
		int channel;
		bool frozen;
	} spare;
	struct supervisor *of; /* whose it is, and its timers: for a delayed start, for a death that takes long, for a stop that does */
	struct event *again, *late, *thaw;
};

/* Begins a life, from the spare where there is one; the process waits for BEGIN. 0 or negative errno, with pid 0 unless the
 * process is there and only its channel is not: then it was killed and will be reaped. */
int process_start(struct process *p, const struct ipc_handler *handler, void *ctx);

/* `pid` was reaped: true when it was this life (its spare's death is dealt with here). */
bool process_reaped(struct process *p, pid_t pid, int wait_status);

/* What waitpid(2) said of `pid` short of its death: stopped, or continued. True when it is this life or its spare. */
bool process_note(struct process *p, pid_t pid, int wait_status);

/* Kills what is still frozen, life and spare; true when it was this life. */
bool process_kill_frozen(struct process *p);

/* Makes a spare where one is wanted and missing. */
void process_keep_spare(struct process *p);

/* It and its spare; the channel is left to its end. */
void process_kill(struct process *p);
void process_drop_spare(struct process *p);

/* Kills, waits, closes. */
void process_done(struct process *p);

/* "killed by SIGSEGV", "exit status 1": returns `out`. */
const char *process_describe_exit(int wait_status, char *out, size_t n);

#endif
