/*
 * foreign_files.h -- the files that the engine reads and others write: the system's, for names and TLS, and the configuration's.
 *
 * Landlock knows files, not names: where no folder could be allowed, a new file that was renamed over an old one is one that nobody
 * allowed, and so is one that was not there yet.  An engine that is kept from it cannot help itself, but a fresh one is.
 */
#ifndef HWA_FOREIGN_FILES_H
#define HWA_FOREIGN_FILES_H

#include <stdbool.h>

#include "config.h"
#include "err.h"
#include "scope.h"

struct foreign_files;

/* Until `visit` returns false: then false too. */
bool foreign_files_each(const struct config *config, bool (*visit)(void *ctx, const char *path), void *ctx) HWA_CHECKED;

/* Which files these are now.  To be called before the sandbox is entered; borrows config. */
enum rc foreign_files_note(const struct config *config, struct foreign_files **ret_files, struct err *err) HWA_CHECKED;
/* The path of one that is another than was noted, and that we may not read; NULL: there is none. */
const char *foreign_files_lost(const struct foreign_files *files);
void foreign_files_free(struct foreign_files *files);

AUTO_DEFINE(foreign_files, struct foreign_files *, foreign_files_free);

#endif /* HWA_FOREIGN_FILES_H */
