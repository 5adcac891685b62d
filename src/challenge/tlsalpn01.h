/* tlsalpn01.h -- the parts of tls-alpn-01: the certificate made for one answer, and the server that shows it. */
#ifndef HWA_TLSALPN01_H
#define HWA_TLSALPN01_H

#include <openssl/ssl.h>

#include "bytes.h"
#include "err.h"
#include "identifier.h"

#define TLSALPN01_NAME_MAX 300 /* an address as ip6.arpa has 72 characters */

/* The pair that answers for `identifier`. */
struct tlsalpn01_pair {
	X509 *certificate;
	EVP_PKEY *key;
};
enum rc tlsalpn01_certificate_make(const struct identifier *identifier, const char *key_authorization,
				   struct tlsalpn01_pair *ret_pair, struct err *err) HWA_CHECKED;
void tlsalpn01_pair_clear(struct tlsalpn01_pair *pair);
/* The name a CA connects with: the host, or the address's name in in-addr.arpa or ip6.arpa (RFC 8738, 6). */
void tlsalpn01_sni(const struct identifier *identifier, char ret_name[TLSALPN01_NAME_MAX]);

/* Finds the pair for a name while it is shown; called in the server's thread, so *ret_pair has references of its own. */
struct tlsalpn01_source {
	void *ctx;
	bool (*find)(void *ctx, const char *name, struct tlsalpn01_pair *ret_pair);
	/* Connections wait, for lack of what the errno says; once until one is accepted again. */
	void (*short_of)(void *ctx, int number);
};

struct tlsalpn01_server;
/* Serves the listening socket, which becomes its own, in a thread of its own. */
enum rc tlsalpn01_server_start(int listening, const struct tlsalpn01_source *source, struct tlsalpn01_server **ret_server,
			       struct err *err) HWA_CHECKED;
void tlsalpn01_server_stop(struct tlsalpn01_server *server); /* waits for the thread */

#endif /* HWA_TLSALPN01_H */
