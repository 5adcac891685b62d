/* settings_profile.c -- understands `nf` of a certificate and `certificate-profile` of an authority. */
#include "settings_profile.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "values.h"

#define ORGANIZATION_MAX 64u /* RFC 5280, A.1: ub-organization-name */
#define INSTANCE_URI     "uri:urn:uuid:"

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

/* TS 33.310, 6.1.3c and annex J: the instance is a URI in subjectAltName; written once, it is among the names. */
static enum rc add_instance(const struct place *place, struct config_certificate *certificate)
{
	char uri[sizeof(INSTANCE_URI) + VALUE_UUID_LEN];

	snprintf(uri, sizeof(uri), "%s%s", INSTANCE_URI, certificate->nf_instance);
	for (unsigned i = 0; i < certificate->name_count; i++)
		if (strcmp(certificate->names[i], uri) == 0)
			return RC_OK;
	char **names = realloc(certificate->names, (certificate->name_count + 1u) * sizeof(char *));
	if (names)
		certificate->names = names;
	if (!names || !(names[certificate->name_count] = strdup(uri)))
		return err_set(place->err, RC_RESOURCE, "out of memory");
	certificate->name_count++;
	return RC_OK;
}

enum rc settings_nf(const struct place *place, struct schema_nf *texts, struct config_certificate *ret)
{
	if (!texts)
		return RC_OK;
	if (!texts->types && !texts->instance)
		return place_refuse(place, "nf", "nf", "write { types: [AMF], instance: UUID }");
	enum rc rc = read_types(place, texts, ret);
	if (rc != RC_OK || !texts->instance)
		return rc;
	if (!value_uuid(texts->instance))
		return place_refuse(place, "nf.instance", texts->instance,
				    "write a UUID, such as 4ace9d34-2c69-4f99-92d5-a73a3fe8e23b");
	/* TS 29.571, 5.3.2: sent in lower case. */
	for (char *at = texts->instance; *at; at++)
		*at = (char)tolower(*at);
	ret->nf_instance = TAKE(texts->instance);
	return add_instance(place, ret);
}
