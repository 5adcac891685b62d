/* pkcs11_erase.c -- a key goes with all that has its id, and that it has gone is believed when it is seen. */
#include "backends.h"
#include "pkcs11.h"
#include "pkcs11_certificate.h"

#define ERASE_ROUNDS 2 /* the known objects of a key, and then what else has its id */

/* Private first: a public key alone can do nothing.  One whose private half is gone is found by nobody any more. */
static enum rc pair_destroy(struct pkcs11_session *session, const struct pkcs11_pair *pair, bool *ret_all, struct err *err)
{
	*ret_all = true;
	for (unsigned i = 0; i < pair->private_count + pair->public_count; i++) {
		CK_OBJECT_HANDLE object =
			i < pair->private_count ? pair->private_keys[i] : pair->public_keys[i - pair->private_count];
		CK_RV rv = session->call->C_DestroyObject(session->handle, object);

		if (rv != CKR_OK && rv != CKR_OBJECT_HANDLE_INVALID)
			return pkcs11_session_fail(session, err, rv, "C_DestroyObject");
		*ret_all = *ret_all && rv == CKR_OK;
	}
	return RC_OK;
}

enum rc pkcs11_pair_destroy(struct pkcs11_session *session, const struct pkcs11_pair *pair, struct err *err)
{
	bool all;

	return pair_destroy(session, pair, &all, err);
}

enum sight { SIGHT_UNSURE, SIGHT_THERE, SIGHT_GONE };

/* What is destroyed is looked at before and after: by now the handle may be of an object of somebody else. */
static enum sight look(struct pkcs11_session *session, CK_OBJECT_HANDLE object, CK_OBJECT_CLASS class, const uint8_t *id)
{
	bool was_gone = session->is_gone;
	struct pkcs11_facts facts;
	struct err why = { 0 };

	if (pkcs11_facts_read(session, object, PKCS11_READ_KIND | PKCS11_READ_ID, &facts, &why) != RC_OK) {
		session->is_gone = was_gone; /* the search that comes instead will tell */
		return why.code == CKR_OBJECT_HANDLE_INVALID ? SIGHT_GONE : SIGHT_UNSURE;
	}
	if (pkcs11_fact_number(&facts, CKA_CLASS) == CK_UNAVAILABLE_INFORMATION || !pkcs11_fact(&facts, CKA_ID).at)
		return SIGHT_UNSURE;
	return pkcs11_fact_number(&facts, CKA_CLASS) == class &&
			       span_equal(pkcs11_fact(&facts, CKA_ID), span_of(id, TOKEN_ID_LEN))
		       ? SIGHT_THERE
		       : SIGHT_GONE;
}

/* The objects of a key that was found before, without another search; false: they have to be found. */
static bool pair_known(struct pkcs11_session *session, struct pkcs11_key *key, struct pkcs11_pair *ret_pair)
{
	CK_OBJECT_HANDLE private_key, public_key;

	if (!pkcs11_key_noted(session, key, &private_key, &public_key) || public_key == CK_INVALID_HANDLE ||
	    look(session, private_key, CKO_PRIVATE_KEY, key->base.name.id) != SIGHT_THERE ||
	    look(session, public_key, CKO_PUBLIC_KEY, key->base.name.id) != SIGHT_THERE)
		return false;
	ret_pair->private_count = ret_pair->public_count = 1;
	ret_pair->has_certificate = false; /* the search that comes after will tell */
	ret_pair->private_keys[0] = private_key;
	ret_pair->public_keys[0] = public_key;
	return true;
}

/* Has each object gone, of no more than there should be? */
static bool pair_gone(struct pkcs11_session *session, const struct pkcs11_pair *pair, const uint8_t *id)
{
	return !pair->has_certificate && pair->private_count <= 1 && pair->public_count <= 1 &&
	       (!pair->private_count || look(session, pair->private_keys[0], CKO_PRIVATE_KEY, id) == SIGHT_GONE) &&
	       (!pair->public_count || look(session, pair->public_keys[0], CKO_PUBLIC_KEY, id) == SIGHT_GONE);
}

/* With its certificates.  `ret_seen`, which may be NULL: it was this that destroyed its objects, there was no more of it than there should be, and each
 * is no object any more.  Handles alone are no proof: those of a token that was lost are void as well. */
static enum rc all_destroy(struct pkcs11_session *session, const struct pkcs11_pair *pair, const struct token_key_name *name,
			   bool *ret_seen, struct err *err)
{
	bool all = false;
	enum rc rc = pair->has_certificate ? pkcs11_certificates_erase(session, name, err) : RC_OK;

	if (rc == RC_OK)
		rc = pair_destroy(session, pair, &all, err);
	if (ret_seen)
		*ret_seen = rc == RC_OK && all && pair_gone(session, pair, name->id);
	return rc;
}

void pkcs11_key_accompany(struct pkcs11_key *key)
{
	struct pkcs11_token *token = PKCS11(key->base.token);

	pthread_mutex_lock(&token->mutex);
	key->is_alone = false;
	pthread_mutex_unlock(&token->mutex);
}

static bool is_alone(struct pkcs11_key *key)
{
	struct pkcs11_token *token = PKCS11(key->base.token);

	pthread_mutex_lock(&token->mutex);
	bool it_is = key->is_alone;
	pthread_mutex_unlock(&token->mutex);
	return it_is;
}

struct erasure {
	struct pkcs11_key *key;
	bool was_there;
};

/* Believed when it is seen: where nothing else can have its id the handles tell, and else a search. */
static enum rc erase(struct pkcs11_session *session, void *ctx, struct err *err)
{
	struct erasure *erasure = ctx;
	struct pkcs11_key *key = erasure->key;
	struct pkcs11_pair pair;
	bool is_known = pair_known(session, key, &pair), is_seen = false;
	enum rc rc = RC_OK;

	for (unsigned round = 0; rc == RC_OK; round++) {
		bool is_searched = round || !is_known;

		if (is_searched)
			rc = pkcs11_pair_find(session, key->base.name.id, NULL, 0, &pair, err);
		if (rc != RC_OK || (pair.private_count + pair.public_count == 0 && !pair.has_certificate))
			break;
		if (round == ERASE_ROUNDS)
			return err_set_raw(err, RC_RETRY, ERR_PKCS11, 0, "the token still has it after C_DestroyObject");
		erasure->was_there = erasure->was_there || pair.private_count;
		rc = all_destroy(session, &pair, &key->base.name, is_searched || is_alone(key) ? &is_seen : NULL, err);
		if (is_seen)
			break;
	}
	if (rc == RC_OK && (rc = pkcs11_absent(session, err)) == RC_ABSENT)
		return RC_OK;
	return rc;
}

enum rc pkcs11_erase(struct token_key *key, struct err *err)
{
	return pkcs11_run(PKCS11(key->token), erase, &(struct erasure){ PKCS11_KEY(key), false }, err);
}

enum rc pkcs11_erase_name(struct token *token, const struct token_key_name *name, struct err *err)
{
	struct pkcs11_key key = { .base = { .ops = &pkcs11_ops, .token = token, .name = *name } };
	struct erasure erasure = { &key, false };
	enum rc rc = pkcs11_run(PKCS11(token), erase, &erasure, err);

	return rc == RC_OK && !erasure.was_there ? err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "not in the token") : rc;
}
