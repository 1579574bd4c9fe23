/*
 * sealed.h: bytes in a memory file that nobody can change any more, to be handed to a role.
 */
#ifndef HAPAIR_SEALED_H
#define HAPAIR_SEALED_H

#include <stdbool.h>
#include <stddef.h>

/* A descriptor (close-on-exec, at offset 0), the caller's to close; or negative errno. `name` is seen in
 * /proc only. */
int sealed_bytes(const char *name, const void *bytes, size_t n);

/* The contents of a regular file of at most `limit` bytes (-EFBIG). */
int sealed_file(const char *name, const char *path, size_t limit);

/* Whether two of them hold the same bytes; false where one can't be read. */
bool sealed_equal(int a, int b);

#endif
