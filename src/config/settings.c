/* settings.c -- understands each option's text and refuses what is wrong with the line it stands on. */
#include "settings.h"

#include <stdio.h>
#include <string.h>

#include "settings_account.h"
#include "settings_profile.h"
#include "settings_read.h"
#include "values.h"

#define MARGIN_DEFAULT         INT64_C(86400)
#define RETIRE_AFTER_DEFAULT   INT64_C(86400)
#define JITTER_DEFAULT         5u
#define DEPLOY_TIMEOUT_DEFAULT INT64_C(30)
#define DEPLOY_TIMEOUT_MAX     INT64_C(3600)
#define STATE_DEFAULT          "/var/lib/hwacme"
#define PROFILE_MAX            63u /* characters of a name; Let's Encrypt's have 10 */
#define SESSIONS_MAX           64u /* of one token; the smallest HSMs have 16 */

static enum rc read_name(const struct place *place, char **text, char **ret)
{
	if (!value_name(*text))
		return place_refuse(place, "name", *text,
				    "write up to 63 letters, digits, \".\", \"_\" or \"-\", a letter or digit first");
	*ret = TAKE(*text);
	return RC_OK;
}

enum rc read_path(const struct place *place, const char *option, char **text, char **ret)
{
	if (!*text)
		return RC_OK;
	if ((*text)[0] != '/')
		return place_refuse(place, option, *text, "write an absolute path");
	*ret = TAKE(*text);
	return RC_OK;
}

enum rc read_duration(const struct place *place, const char *option, const char *text, int64_t *ret)
{
	if (!text || value_duration(text, ret))
		return RC_OK;
	if (text[0] && text[strlen(text) - 1] == 'w')
		return place_refuse(place, option, text, "weeks are not used here; write days or hours, such as 14d or 336h");
	return place_refuse(place, option, text, "write a duration such as 90s, 10m, 336h or 14d");
}

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
		return place_refuse(place, "pkcs11.uri", texts->uri, "write either \"uri\" or \"token\" and \"serial\"");
	if (texts->uri && strncmp(texts->uri, "pkcs11:", 7) != 0)
		return place_refuse(place, "pkcs11.uri", texts->uri,
				    "write a PKCS#11 URI such as pkcs11:token=nf-appliance;serial=17");
	/* Not shown: it may hold a PIN. */
	if (texts->uri && strstr(texts->uri, "pin-"))
		return place_refuse(place, "pkcs11.uri", "pin-value, pin-source",
				    "take it out; write pin: { file: PATH } beside \"uri\"");
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
	if (!is_length(texts->token, 32) || !is_length(texts->serial, 16))
		return place_refuse(place, texts->token ? "pkcs11.token" : "pkcs11.serial",
				    texts->token ? texts->token : texts->serial,
				    "a label has 1 to 32 bytes, a serial number 1 to 16; `pkcs11-tool -L` shows them");
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

static enum rc read_token(const struct place *place, struct schema_token *texts, struct config_token *ret)
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

/* http: is refused when the authority is used, like any other address that cannot be trusted; here only nonsense is. */
static enum rc read_directory(const struct place *place, char **text, char **ret)
{
	if (strncmp(*text, "https://", 8) != 0 && strncmp(*text, "http://", 7) != 0)
		return place_refuse(place, "directory", *text, "write the URL of the ACME directory, https://HOST/...");
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
		rc = settings_certificate_profile(place, texts->certificate_profile, &ret->certificate_profile);
	if (rc != RC_OK)
		return rc;
	for (unsigned i = 0; i < texts->contact_count; i++)
		if (strncmp(texts->contact[i], "mailto:", 7) != 0)
			return place_refuse(place, "contact", texts->contact[i], "write mailto:ADDRESS");
	rc = settings_external(place, texts->external, &ret->external);
	if (rc != RC_OK)
		return rc;
	ret->account_key.token = TAKE(texts->account_key->token);
	ret->contact = TAKE(texts->contact);
	ret->contact_count = texts->contact_count;
	return RC_OK;
}

static void policy_defaults(struct config_policy *policy)
{
	policy->margin = MARGIN_DEFAULT;
	policy->retire_after = RETIRE_AFTER_DEFAULT;
	policy->jitter_percent = JITTER_DEFAULT;
	policy->ari = true;
}

/* Within its bounds, or not given. */
static bool is_percent(const char *text, unsigned least, unsigned most, unsigned *ret)
{
	return !text || (value_percent(text, ret) && *ret >= least && *ret <= most);
}

static enum rc read_windows(const struct place *place, const struct schema_policy *texts, struct config_policy *ret)
{
	if (!texts->windows_count)
		return RC_OK;
	ret->windows = calloc(texts->windows_count, sizeof(*ret->windows));
	if (!ret->windows)
		return err_set(place->err, RC_RESOURCE, "out of memory");
	for (unsigned i = 0; i < texts->windows_count; i++) {
		const char *fault = window_parse(texts->windows[i], &ret->windows[i]);

		if (fault)
			return place_refuse(place, "windows", texts->windows[i], fault);
		ret->window_count++;
	}
	return RC_OK;
}

static enum rc read_policy(const struct place *place, struct schema_policy *texts, struct config_policy *ret)
{
	enum rc rc = read_name(place, &texts->name, &ret->name);

	ret->line = document_line(place->document, place->path);
	policy_defaults(ret);
	if (rc == RC_OK && !is_percent(texts->renew_after, 1, 99, &ret->renew_after_percent))
		rc = place_refuse(place, "renew-after", texts->renew_after, "write a part of the lifetime from 1% to 99%");
	if (rc == RC_OK && !is_percent(texts->jitter, 0, 50, &ret->jitter_percent))
		rc = place_refuse(place, "jitter", texts->jitter, "write a percentage from 0% to 50%");
	const struct {
		const char *option, *text;
		int64_t *ret;
	} durations[] = {
		{ "renew-before", texts->renew_before, &ret->renew_before },
		{ "preauthorized", texts->preauthorized, &ret->preauthorized },
		{ "margin", texts->margin, &ret->margin },
		{ "wait", texts->wait, &ret->wait },
		{ "retire-after", texts->retire_after, &ret->retire_after },
	};
	for (size_t i = 0; rc == RC_OK && i < sizeof(durations) / sizeof(durations[0]); i++)
		rc = read_duration(place, durations[i].option, durations[i].text, durations[i].ret);
	if (rc == RC_OK && texts->ari && !value_flag(texts->ari, &ret->ari))
		rc = place_refuse(place, "ari", texts->ari, "write true or false");
	if (rc == RC_OK)
		rc = read_windows(place, texts, ret);
	if (rc == RC_OK && ret->preauthorized && ret->margin >= ret->preauthorized)
		rc = place_refuse(place, "preauthorized", texts->preauthorized,
				  "the interval is not longer than \"margin\" (24h when not given); write a shorter margin");
	return rc;
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

static enum rc read_deploy(const struct place *place, struct schema_deploy *texts, struct config_certificate *ret)
{
	ret->deploy_timeout = DEPLOY_TIMEOUT_DEFAULT;
	if (!texts)
		return RC_OK;
	enum rc rc = read_duration(place, "deploy.timeout", texts->timeout, &ret->deploy_timeout);
	if (rc != RC_OK)
		return rc;
	if (ret->deploy_timeout < 1 || ret->deploy_timeout > DEPLOY_TIMEOUT_MAX)
		return place_refuse(place, "deploy.timeout", texts->timeout, "write a duration from 1s to 1h");
	ret->deploy_run = TAKE(texts->run);
	ret->deploy_run_count = texts->run_count;
	return RC_OK;
}

static enum rc read_certificate(const struct place *place, struct schema_certificate *texts, struct config_certificate *ret)
{
	enum rc rc = read_name(place, &texts->name, &ret->name);

	ret->line = document_line(place->document, place->path);
	ret->authority = TAKE(texts->authority);
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
		rc = read_deploy(place, texts->deploy, ret);
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

static enum rc read_metrics(const struct place *top, struct schema_metrics *texts, struct config *config)
{
	if (!texts)
		return RC_OK;
	if (!value_listen(texts->listen))
		return place_refuse(top, "metrics.listen", texts->listen, "write ADDRESS:PORT, such as 127.0.0.1:9642");
	config->metrics_listen = TAKE(texts->listen);
	return RC_OK;
}

enum rc settings_read(const struct document *document, struct schema_config *texts, struct config *config, struct err *err)
{
	const struct place top = { .document = document, .err = err };
	enum rc rc = make_lists(texts, config, err);

	if (rc == RC_OK)
		rc = read_path(&top, "state", &texts->state, &config->state);
	if (rc == RC_OK && !config->state && !(config->state = strdup(STATE_DEFAULT)))
		rc = err_set(err, RC_RESOURCE, "out of memory");
	if (rc == RC_OK)
		rc = read_metrics(&top, texts->metrics, config);
	READ_EACH(token, tokens, config->token_count, config->tokens)
	READ_EACH(authority, authorities, config->authority_count, config->authorities)
	READ_EACH(policy, policies, config->policy_count, config->policies)
	READ_EACH(certificate, certificates, config->certificate_count, config->certificates)
	return rc;
}

static enum rc check_reference(const struct place *place, const char *option, const char *name, bool is_there, const char *list)
{
	char instead[96];

	if (is_there)
		return RC_OK;
	snprintf(instead, sizeof(instead), "there is no such entry under \"%s\"; write one of their names, or add it", list);
	return place_refuse(place, option, name, instead);
}

static enum rc check_certificate(const struct place *place, const struct config *config,
				 const struct config_certificate *certificate)
{
	enum rc rc = check_reference(place, "authority", certificate->authority,
				     config_authority_get(config, certificate->authority) != NULL, "authorities");

	if (rc == RC_OK && certificate->policy)
		rc = check_reference(place, "policy", certificate->policy, config_policy_get(config, certificate->policy) != NULL,
				     "policies");
	if (rc == RC_OK)
		rc = check_reference(place, "key.token", certificate->key.token,
				     config_token_get(config, certificate->key.token) != NULL, "tokens");
	return rc;
}

/* The look-up by name finds the first of two: an entry that is not found as itself is a repetition. */
#define CHECK_UNIQUE(list, count, get)                                                                                \
	for (unsigned i = 0; i < (count); i++) {                                                                      \
		struct place place = place_at(document, #list, i, err);                                               \
		if (get(config, config->list[i].name) != &config->list[i])                                            \
			return place_refuse(&place, "name", config->list[i].name, "is used twice; names are unique"); \
	}

enum rc settings_check(const struct document *document, const struct config *config, struct err *err)
{
	CHECK_UNIQUE(tokens, config->token_count, config_token_get)
	CHECK_UNIQUE(authorities, config->authority_count, config_authority_get)
	CHECK_UNIQUE(policies, config->policy_count, config_policy_get)
	CHECK_UNIQUE(certificates, config->certificate_count, config_certificate_get)
	for (unsigned i = 0; i < config->authority_count; i++) {
		struct place place = place_at(document, "authorities", i, err);
		const char *token = config->authorities[i].account_key.token;
		enum rc rc =
			check_reference(&place, "account-key.token", token, config_token_get(config, token) != NULL, "tokens");
		const char *external = config->authorities[i].external.token;

		if (rc == RC_OK && external)
			rc = check_reference(&place, "external-account.hmac.token", external,
					     config_token_get(config, external) != NULL, "tokens");

		if (rc != RC_OK)
			return rc;
	}
	for (unsigned i = 0; i < config->certificate_count; i++) {
		struct place place = place_at(document, "certificates", i, err);
		enum rc rc = check_certificate(&place, config, &config->certificates[i]);

		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}
