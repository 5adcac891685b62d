/* settings_read.h -- what the settings files share: options that read the same everywhere, and one function an area. */
#ifndef HWA_SETTINGS_READ_H
#define HWA_SETTINGS_READ_H

#include "config.h"
#include "place.h"
#include "schema.h"

/* An absolute path; moves it.  NULL stays NULL. */
enum rc read_path(const struct place *place, const char *option, char **text, char **ret) HWA_CHECKED;
/* *ret is left alone when the option was not given. */
enum rc read_duration(const struct place *place, const char *option, const char *text, int64_t *ret) HWA_CHECKED;

/* settings_names.c: each name in its one text. */
enum rc read_names(const struct place *place, struct schema_certificate *texts, struct config_certificate *ret) HWA_CHECKED;
/* settings_challenge.c: after the names, which a challenge must be able to prove. */
enum rc read_challenges(const struct place *place, struct schema_challenge *texts, struct config_certificate *ret) HWA_CHECKED;

#endif /* HWA_SETTINGS_READ_H */
