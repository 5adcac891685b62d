/* deploy.h -- runs the deploy hook of a certificate: no shell, a deadline, its own process group. */
#ifndef HWA_DEPLOY_H
#define HWA_DEPLOY_H

#include "config.h"
#include "err.h"

#define DEPLOY_TIMEOUT_DEFAULT 30  /* seconds */
#define DEPLOY_OUTPUT_MAX      400 /* bytes of the hook's output kept for the message */

/*
 * Runs deploy.run with HWACME_NAME and HWACME_LIVE (the directory live/NAME) in its environment
 * beside PATH, LANG and HOME; standard input is /dev/null, no other descriptor is inherited.
 * RC_OK when it exited with 0.  RC_RETRY otherwise, with its last output; a hook that outlives
 * its timeout is killed with its whole process group.
 */
enum rc deploy_run(const struct config_certificate *certificate, const char *live_dir, struct err *err) HWA_CHECKED;

#endif /* HWA_DEPLOY_H */
