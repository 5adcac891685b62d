/* settings_profile.c -- understands `nf` of a certificate and `certificate-profile` of an authority. */
#include "settings_profile.h"

#include <stdio.h>
#include <string.h>

#include "identifier.h"
#include "values.h"

#define ORGANIZATION_MAX 64u /* RFC 5280, A.1: ub-organization-name */
#define URN_UUID         "urn:uuid:"

/* A list of words of CONFIG_ASKS, as a set. */
static enum rc read_asks(const struct place *place, const char *option, char *const *texts, unsigned count, unsigned *ret)
{
	*ret = 0;
	for (unsigned i = 0; i < count; i++) {
		char path[96];
		unsigned ask = 0;

		snprintf(path, sizeof(path), "certificate-profile.%s[%u]", option, i);
		while (ask < CONFIG_ASK_COUNT && strcmp(texts[i], config_ask_name((enum config_ask)ask)) != 0)
			ask++;
		if (ask == CONFIG_ASK_COUNT)
			return place_refuse(place, path, texts[i],
					    "write some of subject, uri, key-usage, extended-key-usage, nf-types");
		*ret |= CONFIG_ASK_BIT(ask);
	}
	return RC_OK;
}

static enum rc read_usages(const struct place *place, char *const *texts, unsigned count, struct config_certificate_profile *ret)
{
	/* TS 33.310, 6.1.3c: an NF that may be both client and server shall have both. */
	ret->server = ret->client = count == 0;
	for (unsigned i = 0; i < count; i++) {
		bool server = strcmp(texts[i], "server") == 0, client = strcmp(texts[i], "client") == 0;

		if (!server && !client)
			return place_refuse(place, "certificate-profile.usages", texts[i], "write server, client, or both");
		ret->server = ret->server || server;
		ret->client = ret->client || client;
	}
	return RC_OK;
}

static bool is_country(const char *text)
{
	return strlen(text) == 2 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'A' && text[1] <= 'Z';
}

static bool is_organization(const char *text)
{
	size_t len = 0;

	for (; text[len]; len++)
		if (text[len] < ' ' || text[len] > '~')
			return false;
	return len > 0 && len <= ORGANIZATION_MAX;
}

enum rc settings_certificate_profile(const struct place *place, struct schema_certificate_profile *texts,
				     struct config_certificate_profile *ret)
{
	struct schema_certificate_profile none = { 0 };

	texts = texts ? texts : &none;
	ret->has_ask = texts->ask != NULL;
	enum rc rc = read_asks(place, "ask", texts->ask, texts->ask_count, &ret->ask);
	if (rc == RC_OK)
		rc = read_asks(place, "accept-without", texts->accept_without, texts->accept_without_count, &ret->accept_without);
	if (rc == RC_OK)
		rc = read_usages(place, texts->usages, texts->usages_count, ret);
	if (rc == RC_OK && texts->country && !is_country(texts->country))
		rc = place_refuse(place, "certificate-profile.country", texts->country,
				  "write the two capital letters of ISO 3166, such as DE");
	if (rc == RC_OK && texts->organization && !is_organization(texts->organization))
		rc = place_refuse(place, "certificate-profile.organization", texts->organization,
				  "write up to 64 printable ASCII characters, such as 5gc.mnc001.mcc001.3gppnetwork.org");
	if (rc != RC_OK)
		return rc;
	ret->country = TAKE(texts->country);
	ret->organization = TAKE(texts->organization);
	return RC_OK;
}

static int by_ascii(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

/* RFC 9310, 3: 1 to 32 ASCII characters, no space and no control character among them, and no type twice. */
static enum rc read_types(const struct place *place, struct schema_nf *texts, struct config_certificate *ret)
{
	for (unsigned i = 0; i < texts->types_count; i++) {
		const char *type = texts->types[i];
		char option[32];

		snprintf(option, sizeof(option), "nf.types[%u]", i);
		if (!value_nf_type(type))
			return place_refuse(place, option, type, "write 1 to 32 visible ASCII characters, such as AMF");
		for (unsigned other = 0; other < i; other++)
			if (strcmp(texts->types[other], type) == 0)
				return place_refuse(place, option, type, "is there twice; keep one");
	}
	if (texts->types)
		qsort(texts->types, texts->types_count, sizeof(char *), by_ascii);
	ret->nf_types = TAKE(texts->types);
	ret->nf_type_count = texts->types_count;
	return RC_OK;
}

static bool has_name(const struct config_certificate *certificate, const char *name)
{
	for (unsigned i = 0; i < certificate->name_count; i++)
		if (strcmp(certificate->names[i], name) == 0)
			return true;
	return false;
}

static enum rc add_name(const struct place *place, struct config_certificate *certificate, const char *name)
{
	char **names = realloc(certificate->names, (certificate->name_count + 1u) * sizeof(char *));

	if (names)
		certificate->names = names;
	if (!names || !(names[certificate->name_count] = strdup(name)))
		return err_set(place->err, RC_RESOURCE, "out of memory");
	certificate->name_count++;
	return RC_OK;
}

/*
 * The instance is written once and stands among the names: where tkauth-01 can prove it, as an identifier of the
 * order (TS 33.310, annex J); otherwise as a URI of the certificate alone (6.1.3c).
 */
static enum rc add_instance(const struct place *place, struct config_certificate *certificate)
{
	char identifier[IDENTIFIER_NAME_MAX], uri[IDENTIFIER_NAME_MAX];
	struct identifier parsed;

	snprintf(uri, sizeof(uri), "%s:%s%s", identifier_prefix(IDENTIFIER_URI), URN_UUID, certificate->nf_instance);
	snprintf(identifier, sizeof(identifier), "%s:%s", identifier_prefix(IDENTIFIER_NF_INSTANCE), certificate->nf_instance);
	if (has_name(certificate, identifier))
		return RC_OK;
	if (!config_challenge_get(certificate, CHALLENGE_TKAUTH_01))
		return has_name(certificate, uri) ? RC_OK : add_name(place, certificate, uri);
	const char *fault = identifier_parse(identifier, &parsed) ? identifier_fault(&parsed) : "write a UUID";
	return fault ? place_refuse(place, "nf.instance", certificate->nf_instance, fault)
		     : add_name(place, certificate, identifier);
}

enum rc settings_nf(const struct place *place, struct schema_nf *texts, struct config_certificate *ret)
{
	char uri[IDENTIFIER_VALUE_MAX], value[IDENTIFIER_VALUE_MAX];
	struct identifier identifier = { .kind = IDENTIFIER_URI, .value = uri };

	if (!texts)
		return RC_OK;
	if (!texts->types && !texts->instance)
		return place_refuse(place, "nf", "nf", "write { types: [AMF], instance: UUID }");
	enum rc rc = read_types(place, texts, ret);
	if (rc != RC_OK || !texts->instance)
		return rc;
	snprintf(uri, sizeof(uri), "%s%s", URN_UUID, texts->instance);
	if (identifier_fault(&identifier))
		return place_refuse(place, "nf.instance", texts->instance,
				    "write a UUID, such as 4ace9d34-2c69-4f99-92d5-a73a3fe8e23b");
	/* TS 29.571, 5.3.2: sent in lower case. */
	identifier_canonical(&identifier, value);
	ret->nf_instance = strdup(value + strlen(URN_UUID));
	return ret->nf_instance ? add_instance(place, ret) : err_set(place->err, RC_RESOURCE, "out of memory");
}
