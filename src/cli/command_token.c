/* command_token.c -- `hwacme token list|keys`: what the configured tokens are, can do and hold. */
#include <stdio.h>
#include <string.h>

#include "codec.h"
#include "command.h"
#include "log.h"
#include "output.h"

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
		json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name", token->name,
						      "kind", token->module ? "pkcs11" : "tpm2", "label", info->label, "serial",
						      info->serial, "manufacturer", info->manufacturer, "model", info->model,
						      "firmware", info->firmware, "pin", info->pin_state, "key_types", types));
		return;
	}
	printf("%s: %s, %s\n", token->name, token->module ? "PKCS#11" : "TPM 2.0", token->module ? token->module : token->tcti);
	printf("    label     %s\n    serial    %s\n", info->label, info->serial);
	printf("    made by   %s %s, firmware %s\n", info->manufacturer, info->model, info->firmware);
	printf("    PIN       %s\n    can make  %s\n", info->pin_state, types);
}

static enum exit_status token_list_command(const struct command_line *line, const struct config *config, struct keyring *keyring)
{
	AUTO(json) json_t *rows = json_array();
	enum exit_status status = EXIT_DONE;

	for (unsigned i = 0; i < config->token_count; i++) {
		struct token *token;
		struct token_info info;
		struct err err = { 0 };
		enum rc rc = keyring_token(keyring, config->tokens[i].name, &token, &err);

		if (rc == RC_OK)
			rc = token_info(token, &info, &err);
		if (rc == RC_OK) {
			info_report(&config->tokens[i], &info, rows, line->json);
			continue;
		}
		log_failure(config->tokens[i].name, &err);
		json_array_append_new(rows, json_pack("{s:s, s:s}", "name", config->tokens[i].name, "error", err.text));
		status = EXIT_TOKEN;
	}
	if (line->json)
		output_json(json_pack("{s:O}", "tokens", rows));
	return status;
}

struct keys_report {
	const char *token;
	struct store *store; /* NULL: nothing was ever stored */
	json_t *rows;
	bool json, all_held;
};

static enum rc report_key(void *ctx, struct token_key *key, const struct token_custody *custody, struct err *err)
{
	struct keys_report *report = ctx;
	AUTO(buf) struct buf id = BUF_MAX(2 * TOKEN_ID_LEN);
	char owner[128] = "nobody known here";
	enum rc rc = codec_hex(SPAN(key->name.id), &id, err);

	if (rc != RC_OK)
		return rc;
	bool ours = report->store && store_key_owner(report->store, &key->name, owner, NULL) == RC_OK;
	const char *type = key->type < KEY_TYPE_COUNT ? key_type_name(key->type) : "another type";
	/* What others keep in a shared token is shown, and is not our failure. */
	if (ours && !custody->held)
		report->all_held = false;
	if (report->json)
		json_array_append_new(report->rows, json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:s}", "token", report->token,
							      "label", key->name.label, "id", buf_text(&id), "type", type,
							      "owner", owner, "held", custody->held, "custody", custody->text));
	else
		printf("%s: \"%s\" %s, of %s\n    custody   %s%s\n", report->token, key->name.label, type, owner,
		       custody->held ? "" : "NOT HELD: ", custody->text);
	return RC_OK;
}

static enum exit_status token_keys_command(const struct command_line *line, const struct config *config, struct keyring *keyring)
{
	AUTO(json) json_t *rows = json_array();
	AUTO(store) struct store *store = NULL;
	enum exit_status status = EXIT_DONE;

	/* Without a database every key is nobody's; that is a true answer. */
	(void)!store_open_readonly(config->state, &store, NULL);
	for (unsigned i = 0; i < config->token_count; i++) {
		struct keys_report report = {
			.token = config->tokens[i].name, .store = store, .rows = rows, .json = line->json, .all_held = true
		};
		struct token *token;
		struct err err = { 0 };
		enum rc rc = keyring_token(keyring, report.token, &token, &err);

		if (rc == RC_OK)
			rc = token_list(token, report_key, &report, &err);
		if (rc != RC_OK) {
			log_failure(report.token, &err);
			status = EXIT_TOKEN;
		} else if (!report.all_held) {
			status = exit_first(status, EXIT_FAILED);
		}
	}
	if (line->json)
		output_json(json_pack("{s:O}", "keys", rows));
	return status;
}

enum exit_status command_token(const struct command_line *line)
{
	AUTO(config) struct config *config = NULL;
	AUTO(processes) struct processes *processes = NULL;
	AUTO(keyring) struct keyring *keyring = NULL;
	struct err err = { 0 };
	bool keys = line->word_count == 1 && strcmp(line->words[0], "keys") == 0;

	if (!keys && (line->word_count != 1 || strcmp(line->words[0], "list") != 0)) {
		fputs("usage: hwacme token list|keys\n", stderr);
		return EXIT_USAGE;
	}
	if (!command_config(line, &config))
		return EXIT_USAGE;
	enum rc rc = processes_start(config, &processes, &err);
	if (rc == RC_OK)
		rc = keyring_new(config, processes_keyd(processes), &keyring, &err);
	if (rc != RC_OK) {
		log_failure("token", &err);
		return EXIT_FAILED;
	}
	return keys ? token_keys_command(line, config, keyring) : token_list_command(line, config, keyring);
}
