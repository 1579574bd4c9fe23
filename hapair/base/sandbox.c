/*
 * sandbox.c: user, capabilities, system calls.
 *
 * The three long-lived roles that read from a network get a list of the system calls that they need; anything
 * else ends them, with the name of the call in the log. The runner starts programs of the administrator,
 * which inherit its filter (seccomp(2)): for it the list is of what no notification has any business with,
 * answered with EPERM.
 */
#include "hapair/base/sandbox.h"

#include "hapair/base/log.h"

#include <errno.h>
#include <grp.h>
#include <linux/net.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Capabilities */

/* IPC_LOCK: after mlockall(MCL_FUTURE) memory past RLIMIT_MEMLOCK would be refused without it. */
static const cap_value_t heartbeat_caps[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK};

static size_t count_caps(enum sandbox_profile profile)
{
	return profile == SANDBOX_HEARTBEAT ? sizeof(heartbeat_caps) / sizeof(heartbeat_caps[0]) : 0;
}

/* A hook that is configured to run as root is to be root. */
static bool keeps_all(enum sandbox_profile profile, uid_t user)
{
	return profile == SANDBOX_RUNNER && user == 0;
}

/* What no exec may ever give back. Before the change of user, which takes CAP_SETPCAP away. */
static void drop_bounding(enum sandbox_profile profile, uid_t user)
{
	for (cap_value_t cap = 0; cap <= CAP_LAST_CAP && !keeps_all(profile, user); cap++) {
		bool kept = false;

		for (size_t i = 0; i < count_caps(profile); i++)
			kept |= heartbeat_caps[i] == cap;
		if (!kept)
			cap_drop_bound(cap); /* refused to who is not root: who has nothing to drop either */
	}
}

/* Those of `profile`; the rest is given up. */
static int drop_capabilities(enum sandbox_profile profile)
{
	size_t n = count_caps(profile);
	cap_t caps;
	int r = 0;

	if (keeps_all(profile, geteuid()))
		return 0;
	caps = cap_init();
	if (!caps)
		return -ENOMEM;
	if (n > 0 && (cap_set_flag(caps, CAP_PERMITTED, (int)n, heartbeat_caps, CAP_SET) < 0 ||
		      cap_set_flag(caps, CAP_EFFECTIVE, (int)n, heartbeat_caps, CAP_SET) < 0))
		r = -errno;
	if (r == 0 && cap_set_proc(caps) < 0)
		r = -errno;
	cap_free(caps);
	if (r < 0 && n > 0) {
		/* Not root: go on with what there is, its user will see what is refused. */
		log_warning("no CAP_NET_ADMIN, CAP_NET_RAW and CAP_IPC_LOCK: %s", strerror(-r));
		r = 0;
	}
	return r;
}

static int change_user(enum sandbox_profile profile, const char *user)
{
	const struct passwd *pw;

	if (*user == '\0') {
		drop_bounding(profile, geteuid());
		return 0;
	}
	errno = 0;
	pw = getpwnam(user);
	if (!pw) {
		int error = errno ? errno : ENOENT;

		log_error("user %s: %s", user, error == ENOENT ? "no such user" : strerror(error));
		return -error;
	}
	if (geteuid() != 0) {
		if (pw->pw_uid != geteuid())
			log_warning("not root: goes on as user %u instead of %s", geteuid(), user);
		return 0;
	}
	drop_bounding(profile, pw->pw_uid);
	/* The permitted set survives the change; drop_capabilities() then keeps what it wants of it. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || initgroups(pw->pw_name, pw->pw_gid) < 0 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0) {
		int error = errno;

		log_error("can't become user %s: %s", user, strerror(error));
		return -error;
	}
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	return 0;
}

/* System calls */

#ifdef HAPAIR_SANITIZED
/* The sanitizers' own system calls are many and not ours to list; user and capabilities hold all the same. */
#define FILTERS_CALLS false
#else
#define FILTERS_CALLS true
#endif

#define CALL(name) SCMP_SYS(name)

/* Every role: libevent, libc, threads, channels, files that are open. */
static const int calls_common[] = {
	CALL(read),
	CALL(write),
	CALL(readv),
	CALL(writev),
	CALL(pread64),
	CALL(pwrite64),
	CALL(preadv),
	CALL(pwritev),
	CALL(pwritev2),
	CALL(close),
	CALL(fstat),
	CALL(newfstatat),
	CALL(statx),
	CALL(lseek),
	CALL(munmap),
	CALL(mremap),
	CALL(brk),
	CALL(madvise),
	CALL(rt_sigaction),
	CALL(rt_sigprocmask),
	CALL(rt_sigreturn),
	CALL(sigaltstack),
	CALL(getpid),
	CALL(gettid),
	CALL(getppid),
	CALL(getuid),
	CALL(geteuid),
	CALL(getgid),
	CALL(getegid),
	CALL(futex),
	CALL(sched_yield),
	CALL(sched_getaffinity),
	CALL(nanosleep),
	CALL(clock_nanosleep),
	CALL(clock_gettime),
	CALL(clock_getres),
	CALL(gettimeofday),
	CALL(time),
	CALL(epoll_create1),
	CALL(epoll_ctl),
	CALL(epoll_wait),
	CALL(epoll_pwait),
	CALL(epoll_pwait2),
	CALL(eventfd2),
	CALL(timerfd_create),
	CALL(timerfd_settime),
	CALL(timerfd_gettime),
	CALL(pipe2),
	CALL(poll),
	CALL(ppoll),
	CALL(select),
	CALL(pselect6),
	CALL(recvmsg),
	CALL(sendmsg),
	CALL(recvfrom),
	CALL(sendto),
	CALL(recvmmsg),
	CALL(sendmmsg),
	CALL(shutdown),
	CALL(getsockopt),
	CALL(setsockopt),
	CALL(getsockname),
	CALL(getpeername),
	CALL(dup),
	CALL(dup2),
	CALL(dup3),
	CALL(fcntl),
	CALL(getrandom),
	CALL(exit),
	CALL(exit_group),
	CALL(restart_syscall),
	CALL(rseq),
	CALL(set_robust_list),
	CALL(membarrier),
	CALL(getrusage),
	CALL(sysinfo),
	CALL(uname),
	CALL(openat),
	CALL(open),
	CALL(faccessat),
	CALL(access),
	CALL(fadvise64),
};

/* Small files of one's own, replaced as a whole. */
static const int calls_files[] = {
	CALL(fsync),     CALL(fdatasync), CALL(ftruncate), CALL(fallocate), CALL(rename),     CALL(renameat),
	CALL(renameat2), CALL(unlink),    CALL(unlinkat),  CALL(flock),     CALL(getdents64), CALL(fchmod),
};

static const int calls_heartbeat[] = {
	CALL(bind),           CALL(connect), CALL(mlock),
	CALL(mlock2),         CALL(munlock), CALL(sched_getscheduler),
	CALL(sched_getparam), CALL(close_range),
};

static const int calls_proxy[] = {
	CALL(accept4), CALL(accept),   CALL(connect),           CALL(splice),
	CALL(tee),     CALL(sendfile), CALL(sched_setaffinity),
};

/* Sockets to the other node's admin, bound to an own address. */
static const int calls_admin[] = {CALL(accept4), CALL(accept), CALL(sendfile), CALL(bind), CALL(connect)};

/* Nothing that tells somebody of an event needs these. */
static const int calls_never_in_hooks[] = {
	CALL(ptrace),
	CALL(process_vm_readv),
	CALL(process_vm_writev),
	CALL(kexec_load),
	CALL(kexec_file_load),
	CALL(init_module),
	CALL(finit_module),
	CALL(delete_module),
	CALL(bpf),
	CALL(perf_event_open),
	CALL(userfaultfd),
	CALL(keyctl),
	CALL(add_key),
	CALL(request_key),
	CALL(swapon),
	CALL(swapoff),
	CALL(iopl),
	CALL(ioperm),
	CALL(acct),
	CALL(quotactl),
	CALL(open_by_handle_at),
};

static int allow(scmp_filter_ctx filter, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);

		if (r < 0)
			return r;
	}
	return 0;
}

#define ALLOW(filter, calls) allow(filter, calls, sizeof(calls) / sizeof((calls)[0]))

static struct scmp_arg_cmp arg_is(unsigned arg, uint64_t value)
{
	return (struct scmp_arg_cmp){.arg = arg, .op = SCMP_CMP_EQ, .datum_a = value};
}

static struct scmp_arg_cmp arg_bits(unsigned arg, uint64_t mask, uint64_t value)
{
	return (struct scmp_arg_cmp){.arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

static int allow_ioctls(scmp_filter_ctx filter, enum sandbox_profile profile)
{
	static const unsigned long plain[] = {FIONREAD, FIONBIO, TCGETS};
	/* SIOCGIFNAME, SIOCGIFFLAGS, SIOCGIFADDR, SIOCGIFMTU, SIOCGIFHWADDR, SIOCGIFINDEX */
	static const unsigned long interface[] = {0x8910, 0x8913, 0x8915, 0x8921, 0x8927, 0x8933};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(plain) / sizeof(plain[0]); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(ioctl), 1, arg_is(1, plain[i]));
	for (size_t i = 0;
	     r == 0 && profile == SANDBOX_HEARTBEAT && i < sizeof(interface) / sizeof(interface[0]); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(ioctl), 1, arg_is(1, interface[i]));
	/* getnameinfo() of a link-local client asks for the interface's name; it does without. */
	if (profile == SANDBOX_ADMIN)
		r = r ?: seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENODEV), CALL(ioctl), 1,
					  arg_is(1, interface[0]));
	return r;
}

static int allow_families(scmp_filter_ctx filter, enum sandbox_profile profile)
{
	static const int heartbeat[] = {AF_INET, AF_INET6, AF_NETLINK, AF_PACKET},
			 others[] = {AF_INET, AF_INET6};
	const int *families = profile == SANDBOX_HEARTBEAT ? heartbeat : others;
	size_t n = profile == SANDBOX_HEARTBEAT ? 4 : 2;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(socket), 1,
				     arg_is(0, (uint64_t)families[i]));
	return r;
}

/* Calls that are harmless with some arguments only. */
static int allow_narrowly(scmp_filter_ctx filter, enum sandbox_profile profile)
{
	uint64_t self = (uint64_t)getpid();
	int r = 0;

	/* No new code: memory may be written or run, and what runs is mapped already. */
	r = r ?: seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(mmap), 1, arg_bits(2, PROT_EXEC, 0));
	r = r ?: seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(mprotect), 1, arg_bits(2, PROT_EXEC, 0));
	/* Threads, not processes. clone3 hides its flags in memory: libc then takes clone. */
	r = r
		    ?: seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(clone), 1,
					arg_bits(0, CLONE_THREAD, CLONE_THREAD));
	r = r ?: seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
	/* thread_keep_only(): descriptors of its own, and nothing else of its own. */
	if (profile == SANDBOX_HEARTBEAT)
		r = r ?: seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(unshare), 1, arg_is(0, CLONE_FILES));
	/* abort(), and signals to one's own threads. */
	r = r ?: seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(tgkill), 1, arg_is(0, self));
	r = r ?: seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(prctl), 1, arg_is(0, PR_SET_NAME));
	/* Limits are read, its own only. */
	r = r ?: seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(prlimit64), 2, arg_is(0, 0), arg_is(2, 0));
	r = r ?: allow_ioctls(filter, profile);
	r = r ?: allow_families(filter, profile);
	/* The same getnameinfo() begins with a UNIX socket, and evhttp knows how to go on without. */
	for (int family = 0; r == 0 && profile == SANDBOX_ADMIN && family < AF_INET6; family++)
		if (family != AF_INET)
			r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), CALL(socket), 1,
					     arg_is(0, (uint64_t)family));
	if (r == 0 && profile == SANDBOX_ADMIN)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), CALL(socket), 1,
				     (struct scmp_arg_cmp){.arg = 0, .op = SCMP_CMP_GT, .datum_a = AF_INET6});
	return r;
}

static int allow_profile(scmp_filter_ctx filter, enum sandbox_profile profile)
{
	int r = ALLOW(filter, calls_common);

	r = r ?: allow_narrowly(filter, profile);
	if (profile == SANDBOX_HEARTBEAT)
		return r ?: ALLOW(filter, calls_files) ?: ALLOW(filter, calls_heartbeat);
	if (profile == SANDBOX_PROXY)
		return r ?: ALLOW(filter, calls_proxy);
	return r ?: ALLOW(filter, calls_files) ?: ALLOW(filter, calls_admin);
}

/* The call was not executed: the kernel asks us instead. Says which it was, then dies of the same signal. */
static void on_bad_call(int signal_number, siginfo_t *info, void *context)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, info->si_syscall);

	log_error("system call %s (%d) is not one of this role's: ended", name ? name : "?",
		  info->si_syscall);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
	_exit(128 + SIGSYS);
}

static int filter_calls(enum sandbox_profile profile)
{
	bool hooks = profile == SANDBOX_RUNNER;
	struct sigaction action = {.sa_sigaction = on_bad_call, .sa_flags = SA_SIGINFO | SA_NODEFER};
	scmp_filter_ctx filter = seccomp_init(hooks ? SCMP_ACT_ALLOW : SCMP_ACT_TRAP);
	int r = 0;

	if (!filter)
		return -ENOMEM;
	if (hooks) {
		size_t n = sizeof(calls_never_in_hooks) / sizeof(calls_never_in_hooks[0]);

		for (size_t i = 0; r == 0 && i < n; i++)
			r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls_never_in_hooks[i], 0);
	} else {
		/* Another architecture's calls have other numbers. */
		seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
		/* A binary tree: the hot path pays for a few comparisons, not for the whole list. */
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
		r = allow_profile(filter, profile);
		sigaction(SIGSYS, &action, NULL);
	}
	/* Threads that were started before get the same filter. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	r = r ?: seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

int sandbox_enter(enum sandbox_profile profile, const char *user)
{
	int r = change_user(profile, user);

	if (r < 0)
		return r;
	r = drop_capabilities(profile);
	if (r < 0) {
		log_error("can't give up capabilities: %s", strerror(-r));
		return r;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		log_warning("no_new_privs is refused: %s", strerror(errno));
	/* heartbeat sees its supervisor's death by itself, and has to tell the peer. */
	if (prctl(PR_SET_PDEATHSIG, profile == SANDBOX_HEARTBEAT ? 0 : SIGKILL, 0, 0, 0) < 0)
		log_warning("parent-death signal is refused: %s", strerror(errno));
	if (!FILTERS_CALLS)
		return 0;
	r = filter_calls(profile);
	if (r < 0)
		log_warning("system calls are not filtered: %s", strerror(-r));
	return 0;
}
