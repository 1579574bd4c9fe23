/*
 * directories.c: mkdir -p, owner, mode, lock.
 *
 * The lock is a file that only we can open: anybody who can read a directory could hold a lock on the directory itself, and keep
 * the node from starting.
 */
#include "hapair/supervisor/directories.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
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

/* Whether nothing lies in it but what an earlier life of a node may have left: some file of its own, or nothing at all. */
static bool is_a_nodes(int fd)
{
	static const char *const own[] = {"epoch", "events.0", "servers.0", DIRECTORY_LOCK};
	const struct dirent *entry;
	bool empty = true;
	DIR *directory;
	int copy;

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (faccessat(fd, own[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	directory = copy < 0 ? NULL : fdopendir(copy);
	if (!directory) {
		if (copy >= 0)
			close(copy);
		return false;
	}
	while (empty && (entry = readdir(directory)))
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	closedir(directory);
	return empty;
}

/* The owner that it is to get, (uid_t)-1: as it is. 0 or negative errno. */
static int judge(int fd, const char *user, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *pw;
	struct stat st;

	*ret_uid = (uid_t)-1;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_mode & S_IWOTH) /* anybody could put a socket or a state of his own in our place */
		return -EPERM;
	if (geteuid() != 0 || *user == '\0')
		return 0;
	pw = getpwnam(user);
	if (!pw)
		return -ENOENT;
	if (st.st_uid == pw->pw_uid)
		return 0;
	if (!is_a_nodes(fd)) /* -s /etc, say: not to be given to anybody */
		return -ENOTEMPTY;
	*ret_uid = pw->pw_uid;
	*ret_gid = pw->pw_gid;
	return 0;
}

/* The locked file, or negative errno. */
static int lock_in(int directory)
{
	for (;;) {
		int fd = openat(directory, DIRECTORY_LOCK,
				O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
		struct stat held, there;

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &held) < 0) {
			int r = -errno;

			close(fd);
			return r;
		}
		/* Who held it before may have removed it in between: then this is a lock on nothing. */
		if (fstatat(directory, DIRECTORY_LOCK, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
		    there.st_ino == held.st_ino)
			return fd;
		close(fd);
	}
}

int directory_claim(const char *path, mode_t mode, const char *user, struct directory *ret)
{
	struct directory claimed = {-1, -1};
	int made = make_path(path, mode), r;
	uid_t uid;
	gid_t gid;

	if (made < 0)
		return made;
	claimed.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (claimed.fd < 0)
		return -errno;
	r = judge(claimed.fd, user, &uid, &gid);
	if (r == 0) {
		claimed.lock = lock_in(claimed.fd);
		r = claimed.lock < 0 ? claimed.lock : 0;
	}
	if (r == 0 && uid != (uid_t)-1 && fchown(claimed.fd, uid, gid) < 0)
		r = -errno;
	if (r == 0 && made == 1 && fchmod(claimed.fd, mode) < 0) /* whatever the umask was */
		r = -errno;
	if (r < 0) {
		if (claimed.lock >= 0)
			directory_release(&claimed);
		else
			close(claimed.fd);
		return r;
	}
	*ret = claimed;
	return 0;
}

void directory_release(struct directory *directory)
{
	if (directory->fd < 0)
		return;
	unlinkat(directory->fd, DIRECTORY_LOCK, 0); /* while it is still locked */
	close(directory->lock);
	close(directory->fd);
	*directory = (struct directory){-1, -1};
}
