/*
 * clock_shift.c: a wall clock that can be set for the processes of one node alone.
 *
 * CLOCK_REALTIME belongs to no namespace: setting it would set it for the whole machine. Loaded before the C
 * library (/etc/ld.so.preload in the mount namespace of a node, since the supervisor passes no LD_PRELOAD on) this
 * adds what the file /etc/clock_shift says, a 64-bit number of seconds, to every answer about the time of day. The
 * file is mapped, so that who writes to it sets the clock of every process at one instant, behind every sandbox.
 * Without the file nothing is added. The monotonic clocks are untouched, as by a real step.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SHIFT_FILE "/etc/clock_shift"

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static const volatile int64_t *shift;

__attribute__((constructor)) static void clock_shift_begin(void)
{
	int fd = open(SHIFT_FILE, O_RDONLY | O_CLOEXEC);
	void *map;

	real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		shift = map;
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
	int result;

	if (!real_clock_gettime) /* another library's constructor is earlier than ours */
		clock_shift_begin();
	result = real_clock_gettime(id, ret);
	if (result == 0 && shift && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ret->tv_sec += *shift;
	return result;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	ret->tv_sec = now.tv_sec;
	ret->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}
