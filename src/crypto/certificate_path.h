/* certificate_path.h -- the order of a chain (RFC 8555, 9.1), and where it ends. */
#ifndef HWA_CERTIFICATE_PATH_H
#define HWA_CERTIFICATE_PATH_H

#include <openssl/x509.h>

#include "roots.h"

#define CERTIFICATE_CLOCK_SKEW 300 /* seconds a CA's clock may be ahead of ours */

/* Unix seconds, up to the year 9999 (RFC 5280, 4.1.2.5); 0 for what is no time. */
int64_t certificate_time(const ASN1_TIME *time);

/*
 * Does the leaf, which comes first, lead to one of the roots (NULL: only through the others)?  The certificates of that path are put behind it in order,
 * what else was sent comes last.  RC_ABSENT: it does not end in the roots, of which the text names the file; RC_PROTOCOL: something else
 * stands there than the certificates of CAs, or one that is no part of it.
 */
enum rc certificate_path_check(STACK_OF(X509) * stack, struct roots *roots, int64_t now, struct err *err) HWA_CHECKED;

#endif /* HWA_CERTIFICATE_PATH_H */
