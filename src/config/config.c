/* config.c -- loads hwacme.yaml whole or not at all. */
#include "config.h"

#include <malloc.h>
#include <string.h>

#include "document.h"
#include "filling.h"
#include "schema.h"
#include "settings.h"

#define SORTING_FROM  1000   /* certificates: of fewer there is nothing to speak of */
#define SORTING_CALLS 64     /* of malloc(), which sorts 10,000 pieces each time: enough for 100,000 certificates */
#define SORTING_SIZE  100000 /* bytes: not among the sizes that are kept apart, and not mapped by itself */

static void texts_free(struct schema_config *texts)
{
	filling_free(&schema_root, texts);
}
AUTO_DEFINE(texts, struct schema_config *, texts_free);

static enum rc load(const char *path, struct config **ret_config, struct err *err)
{
	AUTO(document) struct document *document = NULL;
	AUTO(texts) struct schema_config *texts = NULL;
	AUTO(config) struct config *config = calloc(1, sizeof(*config));
	void *filled = NULL;

	if (!config || !(config->path = strdup(path)))
		return err_set(err, RC_RESOURCE, "out of memory");
	enum rc rc = document_load(path, &document, err);
	if (rc == RC_OK)
		rc = filling_make(document, &schema_root, schema_later, &filled, err);
	if (rc != RC_OK)
		return rc;
	texts = filled;
	rc = settings_read(document, texts, config, err);
	if (rc == RC_OK)
		rc = settings_check(document, config, err);
	if (rc == RC_OK)
		*ret_config = TAKE(config);
	return rc;
}

/*
 * What was read is several times as large as what was understood, and a daemon keeps this for years.  What is free between what stays
 * is still unsorted: the next large malloc() would sort it, and write into nearly every page; of processes that were
 * forked meanwhile each would have a copy of these pages instead of all one.
 */
static void memory_return(const struct config *config)
{
	malloc_trim(0);
	for (unsigned i = 0; config && config->certificate_count > SORTING_FROM && i < SORTING_CALLS; i++) {
		void *volatile large = malloc(SORTING_SIZE);

		free(large);
	}
}

enum rc config_load(const char *path, struct config **ret_config, struct err *err)
{
	enum rc rc = load(path, ret_config, err);

	memory_return(rc == RC_OK ? *ret_config : NULL);
	return rc;
}

static void list_free(char **list, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		free(list[i]);
	free(list);
}

static void token_free(struct config_token *token)
{
	free(token->name);
	free(token->module);
	free(token->token_label);
	free(token->token_serial);
	free(token->token_uri);
	free(token->init_args);
	free(token->pin.where);
	free(token->tcti);
	free(token->auth.where);
	free(token->owner_auth.where);
}

static void client_free(struct config_client *client)
{
	free(client->certificate);
	free(client->file);
	free(client->token);
	free(client->label);
}

static void authority_free(struct config_authority *authority)
{
	free(authority->name);
	free(authority->directory);
	free(authority->trust);
	free(authority->roots);
	free(authority->profile);
	free(authority->account_key.token);
	free(authority->external.kid);
	free(authority->external.hmac.where);
	free(authority->external.token);
	free(authority->external.label);
	free(authority->certificate_profile.country);
	free(authority->certificate_profile.organization);
	client_free(&authority->client);
	list_free(authority->contact, authority->contact_count);
}

static void challenge_free(struct config_challenge *challenge)
{
	free(challenge->listen);
	free(challenge->webroot);
	list_free(challenge->run, challenge->run_count);
	free(challenge->issuer);
	free(challenge->token_file);
	free(challenge->authority);
	free(challenge->trust);
	list_free(challenge->allow, challenge->allow_count);
	client_free(&challenge->client);
}

static void certificate_free(struct config_certificate *certificate)
{
	free(certificate->name);
	if (!certificate->is_resolved) {
		free(certificate->authority);
		free(certificate->policy);
		free(certificate->key.token);
	}
	free(certificate->profile);
	for (unsigned i = 0; i < certificate->challenge_count; i++)
		challenge_free(&certificate->challenges[i]);
	free(certificate->challenges);
	free(certificate->nf_instance);
	list_free(certificate->fallback, certificate->fallback_count);
	list_free(certificate->names, certificate->name_count);
	list_free(certificate->nf_types, certificate->nf_type_count);
	list_free(certificate->deploy_run, certificate->deploy_run_count);
	free(certificate->deploy_user);
	free(certificate->objects.label);
	free(certificate->probe.connect);
	free(certificate->probe.server_name);
	list_free(certificate->probe.run, certificate->probe.run_count);
	free(certificate->probe.user);
}

static void policy_clear(struct config_policy *policy)
{
	free(policy->name);
	for (unsigned i = 0; i < policy->window_count; i++)
		window_clear(&policy->windows[i]);
	free(policy->windows);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (unsigned i = 0; i < config->token_count; i++)
		token_free(&config->tokens[i]);
	for (unsigned i = 0; i < config->authority_count; i++)
		authority_free(&config->authorities[i]);
	for (unsigned i = 0; i < config->policy_count; i++)
		policy_clear(&config->policies[i]);
	for (unsigned i = 0; i < config->certificate_count; i++)
		certificate_free(&config->certificates[i]);
	free(config->tokens);
	free(config->authorities);
	free(config->policies);
	free(config->certificates);
	free(config->by_name);
	free(config->state);
	free(config->metrics_listen);
	free(config->path);
	free(config);
	malloc_trim(0);
}
