/* settings_token.c -- understands an entry of `tokens:`, PKCS#11 or TPM, and where its secrets are read from. */
#include <stdio.h>
#include <string.h>

#include "token_uri.h"
#include "settings_read.h"
#include "values.h"

#define SESSIONS_MAX 64u /* of one token; the smallest HSMs have 16 */

static enum rc read_secret(const struct place *place, const char *option, struct schema_secret *texts, struct config_secret *ret)
{
	char file[64];

	if (!texts)
		return RC_OK;
	if ((texts->file != NULL) + (texts->credential != NULL) + (texts->env != NULL) != 1)
		return place_refuse(place, option, strchr(option, '.') + 1,
				    "write exactly one of { file: PATH }, { credential: NAME }, { env: NAME }");
	if (texts->file) {
		ret->source = SECRET_FILE;
		snprintf(file, sizeof(file), "%s.file", option);
		return read_path(place, file, &texts->file, &ret->where);
	}
	ret->source = texts->credential ? SECRET_CREDENTIAL : SECRET_ENV;
	ret->where = texts->credential ? TAKE(texts->credential) : TAKE(texts->env);
	return RC_OK;
}

/* By label, serial, both, or a URI; never by slot, because slot numbers change. */
static enum rc check_pkcs11_choice(const struct place *place, const struct schema_pkcs11 *texts)
{
	if (!texts->token && !texts->serial && !texts->uri)
		return place_refuse(place, "pkcs11", "pkcs11",
				    "write which token: token: LABEL, serial: NUMBER or uri: \"pkcs11:...\"");
	if (texts->uri && (texts->token || texts->serial))
		return place_refuse(place, "pkcs11.uri", "pkcs11:...", "write either \"uri\" or \"token\" and \"serial\"");
	const char *fault = texts->uri ? token_uri_fault(texts->uri) : NULL;
	if (fault)
		return place_refuse(place, "pkcs11.uri", "pkcs11:...", fault);
	return RC_OK;
}

static bool is_length(const char *text, size_t most)
{
	return !text || (text[0] && strlen(text) <= most);
}

static enum rc read_pkcs11_token(const struct place *place, struct schema_pkcs11 *texts, struct config_token *ret)
{
	enum rc rc = check_pkcs11_choice(place, texts);

	if (rc != RC_OK)
		return rc;
	if (!texts->module && !(texts->uri && strstr(texts->uri, "module-path=")))
		return place_refuse(place, "pkcs11", "pkcs11", "write module: PATH, the module's library");
	if (!is_length(texts->token, 32))
		return place_refuse(place, "pkcs11.token", texts->token, "a label has 1 to 32 bytes; `pkcs11-tool -L` shows it");
	if (!is_length(texts->serial, 16))
		return place_refuse(place, "pkcs11.serial", texts->serial,
				    "a serial number has 1 to 16 bytes; `pkcs11-tool -L` shows it");
	ret->token_label = TAKE(texts->token);
	ret->token_serial = TAKE(texts->serial);
	ret->token_uri = TAKE(texts->uri);
	return RC_OK;
}

static enum rc read_pkcs11(const struct place *place, struct schema_pkcs11 *texts, struct config_token *ret)
{
	enum rc rc = read_pkcs11_token(place, texts, ret);

	if (rc == RC_OK)
		rc = read_path(place, "pkcs11.module", &texts->module, &ret->module);
	if (rc == RC_OK && texts->sessions && !value_count(texts->sessions, 1, SESSIONS_MAX, &ret->sessions))
		rc = place_refuse(place, "pkcs11.sessions", texts->sessions, "write a number from 1 to 64");
	if (rc == RC_OK && texts->network && !value_flag(texts->network, &ret->network))
		rc = place_refuse(place, "pkcs11.network", texts->network, "write true or false");
	if (rc == RC_OK && texts->accept_wrapping && !value_flag(texts->accept_wrapping, &ret->accept_wrapping))
		rc = place_refuse(place, "pkcs11.accept-wrapping", texts->accept_wrapping, "write true or false");
	if (rc == RC_OK)
		rc = read_secret(place, "pkcs11.pin", texts->pin, &ret->pin);
	ret->init_args = TAKE(texts->init_args);
	return rc;
}

static enum rc read_tpm2(const struct place *place, struct schema_tpm2 *texts, struct config_token *ret)
{
	ret->tcti = TAKE(texts->tcti);
	if (!strchr(ret->tcti, ':') && strcmp(ret->tcti, "tabrmd") != 0)
		return place_refuse(place, "tpm2.tcti", ret->tcti,
				    "write a TCTI string such as device:/dev/tpmrm0 or swtpm:host=127.0.0.1,port=2321");
	if (texts->parent && !value_persistent_handle(texts->parent, &ret->parent))
		return place_refuse(place, "tpm2.parent", texts->parent,
				    "write the persistent handle of a storage key, from 0x81000000 to 0x81ffffff");
	if (texts->pcrs && !value_pcrs(texts->pcrs, &ret->pcrs))
		return place_refuse(
			place, "tpm2.pcrs", texts->pcrs,
			"write one bank of sha256, sha384 or sha512 and its registers from 0 to 23, such as sha256:0,7");
	if (texts->keep_loaded && !value_flag(texts->keep_loaded, &ret->keep_loaded))
		return place_refuse(place, "tpm2.keep-loaded", texts->keep_loaded, "write true or false");
	/* /dev/tpm0 is the TPM itself: a key left loaded there takes one of three places from everybody. */
	if (ret->keep_loaded && strncmp(ret->tcti, "device:/dev/tpm", 15) == 0 && strncmp(ret->tcti + 15, "rm", 2) != 0)
		return place_refuse(place, "tpm2.keep-loaded", texts->keep_loaded,
				    "needs a resource manager; write tcti: \"device:/dev/tpmrm0\"");
	enum rc rc = read_secret(place, "tpm2.auth", texts->auth, &ret->auth);
	return rc == RC_OK ? read_secret(place, "tpm2.owner-auth", texts->owner_auth, &ret->owner_auth) : rc;
}

enum rc read_token(const struct place *place, struct schema_token *texts, struct config_token *ret)
{
	enum rc rc = read_name(place, &texts->name, &ret->name);

	ret->line = document_line(place->document, place->path);
	if (rc != RC_OK)
		return rc;
	if ((texts->pkcs11 != NULL) == (texts->tpm2 != NULL))
		return place_refuse(place, "name", ret->name,
				    "write exactly one of \"pkcs11: { module, token, pin }\" and \"tpm2: { tcti }\"");
	return texts->tpm2 ? read_tpm2(place, texts->tpm2, ret) : read_pkcs11(place, texts->pkcs11, ret);
}
