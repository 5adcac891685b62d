/* fault_shim.c -- stands before the C library: what changes files below STATE, sends, or starts a process is a site. */
#if __SIZEOF_LONG__ == 8
#undef _TIME_BITS
#undef _FILE_OFFSET_BITS /* which gives open() the name of open64() */
#endif

#include "fault_shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
/* The function of this name that comes after ours: a sanitizer's, or the C library's. */
#define NEXT(name) NEXT_NAMED(name, #name)
#define NEXT_NAMED(name, symbol)       \
	static __typeof__(name) *next; \
	if (!next)                     \
	*(void **)(&next) = dlsym(RTLD_NEXT, symbol)

#if __SIZEOF_LONG__ == 8
/* The same under both names that a program may have been compiled with. */
#define ALSO(name, same) EXPORT __typeof__(name) same __attribute__((alias(#name)))
#define NEXT_SENDMSG     "sendmsg"
#else
/* The other name is another function there, and only what was compiled as we are is swept. */
#define ALSO(name, same) EXPORT __typeof__(name) name
#define NEXT_SENDMSG     "__sendmsg64"
#endif

/* What comes after STATE/ in the path; false: it is somewhere else. */
static bool state_cut(const char *path, char ret[FAULT_PATH])
{
	const struct fault_memory *memory = fault_memory();
	size_t len = strlen(memory->state);

	if (strncmp(path, memory->state, len) != 0 || (path[len] != '/' && path[len] != '\0'))
		return false;
	snprintf(ret, FAULT_PATH, "%s", path[len] ? path + len + 1 : ".");
	return true;
}

static bool fd_path(int fd, char ret[PATH_MAX])
{
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, ret, PATH_MAX - 1);
	ret[len > 0 ? len : 0] = '\0';
	return len > 0;
}

static bool fd_is_state(int fd, char ret[FAULT_PATH])
{
	char path[PATH_MAX];
	int number = errno;
	bool is_ours = fault_memory() && fd_path(fd, path) && state_cut(path, ret);

	errno = number;
	return is_ours;
}

static bool at_is_state(int dir, const char *name, char ret[FAULT_PATH])
{
	char path[2 * PATH_MAX] = "";
	int number = errno;

	if (!fault_memory())
		return false;
	if (name[0] != '/' && (dir == AT_FDCWD ? !getcwd(path, PATH_MAX) : !fd_path(dir, path)))
		return false;
	errno = number;
	snprintf(path + strlen(path), PATH_MAX, "%s%s", name[0] == '/' ? "" : "/", name);
	return state_cut(path, ret);
}

static uint64_t fd_inode(int fd)
{
	struct stat status;
	int number = errno;
	uint64_t inode = fstat(fd, &status) == 0 ? status.st_ino : 0;

	errno = number;
	return inode;
}

/* The site of a change to an open file. */
static struct fault_site fd_begin(int fd, const char *call)
{
	char path[FAULT_PATH];

	if (!fd_is_state(fd, path))
		return (struct fault_site){ .record = NULL };
	struct fault_site site = fault_begin(FAULT_FILE, call, path, "");
	if (site.record)
		site.record->inode = fd_inode(fd);
	return site;
}

static struct fault_site at_begin(const char *call, int dir, const char *name, int other_dir, const char *other_name)
{
	char path[FAULT_PATH], other[FAULT_PATH] = "";

	if (!at_is_state(dir, name, path))
		return (struct fault_site){ .record = NULL };
	if (other_name && !at_is_state(other_dir, other_name, other))
		snprintf(other, sizeof(other), "(elsewhere)");
	return fault_begin(FAULT_FILE, call, path, other);
}

static const char *const DIRECTIONS[] = {
	[FAULT_NETWORK] = "to the network", [FAULT_LINK] = "to ours", [FAULT_TPM] = "to the TPM"
};

/* A socket: the network's, a pair between our processes (SOCK_SEQPACKET), or that of a TPM. */
static struct fault_site socket_begin(int fd, const char *call, size_t len)
{
	struct sockaddr_storage address = { 0 };
	socklen_t address_len = sizeof(address), type_len = sizeof(int);
	int number = errno, type = 0;
	struct fault_site site = { .record = NULL };

	if (!fault_memory() || getsockname(fd, (struct sockaddr *)&address, &address_len) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) != 0) {
		errno = number;
		return site;
	}
	errno = number;
	enum fault_kind kind = address.ss_family != AF_UNIX ? FAULT_NETWORK : type == SOCK_SEQPACKET ? FAULT_LINK : FAULT_TPM;
	site = fault_begin(kind, call, DIRECTIONS[kind], "");
	if (site.record)
		site.record->len = len;
	return site;
}

static bool fd_is_socket(int fd)
{
	struct stat status;
	int number = errno;
	bool is_socket = fault_memory() && fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);

	errno = number;
	return is_socket;
}

/* What a disk takes that gets full in the middle of it. */
static size_t room_for(const struct fault_site *site, size_t len)
{
	return site->fails && site->is_half && len > 1 ? len / 2 : len;
}

static bool gives_up(const struct fault_site *site, size_t len)
{
	if (!site->fails || (site->is_half && len > 1))
		return false;
	errno = fault_memory()->error;
	return true;
}

EXPORT ssize_t write(int fd, const void *bytes, size_t len)
{
	NEXT(write);
	struct fault_site site = fd_is_socket(fd) ? socket_begin(fd, "write", len) : fd_begin(fd, "write");

	if (!site.record)
		return next(fd, bytes, len);
	if (gives_up(&site, len))
		return -1;
	uint64_t offset = (uint64_t)lseek(fd, 0, SEEK_CUR);
	ssize_t done = next(fd, bytes, room_for(&site, len));
	if (done > 0 && site.record->kind == FAULT_FILE)
		fault_keep(&site, bytes, (size_t)done, offset);
	fault_end(&site, done);
	return done;
}

EXPORT ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	NEXT_NAMED(pwrite, "pwrite64");
	struct fault_site site = fd_begin(fd, "pwrite");

	if (gives_up(&site, len))
		return -1;
	ssize_t done = next(fd, bytes, room_for(&site, len), offset);
	if (done > 0)
		fault_keep(&site, bytes, (size_t)done, (uint64_t)offset);
	fault_end(&site, done);
	return done;
}
ALSO(pwrite, pwrite64);

/* Nobody writes into STATE so; where somebody begins to, this says that the shim has to learn it. */
static void not_for_state(int fd, const char *call)
{
	char path[FAULT_PATH];

	if (!fd_is_state(fd, path))
		return;
	dprintf(STDERR_FILENO, "fault_shim: %s of %s is not understood\n", call, path);
	_exit(99);
}

EXPORT ssize_t writev(int fd, const struct iovec *pieces, int count)
{
	NEXT(writev);
	struct fault_site site = { .record = NULL };

	if (fd_is_socket(fd))
		site = socket_begin(fd, "writev", 0);
	else
		not_for_state(fd, "writev");
	ssize_t done = next(fd, pieces, count);
	fault_end(&site, done);
	return done;
}

EXPORT int fallocate(int fd, int mode, off_t offset, off_t len)
{
	NEXT_NAMED(fallocate, "fallocate64");
	not_for_state(fd, "fallocate");
	return next(fd, mode, offset, len);
}
ALSO(fallocate, fallocate64);

EXPORT int posix_fallocate(int fd, off_t offset, off_t len)
{
	NEXT_NAMED(posix_fallocate, "posix_fallocate64");
	not_for_state(fd, "posix_fallocate");
	return next(fd, offset, len);
}
ALSO(posix_fallocate, posix_fallocate64);

/* A call whose only site is one descriptor, or one name: done unless it is to fail. */
#define PERFORM(site, call)                            \
	do {                                           \
		struct fault_site at = (site);         \
		if (at.fails) {                        \
			errno = fault_memory()->error; \
			return -1;                     \
		}                                      \
		int result = (call);                   \
		fault_end(&at, result);                \
		return result;                         \
	} while (0)

EXPORT int ftruncate(int fd, off_t len)
{
	NEXT_NAMED(ftruncate, "ftruncate64");
	struct fault_site site = fd_begin(fd, "ftruncate");

	if (site.record)
		site.record->len = (uint64_t)len;
	PERFORM(site, next(fd, len));
}
ALSO(ftruncate, ftruncate64);

EXPORT int fsync(int fd)
{
	NEXT(fsync);
	PERFORM(fd_begin(fd, "fsync"), next(fd));
}

EXPORT int fdatasync(int fd)
{
	NEXT(fdatasync);
	PERFORM(fd_begin(fd, "fdatasync"), next(fd));
}

/* It promises nothing, but may be told of what failed. */
EXPORT int sync_file_range(int fd, off64_t offset, off64_t len, unsigned flags)
{
	NEXT(sync_file_range);
	PERFORM(fd_begin(fd, "sync_file_range"), next(fd, offset, len, flags));
}

EXPORT int fchmod(int fd, mode_t mode)
{
	NEXT(fchmod);
	struct fault_site site = fd_begin(fd, "fchmod");

	if (site.record)
		site.record->mode = mode;
	PERFORM(site, next(fd, mode));
}

EXPORT int rename(const char *from, const char *to)
{
	NEXT(rename);
	PERFORM(at_begin("rename", AT_FDCWD, from, AT_FDCWD, to), next(from, to));
}

EXPORT int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	NEXT(renameat);
	PERFORM(at_begin("rename", from_dir, from, to_dir, to), next(from_dir, from, to_dir, to));
}

EXPORT int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	NEXT(renameat2);
	PERFORM(at_begin("rename", from_dir, from, to_dir, to), next(from_dir, from, to_dir, to, flags));
}

EXPORT int link(const char *from, const char *to)
{
	NEXT(link);
	PERFORM(at_begin("link", AT_FDCWD, from, AT_FDCWD, to), next(from, to));
}

EXPORT int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	NEXT(linkat);
	PERFORM(at_begin("link", from_dir, from, to_dir, to), next(from_dir, from, to_dir, to, flags));
}

/* What a link says is kept as what was written. */
static struct fault_site symlink_begin(const char *target, int dir, const char *name)
{
	struct fault_site site = at_begin("symlink", dir, name, 0, NULL);

	if (!site.fails)
		fault_keep(&site, target, strlen(target), 0);
	return site;
}

EXPORT int symlink(const char *target, const char *name)
{
	NEXT(symlink);
	PERFORM(symlink_begin(target, AT_FDCWD, name), next(target, name));
}

EXPORT int symlinkat(const char *target, int dir, const char *name)
{
	NEXT(symlinkat);
	PERFORM(symlink_begin(target, dir, name), next(target, dir, name));
}

EXPORT int unlink(const char *name)
{
	NEXT(unlink);
	PERFORM(at_begin("unlink", AT_FDCWD, name, 0, NULL), next(name));
}

EXPORT int unlinkat(int dir, const char *name, int flags)
{
	NEXT(unlinkat);
	PERFORM(at_begin(flags & AT_REMOVEDIR ? "rmdir" : "unlink", dir, name, 0, NULL), next(dir, name, flags));
}

EXPORT int rmdir(const char *name)
{
	NEXT(rmdir);
	PERFORM(at_begin("rmdir", AT_FDCWD, name, 0, NULL), next(name));
}

/* Sockets are named by a way through /proc that is short enough. */
static struct fault_site bind_begin(const struct sockaddr_un *local, socklen_t len)
{
	char path[sizeof(local->sun_path) + 1] = "", directory[PATH_MAX];
	struct fault_site site = { .record = NULL };

	memcpy(path, local->sun_path, len - offsetof(struct sockaddr_un, sun_path));
	char *slash = strrchr(path, '/');
	if (!fault_memory() || !slash)
		return site;
	*slash = '\0';
	int fd = realpath(path, directory) ? open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		site = at_begin("bind", fd, slash + 1, 0, NULL);
		close(fd);
	}
	return site;
}

/* A socket that has a name is a file in its directory. */
EXPORT int bind(int fd, const struct sockaddr *address, socklen_t len)
{
	NEXT(bind);
	bool is_named = address->sa_family == AF_UNIX && len > offsetof(struct sockaddr_un, sun_path) && address->sa_data[0];

	if (!is_named)
		return next(fd, address, len);
	PERFORM(bind_begin((const struct sockaddr_un *)(const void *)address, len), next(fd, address, len));
}

static struct fault_site mkdir_begin(int dir, const char *name, mode_t mode)
{
	struct fault_site site = at_begin("mkdir", dir, name, 0, NULL);

	if (site.record)
		site.record->mode = mode;
	return site;
}

EXPORT int mkdir(const char *name, mode_t mode)
{
	NEXT(mkdir);
	PERFORM(mkdir_begin(AT_FDCWD, name, mode), next(name, mode));
}

EXPORT int mkdirat(int dir, const char *name, mode_t mode)
{
	NEXT(mkdirat);
	PERFORM(mkdir_begin(dir, name, mode), next(dir, name, mode));
}

/* Opening is a site where it may make a file or cut it off. */
static int open_it(int dir, const char *name, int flags, mode_t mode)
{
	NEXT_NAMED(openat, "openat64");
	struct fault_site site = { .record = NULL };

	if (flags & (O_CREAT | O_TRUNC))
		site = at_begin("open", dir, name, 0, NULL);
	if (site.fails) {
		errno = fault_memory()->error;
		return -1;
	}
	int fd = next(dir, name, flags, mode);
	if (site.record) {
		site.record->inode = fd >= 0 ? fd_inode(fd) : 0;
		site.record->mode = mode;
		site.record->flags = (uint32_t)flags;
	}
	fault_end(&site, fd);
	return fd;
}

#define MODE_OF(flags, mode)                   \
	mode_t mode = 0;                       \
	if ((flags) & (O_CREAT | O_TMPFILE)) { \
		va_list rest;                  \
		va_start(rest, flags);         \
		mode = va_arg(rest, mode_t);   \
		va_end(rest);                  \
	}

EXPORT int open(const char *name, int flags, ...)
{
	MODE_OF(flags, mode)
	return open_it(AT_FDCWD, name, flags, mode);
}
ALSO(open, open64);

EXPORT int openat(int dir, const char *name, int flags, ...)
{
	MODE_OF(flags, mode)
	return open_it(dir, name, flags, mode);
}
ALSO(openat, openat64);

EXPORT ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
	NEXT(send);
	struct fault_site site = socket_begin(fd, "send", len);
	ssize_t done = next(fd, bytes, len, flags);

	fault_end(&site, done);
	return done;
}

EXPORT ssize_t sendto(int fd, const void *bytes, size_t len, int flags, const struct sockaddr *to, socklen_t to_len)
{
	NEXT(sendto);
	struct fault_site site = socket_begin(fd, "sendto", len);
	ssize_t done = next(fd, bytes, len, flags, to, to_len);

	fault_end(&site, done);
	return done;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	NEXT_NAMED(sendmsg, NEXT_SENDMSG);
	struct fault_site site = socket_begin(fd, "sendmsg", 0);
	ssize_t done = next(fd, message, flags);

	fault_end(&site, done);
	return done;
}

EXPORT pid_t fork(void)
{
	NEXT(fork);
	struct fault_site site = fault_begin(FAULT_PROCESS, "fork", "", "");
	pid_t pid = next();

	if (pid != 0)
		fault_end(&site, pid);
	return pid;
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
	NEXT(posix_spawnp);
	struct fault_site site = fault_begin(FAULT_PROCESS, "spawn", "", "");
	int failed = next(pid, file, actions, attributes, argv, environment);

	fault_end(&site, failed);
	return failed;
}
