/* authorization.h -- makes every authorisation of an order valid (RFC 8555, 7.5); a valid one is never touched. */
#ifndef HWA_AUTHORIZATION_H
#define HWA_AUTHORIZATION_H

#include "client.h"
#include "config.h"
#include "message.h"

#define AUTHORIZATION_PATIENCE 120 /* seconds for the CA to validate all challenges of an order */

/*
 * Answers the pending ones and waits until they are valid.
 * RC_DENIED with the CA's words when one fails; RC_INPUT when none of the offered
 * challenge types is configured; RC_RETRY when the CA takes too long.
 */
enum rc authorizations_complete(struct client *client, const struct config_certificate *certificate,
				const struct message_order *order, struct err *err) HWA_CHECKED;

#endif /* HWA_AUTHORIZATION_H */
