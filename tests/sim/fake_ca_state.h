/* fake_ca_state.h -- what an authority keeps; nothing outside tests/sim/fake_ca*.c includes it. */
#ifndef HWA_SIM_FAKE_CA_STATE_H
#define HWA_SIM_FAKE_CA_STATE_H

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "fake_ca.h"
#include "http.h"

#define FAKE_BACKDATED INT64_C(3600) /* certificates begin so long ago, as public CAs have it */

enum fake_status { FAKE_PENDING, FAKE_READY, FAKE_PROCESSING, FAKE_VALID, FAKE_INVALID };

struct fake_order {
	enum fake_status status;
	json_t *identifiers;
	char name[128]; /* the first identifier */
	char profile[64];
	int64_t expires_at;
	int64_t valid_at_ms; /* told of the answer, or finalized: then it is ready, or valid; 0: not told */
	bool will_fail;
	bool is_lapsed; /* its authorisation is of no use, and it is pending for ever */
	bool was_ready; /* its authorisation is valid */
	bool is_forgotten, is_fetched;
	bool is_answer_lost; /* to newOrder: nobody knows of it */
	bool is_mistold;     /* something else was said in an answer about it */
	int64_t made_at_ms;
	int64_t sent_at_ms; /* its CSR */
	unsigned looks;     /* at it since, in the first hour */
	size_t certificate; /* from 1; 0: none */
	size_t replaces;    /* from 1 */
};

struct fake_certificate {
	char *pem;
	char name[128];
	int64_t not_before, not_after;
	bool is_revoked;
	bool is_unsound;    /* it has other names, another key, or no chain to its root */
	bool is_unknown;    /* to the CA, which has lost it */
	size_t replaced_by; /* order, from 1; 0: none */
};

struct fake_name {
	char name[128];
	int64_t issued_at;
};

struct fake_ca_state {
	struct fake_ca public;
	unsigned number;
	char origin[32];
	EVP_PKEY *key;
	X509 *root;
	char *root_pem;
	char **accounts; /* JWKs; their number is their name */
	struct fake_order *orders;
	struct fake_certificate *certificates;
	struct fake_name *names;
	bool *nonces; /* given out, and not used */
	size_t account_count, order_count, certificate_count, name_count, nonce_count;
};

/* A request as it was understood, and the answer that is being made. */
struct fake_exchange {
	struct fake_ca_state *ca;
	const struct http_request *request;
	const char *path; /* behind the origin */
	json_t *header, *payload;
	size_t account; /* from 1; 0: by key */
	long status;
	json_t *body;
	char *text; /* instead of body */
	char location[128];
	int64_t retry_after; /* seconds; 0: none */
};

/* fake_ca_issue.c */
void fake_ca_key_make(struct fake_ca_state *ca);
/* From 1; 0: the CSR is none. */
size_t fake_ca_issue(struct fake_ca_state *ca, const struct fake_order *order, const char *csr_base64url);

/* fake_ca_odd.c: an answer that is none of ACME, as http_send() would give it. */
enum rc fake_ca_nonsense(const struct fake_ca *ca, struct http_response *ret_response, struct err *err);
/* What is wrong with a certificate, before it is signed and with its chain. */
enum fake_spoil {
	FAKE_NAMELESS,
	FAKE_OTHER_NAME,
	FAKE_OTHER_KEY,
	FAKE_EXPIRED,
	FAKE_LATER, /* it begins in a month */
	FAKE_BRIEF, /* it ends in an hour: who has nothing better takes it */
	FAKE_OTHER_ROOT,
	FAKE_PRIVATE_KEY,
	FAKE_PAGE,
	FAKE_SOUND /* nothing */
};
bool fake_ca_spoils_for_all(enum fake_spoil spoil); /* by whatever clock */
void fake_ca_spoil(X509 *certificate, enum fake_spoil spoil);
char *fake_ca_spoil_chain(const char *leaf, const char *root, const char *other_root, enum fake_spoil spoil);

/* fake_ca_orders.c: RFC 8555 behind the account.  False: no such resource. */
bool fake_ca_serve(struct fake_exchange *exchange);
/* RFC 9773, 4.1; without an account. */
/* RFC 8555, 7.6. */
void fake_ca_revoke(struct fake_exchange *exchange);
void fake_ca_renewal_info(struct fake_exchange *exchange, const char *id);
void fake_ca_problem(struct fake_exchange *exchange, long status, const char *type, const char *detail);

struct fake_ca_state *fake_ca_state_get(unsigned number);

/* `list` has `count` entries of `size` bytes: room for one more, zeroed. */
void *fake_ca_grow(void *list, size_t count, size_t size);

#endif /* HWA_SIM_FAKE_CA_STATE_H */
