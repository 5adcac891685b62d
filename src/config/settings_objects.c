/* settings_objects.c -- understands `token-objects` of a certificate: what stands in the token beside its key, and under which label. */
#include <stdlib.h>
#include <string.h>

#include "settings_read.h"
#include "token.h"
#include "values.h"

enum rc read_objects(const struct place *place, struct schema_objects *texts, struct config_certificate *ret)
{
	struct config_objects *objects = &ret->objects;

	if (!texts)
		return RC_OK;
	objects->certificate = true;
	if (texts->certificate && !value_flag(texts->certificate, &objects->certificate))
		return place_refuse(place, "token-objects.certificate", texts->certificate, "write true or false");
	if (texts->chain && !value_flag(texts->chain, &objects->chain))
		return place_refuse(place, "token-objects.chain", texts->chain, "write true or false");
	if (objects->chain && !objects->certificate)
		return place_refuse(place, "token-objects.chain", texts->chain,
				    "stands beside the certificate only; write certificate: true too");
	if (texts->label &&
	    (!value_name(texts->label) || strncmp(texts->label, TOKEN_LABEL_PREFIX, strlen(TOKEN_LABEL_PREFIX)) == 0))
		return place_refuse(place, "token-objects.label", texts->label,
				    "write up to 63 letters, digits, \".\", \"_\" or \"-\", a letter or digit first, and not "
				    "hwacme- as other keys are called");
	if (!objects->certificate && !texts->label)
		return place_refuse(place, "token-objects", "token-objects",
				    "without a certificate and a label it asks for nothing; take it out");
	objects->label = TAKE(texts->label);
	if (objects->chain)
		ret->outputs.formats |= SET_FILE_BIT(SET_FILE_CHAIN);
	return RC_OK;
}

static bool is_equal(const char *left, const char *right)
{
	return left && right ? strcmp(left, right) == 0 : left == right;
}

/* Two entries may mean the same token. */
static bool is_same_token(const struct config *config, const char *left, const char *right)
{
	const struct config_token *one = config_token_get(config, left), *other = config_token_get(config, right);

	return one == other || (is_equal(one->module, other->module) && is_equal(one->token_label, other->token_label) &&
				is_equal(one->token_serial, other->token_serial) && is_equal(one->token_uri, other->token_uri));
}

static int by_label(const void *left, const void *right)
{
	const struct config_certificate *const *one = left, *const *other = right;
	int order = strcmp((*one)->objects.label, (*other)->objects.label);

	return order ? order : (*one > *other) - (*one < *other);
}

static enum rc check_token(const struct place *place, const struct config *config, const struct config_certificate *certificate)
{
	if (!config_token_get(config, certificate->key.token)->tcti)
		return RC_OK;
	return place_refuse(place, "token-objects", certificate->key.token,
			    "is a TPM, which keeps no certificates and labels; take token-objects out, or name a pkcs11 token");
}

/* Those with a label, sorted by it: only neighbours can want the same. */
static enum rc check_labels(const struct document *document, const struct config *config,
			    const struct config_certificate **labelled, unsigned count, struct err *err)
{
	qsort(labelled, count, sizeof(const struct config_certificate *), by_label);
	for (unsigned i = 1; i < count; i++)
		for (unsigned before = i; before-- && is_equal(labelled[before]->objects.label, labelled[i]->objects.label);) {
			struct place place =
				place_at(document, "certificates", (unsigned)(labelled[i] - config->certificates), err);

			if (is_same_token(config, labelled[before]->key.token, labelled[i]->key.token))
				return place_refuse(&place, "token-objects.label", labelled[i]->objects.label,
						    "another certificate has this label in the same token; write another");
		}
	return RC_OK;
}

enum rc check_objects(const struct document *document, const struct config *config, struct err *err)
{
	const struct config_certificate **labelled =
		calloc(config->certificate_count + 1u, sizeof(const struct config_certificate *));
	unsigned count = 0;
	enum rc rc = labelled ? RC_OK : err_set(err, RC_RESOURCE, "out of memory");

	for (unsigned i = 0; rc == RC_OK && i < config->certificate_count; i++) {
		const struct config_certificate *certificate = &config->certificates[i];

		if (!certificate->objects.certificate && !certificate->objects.label)
			continue;
		struct place place = place_at(document, "certificates", i, err);
		rc = check_token(&place, config, certificate);
		if (certificate->objects.label)
			labelled[count++] = certificate;
	}
	if (rc == RC_OK)
		rc = check_labels(document, config, labelled, count, err);
	free(labelled);
	return rc;
}
