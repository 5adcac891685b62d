/* command_account.c -- `hwacme account show|register|rollover|deactivate [AUTHORITY]`. */
#include <stdio.h>
#include <string.h>

#include "account.h"
#include "account_keys.h"
#include "clock.h"
#include "desk.h"
#include "output.h"

struct account_call {
	const struct command_line *line;
	struct desk *desk;
	const char *authority;
	bool by_token;
};

static void report(const struct account_call *call, const struct store_account *stored, const struct message_account *told)
{
	const char *status = stored->is_deactivated ? "deactivated" : told ? told->status : "registered";

	if (call->line->json) {
		output_json(json_pack("{s:s, s:o, s:o, s:o, s:s, s:s, s:s, s:o}", "authority", call->authority, "url",
				      output_text(stored->url), "status", output_string(status), "contact",
				      output_text(told ? told->contact : stored->contact), "token", stored->key.token, "key",
				      stored->key.name.label, "key_type", key_type_name(stored->key.type), "created_at",
				      output_time(stored->created_at)));
		return;
	}
	printf("%s: %s\n    account   %s\n", call->authority, status, stored->url[0] ? stored->url : "none");
	printf("    contact   %s\n", told ? told->contact : stored->contact);
	printf("    key       %s \"%s\" in token \"%s\"\n", key_type_name(stored->key.type), stored->key.name.label,
	       stored->key.token);
}

static enum rc do_show(struct account_call *call, struct err *err)
{
	struct message_account told;
	struct store_account stored;
	struct client *client;
	enum rc rc = store_account_load(call->desk->store, call->authority, &stored, err);

	if (rc == RC_ABSENT)
		return err_set(err, RC_INPUT, "there is no account at \"%s\" yet; `hwacme account register` makes one",
			       call->authority);
	if (rc != RC_OK)
		return rc;
	if (stored.is_deactivated) {
		report(call, &stored, NULL);
		return RC_OK;
	}
	rc = authorities_client(call->desk->authorities, call->authority, clock_now(), &client, &call->by_token, err);
	if (rc == RC_OK)
		rc = account_show(client, &told, err);
	if (rc == RC_OK)
		rc = store_account_load(call->desk->store, call->authority, &stored, err);
	if (rc == RC_OK)
		report(call, &stored, &told);
	return rc;
}

static enum rc report_stored(const struct account_call *call, enum rc rc, struct err *err)
{
	struct store_account stored;

	if (rc == RC_OK)
		rc = store_account_load(call->desk->store, call->authority, &stored, err);
	if (rc == RC_OK)
		report(call, &stored, NULL);
	return rc;
}

static enum rc do_register(struct account_call *call, struct err *err)
{
	enum rc rc = call->line->new_key
			     ? account_keys_replace(call->desk->authorities, call->authority, clock_now(), &call->by_token, err)
			     : account_keys_register(call->desk->authorities, call->authority, clock_now(), &call->by_token, err);

	return report_stored(call, rc, err);
}

static enum rc do_rollover(struct account_call *call, struct err *err)
{
	enum rc rc = account_keys_rollover(call->desk->authorities, call->authority, clock_now(), &call->by_token, err);

	return report_stored(call, rc, err);
}

static enum rc do_deactivate(struct account_call *call, struct err *err)
{
	enum rc rc = account_keys_deactivate(call->desk->authorities, call->authority, clock_now(), &call->by_token, err);

	return report_stored(call, rc, err);
}

static const struct {
	const char *name;
	enum rc (*run)(struct account_call *call, struct err *err);
} VERBS[] = {
	{ "show", do_show },
	{ "register", do_register },
	{ "rollover", do_rollover },
	{ "deactivate", do_deactivate },
};

static void authorities_print(const struct config *config, char *names, size_t room)
{
	size_t used = 0;

	names[0] = '\0';
	for (unsigned i = 0; i < config->authority_count && used < room; i++)
		used += (size_t)snprintf(names + used, room - used, " %s", config->authorities[i].name);
}

/* The one that is named, or the only one there is. */
static const char *authority_chosen(const struct command_line *line, const struct config *config)
{
	const char *named = line->word_count == 2 ? line->words[1] : NULL;
	char names[512];

	if (named && config_authority_get(config, named))
		return named;
	if (!named && config->authority_count == 1)
		return config->authorities[0].name;
	authorities_print(config, names, sizeof(names));
	if (named)
		command_refuse("no authority \"%s\" in %s; it has:%s", named, config->path, names);
	else
		command_refuse("there is more than one authority; name one of:%s", names);
	return NULL;
}

/* Nobody deactivates an account by a slip of the fingers. */
static bool is_agreed(const struct command_line *line, const char *authority)
{
	if (strcmp(line->words[0], "deactivate") != 0 || line->yes)
		return true;
	command_refuse("the account at \"%s\" would be gone for good; --yes deactivates it", authority);
	return false;
}

enum exit_status command_account(const struct command_line *line)
{
	AUTO(desk) struct desk desk = { 0 };
	struct account_call call = { .line = line, .desk = &desk };
	struct err err = { 0 };
	size_t verb = 0;

	while (verb < sizeof(VERBS) / sizeof(VERBS[0]) && (!line->word_count || strcmp(line->words[0], VERBS[verb].name) != 0))
		verb++;
	if (verb == sizeof(VERBS) / sizeof(VERBS[0]) || line->word_count > 2 ||
	    (line->new_key && VERBS[verb].run != do_register) || (line->yes && VERBS[verb].run != do_deactivate)) {
		command_usage("usage: hwacme account show|register|rollover|deactivate [AUTHORITY]\n"
			      "       hwacme account register [AUTHORITY] --new-key\n"
			      "       hwacme account deactivate [AUTHORITY] --yes\n");
		return EXIT_USAGE;
	}
	enum exit_status status = desk_open(line, DESK_WORDS, &desk);
	if (status != EXIT_DONE)
		return status;
	call.authority = authority_chosen(line, desk.config);
	if (!call.authority || !is_agreed(line, call.authority))
		return EXIT_USAGE;
	if (VERBS[verb].run(&call, &err) == RC_OK)
		return EXIT_DONE;
	authorities_note_failure(desk.authorities, call.authority, NULL, &err);
	return desk_failed(call.authority, call.by_token, &err);
}
