/* directories.c: mkdir -p, owner, mode, lock. The lock is on the directory itself, so nothing is left behind.
 */
#include "hapair/supervisor/directories.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* 1: `path` is new, 0: it was there, or negative errno. */
static int make_path(const char *path, mode_t mode)
{
	char partial[PATH_MAX];
	int n = snprintf(partial, sizeof(partial), "%s", path);

	if (n < 0 || (size_t)n >= sizeof(partial))
		return -ENAMETOOLONG;
	for (char *p = partial + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(partial, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	if (mkdir(partial, mode) == 0)
		return 1;
	return errno == EEXIST ? 0 : -errno;
}

static int give(int fd, const char *user)
{
	const struct passwd *pw;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_mode & S_IWOTH) /* anybody could put a socket or a state of his own in our place */
		return -EPERM;
	if (geteuid() != 0 || *user == '\0')
		return 0;
	pw = getpwnam(user);
	if (!pw)
		return -ENOENT;
	if (st.st_uid != pw->pw_uid && fchown(fd, pw->pw_uid, pw->pw_gid) < 0)
		return -errno;
	return 0;
}

int directory_claim(const char *path, mode_t mode, const char *user)
{
	int made = make_path(path, mode), fd, r;

	if (made < 0)
		return made;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : give(fd, user);
	if (r == 0 && made == 1 && fchmod(fd, mode) < 0) /* whatever the umask was */
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}
