/* certificate_id.h -- what names a certificate among all of a CA's: its issuer's key identifier and its serial number. */
#ifndef HWA_CERTIFICATE_ID_H
#define HWA_CERTIFICATE_ID_H

#include "bytes.h"

struct x509_st; /* X509, for who may include OpenSSL */

/* keyIdentifier of its authorityKeyIdentifier, and the content octets of its DER serial number, with the leading 00 where there
 * is one.  Both append.  RC_ABSENT: it has no such extension. */
enum rc certificate_id(const struct x509_st *leaf, struct buf *ret_authority_key, struct buf *ret_serial,
		       struct err *err) HWA_CHECKED;

#endif /* HWA_CERTIFICATE_ID_H */
