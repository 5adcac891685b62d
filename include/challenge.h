/*
 * challenge.h -- one way to prove control of an identifier (RFC 8555, 8): one file a type, one table.
 *
 * begin() makes the answer reachable before the CA is told to look; end() takes it
 * away again, also after a failure.  The token was checked by the caller to be
 * base64url only, so it is safe in a path.
 */
#ifndef HWA_CHALLENGE_H
#define HWA_CHALLENGE_H

#include "config.h"
#include "err.h"

struct challenge_answer; /* a prepared answer, until end() */

struct challenge_ops {
	const char *type; /* "http-01" */
	/* Is this type configured for the certificate? */
	int (*offered)(const struct config_certificate *certificate);
	enum rc (*begin)(const struct config_certificate *certificate, const char *identifier, const char *token,
			 const char *key_authorization, struct challenge_answer **ret_answer, struct err *err) HWA_CHECKED;
	void (*end)(struct challenge_answer *answer);
};

extern const struct challenge_ops *const challenge_table[];  /* NULL last */
const struct challenge_ops *challenge_get(const char *type); /* NULL: unknown */

#endif /* HWA_CHALLENGE_H */
