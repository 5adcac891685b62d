/* dnspersist01.h -- the record of dns-persist-01, as an operator places it (draft-ietf-acme-dns-persist, 4). */
#ifndef HWA_DNSPERSIST01_H
#define HWA_DNSPERSIST01_H

#include "bytes.h"

/*
 * `_validation-persist.amf.example. IN TXT "ca.example; accounturi=https://ca.example/acct/1"`, with policy=wildcard where the
 * name is one; more than 255 characters are split as RFC 1035, 3.3 wants it.
 */
void dnspersist01_record(const char *domain, bool is_wildcard, const char *issuer, const char *account_url, char *ret_text,
			 size_t room);

#endif /* HWA_DNSPERSIST01_H */
