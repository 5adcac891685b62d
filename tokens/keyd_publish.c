/* keyd_publish.c -- puts certificates and a configured label beside a key of ours, and nothing that the engine makes up. */
#include "keyd_publish.h"

#include <string.h>

bool keyd_label_is_configured(const struct config *config, const char *token, const char *label)
{
	for (unsigned i = 0; i < config->certificate_count; i++) {
		const struct config_certificate *certificate = &config->certificates[i];

		if (certificate->objects.label && strcmp(certificate->objects.label, label) == 0 &&
		    strcmp(certificate->key.token, token) == 0)
			return true;
	}
	return false;
}

enum rc keyd_objects_get(struct wire *request, char label[TOKEN_LABEL_MAX], struct token_objects *ret_objects, struct err *err)
{
	struct token_objects objects = { .label = label };

	wire_get_text(request, label, TOKEN_LABEL_MAX);
	objects.certificate = wire_get_bytes(request, TOKEN_MESSAGE_MAX);
	uint64_t count = wire_get_number(request, 1);
	for (; objects.chain_count < count && count <= TOKEN_CHAIN_MAX; objects.chain_count++)
		objects.chain[objects.chain_count] = wire_get_bytes(request, TOKEN_MESSAGE_MAX);
	if (!wire_is_whole(request) || (count && !objects.certificate.len))
		return err_set_raw(err, RC_BUG, ERR_KEYD, 0, "a request that is not one of ours");
	*ret_objects = objects;
	return RC_OK;
}

enum rc keyd_publish(const struct config *config, struct token_key *key, const struct token_objects *objects, struct err *err)
{
	if (!key->ops->publish)
		return err_set_raw(err, RC_INPUT, ERR_KEYD, 0,
				   "this kind of token keeps no certificates and labels; leave token-objects out");
	if (objects->label[0] && !keyd_label_is_configured(config, key->token->name, objects->label))
		return err_set_raw(err, RC_DENIED, ERR_KEYD, 0,
				   "no certificate of this token is configured with the label \"%s\"", objects->label);
	if (!token_key_name_has_id(&key->name))
		return err_set_raw(err, RC_DENIED, ERR_KEYD, 0, "it is not a key of our making");
	return key->ops->publish(key, objects, err);
}
