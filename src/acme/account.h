/* account.h -- our account at an ACME server, made or found again by its key (RFC 8555, 7.3). */
#ifndef HWA_ACCOUNT_H
#define HWA_ACCOUNT_H

#include "client.h"
#include "config.h"

/* newAccount; the server answers 201 for a new one and 200 for the one this key already has.
 * Terms of service are never agreed silently: RC_INPUT naming the URL when `terms-agreed` is missing.
 * On success the client's account is set, and its URL printed. */
enum rc account_ensure(struct client *client, const struct config_authority *authority, char ret_url[HTTP_URL_MAX],
		       struct err *err) HWA_CHECKED;

#endif /* HWA_ACCOUNT_H */
