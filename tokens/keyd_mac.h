/* keyd_mac.h -- the HMAC of an external account binding, made where its key is: in keyd, or in a token behind it. */
#ifndef HWA_KEYD_MAC_H
#define HWA_KEYD_MAC_H

#include "config.h"
#include "keyd_keys.h"

/* Only over a JWS signing input, and only with the key that the configuration names for the authority. */
enum rc keyd_mac(const struct config *config, struct keyd_keys *keys, const char *authority, struct span message,
		 struct buf *ret_mac, struct err *err) HWA_CHECKED;

#endif /* HWA_KEYD_MAC_H */
