/*
 * connection.h -- HTTPS to whoever the configuration names, with the client certificate it gives for that (TS 33.310, annex J.2).
 *
 * Which certificate is decided anew for each connection: one of ours that was renewed meanwhile is shown by the next, from its
 * record, which knows generation and key together.
 */
#ifndef HWA_CONNECTION_H
#define HWA_CONNECTION_H

#include "config.h"
#include "http.h"
#include "keyring.h"
#include "store.h"

/* Where chains and keys are found; all outlive the http. */
struct connection_desk {
	const struct config *config;
	struct store *store; /* NULL: nothing was ever stored */
	struct keyring *keyring;
};

/* As http_open(): what cannot be shown is told here, before anything is sent.  Borrows `client`. */
enum rc connection_open(const struct connection_desk *desk, const char *trust, const struct config_client *client,
			struct http **ret_http, struct err *err) HWA_CHECKED;

/* What the next connection shows, for people: "client certificate amf"; "" where none is configured. */
void connection_describe(const struct connection_desk *desk, const struct config_client *client, char *ret_text, size_t room);

#endif /* HWA_CONNECTION_H */
