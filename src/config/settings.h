/* settings.h -- turns the texts of the file into the settings of config.h, or says what to write instead. */
#ifndef HWA_SETTINGS_H
#define HWA_SETTINGS_H

#include "config.h"
#include "document.h"
#include "schema.h"

/* Fills `config` from `texts`, whose strings move to it. */
enum rc settings_read(const struct document *document, struct schema_config *texts, struct config *config,
		      struct err *err) HWA_CHECKED;

/* Names that occur twice, and references to entries that do not exist. */
enum rc settings_check(const struct document *document, struct config *config, struct err *err) HWA_CHECKED;

#endif /* HWA_SETTINGS_H */
