/* command_token_audit.c -- `hwacme token audit`: each key of ours held against invariant I2; with --try, wrapping it is attempted. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "token_desk.h"

struct audit {
	const struct token_desk *desk;
	json_t *rows;
	unsigned looked_at, failed, others;
};

/* "" when --try was not asked for, or the token refused to wrap the key, as it must. */
static enum rc try_wrapping(const struct audit *audit, const struct token_desk_key *seen, char text[256])
{
	AUTO(token_key) struct token_key *key = NULL;
	struct token *token;
	struct err err = { 0 };
	enum rc rc = keyring_token(audit->desk->keyring, seen->token, &token, &err);

	text[0] = '\0';
	if (rc == RC_OK)
		rc = token_find(token, &seen->name, &key, &err);
	if (rc == RC_OK)
		rc = token_audit_try(key, &err);
	if (rc != RC_OK)
		snprintf(text, 256, "%.255s", err.text);
	return rc;
}

/* What is to be said of an attempt by which nothing came out.  TPM2_Duplicate is for keys without fixedParent, and of ours custody tells that. */
static const char *nothing_came_out(const struct token_desk *desk, const struct token_desk_key *key)
{
	const struct config_token *token = config_token_get(desk->config, key->token);

	if (!key->custody.held)
		return "none was made: its custody has failed already";
	if (token && token->tcti)
		return "none was made: a TPM has no wrapping, and duplicates no key with fixedParent";
	return token && token->accept_wrapping ? "wrapping was tried, and is accepted (accept-wrapping)" : "wrapping was refused";
}

static void report_text(const struct token_desk_key *key, bool passed, const char *tried)
{
	printf("%-4s %s: \"%s\" %s, of %s\n", passed ? "ok" : "BAD", key->token, key->name.label,
	       key->type < KEY_TYPE_COUNT ? key_type_name(key->type) : "another type",
	       key->owner[0] ? key->owner : "no record here any more");
	printf("     custody   %s%s\n", token_desk_verdict(key), key->custody.text);
	if (*tried)
		printf("     attempt   %s\n", tried);
}

static enum rc audit_key(void *ctx, const struct token_desk_key *key, struct err *err)
{
	struct audit *audit = ctx;
	char tried[256] = "";
	bool passed = key->custody.held;

	(void)err;
	if (!key->is_ours) {
		audit->others++;
		return RC_OK;
	}
	if (audit->desk->line->try_it && passed)
		passed = try_wrapping(audit, key, tried) == RC_OK;
	audit->looked_at++;
	audit->failed += !passed;
	if (!audit->desk->line->json) {
		report_text(key, passed, tried);
		return RC_OK;
	}
	json_t *row = token_desk_json(key);
	json_object_set_new(row, "passed", json_boolean(passed));
	json_object_set_new(row, "attempt",
			    !audit->desk->line->try_it ? json_null()
			    : *tried                   ? output_string(tried)
						       : json_string(nothing_came_out(audit->desk, key)));
	output_row(audit->rows, row);
	return RC_OK;
}

enum exit_status token_audit_command(const struct token_desk *desk)
{
	AUTO(json) json_t *rows = json_array();
	struct audit audit = { .desk = desk, .rows = rows };
	enum exit_status status = token_desk_each(desk, audit_key, &audit);

	if (desk->line->json)
		output_json(json_pack("{s:o, s:O, s:i, s:i, s:i}", "audited_at", output_time(clock_now()), "keys", rows, "failed",
				      (int)audit.failed, "looked_at", (int)audit.looked_at, "of_others", (int)audit.others));
	else
		printf("%u key%s looked at, %u failed; %u of others not looked at\n", audit.looked_at,
		       audit.looked_at == 1 ? "" : "s", audit.failed, audit.others);
	return audit.failed ? exit_first(status, EXIT_FAILED) : status;
}
