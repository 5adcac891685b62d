/* sandbox_files.h -- the files that the engine may still reach (Landlock); used by sandbox.c. */
#ifndef HWA_SANDBOX_FILES_H
#define HWA_SANDBOX_FILES_H

#include "config.h"
#include "err.h"

/* RC_OK also where the kernel has no Landlock: sandbox_has_landlock() tells. */
enum rc sandbox_files(const struct config *config, struct err *err) HWA_CHECKED;

#endif /* HWA_SANDBOX_FILES_H */
