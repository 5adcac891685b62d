/* program_path.c -- looks a program up as a shell would, but for what no shell is there to do. */
#include "program_path.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum rc file_check(const char *path, struct err *err)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return err_set_raw(err, errno == ENOENT ? RC_ABSENT : RC_INPUT, ERR_ERRNO, errno, "%s: %s", path,
				   strerror(errno));
	if (!S_ISREG(status.st_mode))
		return err_set(err, RC_INPUT, "%s is no file", path);
	if (access(path, X_OK) != 0)
		return err_set_raw(err, RC_INPUT, ERR_ERRNO, errno, "%s may not be executed; chmod +x", path);
	return RC_OK;
}

/* One that may not be executed is passed over, as execvp(3) does; an empty part of PATH is not the directory we are in. */
enum rc program_find(const char *name, char ret_path[PATH_MAX], struct err *err)
{
	const char *path = getenv("PATH") ? getenv("PATH") : PROGRAM_PATH_USUAL;

	if (strchr(name, '/')) {
		/* The directory is / (program.h). */
		int len = snprintf(ret_path, PATH_MAX, "%s%s", name[0] == '/' ? "" : "/", name);
		return len < PATH_MAX ? file_check(ret_path, err) : err_set(err, RC_INPUT, "the path is too long");
	}
	while (*path) {
		size_t len = strcspn(path, ":");
		int whole = snprintf(ret_path, PATH_MAX, "%.*s/%s", (int)len, path, name);

		if (len && whole < PATH_MAX && file_check(ret_path, NULL) == RC_OK)
			return RC_OK;
		path += len + (path[len] == ':');
	}
	return err_set(err, RC_ABSENT, "it is in no directory of PATH; write its whole path");
}

enum rc program_trust(const char *path, const char *user, struct err *err)
{
	struct stat status;
	const struct passwd *entry = user ? getpwnam(user) : NULL;

	if (stat(path, &status) != 0)
		return err_set_raw(err, RC_INPUT, ERR_ERRNO, errno, "%s: %s", path, strerror(errno));
	if (status.st_mode & S_IWOTH)
		return err_set(err, RC_INPUT, "everybody may write in %s; look what is in it, then: chmod o-w", path);
	if (status.st_uid != 0 && status.st_uid != geteuid() && (!entry || status.st_uid != entry->pw_uid))
		return err_set(err, RC_INPUT,
			       "%s belongs to another user (%ld), who could change it; look what is in it, then: chown", path,
			       (long)status.st_uid);
	return RC_OK;
}
