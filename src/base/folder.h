/*
 * folder.h -- directories of ours and the files in them: exact modes, no links, nobody else's hands.
 *
 * What lies where we are about to read or write may have been put there by somebody else: a link that leads away, a
 * pipe that never ends, a directory that others may write in.  All of that is refused with RC_RESOURCE and a text that
 * names it; nothing is changed then.  STATE is the operator's own path: it may lead through links, and whoever owns it
 * is trusted with what lies below.  There all is opened below a descriptor, belongs to us, to root or to the owner of
 * the directory it lies in, and is nobody else's to write in.
 *
 * Modes are exact under any umask.  What root makes in a directory of another user is that user's, so that the daemon can go on with what a
 * command of root's began.  What was made or written is on disk on return.
 */
#ifndef HWA_FOLDER_H
#define HWA_FOLDER_H

#include <sys/stat.h>
#include <sys/types.h>

#include "bytes.h"
#include "err.h"

/* How a new file is to be; owner and group (uid_t)-1, (gid_t)-1: ours, or where root writes for another user, that user's. */
struct folder_file {
	const char *name;
	mode_t mode;
	uid_t owner;
	gid_t group;
};

/* STATE: by its path.  `make`: the mode it is made with when it is missing; 0: RC_ABSENT then. */
enum rc folder_open_top(const char *path, mode_t make, int *ret_fd, struct err *err) HWA_CHECKED;
/* NAME in the directory `parent`; messages call it `path`, its whole path. */
enum rc folder_open(int parent, const char *name, const char *path, mode_t make, int *ret_fd, struct err *err) HWA_CHECKED;
/* The same for one that is not there yet; it is on disk when `parent` is synced, not before. */
enum rc folder_make(int parent, const char *name, const char *path, mode_t mode, int *ret_fd, struct err *err) HWA_CHECKED;
/* "STATE/NAME": the first two in one. */
enum rc folder_open_path(const char *path, mode_t make, int *ret_fd, struct err *err) HWA_CHECKED;

/* A new file, whole and on disk (its name is not, until the directory is synced); nothing is left of one that failed. */
enum rc folder_write(int folder, const char *path, const struct folder_file *file, struct span content,
		     struct err *err) HWA_CHECKED;
/* The same in two parts, for several files at once: when all are begun, none is waited for while another has yet to be written.
 * Begun, a file is written and on its way to the disk; when it has ended, it is there.  folder_end() closes it, also on failure; what
 * is left of one that failed is the caller's to remove. */
enum rc folder_begin(int folder, const char *path, const struct folder_file *file, struct span content, int *ret_fd,
		     struct err *err) HWA_CHECKED;
enum rc folder_end(int fd, const char *path, const char *name, struct err *err) HWA_CHECKED;
/* A regular file of ours; RC_ABSENT when there is none. */
enum rc folder_read(int folder, const char *path, const char *name, struct buf *ret_content, struct err *err) HWA_CHECKED;
/*
 * A regular file of ours to read and write in place, made with 0600 when it is missing.  One that has another name too (a hard link) is
 * refused: whoever has that name would find in it what is written here.
 */
enum rc folder_open_file(int folder, const char *path, const char *name, int *ret_fd, struct err *err) HWA_CHECKED;
/* The same look without opening it, for those that a library opens by their paths.  None is RC_OK. */
enum rc folder_look_file(int folder, const char *path, const char *name, struct err *err) HWA_CHECKED;
/* Is there something under that name?  Then it is of `type` and of somebody who is trusted, or RC_RESOURCE. */
enum rc folder_look(int folder, const char *path, const char *name, mode_t type, bool *ret_is_there, struct err *err) HWA_CHECKED;
/* Removes what we left under that name when we were killed: of `type` S_IFREG, S_IFLNK or S_IFSOCK.  None is RC_OK. */
enum rc folder_clear(int folder, const char *path, const char *name, mode_t type, struct err *err) HWA_CHECKED;
/* Removes a directory of ours and the files in it.  None is RC_OK. */
enum rc folder_remove(int folder, const char *path, const char *name, struct err *err) HWA_CHECKED;
enum rc folder_sync(int folder, const char *path, struct err *err) HWA_CHECKED;

#endif /* HWA_FOLDER_H */
