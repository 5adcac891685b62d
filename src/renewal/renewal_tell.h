/* renewal_tell.h -- what people are told of a certificate beside its plan: does it need them, and what is done next. */
#ifndef HWA_RENEWAL_TELL_H
#define HWA_RENEWAL_TELL_H

#include "archive.h"
#include "availability.h"
#include "renewal.h"

/* Something an operator should look at: nothing live, expired, revoked, failing, a hook that is owed, a service that presents something
 * else.  `record` is NULL when the store has none. */
bool renewal_needs_attention(const struct store_certificate *record, int64_t now);

/* live/NAME, as a service finds it; RC_OK: it is as it is to be, and else *err says what to do. */
enum rc renewal_live_check(struct archive_view *view, const struct store_certificate *record, struct err *err) HWA_CHECKED;

/* The step that comes next of what is under way, as a sentence without its end: "the CSR is sent"; "" when nothing is. */
const char *renewal_next_step(const struct config_certificate *certificate, const struct store_certificate *record, int64_t now);
/* That step is for the service of what is live, when service_next() says, and no part of a renewal. */
bool renewal_is_owed(const struct store_certificate *record);

/* Why the daemon does not do at once what is due. */
struct renewal_waits {
	const struct config_authority *authority; /* is not asked ... */
	int64_t until;                            /* ... before then */
	struct availability_view view;
};
/* False: nothing is in its way, or nothing is due. */
bool renewal_waits(struct store *store, const struct config *config, const struct config_certificate *certificate,
		   const struct store_certificate *record, const struct plan *plan, int64_t now, struct renewal_waits *ret_waits);

#endif /* HWA_RENEWAL_TELL_H */
