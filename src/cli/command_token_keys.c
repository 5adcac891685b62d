/* command_token_keys.c -- `hwacme token keys`: every key of every token, whose it is, how old, and how it is kept. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "codec.h"
#include "fingerprint.h"
#include "live_keys.h"
#include "log.h"
#include "token_desk.h"

struct walk {
	const struct token_desk *desk;
	const char *token;
	uint32_t instance; /* 0: nothing was ever stored */
	token_desk_fn *each;
	void *ctx;
	struct live_keys *live; /* read once it is needed */
	bool is_live_unknown;
};

/* What is reserved by us, and by nobody when the records were gathered, may have been made since. */
static enum rc owner_find(const struct walk *walk, const struct token_key_name *name, bool is_reserved, char owner[128],
			  struct err *err)
{
	struct store *store = walk->desk->store;
	enum rc rc = store ? store_key_owner_gathered(store, name, owner, err) : RC_ABSENT;

	return rc == RC_ABSENT && store && is_reserved ? store_key_owner(store, name, owner, err) : rc;
}

/* Who put an older copy of the database back has newer sets live than it tells of.  What is live, or may be, is in use. */
static void live_find(struct walk *walk, const char *fingerprint, char owner[128])
{
	struct err err = { 0 };

	if (!walk->live && !walk->is_live_unknown && live_keys_read(walk->desk->config->state, &walk->live, &err) != RC_OK) {
		log_failure("what is live is not known, and no key without a record is erased", &err);
		walk->is_live_unknown = true;
	}
	const char *name = walk->live ? live_keys_owner(walk->live, fingerprint) : NULL;

	if (walk->is_live_unknown)
		snprintf(owner, 128, "what is live, perhaps");
	else if (name)
		snprintf(owner, 128, "live/%s, which no record describes", name);
}

static enum rc key_listed(void *ctx, struct token_key *key, const struct token_custody *custody, struct err *err)
{
	struct walk *walk = ctx;
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	struct token_desk_key seen = { .token = walk->token, .name = key->name, .type = key->type, .custody = *custody };
	uint32_t instance = 0;
	bool is_reserved =
		token_key_name_parse(&key->name, &seen.made_at, &instance) && walk->instance && instance == walk->instance;
	enum rc rc = owner_find(walk, &key->name, is_reserved, seen.owner, err);

	if (key->type < KEY_TYPE_COUNT && key->ops->public_key(key, &spki, NULL) == RC_OK)
		fingerprint_print(buf_span(&spki), seen.fingerprint);
	/* Records that cannot be read make nobody's key an orphan. */
	if (rc != RC_OK && rc != RC_ABSENT)
		return rc;
	if (rc == RC_ABSENT && is_reserved)
		live_find(walk, seen.fingerprint, seen.owner);
	/* Several hosts may use one token: a key that another one reserved is none of ours. */
	seen.is_ours = seen.owner[0] || is_reserved;
	return walk->each(walk->ctx, &seen, err);
}

enum exit_status token_desk_each(const struct token_desk *desk, token_desk_fn *each, void *ctx)
{
	struct walk walk = { .desk = desk, .each = each, .ctx = ctx };
	enum exit_status status = EXIT_DONE;
	struct err err = { 0 };
	enum rc read = desk->store ? store_instance(desk->store, &walk.instance, &err) : RC_OK;

	if (read == RC_OK && desk->store)
		read = store_key_owners_gather(desk->store, &err);
	if (read != RC_OK) {
		log_failure("token", &err);
		return EXIT_FAILED;
	}
	for (unsigned i = 0; i < desk->config->token_count; i++) {
		struct token *token;

		walk.token = desk->config->tokens[i].name;
		enum rc rc = keyring_token(desk->keyring, walk.token, &token, &err);
		if (rc == RC_OK)
			rc = token_list(token, key_listed, &walk, &err);
		if (rc == RC_OK)
			continue;
		log_failure(walk.token, &err);
		status = EXIT_TOKEN;
	}
	live_keys_free(walk.live);
	return status;
}

const char *token_desk_verdict(const struct token_desk_key *key)
{
	return key->custody.held ? "" : key->custody.is_broken ? "NOT HELD: " : "NOT TOLD: ";
}

json_t *token_desk_json(const struct token_desk_key *key)
{
	AUTO(buf) struct buf id = BUF_MAX(2 * TOKEN_ID_LEN);

	if (codec_hex(SPAN(key->name.id), &id, NULL) != RC_OK)
		return NULL;
	return json_pack("{s:s, s:o, s:s, s:s, s:o, s:b, s:o, s:o, s:b, s:b, s:o}", "token", key->token, "label",
			 output_string(key->name.label), "id", buf_text(&id), "type",
			 key->type < KEY_TYPE_COUNT ? key_type_name(key->type) : "another type", "owner", output_text(key->owner),
			 "ours", key->is_ours, "made_at", output_time(key->made_at), "public_key_sha256",
			 output_text(key->fingerprint), "held", key->custody.held, "told",
			 key->custody.held || key->custody.is_broken, "custody", output_string(key->custody.text));
}

struct report {
	const struct token_desk *desk;
	json_t *rows;
	bool all_held;
};

static enum rc report_key(void *ctx, const struct token_desk_key *key, struct err *err)
{
	struct report *report = ctx;
	char age[CLOCK_TEXT_MAX];

	(void)err;
	/* What others keep in a shared token is shown, and is not our failure. */
	if (key->is_ours && !key->custody.held)
		report->all_held = false;
	if (report->desk->line->json) {
		output_row(report->rows, token_desk_json(key));
		return RC_OK;
	}
	printf("%s: \"%s\" %s, of %s\n", key->token, key->name.label,
	       key->type < KEY_TYPE_COUNT ? key_type_name(key->type) : "another type",
	       key->owner[0]  ? key->owner
	       : key->is_ours ? "no record here any more"
			      : "nobody known here");
	if (key->made_at)
		printf("    age       %s\n", clock_print_duration(clock_now() - key->made_at, age));
	printf("    custody   %s%s\n", token_desk_verdict(key), key->custody.text);
	return RC_OK;
}

enum exit_status token_keys_command(const struct token_desk *desk)
{
	AUTO(json) json_t *rows = json_array();
	struct report report = { .desk = desk, .rows = rows, .all_held = true };
	enum exit_status status = token_desk_each(desk, report_key, &report);

	if (desk->line->json)
		output_json(json_pack("{s:O}", "keys", rows));
	return report.all_held ? status : exit_first(status, EXIT_FAILED);
}
