/* validity.h -- waits until the CA has validated what was put out for it. */
#ifndef HWA_VALIDITY_H
#define HWA_VALIDITY_H

#include "authorization.h"

/* `state` is what they began with.  RC_RETRY when the CA takes too long, which counts from when it was told to look. */
enum rc validity_await(struct authorizations *authorizations, struct authorizations_state state, struct err *err) HWA_CHECKED;

#endif /* HWA_VALIDITY_H */
