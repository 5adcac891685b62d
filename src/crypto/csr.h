/* csr.h -- a PKCS#10 request signed by a key in a token (RFC 2986). */
#ifndef HWA_CSR_H
#define HWA_CSR_H

#include "bytes.h"
#include "token.h"

#define CSR_MAX (16u * 1024u)

/* `names` as configured ("dns:..."), all in subjectAltName, empty subject; DER. */
enum rc csr_make(struct token_key *key, char *const *names, unsigned name_count, struct buf *ret_der,
		 struct err *err) HWA_CHECKED;

#endif /* HWA_CSR_H */
