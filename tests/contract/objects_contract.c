/* objects_contract.c -- the promises of token_publish(), for any backend; included by token_contract.c. */
#include "made_certificate.h"

/* Some modules keep each certificate once, and say so. */
static enum rc publish_as_it_can(struct token_key *key, struct token_objects *objects, struct err *err)
{
	enum rc rc = token_publish(key, objects, err);

	if (rc != RC_INPUT || !strstr(err->text, "without chain"))
		return rc;
	objects->chain_count = 0;
	return token_publish(key, objects, err);
}

/* Again ends the same, less takes away, and the key is good throughout; what is not the key's is refused. */
static void certificates_stand_beside_a_key_or_are_refused_plainly(void **state)
{
	const struct token_fixture *fixture = *state;
	struct token *token = contract_open(fixture);
	struct token_key *key = contract_key(fixture, token);
	AUTO(buf) struct buf own = BUF_MAX(TOKEN_MESSAGE_MAX);
	AUTO(buf) struct buf issuer = BUF_MAX(TOKEN_MESSAGE_MAX);
	struct token_objects objects = { .label = "" };
	struct err err = { 0 };

	made_certificate_of(key, "contract", 77, &own);
	made_certificate(span_of(NULL, 0), "issuer", 1, &issuer);
	objects.certificate = buf_span(&own);
	objects.chain[0] = buf_span(&issuer);
	objects.chain_count = 1;
	if (fixture->keeps_no_certificates) {
		contract_expect(token_publish(key, &objects, &err), RC_INPUT, &err, "publish");
		assert_non_null(strstr(err.text, "token-objects"));
	} else {
		for (int turn = 0; turn < 2; turn++)
			contract_expect(publish_as_it_can(key, &objects, &err), RC_OK, &err, "publish");
		objects.certificate = buf_span(&issuer);
		contract_expect(token_publish(key, &objects, &err), RC_INPUT, &err, "publish another key's");
		objects.certificate = SPAN("no certificate");
		contract_expect(token_publish(key, &objects, &err), RC_INPUT, &err, "publish what is no certificate");
		contract_expect(token_publish(key, &(struct token_objects){ .label = "" }, &err), RC_OK, &err, "publish nothing");
		objects.certificate = buf_span(&own);
		contract_expect(token_publish(key, &objects, &err), RC_OK, &err, "publish again");
	}
	contract_sign_as_usual(key);
	contract_drop(key);
	token_close(token);
}

struct labels {
	const char *label;
	unsigned count;
};

static enum rc label_count(void *ctx, struct token_key *key, const struct token_custody *custody, struct err *err)
{
	struct labels *labels = ctx;

	(void)custody, (void)err;
	labels->count += strcmp(key->name.label, labels->label) == 0;
	return RC_OK;
}

static void expect_labelled(struct token *token, const char *wanted, unsigned count)
{
	struct labels labels = { .label = wanted };
	struct err err = { 0 };

	contract_expect(token_list(token, label_count, &labels, &err), RC_OK, &err, "list");
	assert_int_equal(labels.count, count);
}

static void a_label_moves_from_key_to_key(void **state)
{
	const struct token_fixture *fixture = *state;
	AUTO(buf) struct buf issuer = BUF_MAX(TOKEN_MESSAGE_MAX);
	struct buf certificates[2] = { BUF_MAX(TOKEN_MESSAGE_MAX), BUF_MAX(TOKEN_MESSAGE_MAX) };
	struct token_key *keys[2], *found = NULL;
	struct err err = { 0 };

	if (fixture->keeps_no_certificates || !fixture->stable)
		return;
	/* Both have one issuer. */
	made_certificate(span_of(NULL, 0), "issuer", 1, &issuer);
	struct token *token = contract_open(fixture);
	for (int i = 0; i < 2; i++) {
		keys[i] = contract_key(fixture, token);
		made_certificate_of(keys[i], "contract", 77 + i, &certificates[i]);
		struct token_objects objects = { .label = fixture->stable,
						 .certificate = buf_span(&certificates[i]),
						 .chain = { buf_span(&issuer) },
						 .chain_count = 1 };
		contract_expect(publish_as_it_can(keys[i], &objects, &err), RC_OK, &err, "publish");
		expect_labelled(token, fixture->stable, 1);
		expect_labelled(token, keys[i]->name.label, 0);
	}
	expect_labelled(token, keys[0]->name.label, 1);
	/* Its name finds it as before, and so does what list() has shown. */
	contract_expect(token_find(token, &keys[1]->name, &found, &err), RC_OK, &err, "find by its name");
	contract_sign_as_usual(found);
	token_key_free(TAKE(found));
	struct token_key_name shown = keys[1]->name;
	snprintf(shown.label, sizeof(shown.label), "%s", fixture->stable);
	contract_expect(token_find(token, &shown, &found, &err), RC_OK, &err, "find as it is shown");
	token_key_free(found);
	for (int i = 0; i < 2; i++) {
		contract_drop(keys[i]);
		buf_clear(&certificates[i]);
	}
	expect_labelled(token, fixture->stable, 0);
	token_close(token);
}
