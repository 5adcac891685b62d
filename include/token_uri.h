/* token_uri.h -- what a PKCS#11 URI (RFC 7512) of the configuration may say: which token, and perhaps which module. */
#ifndef HWA_TOKEN_URI_H
#define HWA_TOKEN_URI_H

/* NULL, or what is wrong with the text and what to write instead.  The text itself is not to be shown: a PIN may be in it. */
const char *token_uri_fault(const char *uri);

#endif /* HWA_TOKEN_URI_H */
