/* live_keys.h -- whose keys are live, as live/ shows it; for keys that no record names. */
#ifndef HWA_LIVE_KEYS_H
#define HWA_LIVE_KEYS_H

#include "bytes.h"
#include "err.h"

struct live_keys;

/* Of all sets that live/ leads to.  Anything that cannot be read or understood there is an error: its key may be any. */
enum rc live_keys_read(const char *state_dir, struct live_keys **ret_keys, struct err *err) HWA_CHECKED;
void live_keys_free(struct live_keys *keys);
AUTO_DEFINE(live_keys, struct live_keys *, live_keys_free);

/* The certificate that is live and for the key with this fingerprint (SHA-256 of its SubjectPublicKeyInfo, hex); NULL: none. */
const char *live_keys_owner(const struct live_keys *keys, const char *fingerprint);

#endif /* HWA_LIVE_KEYS_H */
