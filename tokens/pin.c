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

struct pin { /* lives at the start of its own page */
	size_t len;
	unsigned char bytes[PIN_MAX + 2];
};

const char *pin_where(const struct config_secret *secret, char text[512])
{
	static const char *const kinds[] = { [SECRET_NONE] = "nowhere",
					     [SECRET_FILE] = "file",
					     [SECRET_CREDENTIAL] = "credential",
					     [SECRET_ENV] = "environment variable" };

	snprintf(text, 512, "%s%s%s", kinds[secret->source], secret->where ? " " : "", secret->where ? secret->where : "");
	return text;
}

const char *pin_where_corrected(const struct config_secret *secret, char text[512])
{
	size_t len = strlen(pin_where(secret, text));

	if (secret->source == SECRET_CREDENTIAL)
		snprintf(text + len, 512 - len, " (read when the service starts)");
	return text;
}

/* What is read, and where the operator finds it. */
struct source {
	const char *what; /* "PIN" */
	const char *where;
};

static enum rc unreadable(struct err *err, int number, const struct source *source)
{
	return err_set_raw(err, RC_INPUT, ERR_ERRNO, number, "the %s cannot be read from %s: %s", source->what, source->where,
			   strerror(number));
}

static enum rc read_all(struct pin *pin, int fd, const struct source *source, struct err *err)
{
	while (pin->len < sizeof(pin->bytes)) {
		ssize_t got = read(fd, pin->bytes + pin->len, sizeof(pin->bytes) - pin->len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return unreadable(err, errno, source);
		if (got == 0)
			break;
		pin->len += (size_t)got;
	}
	return RC_OK;
}

static enum rc read_file(struct pin *pin, const char *path, const struct source *source, struct err *err)
{
	/* O_NONBLOCK: a FIFO put there by mistake must not stop us for ever. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;

	if (fd < 0)
		return unreadable(err, errno, source);
	enum rc rc = RC_OK;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		rc = err_set(err, RC_INPUT, "the %s cannot be read: %s is not a regular file", source->what, source->where);
	if (rc == RC_OK)
		rc = read_all(pin, fd, source, err);
	close(fd);
	return rc;
}

/* systemd.exec(5): a credential is a file in $CREDENTIALS_DIRECTORY. */
static enum rc read_credential(struct pin *pin, const char *name, const struct source *source, struct err *err)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char path[4096];

	if (!name[0] || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_set(err, RC_INPUT, "%s: a credential has a plain name, without \"/\"", source->where);
	if (!dir)
		return err_set(
			err, RC_INPUT,
			"the %s cannot be read: %s needs CREDENTIALS_DIRECTORY; run it by systemd with LoadCredential=%s:...",
			source->what, source->where, name);
	int len = snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (len < 0 || (size_t)len >= sizeof(path))
		return unreadable(err, ENAMETOOLONG, source);
	return read_file(pin, path, source, err);
}

static enum rc read_env(struct pin *pin, const char *name, const struct source *source, struct err *err)
{
	const char *value = getenv(name);

	if (!value)
		return err_set(err, RC_INPUT, "the %s cannot be read: %s is not set", source->what, source->where);
	pin->len = strnlen(value, sizeof(pin->bytes));
	memcpy(pin->bytes, value, pin->len);
	return RC_OK;
}

static enum rc read_secret(struct pin *pin, const struct config_secret *secret, const struct source *source, struct err *err)
{
	if (secret->source == SECRET_FILE && secret->where)
		return read_file(pin, secret->where, source, err);
	if (secret->source == SECRET_CREDENTIAL && secret->where)
		return read_credential(pin, secret->where, source, err);
	if (secret->source == SECRET_ENV && secret->where)
		return read_env(pin, secret->where, source, err);
	/* All others are configured, or not asked for. */
	return err_set(err, RC_INPUT, "no PIN is configured; write pin: { file: /path }");
}

enum rc pin_read(const struct config_secret *secret, const char *what, struct pin **ret_pin, struct err *err)
{
	char where[512];
	const struct source source = { what, pin_where(secret, where) };
	struct pin *page = mmap(NULL, PIN_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return err_set(err, RC_RESOURCE, "out of memory");
	/* Best effort: an unprivileged process may have no locked memory left; dumps are off in any case. */
	/* Not mlock(): under the address sanitizer that does nothing, and a test could not see it. */
	(void)!mlock2(page, PIN_PAGE, 0);
	madvise(page, PIN_PAGE, MADV_DONTDUMP);
	madvise(page, PIN_PAGE, MADV_WIPEONFORK);
	AUTO(pin) struct pin *pin = page;
	enum rc rc = read_secret(pin, secret, &source, err);
	if (rc != RC_OK)
		return rc;
	if (pin->len > 1 && memcmp(pin->bytes + pin->len - 2, "\r\n", 2) == 0)
		return err_set(
			err, RC_INPUT,
			"the %s in %s was not sent: its line ends as those of Windows do; write it without the carriage return",
			what, where);
	if (pin->len && pin->bytes[pin->len - 1] == '\n')
		pin->len--;
	if (pin->len == 0 || pin->len > PIN_MAX)
		return err_set(err, RC_INPUT, "the %s in %s is empty or longer than %d bytes", what, where, PIN_MAX);
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
