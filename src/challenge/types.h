/* types.h -- the challenge types, as the table names them; each is one file. */
#ifndef HWA_TYPES_H
#define HWA_TYPES_H

#include "challenge.h"

extern const struct challenge_ops http01_ops;       /* RFC 8555, 8.3 */
extern const struct challenge_ops tlsalpn01_ops;    /* RFC 8737 */
extern const struct challenge_ops dns01_ops;        /* RFC 8555, 8.4 */
extern const struct challenge_ops dnsaccount01_ops; /* draft-ietf-acme-dns-account-label */
extern const struct challenge_ops dnspersist01_ops; /* draft-ietf-acme-dns-persist */
extern const struct challenge_ops tkauth01_ops;     /* RFC 9447 */

#endif /* HWA_TYPES_H */
