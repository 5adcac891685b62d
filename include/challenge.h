/*
 * challenge.h -- one way to prove control of an identifier (RFC 8555, 8): one file a type, one table.
 *
 *	begin()     puts the answer out; what begin() did is undone by end(), also when begin() itself failed
 *	ready()     may the CA be told to look, or is it too early?
 *	response()  what the CA is told: {} unless the type has more to say (RFC 8555, 7.5.1)
 *	advice()    what an operator has to do for this type to succeed
 *	end()       takes the answer away again, also after a failure
 *
 * A type runs no program and opens no connection to a server by itself: it asks the desk, which
 * the caller provides.  Nobody sleeps: ready() says until when to wait.
 */
#ifndef HWA_CHALLENGE_H
#define HWA_CHALLENGE_H

#include "bytes.h"
#include "config.h"
#include "err.h"
#include "identifier.h"

#define CHALLENGE_ISSUERS_MAX 10            /* draft-ietf-acme-dns-persist, 3.1: at most, else the challenge is malformed */
#define CHALLENGE_TOKEN_MAX   (16u * 1024u) /* an authority token with a chain of certificates in it */

/* A program of the configuration, run with a verb; a hook gets what it needs in its environment. */
#define CHALLENGE_VERBS(X)                                                                   \
	X(PRESENT, "present") /* place the record, and end when that is done */              \
	X(READY, "ready")     /* exit status 0: it can be seen; 75 (EX_TEMPFAIL): not yet */ \
	X(CLEANUP, "cleanup") /* remove this value, and no other */                          \
	X(TOKEN, NULL)        /* print an authority token on standard output */
#define X(verb, name) CHALLENGE_VERB_##verb,
enum challenge_verb { CHALLENGE_VERBS(X) CHALLENGE_VERB_COUNT };
#undef X

/* What a program is told beside its verb: "" where it does not apply. */
struct challenge_call {
	enum challenge_verb verb;
	char domain[IDENTIFIER_VALUE_MAX];      /* HWACME_DOMAIN: amf.example; TOKEN: HWACME_TKVALUE, the UUID */
	char record[IDENTIFIER_VALUE_MAX + 64]; /* HWACME_RECORD: _acme-challenge.amf.example */
	char value[128];                        /* HWACME_VALUE: of the TXT record, base64url; TOKEN: HWACME_FINGERPRINT */
};

struct challenge_desk {
	void *ctx;
	/* Runs the program that `challenge` of `certificate` configures.  RC_ABSENT: READY says not yet.  *ret_output: what
	 * TOKEN printed.  A failure has the program's last words. */
	enum rc (*run)(void *ctx, const struct config_certificate *certificate, const struct config_challenge *challenge,
		       const struct challenge_call *call, struct buf *ret_output, struct err *err);
	/* POST of JSON to a Token Authority, with the trust and client certificate of `challenge`; the body of a 200 answer that is
	 * JSON.  RC_INPUT for a URL that is not https; RC_RETRY for whatever the Token Authority does. */
	enum rc (*post)(void *ctx, const char *url, const struct config_challenge *challenge, struct span json,
			struct buf *ret_json, struct err *err);
	/* Something that went wrong, but stops nothing. */
	void (*note)(void *ctx, const char *text);
};

/* What a type is asked to prove, and with what; all of it lives until end(). */
struct challenge_request {
	const struct config_certificate *certificate;
	const struct config_challenge *config;
	struct identifier identifier; /* without the "*." of a wildcard */
	bool is_wildcard;
	const char *token;             /* base64url, checked: safe in a path; "" where the type has none */
	const char *key_authorization; /* RFC 8555, 8.1 */
	const char *account_url;
	const char *thumbprint;     /* of the account key (RFC 7638), base64url */
	const char *const *issuers; /* dns-persist-01: issuer-domain-names */
	unsigned issuer_count;
	const char *tkauth_type;     /* tkauth-01: "atc"; "" when absent */
	const char *token_authority; /* tkauth-01: the CA's hint; "" when absent */
	int64_t now;
	const struct challenge_desk *desk;
};

struct challenge_answer; /* an answer that is out, until end() */

struct challenge_ops {
	enum challenge_type type;
	/* NULL: nothing.  Loads what answers need that cannot be loaded in a sandbox. */
	enum rc (*load)(const struct config_challenge *config, struct err *err);
	enum rc (*begin)(const struct challenge_request *request, struct challenge_answer **ret_answer,
			 struct err *err) HWA_CHECKED;
	/* NULL: at once.  *ret_not_before: ask again then; 0: it is ready.  Failing ends the answer's hopes. */
	enum rc (*ready)(struct challenge_answer *answer, int64_t now, int64_t *ret_not_before, struct err *err);
	/* NULL: {} */
	enum rc (*response)(const struct challenge_answer *answer, struct buf *ret_json, struct err *err);
	/* NULL: nothing.  Prints "" when there is nothing to say. */
	void (*advice)(const struct challenge_answer *answer, char *ret_text, size_t room);
	/* `accepted`: the CA found the answer good. */
	void (*end)(struct challenge_answer *answer, bool accepted);
};

const struct challenge_ops *challenge_get(enum challenge_type type); /* NULL: unknown */

const char *challenge_verb_name(enum challenge_verb verb); /* NULL: runs without one */

#endif /* HWA_CHALLENGE_H */
