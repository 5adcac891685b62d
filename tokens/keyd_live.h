/* keyd_live.h -- is a key in service?  keyd's own look at STATE/live, so that no engine can have a live key erased. */
#ifndef HWA_KEYD_LIVE_H
#define HWA_KEYD_LIVE_H

#include "token.h"

/*
 * RC_DENIED naming the certificate when some live/NAME/key.uri refers to the key.  With more than
 * KEYD_LIVE_SCAN_MAX certificates only those are looked at whose name the key's label begins with:
 * labels are made of the owner's name (token_key_name_make()).  RC_RESOURCE when it cannot be told.
 */
#define KEYD_LIVE_SCAN_MAX 64u
enum rc keyd_live_check(const char *state_dir, const struct token_key_name *name, struct err *err) HWA_CHECKED;

#endif /* HWA_KEYD_LIVE_H */
