/* stage.c -- the operations of token.h, each as one step that a fault may hit. */
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "fresh_names.h"
#include "made_certificate.h"
#include "sweep.h"

enum rc stage_nothing(struct stage *stage, struct err *err)
{
	(void)stage, (void)err;
	return RC_OK;
}

enum rc stage_open(struct stage *stage, struct err *err)
{
	return token_open(&stage->world->config, stage->world->keys_dir, &stage->token, err);
}

enum rc stage_open_tried(struct stage *stage, struct err *err)
{
	(void)fresh_names_take(&stage->made);
	return stage_open(stage, err);
}

enum rc stage_find(struct stage *stage, struct err *err)
{
	return token_find(stage->token, &stage->world->kept, &stage->key, err);
}

enum rc stage_generate(struct stage *stage, struct err *err)
{
	return token_generate(stage->token, &stage->made, KEY_EC_P256, &stage->key, err);
}

enum rc stage_sign(struct stage *stage, struct err *err)
{
	static const uint8_t digest[32] = { 7 };
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
	enum rc rc = token_sign(stage->key, TOKEN_ECDSA, TOKEN_SHA256, SPAN(digest), &sig, err);

	if ((rc == RC_OK) != (sig.len == 64) || (rc != RC_OK && sig.len))
		sweep_fail("%s, and a signature of %zu bytes", sweep_rc_name(rc), sig.len);
	return rc;
}

static enum rc see(void *ctx, struct token_key *key, const struct token_custody *custody, struct err *err)
{
	struct stage *stage = ctx;

	(void)custody, (void)err;
	if (memcmp(key->name.id, stage->world->kept.id, TOKEN_ID_LEN) == 0)
		stage->is_incomplete = false;
	return RC_OK;
}

enum rc stage_list(struct stage *stage, struct err *err)
{
	stage->is_incomplete = true;
	enum rc rc = token_list(stage->token, see, stage, err);
	if (rc != RC_OK)
		stage->is_incomplete = false; /* whoever asked knows that he does not know */
	return rc;
}

enum rc stage_info(struct stage *stage, struct err *err)
{
	struct token_info info;

	return token_info(stage->token, &info, err);
}

enum rc stage_custody(struct stage *stage, struct err *err)
{
	struct token_custody custody;

	return token_custody(stage->key, &custody, err);
}

enum rc stage_erase(struct stage *stage, struct err *err)
{
	return token_erase(stage->key, err);
}

enum rc stage_close(struct stage *stage, struct err *err)
{
	(void)err;
	stage_end(stage);
	return RC_OK;
}

enum rc stage_with_key(struct stage *stage, struct err *err)
{
	enum rc rc = stage_open(stage, err);

	return rc == RC_OK ? stage_find(stage, err) : rc;
}

enum rc stage_with_used_key(struct stage *stage, struct err *err)
{
	enum rc rc = stage_with_key(stage, err);

	return rc == RC_OK ? stage_sign(stage, err) : rc;
}

enum rc stage_with_new_key(struct stage *stage, struct err *err)
{
	enum rc rc = stage_open(stage, err);

	return rc == RC_OK ? stage_generate(stage, err) : rc;
}

enum rc stage_with_found_key(struct stage *stage, struct err *err)
{
	enum rc rc = stage_with_new_key(stage, err);

	if (rc != RC_OK)
		return rc;
	token_key_free(TAKE(stage->key));
	return token_find(stage->token, &stage->made, &stage->key, err);
}

/* With a label that the key does not have, and a certificate as issuer. */
enum rc stage_publish(struct stage *stage, struct err *err)
{
	AUTO(buf) struct buf own = BUF_MAX(TOKEN_MESSAGE_MAX);
	AUTO(buf) struct buf issuer = BUF_MAX(TOKEN_MESSAGE_MAX);

	made_certificate_of(stage->key, "sweep", 1, &own);
	made_certificate(span_of(NULL, 0), "issuer", 1, &issuer);
	struct token_objects objects = {
		.label = "sweep-tls", .certificate = buf_span(&own), .chain = { buf_span(&issuer) }, .chain_count = 1
	};
	return token_publish(stage->key, &objects, err);
}

void stage_begin(struct stage *stage, const struct world *world)
{
	*stage = (struct stage){ .world = world };
	if (token_key_name_make("sweep", 0, &stage->made, NULL) != RC_OK)
		sweep_fail("no random numbers");
}

void stage_end(struct stage *stage)
{
	token_key_free(TAKE(stage->key));
	token_close(TAKE(stage->token));
}

enum rc world_begin(struct world *world, struct err *err)
{
	struct stage stage;

	stage_begin(&stage, world);
	enum rc rc = stage_with_new_key(&stage, err);
	world->kept = stage.made;
	stage_end(&stage);
	return rc;
}

void world_check(const struct world *world)
{
	struct err err = sweep_err();
	struct stage stage;

	stage_begin(&stage, world);
	enum rc rc = stage_with_key(&stage, &err);
	if (rc == RC_OK)
		rc = stage_sign(&stage, &err);
	sweep_err_check("the kept key", rc, &err, world->secret);
	if (rc != RC_OK)
		sweep_fail("the kept key is lost: %s", err.text);
	stage_end(&stage);
}
