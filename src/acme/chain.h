/* chain.h -- the certificate chain of a valid order: fetched, and accepted by whoever ordered it (RFC 8555, 7.4.2). */
#ifndef HWA_CHAIN_H
#define HWA_CHAIN_H

#include "driver.h"
#include "http.h"

/* RC_OK: its body is a PEM chain, as it says of itself; nothing of it was looked at. */
enum rc chain_fetch(struct client *client, const char *url, struct http_response *ret_response, struct err *err) HWA_CHECKED;

/* Asks hooks->accept about the one that was fetched, of which *ret_refusal is, and about the alternates that it names while a root is all
 * that is wrong. */
enum rc chain_accept(struct client *client, const struct http_response *first, const struct driver_hooks *hooks,
		     enum chain_refusal *ret_refusal, struct err *err) HWA_CHECKED;

#endif /* HWA_CHAIN_H */
