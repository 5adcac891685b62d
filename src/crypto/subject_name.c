/* subject_name.c -- names of the configuration to general names and back. */
#include "subject_name.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define URN_UUID "urn:uuid:"

/* How each kind stands in a certificate. */
static const struct {
	int type, string;
	const char *prefix; /* in front of the value */
} FORMS[IDENTIFIER_KIND_COUNT] = {
	[IDENTIFIER_DNS] = { GEN_DNS, V_ASN1_IA5STRING, "" },
	[IDENTIFIER_IP] = { GEN_IPADD, V_ASN1_OCTET_STRING, "" },
	[IDENTIFIER_NF_INSTANCE] = { GEN_URI, V_ASN1_IA5STRING, URN_UUID },
	[IDENTIFIER_URI] = { GEN_URI, V_ASN1_IA5STRING, "" },
};

/* The contents of the general name; 0: there is none. */
static size_t contents(const struct identifier *identifier, char ret[IDENTIFIER_NAME_MAX])
{
	if (identifier->kind == IDENTIFIER_IP)
		return identifier_ip_octets(identifier->value, (uint8_t *)ret);
	if (identifier_fault(identifier))
		return 0;
	return (size_t)snprintf(ret, IDENTIFIER_NAME_MAX, "%s%s", FORMS[identifier->kind].prefix, identifier->value);
}

enum rc subject_name_make(const char *name, GENERAL_NAME **ret_general, struct err *err)
{
	struct identifier identifier = { 0 };
	char value[IDENTIFIER_NAME_MAX];
	size_t len = identifier_parse(name, &identifier) ? contents(&identifier, value) : 0;

	if (!len)
		return err_set(err, RC_INPUT, "name \"%s\" cannot be put in a request", name);
	GENERAL_NAME *general = GENERAL_NAME_new();
	ASN1_STRING *text = ASN1_STRING_type_new(FORMS[identifier.kind].string);
	if (!general || !text || ASN1_STRING_set(text, value, (int)len) != 1) {
		GENERAL_NAME_free(general);
		ASN1_STRING_free(text);
		return err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "out of memory");
	}
	GENERAL_NAME_set0_value(general, FORMS[identifier.kind].type, text);
	*ret_general = general;
	return RC_OK;
}

bool subject_name_is(const GENERAL_NAME *general, const char *name)
{
	struct identifier identifier = { 0 };
	char wanted[IDENTIFIER_NAME_MAX];
	int type;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(general, &type);
	size_t len = identifier_parse(name, &identifier) ? contents(&identifier, wanted) : 0;

	if (!len || type != FORMS[identifier.kind].type || (size_t)ASN1_STRING_length(value) != len)
		return false;
	const char *found = (const char *)ASN1_STRING_get0_data(value);
	/* RFC 5280, 7.2 and 7.4: host names without case, a URI's path and the like with it, and we send what we mean. */
	return type == GEN_DNS ? strncasecmp(found, wanted, len) == 0 : memcmp(found, wanted, len) == 0;
}

bool subject_name_print(const GENERAL_NAME *general, char *ret_name, size_t room)
{
	char address[INET6_ADDRSTRLEN];
	int type;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(general, &type);

	if (type != GEN_DNS && type != GEN_IPADD && type != GEN_URI)
		return false;
	int len = ASN1_STRING_length(value);
	const void *at = ASN1_STRING_get0_data(value);
	if (type != GEN_IPADD)
		snprintf(ret_name, room, "%s%.*s", type == GEN_DNS ? "dns:" : "uri:", len, (const char *)at);
	else if ((len == 4 || len == 16) && inet_ntop(len == 4 ? AF_INET : AF_INET6, at, address, sizeof(address)))
		snprintf(ret_name, room, "ip:%s", address);
	else
		snprintf(ret_name, room, "ip:(%d octets)", len);
	return true;
}
