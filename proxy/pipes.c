/*
 * pipes.c: see pipes.h.
 */
#include "proxy/pipes.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define PIPES_KEPT 64

struct io_pipe *pipe_get(struct pipes *pipes)
{
	struct io_pipe *p = pipes->kept;
	if (p != NULL) {
		pipes->kept = p->next;
		pipes->n--;
		return p;
	}
	int fds[2];
	p = malloc(sizeof(*p));
	if (p == NULL || pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0) {
		free(p);
		return NULL;
	}
	/* Refused where the user's pipes hold too much together: then it is a smaller one. */
	fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES);
	*p = (struct io_pipe){.in = fds[1], .out = fds[0]};
	return p;
}

void pipe_put(struct pipes *pipes, struct io_pipe *p)
{
	if (p->filled == 0 && pipes->n < PIPES_KEPT) {
		p->next = pipes->kept;
		pipes->kept = p;
		pipes->n++;
		return;
	}
	close(p->in);
	close(p->out);
	free(p);
}

void pipes_done(struct pipes *pipes)
{
	while (pipes->kept != NULL) {
		struct io_pipe *p = pipes->kept;
		pipes->kept = p->next;
		close(p->in);
		close(p->out);
		free(p);
	}
	pipes->n = 0;
}
