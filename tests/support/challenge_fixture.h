/* challenge_fixture.h -- a challenge to answer, and a desk that writes down what it was asked and answers as told. */
#ifndef HWA_CHALLENGE_FIXTURE_H
#define HWA_CHALLENGE_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "challenge.h"

/* RFC 8555, 8.1: the token of its example, and the thumbprint of RFC 7638, 3.1. */
#define FIXTURE_TOKEN      "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
#define FIXTURE_THUMBPRINT "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
/* draft-ietf-acme-dns-account-label, 3.2 */
#define FIXTURE_ACCOUNT "https://example.com/acme/acct/ExampleAccount"

struct fixture_desk {
	struct challenge_call calls[16];
	unsigned call_count, posts, notes;
	enum rc rc[CHALLENGE_VERB_COUNT]; /* what each verb comes to */
	char url[256], body[1024], note[512];
	const char *output; /* of TOKEN */
	const char *answer; /* to a POST; NULL: it fails */
};

static inline enum rc fixture_run(void *ctx, const struct config_certificate *certificate,
				  const struct config_challenge *challenge, const struct challenge_call *call,
				  struct buf *ret_output, struct err *err)
{
	struct fixture_desk *desk = ctx;

	(void)certificate;
	(void)challenge;
	desk->calls[desk->call_count++ % 16] = *call;
	if (desk->rc[call->verb] != RC_OK)
		return err_set(err, desk->rc[call->verb], "the hook's last words");
	return ret_output && desk->output ? buf_append(ret_output, span_text(desk->output), err) : RC_OK;
}

static inline enum rc fixture_post(void *ctx, const char *url, const struct config_challenge *challenge, struct span json,
				   struct buf *ret_json, struct err *err)
{
	struct fixture_desk *desk = ctx;

	(void)challenge;
	desk->posts++;
	snprintf(desk->url, sizeof(desk->url), "%s", url);
	snprintf(desk->body, sizeof(desk->body), "%.*s", (int)json.len, (const char *)json.at);
	return desk->answer ? buf_append(ret_json, span_text(desk->answer), err) : err_set(err, RC_RETRY, "HTTP status 503");
}

static inline void fixture_note(void *ctx, const char *text)
{
	struct fixture_desk *desk = ctx;

	desk->notes++;
	snprintf(desk->note, sizeof(desk->note), "%s", text);
}

static inline struct challenge_desk fixture_desk_make(struct fixture_desk *desk)
{
	return (struct challenge_desk){ .ctx = desk, .run = fixture_run, .post = fixture_post, .note = fixture_note };
}

/* For `value` of `kind`; the test fills in the rest. */
static inline struct challenge_request fixture_request(const struct config_challenge *config, const struct challenge_desk *desk,
						       enum identifier_kind kind, const char *value)
{
	return (struct challenge_request){ .config = config,
					   .identifier = { kind, value },
					   .token = FIXTURE_TOKEN,
					   .key_authorization = FIXTURE_TOKEN "." FIXTURE_THUMBPRINT,
					   .account_url = FIXTURE_ACCOUNT,
					   .thumbprint = FIXTURE_THUMBPRINT,
					   .tkauth_type = "",
					   .token_authority = "",
					   .now = 1000000,
					   .desk = desk };
}

#endif /* HWA_CHALLENGE_FIXTURE_H */
