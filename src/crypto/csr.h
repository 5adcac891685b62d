/* csr.h -- a PKCS#10 request signed by a key in a token (RFC 2986). */
#ifndef HWA_CSR_H
#define HWA_CSR_H

#include "bytes.h"
#include "csr_request.h"
#include "token.h"

/* Bytes: 100 names of 255 characters need 27 KiB with key and signature; 32 KiB are 57 KiB in base64url twice, within JWS_MAX. */
#define CSR_MAX (32u * 1024u)

/* DER. */
enum rc csr_make(struct token_key *key, const struct csr_request *asked, struct buf *ret_der, struct err *err) HWA_CHECKED;

#endif /* HWA_CSR_H */
