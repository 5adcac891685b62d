/* authorization.c -- prepares answers for all pending authorisations, tells the CA, and looks how it gets on. */
#include "authorization.h"

#include <stdio.h>
#include <string.h>

#include "challenge.h"
#include "clock.h"
#include "codec.h"
#include "jwk.h"

/* One pending authorisation and the answer we put out for it. */
struct pending {
	char url[HTTP_URL_MAX];
	const struct challenge_ops *ops;
	struct challenge_answer *answer;
	char challenge_url[HTTP_URL_MAX];
	bool is_announced, done;
};

struct authorizations {
	struct client *client;
	unsigned count;
	struct pending *pending;
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
		pending->is_announced = challenge->is_processing;
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
static enum rc announce(struct client *client, const struct pending *pending, int64_t *ret_retry_at, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	enum rc rc = client_post(client, pending->challenge_url, span_text("{}"), NULL, &response, err);

	*ret_retry_at = response.retry_at;
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "challenge %s", pending->challenge_url);
}

static void retry_at_latest(struct authorizations_state *state, int64_t retry_at)
{
	if (retry_at > state->retry_at)
		state->retry_at = retry_at;
}

void authorizations_free(struct authorizations *authorizations)
{
	if (!authorizations)
		return;
	for (unsigned i = 0; i < authorizations->count; i++)
		if (authorizations->pending[i].answer)
			authorizations->pending[i].ops->end(authorizations->pending[i].answer);
	free(authorizations->pending);
	free(authorizations);
}

static enum rc authorizations_new(struct client *client, const struct message_order *order,
				  struct authorizations **ret_authorizations, struct err *err)
{
	struct authorizations *authorizations = calloc(1, sizeof(*authorizations));

	if (authorizations)
		authorizations->pending = calloc(order->authorization_count + 1u, sizeof(struct pending));
	if (!authorizations || !authorizations->pending) {
		free(authorizations);
		return err_set(err, RC_RESOURCE, "out of memory");
	}
	authorizations->client = client;
	authorizations->count = order->authorization_count;
	for (unsigned i = 0; i < order->authorization_count; i++)
		snprintf(authorizations->pending[i].url, HTTP_URL_MAX, "%s", order->authorizations[i]);
	*ret_authorizations = authorizations;
	return RC_OK;
}

enum rc authorizations_begin(struct client *client, const struct config_certificate *certificate,
			     const struct message_order *order, struct authorizations **ret_authorizations,
			     struct authorizations_state *ret_state, struct err *err)
{
	AUTO(authorizations) struct authorizations *authorizations = NULL;
	struct authorizations_state state = { 0 };
	enum rc rc = authorizations_new(client, order, &authorizations, err);

	for (unsigned i = 0; rc == RC_OK && i < authorizations->count; i++)
		rc = prepare(client, certificate, &authorizations->pending[i], err);
	/* RFC 8555, 8.2: nothing is announced before every answer can be seen. */
	for (unsigned i = 0; rc == RC_OK && i < authorizations->count; i++) {
		struct pending *pending = &authorizations->pending[i];
		int64_t retry_at = 0;

		if (pending->done)
			continue;
		state.waiting++;
		if (!pending->is_announced)
			rc = announce(client, pending, &retry_at, err);
		retry_at_latest(&state, retry_at);
		/* A lost answer: the CA may be looking already, so ours stays out; the next look tells. */
		pending->is_announced = pending->is_announced || rc == RC_OK;
		rc = rc == RC_RETRY ? RC_OK : rc;
	}
	if (rc != RC_OK)
		return rc;
	*ret_state = state;
	*ret_authorizations = TAKE(authorizations);
	return RC_OK;
}

static bool is_processing(const struct message_authorization *authorization, const char *url)
{
	for (unsigned i = 0; i < authorization->challenge_count; i++)
		if (strcmp(authorization->challenges[i].url, url) == 0)
			return authorization->challenges[i].is_processing;
	return false;
}

static enum rc look(struct authorizations *authorizations, struct pending *pending, int64_t now,
		    struct authorizations_state *state, struct err *err)
{
	struct message_authorization authorization;
	int64_t retry_at = 0;
	enum rc rc = authorization_fetch(authorizations->client, pending->url, &authorization, &retry_at, err);

	if (rc != RC_OK)
		return rc;
	if (authorization.status == AUTHORIZATION_DEAD)
		return failed(&authorization, err);
	pending->done = authorization.status == AUTHORIZATION_VALID;
	if (pending->done)
		return RC_OK;
	/* TR 33.776, 6.9.1.1: the time may be updated by the server; what counts is what it said last. */
	if (authorization.expires_at && now >= authorization.expires_at)
		return err_set_raw(err, RC_DENIED, ERR_ACME, 0, "the authorisation for %s expired before the CA had validated it",
				   authorization.identifier);
	state->waiting++;
	if (!pending->is_announced && !is_processing(&authorization, pending->challenge_url))
		rc = announce(authorizations->client, pending, &retry_at, err);
	pending->is_announced = rc == RC_OK;
	retry_at_latest(state, retry_at);
	return rc;
}

enum rc authorizations_look(struct authorizations *authorizations, int64_t now, struct authorizations_state *ret_state,
			    struct err *err)
{
	struct authorizations_state state = { 0 };
	enum rc rc = RC_OK;

	for (unsigned i = 0; rc == RC_OK && i < authorizations->count; i++)
		if (!authorizations->pending[i].done)
			rc = look(authorizations, &authorizations->pending[i], now, &state, err);
	if (rc == RC_OK)
		*ret_state = state;
	return rc;
}
