/* keyd_message.h -- what an Ed25519 key may be made to sign: it signs messages themselves, so a digest's length protects nothing. */
#ifndef HWA_KEYD_MESSAGE_H
#define HWA_KEYD_MESSAGE_H

#include "bytes.h"

/* RC_DENIED unless it is a JWS signing input (RFC 7515, 5.1) or a CertificationRequestInfo (RFC 2986, 4.1), whole. */
enum rc keyd_message_check(struct span message, struct err *err) HWA_CHECKED;

#endif /* HWA_KEYD_MESSAGE_H */
