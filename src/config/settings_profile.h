/* settings_profile.h -- the options of 5G certificates, understood (TS 33.310, 6.1.3c; RFC 9310). */
#ifndef HWA_SETTINGS_PROFILE_H
#define HWA_SETTINGS_PROFILE_H

#include "config.h"
#include "place.h"
#include "schema.h"

/* Without `texts`: both usages, nothing written, nothing missing accepted. */
enum rc settings_certificate_profile(const struct place *place, struct schema_certificate_profile *texts,
				     struct config_certificate_profile *ret) HWA_CHECKED;
/* After names and challenges: an instance is added to the names when it is not among them. */
enum rc settings_nf(const struct place *place, struct schema_nf *texts, struct config_certificate *ret) HWA_CHECKED;

#endif /* HWA_SETTINGS_PROFILE_H */
