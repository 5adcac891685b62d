/* settings_client.h -- understands `client-certificate:` of an authority and of a Token Authority. */
#ifndef HWA_SETTINGS_CLIENT_H
#define HWA_SETTINGS_CLIENT_H

#include "config.h"
#include "place.h"
#include "schema.h"

/* `texts` may be NULL; strings move to *ret.  `option` is its path within the entry. */
enum rc settings_client(const struct place *place, const char *option, struct schema_client *texts,
			struct config_client *ret) HWA_CHECKED;
/* What it refers to exists, and can be used so. */
enum rc settings_client_check(const struct place *place, const char *option, const struct config *config,
			      const struct config_client *client) HWA_CHECKED;

#endif /* HWA_SETTINGS_CLIENT_H */
