/* codec.c -- base64url and hex; strict when reading, because what is read comes from a peer. */
#include "codec.h"

#include <string.h>

static const char BASE64URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char HEX[] = "0123456789abcdef";

static int base64url_value(char letter)
{
	const char *at = letter ? strchr(BASE64URL, letter) : NULL;

	return at ? (int)(at - BASE64URL) : -1;
}

enum rc codec_base64url(struct span plain, struct buf *ret_text, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < plain.len && rc == RC_OK; i += 3) {
		size_t left = plain.len - i;
		uint32_t group = (uint32_t)plain.at[i] << 16 | (left > 1 ? (uint32_t)plain.at[i + 1] << 8 : 0) |
				 (left > 2 ? plain.at[i + 2] : 0u);
		char text[4] = { BASE64URL[group >> 18], BASE64URL[group >> 12 & 63], BASE64URL[group >> 6 & 63],
				 BASE64URL[group & 63] };

		rc = buf_append(ret_text, span_of(text, left > 2 ? 4 : left + 1), err);
	}
	return rc;
}

/* What was appended before the fault was seen is taken back: a refused text leaves nothing. */
static enum rc take_back(struct buf *buf, size_t len, enum rc rc)
{
	if (rc != RC_OK && buf->len > len) {
		bytes_wipe(buf->at + len, buf->len - len);
		buf->len = len;
	}
	return rc;
}

static enum rc base64url_decode(const char *text, struct buf *ret_plain, struct err *err)
{
	size_t len = strlen(text);
	uint32_t bits = 0;
	unsigned held = 0;

	if (len % 4 == 1)
		return err_set(err, RC_PROTOCOL, "not base64url: cut short");
	for (size_t i = 0; i < len; i++) {
		int value = base64url_value(text[i]);

		/* RFC 8555, 6.1: trailing '=' is malformed too. */
		if (value < 0)
			return err_set(err, RC_PROTOCOL, "not base64url: character 0x%02x", (unsigned char)text[i]);
		bits = bits << 6 | (uint32_t)value;
		held += 6;
		if (held < 8)
			continue;
		held -= 8;
		uint8_t byte = (uint8_t)(bits >> held);
		enum rc rc = buf_append(ret_plain, span_of(&byte, 1), err);
		if (rc != RC_OK)
			return rc;
	}
	if (bits & ((1u << held) - 1))
		return err_set(err, RC_PROTOCOL, "not base64url: loose bits at the end");
	return RC_OK;
}

enum rc codec_base64url_decode(const char *text, struct buf *ret_plain, struct err *err)
{
	size_t len = ret_plain->len;

	return take_back(ret_plain, len, base64url_decode(text, ret_plain, err));
}

bool codec_is_base64url(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && strspn(text, BASE64URL) == len;
}

enum rc codec_hex(struct span plain, struct buf *ret_text, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < plain.len && rc == RC_OK; i++) {
		char text[2] = { HEX[plain.at[i] >> 4], HEX[plain.at[i] & 15] };

		rc = buf_append(ret_text, span_of(text, 2), err);
	}
	return rc;
}

static int hex_value(char letter)
{
	if (letter >= '0' && letter <= '9')
		return letter - '0';
	if (letter >= 'a' && letter <= 'f')
		return letter - 'a' + 10;
	if (letter >= 'A' && letter <= 'F')
		return letter - 'A' + 10;
	return -1;
}

static enum rc hex_decode(const char *text, struct buf *ret_plain, struct err *err)
{
	size_t len = strlen(text);

	if (len % 2)
		return err_set(err, RC_PROTOCOL, "not hex: an odd number of digits");
	for (size_t i = 0; i < len; i += 2) {
		int high = hex_value(text[i]), low = hex_value(text[i + 1]);

		if (high < 0 || low < 0)
			return err_set(err, RC_PROTOCOL, "not hex");
		uint8_t byte = (uint8_t)(high << 4 | low);
		enum rc rc = buf_append(ret_plain, span_of(&byte, 1), err);
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

enum rc codec_hex_decode(const char *text, struct buf *ret_plain, struct err *err)
{
	size_t len = ret_plain->len;

	return take_back(ret_plain, len, hex_decode(text, ret_plain, err));
}
