/*
 * pipes.h: pipes for splice(2), kept for the next one; those of one thread.
 */
#ifndef HAPAIR_PROXY_PIPES_H
#define HAPAIR_PROXY_PIPES_H

#include <stddef.h>

#define PIPE_BYTES (256 * 1024) /* asked for; the kernel may give less */

struct io_pipe {
	int in, out;   /* write end, read end */
	size_t filled; /* bytes in it; the user keeps count */
	struct io_pipe *next;
};

/* All zero is none. */
struct pipes {
	struct io_pipe *kept;
	unsigned n;
};

/* An empty one; NULL: no descriptors or memory. */
struct io_pipe *pipe_get(struct pipes *pipes);
/* One with bytes left in it is closed. */
void pipe_put(struct pipes *pipes, struct io_pipe *pipe);
void pipes_done(struct pipes *pipes);

#endif
