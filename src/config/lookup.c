/* lookup.c -- finds entries of the configuration by name. */
#include <string.h>

#include "config.h"

/* What a policy does not say, and all of a certificate's that names none; durations in seconds. */
static const struct config_policy POLICY_DEFAULT = {
	.margin = 86400,
	.retire_after = 86400,
	.jitter_percent = 5,
	.keep = 1,
	.ari = true,
	.fallback_after = 3600,
	.boot_spread = 600, /* of ten thousand no second sees more than some thirty */
};

#define GET(list, count)                                                             \
	for (unsigned i = 0; i < config->count; i++)                                 \
		if (config->list[i].name && strcmp(config->list[i].name, name) == 0) \
			return &config->list[i];                                     \
	return NULL

const struct config_token *config_token_get(const struct config *config, const char *name)
{
	GET(tokens, token_count);
}

const struct config_secret *config_secret_at(const struct config *config, unsigned index)
{
	unsigned of_tokens = config->token_count * 3;

	if (index < of_tokens) {
		const struct config_token *token = &config->tokens[index / 3];
		const struct config_secret *const secrets[] = { &token->pin, &token->auth, &token->owner_auth };

		return secrets[index % 3];
	}
	return index - of_tokens < config->authority_count ? &config->authorities[index - of_tokens].external.hmac : NULL;
}

const struct config_authority *config_authority_get(const struct config *config, const char *name)
{
	GET(authorities, authority_count);
}

const struct config_policy *config_policy_get(const struct config *config, const char *name)
{
	if (!name)
		return &POLICY_DEFAULT;
	GET(policies, policy_count);
}

const struct config_challenge *config_challenge_get(const struct config_certificate *certificate, enum challenge_type type)
{
	for (unsigned i = 0; i < certificate->challenge_count; i++)
		if (certificate->challenges[i].type == type)
			return &certificate->challenges[i];
	return NULL;
}

bool config_is_authority_of(const struct config_certificate *certificate, const char *authority)
{
	bool is_it = strcmp(certificate->authority, authority) == 0;

	for (unsigned i = 0; i < certificate->fallback_count && !is_it; i++)
		is_it = strcmp(certificate->fallback[i], authority) == 0;
	return is_it;
}

const struct config_certificate *config_certificate_get(const struct config *config, const char *name)
{
	size_t least = 0, most = config->by_name ? config->certificate_count : 0;

	while (least < most) {
		size_t middle = least + (most - least) / 2;
		int order = strcmp(name, config->by_name[middle]->name);

		if (order == 0)
			return config->by_name[middle];
		if (order < 0)
			most = middle;
		else
			least = middle + 1;
	}
	return NULL;
}
