/* command_token_gc.c -- `hwacme token gc`: erases keys that this state directory reserved and no record of it owns any more. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "progress.h"
#include "token_desk.h"

#define GC_KEYS_MAX 1000u
#define GC_MIN_AGE  3600 /* seconds: what is younger may belong to something that is just happening */

struct orphans {
	struct token_desk_key keys[GC_KEYS_MAX];
	unsigned count;
	bool is_full;
};

static enum rc orphan_collect(void *ctx, const struct token_desk_key *key, struct err *err)
{
	struct orphans *orphans = ctx;

	(void)err;
	if (!key->is_ours || key->owner[0] || clock_now() - key->made_at < GC_MIN_AGE)
		return RC_OK;
	if (orphans->count == GC_KEYS_MAX)
		orphans->is_full = true;
	else
		orphans->keys[orphans->count++] = *key;
	return RC_OK;
}

static enum rc orphan_erase(const struct token_desk *desk, const struct token_desk_key *orphan, struct err *err)
{
	struct store_key key = { .name = orphan->name };
	bool was_there; /* gone meanwhile is as good */

	snprintf(key.token, sizeof(key.token), "%s", orphan->token);
	return keyring_erase(desk->keyring, &key, &was_there, err);
}

/* Somebody who can be asked must be asked. */
static bool agreed(const struct token_desk *desk, unsigned count)
{
	char answer[16] = "";

	if (desk->line->yes)
		return true;
	if (!isatty(STDIN_FILENO) || desk->line->json) {
		fputs("hwacme: nothing was erased; --yes erases them without asking\n", stderr);
		return false;
	}
	progress_end();
	fprintf(stderr, "Erase %s for good? [y/N] ", count == 1 ? "this key" : "these keys");
	if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
		return true;
	fputs("hwacme: nothing was erased\n", stderr);
	return false;
}

static void orphan_text(const struct token_desk_key *key)
{
	char age[CLOCK_TEXT_MAX];

	printf("%s: \"%s\", %s old, of nobody\n", key->token, key->name.label,
	       clock_print_duration(clock_now() - key->made_at, age));
}

static enum exit_status orphans_erase(const struct token_desk *desk, const struct orphans *orphans, json_t *rows,
				      enum exit_status status)
{
	bool erase = agreed(desk, orphans->count);

	for (unsigned i = 0; i < orphans->count; i++) {
		struct err err = { 0 };
		enum rc rc = erase ? orphan_erase(desk, &orphans->keys[i], &err) : RC_RETRY;
		json_t *row = token_desk_json(&orphans->keys[i]);

		json_object_set_new(row, "erased", json_boolean(rc == RC_OK));
		output_row(rows, row);
		if (erase && rc != RC_OK) {
			log_failure("token gc", &err);
			status = exit_first(status, err_is_token(&err) ? EXIT_TOKEN : EXIT_FAILED);
		}
	}
	if (!erase)
		status = exit_first(status, EXIT_FAILED);
	return status;
}

enum exit_status token_gc_command(const struct token_desk *desk)
{
	static struct orphans orphans;
	AUTO(json) json_t *rows = json_array();

	/* Without records every key of ours would be an orphan. */
	if (!desk->store) {
		command_refuse("there is no database in %s, so nobody can tell which keys are in use", desk->config->state);
		return EXIT_FAILED;
	}
	orphans.count = 0;
	enum exit_status status = token_desk_each(desk, orphan_collect, &orphans);
	if (!desk->line->json) {
		for (unsigned i = 0; i < orphans.count; i++)
			orphan_text(&orphans.keys[i]);
		printf("%u key%s of ours without an owner%s\n", orphans.count, orphans.count == 1 ? "" : "s",
		       orphans.is_full ? ", and more: run it again" : "");
	}
	if (orphans.count)
		status = orphans_erase(desk, &orphans, rows, status);
	if (desk->line->json)
		output_json(json_pack("{s:O}", "keys", rows));
	return status;
}
