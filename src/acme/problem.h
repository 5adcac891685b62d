/*
 * problem.h -- what each problem type of ACME means for us, in one table (RFC 8555, 6.7; RFC 8739, RFC 9115, RFC 9773, RFC 9799; drafts).
 *
 * The rc is what the caller can do; whether the order is kept tells a refusal that
 * passes (or that a changed configuration mends) from one that ends the order.
 */
#ifndef HWA_PROBLEM_H
#define HWA_PROBLEM_H

#include <stdbool.h>

#include "err.h"
#include "message.h"

/* X(enumerator, type without its prefix, rc, is the order kept?, what the operator can do; "" : nothing to add) */
#define PROBLEMS(X)                                                                                                              \
	X(BAD_NONCE, "badNonce", RC_RETRY, true, "")                                                                             \
	X(SERVER_INTERNAL, "serverInternal", RC_RETRY, true, "")                                                                 \
	X(ORDER_NOT_READY, "orderNotReady", RC_RETRY, true, "")                                                                  \
	X(CONFLICT, "conflict", RC_RETRY, true, "")                                                                              \
	X(RATE_LIMITED, "rateLimited", RC_DENIED, true,                                                                          \
	  "this is not asked for again before the time it gave, or for a day where that is longer")                              \
	X(ACCOUNT_DOES_NOT_EXIST, "accountDoesNotExist", RC_DENIED, true, "the account is asked for by its key at the next run") \
	X(EXTERNAL_ACCOUNT_REQUIRED, "externalAccountRequired", RC_INPUT, true,                                                  \
	  "write external-account: { kid: ..., hmac: { file: ... } } for this authority")                                        \
	X(USER_ACTION_REQUIRED, "userActionRequired", RC_DENIED, true, "then run `hwacme account register`")                     \
	X(UNAUTHORIZED, "unauthorized", RC_DENIED, false, "")                                                                    \
	X(BAD_CSR, "badCSR", RC_DENIED, true, "")                                                                                \
	X(BAD_PUBLIC_KEY, "badPublicKey", RC_DENIED, false, "choose another key type")                                           \
	X(BAD_SIGNATURE_ALGORITHM, "badSignatureAlgorithm", RC_DENIED, true, "choose another type or algorithm of account-key")  \
	X(REJECTED_IDENTIFIER, "rejectedIdentifier", RC_DENIED, false, "")                                                       \
	X(UNSUPPORTED_IDENTIFIER, "unsupportedIdentifier", RC_DENIED, false, "")                                                 \
	X(CAA, "caa", RC_DENIED, false, "")                                                                                      \
	X(DNS, "dns", RC_DENIED, false, "")                                                                                      \
	X(CONNECTION, "connection", RC_DENIED, false, "")                                                                        \
	X(TLS, "tls", RC_DENIED, false, "")                                                                                      \
	X(INCORRECT_RESPONSE, "incorrectResponse", RC_DENIED, false, "")                                                         \
	X(COMPOUND, "compound", RC_DENIED, false, "")                                                                            \
	X(MALFORMED, "malformed", RC_DENIED, false, "")                                                                          \
	X(INVALID_CONTACT, "invalidContact", RC_INPUT, true, "correct contact: of this authority")                               \
	X(UNSUPPORTED_CONTACT, "unsupportedContact", RC_INPUT, true, "correct contact: of this authority")                       \
	X(ALREADY_REVOKED, "alreadyRevoked", RC_DENIED, false, "")                                                               \
	X(BAD_REVOCATION_REASON, "badRevocationReason", RC_INPUT, false, "choose another --reason")                              \
	X(ALREADY_REPLACED, "alreadyReplaced", RC_DENIED, false, "") /* RFC 9773, 5 */                                           \
	X(INVALID_PROFILE, "invalidProfile", RC_INPUT, false,                                                                    \
	  "`hwacme check` shows the profiles it has: write one of them, or take profile: out") /* acme-profiles, 4 */            \
	X(BAD_ATTESTATION_STATEMENT, "badAttestationStatement", RC_DENIED, false, "")          /* acme-device-attest */          \
	X(AUTO_RENEWAL_CANCELED, "autoRenewalCanceled", RC_DENIED, false, "")                  /* RFC 8739, 5.2 */               \
	X(AUTO_RENEWAL_EXPIRED, "autoRenewalExpired", RC_DENIED, false, "")                                                      \
	X(AUTO_RENEWAL_CANCELLATION_INVALID, "autoRenewalCancellationInvalid", RC_DENIED, false, "")                             \
	X(AUTO_RENEWAL_REVOCATION_NOT_SUPPORTED, "autoRenewalRevocationNotSupported", RC_DENIED, false, "")                      \
	X(UNKNOWN_DELEGATION, "unknownDelegation", RC_DENIED, false, "") /* RFC 9115, 6.4 */                                     \
	X(ONION_CAA_REQUIRED, "onionCAARequired", RC_DENIED, false, "")  /* RFC 9799, 7.2 */

#define X(name, type, rc, keeps, hint) PROBLEM_##name,
enum problem { PROBLEM_NONE, PROBLEMS(X) PROBLEM_UNKNOWN, PROBLEM_COUNT };
#undef X

enum problem problem_parse(const char *type); /* PROBLEM_UNKNOWN: none of the table, which is normal (RFC 8555, 6.7) */
const char *problem_type(enum problem problem);

/* The refusal as an error: the CA's type, detail and subproblems, what to do; err->problem, retry_at and the status are kept.
 * `problem` is NULL when the answer was no problem document. */
enum rc problem_fail(struct err *err, const struct message_problem *problem, long status, int64_t retry_at);
/* May an order that met this error go on, later or with a changed configuration? */
bool problem_keeps_order(const struct err *err);

#endif /* HWA_PROBLEM_H */
