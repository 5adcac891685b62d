/* renewal_record.h -- what the files of a renewal ask of a record; nothing outside src/renewal/renewal*.c includes it. */
#ifndef HWA_RENEWAL_RECORD_H
#define HWA_RENEWAL_RECORD_H

#include <string.h>

#include "renewal.h"

/* The configured names as the record keeps them: sorted, so that their order does not matter. */
void renewal_names_print(const struct config_certificate *certificate, char *text, size_t room);

/* The profile that is ordered (draft-ietf-acme-profiles): the certificate's, or its authority's; NULL: none. */
const char *renewal_profile(const struct config *config, const struct config_certificate *certificate);

/* Until when the new certificate must be valid at the least: as long as the present one, where that is still a measure.  0: no matter. */
int64_t renewal_least_not_after(const struct config *config, const struct config_certificate *certificate,
				const struct store_certificate *record, int64_t now);

/* Until when nothing is tried again after a failure; 0: there was none, or it says nothing. */
int64_t renewal_retry_at(const struct store_certificate *record, int64_t now);

static inline bool renewal_is_keyed(const struct store_key *key)
{
	return key->token[0] != '\0';
}

static inline bool renewal_key_matches(const struct store_key *key, const struct config_key *wanted)
{
	return key->type == wanted->type && strcmp(key->token, wanted->token) == 0;
}

#endif /* HWA_RENEWAL_RECORD_H */
