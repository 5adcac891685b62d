/* pin.c -- reads a PIN into one locked page that is kept out of dumps and wiped after use. */
#include "pin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"

#define PIN_PAGE 4096u

struct pin {	/* lives at the start of its own page */
	size_t len;
	unsigned char bytes[PIN_MAX + 2];
};

const char *pin_where(const struct config_secret *secret, char text[512])
{
	const char *kind = secret->source == SECRET_CREDENTIAL ? "credential" : secret->source == SECRET_ENV ? "environment variable" : "file";

	snprintf(text, 512, "%s %s", kind, secret->where ? secret->where : "(none)");
	return text;
}

static enum rc read_file(struct pin *pin, const char *path, const char *where, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return err_set_raw(err, RC_INPUT, ERR_ERRNO, errno, "the PIN cannot be read from %s: %s", where, strerror(errno));
	ssize_t got = 0;
	while (pin->len < sizeof(pin->bytes) &&
	       (got = read(fd, pin->bytes + pin->len, sizeof(pin->bytes) - pin->len)) > 0)
		pin->len += (size_t)got;
	int failed = got < 0 ? errno : 0;
	close(fd);
	if (failed)
		return err_set_raw(err, RC_INPUT, ERR_ERRNO, failed, "the PIN cannot be read from %s: %s", where, strerror(failed));
	return RC_OK;
}

static enum rc read_secret(struct pin *pin, const struct config_secret *secret, const char *where, struct err *err)
{
	char path[4096];
	const char *value;

	switch (secret->source) {
	case SECRET_FILE:
		return read_file(pin, secret->where, where, err);
	case SECRET_CREDENTIAL:
		value = getenv("CREDENTIALS_DIRECTORY");
		if (!value || strchr(secret->where, '/'))
			return err_set(err, RC_INPUT, "%s: no credentials directory; is it run by systemd with LoadCredential=?", where);
		snprintf(path, sizeof(path), "%s/%s", value, secret->where);
		return read_file(pin, path, where, err);
	case SECRET_ENV:
		value = getenv(secret->where);
		if (!value)
			return err_set(err, RC_INPUT, "the PIN cannot be read: %s is not set", where);
		pin->len = strnlen(value, sizeof(pin->bytes));
		memcpy(pin->bytes, value, pin->len);
		return RC_OK;
	case SECRET_NONE:
		break;
	}
	return err_set(err, RC_INPUT, "no PIN is configured; write pin: { file: /path }");
}

enum rc pin_read(const struct config_secret *secret, struct pin **ret_pin, struct err *err)
{
	char where[512];
	struct pin *page = mmap(NULL, PIN_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return err_set(err, RC_RESOURCE, "out of memory");
	/* Best effort: an unprivileged process may have no locked memory left; dumps are off in any case. */
	(void)!mlock(page, PIN_PAGE);
	madvise(page, PIN_PAGE, MADV_DONTDUMP);
	madvise(page, PIN_PAGE, MADV_WIPEONFORK);
	AUTO(pin) struct pin *pin = page;
	enum rc rc = read_secret(pin, secret, pin_where(secret, where), err);
	if (rc != RC_OK)
		return rc;
	if (pin->len && pin->bytes[pin->len - 1] == '\n')
		pin->len--;
	if (pin->len == 0 || pin->len > PIN_MAX)
		return err_set(err, RC_INPUT, "the PIN in %s is empty or longer than %d bytes", where, PIN_MAX);
	*ret_pin = TAKE(pin);
	return RC_OK;
}

const unsigned char *pin_bytes(const struct pin *pin)
{
	return pin->bytes;
}

size_t pin_len(const struct pin *pin)
{
	return pin->len;
}

void pin_free(struct pin *pin)
{
	if (!pin)
		return;
	bytes_wipe(pin, PIN_PAGE);
	munmap(pin, PIN_PAGE);
}
