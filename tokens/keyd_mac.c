/* keyd_mac.c -- reads the key of an external account binding for the moment of one HMAC, or asks the token that has it. */
#include "keyd_mac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "codec.h"
#include "keyd_message.h"
#include "pin.h"

/* RFC 8555, 7.3.4: the MAC key comes base64url-encoded; some operators pad it. */
static enum rc key_read(const struct config_secret *secret, struct buf *ret_key, struct err *err)
{
	AUTO(pin) struct pin *text = NULL;
	char where[512], plain[PIN_MAX + 1];
	enum rc rc = pin_read(secret, "HMAC key", &text, err);

	if (rc != RC_OK)
		return rc;
	size_t len = pin_len(text);
	while (len && pin_bytes(text)[len - 1] == '=')
		len--;
	memcpy(plain, pin_bytes(text), len);
	plain[len] = '\0';
	rc = codec_base64url_decode(plain, ret_key, NULL);
	bytes_wipe(plain, sizeof(plain));
	if (rc == RC_OK && ret_key->len == 0)
		rc = RC_INPUT;
	return rc == RC_OK ? RC_OK : err_set(err, RC_INPUT, "the HMAC key in %s is not base64url", pin_where(secret, where));
}

static enum rc mac_with(const struct config_external *external, struct span message, struct buf *ret_mac, struct err *err)
{
	AUTO(buf) struct buf key = BUF_MAX(PIN_MAX);
	uint8_t tag[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	enum rc rc = key_read(&external->hmac, &key, err);

	if (rc != RC_OK)
		return rc;
	if (!HMAC(EVP_get_digestbyname(token_hash_name(external->hash)), key.at, (int)key.len, message.at, message.len, tag,
		  &len))
		return err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "HMAC failed");
	return buf_append(ret_mac, span_of(tag, len), err);
}

enum rc keyd_mac(const struct config *config, struct keyd_keys *keys, const char *authority, struct span message,
		 struct buf *ret_mac, struct err *err)
{
	const struct config_external *external = NULL;
	struct token *token;

	for (unsigned i = 0; i < config->authority_count; i++)
		if (strcmp(config->authorities[i].name, authority) == 0 && config->authorities[i].external.kid)
			external = &config->authorities[i].external;
	if (!external)
		return err_set_raw(err, RC_ABSENT, ERR_KEYD, 0, "no external-account is configured for \"%s\"", authority);
	enum rc rc = keyd_message_check(message, err);
	if (rc == RC_OK && !external->token)
		return mac_with(external, message, ret_mac, err);
	if (rc == RC_OK)
		rc = keyd_keys_token(keys, external->token, &token, err);
	if (rc == RC_OK && !token->ops->mac)
		rc = err_set_raw(err, RC_INPUT, ERR_KEYD, 0, "token \"%s\" keeps no secret keys", external->token);
	return rc == RC_OK ? token->ops->mac(token, external->label, external->hash, message, ret_mac, err) : rc;
}
