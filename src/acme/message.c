/* message.c -- reads and writes the JSON of RFC 8555; what a server sends is checked before anyone uses it. */
#include "message.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "codec.h"
#include "message_json.h"

#define PROBLEM_PREFIX "urn:ietf:params:acme:error:"

enum rc message_directory_parse(struct span json, struct message_directory *ret, struct err *err)
{
	AUTO(json) json_t *object = NULL;
	struct message_directory directory = { 0 };
	enum rc rc = message_json_load(json, &object, err);

	if (rc == RC_OK)
		rc = message_url_get(object, "newNonce", true, directory.new_nonce, err);
	if (rc == RC_OK)
		rc = message_url_get(object, "newAccount", true, directory.new_account, err);
	if (rc == RC_OK)
		rc = message_url_get(object, "newOrder", true, directory.new_order, err);
	if (rc == RC_OK)
		rc = message_url_get(object, "revokeCert", false, directory.revoke_cert, err);
	if (rc == RC_OK)
		rc = message_url_get(object, "keyChange", false, directory.key_change, err);
	if (rc == RC_OK)
		rc = message_url_get(object, "newAuthz", false, directory.new_authz, err);
	const json_t *meta = json_object_get(object, "meta");
	directory.external_account_required = json_is_true(json_object_get(meta, "externalAccountRequired"));
	if (rc == RC_OK && json_is_object(meta))
		rc = message_text_get(meta, "termsOfService", false, directory.terms_of_service, HTTP_URL_MAX, err);
	if (rc == RC_OK)
		*ret = directory;
	return rc;
}

/* As many as fit: it is for people to read. */
static void algorithms_fill(const json_t *list, struct message_problem *ret)
{
	size_t index, used = 0;
	const json_t *entry;

	json_array_foreach(list, index, entry)
	{
		const char *name = json_string_value(entry);
		size_t need = name ? strlen(name) + 2 : 0;

		if (name && used + need < sizeof(ret->algorithms))
			used += (size_t)snprintf(ret->algorithms + used, need + 1, "%s%s", used ? ", " : "", name);
	}
	message_text_tame(ret->algorithms);
}

static const char *type_of(const json_t *object)
{
	const char *type = json_string_value(json_object_get(object, "type"));

	if (type && strncmp(type, PROBLEM_PREFIX, strlen(PROBLEM_PREFIX)) == 0)
		type += strlen(PROBLEM_PREFIX);
	return type ? type : "";
}

/* RFC 8555, 6.7.1: which identifiers it is about, and what is wrong with each. */
static void subproblems_add(const json_t *list, struct message_problem *ret)
{
	const json_t *entry;
	size_t index;

	json_array_foreach(list, index, entry)
	{
		const char *value = json_string_value(json_object_get(json_object_get(entry, "identifier"), "value"));
		const char *detail = json_string_value(json_object_get(entry, "detail"));
		size_t used = strlen(ret->detail);

		snprintf(ret->detail + used, sizeof(ret->detail) - used, "%s%s%s%s%s%s", used ? "; " : "", value ? value : "",
			 value ? ": " : "", type_of(entry), detail ? ": " : "", detail ? detail : "");
	}
}

static void problem_fill(const json_t *object, struct message_problem *ret)
{
	const char *detail = json_string_value(json_object_get(object, "detail"));
	const char *instance = json_string_value(json_object_get(object, "instance"));

	*ret = (struct message_problem){ 0 };
	snprintf(ret->type, sizeof(ret->type), "%s", type_of(object));
	snprintf(ret->detail, sizeof(ret->detail), "%s", detail ? detail : "");
	subproblems_add(json_object_get(object, "subproblems"), ret);
	message_text_tame(ret->type);
	message_text_tame(ret->detail);
	if (strcmp(ret->type, "badSignatureAlgorithm") == 0)
		algorithms_fill(json_object_get(object, "algorithms"), ret);
	/* RFC 8555, 7.3.3: where a person must agree to something. */
	if (strcmp(ret->type, "userActionRequired") == 0 && instance)
		snprintf(ret->instance, sizeof(ret->instance), "%s", instance);
	message_text_tame(ret->instance);
}

bool message_problem_parse(struct span json, struct message_problem *ret)
{
	AUTO(json) json_t *object = NULL;

	if (message_json_load(json, &object, NULL) != RC_OK || !json_is_string(json_object_get(object, "type")))
		return false;
	problem_fill(object, ret);
	return true;
}

bool message_is_identifier(const char *name)
{
	return strncmp(name, "uri:", 4) != 0;
}

/* RFC 8555, 7.1.3: identifiers do not change; a server that answers others is not believed. */
static enum rc identifiers_check(const json_t *object, char *const *names, unsigned name_count, struct err *err)
{
	const json_t *list = json_object_get(object, "identifiers");
	const json_t *entry;
	size_t index;

	unsigned ordered = 0;

	for (unsigned i = 0; i < name_count; i++)
		ordered += message_is_identifier(names[i]);
	if (!json_is_array(list) || json_array_size(list) != ordered)
		return err_set(err, RC_PROTOCOL, "\"identifiers\" of the order are not the %u that were ordered", ordered);
	json_array_foreach(list, index, entry)
	{
		const char *value = json_string_value(json_object_get(entry, "value"));
		bool known = false;

		for (unsigned i = 0; i < name_count && value; i++)
			known = known || (message_is_identifier(names[i]) && strcasecmp(names[i] + 4, value) == 0);
		if (!known)
			return err_set(err, RC_PROTOCOL, "\"identifiers\" of the order has one that was not ordered");
	}
	return RC_OK;
}

static enum rc authorizations_get(const json_t *object, struct message_order *order, struct err *err)
{
	const json_t *list = json_object_get(object, "authorizations");
	size_t count = json_array_size(list);

	if (!list || json_is_null(list) || (json_is_array(list) && count == 0))
		return RC_OK; /* pre-authorised: nothing to show */
	if (!json_is_array(list) || count > MESSAGE_AUTHORIZATIONS_MAX)
		return err_set(err, RC_PROTOCOL, "\"authorizations\" is not a list of at most %d", MESSAGE_AUTHORIZATIONS_MAX);
	order->authorizations = calloc(count, sizeof(*order->authorizations));
	if (!order->authorizations)
		return err_set(err, RC_RESOURCE, "out of memory");
	for (size_t i = 0; i < count; i++) {
		const char *url = json_string_value(json_array_get(list, i));

		if (!url || strlen(url) >= HTTP_URL_MAX || strncasecmp(url, "https://", 8) != 0)
			return err_set(err, RC_PROTOCOL, "\"authorizations\" has something that is not an https:// URL");
		snprintf(order->authorizations[i], HTTP_URL_MAX, "%s", url);
		order->authorization_count++;
	}
	return RC_OK;
}

void message_order_clear(struct message_order *order)
{
	free(order->authorizations);
	order->authorizations = NULL;
}

enum rc message_order_parse(struct span json, char *const *names, unsigned name_count, struct message_order *ret, struct err *err)
{
	AUTO(json) json_t *object = NULL;
	AUTO(message_order) struct message_order order = { 0 };
	char status[32];
	enum rc rc = message_json_load(json, &object, err);

	if (rc == RC_OK)
		rc = message_text_get(object, "status", true, status, sizeof(status), err);
	if (rc == RC_OK && (order.status = order_status_parse(status)) == ORDER_STATUS_COUNT)
		rc = err_set(err, RC_PROTOCOL, "\"status\" of the order is \"%s\", which RFC 8555 does not know", status);
	if (rc == RC_OK)
		rc = message_time_get(object, "expires", &order.expires_at, err);
	if (rc == RC_OK)
		rc = message_url_get(object, "finalize", true, order.finalize_url, err);
	if (rc == RC_OK)
		rc = message_url_get(object, "certificate", order.status == ORDER_IS_VALID, order.certificate_url, err);
	if (rc == RC_OK)
		rc = identifiers_check(object, names, name_count, err);
	if (rc == RC_OK)
		rc = authorizations_get(object, &order, err);
	if (rc != RC_OK)
		return rc;
	problem_fill(json_object_get(object, "error"), &order.problem);
	*ret = order;
	order.authorizations = NULL;
	return RC_OK;
}

static enum rc challenge_fill(const json_t *entry, struct message_authorization *authorization, struct err *err)
{
	struct message_challenge challenge = { 0 };
	enum rc rc = message_text_get(entry, "type", true, challenge.type, sizeof(challenge.type), err);

	if (rc == RC_OK)
		rc = message_url_get(entry, "url", true, challenge.url, err);
	if (rc == RC_OK)
		rc = message_text_get(entry, "token", false, challenge.token, sizeof(challenge.token), err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "a challenge");
	const char *status = json_string_value(json_object_get(entry, "status"));
	challenge.is_processing = status && strcmp(status, "processing") == 0;
	problem_fill(json_object_get(entry, "error"), &challenge.problem);
	authorization->challenges[authorization->challenge_count++] = challenge;
	return RC_OK;
}

enum rc message_authorization_parse(struct span json, struct message_authorization *ret, struct err *err)
{
	AUTO(json) json_t *object = NULL;
	struct message_authorization authorization = { 0 };
	char status[32];
	const json_t *entry;
	size_t index;
	enum rc rc = message_json_load(json, &object, err);

	if (rc == RC_OK)
		rc = message_text_get(object, "status", true, status, sizeof(status), err);
	if (rc == RC_OK)
		rc = message_time_get(object, "expires", &authorization.expires_at, err);
	if (rc == RC_OK)
		rc = message_text_get(json_object_get(object, "identifier"), "value", true, authorization.identifier,
				      sizeof(authorization.identifier), err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "authorization");
	authorization.status = strcmp(status, "valid") == 0     ? AUTHORIZATION_VALID
			       : strcmp(status, "pending") == 0 ? AUTHORIZATION_PENDING
								: AUTHORIZATION_DEAD;
	json_array_foreach(json_object_get(object, "challenges"), index, entry)
	{
		if (authorization.challenge_count == MESSAGE_CHALLENGES_MAX)
			break;
		rc = challenge_fill(entry, &authorization, err);
		if (rc != RC_OK)
			return err_wrap(err, rc, "authorization");
	}
	*ret = authorization;
	return RC_OK;
}

enum rc message_new_order_print(char *const *names, unsigned name_count, struct buf *ret_json, struct err *err)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < name_count; i++)
		if (message_is_identifier(names[i]))
			json_array_append_new(list, json_pack("{s:s#, s:s}", "type", names[i], 3, "value", names[i] + 4));
	return message_json_print(json_pack("{s:o}", "identifiers", list), ret_json, err);
}

enum rc message_finalize_print(struct span csr, struct buf *ret_json, struct err *err)
{
	AUTO(buf) struct buf text = BUF_MAX(MESSAGE_PAYLOAD_MAX);
	enum rc rc = codec_base64url(csr, &text, err);

	return rc == RC_OK ? buf_print(ret_json, err, "{\"csr\":\"%s\"}", buf_text(&text)) : rc;
}
