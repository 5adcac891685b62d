/* message.c -- reads and writes the JSON of RFC 8555; what a server sends is checked before anyone uses it. */
#include "message.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "codec.h"
#include "message_json.h"

#define PROBLEM_PREFIX "urn:ietf:params:acme:error:"

/* What does not fit into our list could not be configured either. */
static void profiles_fill(const json_t *profiles, struct message_directory *directory)
{
	const char *name;
	json_t *description;

	json_object_foreach((json_t *)profiles, name, description)
	{
		char *slot = directory->profiles[directory->profile_count];

		if (strlen(name) >= MESSAGE_PROFILE_MAX || !name[0])
			continue;
		snprintf(slot, MESSAGE_PROFILE_MAX, "%s", name);
		message_text_tame(slot);
		if (++directory->profile_count == MESSAGE_PROFILES_MAX)
			return;
	}
}

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
	if (rc == RC_OK)
		rc = message_url_get(object, "renewalInfo", false, directory.renewal_info, err);
	const json_t *meta = json_object_get(object, "meta");
	directory.external_account_required = json_is_true(json_object_get(meta, "externalAccountRequired"));
	profiles_fill(json_object_get(meta, "profiles"), &directory);
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

void message_problem_fill(const json_t *object, struct message_problem *ret)
{
	const char *detail = json_string_value(json_object_get(object, "detail"));
	const char *title = json_string_value(json_object_get(object, "title"));
	const char *instance = json_string_value(json_object_get(object, "instance"));

	*ret = (struct message_problem){ 0 };
	snprintf(ret->type, sizeof(ret->type), "%s", type_of(object));
	snprintf(ret->detail, sizeof(ret->detail), "%s", detail ? detail : title ? title : "");
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

	if (message_json_load(json, &object, NULL) != RC_OK)
		return false;
	message_problem_fill(object, ret);
	return ret->type[0] || ret->detail[0];
}

static bool is_listed(const json_t *list, const struct identifier *identifier)
{
	const json_t *entry;
	size_t index;

	json_array_foreach(list, index, entry)
	{
		const char *type = json_string_value(json_object_get(entry, "type"));
		const char *value = json_string_value(json_object_get(entry, "value"));

		if (type && value && identifier_equal(identifier, type, value))
			return true;
	}
	return false;
}

/* RFC 8555, 7.1.3: identifiers do not change; a server that answers others is not believed. */
static enum rc identifiers_check(const json_t *object, char *const *names, unsigned name_count, struct err *err)
{
	const json_t *list = json_object_get(object, "identifiers");
	struct identifier identifier;
	size_t ordered = 0;

	for (unsigned i = 0; i < name_count; i++)
		ordered += identifier_parse(names[i], &identifier) && identifier_type(identifier.kind);
	if (!json_is_array(list))
		return err_set(err, RC_PROTOCOL, "\"identifiers\" of the order is not a list");
	if (json_array_size(list) != ordered)
		return err_set(err, RC_ABSENT, "\"identifiers\" of the order are not the %zu that were ordered", ordered);
	for (unsigned i = 0; i < name_count; i++)
		if (identifier_parse(names[i], &identifier) && identifier_type(identifier.kind) && !is_listed(list, &identifier))
			return err_set(err, RC_ABSENT, "\"identifiers\" of the order lack %s, which was ordered", names[i]);
	return RC_OK;
}

static bool is_known(const struct message_order *order, const char *url)
{
	for (unsigned i = 0; i < order->authorization_count; i++)
		if (strcmp(order->authorizations[i], url) == 0)
			return true;
	return false;
}

/* One that is listed twice is one: nobody answers it twice. */
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

		if (!url || strlen(url) >= HTTP_URL_MAX || !message_is_url(url))
			return err_set(err, RC_PROTOCOL, "\"authorizations\" has something that is not an https:// URL");
		if (!is_known(order, url))
			snprintf(order->authorizations[order->authorization_count++], HTTP_URL_MAX, "%s", url);
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
		rc = message_url_get(object, "certificate", false, order.certificate_url, err);
	if (rc == RC_OK)
		rc = identifiers_check(object, names, name_count, err);
	if (rc == RC_OK)
		rc = authorizations_get(object, &order, err);
	if (rc != RC_OK)
		return rc;
	const char *profile = json_string_value(json_object_get(object, "profile"));
	snprintf(order.profile, sizeof(order.profile), "%s", profile ? profile : "");
	message_text_tame(order.profile);
	message_problem_fill(json_object_get(object, "error"), &order.problem);
	*ret = order;
	order.authorizations = NULL;
	return RC_OK;
}

enum rc message_new_order_print(char *const *names, unsigned name_count, const char *replaces, const char *profile,
				struct buf *ret_json, struct err *err)
{
	json_t *list = json_array();
	struct identifier identifier;

	/* A "uri:" stands in the CSR alone: no ACME identifier is a URI. */
	for (unsigned i = 0; i < name_count; i++)
		if (identifier_parse(names[i], &identifier) && identifier_type(identifier.kind))
			json_array_append_new(list, json_pack("{s:s, s:s}", "type", identifier_type(identifier.kind), "value",
							      identifier.value));
	return message_json_print(json_pack("{s:o, s:s*, s:s*}", "identifiers", list, "replaces", replaces, "profile", profile),
				  ret_json, err);
}

enum rc message_finalize_print(struct span csr, struct buf *ret_json, struct err *err)
{
	AUTO(buf) struct buf text = BUF_MAX(MESSAGE_PAYLOAD_MAX);
	enum rc rc = codec_base64url(csr, &text, err);

	return rc == RC_OK ? buf_print(ret_json, err, "{\"csr\":\"%s\"}", buf_text(&text)) : rc;
}
