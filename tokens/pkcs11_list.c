/* pkcs11_list.c -- lists the private keys of a token, with what they lack. */
#include <string.h>

#include "pkcs11.h"
#include "spki.h"

/* What list() saw, kept until the session is given back: each() may want one of its own. */
struct seen {
	struct pkcs11_key **keys;
	struct token_custody *custody;
	size_t count;
};

static void seen_clear(struct seen *seen)
{
	for (size_t i = 0; i < seen->count; i++)
		token_key_free(&seen->keys[i]->base);
	free(seen->keys);
	free(seen->custody);
	*seen = (struct seen){ 0 };
}
AUTO_DEFINE_VALUE(seen, struct seen, seen_clear);

/* The public keys of the token by their ids: found once, not anew for each private key. */
struct halves {
	CK_OBJECT_HANDLE *objects;
	uint8_t (*ids)[TOKEN_ID_LEN];
	CK_ULONG count;
};

static void halves_clear(struct halves *halves)
{
	free(halves->objects);
	free(halves->ids);
}
AUTO_DEFINE_VALUE(halves, struct halves, halves_clear);

/* Of those beyond PKCS11_KEYS_MAX nothing is known: their private keys are listed without a public one. */
static enum rc halves_find(struct pkcs11_session *session, struct halves *halves, struct err *err)
{
	CK_ULONG found = 0;

	halves->objects = calloc(PKCS11_KEYS_MAX, sizeof(*halves->objects));
	halves->ids = calloc(PKCS11_KEYS_MAX, sizeof(*halves->ids));
	if (!halves->objects || !halves->ids)
		return err_set(err, RC_RESOURCE, "out of memory");
	enum rc rc = pkcs11_find_objects(session, CKO_PUBLIC_KEY, NULL, NULL, halves->objects, PKCS11_KEYS_MAX, &found, err);
	for (CK_ULONG i = 0; i < found && rc == RC_OK; i++) {
		struct pkcs11_facts facts;

		rc = pkcs11_facts_read(session, halves->objects[i], PKCS11_READ_ID, &facts, err);
		struct span id = rc == RC_OK ? pkcs11_fact(&facts, CKA_ID) : span_of(NULL, 0);
		if (id.len != TOKEN_ID_LEN)
			continue;
		halves->objects[halves->count] = halves->objects[i];
		memcpy(halves->ids[halves->count++], id.at, TOKEN_ID_LEN);
	}
	return rc;
}

static CK_OBJECT_HANDLE half_of(const struct halves *halves, struct span id)
{
	for (CK_ULONG i = 0; i < halves->count; i++)
		if (span_equal(SPAN(halves->ids[i]), id))
			return halves->objects[i];
	return CK_INVALID_HANDLE;
}

/* The public half, of which there may be none. */
static enum rc see_public(struct pkcs11_session *session, const struct halves *halves, const struct pkcs11_facts *private_key,
			  struct pkcs11_key *key, struct err *err)
{
	CK_OBJECT_HANDLE object = half_of(halves, pkcs11_fact(private_key, CKA_ID));
	unsigned wanted = object == CK_INVALID_HANDLE ? 0 : pkcs11_untold_half(private_key);
	struct pkcs11_facts facts;
	enum rc rc = wanted ? pkcs11_facts_read(session, object, wanted, &facts, err) : RC_OK;

	if (rc == RC_OK)
		rc = pkcs11_facts_spki(private_key, wanted ? &facts : NULL, &key->spki, err);
	if (rc == RC_OK)
		key->base.type = spki_key_type(buf_span(&key->spki));
	key->public_handle = object;
	return rc;
}

/*
 * A half-made or foreign object may lack any of these; it is listed with what it has.  But what only could not be read
 * this time fails the list: a key without its id would look like nobody's.
 */
static enum rc see_one(struct pkcs11_session *session, CK_OBJECT_HANDLE object, const struct halves *halves,
		       struct pkcs11_key *key, struct token_custody *custody, struct err *err)
{
	struct pkcs11_facts facts;

	enum rc rc = pkcs11_facts_read(session, object, PKCS11_READ_ALL & ~PKCS11_READ_POINT, &facts, err);
	if (rc != RC_OK)
		return rc;
	key->handle = object;
	key->generation = session->generation;
	struct span id = pkcs11_fact(&facts, CKA_ID), label = pkcs11_fact(&facts, CKA_LABEL);
	if (id.len == TOKEN_ID_LEN)
		memcpy(key->base.name.id, id.at, TOKEN_ID_LEN);
	if (label.len)
		pkcs11_text(label.at, label.len, key->base.name.label, sizeof(key->base.name.label));
	struct err why = { 0 };
	rc = see_public(session, halves, &facts, key, &why);
	if (rc != RC_RETRY)
		return pkcs11_facts_custody(session->token, &facts, custody, err);
	if (err)
		*err = why;
	return rc;
}

static enum rc see_all(struct pkcs11_session *session, const CK_OBJECT_HANDLE *objects, CK_ULONG count, struct seen *seen,
		       struct err *err)
{
	AUTO(halves) struct halves halves = { 0 };

	seen->keys = calloc(count + 1, sizeof(struct pkcs11_key *));
	seen->custody = calloc(count + 1, sizeof(*seen->custody));
	if (!seen->keys || !seen->custody)
		return err_set(err, RC_RESOURCE, "out of memory");
	enum rc rc = count ? halves_find(session, &halves, err) : RC_OK;
	for (CK_ULONG i = 0; i < count && rc == RC_OK; i++) {
		struct pkcs11_key *key = pkcs11_key_new(&session->token->base);

		if (!key)
			return err_set(err, RC_RESOURCE, "out of memory");
		seen->keys[seen->count++] = key;
		rc = see_one(session, objects[i], &halves, key, &seen->custody[i], err);
	}
	return rc;
}

static enum rc see(struct pkcs11_session *session, void *ctx, struct err *err)
{
	CK_OBJECT_HANDLE *objects = calloc(PKCS11_KEYS_MAX, sizeof(*objects));
	CK_ULONG count = 0;
	enum rc rc = objects ? RC_OK : err_set(err, RC_RESOURCE, "out of memory");

	seen_clear(ctx); /* of a run that was cut off */
	if (rc == RC_OK)
		rc = pkcs11_find_objects(session, CKO_PRIVATE_KEY, NULL, NULL, objects, PKCS11_KEYS_MAX, &count, err);
	if (rc == RC_OK)
		rc = pkcs11_login_check(session, err);
	if (rc == RC_OK && count == PKCS11_KEYS_MAX)
		rc = err_set(err, RC_RESOURCE, "it holds %d private keys or more; that many are not looked at", PKCS11_KEYS_MAX);
	if (rc == RC_OK)
		rc = see_all(session, objects, count, ctx, err);
	free(objects);
	return rc;
}

enum rc pkcs11_list(struct token *token, token_list_fn *each, void *ctx, struct err *err)
{
	AUTO(seen) struct seen seen = { 0 };
	enum rc rc = pkcs11_run(PKCS11(token), see, &seen, err);

	for (size_t i = 0; i < seen.count && rc == RC_OK; i++)
		rc = each(ctx, &seen.keys[i]->base, &seen.custody[i], err);
	return rc;
}
