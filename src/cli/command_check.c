/* command_check.c -- `hwacme check`: tries everything a renewal will need, and changes nothing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "authority.h"
#include "certificate_profile.h"
#include "check.h"
#include "client.h"
#include "connection.h"
#include "dnspersist01.h"
#include "log.h"
#include "progress.h"
#include "roots.h"
#include "sandbox.h"

#define WARNING_TEXT 1024

/* Where a warning belongs, and which ones were told of the certificate at its own authority. */
struct warning_place {
	struct check *check;
	const char *name;
	const char *fallback; /* NULL: its own authority */
	struct buf told;
	unsigned count;
};

void check_report(struct check *check, const char *what, const char *name, enum exit_status if_bad, const struct err *bad,
		  const char *good)
{
	const char *text = bad ? bad->text : good;

	if (bad)
		check->status = exit_first(check->status, if_bad);
	output_row(check->rows, json_pack("{s:s, s:o, s:b, s:o}", "check", what, "name", output_string(name), "ok", bad == NULL,
					  "text", output_string(text)));
	if (!check->line->json)
		printf("%-4s %-9s %s: %s\n", bad ? "BAD" : "ok", what, name, text);
}

static void check_tokens(struct check *check)
{
	for (unsigned i = 0; i < check->config->token_count; i++) {
		const char *name = check->config->tokens[i].name;
		struct token *token;
		struct token_info info;
		struct err err = { 0 };
		char text[256];
		enum rc rc = keyring_token(check->keyring, name, &token, &err);

		if (rc == RC_OK)
			rc = token_info(token, &info, &err);
		snprintf(text, sizeof(text), "%s %s, PIN %s", rc == RC_OK ? info.manufacturer : "", rc == RC_OK ? info.model : "",
			 rc == RC_OK ? info.pin_state : "");
		check_report(check, "token", name, EXIT_TOKEN, rc == RC_OK ? NULL : &err, text);
	}
}

static void check_custody(struct check *check)
{
	for (unsigned i = 0; check->store && i < check->config->certificate_count; i++) {
		const char *name = check->config->certificates[i].name;
		AUTO(token_key) struct token_key *key = NULL;
		struct store_certificate record;
		struct token_custody custody = { 0 };
		struct err err = { 0 };

		if (store_certificate_load(check->store, name, &record, NULL) != RC_OK || !record.generation)
			continue;
		enum rc rc = keyring_find(check->keyring, &record.live_key, &key, &err);
		if (rc == RC_ABSENT)
			rc = err_wrap(&err, rc, "its key (if it is lost for good: `hwacme renew --force %s`)", name);
		else if (rc == RC_OK)
			rc = token_custody(key, &custody, &err);
		check_report(check, "custody", name, EXIT_TOKEN, rc == RC_OK ? NULL : &err, custody.text);
	}
}

/* An account that was given up, or whose key is lost, ends every renewal. */
static void check_accounts(struct check *check)
{
	for (unsigned i = 0; check->store && i < check->config->authority_count; i++) {
		const struct config_authority *authority = &check->config->authorities[i];
		struct store_account account;
		struct token_custody custody = { 0 };
		struct err err = { 0 };

		/* Whose key it is while it moves to another, only the CA knows. */
		if (store_account_load(check->store, authority->name, &account, NULL) != RC_OK || !account.created_at ||
		    account.next_key.token[0])
			continue;
		enum rc rc = authority_account_try(check->keyring, authority, &account, &custody, &err);
		check_report(check, "account", authority->name, rc == RC_INPUT ? EXIT_USAGE : EXIT_TOKEN,
			     rc == RC_OK ? NULL : &err, custody.text);
	}
}

/* Profiles that are ordered and that the CA does not have: the authority's, and those of its certificates. */
static enum rc check_ordered_profiles(const struct check *check, const struct config_authority *authority, struct client *client,
				      struct err *err)
{
	enum rc rc = authority->profile ? client_profile_check(client, authority->profile, err) : RC_OK;

	for (unsigned i = 0; i < check->config->certificate_count && rc == RC_OK; i++) {
		const struct config_certificate *certificate = &check->config->certificates[i];

		if (!certificate->profile || !config_is_authority_of(certificate, authority->name))
			continue;
		rc = client_profile_check(client, certificate->profile, err);
		if (rc != RC_OK)
			return err_wrap(err, rc, "certificate \"%s\"", certificate->name);
	}
	return rc;
}

static struct connection_desk connections(const struct check *check)
{
	return (struct connection_desk){ check->config, check->store, check->keyring };
}

/* What cannot even be shown to it is not the authority's failure. */
static enum exit_status connection_failure(const struct err *err)
{
	return err_is_token(err) ? EXIT_TOKEN : err->rc == RC_INPUT && err->origin != ERR_CURL ? EXIT_USAGE : EXIT_AUTHORITY;
}

/* What the first renewal would end with, where there is no account yet; later neither terms nor a binding is asked for any more. */
static void check_registration(struct check *check, const struct config_authority *authority, struct client *client)
{
	struct store_account account = { .url = "" };
	struct err err = { 0 };
	const char *url;

	if (check->store && store_account_load(check->store, authority->name, &account, NULL) == RC_OK && account.created_at &&
	    !account.is_deactivated)
		return;
	enum rc rc = client_url(client, CLIENT_NEW_ACCOUNT, &url, &err);
	if (rc == RC_OK)
		rc = account_may_register(client, authority, &err);
	if (rc == RC_OK)
		rc = authority_binding_try(check->keyring, authority, url, &err);
	if (rc != RC_OK)
		check_report(check, "account", authority->name, err.origin == ERR_PKCS11 ? EXIT_TOKEN : EXIT_USAGE, &err, "");
}

static void check_authorities(struct check *check)
{
	for (unsigned i = 0; i < check->config->authority_count; i++) {
		const struct config_authority *authority = &check->config->authorities[i];
		AUTO(http) struct http *http = NULL;
		AUTO(client) struct client *client = NULL;
		const struct connection_desk desk = connections(check);
		const char *url = "", *unused;
		char text[HTTP_URL_MAX + 1024], profiles[384] = "", shown[HTTP_CREDENTIAL_NAME_MAX + 64];
		struct err err = { 0 };
		enum rc rc = connection_open(&desk, authority->trust, &authority->client, &http, &err);

		/* The directory is read without a signature: no account key is needed. */
		if (rc == RC_OK)
			rc = client_new(http, NULL, authority->directory, &client, &err);
		if (rc == RC_OK)
			rc = client_url(client, CLIENT_NEW_ORDER, &url, &err);
		if (rc == RC_OK)
			client_profiles_print(client, profiles, sizeof(profiles));
		bool has_ari = rc == RC_OK && client_url(client, CLIENT_RENEWAL_INFO, &unused, NULL) == RC_OK;
		connection_describe(&desk, &authority->client, shown, sizeof(shown));
		snprintf(text, sizeof(text), "%s%s%s%s%s%s", url, has_ari ? "; renewal information" : "",
			 profiles[0] ? "; profiles: " : "", profiles, shown[0] ? "; " : "", shown);
		check_report(check, "authority", authority->name, connection_failure(&err), rc == RC_OK ? NULL : &err, text);
		if (rc != RC_OK)
			continue;
		check_registration(check, authority, client);
		if (check_ordered_profiles(check, authority, client, &err) != RC_OK)
			check_report(check, "authority", authority->name, EXIT_USAGE, &err, "");
	}
}

/* What would be noticed when a certificate is issued already. */
static void check_roots(struct check *check)
{
	for (unsigned i = 0; i < check->config->authority_count; i++) {
		const struct config_authority *authority = &check->config->authorities[i];
		AUTO(roots) struct roots *roots = NULL;
		struct err err = { 0 };

		if (!authority->roots)
			continue;
		enum rc rc = roots_new(authority->roots, &roots, &err);
		enum exit_status if_bad = rc == RC_OK ? EXIT_USAGE : EXIT_FAILED;
		if (rc == RC_OK)
			rc = roots_check(roots, &err);
		check_report(check, "roots", authority->name, if_bad, rc == RC_OK ? NULL : &err, authority->roots);
	}
}

static void on_warning(void *ctx, const char *text)
{
	struct warning_place *place = ctx;
	char where[STORE_NAME_MAX + 32] = "", whole[WARNING_TEXT];

	/* What is wrong with the certificate is told once. */
	if (place->fallback && strstr(buf_text(&place->told), text))
		return;
	if (!place->fallback)
		(void)!buf_print(&place->told, NULL, "%s\n", text);
	else
		snprintf(where, sizeof(where), "at fallback \"%s\": ", place->fallback);
	place->count++;
	snprintf(whole, sizeof(whole), "%s%s", where, text);
	output_row(place->check->rows, json_pack("{s:s, s:s, s:b, s:b, s:o}", "check", "profile", "name", place->name, "ok", 1,
						 "warning", 1, "text", output_string(whole)));
	if (!place->check->line->json)
		printf("%-4s %-9s %s: %s\n", "warn", "profile", place->name, whole);
}

/* What TS 33.310 has against a network function's certificate is told, and is the operator's to decide: the status stays. */
static void check_profiles(struct check *check)
{
	for (unsigned i = 0; i < check->config->certificate_count; i++) {
		const struct config_certificate *certificate = &check->config->certificates[i];
		struct warning_place place = { .check = check, .name = certificate->name, .told = BUF_MAX(1u << 16) };

		if (!certificate_profile_is_nf(certificate))
			continue;
		certificate_profile_warn(certificate, config_authority_get(check->config, certificate->authority), on_warning,
					 &place);
		for (unsigned at = 0; at < certificate->fallback_count; at++) {
			place.fallback = certificate->fallback[at];
			certificate_profile_warn(certificate, config_authority_get(check->config, place.fallback), on_warning,
						 &place);
		}
		buf_clear(&place.told);
		if (place.count == 0)
			check_report(check, "profile", certificate->name, EXIT_USAGE, NULL, "as TS 33.310, 6.1.3c wants it");
	}
}

/* What an operator has to place in the DNS, once and for good, before dns-persist-01 can succeed. */
static void tell_record(struct check *check, const struct config_certificate *certificate,
			const struct config_challenge *challenge, const struct identifier *identifier)
{
	bool is_wildcard = identifier_is_wildcard(identifier);
	struct store_account account = { 0 };
	char record[1600], text[1800];

	if (check->store && store_account_load(check->store, certificate->authority, &account, NULL) != RC_OK)
		account.url[0] = '\0';
	dnspersist01_record(identifier->value + (is_wildcard ? 2 : 0), is_wildcard,
			    challenge->issuer ? challenge->issuer : "ISSUER", account.url[0] ? account.url : "ACCOUNT", record,
			    sizeof(record));
	snprintf(text, sizeof(text), "place this record: %s%s%s", record,
		 challenge->issuer ? "" : "; ISSUER is one of the CA's issuer domain names, which its first refusal tells",
		 account.url[0] ? "" : "; ACCOUNT is known when the account is registered");
	check_report(check, "challenge", certificate->name, EXIT_USAGE, NULL, text);
}

/* A name that nothing under challenge: can prove has to be pre-authorised; that is no mistake, but good to know. */
static void check_name(struct check *check, const struct config_certificate *certificate, const char *name)
{
	struct identifier identifier;
	char text[IDENTIFIER_NAME_MAX + 96];
	bool is_proved = false;

	if (!identifier_parse(name, &identifier) || !identifier_type(identifier.kind))
		return;
	for (unsigned i = 0; i < certificate->challenge_count; i++) {
		const struct config_challenge *challenge = &certificate->challenges[i];

		if (!challenge_type_proves(challenge->type, identifier.kind, identifier_is_wildcard(&identifier)))
			continue;
		is_proved = true;
		if (challenge->type == CHALLENGE_DNS_PERSIST_01)
			tell_record(check, certificate, challenge, &identifier);
	}
	snprintf(text, sizeof(text), "%s: nothing under challenge: can prove it; it has to be pre-authorised", name);
	if (!is_proved)
		check_report(check, "challenge", certificate->name, EXIT_USAGE, NULL, text);
}

/* What a Token Authority would be shown; it is not asked for anything. */
static void check_client(struct check *check, const char *name, const struct config_challenge *challenge)
{
	AUTO(http) struct http *http = NULL;
	const struct connection_desk desk = connections(check);
	char shown[HTTP_CREDENTIAL_NAME_MAX + 64], text[sizeof(shown) + 64];
	struct err err = { 0 };

	connection_describe(&desk, &challenge->client, shown, sizeof(shown));
	if (!shown[0])
		return;
	enum rc rc = connection_open(&desk, challenge->trust, &challenge->client, &http, &err);
	snprintf(text, sizeof(text), "for the Token Authority: %s", shown);
	check_report(check, "challenge", name, connection_failure(&err), rc == RC_OK ? NULL : &err, text);
}

static void check_challenges(struct check *check)
{
	for (unsigned i = 0; i < check->config->certificate_count; i++) {
		const struct config_certificate *certificate = &check->config->certificates[i];

		for (unsigned at = 0; at < certificate->name_count; at++)
			check_name(check, certificate, certificate->names[at]);
		for (unsigned at = 0; at < certificate->challenge_count; at++)
			check_client(check, certificate->name, &certificate->challenges[at]);
	}
}

static void check_config(struct check *check)
{
	check_report(check, "config", check->config->path, EXIT_USAGE, NULL, "understood");
}

static const char *sandbox_text(void)
{
	if (!sandbox_has_landlock())
		return "seccomp; this kernel has no Landlock, so files are not confined";
	return sandbox_sees_sockets() ? "seccomp and Landlock"
				      : "seccomp and Landlock; on this architecture seccomp cannot tell a socket's family";
}

static enum exit_status tell(const struct check *check)
{
	if (check->line->json)
		output_json(json_pack("{s:O}", "checks", check->rows));
	return check->status;
}

enum exit_status command_check(const struct command_line *line)
{
	AUTO(config) struct config *config = NULL;
	AUTO(processes) struct processes *processes = NULL;
	AUTO(store) struct store *store = NULL;
	AUTO(keyring) struct keyring *keyring = NULL;
	AUTO(json) json_t *rows = json_array();
	struct err err = { 0 };

	enum exit_status status = command_config(line, &config);
	if (status != EXIT_DONE)
		return status;
	struct check check = { .line = line, .config = config, .rows = rows };
	if (line->config_only) {
		check_config(&check);
		return tell(&check);
	}
	enum rc rc = processes_start(config, &processes, &err);
	if (rc == RC_OK)
		rc = store_open_readonly(config->state, &store, &err);
	if (rc == RC_ABSENT)
		rc = RC_OK;
	if (rc == RC_OK)
		rc = keyring_new(config, processes_keyd(processes), &keyring, &err);
	check.keyring = keyring;
	check.store = store;
	if (rc == RC_OK) {
		check_config(&check);
		check_machine(&check);
		check_disk(&check); /* by a file that the sandbox allows nobody to make */
		rc = sandbox_engine(config, &err);
	}
	if (rc != RC_OK) {
		command_failed("check", &err);
		return EXIT_FAILED;
	}
	progress_begin("hwacme check"); /* within the sandbox */
	check_report(&check, "sandbox", "engine", EXIT_FAILED, NULL, sandbox_text());
	check_profiles(&check);
	check_clock(&check);
	check_tokens(&check);
	check_custody(&check);
	check_accounts(&check);
	check_authorities(&check);
	check_roots(&check);
	check_challenges(&check);
	return tell(&check);
}
