/* new_order.h -- the request that makes an order (RFC 8555, 7.4), with `replaces` (RFC 9773, 5) as long as the CA takes it. */
#ifndef HWA_NEW_ORDER_H
#define HWA_NEW_ORDER_H

#include "driver.h"
#include "http.h"

/* All borrowed. */
struct new_order {
	struct client *client;
	const struct config_certificate *certificate;
	struct driver_terms *terms; /* `replaces` is NULL from the refusal of it on */
	const struct driver_hooks *hooks;
	const struct order *stored; /* what hooks->save is given before the second request */
};

/* RC_OK: there is an order, whose URL is ret_response->location. */
enum rc new_order_post(const struct new_order *order, struct http_response *ret_response, struct err *err) HWA_CHECKED;

#endif /* HWA_NEW_ORDER_H */
