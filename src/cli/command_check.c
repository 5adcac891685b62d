/* command_check.c -- `hwacme check`: tries everything a renewal will need, and changes nothing. */
#include <errno.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "account.h"
#include "authority.h"
#include "certificate_profile.h"
#include "client.h"
#include "clock.h"
#include "command.h"
#include "connection.h"
#include "control.h"
#include "dnspersist01.h"
#include "listen.h"
#include "log.h"
#include "metrics_address.h"
#include "output.h"
#include "program_path.h"
#include "roots.h"
#include "sandbox.h"

#define LISTEN_TEXT   64
#define LISTENERS_MAX 1000                  /* challenges whose addresses are told apart */
#define DISK_LOW      (16u * 1024u * 1024u) /* bytes: a few thousand generations */

struct check {
	const struct command_line *line;
	const struct config *config;
	struct keyring *keyring;
	struct store *store; /* NULL: nothing was ever stored */
	json_t *rows;
	enum exit_status status;
};

/* Where a warning belongs. */
struct warning_place {
	struct check *check;
	const char *name;
};

static void report(struct check *check, const char *what, const char *name, enum exit_status if_bad, const struct err *bad,
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
		report(check, "token", name, EXIT_TOKEN, rc == RC_OK ? NULL : &err, text);
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
		if (rc == RC_OK)
			rc = token_custody(key, &custody, &err);
		report(check, "custody", name, EXIT_TOKEN, rc == RC_OK ? NULL : &err, custody.text);
	}
}

/* Profiles that are ordered and that the CA does not have: the authority's, and those of its certificates. */
static enum rc check_ordered_profiles(const struct check *check, const struct config_authority *authority, struct client *client,
				      struct err *err)
{
	enum rc rc = authority->profile ? client_profile_check(client, authority->profile, err) : RC_OK;

	for (unsigned i = 0; i < check->config->certificate_count && rc == RC_OK; i++) {
		const struct config_certificate *certificate = &check->config->certificates[i];

		if (!certificate->profile || strcmp(certificate->authority, authority->name) != 0)
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
		report(check, "account", authority->name, err.origin == ERR_PKCS11 ? EXIT_TOKEN : EXIT_USAGE, &err, "");
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
		report(check, "authority", authority->name, connection_failure(&err), rc == RC_OK ? NULL : &err, text);
		if (rc != RC_OK)
			continue;
		check_registration(check, authority, client);
		if (check_ordered_profiles(check, authority, client, &err) != RC_OK)
			report(check, "authority", authority->name, EXIT_USAGE, &err, "");
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
		if (rc == RC_OK)
			rc = roots_check(roots, &err);
		report(check, "roots", authority->name, EXIT_USAGE, rc == RC_OK ? NULL : &err, authority->roots);
	}
}

static void on_warning(void *ctx, const char *text)
{
	struct warning_place *place = ctx;

	output_row(place->check->rows, json_pack("{s:s, s:s, s:b, s:b, s:o}", "check", "profile", "name", place->name, "ok", 1,
						 "warning", 1, "text", output_string(text)));
	if (!place->check->line->json)
		printf("%-4s %-9s %s: %s\n", "warn", "profile", place->name, text);
}

/* What TS 33.310 has against a network function's certificate is told, and is the operator's to decide: the status stays. */
static void check_profiles(struct check *check)
{
	for (unsigned i = 0; i < check->config->certificate_count; i++) {
		const struct config_certificate *certificate = &check->config->certificates[i];
		struct warning_place place = { .check = check, .name = certificate->name };

		if (!certificate_profile_is_nf(certificate))
			continue;
		const struct config_authority *authority = config_authority_get(check->config, certificate->authority);
		if (certificate_profile_warn(certificate, authority, on_warning, &place) == 0)
			report(check, "profile", certificate->name, EXIT_USAGE, NULL, "as TS 33.310, 6.1.3c wants it");
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
	report(check, "challenge", certificate->name, EXIT_USAGE, NULL, text);
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
		report(check, "challenge", certificate->name, EXIT_USAGE, NULL, text);
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
	report(check, "challenge", name, connection_failure(&err), rc == RC_OK ? NULL : &err, text);
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

static void check_user(struct check *check, const char *name, const char *user)
{
	struct err err = { 0 };

	if (user && !getpwnam(user))
		report(check, "user", name, EXIT_USAGE,
		       (err_set(&err, RC_INPUT, "there is no user \"%s\" on this machine", user), &err), "");
}

/* What would fail when the certificate is live already, and what others could have run in our name. */
static void check_program(struct check *check, const char *name, char *const *argv, const char *user)
{
	char path[PATH_MAX];
	struct err err = { 0 };

	if (!argv || !argv[0])
		return;
	enum rc rc = program_find(argv[0], path, &err);
	if (rc == RC_OK)
		rc = program_trust(path, user, &err);
	if (rc != RC_OK)
		err_wrap(&err, rc, "\"%s\"", argv[0]);
	report(check, "program", name, EXIT_USAGE, rc == RC_OK ? NULL : &err, path);
}

/* Looked up before the sandbox is entered: it has no list of users, and no programs. */
static void check_programs(struct check *check)
{
	for (unsigned i = 0; i < check->config->certificate_count; i++) {
		const struct config_certificate *certificate = &check->config->certificates[i];

		check_program(check, certificate->name, certificate->deploy_run, certificate->deploy_user);
		check_program(check, certificate->name, certificate->probe.run, certificate->probe.user);
		for (unsigned at = 0; at < certificate->challenge_count; at++)
			check_program(check, certificate->name, certificate->challenges[at].run, NULL);
	}
}

static void check_users(struct check *check)
{
	for (unsigned i = 0; i < check->config->certificate_count; i++) {
		const struct config_certificate *certificate = &check->config->certificates[i];

		check_user(check, certificate->name, certificate->deploy_user);
		check_user(check, certificate->name, certificate->probe.user);
	}
}

/* The first command that stores something makes STATE, and no directory above it. */
static enum rc check_parent(const char *state, struct err *err)
{
	char parent[PATH_MAX];

	snprintf(parent, sizeof(parent), "%s", state);
	dirname(parent);
	if (access(parent, W_OK | X_OK) == 0)
		return RC_OK;
	return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "it cannot be made in %s: %s", parent, strerror(errno));
}

static void check_disk(struct check *check)
{
	struct statvfs disk;
	struct err err = { 0 };
	enum rc rc = RC_OK;

	if (statvfs(check->config->state, &disk) != 0) {
		rc = errno == ENOENT ? check_parent(check->config->state, &err)
				     : err_set_raw(&err, RC_RESOURCE, ERR_ERRNO, errno, "%s", strerror(errno));
	} else if (disk.f_bavail * disk.f_frsize < DISK_LOW) {
		rc = err_set(&err, RC_RESOURCE, "less than %u MiB free", DISK_LOW >> 20);
	} else if (access(check->config->state, W_OK) != 0) {
		rc = err_set_raw(&err, RC_RESOURCE, ERR_ERRNO, errno, "not writable: %s", strerror(errno));
	}
	report(check, "disk", check->config->state, EXIT_FAILED, rc == RC_OK ? NULL : &err,
	       check->store ? "writable, with room" : "nothing stored yet");
	if (!check->store)
		return;
	rc = store_sound(check->store, &err);
	report(check, "database", check->config->state, EXIT_FAILED, rc == RC_OK ? NULL : &err, "read whole");
}

/* Without its page the daemon works: nobody would notice before Prometheus does. */
static void check_metrics(struct check *check)
{
	const char *address = check->config->metrics_listen, *state = "";
	struct err err = { 0 };

	if (!address)
		return;
	enum rc rc = metrics_address_try(check->config, &state, &err);
	report(check, "metrics", address, EXIT_FAILED, rc == RC_OK ? NULL : &err, state);
}

/* Is this the first challenge of the file that is answered at its address? */
static bool is_first_at(const struct check *check, const struct config_challenge *wanted)
{
	unsigned looked_at = 0;

	for (unsigned i = 0; i < check->config->certificate_count && looked_at < LISTENERS_MAX; i++)
		for (unsigned at = 0; at < check->config->certificates[i].challenge_count; at++, looked_at++) {
			const struct config_challenge *challenge = &check->config->certificates[i].challenges[at];

			if (challenge == wanted)
				return true;
			if (challenge->listen && strcmp(challenge->listen, wanted->listen) == 0)
				return false;
		}
	return false;
}

/* Where answers are given, by a daemon that runs perhaps at this moment. */
static void check_listener(struct check *check, const struct config_challenge *challenge, bool has_daemon)
{
	char name[128];
	struct err err = { 0 };

	if (!challenge->listen || strncmp(challenge->listen, "systemd", 7) == 0 || !is_first_at(check, challenge))
		return;
	snprintf(name, sizeof(name), "%s %s", challenge_type_name(challenge->type), challenge->listen);
	enum rc rc = listen_try(challenge_type_name(challenge->type), challenge->listen, &err);
	bool is_ours = rc != RC_OK && err.code == EADDRINUSE && has_daemon;
	report(check, "listen", name, EXIT_FAILED, rc == RC_OK || is_ours ? NULL : &err,
	       is_ours ? "taken, perhaps by the daemon that runs" : "free");
}

static void check_listeners(struct check *check)
{
	char page[LISTEN_TEXT];
	bool has_daemon = control_page(check->config->state, page, sizeof(page), NULL) != RC_ABSENT;

	for (unsigned i = 0; i < check->config->certificate_count; i++)
		for (unsigned at = 0; at < check->config->certificates[i].challenge_count; at++)
			check_listener(check, &check->config->certificates[i].challenges[at], has_daemon);
}

/* How far it is ahead only others know; a certificate that is yet to begin says that it is behind. */
static void check_clock(struct check *check)
{
	int64_t now = clock_now();
	char text[CLOCK_TEXT_MAX], from[CLOCK_TEXT_MAX], good[CLOCK_TEXT_MAX + 32];
	struct err err = { 0 };

	snprintf(good, sizeof(good), "it is %s", clock_print(now, text));
	for (unsigned i = 0; check->store && i < check->config->certificate_count; i++) {
		const char *name = check->config->certificates[i].name;
		struct store_certificate record;

		if (store_certificate_load(check->store, name, &record, NULL) != RC_OK ||
		    record.not_before - PLAN_CLOCK_BEHIND <= now)
			continue;
		(void)!err_set(&err, RC_INPUT,
			       "it says %s, but \"%s\" is valid only from %s: set it, or nothing is renewed in time", text, name,
			       clock_print(record.not_before, from));
		break;
	}
	report(check, "clock", "this machine", EXIT_FAILED, err.rc != RC_OK ? &err : NULL, good);
}

static void check_config(struct check *check)
{
	report(check, "config", check->config->path, EXIT_USAGE, NULL, "understood");
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
		check_users(&check);
		check_programs(&check);
		check_metrics(&check);
		check_listeners(&check);
		rc = sandbox_engine(config, &err);
	}
	if (rc != RC_OK) {
		command_failed("check", &err);
		return EXIT_FAILED;
	}
	report(&check, "sandbox", "engine", EXIT_FAILED, NULL,
	       sandbox_has_landlock() ? "seccomp and Landlock"
				      : "seccomp; this kernel has no Landlock, so files are not confined");
	check_profiles(&check);
	check_clock(&check);
	check_disk(&check);
	check_tokens(&check);
	check_custody(&check);
	check_authorities(&check);
	check_roots(&check);
	check_challenges(&check);
	return tell(&check);
}
