/* identifier.c -- kinds of names, which texts are good ones, and the one text of each. */
#include "identifier.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DNS_NAME_MAX  253u
#define DNS_LABEL_MAX 63u
#define UUID_LEN      36u

#define X(kind, prefix, type) { prefix, type },
static const struct {
	const char *prefix, *type;
} KINDS[IDENTIFIER_KIND_COUNT] = { IDENTIFIER_KINDS(X) };
#undef X

bool identifier_parse(const char *name, struct identifier *ret)
{
	const char *colon = strchr(name, ':');

	for (int kind = 0; colon && colon[1] && kind < IDENTIFIER_KIND_COUNT; kind++) {
		size_t len = strlen(KINDS[kind].prefix);

		if (len != (size_t)(colon - name) || strncmp(name, KINDS[kind].prefix, len) != 0)
			continue;
		*ret = (struct identifier){ .kind = (enum identifier_kind)kind, .value = colon + 1 };
		return true;
	}
	return false;
}

enum identifier_kind identifier_kind_of(const char *type)
{
	int kind = 0;

	while (kind < IDENTIFIER_KIND_COUNT && (!KINDS[kind].type || strcmp(KINDS[kind].type, type) != 0))
		kind++;
	return (enum identifier_kind)kind;
}

const char *identifier_prefix(enum identifier_kind kind)
{
	return kind < IDENTIFIER_KIND_COUNT ? KINDS[kind].prefix : "unknown";
}

const char *identifier_type(enum identifier_kind kind)
{
	return kind < IDENTIFIER_KIND_COUNT ? KINDS[kind].type : NULL;
}

bool identifier_is_wildcard(const struct identifier *identifier)
{
	return identifier->kind == IDENTIFIER_DNS && strncmp(identifier->value, "*.", 2) == 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static const char *host_fault(const char *host)
{
	size_t label = 0;

	if (strlen(host) > DNS_NAME_MAX)
		return "longer than 253 characters";
	/* An address in the place of a name would be validated as one; it has a type of its own (RFC 8738, 3). */
	if (host[strspn(host, "0123456789.")] == '\0')
		return "an address, not a host name; write ip:ADDRESS";
	for (const char *at = host;; at++) {
		if (*at == '.' || !*at) {
			if (!label)
				return "an empty label";
			if (at[-1] == '-')
				return "a label that ends with \"-\"";
			if (!*at)
				return NULL;
			label = 0;
			continue;
		}
		if (!is_letter_or_digit(*at) && *at != '-')
			return "a character that no host name has (internationalised names are written as xn--...)";
		if (*at == '-' && !label)
			return "a label that begins with \"-\"";
		if (++label > DNS_LABEL_MAX)
			return "a label longer than 63 characters";
	}
}

/* RFC 8555, 7.1.3: a wildcard is one "*" for the first label, and nothing else. */
static const char *dns_fault(const char *value)
{
	if (value[0] != '*')
		return host_fault(value);
	return value[1] == '.' ? host_fault(value + 2) : "a wildcard is \"*.\" and a host name";
}

unsigned identifier_ip_octets(const char *text, uint8_t ret_octets[16])
{
	if (inet_pton(AF_INET, text, ret_octets) == 1)
		return 4;
	return inet_pton(AF_INET6, text, ret_octets) == 1 ? 16 : 0;
}

static const char *ip_fault(const char *value)
{
	uint8_t octets[16];

	return identifier_ip_octets(value, octets) ? NULL : "write an IPv4 or IPv6 address, without brackets, port or zone";
}

static bool is_uuid(const char *text)
{
	if (strlen(text) != UUID_LEN)
		return false;
	for (size_t i = 0; i < UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !is_hex(text[i]))
			return false;
	}
	return true;
}

/* TS 29.571, 5.3.2: NfInstanceId is a UUID of version 4 (RFC 9562, 5.4). */
static const char *instance_fault(const char *value)
{
	if (is_uuid(value) && value[14] == '4' && strchr("89abAB", value[19]))
		return NULL;
	return "write a UUID of version 4, such as 4ace9d34-2c69-4f99-92d5-a73a3fe8e23b (TS 29.571, 5.3.2)";
}

/* A letter, then letters, digits, "+", "-" and "."; a colon, and something after it. */
static bool has_scheme(const char *value)
{
	size_t len = 0;

	while (is_letter_or_digit(value[len]) || (value[len] && strchr("+-.", value[len])))
		len++;
	return len && is_letter_or_digit(value[0]) && !is_digit(value[0]) && value[len] == ':' && value[len + 1];
}

/* RFC 5280, 4.2.1.6: a URI in a certificate is absolute: a scheme (RFC 3986, 3.1), a colon, and visible ASCII. */
static const char *uri_fault(const char *value)
{
	static const char urn_uuid[] = "urn:uuid:";

	if (!has_scheme(value))
		return "write a whole URI, such as uri:urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b";
	if (strlen(value) >= IDENTIFIER_VALUE_MAX)
		return "longer than 255 characters";
	if (strncasecmp(value, urn_uuid, strlen(urn_uuid)) == 0 && !is_uuid(value + strlen(urn_uuid)))
		return "write uri:urn:uuid: and a UUID";
	for (; *value; value++)
		if (*value <= ' ' || *value >= 0x7f || strchr("\"<>\\^`{|}", *value))
			return "a character that no URI has; write it as % and two hexadecimal digits";
	return NULL;
}

const char *identifier_fault(const struct identifier *identifier)
{
	static const char *(*const FAULTS[IDENTIFIER_KIND_COUNT])(const char *) = {
		[IDENTIFIER_DNS] = dns_fault,
		[IDENTIFIER_IP] = ip_fault,
		[IDENTIFIER_NF_INSTANCE] = instance_fault,
		[IDENTIFIER_URI] = uri_fault,
	};

	return FAULTS[identifier->kind](identifier->value);
}

static void lower(char *text)
{
	for (; *text; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text + 32);
}

/* RFC 8738, 3: the text forms of RFC 1123, 2.1 and RFC 5952, 4, which is what inet_ntop() writes. */
static void ip_print(const char *value, char ret_value[IDENTIFIER_VALUE_MAX])
{
	uint8_t octets[16];
	unsigned len = identifier_ip_octets(value, octets);

	if (!len || !inet_ntop(len == 4 ? AF_INET : AF_INET6, octets, ret_value, IDENTIFIER_VALUE_MAX))
		ret_value[0] = '\0';
}

void identifier_canonical(const struct identifier *identifier, char ret_value[IDENTIFIER_VALUE_MAX])
{
	if (identifier->kind == IDENTIFIER_IP) {
		ip_print(identifier->value, ret_value);
		return;
	}
	snprintf(ret_value, IDENTIFIER_VALUE_MAX, "%s", identifier->value);
	/* The scheme-specific part of a URI may tell case apart; RFC 8141, 3.1: urn:uuid: does not; RFC 9562, 4: sent in lower case. */
	if (identifier->kind != IDENTIFIER_URI || strncasecmp(ret_value, "urn:uuid:", 9) == 0)
		lower(ret_value);
}

bool identifier_equal(const struct identifier *identifier, const char *type, const char *value)
{
	struct identifier other = { .kind = identifier_kind_of(type), .value = value };
	char ours[IDENTIFIER_VALUE_MAX], theirs[IDENTIFIER_VALUE_MAX];

	if (other.kind != identifier->kind || strlen(value) >= IDENTIFIER_VALUE_MAX)
		return false;
	identifier_canonical(identifier, ours);
	identifier_canonical(&other, theirs);
	return ours[0] && strcmp(ours, theirs) == 0;
}
