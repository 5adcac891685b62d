/*
 * archive.h -- certificate sets on disk: staged whole, then made live by one rename.
 *
 *	STATE/archive/NAME/N/	fullchain.pem chain.pem cert.pem key.pem key.uri nginx.conf haproxy.pem ...
 *	STATE/live/NAME -> ../archive/NAME/N
 *
 * A generation is never changed once it was live, and nginx.conf and the like name the files of their own generation: who
 * reads one of these files, or opens live/NAME once and reads below that descriptor, never sees files of two sets.
 *
 * Links, directories of other users and directories that others may write in are refused (folder.h): RC_RESOURCE, the
 * text names the path, and nothing was changed.
 */
#ifndef HWA_ARCHIVE_H
#define HWA_ARCHIVE_H

#include "bytes.h"
#include "config.h"
#include "err.h"

struct archive_set {
	struct span fullchain, chain, leaf; /* PEM */
	struct span key_pem, key_uri;       /* references, never a key */
	const struct config_token *token;   /* that has the key */
	const struct set_files *files;      /* which are written, and how; NULL: the defaults */
};

/* Writes and syncs archive/NAME/N whole (built beside, then renamed in); an existing N that is not live is replaced.
 * RC_RESOURCE: disk full or not writable, nothing changed. */
enum rc archive_stage(const char *state_dir, const char *name, unsigned generation, const struct archive_set *set,
		      struct err *err) HWA_CHECKED;
/* Switches live/NAME to generation N by one rename and syncs; doing it twice is harmless.  RC_ABSENT: there is no such
 * generation. */
enum rc archive_switch(const char *state_dir, const char *name, unsigned generation, struct err *err) HWA_CHECKED;
/* Which generation live/NAME points at; 0: none. */
enum rc archive_live(const char *state_dir, const char *name, unsigned *ret_generation, struct err *err) HWA_CHECKED;
/* The highest generation present for NAME, staged or live; 0: none. */
enum rc archive_highest(const char *state_dir, const char *name, unsigned *ret_generation, struct err *err) HWA_CHECKED;

/* For who looks at many sets, one after the other: live/ and archive/ are opened once.  Of one thread. */
struct archive_view;
enum rc archive_view_new(const char *state_dir, struct archive_view **ret_view, struct err *err) HWA_CHECKED;
void archive_view_free(struct archive_view *view);
AUTO_DEFINE(archive_view, struct archive_view *, archive_view_free);
/* Does live/NAME lead to that generation, and is it there?  RC_RESOURCE: no; the text says how it is put right. */
enum rc archive_check(struct archive_view *view, const char *name, unsigned generation, struct err *err) HWA_CHECKED;

/*
 * archive_live.c: for each certificate whose live/NAME leads to a set, its cert.pem, whether a record tells of it or not; other than RC_OK
 * of `each` ends it.  Names that are none of ours, and links to what is there no more, are stepped over; what cannot be read is an error.
 */
typedef enum rc archive_live_fn(void *ctx, const char *name, struct span certificate, struct err *err);
enum rc archive_each_live(const char *state_dir, archive_live_fn *each, void *ctx, struct err *err) HWA_CHECKED;

/* What of the superseded generations may go. */
struct archive_prune {
	unsigned keep;  /* so many of the newest stay, the live one among them; at least 1 */
	unsigned until; /* none from this one on; 0 stays for none at all */
	int64_t age;    /* seconds that one was superseded at the least */
	int64_t now;
};
/* archive_prune.c: removes them; the live one and what is staged never.  *ret_next_at: when the next may go; 0: there is none. */
enum rc archive_prune(const char *state_dir, const char *name, const struct archive_prune *terms, int64_t *ret_next_at,
		      struct err *err) HWA_CHECKED;

#endif /* HWA_ARCHIVE_H */
