/* renewal_ari.h -- what a renewal has to do with ACME Renewal Information (RFC 9773). */
#ifndef HWA_RENEWAL_ARI_H
#define HWA_RENEWAL_ARI_H

#include "renewal.h"

/* When it may be asked about: not before now. */
int64_t renewal_ari_asks_at(const struct renewal_info *info, int64_t now);
/* Is it time to ask the CA about the live certificate?  Never after its expiry or replacement (4.3). */
bool renewal_ari_is_due(const struct config_policy *policy, const struct config_certificate *certificate,
			const struct store_certificate *record, int64_t now);
/* Asks.  No answer is no failure of anything: the record says when to ask again.  `event`: for the journal; "" : nothing new. */
void renewal_ari_ask(const struct renewal_desk *desk, struct store_certificate *record, int64_t now, char *event, size_t room);

/* certID of the live certificate, when an order for `certificate` by this client may say that it replaces it (5); else NULL. */
const char *renewal_ari_replaces(const struct config_policy *policy, const struct config_certificate *certificate,
				 const struct store_certificate *record, struct client *client);

/* Another certificate goes live: nothing is known of it yet but its certID.  The record still has the times of the old one. */
void renewal_ari_start(struct store_certificate *record, const char *id, int64_t now);

#endif /* HWA_RENEWAL_ARI_H */
