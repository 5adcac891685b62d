/*
 * certificate_profile.h -- what is asked of an authority for a certificate, by the configuration, and what TS 33.310 has against it.
 */
#ifndef HWA_CERTIFICATE_PROFILE_H
#define HWA_CERTIFICATE_PROFILE_H

#include "config.h"
#include "csr_request.h"

/*
 * Without `nf`, and where the authority's `ask` is not written, nothing but the names; with `nf` all of TS 33.310, 6.1.3c;
 * where `ask` is written, what it says.  Borrows the strings of both.
 */
struct csr_request certificate_profile_request(const struct config_certificate *certificate,
					       const struct config_authority *authority);

/* Has it `nf`? */
bool certificate_profile_is_nf(const struct config_certificate *certificate);
/* "5gc.mnc<MNC>.mcc<MCC>.3gppnetwork.org" (TS 23.003, 28.2). */
bool certificate_profile_is_home_domain(const char *text);
/* The one at the end of its first dns: name that has one; NULL: none. */
const char *certificate_profile_home_domain(const struct config_certificate *certificate);

/* "C=DE O=5gc.mnc001.mcc001.3gppnetwork.org key-usage server client nf:AMF": what is asked for beside the names; "" for nothing. */
#define CERTIFICATE_PROFILE_TEXT_MAX 4096
void certificate_profile_print(const struct csr_request *request, char ret_text[CERTIFICATE_PROFILE_TEXT_MAX]);

/* Tells each point in which the certificate of a network function would not be as TS 33.310, 6.1.3c wants it; the number of points. */
typedef void certificate_profile_tell_fn(void *ctx, const char *text);
unsigned certificate_profile_warn(const struct config_certificate *certificate, const struct config_authority *authority,
				  certificate_profile_tell_fn *tell, void *ctx);

#endif /* HWA_CERTIFICATE_PROFILE_H */
