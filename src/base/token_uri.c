/*
 * token_uri.c -- looks at each part of a PKCS#11 URI.
 *
 * Parsers of others drop what they do not know and let the last of two win, and a URI that restricts nothing matches any token.
 */
#include "token_uri.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define SCHEME  "pkcs11:"
#define INSTEAD "; write pkcs11:token=LABEL;serial=NUMBER, each part once"

/* RFC 7512, 2.3: what may stand in the path and in the query of a URI that names a token; `most` bytes, as fields of CK_TOKEN_INFO have. */
static const struct part {
	const char *name;
	size_t most;
	bool is_query, names_one;
} PARTS[] = { { "token", 32, false, true },
	      { "serial", 16, false, true },
	      { "manufacturer", 32, false, false },
	      { "model", 16, false, false },
	      { "module-path", 4096, true, false } };
#define PART_COUNT (sizeof(PARTS) / sizeof(PARTS[0]))

/* RFC 3986, 2.1; false: a "%" that is followed by something else than two digits. */
static bool decoded_len(const char *text, size_t len, size_t *ret)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	size_t count = 0;

	for (size_t i = 0; i < len; i++, count++) {
		if (text[i] != '%')
			continue;
		if (len - i < 3 || !strchr(digits, text[i + 1]) || !strchr(digits, text[i + 2]))
			return false;
		i += 2;
	}
	*ret = count;
	return true;
}

static const char *value_fault(const struct part *part, const char *value, size_t len)
{
	size_t decoded;

	if (!decoded_len(value, len, &decoded))
		return "has a \"%\" without two digits after it" INSTEAD;
	if (decoded == 0)
		return "has an empty part" INSTEAD;
	return decoded > part->most ? "has a part that is too long (a label has up to 32 bytes, a serial number up to 16)" INSTEAD
				    : NULL;
}

static const char *part_fault(const char *at, size_t len, bool is_query, bool seen[PART_COUNT])
{
	for (size_t i = 0; i < PART_COUNT; i++) {
		size_t name_len = strlen(PARTS[i].name);

		if (PARTS[i].is_query != is_query || len <= name_len || memcmp(at, PARTS[i].name, name_len) != 0 ||
		    at[name_len] != '=')
			continue;
		if (seen[i])
			return "has a part twice" INSTEAD;
		seen[i] = true;
		return value_fault(&PARTS[i], at + name_len + 1, len - name_len - 1);
	}
	if (len >= 4 && memcmp(at, "pin-", 4) == 0)
		return "must not say where the PIN is or what it is; write pin: { file: PATH } beside it";
	return is_query ? "may have module-path after the \"?\" and nothing else" INSTEAD
			: "may have token, serial, manufacturer and model and nothing else" INSTEAD;
}

const char *token_uri_fault(const char *uri)
{
	bool seen[PART_COUNT] = { false }, is_query = false, names_one = false;
	const char *at = uri + strlen(SCHEME), *fault = NULL;

	if (strncmp(uri, SCHEME, strlen(SCHEME)) != 0 || strchr(uri, '#'))
		return "is no PKCS#11 URI" INSTEAD;
	while (!fault) {
		size_t len = strcspn(at, is_query ? "&" : ";?");

		fault = part_fault(at, len, is_query, seen);
		if (!at[len])
			break;
		is_query = is_query || at[len] == '?';
		at += len + 1;
	}
	for (size_t i = 0; i < PART_COUNT; i++)
		names_one = names_one || (seen[i] && PARTS[i].names_one);
	return fault || names_one ? fault : "names neither token nor serial" INSTEAD;
}
