/* sealed.c: memfd_create(2) with every seal, so that what was checked is what the role reads. */
#include "hapair/supervisor/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int sealed_bytes(const char *name, const void *bytes, size_t n)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	for (size_t done = 0; done < n;) {
		ssize_t written = write(fd, (const char *)bytes + done, n - done);

		if (written < 0)
			goto fail;
		done += (size_t)written;
	}
	if (lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		goto fail;
	return fd;

fail:
	r = -errno;
	close(fd);
	return r;
}

/* malloc'd, the caller wipes and frees it. */
static int read_whole(int fd, size_t size, char **ret)
{
	char *bytes = malloc(size + 1);
	size_t n = 0;

	if (!bytes)
		return -ENOMEM;
	while (n < size) {
		ssize_t got = read(fd, bytes + n, size - n);

		if (got <= 0) { /* an end before its size: it is being written just now */
			int r = got < 0 ? -errno : -EAGAIN;

			explicit_bzero(bytes, size);
			free(bytes);
			return r;
		}
		n += (size_t)got;
	}
	*ret = bytes;
	return 0;
}

int sealed_file(const char *name, const char *path, size_t limit)
{
	/* Non-blocking, or a FIFO in its place would hold us for ever. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	char *bytes = NULL;
	int r;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -EINVAL;
	else if ((size_t)st.st_size > limit)
		r = -EFBIG;
	else
		r = read_whole(fd, (size_t)st.st_size, &bytes);
	close(fd);
	if (r < 0)
		return r;
	r = sealed_bytes(name, bytes, (size_t)st.st_size);
	explicit_bzero(bytes, (size_t)st.st_size); /* it may be a key */
	free(bytes);
	return r;
}

bool sealed_equal(int a, int b)
{
	unsigned char left[4096], right[4096];
	struct stat one, other;
	bool same = fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_size == other.st_size;

	/* By offset: the roles share the open files. */
	for (off_t at = 0; same && at < one.st_size; at += (off_t)sizeof(left)) {
		ssize_t n = pread(a, left, sizeof(left), at);

		same = n > 0 && pread(b, right, sizeof(right), at) == n &&
		       memcmp(left, right, (size_t)n) == 0;
	}
	explicit_bzero(left, sizeof(left)); /* they may be keys */
	explicit_bzero(right, sizeof(right));
	return same;
}
