/*
 * replication.h: what this node and its peer have to hold in common, in the hands of admin: what operators said of servers
 * (replica.h), kept on the disk and brought to the proxy; the proxy's verdicts, told to the other node; the keys of TLS tickets
 * (keyring.h). The way between the nodes is channel.h; this is what is said on it:
 *
 *   {"server": RECORD}                             a register was written, or all of them, to who has not the same
 *   {"digest": {"sum","version","servers"}}        at the start and twice a second: what I hold
 *   {"verdicts": [[POOL, SERVER, "up"|"down"]..]}  all at the start, then what changes
 *   {"tickets": [KEY..]}                           all at the start, then new ones
 *   {"flows": ..}                                  client_flows.h
 *
 * A side whose digest differs from what it hears says all its records again, at most every two seconds. Whatever one of them misses,
 * they agree after the next whole exchange, and nothing depends on the order. Records are said in slices as the connection takes
 * them, so thousands of servers neither fill memory nor hold the loop.
 */
#ifndef HAPAIR_ADMIN_REPLICATION_H
#define HAPAIR_ADMIN_REPLICATION_H

#include "hapair/admin/commands.h"
#include "hapair/admin/snapshot.h"
#include "hapair/base/role.h"

struct replication;

/* What happened is told to `on_event`. NULL when out of memory. `snapshot` and `rt` outlive it. */
struct replication *replication_new(struct role_runtime *rt, const struct snapshot *snapshot,
				    void (*on_event)(const struct msg_event *event));
/* Opens what needs privileges (files, sockets); before the sandbox. `keys`: NULL where none came. 0 or -ENOMEM. */
int replication_open(struct replication *r, const struct msg_sync_keys *keys);
/* On from here the proxy is told. */
void replication_begin(struct replication *r);
void replication_free(struct replication *r);

/* The file's configuration with what was said on top; valid until the next change. `config` is the newest one. */
const struct config *replication_config(struct replication *r, const struct config *config);
/* NULL where there is no peer. Valid until the next call. */
const struct snapshot_sync *replication_status(struct replication *r);

/*
 * An operator's command: what the proxy is to be asked, or negative errno with a sentence in `why`. When the proxy has agreed,
 * replication_commit() keeps it, here, on the disk and on the other node: 0, or negative errno when the disk or the table refused.
 */
int replication_prepare(struct replication *r, const struct admin_command *command,
			struct msg_server_set *ret, char why[ADMIN_WHY_MAX]);
int replication_commit(struct replication *r, const struct admin_command *command);

void replication_set_keys(struct replication *r, const struct msg_sync_keys *keys);
void replication_take_tickets(struct replication *r, const struct msg_ticket_keys *keys);
void replication_flows_wanted(struct replication *r);
void replication_proxy_linked(struct replication *r);
void replication_proxy_reported(struct replication *r); /* a new whole report is in the snapshot */
void replication_config_changed(struct replication *r);

#endif
