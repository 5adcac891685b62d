/* authorization.c -- prepares answers for all pending authorisations, tells the CA, and watches until they are valid. */
#include "authorization.h"

#include <stdio.h>
#include <string.h>

#include "challenge.h"
#include "clock.h"
#include "codec.h"
#include "jwk.h"

#define POLL_SECONDS 1 /* between looks when the CA does not say */

/* One pending authorisation and the answer we put out for it. */
struct pending {
	const char *url;
	const struct challenge_ops *ops;
	struct challenge_answer *answer;
	char challenge_url[HTTP_URL_MAX];
	bool done;
};

static enum rc authorization_fetch(struct client *client, const char *url, struct message_authorization *ret,
				   int64_t *ret_retry_at, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	enum rc rc = client_post(client, url, span_of(NULL, 0), NULL, &response, err);

	if (rc == RC_OK)
		rc = message_authorization_parse(buf_span(&response.body), ret, err);
	*ret_retry_at = response.retry_at;
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "authorization %s", url);
}

static enum rc failed(const struct message_authorization *authorization, struct err *err)
{
	for (unsigned i = 0; i < authorization->challenge_count; i++) {
		const struct message_challenge *challenge = &authorization->challenges[i];

		if (challenge->problem.type[0])
			return err_set_raw(err, RC_DENIED, ERR_ACME, 0, "the CA did not accept the %s challenge for %s: %s: %s",
					   challenge->type, authorization->identifier, challenge->problem.type,
					   challenge->problem.detail);
	}
	return err_set_raw(err, RC_DENIED, ERR_ACME, 0, "the authorisation for %s is no longer valid", authorization->identifier);
}

/* RFC 8555, 8.1: token "." thumbprint of the account key. */
static enum rc key_authorization(struct client *client, const char *token, struct buf *ret_text, struct err *err)
{
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	enum rc rc = token_public_key(client_account_key(client), &spki, err);

	if (rc == RC_OK)
		rc = buf_print(ret_text, err, "%s.", token);
	return rc == RC_OK ? jwk_thumbprint(buf_span(&spki), ret_text, err) : rc;
}

static enum rc none_configured(const struct message_authorization *authorization, struct err *err)
{
	char offered[160] = "";

	for (unsigned i = 0; i < authorization->challenge_count; i++) {
		size_t used = strlen(offered);
		snprintf(offered + used, sizeof(offered) - used, "%s%s", used ? ", " : "", authorization->challenges[i].type);
	}
	return err_set(err, RC_INPUT,
		       "the CA wants a challenge for %s and offers %s; configure one under challenge:, for example "
		       "{ http-01: { listen: \"0.0.0.0:80\" } }",
		       authorization->identifier, offered[0] ? offered : "none");
}

static enum rc answer_begin(struct client *client, const struct config_certificate *certificate,
			    const struct message_authorization *authorization, struct pending *pending, struct err *err)
{
	AUTO(buf) struct buf text = BUF_MAX(2 * MESSAGE_TOKEN_MAX);

	for (unsigned i = 0; i < authorization->challenge_count; i++) {
		const struct message_challenge *challenge = &authorization->challenges[i];
		const struct challenge_ops *ops = challenge_get(challenge->type);

		if (!ops || !ops->offered(certificate))
			continue;
		/* RFC 8555, 8.3: the token becomes part of a path; anything but base64url could leave it. */
		if (!codec_is_base64url(challenge->token))
			return err_set(err, RC_PROTOCOL, "the token of the %s challenge is not base64url", challenge->type);
		enum rc rc = key_authorization(client, challenge->token, &text, err);
		if (rc == RC_OK)
			rc = ops->begin(certificate, authorization->identifier, challenge->token, buf_text(&text),
					&pending->answer, err);
		if (rc != RC_OK)
			return rc;
		pending->ops = ops;
		snprintf(pending->challenge_url, sizeof(pending->challenge_url), "%s", challenge->url);
		return RC_OK;
	}
	return none_configured(authorization, err);
}

static enum rc prepare(struct client *client, const struct config_certificate *certificate, struct pending *pending,
		       struct err *err)
{
	struct message_authorization authorization;
	int64_t retry_at;
	enum rc rc = authorization_fetch(client, pending->url, &authorization, &retry_at, err);

	if (rc != RC_OK)
		return rc;
	switch (authorization.status) {
	case AUTHORIZATION_VALID: /* pre-authorised, or from an earlier order: costs nothing */
		pending->done = true;
		return RC_OK;
	case AUTHORIZATION_PENDING: return answer_begin(client, certificate, &authorization, pending, err);
	case AUTHORIZATION_DEAD: break;
	}
	return failed(&authorization, err);
}

/* RFC 8555, 7.5.1: the response object of http-01 is empty; the answer to it tells nothing we rely on. */
static enum rc announce(struct client *client, const struct pending *pending, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	enum rc rc = client_post(client, pending->challenge_url, span_text("{}"), NULL, &response, err);

	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "challenge %s", pending->challenge_url);
}

static enum rc watch(struct client *client, struct pending *pending, int64_t give_up_at, struct err *err)
{
	struct message_authorization authorization;

	while (!pending->done) {
		int64_t retry_at = 0;
		enum rc rc = authorization_fetch(client, pending->url, &authorization, &retry_at, err);

		if (rc != RC_OK)
			return rc;
		if (authorization.status == AUTHORIZATION_DEAD)
			return failed(&authorization, err);
		pending->done = authorization.status == AUTHORIZATION_VALID;
		if (pending->done)
			break;
		int64_t next = retry_at ? retry_at : clock_now() + POLL_SECONDS;
		if (next > give_up_at || (authorization.expires_at && next > authorization.expires_at))
			return err_set(err, RC_RETRY, "the CA has not validated %s in time", authorization.identifier);
		if (!clock_wait_until(next, AUTHORIZATION_PATIENCE * 1000))
			return err_set(err, RC_RETRY, "interrupted while the CA validates %s", authorization.identifier);
	}
	return RC_OK;
}

enum rc authorizations_complete(struct client *client, const struct config_certificate *certificate,
				const struct message_order *order, struct err *err)
{
	struct pending *pending = calloc(order->authorization_count + 1, sizeof(*pending));
	int64_t give_up_at = clock_now() + AUTHORIZATION_PATIENCE;
	enum rc rc = pending ? RC_OK : err_set(err, RC_RESOURCE, "out of memory");

	for (unsigned i = 0; i < order->authorization_count && rc == RC_OK; i++) {
		pending[i].url = order->authorizations[i];
		rc = prepare(client, certificate, &pending[i], err);
	}
	/* RFC 8555, 8.2: nothing is announced before every answer can be seen. */
	for (unsigned i = 0; i < order->authorization_count && rc == RC_OK; i++)
		if (!pending[i].done)
			rc = announce(client, &pending[i], err);
	for (unsigned i = 0; i < order->authorization_count && rc == RC_OK; i++)
		rc = watch(client, &pending[i], give_up_at, err);
	for (unsigned i = 0; pending && i < order->authorization_count; i++)
		if (pending[i].answer)
			pending[i].ops->end(pending[i].answer);
	free(pending);
	return rc;
}
