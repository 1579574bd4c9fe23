/*
 * epoch_file.h: the highest epoch that this node has held or seen, on disk, so that a restarted machine goes on counting.
 *
 * A claim never waits for the disk: a thread writes, fsyncs and renames. A power failure in that moment may lose the newest
 * number; the peer, which heard it, says it again. Functions return 0 or negative errno.
 */
#ifndef HAPAIR_HEARTBEAT_EPOCH_FILE_H
#define HAPAIR_HEARTBEAT_EPOCH_FILE_H

#include <stdint.h>

struct epoch_file;

/* Opens the directory and reads `epoch` in it: 0 when there is none. -EBADMSG: it holds something else (and counts as 0). */
int epoch_file_open(const char *state_dir, struct epoch_file **ret, uint64_t *ret_epoch);

/* Starts the thread; after sandbox_enter(). Numbers that were to be kept before are written then. */
int epoch_file_start(struct epoch_file *file);

/* Shall be on disk soon. Never waits. */
void epoch_file_keep(struct epoch_file *file, uint64_t epoch);

/* What went wrong since the last call, 0 if nothing. */
int epoch_file_error(struct epoch_file *file);

/* Waits for the disk. */
void epoch_file_close(struct epoch_file *file);

#endif
