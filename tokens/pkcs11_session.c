/* pkcs11_session.c -- one session for each token, and one login that never costs a second PIN attempt. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "pin.h"
#include "pkcs11.h"

/* PINs that were refused in this process: only a keyed digest is kept, to know one again and not send it. */
#define REFUSED_MAX 16
#define DIGEST_LEN  32
static uint8_t refused_key[DIGEST_LEN];
static uint8_t refused[REFUSED_MAX][DIGEST_LEN];
static unsigned refused_count;

AUTO_DEFINE(md_ctx, EVP_MD_CTX *, EVP_MD_CTX_free);

static bool refusal_digest(const struct pkcs11_token *token, const struct pin *pin, uint8_t digest[DIGEST_LEN])
{
	AUTO(md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	static bool has_key;

	if (!has_key && RAND_bytes(refused_key, sizeof(refused_key)) != 1)
		return false;
	has_key = true;
	return ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
	       EVP_DigestUpdate(ctx, refused_key, sizeof(refused_key)) == 1 &&
	       EVP_DigestUpdate(ctx, token->info.label, sizeof(token->info.label)) == 1 &&
	       EVP_DigestUpdate(ctx, token->info.serialNumber, sizeof(token->info.serialNumber)) == 1 &&
	       EVP_DigestUpdate(ctx, pin_bytes(pin), pin_len(pin)) == 1 && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
}

static bool was_refused(const uint8_t digest[DIGEST_LEN])
{
	for (unsigned i = 0; i < refused_count; i++)
		if (CRYPTO_memcmp(refused[i], digest, DIGEST_LEN) == 0)
			return true;
	return refused_count == REFUSED_MAX; /* that many wrong ones: none is sent any more */
}

/* What the token says of its PIN: a try that may lock it is not ours to make. */
static enum rc pin_state_check(const struct pkcs11_token *token, const char *where, struct err *err)
{
	if (token->info.flags & CKF_USER_PIN_LOCKED)
		return err_set_raw(err, RC_DENIED, ERR_PKCS11, (int64_t)CKR_PIN_LOCKED,
				   "its user PIN is locked; the security officer must set a new one");
	if (token->info.flags & CKF_USER_PIN_FINAL_TRY)
		return err_set_raw(err, RC_DENIED, ERR_PKCS11, 0,
				   "one more wrong PIN locks it, so none was sent; check the PIN in %s and log in once by hand",
				   where);
	return RC_OK;
}

static enum rc pin_len_check(const struct pkcs11_token *token, const struct pin *pin, const char *where, struct err *err)
{
	if (pin_len(pin) >= token->info.ulMinPinLen && (!token->info.ulMaxPinLen || pin_len(pin) <= token->info.ulMaxPinLen))
		return RC_OK;
	return err_set_raw(err, RC_DENIED, ERR_PKCS11, (int64_t)CKR_PIN_LEN_RANGE,
			   "the PIN in %s has a length the token does not take (%lu to %lu); it was not sent", where,
			   token->info.ulMinPinLen, token->info.ulMaxPinLen);
}

/* Exactly one C_Login. */
static enum rc login_once(struct pkcs11_token *token, const struct pin *pin, const char *where, struct err *err)
{
	uint8_t digest[DIGEST_LEN];

	if (!refusal_digest(token, pin, digest))
		return err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "no random numbers, or out of memory");
	if (was_refused(digest))
		return err_set_raw(err, RC_DENIED, ERR_PKCS11, (int64_t)CKR_PIN_INCORRECT,
				   "the PIN in %s was refused before and is not sent again: correct it there", where);
	CK_RV rv = token->call->C_Login(token->session, CKU_USER, (CK_UTF8CHAR_PTR)(uintptr_t)pin_bytes(pin), pin_len(pin));
	if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
		return RC_OK;
	enum rc rc = pkcs11_fail(err, rv, "C_Login");
	if (rc != RC_DENIED)
		return rc;
	memcpy(refused[refused_count++], digest, DIGEST_LEN);
	return err_set_raw(err, RC_DENIED, ERR_PKCS11, (int64_t)rv,
			   "the PIN in %s was refused (%s); it is not tried again: correct it there", where, pkcs11_rv_name(rv));
}

static enum rc login(struct pkcs11_token *token, struct err *err)
{
	AUTO(pin) struct pin *pin = NULL;
	char where[512];
	enum rc rc = pin_state_check(token, pin_where(&token->pin, where), err);

	if (rc == RC_OK)
		rc = pin_read(&token->pin, &pin, err);
	if (rc == RC_OK)
		rc = pin_len_check(token, pin, where, err);
	return rc == RC_OK ? login_once(token, pin, where, err) : rc;
}

enum rc pkcs11_session_open(struct pkcs11_token *token, struct err *err)
{
	CK_RV rv = token->call->C_OpenSession(token->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &token->session);

	if (rv != CKR_OK)
		return pkcs11_fail(err, rv, "C_OpenSession");
	token->has_session = true;
	return token->info.flags & CKF_LOGIN_REQUIRED ? login(token, err) : RC_OK;
}

void pkcs11_session_close(struct pkcs11_token *token)
{
	if (token->has_session)
		token->call->C_CloseSession(token->session);
	token->has_session = false;
}

void pkcs11_session_renew(struct pkcs11_token *token)
{
	CK_SESSION_HANDLE fresh;

	/* The old one goes last: with the last session the login goes too. */
	if (token->call->C_OpenSession(token->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &fresh) != CKR_OK)
		return;
	token->call->C_CloseSession(token->session);
	token->session = fresh;
}
