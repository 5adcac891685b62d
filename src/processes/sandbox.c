/* sandbox.c -- the system calls that engine and keyd keep, by name. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "challenge.h"
#include "http.h"
#include "sandbox_files.h"

/* What both need: memory, threads, clocks, files already open and files by name. */
static const char *const COMMON[] = {
	"read",
	"write",
	"readv",
	"writev",
	"pread64",
	"pwrite64",
	"preadv",
	"pwritev",
	"lseek",
	"close",
	"close_range",
	"fstat",
	"newfstatat",
	"stat",
	"lstat",
	"statx",
	"fstatfs",
	"statfs",
	"access",
	"faccessat",
	"faccessat2",
	"open",
	"openat",
	"openat2",
	"readlink",
	"readlinkat",
	"getdents64",
	"getcwd",
	"fcntl",
	"flock",
	"fsync",
	"fdatasync",
	"ftruncate",
	"truncate",
	"fallocate",
	"fadvise64",
	"sync_file_range",
	"mkdir",
	"mkdirat",
	"unlink",
	"unlinkat",
	"rmdir",
	"rename",
	"renameat",
	"renameat2",
	"symlink",
	"symlinkat",
	"link",
	"linkat",
	"chmod",
	"fchmod",
	"fchmodat",
	"fchown",
	"umask",
	"dup",
	"dup2",
	"dup3",
	"pipe",
	"pipe2",
	"eventfd2",
	"epoll_create1",
	"epoll_ctl",
	"epoll_wait",
	"epoll_pwait",
	"poll",
	"ppoll",
	"select",
	"pselect6",
	"timerfd_create",
	"timerfd_settime",
	"munmap",
	"mremap",
	"brk",
	"madvise",
	"mlock",
	"mlock2",
	"munlock",
	"membarrier",
	"mincore",
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"rt_sigtimedwait",
	"sigaltstack",
	"tgkill",
	"exit",
	"exit_group",
	"futex",
	"set_robust_list",
	"get_robust_list",
	"rseq",
	"set_tid_address",
	"sched_yield",
	"sched_getaffinity",
	"sched_getparam",
	"sched_getscheduler",
	"sched_setscheduler",
	"sched_get_priority_max",
	"sched_get_priority_min",
	"clock_gettime",
	"clock_getres",
	"clock_nanosleep",
	"nanosleep",
	"gettimeofday",
	"time",
	"times",
	"getrusage",
	"getpid",
	"gettid",
	"getppid",
	"getpgrp",
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	"getgroups",
	"getresuid",
	"getresgid",
	"getrandom",
	"uname",
	"sysinfo",
	"prlimit64",
	"getrlimit",
	"prctl",
	"arch_prctl",
	"restart_syscall",
	"wait4",
	"waitid",
	"connect",
	"bind",
	"listen",
	"accept",
	"accept4",
	"getsockname",
	"getpeername",
	"setsockopt",
	"getsockopt",
	"sendto",
	"recvfrom",
	"sendmsg",
	"recvmsg",
	"sendmmsg",
	"recvmmsg",
	"shutdown",
	"socketpair",
	/* The same where a long has 32 bits; elsewhere these are no calls. */
	"send",
	"recv",
	"_llseek",
	"fstat64",
	"fstatat64",
	"stat64",
	"lstat64",
	"fstatfs64",
	"statfs64",
	"fcntl64",
	"ftruncate64",
	"truncate64",
	"fadvise64_64",
	"arm_fadvise64_64",
	"sync_file_range2",
	"fchown32",
	"_newselect",
	"ppoll_time64",
	"pselect6_time64",
	"recvmmsg_time64",
	"timerfd_settime64",
	"sigreturn",
	"rt_sigtimedwait_time64",
	"futex_time64",
	"clock_gettime64",
	"clock_getres_time64",
	"clock_nanosleep_time64",
	"getuid32",
	"geteuid32",
	"getgid32",
	"getegid32",
	"getgroups32",
	"getresuid32",
	"getresgid32",
	"ugetrlimit",
	"waitpid",
	NULL,
};

/* Vendors' modules: shared memory with their daemons, devices, their own caches and logs. */
static const char *const KEYD_ONLY[] = {
	"mmap",
	"mprotect",
	"ioctl",
	"shmget",
	"shmat",
	"shmdt",
	"shmctl",
	"semget",
	"semop",
	"semtimedop",
	"semctl",
	"msync",
	"chown",
	"fchownat",
	"lchown",
	"utimensat",
	"utime",
	"utimes",
	"futimesat",
	"mknod",
	"mknodat",
	"getxattr",
	"lgetxattr",
	"fgetxattr",
	"inotify_init1",
	"inotify_add_watch",
	"inotify_rm_watch",
	"memfd_create",
	"setpriority",
	"getpriority",
	"get_mempolicy",
	"chdir",
	"fchdir",
	"mmap2",
	"chown32",
	"lchown32",
	"utimensat_time64",
	"semtimedop_time64",
	NULL,
};

#ifdef __SANITIZE_ADDRESS__
/* The leak checker stops the process and looks at it from a clone of it. */
static const char *const SANITIZER[] = { "ptrace", "clone", "getdents", "process_vm_readv", "kill", NULL };
#else
static const char *const SANITIZER[] = { NULL };
#endif

static bool allow_names(scmp_filter_ctx filter, const char *const *names)
{
	bool ok = true;

	for (; *names && ok; names++) {
		int number = seccomp_syscall_resolve_name(*names);

		/* Not every architecture has every call. */
		if (number != __NR_SCMP_ERROR)
			ok = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0) == 0;
	}
	return ok;
}

/* Threads, not processes; and the newer call, whose flags cannot be looked at, is told not to exist: libc takes the older. */
static bool allow_threads(scmp_filter_ctx filter)
{
	enum { CLONE_THREAD_FLAG = 0x00010000 };
#ifdef __s390x__
	enum { FLAGS = 1 }; /* the stack comes first there */
#else
	enum { FLAGS = 0 };
#endif
	struct scmp_arg_cmp is_thread = SCMP_CMP(FLAGS, SCMP_CMP_MASKED_EQ, CLONE_THREAD_FLAG, CLONE_THREAD_FLAG);

	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, is_thread) == 0 &&
	       seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
}

bool sandbox_sees_sockets(void)
{
#ifdef __NR_socketcall
	return false;
#else
	return true;
#endif
}

bool sandbox_sees_mappings(void)
{
#ifdef __s390x__
	return false;
#else
	return true;
#endif
}

/* Where it does not see them, the library leaves the family out of the rule. */
static bool allow_sockets(scmp_filter_ctx filter, const int *families, size_t count)
{
	bool ok = true;

	for (size_t i = 0; i < count && ok; i++)
		ok = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				      SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0)) == 0;
	return ok;
}

/* Memory that is not executable: no module can be mapped. */
static bool allow_plain_memory(scmp_filter_ctx filter)
{
#ifdef __NR_mmap2
	const int map = SCMP_SYS(mmap2); /* the older one has its arguments in memory, and nobody calls it */
#else
	const int map = SCMP_SYS(mmap);
#endif
	const struct scmp_arg_cmp is_plain = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);

	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, map, sandbox_sees_mappings() ? 1 : 0, is_plain) == 0 &&
	       seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) == 0;
}

/* What libraries ask of a descriptor; nothing that writes into a terminal or configures a device. */
static bool allow_questions(scmp_filter_ctx filter)
{
	static const scmp_datum_t requests[] = { TCGETS, FIONREAD, FIONBIO, TIOCGWINSZ };
	bool ok = true;

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]) && ok; i++)
		ok = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, requests[i], 0)) == 0;
	return ok;
}

static enum rc filter_load(scmp_filter_ctx filter, bool complete, struct err *err)
{
	int failed = complete ? seccomp_load(filter) : -ENOMEM;

	seccomp_release(filter);
	if (failed)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, -failed, "the system call filter cannot be loaded: %s",
				   strerror(-failed));
	return RC_OK;
}

/* "swtpm:host=...", "mssim:port=...": a TPM at the other end of a network. */
static bool is_far(const char *tcti)
{
	return strstr(tcti, "host=") || strstr(tcti, "port=");
}

static bool needs_network(const struct config *config)
{
	for (unsigned i = 0; i < config->token_count; i++) {
		const struct config_token *token = &config->tokens[i];

		if (token->network || (token->tcti && is_far(token->tcti)))
			return true;
	}
	return false;
}

enum rc sandbox_keyd(const struct config *config, struct err *err)
{
	static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));

	prctl(PR_SET_DUMPABLE, 0);
	if (!filter)
		return err_set(err, RC_RESOURCE, "out of memory");
	bool complete = allow_names(filter, COMMON) && allow_names(filter, KEYD_ONLY) && allow_names(filter, SANITIZER) &&
			allow_threads(filter) && allow_sockets(filter, families, needs_network(config) ? 4 : 1);
	return filter_load(filter, complete, err);
}

/* Behind it nothing can be. */
static enum rc load_libraries(const struct config *config, struct err *err)
{
	enum rc rc = http_load(err);

	for (unsigned i = 0; i < config->certificate_count && rc == RC_OK; i++) {
		const struct config_certificate *certificate = &config->certificates[i];

		for (unsigned at = 0; at < certificate->challenge_count && rc == RC_OK; at++) {
			const struct challenge_ops *ops = challenge_get(certificate->challenges[at].type);

			if (ops && ops->load)
				rc = ops->load(&certificate->challenges[at], err);
		}
	}
	return rc;
}

enum rc sandbox_engine(const struct config *config, struct err *err)
{
	static const int families[] = { AF_INET, AF_INET6, AF_NETLINK };

	prctl(PR_SET_DUMPABLE, 0);
	enum rc rc = load_libraries(config, err);
	if (rc == RC_OK)
		rc = sandbox_files(config, err);
	if (rc != RC_OK)
		return rc;
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!filter)
		return err_set(err, RC_RESOURCE, "out of memory");
	bool complete = allow_names(filter, COMMON) && allow_names(filter, SANITIZER) && allow_threads(filter) &&
			allow_plain_memory(filter) && allow_questions(filter) &&
			allow_sockets(filter, families, sizeof(families) / sizeof(families[0]));
	return filter_load(filter, complete, err);
}
