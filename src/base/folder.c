/* folder.c -- opens, makes, writes and clears below directory descriptors, and refuses what is not ours. */
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OTHERS_WRITE (S_IWGRP | S_IWOTH)
#define DIRECTORY    (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define FILE_MADE    (S_IRUSR | S_IWUSR) /* until its owner is set nobody else is to read it */

static enum rc fail_as(struct err *err, enum rc rc, const char *what, const char *path, const char *name)
{
	int number = errno;

	return err_set_raw(err, rc, ERR_ERRNO, number, "cannot %s %s%s%s: %s", what, path, name ? "/" : "", name ? name : "",
			   strerror(number));
}

static enum rc fail(struct err *err, const char *what, const char *path, const char *name)
{
	return fail_as(err, RC_RESOURCE, what, path, name);
}

static enum rc fail_open(struct err *err, const char *path, const char *name)
{
	return fail_as(err, errno == ENOENT ? RC_ABSENT : RC_RESOURCE, "open", path, name);
}

static enum rc refuse(struct err *err, const char *path, const char *name, const char *what)
{
	return err_set(err, RC_RESOURCE, "%s%s%s is in the way: it is %s; find out who put it there, then remove it", path,
		       name ? "/" : "", name ? name : "", what);
}

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFLNK: return "a symbolic link";
	case S_IFDIR: return "a directory";
	case S_IFREG: return "a file";
	case S_IFIFO: return "a pipe";
	case S_IFSOCK: return "a socket";
	default: return "a device";
	}
}

/* Root's, ours, or of whoever has the directory it lies in and could put anything there anyway. */
static bool is_trusted(uid_t owner, uid_t parent_owner)
{
	return owner == 0 || owner == geteuid() || owner == parent_owner;
}

/* Of the wanted type and of a trusted owner; for a directory also: nobody else's to write in. */
static enum rc check(const struct stat *status, mode_t type, uid_t parent_owner, const char *path, const char *name,
		     struct err *err)
{
	char what[96];

	if ((status->st_mode & S_IFMT) != type)
		return refuse(err, path, name, type_name(status->st_mode));
	if (!is_trusted(status->st_uid, parent_owner)) {
		snprintf(what, sizeof(what), "%s of another user (%ld)", type_name(status->st_mode), (long)status->st_uid);
		return refuse(err, path, name, what);
	}
	if (type == S_IFDIR && (status->st_mode & OTHERS_WRITE))
		return err_set(err, RC_RESOURCE, "others may write in %s%s%s (mode %04o); look what is in it, then: chmod go-w",
			       path, name ? "/" : "", name ? name : "", (unsigned)(status->st_mode & 07777));
	return RC_OK;
}

/* And it has one name: what is written to it is nobody else's. */
static enum rc check_file(const struct stat *status, uid_t parent_owner, const char *path, const char *name, struct err *err)
{
	enum rc rc = check(status, S_IFREG, parent_owner, path, name, err);

	if (rc == RC_OK && status->st_nlink > 1)
		rc = err_set(err, RC_RESOURCE,
			     "%s/%s has another name too (a hard link); find it with `find / -xdev -samefile %s/%s` and "
			     "remove that one",
			     path, name, path, name);
	return rc;
}

enum rc folder_sync(int folder, const char *path, struct err *err)
{
	return fsync(folder) == 0 ? RC_OK : fail(err, "sync", path, NULL);
}

/* The umask does not count; and at once, because with some a directory that was just made cannot even be opened. */
static bool make_exactly(int parent, const char *name, mode_t mode)
{
	return mkdirat(parent, name, mode) == 0 && fchmodat(parent, name, mode, 0) == 0;
}

/* What root makes in a directory of another user is that user's, as if that user had made it.  Where root may not give it away it stays
 * root's, which is no failure of what is being done. */
static void give_to_owner_of(int folder, int made)
{
	struct stat status;

	if (geteuid() == 0 && fstat(folder, &status) == 0 && status.st_uid != 0)
		(void)!fchown(made, status.st_uid, status.st_gid);
}

static enum rc open_checked(int parent, const char *name, const char *path, int *ret_fd, struct err *err)
{
	struct stat status, above;
	enum rc rc = RC_OK;
	int fd = openat(parent, name, DIRECTORY | O_NOFOLLOW);
	if (fd < 0) {
		int number = errno;

		if ((number == ENOTDIR || number == ELOOP) && fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
			return refuse(err, path, NULL, type_name(status.st_mode));
		errno = number;
		return fail_open(err, path, NULL);
	}
	if (fstat(fd, &status) != 0 || fstat(parent, &above) != 0)
		rc = fail(err, "look at", path, NULL);
	else
		rc = check(&status, S_IFDIR, above.st_uid, path, NULL, err);
	if (rc != RC_OK)
		close(fd);
	else
		*ret_fd = fd;
	return rc;
}

enum rc folder_make(int parent, const char *name, const char *path, mode_t mode, int *ret_fd, struct err *err)
{
	if (!make_exactly(parent, name, mode))
		return fail(err, "make", path, NULL);
	enum rc rc = open_checked(parent, name, path, ret_fd, err);
	if (rc == RC_OK)
		give_to_owner_of(parent, *ret_fd);
	return rc;
}

enum rc folder_open(int parent, const char *name, const char *path, mode_t make, int *ret_fd, struct err *err)
{
	bool is_made = make && make_exactly(parent, name, make);

	if (make && !is_made && errno != EEXIST)
		return fail(err, "make", path, NULL);
	enum rc rc = is_made ? folder_sync(parent, path, err) : RC_OK;
	if (rc == RC_OK)
		rc = open_checked(parent, name, path, ret_fd, err);
	if (rc == RC_OK && is_made)
		give_to_owner_of(parent, *ret_fd);
	return rc;
}

/* "/a/b" into "/a" and "b"; a name alone lies in ".". */
static enum rc split(const char *path, char above[PATH_MAX], const char **ret_name, struct err *err)
{
	int len = snprintf(above, PATH_MAX, "%s", path);

	if (len <= 0 || len >= PATH_MAX)
		return err_set(err, RC_INPUT, "the path is too long, or empty: %s", path);
	char *slash = strrchr(above, '/');
	*ret_name = slash ? path + (slash - above) + 1 : path;
	if (!slash)
		snprintf(above, PATH_MAX, ".");
	else
		slash[slash == above] = '\0';
	return RC_OK;
}

static void sync_above(const char *path)
{
	char above[PATH_MAX];
	const char *name;

	if (split(path, above, &name, NULL) != RC_OK)
		return;
	int fd = open(above, DIRECTORY);
	if (fd < 0) /* it need not be ours to read */
		return;
	fsync(fd);
	close(fd);
}

enum rc folder_open_top(const char *path, mode_t make, int *ret_fd, struct err *err)
{
	struct stat status;

	if (make && make_exactly(AT_FDCWD, path, make))
		sync_above(path);
	else if (make && errno != EEXIST)
		return fail(err, "make", path, NULL);
	int fd = open(path, DIRECTORY);
	if (fd < 0)
		return fail_open(err, path, NULL);
	/* Where everybody may rename everything, nothing below is anybody's. */
	if (fstat(fd, &status) == 0 && (status.st_mode & (S_IWOTH | S_ISVTX)) == S_IWOTH) {
		close(fd);
		return err_set(err, RC_RESOURCE, "everybody may write in %s (mode %04o); look what is in it, then: chmod o-w",
			       path, (unsigned)(status.st_mode & 07777));
	}
	*ret_fd = fd;
	return RC_OK;
}

enum rc folder_open_path(const char *path, mode_t make, int *ret_fd, struct err *err)
{
	char above[PATH_MAX];
	const char *name;
	int top;
	enum rc rc = split(path, above, &name, err);

	if (rc == RC_OK)
		rc = folder_open_top(above, 0, &top, err);
	if (rc != RC_OK)
		return rc;
	rc = folder_open(top, name, path, make, ret_fd, err);
	close(top);
	return rc;
}

/* Tells the kernel to begin with what folder_end() waits for.  It need not be able to: only what failed counts. */
static bool is_underway(int fd)
{
	return sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE) == 0 || (errno != EIO && errno != ENOSPC && errno != EDQUOT);
}

static enum rc fill(int fd, const char *path, const struct folder_file *file, struct span content, struct err *err)
{
	bool keeps_owner = file->owner == (uid_t)-1 && file->group == (gid_t)-1;

	if (!span_write(fd, content))
		return fail(err, "write", path, file->name);
	if (!keeps_owner && fchown(fd, file->owner, file->group) != 0)
		return fail(err, "give away", path, file->name);
	if (fchmod(fd, file->mode) != 0)
		return fail(err, "set the mode of", path, file->name);
	return is_underway(fd) ? RC_OK : fail(err, "write", path, file->name);
}

enum rc folder_begin(int folder, const char *path, const struct folder_file *file, struct span content, int *ret_fd,
		     struct err *err)
{
	struct stat status;
	int fd = openat(folder, file->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MADE);

	if (fd < 0 && errno == EEXIST && fstatat(folder, file->name, &status, AT_SYMLINK_NOFOLLOW) == 0)
		return refuse(err, path, file->name, type_name(status.st_mode));
	if (fd < 0)
		return fail(err, "create", path, file->name);
	give_to_owner_of(folder, fd);
	enum rc rc = fill(fd, path, file, content, err);
	if (rc == RC_OK) {
		*ret_fd = fd;
		return RC_OK;
	}
	close(fd);
	unlinkat(folder, file->name, 0);
	return rc;
}

enum rc folder_end(int fd, const char *path, const char *name, struct err *err)
{
	enum rc rc = fsync(fd) == 0 ? RC_OK : fail(err, "sync", path, name);

	close(fd);
	return rc;
}

enum rc folder_write(int folder, const char *path, const struct folder_file *file, struct span content, struct err *err)
{
	int fd;
	enum rc rc = folder_begin(folder, path, file, content, &fd, err);

	if (rc != RC_OK)
		return rc;
	rc = folder_end(fd, path, file->name, err);
	if (rc != RC_OK)
		unlinkat(folder, file->name, 0);
	return rc;
}

enum rc folder_read(int folder, const char *path, const char *name, struct buf *ret_content, struct err *err)
{
	struct stat status, parent;
	uint8_t piece[1024];
	ssize_t got = 0;
	/* Not blocking: a pipe would wait for somebody to write. */
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno == ELOOP)
		return refuse(err, path, name, "a symbolic link");
	if (fd < 0)
		return fail_open(err, path, name);
	enum rc rc = fstat(fd, &status) == 0 && fstat(folder, &parent) == 0
			     ? check(&status, S_IFREG, parent.st_uid, path, name, err)
			     : fail(err, "look at", path, name);
	while (rc == RC_OK && ((got = read(fd, piece, sizeof(piece))) > 0 || (got < 0 && errno == EINTR)))
		if (got > 0)
			rc = buf_append(ret_content, span_of(piece, (size_t)got), err);
	if (rc == RC_OK && got < 0)
		rc = fail(err, "read", path, name);
	close(fd);
	return rc;
}

/* Not blocking: a pipe would wait for somebody to write. */
enum rc folder_open_file(int folder, const char *path, const char *name, int *ret_fd, struct err *err)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	struct stat status, parent;
	int fd = openat(folder, name, flags | O_CREAT | O_EXCL, FILE_MADE);

	if (fd >= 0) {
		*ret_fd = fd;
		give_to_owner_of(folder, fd);
		return fchmod(fd, FILE_MADE) == 0 ? RC_OK : fail(err, "set the mode of", path, name);
	}
	if (errno != EEXIST)
		return fail(err, "create", path, name);
	fd = openat(folder, name, flags);
	int number = errno;
	if (fd < 0 && fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(status.st_mode))
		return refuse(err, path, name, type_name(status.st_mode));
	errno = number;
	if (fd < 0)
		return fail_open(err, path, name);
	enum rc rc = fstat(fd, &status) == 0 && fstat(folder, &parent) == 0 ? check_file(&status, parent.st_uid, path, name, err)
									    : fail(err, "look at", path, name);
	if (rc != RC_OK)
		close(fd);
	else
		*ret_fd = fd;
	return rc;
}

enum rc folder_look_file(int folder, const char *path, const char *name, struct err *err)
{
	struct stat status, parent;

	if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? RC_OK : fail(err, "look at", path, name);
	if (fstat(folder, &parent) != 0)
		return fail(err, "look at", path, NULL);
	return check_file(&status, parent.st_uid, path, name, err);
}

enum rc folder_look(int folder, const char *path, const char *name, mode_t type, bool *ret_is_there, struct err *err)
{
	struct stat status, parent;

	if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
		*ret_is_there = false;
		return errno == ENOENT ? RC_OK : fail(err, "look at", path, name);
	}
	*ret_is_there = true;
	if (fstat(folder, &parent) != 0)
		return fail(err, "look at", path, NULL);
	return check(&status, type, parent.st_uid, path, name, err);
}

enum rc folder_clear(int folder, const char *path, const char *name, mode_t type, struct err *err)
{
	bool is_there;
	enum rc rc = folder_look(folder, path, name, type, &is_there, err);

	if (rc == RC_OK && is_there && unlinkat(folder, name, 0) != 0 && errno != ENOENT)
		rc = fail(err, "remove", path, name);
	return rc;
}

static enum rc empty(DIR *directory, const char *path, struct err *err)
{
	const struct dirent *entry;

	while ((entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    unlinkat(dirfd(directory), entry->d_name, 0) != 0)
			return errno == EISDIR ? refuse(err, path, entry->d_name, type_name(S_IFDIR))
					       : fail(err, "remove", path, entry->d_name);
	return RC_OK;
}

enum rc folder_remove(int folder, const char *path, const char *name, struct err *err)
{
	char whole[PATH_MAX];
	bool is_there;
	int fd;
	enum rc rc = folder_look(folder, path, name, S_IFDIR, &is_there, err);

	if (rc != RC_OK || !is_there)
		return rc;
	snprintf(whole, sizeof(whole), "%s/%s", path, name);
	rc = folder_open(folder, name, whole, 0, &fd, err);
	if (rc != RC_OK)
		return rc;
	DIR *directory = fdopendir(fd);
	if (!directory) {
		rc = fail(err, "list", whole, NULL);
		close(fd);
		return rc;
	}
	rc = empty(directory, whole, err);
	closedir(directory);
	if (rc == RC_OK && unlinkat(folder, name, AT_REMOVEDIR) != 0)
		rc = fail(err, "remove", whole, NULL);
	return rc;
}
