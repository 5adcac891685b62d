/* foreign_files.c -- which files these are, and whether one was replaced by another that the sandbox keeps us from. */
#include "foreign_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Read by the resolver and by TLS libraries, in whatever way the machine is set up. */
static const char *const SYSTEM_FILES[] = {
	"/etc/resolv.conf",
	"/etc/hosts",
	"/etc/nsswitch.conf",
	"/etc/host.conf",
	"/etc/gai.conf",
	"/etc/services",
	"/etc/protocols",
	"/etc/localtime",
	"/etc/ld.so.cache",
	"/etc/ssl",
	"/usr/lib/ssl",
	"/usr/share/zoneinfo",
	"/usr/share/ca-certificates",
	"/usr/local/share/ca-certificates",
	"/dev/null",
	"/dev/urandom",
	"/dev/random",
};

struct foreign_file {
	const char *path;
	dev_t device;
	ino_t inode; /* 0: there is none */
};

struct foreign_files {
	unsigned count;
	struct foreign_file files[];
};

/* What is not configured has no path. */
static bool visit_some(const char *const *paths, size_t count, bool (*visit)(void *ctx, const char *path), void *ctx)
{
	bool ok = true;

	for (size_t i = 0; i < count && ok; i++)
		ok = !paths[i] || visit(ctx, paths[i]);
	return ok;
}

bool foreign_files_each(const struct config *config, bool (*visit)(void *ctx, const char *path), void *ctx)
{
	bool ok = visit_some(SYSTEM_FILES, sizeof(SYSTEM_FILES) / sizeof(SYSTEM_FILES[0]), visit, ctx);

	for (unsigned i = 0; i < config->authority_count && ok; i++) {
		const struct config_authority *authority = &config->authorities[i];

		ok = visit_some((const char *const[]){ authority->trust, authority->roots, authority->client.file }, 3, visit,
				ctx);
	}
	for (unsigned i = 0; i < config->certificate_count && ok; i++) {
		const struct config_certificate *certificate = &config->certificates[i];

		for (unsigned at = 0; at < certificate->challenge_count && ok; at++) {
			const struct config_challenge *challenge = &certificate->challenges[at];

			ok = visit_some((const char *const[]){ challenge->token_file, challenge->trust, challenge->client.file },
					3, visit, ctx);
		}
	}
	return ok;
}

static struct foreign_file file_now(const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return (struct foreign_file){ .path = path };
	return (struct foreign_file){ .path = path, .device = status.st_dev, .inode = status.st_ino };
}

static bool count_one(void *ctx, const char *path)
{
	(void)path;
	++*(unsigned *)ctx;
	return true;
}

static bool note_one(void *ctx, const char *path)
{
	struct foreign_files *files = ctx;

	files->files[files->count++] = file_now(path);
	return true;
}

enum rc foreign_files_note(const struct config *config, struct foreign_files **ret_files, struct err *err)
{
	unsigned number = 0;

	(void)!foreign_files_each(config, count_one, &number);
	struct foreign_files *files = calloc(1, sizeof(*files) + number * sizeof(files->files[0]));
	if (!files)
		return err_set(err, RC_RESOURCE, "out of memory");
	(void)!foreign_files_each(config, note_one, files);
	*ret_files = files;
	return RC_OK;
}

static bool may_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return errno != EACCES;
	close(fd);
	return true;
}

/* One that is gone is nobody's loss: it is opened in vain inside the sandbox and outside. */
const char *foreign_files_lost(const struct foreign_files *files)
{
	for (unsigned i = 0; i < files->count; i++) {
		const struct foreign_file *noted = &files->files[i];
		struct foreign_file now = file_now(noted->path);

		if ((now.inode != noted->inode || now.device != noted->device) && !may_read(noted->path))
			return noted->path;
	}
	return NULL;
}

void foreign_files_free(struct foreign_files *files)
{
	free(files);
}
