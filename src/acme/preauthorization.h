/* preauthorization.h -- asks for authorisations ahead of an order, where the server offers it (RFC 8555, 7.4.1). */
#ifndef HWA_PREAUTHORIZATION_H
#define HWA_PREAUTHORIZATION_H

#include "client.h"
#include "config.h"
#include "message.h"

/* newAuthz for each identifier of the certificate; *ret_order lists their URLs, for authorizations_begin().
 * RC_ABSENT when the server has no newAuthz; RC_INPUT for a wildcard, which cannot be authorised ahead. */
enum rc preauthorization_request(struct client *client, const struct config_certificate *certificate,
				 struct message_order *ret_order, struct err *err) HWA_CHECKED;

#endif /* HWA_PREAUTHORIZATION_H */
