/* message_account.c -- prints and reads what is said about accounts, revocation and pre-authorisation. */
#include "message_account.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "codec.h"
#include "message.h"
#include "message_json.h"

static json_t *contact_json(const struct config_authority *authority)
{
	json_t *contact = json_array();

	for (unsigned i = 0; i < authority->contact_count; i++)
		json_array_append_new(contact, json_string(authority->contact[i]));
	return contact;
}

enum rc message_account_print(const struct config_authority *authority, const char *binding, struct buf *ret_json,
			      struct err *err)
{
	json_t *object = json_object();

	/* RFC 8555, 7.3: agreed to only when the configuration says so. */
	if (authority->terms_agreed)
		json_object_set_new(object, "termsOfServiceAgreed", json_true());
	if (authority->contact_count)
		json_object_set_new(object, "contact", contact_json(authority));
	if (*binding)
		json_object_set_new(object, "externalAccountBinding", json_loads(binding, 0, NULL));
	return message_json_print(object, ret_json, err);
}

enum rc message_account_find_print(struct buf *ret_json, struct err *err)
{
	return message_json_print(json_pack("{s:b}", "onlyReturnExisting", 1), ret_json, err);
}

enum rc message_account_update_print(const struct config_authority *authority, struct buf *ret_json, struct err *err)
{
	json_t *object = json_pack("{s:o}", "contact", contact_json(authority));

	if (authority->terms_agreed)
		json_object_set_new(object, "termsOfServiceAgreed", json_true());
	return message_json_print(object, ret_json, err);
}

void message_contact_print(const struct config_authority *authority, char text[MESSAGE_CONTACT_MAX])
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < authority->contact_count && used < MESSAGE_CONTACT_MAX; i++) {
		int len = snprintf(text + used, MESSAGE_CONTACT_MAX - used, "%s%s", i ? " " : "", authority->contact[i]);
		used += len > 0 ? (size_t)len : 0;
	}
}

enum rc message_account_parse(struct span json, struct message_account *ret, struct err *err)
{
	AUTO(json) json_t *object = NULL;
	struct message_account account = { 0 };
	const json_t *entry;
	size_t index, used = 0;
	enum rc rc = message_json_load(json, &object, err);

	if (rc == RC_OK)
		rc = message_text_get(object, "status", true, account.status, sizeof(account.status), err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "account");
	account.terms_agreed = json_is_true(json_object_get(object, "termsOfServiceAgreed"));
	json_array_foreach(json_object_get(object, "contact"), index, entry)
	{
		const char *text = json_string_value(entry);

		if (text && used < sizeof(account.contact))
			used += (size_t)snprintf(account.contact + used, sizeof(account.contact) - used, "%s%s", used ? " " : "",
						 text);
	}
	message_text_tame(account.contact);
	message_text_tame(account.status);
	*ret = account;
	return RC_OK;
}

enum rc message_key_change_print(const char *account_url, const char *old_jwk, struct buf *ret_json, struct err *err)
{
	return message_json_print(json_pack("{s:s, s:o}", "account", account_url, "oldKey", json_loads(old_jwk, 0, NULL)),
				  ret_json, err);
}

enum rc message_revocation_print(struct span certificate_der, int reason, struct buf *ret_json, struct err *err)
{
	AUTO(buf) struct buf text = BUF_MAX(MESSAGE_PAYLOAD_MAX);
	enum rc rc = codec_base64url(certificate_der, &text, err);

	if (rc != RC_OK)
		return rc;
	json_t *object = json_pack("{s:s}", "certificate", buf_text(&text));
	if (reason >= 0)
		json_object_set_new(object, "reason", json_integer(reason));
	return message_json_print(object, ret_json, err);
}

enum rc message_new_authorization_print(const char *type, const char *value, struct buf *ret_json, struct err *err)
{
	return message_json_print(json_pack("{s:{s:s, s:s}}", "identifier", "type", type, "value", value), ret_json, err);
}
