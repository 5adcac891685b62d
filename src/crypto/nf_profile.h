/*
 * nf_profile.h -- what a 5G network function's certificate has beside its names: asked for in a CSR, looked for in what
 * the CA issued (TS 33.310, 6.1.3c; RFC 9310).
 *
 * Each part can be asked for alone: an authority that refuses one is not asked for it.
 */
#ifndef HWA_NF_PROFILE_H
#define HWA_NF_PROFILE_H

#include <openssl/x509.h>

#include "csr_request.h"

#define NF_PROFILE_TYPES_MAX (8u * 1024u) /* bytes of an NFTypes value */

/* NFTypes, DER: sorted and unique, whatever the order of `types` (RFC 9310, 3). */
enum rc nf_profile_types_print(char *const *types, unsigned count, struct buf *ret_der, struct err *err) HWA_CHECKED;

/* Adds what the request asks for: to the subject; key usage, extended key usage and nfTypes to the extensions. */
enum rc nf_profile_add_subject(const struct csr_request *request, X509_NAME *subject, struct err *err) HWA_CHECKED;
enum rc nf_profile_add_extensions(const struct csr_request *request, STACK_OF(X509_EXTENSION) * *extensions,
				  struct err *err) HWA_CHECKED;

/*
 * Has the certificate each part that was asked for?  RC_PROTOCOL names the first that it has not, and how to accept that;
 * those in `accept_without` (set of CONFIG_ASK_BIT()) are passed over and come back in *ret_missing.  uri: names are
 * the matter of whoever judges names.
 */
enum rc nf_profile_judge(X509 *leaf, const struct csr_request *request, unsigned accept_without, unsigned *ret_missing,
			 struct err *err) HWA_CHECKED;

/* In which points that are the CA's the certificate is not as TS 33.310, 6.1.3c wants it: "no cRLDistributionPoints, ..."; "" for none. */
void nf_profile_remark(X509 *leaf, char *ret_text, size_t room);

/* "the certificate lacks X; accept-without: [X]": the one text for a part that is missing. */
enum rc nf_profile_lacks(enum config_ask part, const char *what, struct err *err);

#endif /* HWA_NF_PROFILE_H */
