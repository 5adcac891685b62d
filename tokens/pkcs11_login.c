/* pkcs11_login.c -- one C_Login that never costs a second attempt with a refused PIN. */
#include <string.h>

#include "pin.h"
#include "pkcs11.h"
#include "refusal.h"

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

/* Some modules say CKR_FUNCTION_FAILED of a wrong PIN: then the token's count tells. */
static bool pin_was_refused(const struct pkcs11_token *token, CK_RV rv)
{
	const CK_FLAGS counted = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;
	CK_TOKEN_INFO now;

	if (pkcs11_refuses_pin(rv))
		return true;
	return token->call->C_GetTokenInfo(token->slot, &now) == CKR_OK && (now.flags & counted & ~token->info.flags);
}

/* A module started anew behind our back may remember a login that its token does not (tpm2-abrmd): then no key is seen. */
static bool is_logged_in(const struct pkcs11_session *session)
{
	CK_SESSION_INFO info = { 0 };
	CK_RV rv = session->call->C_GetSessionInfo(session->handle, &info);

	return rv == CKR_FUNCTION_NOT_SUPPORTED ||
	       (rv == CKR_OK && (info.state == CKS_RW_USER_FUNCTIONS || info.state == CKS_RO_USER_FUNCTIONS));
}

/* Exactly one C_Login, known on disk before it is made. */
static enum rc login_once(struct pkcs11_session *session, const struct pin *pin, const char *where, struct err *err)
{
	const struct pkcs11_token *token = session->token;
	uint8_t who[sizeof(token->info.label) + sizeof(token->info.serialNumber)];
	struct span secret = span_of(pin_bytes(pin), pin_len(pin));

	memcpy(who, token->info.label, sizeof(token->info.label));
	memcpy(who + sizeof(token->info.label), token->info.serialNumber, sizeof(token->info.serialNumber));
	enum rc rc = refusal_begin(token->keys_dir, SPAN(who), secret, err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "the PIN in %s", where);
	CK_RV rv = session->call->C_Login(session->handle, CKU_USER, (CK_UTF8CHAR_PTR)(uintptr_t)secret.at, secret.len);
	if (rv == CKR_USER_ALREADY_LOGGED_IN && !is_logged_in(session))
		rv = CKR_USER_NOT_LOGGED_IN;
	bool accepted = rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN;
	bool refused = !accepted && pin_was_refused(token, rv);
	rc = refusal_end(token->keys_dir, SPAN(who), secret, refused, err);
	if (refused)
		return err_set_raw(err, RC_DENIED, ERR_PKCS11, (int64_t)rv,
				   "the PIN in %s was refused (%s); it is not tried again: correct it there", where,
				   pkcs11_rv_name(rv));
	return accepted ? rc : pkcs11_session_fail(session, err, rv, "C_Login");
}

enum rc pkcs11_login(struct pkcs11_session *session, struct err *err)
{
	const struct pkcs11_token *token = session->token;
	AUTO(pin) struct pin *pin = NULL;
	char where[512];
	enum rc rc = pin_state_check(token, pin_where(&token->pin, where), err);

	if (rc == RC_OK)
		rc = pin_read(&token->pin, &pin, err);
	if (rc == RC_OK)
		rc = pin_len_check(token, pin, where, err);
	return rc == RC_OK ? login_once(session, pin, where, err) : rc;
}
