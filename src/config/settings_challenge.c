/* settings_challenge.c -- understands each challenge type's options; their order in the file is the order of preference. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settings_client.h"
#include "settings_read.h"
#include "values.h"

#define HOOK_TIMEOUT_DEFAULT INT64_C(60)
#define HOOK_TIMEOUT_MAX     INT64_C(600)
#define PROPAGATION_MAX      INT64_C(86400)

/* What a reader of one type works with. */
struct reading {
	const struct place *place;
	struct schema_challenge *texts;
	struct config_challenge *ret;
};

/* Refuses "challenge.TYPE.OPTION". */
static enum rc refuse(const struct reading *reading, const char *option, const char *text, const char *instead)
{
	char path[96];

	snprintf(path, sizeof(path), "challenge.%s%s%s", challenge_type_name(reading->ret->type), *option ? "." : "", option);
	return place_refuse(reading->place, path, text, instead);
}

static enum rc take_path(const struct reading *reading, const char *option, char **text, char **ret)
{
	char path[96];

	snprintf(path, sizeof(path), "challenge.%s.%s", challenge_type_name(reading->ret->type), option);
	return read_path(reading->place, path, text, ret);
}

static enum rc take_duration(const struct reading *reading, const char *option, const char *text, int64_t least, int64_t most,
			     const char *instead, int64_t *ret)
{
	char path[96];

	snprintf(path, sizeof(path), "challenge.%s.%s", challenge_type_name(reading->ret->type), option);
	enum rc rc = read_duration(reading->place, path, text, ret);
	if (rc == RC_OK && text && (*ret < least || *ret > most))
		return refuse(reading, option, text, instead);
	return rc;
}

static enum rc take_timeout(const struct reading *reading, const char *text)
{
	reading->ret->timeout = HOOK_TIMEOUT_DEFAULT;
	return take_duration(reading, "timeout", text, 1, HOOK_TIMEOUT_MAX, "write a duration from 1s to 10m",
			     &reading->ret->timeout);
}

static enum rc take_listen(const struct reading *reading, char **text)
{
	if (!value_listen(*text) && !value_systemd_socket(*text))
		return refuse(reading, "listen", *text,
			      "write ADDRESS:PORT, such as 0.0.0.0:80 or [::]:80, or systemd or systemd:NAME for a socket of a "
			      "systemd unit");
	reading->ret->listen = TAKE(*text);
	return RC_OK;
}

static enum rc take_command(const struct reading *reading, const char *option, char ***list, unsigned count)
{
	if ((*list)[0][0] != '/')
		return refuse(reading, option, (*list)[0], "write the absolute path of the program first");
	reading->ret->run = TAKE(*list);
	reading->ret->run_count = count;
	return RC_OK;
}

static enum rc read_http01(const struct reading *reading)
{
	struct schema_http01 *texts = reading->texts->http01;

	if ((texts->listen != NULL) == (texts->webroot != NULL))
		return refuse(reading, "", "http-01",
			      "write either { listen: \"0.0.0.0:80\" } or { webroot: /var/www/html }, the document root of a web "
			      "server");
	if (texts->webroot)
		return take_path(reading, "webroot", &texts->webroot, &reading->ret->webroot);
	return take_listen(reading, &texts->listen);
}

static enum rc read_tlsalpn01(const struct reading *reading)
{
	return take_listen(reading, &reading->texts->tlsalpn01->listen);
}

static enum rc read_hook(const struct reading *reading, struct schema_dns01 *texts)
{
	enum rc rc = take_command(reading, "hook", &texts->hook, texts->hook_count);

	if (rc == RC_OK)
		rc = take_timeout(reading, texts->timeout);
	if (rc == RC_OK)
		rc = take_duration(reading, "propagation", texts->propagation, 0, PROPAGATION_MAX,
				   "write a duration from 0s to 1d", &reading->ret->propagation);
	return rc;
}

static enum rc read_dns01(const struct reading *reading)
{
	return read_hook(reading, reading->texts->dns01);
}

static enum rc read_dnsaccount01(const struct reading *reading)
{
	return read_hook(reading, reading->texts->dnsaccount01);
}

static enum rc read_dnspersist01(const struct reading *reading)
{
	struct schema_dnspersist01 *texts = reading->texts->dnspersist01;
	struct identifier issuer = { .kind = IDENTIFIER_DNS, .value = texts->issuer };

	if (texts->issuer && (texts->issuer[0] == '*' || identifier_fault(&issuer)))
		return refuse(reading, "issuer", texts->issuer, "write the CA's issuer domain name, such as ca.example");
	reading->ret->issuer = TAKE(texts->issuer);
	return RC_OK;
}

/* A host name alone: what follows https:// up to the port. */
static bool is_host(const char *text)
{
	struct identifier host = { .kind = IDENTIFIER_DNS, .value = text };
	struct identifier address = { .kind = IDENTIFIER_IP, .value = text };

	return text[0] != '*' && (!identifier_fault(&host) || !identifier_fault(&address));
}

static enum rc read_token_authority(const struct reading *reading, struct schema_tkauth01 *texts)
{
	if (texts->authority && (strncmp(texts->authority, "https://", 8) != 0 || !value_url(texts->authority)))
		return place_refuse_url(reading->place, "challenge.tkauth-01.authority", texts->authority,
					"write the URL of the Token Authority, https://HOST/...");
	for (unsigned i = 0; i < texts->allow_count; i++)
		if (!is_host(texts->allow[i]))
			return refuse(reading, "allow", texts->allow[i], "write host names, without https:// and port");
	enum rc rc = take_path(reading, "trust", &texts->trust, &reading->ret->trust);
	if (rc == RC_OK)
		rc = settings_client(reading->place, "challenge.tkauth-01.client-certificate", texts->client,
				     &reading->ret->client);
	if (rc != RC_OK)
		return rc;
	reading->ret->authority = TAKE(texts->authority);
	reading->ret->allow = TAKE(texts->allow);
	reading->ret->allow_count = texts->allow_count;
	return RC_OK;
}

static enum rc read_tkauth01(const struct reading *reading)
{
	struct schema_tkauth01 *texts = reading->texts->tkauth01;
	bool is_online = texts->authority || texts->allow_count;

	if ((texts->token != NULL) + (texts->command != NULL) + is_online != 1)
		return refuse(
			reading, "", "tkauth-01",
			"write exactly one of { token: { file: PATH } }, { command: [/PATH, ...] }, and { authority: URL } or "
			"{ allow: [HOST] }");
	if (texts->client && !is_online)
		return refuse(reading, "client-certificate", "client-certificate",
			      "goes with authority: or allow: alone; take it out");
	enum rc rc = take_timeout(reading, texts->timeout);
	if (rc != RC_OK)
		return rc;
	if (texts->token)
		return take_path(reading, "token.file", &texts->token->file, &reading->ret->token_file);
	if (texts->command)
		return take_command(reading, "command", &texts->command, texts->command_count);
	return read_token_authority(reading, texts);
}

static enum rc (*const READERS[CHALLENGE_TYPE_COUNT])(const struct reading *reading) = {
	[CHALLENGE_HTTP_01] = read_http01,
	[CHALLENGE_TLS_ALPN_01] = read_tlsalpn01,
	[CHALLENGE_DNS_01] = read_dns01,
	[CHALLENGE_DNS_ACCOUNT_01] = read_dnsaccount01,
	[CHALLENGE_DNS_PERSIST_01] = read_dnspersist01,
	[CHALLENGE_TKAUTH_01] = read_tkauth01,
};

/* A name that needs none is pre-authorised; but a wildcard beside challenges that cannot prove it is a mistake. */
static enum rc check_wildcards(const struct place *place, const struct config_certificate *certificate)
{
	for (unsigned i = 0; i < certificate->name_count; i++) {
		struct identifier identifier;
		bool proved = !identifier_parse(certificate->names[i], &identifier) || !identifier_is_wildcard(&identifier);
		char option[32];

		for (unsigned n = 0; n < certificate->challenge_count && !proved; n++)
			proved = challenge_type_proves(certificate->challenges[n].type, IDENTIFIER_DNS, true);
		snprintf(option, sizeof(option), "names[%u]", i);
		if (!proved)
			return place_refuse(place, option, certificate->names[i],
					    "a wildcard needs dns-01, dns-account-01 or dns-persist-01 under challenge:");
	}
	return RC_OK;
}

enum rc read_challenges(const struct place *place, struct schema_challenge *texts, struct config_certificate *ret)
{
	int position[CHALLENGE_TYPE_COUNT];
	char path[DOCUMENT_PATH_MAX + 16];
	size_t given = 0;
	enum rc rc = RC_OK;

	if (!texts)
		return RC_OK;
	snprintf(path, sizeof(path), "%s.challenge", place->path);
	for (int type = 0; type < CHALLENGE_TYPE_COUNT; type++) {
		position[type] = document_position(place->document, path, challenge_type_name((enum challenge_type)type));
		given += position[type] >= 0;
	}
	ret->challenges = calloc(given ? given : 1, sizeof(*ret->challenges));
	if (!ret->challenges)
		return err_set(place->err, RC_RESOURCE, "out of memory");
	for (int at = 0; rc == RC_OK && at < CHALLENGE_TYPE_COUNT; at++)
		for (int type = 0; rc == RC_OK && type < CHALLENGE_TYPE_COUNT; type++) {
			if (position[type] != at)
				continue;
			struct config_challenge *challenge = &ret->challenges[ret->challenge_count++];
			challenge->type = (enum challenge_type)type;
			rc = READERS[type](&(struct reading){ place, texts, challenge });
		}
	if (rc == RC_OK && !ret->challenge_count)
		rc = place_refuse(place, "challenge", "challenge",
				  "write at least one, such as { http-01: { listen: \"0.0.0.0:80\" } }");
	return rc == RC_OK ? check_wildcards(place, ret) : rc;
}
