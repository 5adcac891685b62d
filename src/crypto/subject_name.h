/* subject_name.h -- a configured name as it stands in subjectAltName of requests and certificates (RFC 5280, 4.2.1.6). */
#ifndef HWA_SUBJECT_NAME_H
#define HWA_SUBJECT_NAME_H

#include <openssl/x509v3.h>

#include "bytes.h"
#include "identifier.h"

/* dNSName, iPAddress with 4 or 16 octets, or a URI; an NF instance is the URI urn:uuid: (TS 33.310, 6.1.3c). */
enum rc subject_name_make(const char *name, GENERAL_NAME **ret_general, struct err *err) HWA_CHECKED;
/* Is it this name?  Host names are compared without case, addresses by octets, URIs exactly. */
bool subject_name_is(const GENERAL_NAME *general, const char *name);
/* "dns:amf.example", "ip:192.0.2.1", "uri:...", cut where it does not fit; false for kinds that are not names of ours. */
bool subject_name_print(const GENERAL_NAME *general, char *ret_name, size_t room);

#endif /* HWA_SUBJECT_NAME_H */
