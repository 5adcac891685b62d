/* webroot.c -- writes and removes one file in a folder that others may write to: no link is followed, nothing overwritten. */
#include "webroot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec.h"

static const char *const FOLDERS[] = { ".well-known", "acme-challenge" };

/* What to do about it. */
static const char *remedy(int number)
{
	switch (number) {
	case EACCES: return "; make its folder " WEBROOT_FOLDER " for the user that hwacme runs as";
	case ELOOP:
	case ENOTDIR: return "; it has to be a directory, and no link to one: find out who put it there, then remove it";
	case ENOENT: return "; write the document root of the web server after webroot:";
	default: return "";
	}
}

/* `absent` is what it means that something is not there. */
static enum rc fail(struct err *err, enum rc absent, const char *root, const char *what)
{
	int number = errno;

	return err_set_raw(err, number == ENOENT ? absent : RC_RETRY, ERR_ERRNO, number, "http-01: webroot %s: %s: %s%s", root,
			   what, strerror(number), remedy(number));
}

/* A descriptor of ROOT/.well-known/acme-challenge.  What is missing where it is made is the configuration's mistake. */
static enum rc folder_open(const char *root, bool make, int *ret_fd, struct err *err)
{
	enum rc absent = make ? RC_INPUT : RC_ABSENT;
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return fail(err, absent, root, "cannot be opened");
	for (size_t i = 0; i < sizeof(FOLDERS) / sizeof(FOLDERS[0]); i++) {
		if (make && mkdirat(fd, FOLDERS[i], 0755) != 0 && errno != EEXIST) {
			enum rc rc = fail(err, absent, root, FOLDERS[i]);
			close(fd);
			return rc;
		}
		int below = openat(fd, FOLDERS[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int number = errno;
		close(fd);
		errno = number;
		if (below < 0)
			return fail(err, absent, root, FOLDERS[i]);
		fd = below;
	}
	*ret_fd = fd;
	return RC_OK;
}

enum rc webroot_try(const char *root, struct err *err)
{
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	enum rc rc = fd < 0 ? fail(err, RC_INPUT, root, "cannot be opened") : RC_OK;

	for (size_t i = 0; rc == RC_OK && i < sizeof(FOLDERS) / sizeof(FOLDERS[0]); i++) {
		int below = openat(fd, FOLDERS[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (below < 0 && errno == ENOENT)
			break;
		if (below < 0)
			rc = fail(err, RC_INPUT, root, FOLDERS[i]);
		close(fd);
		fd = below;
	}
	if (rc == RC_OK && faccessat(fd, ".", W_OK | X_OK, 0) != 0)
		rc = fail(err, RC_INPUT, root, "may not be written in");
	if (fd >= 0)
		close(fd);
	return rc;
}

static enum rc token_check(const char *token, struct err *err)
{
	/* RFC 8555, 8.3: only base64url; a name with "/" or "." could be any file. */
	return codec_is_base64url(token) ? RC_OK : err_set(err, RC_PROTOCOL, "http-01: the token is not base64url");
}

static enum rc file_write(int folder, const char *root, const char *token, const char *text, struct err *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(folder, token, flags, 0644);

	/* Left by a run that was cut off: the name is the CA's token and nobody else's. */
	if (fd < 0 && errno == EEXIST && unlinkat(folder, token, 0) == 0)
		fd = openat(folder, token, flags, 0644);
	if (fd < 0)
		return fail(err, RC_RETRY, root, token);
	/* The web server is another user, whatever our umask says. */
	bool ok = span_write(fd, span_text(text)) && fchmod(fd, 0644) == 0;
	enum rc rc = ok ? RC_OK : fail(err, RC_RETRY, root, token);
	close(fd);
	if (!ok)
		unlinkat(folder, token, 0);
	return rc;
}

enum rc webroot_put(const char *root, const char *token, const char *text, struct err *err)
{
	int folder = -1;
	enum rc rc = token_check(token, err);

	if (rc == RC_OK)
		rc = folder_open(root, true, &folder, err);
	if (rc != RC_OK)
		return rc;
	rc = file_write(folder, root, token, text, err);
	close(folder);
	return rc;
}

enum rc webroot_remove(const char *root, const char *token, struct err *err)
{
	int folder = -1;
	enum rc rc = token_check(token, err);

	if (rc == RC_OK)
		rc = folder_open(root, false, &folder, err);
	if (rc != RC_OK)
		return rc;
	if (unlinkat(folder, token, 0) != 0)
		rc = fail(err, RC_ABSENT, root, token);
	close(folder);
	return rc;
}
