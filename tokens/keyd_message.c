/* keyd_message.c -- tells a JWS signing input and a certificate request from anything else. */
#include "keyd_message.h"

#include <openssl/x509.h>
#include <string.h>

static bool is_base64url(const uint8_t *at, size_t len)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t i = 0; i < len; i++)
		if (!at[i] || !strchr(letters, at[i]))
			return false;
	return true;
}

/* BASE64URL(protected header) "." BASE64URL(payload); a header is a JSON object, and ours begins {" */
static bool is_signing_input(struct span message)
{
	static const char begin[] = "eyJ";
	const uint8_t *dot = message.len ? memchr(message.at, '.', message.len) : NULL;

	if (!dot || message.len < strlen(begin) || memcmp(message.at, begin, strlen(begin)) != 0)
		return false;
	size_t header = (size_t)(dot - message.at);
	return is_base64url(message.at, header) && is_base64url(dot + 1, message.len - header - 1);
}

static bool is_request_info(struct span message)
{
	const unsigned char *at = message.at;
	X509_REQ_INFO *info = message.len ? d2i_X509_REQ_INFO(NULL, &at, (long)message.len) : NULL;
	bool whole = info && at == message.at + message.len;

	X509_REQ_INFO_free(info);
	return whole;
}

enum rc keyd_message_check(struct span message, struct err *err)
{
	if (is_signing_input(message) || is_request_info(message))
		return RC_OK;
	return err_set_raw(err, RC_DENIED, ERR_KEYD, 0, "it signs ACME requests and certificate requests, and this is neither");
}
