/* revocation.h -- asks a CA to revoke a certificate of ours (RFC 8555, 7.6). */
#ifndef HWA_REVOCATION_H
#define HWA_REVOCATION_H

#include "client.h"

/* CRLReason (RFC 5280, 5.3.1) by its name or number; -1 for one that is none, or that a subscriber cannot give. */
int revocation_reason_parse(const char *text);
/* "unspecified, keyCompromise, ..." for messages. */
const char *revocation_reasons(void);

/* `der` is the certificate.  A client with an account signs with the account key, one without with its key as "jwk", which
 * must then be the certificate's.  A certificate that is revoked already is RC_OK. */
enum rc revocation_request(struct client *client, struct span der, int reason, struct err *err) HWA_CHECKED;

#endif /* HWA_REVOCATION_H */
