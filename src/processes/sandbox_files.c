/* sandbox_files.c -- names to the kernel every file that the engine may reach from now on. */
#include "sandbox_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "foreign_files.h"
#include "sandbox.h"
#include "webroot.h"

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13) /* from version 2 on */
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14) /* from version 3 on */
#endif

#define FILE_READ  (LANDLOCK_ACCESS_FS_READ_FILE)
#define FILE_WRITE (FILE_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)
#define TREE_READ  (FILE_READ | LANDLOCK_ACCESS_FS_READ_DIR)
#define TREE_WRITE                                                                                                          \
	(TREE_READ | FILE_WRITE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM | \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REFER)
#define EVERYTHING                                                                                               \
	(TREE_WRITE | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_SOCK | \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK)

struct fence {
	const struct config *config;
	int ruleset;
	uint64_t handled;
};

/* Asked once: in the sandbox the question is not allowed any more. */
static long landlock_version(void)
{
	static long version;

	if (version == 0)
		version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	return version;
}

bool sandbox_has_landlock(void)
{
	return landlock_version() >= 1;
}

/* A path that does not exist needs no rule.  Rights over directories mean nothing for a file, and are refused there. */
static bool allow(const struct fence *fence, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = { .parent_fd = open(path, O_PATH | O_CLOEXEC) };
	struct stat status;

	if (rule.parent_fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES;
	if (fstat(rule.parent_fd, &status) == 0 && !S_ISDIR(status.st_mode))
		rights &= FILE_WRITE | LANDLOCK_ACCESS_FS_EXECUTE;
	rule.allowed_access = rights & fence->handled;
	long failed = syscall(SYS_landlock_add_rule, fence->ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(rule.parent_fd);
	return failed == 0;
}

static bool lies_below(const char *path, const char *directory)
{
	size_t len = strlen(directory);

	return strncmp(path, directory, len) == 0 && (path[len] == '/' || len == 1);
}

static bool lies_in(const struct config_secret *secret, const char *directory)
{
	char real[PATH_MAX];

	return secret->source == SECRET_FILE &&
	       (lies_below(secret->where, directory) || (realpath(secret->where, real) && lies_below(real, directory)));
}

/* Is a PIN, or what else is not the engine's to read, somewhere below this directory? */
static bool hides_secret(const struct config *config, const char *directory)
{
	const struct config_secret *secret;
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");

	if (lies_below(config->state, directory) || (credentials && lies_below(credentials, directory)))
		return true;
	for (unsigned i = 0; (secret = config_secret_at(config, i)); i++)
		if (lies_in(secret, directory))
			return true;
	return false;
}

/* For root the modes of files are no bound: not all of /etc is given to it for the sake of one file. */
static bool is_too_wide(const char *directory)
{
	return geteuid() == 0 && strchr(directory + 1, '/') == NULL;
}

/* A file that others may replace by renaming a new one over it: its folder is allowed, unless a secret is in there.  Where it is, a
 * fresh engine reads the new file (foreign_files_lost()). */
static bool allow_foreign(void *ctx, const char *path)
{
	const struct fence *fence = ctx;
	char real[PATH_MAX];
	struct stat status;

	if (!realpath(path, real) || stat(real, &status) != 0 || S_ISDIR(status.st_mode))
		return allow(fence, path, TREE_READ);
	char *slash = strrchr(real, '/');
	if (!slash || slash == real)
		return allow(fence, path, FILE_READ);
	*slash = '\0';
	if (is_too_wide(real) || hides_secret(fence->config, real))
		return allow(fence, path, FILE_READ);
	return allow(fence, real, TREE_READ);
}

/* Answers are written into one folder below a web server's root, which is made when it is missing -- unless something of ours, or a
 * secret, lies below that root too: then the operator makes it. */
static bool allow_webroot(const struct fence *fence, const char *root)
{
	const uint64_t answers = LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
				 LANDLOCK_ACCESS_FS_REMOVE_FILE;
	char folder[PATH_MAX], real[PATH_MAX];
	struct stat status;

	snprintf(folder, sizeof(folder), "%s/" WEBROOT_FOLDER, root);
	if (stat(folder, &status) == 0)
		return allow(fence, folder, answers);
	if (!realpath(root, real) || hides_secret(fence->config, real))
		return true;
	return allow(fence, root, answers | LANDLOCK_ACCESS_FS_MAKE_DIR);
}

static bool allow_webroots(const struct fence *fence, const struct config_certificate *certificate)
{
	bool ok = true;

	for (unsigned i = 0; i < certificate->challenge_count && ok; i++)
		ok = !certificate->challenges[i].webroot || allow_webroot(fence, certificate->challenges[i].webroot);
	return ok;
}

static bool allow_all(struct fence *fence)
{
	static const struct {
		const char *name;
		uint64_t rights;
	} below_state[] = {
		/* Listing STATE itself is what SQLite's fsync of a directory needs. */
		{ "", LANDLOCK_ACCESS_FS_READ_DIR },  { "/hwacme.db", FILE_WRITE },
		{ "/hwacme.db-wal", FILE_WRITE },     { "/hwacme.db-shm", FILE_WRITE },
		{ "/hwacme.db-journal", FILE_WRITE }, { "/lock", FILE_WRITE },
		{ "/archive", TREE_WRITE },           { "/live", TREE_WRITE },
	};
	const struct config *config = fence->config;
	char path[PATH_MAX];
	bool ok = true;

	for (size_t i = 0; i < sizeof(below_state) / sizeof(below_state[0]) && ok; i++) {
		snprintf(path, sizeof(path), "%s%s", config->state, below_state[i].name);
		ok = allow(fence, path, below_state[i].rights);
	}
	ok = ok && foreign_files_each(config, allow_foreign, fence);
	for (unsigned i = 0; i < config->certificate_count && ok; i++)
		ok = allow_webroots(fence, &config->certificates[i]);
#ifdef __SANITIZE_ADDRESS__
	/* A sanitizer's report is made of the program's own maps and symbols. */
	ok = ok && allow(fence, "/proc", TREE_READ);
#endif
	return ok;
}

enum rc sandbox_files(const struct config *config, struct err *err)
{
	long version = landlock_version();
	struct landlock_ruleset_attr attributes = { .handled_access_fs = EVERYTHING };

	if (version < 1)
		return RC_OK;
	if (version < 2)
		attributes.handled_access_fs &= ~LANDLOCK_ACCESS_FS_REFER;
	if (version < 3)
		attributes.handled_access_fs &= ~LANDLOCK_ACCESS_FS_TRUNCATE;
	struct fence fence = { .config = config,
			       .ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes,
						       sizeof(attributes.handled_access_fs), 0),
			       .handled = attributes.handled_access_fs };
	if (fence.ruleset < 0)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "Landlock: %s", strerror(errno));
	bool ok = allow_all(&fence) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		  syscall(SYS_landlock_restrict_self, fence.ruleset, 0) == 0;
	int number = errno;
	close(fence.ruleset);
	return ok ? RC_OK : err_set_raw(err, RC_RESOURCE, ERR_ERRNO, number, "Landlock: %s", strerror(number));
}
