/* check_machine.c -- what `hwacme check` looks at on this machine: users, programs, addresses, the clock, the disk. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "control.h"
#include "listen.h"
#include "metrics_address.h"
#include "program_path.h"
#include "webroot.h"

#define LISTEN_TEXT   64
#define LISTENERS_MAX 1000                  /* challenges whose addresses are told apart */
#define DISK_LOW      (16u * 1024u * 1024u) /* bytes: a few thousand generations */

static void check_user(struct check *check, const char *name, const char *user)
{
	struct err err = { 0 };

	if (user && !getpwnam(user))
		check_report(check, "user", name, EXIT_USAGE,
			     (err_set(&err, RC_INPUT, "there is no user \"%s\" on this machine", user), &err), "");
}

/* What would fail when the certificate is live already, and what others could have run in our name. */
static void check_program(struct check *check, const char *name, char *const *argv, const char *user)
{
	char path[PATH_MAX];
	struct err err = { 0 };

	if (!argv || !argv[0])
		return;
	enum rc rc = program_find(argv[0], path, &err);
	if (rc == RC_OK)
		rc = program_trust(path, user, &err);
	if (rc != RC_OK)
		err_wrap(&err, rc, "\"%s\"", argv[0]);
	check_report(check, "program", name, EXIT_USAGE, rc == RC_OK ? NULL : &err, path);
}

/* Looked up before the sandbox is entered: it has no list of users, and no programs. */
static void check_programs(struct check *check)
{
	for (unsigned i = 0; i < check->config->certificate_count; i++) {
		const struct config_certificate *certificate = &check->config->certificates[i];

		check_program(check, certificate->name, certificate->deploy_run, certificate->deploy_user);
		check_program(check, certificate->name, certificate->probe.run, certificate->probe.user);
		for (unsigned at = 0; at < certificate->challenge_count; at++)
			check_program(check, certificate->name, certificate->challenges[at].run, NULL);
	}
}

static void check_users(struct check *check)
{
	for (unsigned i = 0; i < check->config->certificate_count; i++) {
		const struct config_certificate *certificate = &check->config->certificates[i];

		check_user(check, certificate->name, certificate->deploy_user);
		check_user(check, certificate->name, certificate->probe.user);
	}
}

/* The first command that stores something makes STATE, and no directory above it. */
static enum rc check_parent(const char *state, struct err *err)
{
	char parent[PATH_MAX];

	snprintf(parent, sizeof(parent), "%s", state);
	dirname(parent);
	if (access(parent, W_OK | X_OK) == 0)
		return RC_OK;
	return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "it cannot be made in %s: %s", parent, strerror(errno));
}

/* A file without a name, and gone at once: a file system that went read-only after an error, one without inodes and a quota are told by
 * nothing else.  Where the file system has no such files, the mode has to do. */
static enum rc check_writable(const char *state, struct err *err)
{
	int fd = open(state, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	if (fd >= 0 || ((errno == EOPNOTSUPP || errno == EISDIR) && access(state, W_OK) == 0))
		return RC_OK;
	return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "not writable: %s", strerror(errno));
}

void check_disk(struct check *check)
{
	struct statvfs disk;
	struct err err = { 0 };
	enum rc rc = RC_OK;

	if (statvfs(check->config->state, &disk) != 0) {
		rc = errno == ENOENT ? check_parent(check->config->state, &err)
				     : err_set_raw(&err, RC_RESOURCE, ERR_ERRNO, errno, "%s", strerror(errno));
	} else if (disk.f_bavail * disk.f_frsize < DISK_LOW) {
		rc = err_set(&err, RC_RESOURCE, "less than %u MiB free", DISK_LOW >> 20);
	} else {
		rc = check_writable(check->config->state, &err);
	}
	check_report(check, "disk", check->config->state, EXIT_FAILED, rc == RC_OK ? NULL : &err,
		     check->store ? "writable, with room" : "nothing stored yet");
	if (!check->store)
		return;
	rc = store_sound(check->store, &err);
	check_report(check, "database", check->config->state, EXIT_FAILED, rc == RC_OK ? NULL : &err, "read whole");
}

/* Without its page the daemon works: nobody would notice before Prometheus does. */
static void check_metrics(struct check *check)
{
	const char *address = check->config->metrics_listen, *state = "";
	struct err err = { 0 };

	if (!address)
		return;
	enum rc rc = metrics_address_try(check->config, &state, &err);
	check_report(check, "metrics", address, EXIT_FAILED, rc == RC_OK ? NULL : &err, state);
}

static bool is_same(const char *place, const char *other)
{
	return place && other && strcmp(place, other) == 0;
}

/* Is this the first challenge of the file that is answered at its address, or in its folder? */
static bool is_first_at(const struct check *check, const struct config_challenge *wanted)
{
	unsigned looked_at = 0;

	for (unsigned i = 0; i < check->config->certificate_count && looked_at < LISTENERS_MAX; i++)
		for (unsigned at = 0; at < check->config->certificates[i].challenge_count; at++, looked_at++) {
			const struct config_challenge *challenge = &check->config->certificates[i].challenges[at];

			if (challenge == wanted)
				return true;
			if (is_same(challenge->listen, wanted->listen) || is_same(challenge->webroot, wanted->webroot))
				return false;
		}
	return false;
}

/* Where answers are given, by a daemon that runs perhaps at this moment. */
static void check_listener(struct check *check, const struct config_challenge *challenge, bool has_daemon)
{
	char name[128];
	struct err err = { 0 };

	if (!challenge->listen || strncmp(challenge->listen, "systemd", 7) == 0 || !is_first_at(check, challenge))
		return;
	snprintf(name, sizeof(name), "%s %s", challenge_type_name(challenge->type), challenge->listen);
	enum rc rc = listen_try(challenge_type_name(challenge->type), challenge->listen, &err);
	bool is_ours = rc != RC_OK && err.code == EADDRINUSE && has_daemon;
	check_report(check, "listen", name, EXIT_FAILED, rc == RC_OK || is_ours ? NULL : &err,
		     is_ours ? "taken, perhaps by the daemon that runs" : "free");
}

/* What would be noticed when the order is placed already. */
static void check_webroot(struct check *check, const struct config_challenge *challenge)
{
	struct err err = { 0 };

	if (!challenge->webroot || !is_first_at(check, challenge))
		return;
	enum rc rc = webroot_try(challenge->webroot, &err);
	check_report(check, "webroot", challenge->webroot, EXIT_USAGE, rc == RC_OK ? NULL : &err, "writable");
}

static void check_listeners(struct check *check)
{
	char page[LISTEN_TEXT];
	bool has_daemon = control_page(check->config->state, page, sizeof(page), NULL) != RC_ABSENT;

	for (unsigned i = 0; i < check->config->certificate_count; i++)
		for (unsigned at = 0; at < check->config->certificates[i].challenge_count; at++) {
			check_listener(check, &check->config->certificates[i].challenges[at], has_daemon);
			check_webroot(check, &check->config->certificates[i].challenges[at]);
		}
}

void check_machine(struct check *check)
{
	check_users(check);
	check_programs(check);
	check_metrics(check);
	check_listeners(check);
}

/* How far it is ahead only others know; a certificate that is yet to begin says that it is behind. */
void check_clock(struct check *check)
{
	int64_t now = clock_now();
	char text[CLOCK_TEXT_MAX], from[CLOCK_TEXT_MAX], good[CLOCK_TEXT_MAX + 32];
	struct err err = { 0 };

	snprintf(good, sizeof(good), "it is %s", clock_print(now, text));
	for (unsigned i = 0; check->store && i < check->config->certificate_count; i++) {
		const char *name = check->config->certificates[i].name;
		struct store_certificate record;

		if (store_certificate_load(check->store, name, &record, NULL) != RC_OK ||
		    record.not_before - PLAN_CLOCK_BEHIND <= now)
			continue;
		(void)!err_set(&err, RC_INPUT,
			       "it says %s, but \"%s\" is valid only from %s: set it, or nothing is renewed in time", text, name,
			       clock_print(record.not_before, from));
		break;
	}
	check_report(check, "clock", "this machine", EXIT_FAILED, err.rc != RC_OK ? &err : NULL, good);
}
