/* keygen.c: 32 bytes of the kernel's randomness as the first key of a secret file. Never over a file that is there. */
#include "hapair/keygen.h"

#include "hapair/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static int write_key(int fd, const unsigned char key[SECRET_KEY_BYTES])
{
	char hex[2 * SECRET_KEY_BYTES + 1];

	for (size_t i = 0; i < SECRET_KEY_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", key[i]);
	if (dprintf(fd,
		    "# hapair secret, the same on both nodes: KEYID KEY; the first signs, all verify\n1 %s\n",
		    hex) < 0 ||
	    fsync(fd) < 0)
		return -errno;
	explicit_bzero(hex, sizeof(hex));
	return 0;
}

int keygen_write(const char *path)
{
	unsigned char key[SECRET_KEY_BYTES];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), r;

	if (fd < 0)
		return -errno;
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		r = -EIO;
	else
		r = write_key(fd, key);
	explicit_bzero(key, sizeof(key));
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r < 0)
		unlink(path);
	return r;
}

int command_keygen(const struct invocation *invocation, int argc, char **argv)
{
	int r;

	if (argc != 2)
		return invocation_usage("keygen");
	r = keygen_write(argv[1]);
	if (r == -EEXIST)
		fprintf(stderr, "hapair: %s is there already; remove it first if its key is not used any more\n",
			argv[1]);
	else if (r < 0)
		fprintf(stderr, "hapair: %s: %s\n", argv[1], strerror(-r));
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
