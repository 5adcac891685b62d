/*
 * tls_probe.h -- which certificate does a TLS server present?
 *
 * Nothing is verified but that the server has the key of the certificate: whom it claims to be, the caller compares.
 * A server that wants a certificate of its clients is answered without one; it may end the handshake then, which is
 * good enough, for by that time it has shown its own.
 */
#ifndef HWA_TLS_PROBE_H
#define HWA_TLS_PROBE_H

#include "err.h"

#define TLS_PROBE_HOST_MAX 256

struct tls_probe {
	const char *connect;     /* "HOST:PORT", "ADDRESS:PORT", "[IPv6]:PORT" */
	const char *server_name; /* SNI; NULL: the host of `connect`, or none where that is an address */
	int64_t timeout_ms;      /* for all of it: name, connection, handshake */
};

struct tls_probe_leaf {
	char fingerprint[65]; /* SHA-256, hex, lower case */
	char serial[64];      /* hex, upper case; "" when it is longer than any CA may make it */
	int64_t not_after;    /* 0: unreadable */
};

/* RC_RETRY: no answer in time, or not of TLS; RC_PROTOCOL: no certificate, or a key that is not the certificate's. */
enum rc tls_probe(const struct tls_probe *probe, struct tls_probe_leaf *ret_leaf, struct err *err) HWA_CHECKED;

#endif /* HWA_TLS_PROBE_H */
