/* metrics_address.h -- is the address of the status page to be had? */
#ifndef HWA_METRICS_ADDRESS_H
#define HWA_METRICS_ADDRESS_H

#include "config.h"
#include "err.h"

/* RC_OK: nobody listens there, or the daemon of this state directory does; *ret_state says which.  Before a sandbox is entered. */
enum rc metrics_address_try(const struct config *config, const char **ret_state, struct err *err) HWA_CHECKED;

#endif /* HWA_METRICS_ADDRESS_H */
