/* command_token.c -- `hwacme token list|keys|audit|gc`: opens what they share; and what the configured tokens are and can do. */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "output.h"
#include "progress.h"
#include "token_desk.h"

static void types_print(const struct token_info *info, char *text, size_t room)
{
	size_t used = 0;

	text[0] = '\0';
	for (int type = 0; type < KEY_TYPE_COUNT && used < room; type++) {
		if (!info->key_types[type])
			continue;
		int len = snprintf(text + used, room - used, "%s%s", used ? " " : "", key_type_name((enum key_type)type));
		used += len > 0 ? (size_t)len : 0;
	}
}

static void info_report(const struct config_token *token, const struct token_info *info, json_t *rows, bool json)
{
	char types[128];

	types_print(info, types, sizeof(types));
	if (json) {
		output_row(rows, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:b, s:o}", "name", token->name,
					   "kind", token->tcti ? "tpm2" : "pkcs11", "label", output_string(info->label), "serial",
					   output_string(info->serial), "manufacturer", output_string(info->manufacturer),
					   "model", output_string(info->model), "firmware", output_string(info->firmware), "pin",
					   info->pin_state, "key_types", types, "mechanisms", info->mechanisms, "software",
					   info->software, "free_memory",
					   info->free_memory < 0 ? json_null() : json_integer(info->free_memory)));
		return;
	}
	printf("%s: %s, %s\n", token->name, token->tcti ? "TPM 2.0" : "PKCS#11",
	       token->tcti     ? token->tcti
	       : token->module ? token->module
			       : token->token_uri);
	printf("    label     %s\n    serial    %s\n", info->label, info->serial);
	printf("    made by   %s %s, firmware %s, %s\n", info->manufacturer, info->model, info->firmware,
	       info->software ? "software" : "hardware");
	printf("    PIN       %s\n    can make  %s\n", info->pin_state, types);
	if (info->mechanisms[0])
		printf("    offers    %s\n", info->mechanisms);
	if (info->free_memory >= 0)
		printf("    free      %lld bytes\n", (long long)info->free_memory);
}

static enum exit_status token_list_command(const struct token_desk *desk)
{
	AUTO(json) json_t *rows = json_array();
	enum exit_status status = EXIT_DONE;

	for (unsigned i = 0; i < desk->config->token_count; i++) {
		const struct config_token *configured = &desk->config->tokens[i];
		struct token *token;
		struct token_info info;
		struct err err = { 0 };
		enum rc rc = keyring_token(desk->keyring, configured->name, &token, &err);

		if (rc == RC_OK)
			rc = token_info(token, &info, &err);
		if (rc == RC_OK) {
			info_report(configured, &info, rows, desk->line->json);
			continue;
		}
		log_failure(configured->name, &err);
		output_row(rows, json_pack("{s:s, s:s}", "name", configured->name, "error", err.text));
		status = EXIT_TOKEN;
	}
	if (desk->line->json)
		output_json(json_pack("{s:O}", "tokens", rows));
	return status;
}

static const struct {
	const char *name;
	enum exit_status (*run)(const struct token_desk *desk);
} VERBS[] = {
	{ "list", token_list_command },
	{ "keys", token_keys_command },
	{ "audit", token_audit_command },
	{ "gc", token_gc_command },
};

enum exit_status command_token(const struct command_line *line)
{
	AUTO(config) struct config *config = NULL;
	AUTO(processes) struct processes *processes = NULL;
	AUTO(keyring) struct keyring *keyring = NULL;
	AUTO(store) struct store *store = NULL;
	struct err err = { 0 };
	size_t verb = 0;

	while (verb < sizeof(VERBS) / sizeof(VERBS[0]) &&
	       (line->word_count != 1 || strcmp(line->words[0], VERBS[verb].name) != 0))
		verb++;
	bool is_known = verb < sizeof(VERBS) / sizeof(VERBS[0]);
	/* To try something is not to erase it, and to agree is not to audit. */
	if (!is_known || (line->try_it && VERBS[verb].run != token_audit_command) ||
	    (line->yes && VERBS[verb].run != token_gc_command)) {
		command_usage("usage: hwacme token list | keys | audit [--try] | gc [--yes]\n");
		return EXIT_USAGE;
	}
	enum exit_status status = command_config(line, &config);
	if (status != EXIT_DONE)
		return status;
	enum rc rc = processes_start(config, &processes, &err);
	if (rc == RC_OK)
		rc = keyring_new(config, processes_keyd(processes), &keyring, &err);
	/* Without a database every key is nobody's; that is a true answer. */
	if (rc == RC_OK && (rc = store_open_readonly(config->state, &store, &err)) == RC_ABSENT)
		rc = RC_OK;
	if (rc != RC_OK) {
		command_failed("token", &err);
		return EXIT_FAILED;
	}
	progress_begin("hwacme token");
	return VERBS[verb].run(&(struct token_desk){ .line = line, .config = config, .keyring = keyring, .store = store });
}
