/* message_authorization.c -- reads authorizations and their challenges (RFC 8555, 7.1.4 and 8). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "challenge.h"
#include "message_json.h"

/* draft-ietf-acme-dns-persist, 3.1.  A list that is none, or too long, is kept as too long: it matters when the challenge is taken
 * up, and not otherwise. */
static enum rc issuers_get(const json_t *list, struct message_challenge *challenge, struct err *err)
{
	size_t count = json_array_size(list);

	if (!json_is_array(list) || count == 0)
		return RC_OK;
	challenge->issuer_count = count > CHALLENGE_ISSUERS_MAX ? CHALLENGE_ISSUERS_MAX + 1u : (unsigned)count;
	challenge->issuers = calloc(challenge->issuer_count, sizeof(*challenge->issuers));
	if (!challenge->issuers)
		return err_set(err, RC_RESOURCE, "out of memory");
	for (unsigned i = 0; i < challenge->issuer_count; i++) {
		const char *name = json_string_value(json_array_get(list, i));
		struct identifier issuer = { .kind = IDENTIFIER_DNS, .value = name };

		if (!name || name[0] == '*' || identifier_fault(&issuer)) {
			challenge->issuer_count = CHALLENGE_ISSUERS_MAX + 1u;
			return RC_OK;
		}
		identifier_canonical(&issuer, challenge->issuers[i]);
	}
	return RC_OK;
}

/* What a challenge of ours consists of. */
static enum rc challenge_get_members(const json_t *entry, struct message_challenge *ret, struct err *err)
{
	enum rc rc = message_url_get(entry, "url", true, ret->url, err);

	if (rc == RC_OK)
		rc = message_text_get(entry, "token", false, ret->token, sizeof(ret->token), err);
	if (rc == RC_OK)
		rc = message_text_get(entry, "tkauth-type", false, ret->tkauth_type, sizeof(ret->tkauth_type), err);
	if (rc == RC_OK)
		rc = message_text_get(entry, "token-authority", false, ret->token_authority, sizeof(ret->token_authority), err);
	if (rc == RC_OK)
		rc = issuers_get(json_object_get(entry, "issuer-domain-names"), ret, err);
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "a challenge");
}

/* One that is not ours is kept by its name alone, cut where it is long: to be shown. */
static enum rc challenge_fill(const json_t *entry, struct message_authorization *authorization, struct err *err)
{
	struct message_challenge challenge = { 0 };
	const char *type = json_string_value(json_object_get(entry, "type"));

	if (!type)
		return err_set(err, RC_PROTOCOL, "a challenge: \"type\" is missing from the answer");
	snprintf(challenge.type, sizeof(challenge.type), "%s", type);
	message_text_tame(challenge.type);
	enum rc rc = challenge_type_parse(type) == CHALLENGE_TYPE_COUNT ? RC_OK : challenge_get_members(entry, &challenge, err);
	if (rc != RC_OK)
		return rc;
	const char *status = json_string_value(json_object_get(entry, "status"));
	challenge.is_processing = status && strcmp(status, "processing") == 0;
	challenge.is_invalid = status && strcmp(status, "invalid") == 0;
	message_problem_fill(json_object_get(entry, "error"), &challenge.problem);
	authorization->challenges[authorization->challenge_count++] = challenge;
	return RC_OK;
}

/* RFC 8555, 7.1.4: of a wildcard the identifier is the base, and "wildcard" is true. */
static enum rc identifier_get(const json_t *object, struct message_authorization *authorization, struct err *err)
{
	const json_t *identifier = json_object_get(object, "identifier");
	enum rc rc = message_text_get(identifier, "type", true, authorization->identifier_type,
				      sizeof(authorization->identifier_type), err);

	if (rc == RC_OK)
		rc = message_text_get(identifier, "value", true, authorization->identifier, sizeof(authorization->identifier),
				      err);
	authorization->is_wildcard = json_is_true(json_object_get(object, "wildcard"));
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "\"identifier\"");
}

static enum rc challenges_get(const json_t *list, struct message_authorization *authorization, struct err *err)
{
	const json_t *entry;
	size_t index;

	json_array_foreach(list, index, entry)
	{
		if (authorization->challenge_count == MESSAGE_CHALLENGES_MAX)
			break;
		enum rc rc = challenge_fill(entry, authorization, err);
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

void message_authorization_clear(struct message_authorization *authorization)
{
	for (unsigned i = 0; i < authorization->challenge_count; i++)
		free(authorization->challenges[i].issuers);
	authorization->challenge_count = 0;
}

enum rc message_authorization_parse(struct span json, struct message_authorization *ret, struct err *err)
{
	AUTO(json) json_t *object = NULL;
	AUTO(message_authorization) struct message_authorization authorization = { 0 };
	char status[32];
	enum rc rc = message_json_load(json, &object, err);

	if (rc == RC_OK)
		rc = message_text_get(object, "status", true, status, sizeof(status), err);
	if (rc == RC_OK)
		rc = message_time_get(object, "expires", &authorization.expires_at, err);
	if (rc == RC_OK)
		rc = identifier_get(object, &authorization, err);
	if (rc == RC_OK)
		rc = challenges_get(json_object_get(object, "challenges"), &authorization, err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "authorization");
	authorization.status = strcmp(status, "valid") == 0     ? AUTHORIZATION_VALID
			       : strcmp(status, "pending") == 0 ? AUTHORIZATION_PENDING
								: AUTHORIZATION_DEAD;
	*ret = authorization;
	authorization.challenge_count = 0;
	return RC_OK;
}
