/* broken_answers.h -- answers that are no refusals: what is broken, where, and what a renewal that meets it must end in. */
#ifndef HWA_TEST_BROKEN_ANSWERS_H
#define HWA_TEST_BROKEN_ANSWERS_H

#include "endpoint.h"

#define EIGHT_DEEP "[[[[[[[["
#define ALL        (DIRECTORY | NEW_NONCE | POSTS)
#define POSTS      (NEW_ACCOUNT | NEW_ORDER | AUTHZ | CHALLENGE | ORDER | FINALIZE | CERTIFICATE)
#define READ       (DIRECTORY | NEW_ORDER | AUTHZ | ORDER | FINALIZE) /* JSON whose members are used */
#define UNREAD     (NEW_ACCOUNT | CHALLENGE)                          /* only the headers are used */

/* `members` of the RA's fault (support/ra/faults.py); after PASSES the certificate is renewed all the same. */
struct broken_answer {
	const char *name, *members;
	unsigned at; /* bits of endpoints */
	enum rc rc;
	bool keeps;     /* the order goes on at the next run */
	bool effective; /* the request took effect */
};
#define PASSES RC_OK, true, true

static const struct broken_answer BROKEN_ANSWERS[] = {
	/* The connection.  The answer to a challenge tells nothing that the authorization does not: a lost one is no failure. */
	{ "lost", "\"lost\": true", ALL & ~CHALLENGE, RC_RETRY, true, true },
	{ "lost", "\"lost\": true", CHALLENGE, PASSES },
	{ "reset", "\"reset\": true", ALL & ~CHALLENGE, RC_RETRY, true, true },
	{ "reset", "\"reset\": true", CHALLENGE, PASSES },
	{ "cut body", "\"cut\": 10", ALL & ~(CHALLENGE | NEW_NONCE), RC_RETRY, true, true },
	{ "cut body", "\"cut\": 10", CHALLENGE, PASSES },
	{ "cut in the headers", "\"cut_header\": 30", NEW_ORDER | ORDER | FINALIZE | CERTIFICATE, RC_RETRY, true, true },
	{ "drip", "\"drip\": 0.0002", NEW_ORDER | CERTIFICATE, PASSES },
	{ "no document, 503", "\"status\": 503", ALL & ~CHALLENGE, RC_RETRY, true, false },
	{ "no document, 503", "\"status\": 503", CHALLENGE, PASSES },
	/* Of an order that it has, the CA is asked once more (driver.c). */
	{ "error after the effect", "\"after\": true, \"type\": \"serverInternal\"", NEW_ACCOUNT | NEW_ORDER, RC_RETRY, true,
	  true },
	{ "error after the effect", "\"after\": true, \"type\": \"serverInternal\"", POSTS & ~(NEW_ACCOUNT | NEW_ORDER), PASSES },
	{ "an error, twice", "\"type\": \"serverInternal\", \"times\": 2", AUTHZ | ORDER | FINALIZE | CERTIFICATE, RC_RETRY, true,
	  false },
	/* Gone (404): a newNonce that is gone makes the directory be fetched again. */
	{ "gone", "\"status\": 404", POSTS, RC_ABSENT, false, false },
	{ "gone", "\"status\": 404", DIRECTORY, RC_PROTOCOL, false, false },
	{ "gone", "\"status\": 404", NEW_NONCE, PASSES },
	/* Size and form. */
	{ "oversize body", "\"oversize\": 600000", ALL & ~NEW_NONCE, RC_PROTOCOL, true, false },
	{ "endless body", "\"endless\": true", DIRECTORY | NEW_ORDER | CERTIFICATE, RC_PROTOCOL, true, false },
	{ "endless headers", "\"header_bytes\": 60000", ALL & ~NEW_NONCE, RC_PROTOCOL, true, false },
	{ "endless headers", "\"header_bytes\": 60000", NEW_NONCE, RC_RETRY, true, false },
	{ "garbage", "\"garbage\": true", READ | CERTIFICATE, RC_PROTOCOL, false, false },
	{ "garbage", "\"garbage\": true", UNREAD, PASSES },
	{ "no body", "\"body\": \"\"", READ | CERTIFICATE, RC_PROTOCOL, false, false },
	{ "a list", "\"body\": \"[]\"", READ, RC_PROTOCOL, false, false },
	{ "duplicate members", "\"body\": \"{\\\"status\\\":\\\"valid\\\",\\\"status\\\":\\\"valid\\\"}\"", READ, RC_PROTOCOL,
	  false, false },
	{ "deep nesting",
	  "\"body\": \"{\\\"a\\\":" EIGHT_DEEP EIGHT_DEEP EIGHT_DEEP EIGHT_DEEP EIGHT_DEEP EIGHT_DEEP EIGHT_DEEP EIGHT_DEEP "\"",
	  READ, RC_PROTOCOL, false, false },
	{ "wrong content type", "\"content_type\": \"text/html\"", CERTIFICATE, RC_PROTOCOL, false, false },
	{ "wrong content type", "\"content_type\": \"text/html\"", READ | UNREAD, PASSES },
	/* URLs: https, this server's, and never a redirect. */
	{ "redirect", "\"status\": 302, \"headers\": {\"Location\": \"https://127.0.0.1:1/\"}", ALL & ~NEW_NONCE, RC_PROTOCOL,
	  false, false },
	/* Nothing was asked with the nonce yet. */
	{ "redirect", "\"status\": 302, \"headers\": {\"Location\": \"https://127.0.0.1:1/\"}", NEW_NONCE, RC_RETRY, true,
	  false },
	{ "http:// in the answer", "\"replace\": [[\"https://\", \"http://\"]]", READ, RC_PROTOCOL, false, false },
	{ "http:// Location", "\"headers\": {\"Location\": \"http://127.0.0.1:1/\"}", NEW_ACCOUNT | NEW_ORDER, RC_PROTOCOL, false,
	  false },
	{ "no Location", "\"headers\": {\"Location\": null}", NEW_ACCOUNT | NEW_ORDER, RC_PROTOCOL, false, false },
	{ "another host", "\"replace\": [[\"https://localhost:\", \"https://localhost.example:\"]]", READ & ~FINALIZE,
	  RC_PROTOCOL, false, false },
	{ "another host behind an @", "\"replace\": [[\"/order/\", \"@a.example/order/\"]]", NEW_ORDER, RC_PROTOCOL, false,
	  false },
	{ "another host behind an @", "\"replace\": [[\"/certificate/\", \"@a.example/certificate/\"]]", ORDER, RC_PROTOCOL,
	  false, false },
	{ "another host's Location", "\"headers\": {\"Location\": \"https://127.0.0.1:1/x\"}", NEW_ACCOUNT | NEW_ORDER,
	  RC_PROTOCOL, false, false },
	{ "path traversal in the token", "\"replace\": [[\"\\\"token\\\":\\\"\", \"\\\"token\\\":\\\"../../\"]]", AUTHZ,
	  RC_PROTOCOL, false, false },
	/* Members. */
	{ "a status nobody knows", "\"patch\": {\"status\": \"perhaps\"}", NEW_ORDER | ORDER | FINALIZE, RC_PROTOCOL, false,
	  false },
	{ "a status nobody knows", "\"patch\": {\"status\": \"perhaps\"}", AUTHZ, RC_DENIED, false, false },
	{ "invalid", "\"patch\": {\"status\": \"invalid\"}", NEW_ORDER | AUTHZ | ORDER | FINALIZE, RC_DENIED, false, false },
	{ "other identifiers", "\"patch\": {\"identifiers\": [{\"type\": \"dns\", \"value\": \"x.example\"}]}",
	  NEW_ORDER | ORDER | FINALIZE, RC_PROTOCOL, false, false },
	/* It is looked at again; driver_test has one that never gets it. */
	{ "valid without a certificate", "\"patch\": {\"status\": \"valid\", \"certificate\": null}",
	  NEW_ORDER | ORDER | FINALIZE, PASSES },
	{ "no time", "\"patch\": {\"expires\": \"tomorrow\"}", NEW_ORDER | AUTHZ | ORDER | FINALIZE, RC_PROTOCOL, false, false },
	/* RFC 8555, 6.5: another nonce is fetched, or the one of the refusal is taken. */
	{ "no nonce", "\"nonce\": \"omit\"", POSTS, PASSES },
	{ "a nonce that is none", "\"nonce\": \"junk\"", POSTS, PASSES },
	{ "a wrong nonce", "\"nonce\": \"wrong\"", POSTS | NEW_NONCE, PASSES },
	{ "a spent nonce", "\"nonce\": \"repeat\"", POSTS | NEW_NONCE, PASSES },
	{ "no nonce", "\"nonce\": \"omit\"", NEW_NONCE, RC_RETRY, true, false },
	{ "a nonce that is none", "\"nonce\": \"junk\"", NEW_NONCE, RC_RETRY, true, false },
	{ "every nonce refused", "\"type\": \"badNonce\", \"times\": 40", NEW_ORDER | FINALIZE, RC_RETRY, true, false },
};

#endif /* HWA_TEST_BROKEN_ANSWERS_H */
