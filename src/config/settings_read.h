/* settings_read.h -- what the settings files share: options that read the same everywhere (settings_read.c), and one function an area. */
#ifndef HWA_SETTINGS_READ_H
#define HWA_SETTINGS_READ_H

#include "config.h"
#include "place.h"
#include "schema.h"

/* The name of an entry; moves it. */
enum rc read_name(const struct place *place, char **text, char **ret) HWA_CHECKED;
/* An absolute path; moves it.  NULL stays NULL. */
enum rc read_path(const struct place *place, const char *option, char **text, char **ret) HWA_CHECKED;
/* *ret is left alone when the option was not given. */
enum rc read_duration(const struct place *place, const char *option, const char *text, int64_t *ret) HWA_CHECKED;

/* Refuses a name that no entry of `list` has. */
enum rc check_reference(const struct place *place, const char *option, const char *name, bool is_there,
			const char *list) HWA_CHECKED;

/* settings_token.c */
enum rc read_token(const struct place *place, struct schema_token *texts, struct config_token *ret) HWA_CHECKED;
/* settings_policy.c: what is not said has its default. */
enum rc read_policy(const struct place *place, struct schema_policy *texts, struct config_policy *ret) HWA_CHECKED;
/* settings_names.c: each name in its one text. */
enum rc read_names(const struct place *place, struct schema_certificate *texts, struct config_certificate *ret) HWA_CHECKED;
/* settings_challenge.c: after the names, which a challenge must be able to prove. */
enum rc read_challenges(const struct place *place, struct schema_challenge *texts, struct config_certificate *ret) HWA_CHECKED;
/* settings_outputs.c: the defaults where there is no `outputs`. */
enum rc read_outputs(const struct place *place, struct schema_outputs *texts, struct config_certificate *ret) HWA_CHECKED;

/* settings_objects.c: what stands in the token beside the key; after the outputs, of which the chain is one more then. */
enum rc read_objects(const struct place *place, struct schema_objects *texts, struct config_certificate *ret) HWA_CHECKED;
/* Once all references are checked: tokens that keep no certificates, labels that two certificates want in one token. */
enum rc check_objects(const struct document *document, const struct config *config, struct err *err) HWA_CHECKED;

/* settings_service.c: how a service is told of a new certificate, and how it is seen that it serves it.  NULL: not at all. */
enum rc read_deploy(const struct place *place, struct schema_deploy *texts, struct config_certificate *ret) HWA_CHECKED;
enum rc read_probe(const struct place *place, struct schema_probe *texts, struct config_certificate *ret) HWA_CHECKED;
/* What becomes of what was superseded. */
enum rc read_retirement(const struct place *place, const struct schema_policy *texts, struct config_policy *ret) HWA_CHECKED;

#endif /* HWA_SETTINGS_READ_H */
