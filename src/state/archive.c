/* archive.c -- writes a set whole beside its place, moves it in, and switches live/NAME by one rename. */
#include "archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAGE_NAME ".staging"

static enum rc fail(struct err *err, const char *what, const char *path)
{
	int number = errno;

	return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, number, "%s %s: %s", what, path, strerror(number));
}

/* Opens STATE/PART/NAME below a directory descriptor, making what is missing; no link is followed. */
static enum rc directory_open(const char *state_dir, const char *part, const char *name, int *ret_fd, struct err *err)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", state_dir, part);
	if (mkdir(path, 0755) != 0 && errno != EEXIST)
		return fail(err, "cannot make", path);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(err, "cannot open", path);
	if (!name) {
		*ret_fd = fd;
		return RC_OK;
	}
	if (mkdirat(fd, name, 0755) != 0 && errno != EEXIST) {
		close(fd);
		return fail(err, "cannot make a directory in", path);
	}
	*ret_fd = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	close(fd);
	return *ret_fd < 0 ? fail(err, "cannot open a directory in", path) : RC_OK;
}

static void directory_remove(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			unlinkat(fd, entry->d_name, 0);
	if (directory)
		closedir(directory);
	unlinkat(parent, name, AT_REMOVEDIR);
}

static enum rc file_write(int directory, const char *name, mode_t mode, struct span content, struct err *err)
{
	int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

	if (fd < 0)
		return fail(err, "cannot create", name);
	enum rc rc = span_write(fd, content) ? RC_OK : fail(err, "cannot write", name);
	if (rc == RC_OK && fchmod(fd, mode) != 0)
		rc = fail(err, "cannot set the mode of", name);
	if (rc == RC_OK && fsync(fd) != 0)
		rc = fail(err, "cannot sync", name);
	close(fd);
	return rc;
}

/* Ready to be included: the certificate, and the key in the form that nginx on Debian 12 loads. */
static enum rc nginx_print(const char *state_dir, const char *name, const struct archive_set *set, struct buf *ret_text,
			   struct err *err)
{
	enum rc rc = buf_print(ret_text, err, "ssl_certificate \"%s/live/%s/fullchain.pem\";\n", state_dir, name);

	if (rc != RC_OK)
		return rc;
	if (set->key_uri.len > 7 && memcmp(set->key_uri.at, "pkcs11:", 7) == 0)
		return buf_print(
			ret_text, err,
			"# through the pkcs11 engine; with pkcs11-provider: ssl_certificate_key \"%s/live/%s/key.pem\";\n"
			"ssl_certificate_key \"engine:pkcs11:%.*s\";\n",
			state_dir, name, (int)set->key_uri.len, (const char *)set->key_uri.at);
	return buf_print(ret_text, err,
			 "# through the tpm2 provider: OPENSSL_CONF and TPM2OPENSSL_TCTI in nginx's environment\n"
			 "ssl_certificate_key \"%s/live/%s/key.pem\";\n",
			 state_dir, name);
}

static enum rc set_write(int directory, const char *state_dir, const char *name, const struct archive_set *set, struct err *err)
{
	AUTO(buf) struct buf nginx = BUF_MAX(32768);
	enum rc rc = nginx_print(state_dir, name, set, &nginx, err);
	struct {
		const char *name;
		mode_t mode;
		struct span content;
	} files[] = {
		{ "fullchain.pem", 0644, set->fullchain }, { "chain.pem", 0644, set->chain },
		{ "cert.pem", 0644, set->leaf },           { "key.pem", 0640, set->key_pem },
		{ "key.uri", 0640, set->key_uri },         { "nginx.conf", 0644, buf_span(&nginx) },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && rc == RC_OK; i++)
		rc = file_write(directory, files[i].name, files[i].mode, files[i].content, err);
	return rc;
}

/* The whole set in a folder beside its place, on disk. */
static enum rc stage_write(int archive, const char *state_dir, const char *name, const struct archive_set *set, struct err *err)
{
	directory_remove(archive, STAGE_NAME);
	if (mkdirat(archive, STAGE_NAME, 0755) != 0)
		return fail(err, "cannot make archive directory for", name);
	int stage = openat(archive, STAGE_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (stage < 0)
		return fail(err, "cannot open archive directory of", name);
	enum rc rc = set_write(stage, state_dir, name, set, err);
	if (rc == RC_OK && fsync(stage) != 0)
		rc = fail(err, "cannot sync archive of", name);
	close(stage);
	return rc;
}

static enum rc stage_move(int archive, const char *name, unsigned generation, struct err *err)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", generation);
	directory_remove(archive, number); /* of a renewal that was cut off */
	if (renameat(archive, STAGE_NAME, archive, number) != 0)
		return fail(err, "cannot move archive into place for", name);
	return fsync(archive) == 0 ? RC_OK : fail(err, "cannot sync archive of", name);
}

enum rc archive_stage(const char *state_dir, const char *name, unsigned generation, const struct archive_set *set,
		      struct err *err)
{
	unsigned live = 0;
	int archive;
	enum rc rc = archive_live(state_dir, name, &live, err);

	if (rc == RC_OK && live == generation)
		rc = err_set(err, RC_BUG, "generation %u of %s is live and is not written again", generation, name);
	if (rc == RC_OK)
		rc = directory_open(state_dir, "archive", name, &archive, err);
	if (rc != RC_OK)
		return rc;
	rc = stage_write(archive, state_dir, name, set, err);
	if (rc == RC_OK)
		rc = stage_move(archive, name, generation, err);
	if (rc != RC_OK)
		directory_remove(archive, STAGE_NAME);
	close(archive);
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "stage generation %u in %s/archive/%s", generation, state_dir, name);
}

enum rc archive_switch(const char *state_dir, const char *name, unsigned generation, struct err *err)
{
	char target[128], beside[128];
	int live;
	enum rc rc = directory_open(state_dir, "live", NULL, &live, err);

	if (rc != RC_OK)
		return rc;
	snprintf(target, sizeof(target), "../archive/%s/%u", name, generation);
	snprintf(beside, sizeof(beside), ".%s.new", name);
	unlinkat(live, beside, 0);
	if (symlinkat(target, live, beside) != 0)
		rc = fail(err, "cannot make the link live/", name);
	if (rc == RC_OK && renameat(live, beside, live, name) != 0)
		rc = fail(err, "cannot switch the link live/", name);
	if (rc == RC_OK && fsync(live) != 0)
		rc = fail(err, "cannot sync the directory of live/", name);
	if (rc != RC_OK)
		unlinkat(live, beside, 0);
	close(live);
	return rc;
}

enum rc archive_live(const char *state_dir, const char *name, unsigned *ret_generation, struct err *err)
{
	char path[4096], target[256], wanted[128];
	unsigned generation = 0;
	int used = 0;

	snprintf(path, sizeof(path), "%s/live/%s", state_dir, name);
	ssize_t len = readlink(path, target, sizeof(target) - 1);
	if (len < 0 && errno == ENOENT) {
		*ret_generation = 0;
		return RC_OK;
	}
	if (len < 0)
		return fail(err, "cannot read the link", path);
	target[len] = '\0';
	snprintf(wanted, sizeof(wanted), "../archive/%s/", name);
	size_t at = strlen(wanted);
	if (strncmp(target, wanted, at) != 0 || sscanf(target + at, "%u%n", &generation, &used) != 1 || target[at + (size_t)used])
		return err_set(err, RC_RESOURCE, "%s does not point into the archive; it was changed by somebody else", path);
	*ret_generation = generation;
	return RC_OK;
}

enum rc archive_highest(const char *state_dir, const char *name, unsigned *ret_generation, struct err *err)
{
	int fd;
	const struct dirent *entry;
	unsigned highest = 0;
	enum rc rc = directory_open(state_dir, "archive", name, &fd, err);

	if (rc != RC_OK)
		return rc;
	DIR *directory = fdopendir(fd);
	if (!directory) {
		close(fd);
		return fail(err, "cannot list the archive of", name);
	}
	while ((entry = readdir(directory))) {
		unsigned generation = 0;
		int used = 0;

		if (sscanf(entry->d_name, "%u%n", &generation, &used) == 1 && !entry->d_name[used] && generation > highest)
			highest = generation;
	}
	closedir(directory);
	*ret_generation = highest;
	return RC_OK;
}
