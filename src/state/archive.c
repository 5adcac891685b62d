/* archive.c -- writes a set whole beside its place, moves it in, and switches live/NAME by one rename. */
#include "archive.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "set_file_print.h"

#define STAGE_NAME     ".staging"
#define FOLDER_MODE    0755        /* servers that are not ours read in it */
#define NAME_LEN       63          /* config.h */
#define GENERATION_MAX 1000000000u /* one a second for 30 years */

/* STATE/archive, STATE/archive/NAME or STATE/live, open. */
struct place {
	int fd;
	char path[PATH_MAX];
};

static void place_close(struct place *place)
{
	if (place->fd >= 0)
		close(place->fd);
	place->fd = -1;
}
AUTO_DEFINE_VALUE(place, struct place, place_close);
#define PLACE_CLOSED ((struct place){ .fd = -1 })

static enum rc fail(struct err *err, const char *what, const char *path, const char *name)
{
	int number = errno;

	return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, number, "cannot %s %s/%s: %s", what, path, name, strerror(number));
}

/* The configuration takes no other names; here they become paths. */
static enum rc check_name(const char *name, struct err *err)
{
	bool is_safe = isalnum((unsigned char)name[0]) && strlen(name) <= NAME_LEN;

	for (const char *at = name; *at; at++)
		is_safe = is_safe && (isalnum((unsigned char)*at) || strchr("._-", *at));
	return is_safe ? RC_OK : err_set(err, RC_BUG, "\"%.80s\" is no name of a certificate", name);
}

/* STATE/PART; `make`: makes it when it is missing, otherwise RC_ABSENT. */
static enum rc part_open(const char *state_dir, const char *part, bool make, struct place *ret, struct err *err)
{
	int top;
	enum rc rc = folder_open_top(state_dir, 0, &top, err);

	if (rc == RC_ABSENT && make) {
		if (err)
			err->rc = RC_RESOURCE; /* the store makes STATE, before there is anything to write here */
		rc = RC_RESOURCE;
	}
	if (rc != RC_OK)
		return rc;
	snprintf(ret->path, sizeof(ret->path), "%s/%s", state_dir, part);
	rc = folder_open(top, part, ret->path, make ? FOLDER_MODE : 0, &ret->fd, err);
	close(top);
	return rc;
}

/* `archive`: STATE/archive; *ret is STATE/archive/NAME. */
static enum rc set_open(const struct place *archive, const char *name, bool make, struct place *ret, struct err *err)
{
	enum rc rc = check_name(name, err);

	if (rc != RC_OK)
		return rc;
	snprintf(ret->path, sizeof(ret->path), "%.*s/%s", PATH_MAX - 80, archive->path, name);
	return folder_open(archive->fd, name, ret->path, make ? FOLDER_MODE : 0, &ret->fd, err);
}

static enum rc archive_open(const char *state_dir, const char *name, bool make, struct place *ret, struct err *err)
{
	AUTO(place) struct place archive = PLACE_CLOSED;
	enum rc rc = part_open(state_dir, "archive", make, &archive, err);

	return rc == RC_OK ? set_open(&archive, name, make, ret, err) : rc;
}

/* A set that is being written. */
struct stage {
	int folder;
	char path[PATH_MAX];
	int fds[SET_FILE_COUNT]; /* of its files; -1: not begun */
};

static enum rc file_begin(struct stage *stage, enum set_file kind, const struct set_files *files, const char *name,
			  const char *folder, const struct archive_set *set, struct err *err)
{
	AUTO(buf) struct buf text = BUF_MAX(SET_FILE_MAX);
	struct folder_file file = {
		.name = set_file_name(kind), .mode = set_file_mode(files, kind), .owner = files->owner, .group = files->group
	};
	enum rc rc = set_file_print(kind, name, folder, set, &text, err);

	return rc == RC_OK ? folder_begin(stage->folder, stage->path, &file, buf_span(&text), &stage->fds[kind], err) : rc;
}

/* The disk is waited for when all are on their way to it: it takes them together. */
static enum rc set_write(struct stage *stage, const struct place *archive, const char *name, unsigned generation,
			 const struct archive_set *set, struct err *err)
{
	const struct set_files defaults = set_files_default(), *files = set->files ? set->files : &defaults;
	char folder[PATH_MAX];
	enum rc rc = RC_OK;

	snprintf(folder, sizeof(folder), "%s/%u", archive->path, generation);
	for (unsigned i = 0; i < SET_FILE_COUNT && rc == RC_OK; i++)
		if (files->formats & SET_FILE_BIT(i))
			rc = file_begin(stage, (enum set_file)i, files, name, folder, set, err);
	for (unsigned i = 0; i < SET_FILE_COUNT; i++) {
		if (stage->fds[i] < 0)
			continue;
		if (rc == RC_OK)
			rc = folder_end(stage->fds[i], stage->path, set_file_name((enum set_file)i), err);
		else
			close(stage->fds[i]);
	}
	return rc == RC_OK ? folder_sync(stage->folder, stage->path, err) : rc;
}

/* The whole set in a folder beside its place, on disk. */
static enum rc stage_write(const struct place *archive, const char *name, unsigned generation, const struct archive_set *set,
			   struct err *err)
{
	struct stage stage;
	enum rc rc = folder_remove(archive->fd, archive->path, STAGE_NAME, err); /* of a renewal that was cut off */

	for (unsigned i = 0; i < SET_FILE_COUNT; i++)
		stage.fds[i] = -1;
	snprintf(stage.path, sizeof(stage.path), "%s/" STAGE_NAME, archive->path);
	if (rc == RC_OK)
		rc = folder_make(archive->fd, STAGE_NAME, stage.path, FOLDER_MODE, &stage.folder,
				 err); /* what counts is where it is moved to */
	if (rc != RC_OK)
		return rc;
	rc = set_write(&stage, archive, name, generation, set, err);
	close(stage.folder);
	return rc;
}

static enum rc stage_move(const struct place *archive, unsigned generation, struct err *err)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", generation);
	enum rc rc = folder_remove(archive->fd, archive->path, number, err); /* of a renewal that was cut off */
	if (rc == RC_OK && renameat(archive->fd, STAGE_NAME, archive->fd, number) != 0)
		rc = fail(err, "move a set to", archive->path, number);
	return rc == RC_OK ? folder_sync(archive->fd, archive->path, err) : rc;
}

enum rc archive_stage(const char *state_dir, const char *name, unsigned generation, const struct archive_set *set,
		      struct err *err)
{
	AUTO(place) struct place archive = PLACE_CLOSED;
	unsigned live = 0;
	enum rc rc = archive_live(state_dir, name, &live, err);

	if (rc == RC_OK && live == generation)
		rc = err_set(err, RC_BUG, "generation %u of %s is live and is not written again", generation, name);
	if (rc == RC_OK)
		rc = archive_open(state_dir, name, true, &archive, err);
	if (rc == RC_OK) {
		rc = stage_write(&archive, name, generation, set, err);
		if (rc == RC_OK)
			rc = stage_move(&archive, generation, err);
		if (rc != RC_OK)
			(void)!folder_remove(archive.fd, archive.path, STAGE_NAME, NULL);
	}
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "stage generation %u in %s/archive/%s", generation, state_dir, name);
}

/* What the link is to point at is there, and is ours.  `set`: STATE/archive/NAME. */
static enum rc check_generation(const struct place *set, unsigned generation, struct err *err)
{
	char number[16], path[PATH_MAX];
	int fd;

	snprintf(number, sizeof(number), "%u", generation);
	snprintf(path, sizeof(path), "%.*s/%s", PATH_MAX - 32, set->path, number);
	enum rc rc = folder_open(set->fd, number, path, 0, &fd, err);
	if (rc == RC_OK)
		close(fd);
	return rc;
}

static enum rc check_target(const char *state_dir, const char *name, unsigned generation, struct err *err)
{
	AUTO(place) struct place set = PLACE_CLOSED;
	enum rc rc = archive_open(state_dir, name, false, &set, err);

	return rc == RC_OK ? check_generation(&set, generation, err) : rc;
}

enum rc archive_switch(const char *state_dir, const char *name, unsigned generation, struct err *err)
{
	AUTO(place) struct place live = PLACE_CLOSED;
	char target[128], beside[128];
	unsigned present;
	enum rc rc = check_target(state_dir, name, generation, err);

	if (rc == RC_OK)
		rc = part_open(state_dir, "live", true, &live, err);
	if (rc == RC_OK)
		rc = archive_live(state_dir, name, &present, err); /* nothing but a link of ours is replaced */
	if (rc != RC_OK)
		return err_wrap(err, rc, "switch live/%s to generation %u", name, generation);
	snprintf(target, sizeof(target), "../archive/%s/%u", name, generation);
	snprintf(beside, sizeof(beside), ".%s.new", name);
	rc = folder_clear(live.fd, live.path, beside, S_IFLNK, err);
	if (rc == RC_OK && symlinkat(target, live.fd, beside) != 0)
		rc = fail(err, "make the link", live.path, beside);
	if (rc == RC_OK && renameat(live.fd, beside, live.fd, name) != 0) {
		rc = fail(err, "switch the link", live.path, name);
		unlinkat(live.fd, beside, 0);
	}
	return rc == RC_OK ? folder_sync(live.fd, live.path, err) : rc;
}

static enum rc link_read(const struct place *live, const char *name, unsigned *ret_generation, struct err *err)
{
	char target[256], wanted[128];
	unsigned generation = 0;
	int used = 0;
	ssize_t len = readlinkat(live->fd, name, target, sizeof(target) - 1);

	if (len < 0)
		return fail(err, "read the link", live->path, name);
	target[len] = '\0';
	snprintf(wanted, sizeof(wanted), "../archive/%s/", name);
	size_t at = strlen(wanted);
	if (strncmp(target, wanted, at) != 0 || sscanf(target + at, "%u%n", &generation, &used) != 1 || target[at + (size_t)used])
		return err_set(err, RC_RESOURCE,
			       "%s/%s does not lead into the archive, somebody else has changed it; `hwacme status %s` says "
			       "where it is to lead",
			       live->path, name, name);
	*ret_generation = generation;
	return RC_OK;
}

/* `live`: opened when it is not yet; it need not be there. */
static enum rc live_read(const char *state_dir, struct place *live, const char *name, unsigned *ret_generation, struct err *err)
{
	struct err why = { 0 };
	bool is_there = false;
	enum rc rc = check_name(name, &why);

	if (rc == RC_OK && live->fd < 0)
		rc = part_open(state_dir, "live", false, live, &why);
	if (rc == RC_OK)
		rc = folder_look(live->fd, live->path, name, S_IFLNK, &is_there, &why);
	if (rc == RC_OK && is_there)
		return link_read(live, name, ret_generation, err);
	if (rc == RC_OK || rc == RC_ABSENT) {
		*ret_generation = 0;
		return RC_OK;
	}
	if (err)
		*err = why;
	return rc;
}

enum rc archive_live(const char *state_dir, const char *name, unsigned *ret_generation, struct err *err)
{
	AUTO(place) struct place live = PLACE_CLOSED;

	return live_read(state_dir, &live, name, ret_generation, err);
}

struct archive_view {
	char state_dir[PATH_MAX];
	struct place live, archive;
};

enum rc archive_view_new(const char *state_dir, struct archive_view **ret_view, struct err *err)
{
	struct archive_view *view = malloc(sizeof(*view));

	if (!view)
		return err_set(err, RC_RESOURCE, "out of memory");
	view->live = view->archive = PLACE_CLOSED;
	snprintf(view->state_dir, sizeof(view->state_dir), "%s", state_dir);
	*ret_view = view;
	return RC_OK;
}

void archive_view_free(struct archive_view *view)
{
	if (!view)
		return;
	place_close(&view->live);
	place_close(&view->archive);
	free(view);
}

/* The folder, and in it the certificate, which is in every set. */
static enum rc set_check(struct archive_view *view, const char *name, unsigned generation, struct err *err)
{
	AUTO(place) struct place set = PLACE_CLOSED;
	char leaf[64];
	struct stat status;
	enum rc rc = RC_OK;

	if (view->archive.fd < 0)
		rc = part_open(view->state_dir, "archive", false, &view->archive, err);
	if (rc == RC_OK)
		rc = set_open(&view->archive, name, false, &set, err);
	if (rc == RC_OK)
		rc = check_generation(&set, generation, err);
	if (rc == RC_OK) {
		snprintf(leaf, sizeof(leaf), "%u/%s", generation, set_file_name(SET_FILE_CERT));
		rc = fstatat(set.fd, leaf, &status, AT_SYMLINK_NOFOLLOW) == 0 ? RC_OK : fail(err, "find", set.path, leaf);
	}
	if (rc == RC_OK)
		return RC_OK;
	if (err)
		err->rc = RC_RESOURCE; /* also what is absent */
	return err_wrap(err, RC_RESOURCE,
			"the live set is damaged: restore it, or have another made with `hwacme renew --force %s`", name);
}

enum rc archive_check(struct archive_view *view, const char *name, unsigned generation, struct err *err)
{
	const char *state_dir = view->state_dir;
	unsigned live = 0;
	struct err why = { 0 };
	enum rc rc = live_read(state_dir, &view->live, name, &live, &why);

	if (rc == RC_OK && live == generation)
		return set_check(view, name, generation, err);
	if (rc == RC_OK && !live)
		return err_set(err, RC_RESOURCE, "%s/live/%s is gone; `hwacme renew %s` makes it anew", state_dir, name, name);
	if (rc == RC_OK && live > generation)
		return err_set(err, RC_RESOURCE,
			       "%s/live/%s leads to generation %u, and the records end with %u, as when an older copy of the "
			       "database was put back; `hwacme renew --force %s` makes both agree",
			       state_dir, name, live, generation, name);
	if (rc == RC_OK)
		rc = err_set(&why, RC_RESOURCE, "%s/live/%s leads to generation %u, which is not the live one", state_dir, name,
			     live);
	if (err)
		*err = why;
	return err_wrap(err, rc, "make it right with `ln -sfT ../archive/%s/%u %s/live/%s`, then reload the service", name,
			generation, state_dir, name);
}

enum rc archive_highest(const char *state_dir, const char *name, unsigned *ret_generation, struct err *err)
{
	AUTO(place) struct place archive = PLACE_CLOSED;
	const struct dirent *entry;
	unsigned highest = 0;
	enum rc rc = archive_open(state_dir, name, true, &archive, err);

	if (rc != RC_OK)
		return rc;
	DIR *directory = fdopendir(archive.fd);
	if (!directory)
		return fail(err, "list", archive.path, ".");
	archive.fd = -1;
	while ((entry = readdir(directory))) {
		unsigned generation = 0;
		int used = 0;

		/* What is beyond any number of ours was made by somebody else, and is stepped over. */
		if (sscanf(entry->d_name, "%u%n", &generation, &used) == 1 && !entry->d_name[used] &&
		    generation <= GENERATION_MAX && generation > highest)
			highest = generation;
	}
	closedir(directory);
	*ret_generation = highest;
	return RC_OK;
}
