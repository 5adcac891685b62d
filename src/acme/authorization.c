/* authorization.c -- prepares answers for all pending authorisations, tells the CA, and looks how it gets on. */
#include "authorization.h"

#include <stdio.h>
#include <string.h>

#include "challenge.h"
#include "codec.h"

/* A CA that tried in vain is asked to try again after so many seconds, then after twice as many each time ... */
#define AGAIN_FIRST INT64_C(5)
#define AGAIN_MAX   6 /* times: five minutes, in which a record is seen everywhere, or a port is opened */

/* One pending authorisation and the answer we put out for it. */
struct pending {
	char *url;
	const struct challenge_ops *ops;
	struct challenge_answer *answer;
	char *challenge_url; /* NULL: no answer is out */
	bool is_announced, done;
	bool can_expire; /* it had not when it was first seen: by our clock and the CA's alike */
	unsigned tried_again;
	int64_t again_at; /* when the CA is asked to try once more; 0: it is not known that it has to */
	bool is_told;     /* what the CA says of its last try */
};

struct authorizations {
	struct client *client;
	const struct config_certificate *certificate;
	const struct challenge_desk *desk;
	int64_t now;    /* when the answers are put out */
	bool announced; /* the CA was told of every answer */
	unsigned count;
	struct pending *pending;
	int64_t valid_until; /* the earliest end of those that are valid; 0: not said */
};

static enum rc authorization_fetch(struct client *client, const char *url, struct message_authorization *ret,
				   int64_t *ret_retry_at, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	enum rc rc = client_post(client, "authorization", url, span_of(NULL, 0), NULL, &response, err);

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

static enum rc none_configured(const struct message_authorization *authorization, struct err *err)
{
	char offered[160] = "";

	for (unsigned i = 0; i < authorization->challenge_count; i++) {
		size_t used = strlen(offered);
		snprintf(offered + used, sizeof(offered) - used, "%s%s", used ? ", " : "", authorization->challenges[i].type);
	}
	return err_set(err, RC_INPUT,
		       "the CA wants a challenge for %s%s and offers %s; configure one under challenge:, for example "
		       "{ http-01: { listen: \"0.0.0.0:80\" } }",
		       authorization->is_wildcard ? "*." : "", authorization->identifier, offered[0] ? offered : "none");
}

/* The answer to one challenge, put out. */
static enum rc answer_put(struct authorizations *authorizations, const struct config_challenge *config,
			  const struct message_authorization *authorization, const struct message_challenge *challenge,
			  struct pending *pending, struct err *err)
{
	char thumbprint[CLIENT_THUMBPRINT_MAX], key_authorization[MESSAGE_TOKEN_MAX + CLIENT_THUMBPRINT_MAX] = "";
	const char *issuers[CHALLENGE_ISSUERS_MAX];
	struct challenge_request request = {
		.certificate = authorizations->certificate,
		.config = config,
		.identifier = { identifier_kind_of(authorization->identifier_type), authorization->identifier },
		.is_wildcard = authorization->is_wildcard,
		.token = challenge->token,
		.key_authorization = key_authorization,
		.account_url = client_account(authorizations->client),
		.thumbprint = thumbprint,
		.issuers = issuers,
		.issuer_count = challenge->issuer_count,
		.tkauth_type = challenge->tkauth_type,
		.token_authority = challenge->token_authority,
		.now = authorizations->now,
		.desk = authorizations->desk,
	};

	/* RFC 8555, 8.3: the token becomes part of a path; anything but base64url could leave it. */
	if (challenge_type_has_token(config->type) && !codec_is_base64url(challenge->token))
		return err_set(err, RC_PROTOCOL, "the token of the %s challenge is not base64url", challenge->type);
	enum rc rc = client_thumbprint(authorizations->client, thumbprint, err);
	if (rc != RC_OK)
		return rc;
	snprintf(key_authorization, sizeof(key_authorization), "%s.%s", challenge->token, thumbprint);
	for (unsigned i = 0; i < challenge->issuer_count && i < CHALLENGE_ISSUERS_MAX; i++)
		issuers[i] = challenge->issuers[i];
	pending->ops = challenge_get(config->type);
	pending->challenge_url = strdup(challenge->url);
	rc = pending->ops->begin(&request, &pending->answer, err);
	pending->is_announced = challenge->is_processing;
	if (rc == RC_OK && !pending->challenge_url)
		rc = err_set(err, RC_RESOURCE, "out of memory");
	return rc;
}

/* Of what the CA offers and what can prove this name, the first in the order of the configuration.  Some keep an authorisation open
 * although one of its challenges failed: that one is lost, and not the others. */
static enum rc answer_begin(struct authorizations *authorizations, const struct message_authorization *authorization,
			    struct pending *pending, struct err *err)
{
	const struct config_certificate *certificate = authorizations->certificate;
	enum identifier_kind kind = identifier_kind_of(authorization->identifier_type);
	bool is_lost = false;

	for (unsigned n = 0; n < certificate->challenge_count; n++) {
		const struct config_challenge *config = &certificate->challenges[n];

		if (!challenge_type_proves(config->type, kind, authorization->is_wildcard))
			continue;
		for (unsigned i = 0; i < authorization->challenge_count; i++)
			if (strcmp(authorization->challenges[i].type, challenge_type_name(config->type)) != 0)
				continue;
			else if (authorization->challenges[i].is_invalid)
				is_lost = true;
			else
				return answer_put(authorizations, config, authorization, &authorization->challenges[i], pending,
						  err);
	}
	return is_lost ? failed(authorization, err) : none_configured(authorization, err);
}

/* 0 is no time. */
static void keep_earliest(int64_t *kept, int64_t at)
{
	if (at && (!*kept || at < *kept))
		*kept = at;
}

static enum rc prepare(struct authorizations *authorizations, struct pending *pending, struct err *err)
{
	AUTO(message_authorization) struct message_authorization authorization = { 0 };
	int64_t retry_at;
	enum rc rc = authorization_fetch(authorizations->client, pending->url, &authorization, &retry_at, err);

	if (rc != RC_OK)
		return rc;
	switch (authorization.status) {
	case AUTHORIZATION_VALID: /* pre-authorised, or from an earlier order: costs nothing */
		pending->done = true;
		keep_earliest(&authorizations->valid_until, authorization.expires_at);
		return RC_OK;
	case AUTHORIZATION_PENDING:
		pending->can_expire = authorization.expires_at > authorizations->now;
		return answer_begin(authorizations, &authorization, pending, err);
	case AUTHORIZATION_DEAD: break;
	}
	return failed(&authorization, err);
}

static void retry_at_latest(struct authorizations_state *state, int64_t retry_at)
{
	if (retry_at > state->retry_at)
		state->retry_at = retry_at;
}

/* RFC 8555, 7.5.1: the response object, empty for most types; the answer to it tells nothing we rely on. */
static enum rc announce(struct client *client, struct pending *pending, struct authorizations_state *state, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	AUTO(buf) struct buf payload = BUF_MAX(MESSAGE_PAYLOAD_MAX);
	struct err why = { 0 };
	enum rc rc = pending->ops->response ? pending->ops->response(pending->answer, &payload, &why)
					    : buf_append(&payload, span_text("{}"), &why);

	if (rc == RC_OK)
		rc = client_post(client, "challenge", pending->challenge_url, buf_span(&payload), NULL, &response, &why);
	/* A refusal that passes may say when to come again, too. */
	retry_at_latest(state, rc == RC_OK ? response.retry_at : why.retry_at);
	pending->is_announced = rc == RC_OK;
	if (rc == RC_RETRY && state->refusal.retry_at <= why.retry_at)
		state->refusal = why;
	/* A lost answer: the CA may be looking already, so ours stays out; the next look tells. */
	if (rc == RC_OK || rc == RC_RETRY)
		return RC_OK;
	if (err)
		*err = why;
	return err_wrap(err, rc, "challenge %s", pending->challenge_url);
}

void authorizations_free(struct authorizations *authorizations)
{
	if (!authorizations)
		return;
	for (unsigned i = 0; i < authorizations->count; i++) {
		struct pending *pending = &authorizations->pending[i];

		if (pending->answer)
			pending->ops->end(pending->answer, pending->done);
		free(pending->url);
		free(pending->challenge_url);
	}
	free(authorizations->pending);
	free(authorizations);
}

static enum rc authorizations_new(const struct message_order *order, struct authorizations **ret_authorizations, struct err *err)
{
	struct authorizations *authorizations = calloc(1, sizeof(*authorizations));

	if (authorizations)
		authorizations->pending = calloc(order->authorization_count + 1u, sizeof(struct pending));
	if (!authorizations || !authorizations->pending) {
		free(authorizations);
		return err_set(err, RC_RESOURCE, "out of memory");
	}
	authorizations->count = order->authorization_count;
	for (unsigned i = 0; i < order->authorization_count; i++) {
		authorizations->pending[i].url = strdup(order->authorizations[i]);
		if (!authorizations->pending[i].url) {
			authorizations_free(authorizations);
			return err_set(err, RC_RESOURCE, "out of memory");
		}
	}
	*ret_authorizations = authorizations;
	return RC_OK;
}

/* The earliest time at which every answer can be seen, as far as they know; 0: they can be seen. */
static enum rc all_ready(struct authorizations *authorizations, int64_t now, int64_t *ret_not_before, struct err *err)
{
	enum rc rc = RC_OK;

	*ret_not_before = 0;
	for (unsigned i = 0; rc == RC_OK && i < authorizations->count; i++) {
		struct pending *pending = &authorizations->pending[i];
		int64_t not_before = 0;

		if (!pending->answer || !pending->ops->ready)
			continue;
		rc = pending->ops->ready(pending->answer, now, &not_before, err);
		if (not_before > *ret_not_before)
			*ret_not_before = not_before;
	}
	return rc;
}

/* RFC 8555, 8.2: nothing is announced before every answer can be seen. */
static enum rc announce_all(struct authorizations *authorizations, int64_t now, struct authorizations_state *ret_state,
			    struct err *err)
{
	struct authorizations_state state = { .valid_until = authorizations->valid_until };
	enum rc rc = all_ready(authorizations, now, &state.retry_at, err);

	authorizations->announced = rc == RC_OK && state.retry_at == 0;
	state.is_unready = !authorizations->announced;
	for (unsigned i = 0; rc == RC_OK && i < authorizations->count; i++) {
		struct pending *pending = &authorizations->pending[i];

		if (pending->done)
			continue;
		state.waiting++;
		if (authorizations->announced && !pending->is_announced)
			rc = announce(authorizations->client, pending, &state, err);
	}
	if (rc == RC_OK)
		*ret_state = state;
	return rc;
}

enum rc authorizations_begin(struct client *client, const struct config_certificate *certificate,
			     const struct challenge_desk *desk, const struct message_order *order, int64_t now,
			     struct authorizations **ret_authorizations, struct authorizations_state *ret_state, struct err *err)
{
	AUTO(authorizations) struct authorizations *authorizations = NULL;
	enum rc rc = authorizations_new(order, &authorizations, err);

	if (rc != RC_OK)
		return rc;
	authorizations->client = client;
	authorizations->certificate = certificate;
	authorizations->desk = desk;
	authorizations->now = now;
	for (unsigned i = 0; rc == RC_OK && i < authorizations->count; i++)
		rc = prepare(authorizations, &authorizations->pending[i], err);
	if (rc == RC_OK)
		rc = announce_all(authorizations, now, ret_state, err);
	if (rc == RC_OK)
		*ret_authorizations = TAKE(authorizations);
	return rc;
}

/* What the operator has to do comes first: it is what the CA's refusal calls for. */
static enum rc refused(const struct pending *pending, const struct message_authorization *authorization, struct err *err)
{
	char advice[sizeof(err->text)] = "";
	enum rc rc = failed(authorization, err);

	if (pending->answer && pending->ops->advice)
		pending->ops->advice(pending->answer, advice, sizeof(advice));
	return advice[0] ? err_wrap(err, rc, "%s", advice) : rc;
}

/* The one that we answered; NULL: none, or the CA does not show it any more. */
static const struct message_challenge *challenge_of(const struct pending *pending,
						    const struct message_authorization *authorization)
{
	for (unsigned i = 0; pending->challenge_url && i < authorization->challenge_count; i++)
		if (strcmp(authorization->challenges[i].url, pending->challenge_url) == 0)
			return &authorization->challenges[i];
	return NULL;
}

/* RFC 8555, 8.2: what was wrong is told in the challenge, also while it is tried again. */
static void tell(const struct authorizations *authorizations, struct pending *pending, const char *identifier,
		 const struct message_challenge *challenge)
{
	char text[sizeof(challenge->problem.detail) + 512];

	if (pending->is_told || !challenge->problem.type[0] || !authorizations->desk->note)
		return;
	pending->is_told = true;
	snprintf(text, sizeof(text), "the CA has not validated %s by %s yet: %s: %s", identifier, challenge->type,
		 challenge->problem.type, challenge->problem.detail);
	authorizations->desk->note(authorizations->desk->ctx, text);
}

/*
 * RFC 8555, 8.2: "Clients can explicitly request a retry by re-sending their response".  Some CAs try once, while they are told, and
 * leave the challenge pending with what was wrong: without such a request nothing would ever come of it.
 */
static enum rc try_again(struct authorizations *authorizations, struct pending *pending,
			 const struct message_authorization *authorization, int64_t now, struct authorizations_state *state,
			 struct err *err)
{
	int64_t pause = AGAIN_FIRST << pending->tried_again;

	if (pending->tried_again == AGAIN_MAX)
		return refused(pending, authorization, err);
	/* Nor is it waited for longer where the clock was set back. */
	if (!pending->again_at || pending->again_at > now + pause)
		pending->again_at = now + pause;
	if (now < pending->again_at) {
		retry_at_latest(state, pending->again_at);
		return RC_OK;
	}
	pending->again_at = 0;
	pending->tried_again++;
	pending->is_told = false;
	return announce(authorizations->client, pending, state, err);
}

/* What is to be done of an authorisation that is pending. */
static enum rc go_on(struct authorizations *authorizations, struct pending *pending,
		     const struct message_authorization *authorization, int64_t now, struct authorizations_state *state,
		     struct err *err)
{
	const struct message_challenge *challenge = challenge_of(pending, authorization);

	if (challenge && challenge->is_invalid)
		return refused(pending, authorization, err);
	if (challenge)
		tell(authorizations, pending, authorization->identifier, challenge);
	if (challenge && challenge->is_processing)
		pending->is_announced = true;
	else if (challenge && challenge->problem.type[0])
		return try_again(authorizations, pending, authorization, now, state, err);
	return pending->is_announced ? RC_OK : announce(authorizations->client, pending, state, err);
}

static enum rc look(struct authorizations *authorizations, struct pending *pending, int64_t now,
		    struct authorizations_state *state, struct err *err)
{
	AUTO(message_authorization) struct message_authorization authorization = { 0 };
	int64_t retry_at = 0;
	enum rc rc = authorization_fetch(authorizations->client, pending->url, &authorization, &retry_at, err);

	if (rc != RC_OK)
		return rc;
	if (authorization.status == AUTHORIZATION_DEAD)
		return refused(pending, &authorization, err);
	pending->done = authorization.status == AUTHORIZATION_VALID;
	if (pending->done) {
		keep_earliest(&authorizations->valid_until, authorization.expires_at);
		return RC_OK;
	}
	/* TR 33.776, 6.9.1.1: the time may be updated by the server; what counts is what it said last. */
	if (pending->can_expire && authorization.expires_at && now >= authorization.expires_at)
		return err_set_raw(err, RC_DENIED, ERR_ACME, 0, "the authorisation for %s expired before the CA had validated it",
				   authorization.identifier);
	state->waiting++;
	rc = go_on(authorizations, pending, &authorization, now, state, err);
	retry_at_latest(state, retry_at);
	return rc;
}

enum rc authorizations_look(struct authorizations *authorizations, int64_t now, struct authorizations_state *ret_state,
			    struct err *err)
{
	struct authorizations_state state = { 0 };
	enum rc rc = RC_OK;

	if (!authorizations->announced)
		return announce_all(authorizations, now, ret_state, err);
	for (unsigned i = 0; rc == RC_OK && i < authorizations->count; i++)
		if (!authorizations->pending[i].done)
			rc = look(authorizations, &authorizations->pending[i], now, &state, err);
	state.valid_until = authorizations->valid_until;
	if (rc == RC_OK)
		*ret_state = state;
	return rc;
}

enum rc authorizations_valid_until(struct client *client, const struct message_order *order, int64_t *ret_until, struct err *err)
{
	int64_t until = 0;

	for (unsigned i = 0; i < order->authorization_count; i++) {
		AUTO(message_authorization) struct message_authorization authorization = { 0 };
		int64_t retry_at;
		enum rc rc = authorization_fetch(client, order->authorizations[i], &authorization, &retry_at, err);

		if (rc != RC_OK)
			return rc;
		if (authorization.status == AUTHORIZATION_VALID)
			keep_earliest(&until, authorization.expires_at);
	}
	*ret_until = until;
	return RC_OK;
}
