/*
 * renewal_info.h -- when a CA wants a certificate renewed (ACME Renewal Information, RFC 9773).
 *
 * What is known is kept with the certificate; src/acme/renewal_info.c asks.  What becomes of it
 * is decided in src/state/plan.c.
 */
#ifndef HWA_RENEWAL_INFO_H
#define HWA_RENEWAL_INFO_H

#include <stdbool.h>

#include "bytes.h"

#define RENEWAL_INFO_ID_MAX          160 /* base64url of a key identifier of up to 64 bytes, and of a serial number */
#define RENEWAL_INFO_EXPLANATION_MAX 512

/* RFC 9773, 4.3.2: Retry-After is held between these, so that neither a mistake nor malice has us ask too often or too rarely. */
#define RENEWAL_INFO_CHECK_LEAST INT64_C(60)
#define RENEWAL_INFO_CHECK_MOST  INT64_C(86400)
#define RENEWAL_INFO_CHECK_USUAL (INT64_C(6) * 3600) /* 4.3.3: when the answer does not say, or there was none */

struct renewal_info {
	char id[RENEWAL_INFO_ID_MAX]; /* certID (4.1); "": the certificate cannot be asked about */
	int64_t start, end;           /* the suggested window; 0: none known */
	int64_t at;                   /* the time in it that we drew */
	int64_t check_at;             /* not asked again before */
	unsigned failures;            /* to get an answer, in a row */
	unsigned early;               /* renewals in a row that the CA wanted in the first half of a lifetime */
	bool is_replaced;             /* the CA says that another takes its place: neither asked about nor named again */
	char explanation[RENEWAL_INFO_EXPLANATION_MAX]; /* URL of a page for people; "" */
};

/* certID of a certificate: of the key identifier in its authorityKeyIdentifier, and the content octets of its serial number in DER. */
enum rc renewal_info_id(struct span authority_key, struct span serial, char ret_id[RENEWAL_INFO_ID_MAX],
			struct err *err) HWA_CHECKED;

/* Fills start, end and explanation.  RC_PROTOCOL: it is to be treated as if it had not come (4.2). */
enum rc renewal_info_parse(struct span json, struct renewal_info *ret_info, struct err *err) HWA_CHECKED;

/* A time in [start, end) by 64 random bits. */
int64_t renewal_info_draw(int64_t start, int64_t end, uint64_t random);

/* When to ask again: what the answer's Retry-After says (0: nothing), within the limits. */
int64_t renewal_info_check_at(int64_t retry_at, int64_t now);

struct client;
/*
 * GET renewalInfo for info->id, without a signature.  On RC_OK window and explanation are the answer's; `at` is drawn when
 * the window is a new one, and kept otherwise.  RC_ABSENT: the server does not offer this.  After a failure nothing is
 * known that was not known before.  check_at and failures are set in any case.
 */
enum rc renewal_info_ask(struct client *client, int64_t now, struct renewal_info *info, struct err *err) HWA_CHECKED;

#endif /* HWA_RENEWAL_INFO_H */
