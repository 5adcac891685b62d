/* keyd_live.c -- reads which keys the live certificates refer to. */
#include "keyd_live.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REFERENCE_NAME "key.uri"

/* Both ways in which a reference tells the id: "%ab%cd..." in a PKCS#11 URI, "abcd..." in the name of a TPM key file. */
static bool refers_to(const char *text, const uint8_t id[TOKEN_ID_LEN])
{
	char plain[2 * TOKEN_ID_LEN + 1], escaped[3 * TOKEN_ID_LEN + 1];

	for (size_t i = 0; i < TOKEN_ID_LEN; i++) {
		snprintf(plain + 2 * i, 3, "%02x", id[i]);
		snprintf(escaped + 3 * i, 4, "%%%02x", id[i]);
	}
	return strcasestr(text, plain) || strcasestr(text, escaped);
}

static enum rc reference_check(int live, const char *certificate, const struct token_key_name *name, struct err *err)
{
	char path[300], text[TOKEN_REFERENCE_MAX + 1];
	size_t len = 0;
	ssize_t got = 0;

	snprintf(path, sizeof(path), "%s/%s", certificate, REFERENCE_NAME);
	int fd = openat(live, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return RC_OK; /* nothing is live under this name */
	if (fd >= 0)
		while (len < TOKEN_REFERENCE_MAX && (got = read(fd, text + len, TOKEN_REFERENCE_MAX - len)) > 0)
			len += (size_t)got;
	if (fd < 0 || got < 0) {
		int number = errno;

		if (fd >= 0)
			close(fd);
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, number, "it cannot be told whether live/%s uses it: %s", path,
				   strerror(number));
	}
	close(fd);
	text[len] = '\0';
	if (refers_to(text, name->id))
		return err_set_raw(err, RC_DENIED, ERR_KEYD, 0, "it is the live key of certificate \"%s\" and is not erased",
				   certificate);
	return RC_OK;
}

/* "hwacme-OWNER-..." : is this name the owner, or cut short to it? */
static bool may_own(const char *certificate, const char *label)
{
	size_t prefix = strlen(TOKEN_LABEL_PREFIX), len = strlen(label);

	if (strncmp(label, TOKEN_LABEL_PREFIX, prefix) != 0 || len < prefix + 1 + 2 * TOKEN_ID_LEN)
		return true;
	size_t owner = len - prefix - 1 - 2 * TOKEN_ID_LEN;
	return strncmp(certificate, label + prefix, owner) == 0;
}

enum rc keyd_live_check(const char *state_dir, const struct token_key_name *name, struct err *err)
{
	char path[4096];
	const struct dirent *entry;
	unsigned seen = 0;
	enum rc rc = RC_OK;

	snprintf(path, sizeof(path), "%s/live", state_dir);
	DIR *live = opendir(path);
	if (!live && errno == ENOENT)
		return RC_OK;
	if (!live)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "cannot open %s: %s", path, strerror(errno));
	while (rc == RC_OK && (entry = readdir(live)))
		if (entry->d_name[0] != '.' && (seen++ < KEYD_LIVE_SCAN_MAX || may_own(entry->d_name, name->label)))
			rc = reference_check(dirfd(live), entry->d_name, name, err);
	closedir(live);
	return rc;
}
