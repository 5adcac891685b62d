/* settings.c -- understands authorities and certificates, and holds the whole configuration together; every refusal names its line. */
#include "settings.h"

#include <stdio.h>
#include <string.h>

#include "settings_account.h"
#include "settings_client.h"
#include "settings_profile.h"
#include "settings_read.h"
#include "values.h"

#define STATE_DEFAULT       "/var/lib/hwacme"
#define ORDERS_PER_HOUR_MAX 1000000u
#define PROFILE_MAX         63u /* characters of a name; Let's Encrypt's have 10 */

static enum rc read_key_type(const struct place *place, const char *option, const char *text, enum key_type *ret)
{
	char instead[160] = "write one of";

	*ret = key_type_parse(text);
	if (*ret != KEY_TYPE_COUNT)
		return RC_OK;
	for (int type = 0; type < KEY_TYPE_COUNT; type++) {
		size_t used = strlen(instead);

		snprintf(instead + used, sizeof(instead) - used, "%s %s", type ? "," : "", key_type_name((enum key_type)type));
	}
	return place_refuse(place, option, text, instead);
}

static enum rc read_algorithm(const struct place *place, const char *text, enum key_type type, enum jws_algorithm *ret)
{
	char instead[160];
	int used = snprintf(instead, sizeof(instead), "a key of type %s signs with", key_type_name(type));

	*ret = text ? jws_algorithm_parse(text) : JWS_BY_KEY_TYPE;
	if (!text || jws_algorithm_fits(*ret, type))
		return RC_OK;
	for (int i = JWS_BY_KEY_TYPE + 1; i < JWS_ALGORITHM_COUNT; i++)
		if (jws_algorithm_fits((enum jws_algorithm)i, type))
			used += snprintf(instead + used, sizeof(instead) - (size_t)used, " %s,",
					 jws_algorithm_name((enum jws_algorithm)i));
	snprintf(instead + used, sizeof(instead) - (size_t)used, " write one of these, or leave it out");
	return place_refuse(place, "account-key.algorithm", text, instead);
}

/* http: is refused when the authority is used, like any other address that cannot be trusted; here only nonsense is. */
static enum rc read_directory(const struct place *place, char **text, char **ret)
{
	if (!value_url(*text))
		return place_refuse_url(
			place, "directory", *text,
			"write the URL of the ACME directory, https://HOST/..., without blanks, user and password");
	*ret = TAKE(*text);
	return RC_OK;
}

/* Whether the CA has such a profile, it says itself (draft-ietf-acme-profiles, 3). */
static enum rc read_profile(const struct place *place, char **text, char **ret)
{
	if (*text && (!(*text)[0] || strlen(*text) > PROFILE_MAX || strpbrk(*text, " \t\r\n")))
		return place_refuse(place, "profile", *text,
				    "write one of the profiles that `hwacme check` shows, up to 63 characters");
	*ret = TAKE(*text);
	return RC_OK;
}

/* To the CA's operator: by an account of his, by a certificate in TLS. */
static enum rc read_who_we_are(const struct place *place, const struct schema_authority *texts, struct config_authority *ret)
{
	enum rc rc = settings_external(place, texts->external, &ret->external);

	return rc == RC_OK ? settings_client(place, "client-certificate", texts->client, &ret->client) : rc;
}

static enum rc read_limit(const struct place *place, const char *text, unsigned *ret)
{
	if (text && !value_count(text, 1, ORDERS_PER_HOUR_MAX, ret))
		return place_refuse(place, "orders-per-hour", text, "write a number from 1 to 1000000");
	return RC_OK;
}

static enum rc check_contact(const struct place *place, const struct schema_authority *texts)
{
	for (unsigned i = 0; i < texts->contact_count; i++)
		if (strncmp(texts->contact[i], "mailto:", 7) != 0)
			return place_refuse(place, "contact", texts->contact[i], "write mailto:ADDRESS");
	return RC_OK;
}

static enum rc read_authority(const struct place *place, struct schema_authority *texts, struct config_authority *ret)
{
	enum rc rc = read_name(place, &texts->name, &ret->name);

	ret->line = document_line(place->document, place->path);
	if (rc == RC_OK)
		rc = read_directory(place, &texts->directory, &ret->directory);
	if (rc == RC_OK)
		rc = read_path(place, "trust", &texts->trust, &ret->trust);
	if (rc == RC_OK)
		rc = read_path(place, "roots", &texts->roots, &ret->roots);
	if (rc == RC_OK)
		rc = read_profile(place, &texts->profile, &ret->profile);
	if (rc == RC_OK && texts->terms_agreed && !value_flag(texts->terms_agreed, &ret->terms_agreed))
		rc = place_refuse(place, "terms-agreed", texts->terms_agreed, "write true or false");
	if (rc == RC_OK)
		rc = read_key_type(place, "account-key.type", texts->account_key->type, &ret->account_key.type);
	if (rc == RC_OK)
		rc = read_algorithm(place, texts->account_key->algorithm, ret->account_key.type, &ret->account_algorithm);
	if (rc == RC_OK)
		rc = read_limit(place, texts->orders_per_hour, &ret->orders_per_hour);
	if (rc == RC_OK)
		rc = settings_certificate_profile(place, texts->certificate_profile, &ret->certificate_profile);
	if (rc != RC_OK)
		return rc;
	rc = check_contact(place, texts);
	if (rc == RC_OK)
		rc = read_who_we_are(place, texts, ret);
	if (rc != RC_OK)
		return rc;
	ret->account_key.token = TAKE(texts->account_key->token);
	ret->contact = TAKE(texts->contact);
	ret->contact_count = texts->contact_count;
	return RC_OK;
}

static enum rc read_rotate(const struct place *place, const char *text, struct config_certificate *ret)
{
	if (!text || strcmp(text, "always") == 0) {
		ret->rotate = ROTATE_ALWAYS;
	} else if (strcmp(text, "never") == 0) {
		ret->rotate = ROTATE_NEVER;
	} else {
		ret->rotate = ROTATE_AGE;
		if (!value_duration(text, &ret->rotate_age))
			return place_refuse(place, "key.rotate", text,
					    "write always, never, or the age of the key, such as 365d");
	}
	return RC_OK;
}

static enum rc read_certificate(const struct place *place, struct schema_certificate *texts, struct config_certificate *ret)
{
	enum rc rc = read_name(place, &texts->name, &ret->name);

	ret->line = document_line(place->document, place->path);
	ret->authority = TAKE(texts->authority);
	ret->fallback = TAKE(texts->fallback);
	ret->fallback_count = texts->fallback_count;
	ret->policy = TAKE(texts->policy);
	ret->key.token = TAKE(texts->key->token);
	if (rc == RC_OK)
		rc = read_key_type(place, "key.type", texts->key->type, &ret->key.type);
	if (rc == RC_OK)
		rc = read_rotate(place, texts->key->rotate, ret);
	if (rc == RC_OK)
		rc = read_profile(place, &texts->profile, &ret->profile);
	if (rc == RC_OK)
		rc = read_names(place, texts, ret);
	if (rc == RC_OK)
		rc = read_challenges(place, texts->challenge, ret);
	if (rc == RC_OK)
		rc = settings_nf(place, texts->nf, ret);
	if (rc == RC_OK)
		rc = read_outputs(place, texts->outputs, ret);
	if (rc == RC_OK)
		rc = read_objects(place, texts->objects, ret);
	if (rc == RC_OK)
		rc = read_deploy(place, texts->deploy, ret);
	if (rc == RC_OK)
		rc = read_probe(place, texts->probe, ret);
	return rc;
}

static enum rc make_lists(const struct schema_config *texts, struct config *config, struct err *err)
{
	config->tokens = calloc(texts->tokens_count + 1u, sizeof(*config->tokens));
	config->authorities = calloc(texts->authorities_count + 1u, sizeof(*config->authorities));
	config->policies = calloc(texts->policies_count + 1u, sizeof(*config->policies));
	config->certificates = calloc(texts->certificates_count + 1u, sizeof(*config->certificates));
	if (!config->tokens || !config->authorities || !config->policies || !config->certificates)
		return err_set(err, RC_RESOURCE, "out of memory");
	config->token_count = texts->tokens_count;
	config->authority_count = texts->authorities_count;
	config->policy_count = texts->policies_count;
	config->certificate_count = texts->certificates_count;
	return RC_OK;
}

/* Reads every entry of one list with the function that understands it. */
#define READ_EACH(kind, list, count, entries)                             \
	for (unsigned i = 0; rc == RC_OK && i < (count); i++) {           \
		struct place place = place_at(document, #list, i, err);   \
		rc = read_##kind(&place, &texts->list[i], &(entries)[i]); \
	}

/* It is written into what nginx, httpd and Envoy include, where these characters have a meaning. */
static enum rc read_state(const struct place *top, char **text, char **ret)
{
	for (const char *at = *text ? *text : ""; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f || strchr("\"'$%\\", *at))
			return place_refuse(top, "state", *text, "write a path without quotes, \"$\", \"%\" and \"\\\"");
	return read_path(top, "state", text, ret);
}

static enum rc read_metrics(const struct place *top, struct schema_metrics *texts, struct config *config)
{
	if (!texts)
		return RC_OK;
	if (!value_listen(texts->listen))
		return place_refuse(top, "metrics.listen", texts->listen, "write ADDRESS:PORT, such as 127.0.0.1:9642");
	config->metrics_listen = TAKE(texts->listen);
	return RC_OK;
}

static enum rc read_log(const struct place *top, const struct schema_log *texts, struct config *config)
{
	if (!texts || strcmp(texts->format, "text") == 0)
		return RC_OK;
	if (strcmp(texts->format, "json") != 0)
		return place_refuse(top, "log.format", texts->format, "write text, or json for one object a line");
	config->log_format = LOG_JSON;
	return RC_OK;
}

enum rc settings_read(const struct document *document, struct schema_config *texts, struct config *config, struct err *err)
{
	const struct place top = { .document = document, .err = err };
	enum rc rc = make_lists(texts, config, err);

	if (rc == RC_OK)
		rc = read_state(&top, &texts->state, &config->state);
	if (rc == RC_OK && !config->state && !(config->state = strdup(STATE_DEFAULT)))
		rc = err_set(err, RC_RESOURCE, "out of memory");
	if (rc == RC_OK)
		rc = read_metrics(&top, texts->metrics, config);
	if (rc == RC_OK)
		rc = read_log(&top, texts->log, config);
	READ_EACH(token, tokens, config->token_count, config->tokens)
	READ_EACH(authority, authorities, config->authority_count, config->authorities)
	READ_EACH(policy, policies, config->policy_count, config->policies)
	READ_EACH(certificate, certificates, config->certificate_count, config->certificates)
	return rc;
}

static enum rc check_certificate(const struct place *place, const struct config *config,
				 const struct config_certificate *certificate)
{
	enum rc rc = check_reference(place, "authority", certificate->authority,
				     config_authority_get(config, certificate->authority) != NULL, "authorities");

	for (unsigned i = 0; rc == RC_OK && i < certificate->fallback_count; i++) {
		const char *name = certificate->fallback[i];

		rc = check_reference(place, "fallback", name, config_authority_get(config, name) != NULL, "authorities");
		if (rc == RC_OK && strcmp(name, certificate->authority) == 0)
			rc = place_refuse(place, "fallback", name, "is the certificate's authority already; take it out");
	}
	if (rc == RC_OK && certificate->policy)
		rc = check_reference(place, "policy", certificate->policy, config_policy_get(config, certificate->policy) != NULL,
				     "policies");
	if (rc == RC_OK)
		rc = check_reference(place, "key.token", certificate->key.token,
				     config_token_get(config, certificate->key.token) != NULL, "tokens");
	for (unsigned i = 0; rc == RC_OK && i < certificate->challenge_count; i++)
		rc = settings_client_check(place, "challenge.tkauth-01.client-certificate", config,
					   &certificate->challenges[i].client);
	return rc;
}

/* The look-up by name finds the first of two: an entry that is not found as itself is a repetition. */
#define CHECK_UNIQUE(list, count, get)                                                                                \
	for (unsigned i = 0; i < (count); i++) {                                                                      \
		struct place place = place_at(document, #list, i, err);                                               \
		if (get(config, config->list[i].name) != &config->list[i])                                            \
			return place_refuse(&place, "name", config->list[i].name, "is used twice; names are unique"); \
	}

static int by_name(const void *left, const void *right)
{
	const struct config_certificate *const *one = left, *const *other = right;
	int order = strcmp((*one)->name, (*other)->name);

	return order ? order : (*one > *other) - (*one < *other);
}

/* There may be many: a look-up must not go through all of them, nor the search for names that are used twice. */
static enum rc certificates_sort(const struct document *document, struct config *config, struct err *err)
{
	config->by_name = calloc(config->certificate_count + 1u, sizeof(struct config_certificate *));
	if (!config->by_name)
		return err_set(err, RC_RESOURCE, "out of memory");
	for (unsigned i = 0; i < config->certificate_count; i++)
		config->by_name[i] = &config->certificates[i];
	qsort(config->by_name, config->certificate_count, sizeof(struct config_certificate *), by_name);
	for (unsigned i = 1; i < config->certificate_count; i++) {
		const struct config_certificate *second = config->by_name[i];
		struct place place = place_at(document, "certificates", (unsigned)(second - config->certificates), err);

		if (strcmp(config->by_name[i - 1]->name, second->name) == 0)
			return place_refuse(&place, "name", second->name, "is used twice; names are unique");
	}
	return RC_OK;
}

/* A hundred thousand certificates need no copies of three names. */
static void certificate_resolve(const struct config *config, struct config_certificate *certificate)
{
	const struct config_authority *authority = config_authority_get(config, certificate->authority);
	const struct config_policy *policy = certificate->policy ? config_policy_get(config, certificate->policy) : NULL;
	const struct config_token *token = config_token_get(config, certificate->key.token);

	free(certificate->authority);
	free(certificate->policy);
	free(certificate->key.token);
	certificate->authority = authority->name;
	certificate->policy = policy ? policy->name : NULL;
	certificate->key.token = token->name;
	certificate->is_resolved = true;
}

enum rc settings_check(const struct document *document, struct config *config, struct err *err)
{
	CHECK_UNIQUE(tokens, config->token_count, config_token_get)
	CHECK_UNIQUE(authorities, config->authority_count, config_authority_get)
	CHECK_UNIQUE(policies, config->policy_count, config_policy_get)
	enum rc sorted = certificates_sort(document, config, err);
	if (sorted != RC_OK)
		return sorted;
	for (unsigned i = 0; i < config->authority_count; i++) {
		struct place place = place_at(document, "authorities", i, err);
		const char *token = config->authorities[i].account_key.token;
		enum rc rc =
			check_reference(&place, "account-key.token", token, config_token_get(config, token) != NULL, "tokens");
		const char *external = config->authorities[i].external.token;

		if (rc == RC_OK && external)
			rc = check_reference(&place, "external-account.hmac.token", external,
					     config_token_get(config, external) != NULL, "tokens");
		if (rc == RC_OK)
			rc = settings_client_check(&place, "client-certificate", config, &config->authorities[i].client);
		if (rc != RC_OK)
			return rc;
	}
	for (unsigned i = 0; i < config->certificate_count; i++) {
		struct place place = place_at(document, "certificates", i, err);
		enum rc rc = check_certificate(&place, config, &config->certificates[i]);

		if (rc != RC_OK)
			return rc;
		certificate_resolve(config, &config->certificates[i]);
	}
	return check_objects(document, config, err);
}
