/* settings_account.h -- understands `external-account:` of an authority. */
#ifndef HWA_SETTINGS_ACCOUNT_H
#define HWA_SETTINGS_ACCOUNT_H

#include "config.h"
#include "place.h"
#include "schema.h"

/* `texts` may be NULL; strings move to *ret. */
enum rc settings_external(const struct place *place, struct schema_external *texts, struct config_external *ret) HWA_CHECKED;

#endif /* HWA_SETTINGS_ACCOUNT_H */
