/* program_path.h -- where a program of the configuration lies, and whether it may be run. */
#ifndef HWA_PROGRAM_PATH_H
#define HWA_PROGRAM_PATH_H

#include <limits.h>

#include "err.h"

#define PROGRAM_PATH_USUAL "/usr/sbin:/usr/bin:/sbin:/bin" /* where we have no PATH */

/*
 * The file that is meant: `name` itself where it has a "/", otherwise the first of its kind in PATH.  RC_ABSENT: there is none; RC_INPUT: it is
 * no file, or may not be executed.  What its first line says is not read: execve(2) knows.
 */
enum rc program_find(const char *name, char ret_path[PATH_MAX], struct err *err) HWA_CHECKED;
/* Could somebody else write in it?  RC_INPUT then: others, or an owner who is neither root, nor `user`, nor we.  user: NULL for us. */
enum rc program_trust(const char *path, const char *user, struct err *err) HWA_CHECKED;

#endif /* HWA_PROGRAM_PATH_H */
