/*
 * authorization.h -- makes every authorisation of an order valid (RFC 8555, 7.5); a valid one is never touched.
 *
 * Nobody waits here: answers are put out, the CA is told, and whoever comes back looks
 * once at each authorisation that is still open.  Answers live as long as the struct.
 */
#ifndef HWA_AUTHORIZATION_H
#define HWA_AUTHORIZATION_H

#include "challenge.h"
#include "client.h"
#include "config.h"
#include "message.h"
#include "scope.h"

struct authorizations; /* those of one order that are not valid yet, and their answers */

/* What is still open, and when the CA wants to be asked again. */
struct authorizations_state {
	unsigned waiting;
	bool is_unready;     /* not all of their answers can be seen yet, and the CA was told of none */
	int64_t retry_at;    /* 0: it did not say; is_unready: when to look whether they can */
	int64_t valid_until; /* when the first of those that are valid ends, as the CA says; 0: it did not say */
	struct err refusal;  /* of an announcement that is made again; rc RC_OK: none */
};

/*
 * Reads the authorisations of the order, prepares an answer for each pending one, and tells the CA when all can be seen: now, or in
 * a later look.  Of the types that the CA offers and that can prove the name, the first in the configuration is used.  Borrows all.
 * RC_DENIED with the CA's words when one is no longer valid; RC_INPUT when none of the offered challenge types is configured.
 */
enum rc authorizations_begin(struct client *client, const struct config_certificate *certificate,
			     const struct challenge_desk *desk, const struct message_order *order, int64_t now,
			     struct authorizations **ret_authorizations, struct authorizations_state *ret_state,
			     struct err *err) HWA_CHECKED;
/* Tells the CA when that is still to be done, or looks once at each that is open; RC_DENIED with the CA's words when one failed, or expired before it was valid. */
enum rc authorizations_look(struct authorizations *authorizations, int64_t now, struct authorizations_state *ret_state,
			    struct err *err) HWA_CHECKED;
/* For an order that was ready at once: looks at its authorisations, which are left as they are. */
enum rc authorizations_valid_until(struct client *client, const struct message_order *order, int64_t *ret_until,
				   struct err *err) HWA_CHECKED;
void authorizations_free(struct authorizations *authorizations); /* takes the answers away */

AUTO_DEFINE(authorizations, struct authorizations *, authorizations_free);

#endif /* HWA_AUTHORIZATION_H */
