/* settings_client.c -- reads who we are in TLS: a certificate of this file, or one that the operator made, with its key in a token. */
#include "settings_client.h"

#include <stdio.h>
#include <string.h>

#include "settings_read.h"
#include "values.h"

#define OPTION_MAX 96

static enum rc refuse(const struct place *place, const char *option, const char *part, const char *text, const char *instead)
{
	char path[OPTION_MAX];

	snprintf(path, sizeof(path), "%s%s", option, part);
	return place_refuse(place, path, text, instead);
}

enum rc settings_client(const struct place *place, const char *option, struct schema_client *texts, struct config_client *ret)
{
	char path[OPTION_MAX];

	if (!texts)
		return RC_OK;
	if ((!texts->certificate && !texts->file) || (texts->file != NULL) != (texts->token != NULL) ||
	    (texts->token != NULL) != (texts->label != NULL))
		return refuse(place, option, "", "client-certificate",
			      "write { certificate: NAME }, one of this file; { file: PATH, token: NAME, label: LABEL }, a chain "
			      "and the "
			      "key in a token that an operator made; or both: the second until the first is issued");
	/* A label is a file's name where the token is a TPM. */
	if (texts->label && !value_name(texts->label))
		return refuse(
			place, option, ".label", texts->label,
			"write the label of the key in the token: up to 63 letters, digits, \".\", \"_\" or \"-\", a letter "
			"or digit first");
	snprintf(path, sizeof(path), "%s.file", option);
	enum rc rc = read_path(place, path, &texts->file, &ret->file);
	ret->certificate = TAKE(texts->certificate);
	ret->token = TAKE(texts->token);
	ret->label = TAKE(texts->label);
	return rc;
}

enum rc settings_client_check(const struct place *place, const char *option, const struct config *config,
			      const struct config_client *client)
{
	const struct config_certificate *certificate =
		client->certificate ? config_certificate_get(config, client->certificate) : NULL;
	char path[OPTION_MAX];
	enum rc rc = RC_OK;

	snprintf(path, sizeof(path), "%s.certificate", option);
	if (client->certificate)
		rc = check_reference(place, path, client->certificate, certificate != NULL, "certificates");
	if (rc == RC_OK && certificate && key_type_family(certificate->key.type) == FAMILY_ED25519)
		rc = place_refuse(
			place, path, client->certificate,
			"its key is ed25519, which is not used for TLS here; choose a certificate with an EC or RSA key");
	snprintf(path, sizeof(path), "%s.token", option);
	if (rc == RC_OK && client->token)
		rc = check_reference(place, path, client->token, config_token_get(config, client->token) != NULL, "tokens");
	return rc;
}
