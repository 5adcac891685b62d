/* http01.h -- http-01 answered by a listener of our own (RFC 8555, 8.3). */
#ifndef HWA_HTTP01_H
#define HWA_HTTP01_H

#include "challenge.h"

extern const struct challenge_ops http01_ops;

#endif /* HWA_HTTP01_H */
