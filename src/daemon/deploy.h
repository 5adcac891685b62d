/* deploy.h -- the deploy hook of a certificate. */
#ifndef HWA_DEPLOY_H
#define HWA_DEPLOY_H

#include "config.h"
#include "program.h"

#define DEPLOY_TIMEOUT_DEFAULT 30 /* seconds */

/* Runs deploy.run with HWACME_NAME and HWACME_LIVE (the directory live/NAME) in its environment; as program_run(). */
enum rc deploy_run(const struct config_certificate *certificate, const char *live_dir, struct err *err) HWA_CHECKED;

#endif /* HWA_DEPLOY_H */
