/*
 * pkcs11_login.c -- one C_Login that never costs a second attempt with a refused PIN.
 *
 * An answer is one of three.  The PIN was taken.  Or it was refused, by a code that speaks of the PIN or by the token's
 * count of failures: it is not sent again until it is changed (refusal.h).  Or neither: a lost connection, a policy of the
 * token, a locked PIN, a code of a vendor, who may mean anything by it.  To take that for a refusal would end all renewals
 * over an HSM that was starting; to repeat it at once could lock a token that counts in silence.  So it is repeated after
 * a time that doubles, whichever caller asks: no longer than the trouble has lasted, and at most 24 times a day.
 */
#include <string.h>

#include "clock.h"
#include "pin.h"
#include "pkcs11.h"
#include "refusal.h"

#define HELD_MAX         64 /* tokens; the next takes the place of the one that waits the shortest */
#define HELD_STEP_MS     1000
#define HELD_STEP_MAX_MS 3600000 /* what forgets failures by the hour can forget them */

/* The name of a token for good: its label and serial number. */
struct who {
	CK_UTF8CHAR label[sizeof(((CK_TOKEN_INFO *)NULL)->label)];
	CK_CHAR serial[sizeof(((CK_TOKEN_INFO *)NULL)->serialNumber)];
};

static struct who who_of(const struct pkcs11_token *token)
{
	struct who who;

	memcpy(who.label, token->info.label, sizeof(who.label));
	memcpy(who.serial, token->info.serialNumber, sizeof(who.serial));
	return who;
}

/* Logins without a verdict: in this process, for a token that could not be opened is opened anew by the next caller. */
static struct held {
	struct who who;
	int64_t again_at_ms, step_ms; /* step 0: free */
	struct err why;
} held_logins[HELD_MAX];
static pthread_mutex_t held_mutex = PTHREAD_MUTEX_INITIALIZER;

/* With the mutex. */
static struct held *held_find(const struct who *who)
{
	for (size_t i = 0; i < HELD_MAX; i++)
		if (held_logins[i].step_ms && memcmp(&held_logins[i].who, who, sizeof(*who)) == 0)
			return &held_logins[i];
	return NULL;
}

/* With the mutex: a free one, or the one that is over first. */
static struct held *held_place(void)
{
	struct held *place = &held_logins[0];

	for (size_t i = 1; i < HELD_MAX && place->step_ms; i++)
		if (!held_logins[i].step_ms || held_logins[i].again_at_ms < place->again_at_ms)
			place = &held_logins[i];
	return place;
}

static enum rc held_check(const struct who *who, const char *where, struct err *err)
{
	struct err why = { 0 };

	pthread_mutex_lock(&held_mutex);
	const struct held *held = held_find(who);
	int64_t left = held ? held->again_at_ms - clock_monotonic_ms() : 0;
	if (left > 0)
		why = held->why;
	pthread_mutex_unlock(&held_mutex);
	if (left <= 0)
		return RC_OK;
	if (err)
		*err = why;
	return err_wrap(err, why.rc, "the PIN in %s is sent again in %d s at the earliest", where, (int)((left + 999) / 1000));
}

static void held_note(const struct who *who, const struct err *why)
{
	pthread_mutex_lock(&held_mutex);
	struct held *held = held_find(who);
	if (!held) {
		held = held_place();
		*held = (struct held){ .who = *who };
	}
	held->step_ms = held->step_ms ? 2 * held->step_ms : HELD_STEP_MS;
	if (held->step_ms > HELD_STEP_MAX_MS)
		held->step_ms = HELD_STEP_MAX_MS;
	held->again_at_ms = clock_monotonic_ms() + held->step_ms;
	held->why = *why;
	pthread_mutex_unlock(&held_mutex);
}

static void held_forget(const struct who *who)
{
	pthread_mutex_lock(&held_mutex);
	struct held *held = held_find(who);
	if (held)
		held->step_ms = 0;
	pthread_mutex_unlock(&held_mutex);
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

/* Some modules say CKR_FUNCTION_FAILED of a wrong PIN: then the token's count tells. */
static bool pin_was_refused(const struct pkcs11_token *token, CK_RV rv)
{
	const CK_FLAGS counted = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;
	CK_TOKEN_INFO now;

	if (pkcs11_refuses_pin(rv))
		return true;
	return token->call->C_GetTokenInfo(token->slot, &now) == CKR_OK && (now.flags & counted & ~token->info.flags);
}

/* CKR_USER_NOT_LOGGED_IN where the module tells so. */
static CK_RV login_ask(const struct pkcs11_session *session)
{
	CK_SESSION_INFO info = { 0 };
	CK_RV rv = session->call->C_GetSessionInfo(session->handle, &info);
	bool is_user = info.state == CKS_RW_USER_FUNCTIONS || info.state == CKS_RO_USER_FUNCTIONS;

	return rv == CKR_OK && !is_user ? CKR_USER_NOT_LOGGED_IN : rv;
}

bool pkcs11_login_is_told(struct pkcs11_session *session)
{
	return login_ask(session) == CKR_OK;
}

enum rc pkcs11_login_check(struct pkcs11_session *session, struct err *err)
{
	CK_RV rv = session->token->tells_login ? login_ask(session) : CKR_OK;

	return rv == CKR_OK ? RC_OK : pkcs11_session_fail(session, err, rv, "C_GetSessionInfo");
}

/* A module started anew behind our back may remember a login that its token does not (tpm2-abrmd): then no key is seen. */
static bool is_logged_in(const struct pkcs11_session *session)
{
	CK_RV rv = login_ask(session);

	return rv == CKR_OK || rv == CKR_FUNCTION_NOT_SUPPORTED;
}

/* A token that requires no login, and has no PIN for one (nShield's accelerator): the one that is configured is of no use, and does no harm. */
static bool has_no_pin(const struct pkcs11_token *token, CK_RV rv)
{
	return !(token->info.flags & CKF_LOGIN_REQUIRED) &&
	       (rv == CKR_USER_PIN_NOT_INITIALIZED || rv == CKR_FUNCTION_NOT_SUPPORTED);
}

/* Exactly one C_Login, known on disk before it is made. */
static enum rc login_once(struct pkcs11_session *session, const struct pin *pin, const char *where, struct err *err)
{
	const struct pkcs11_token *token = session->token;
	const struct who who = who_of(token);
	struct span token_name = span_of(&who, sizeof(who)), secret = span_of(pin_bytes(pin), pin_len(pin));
	enum rc rc = held_check(&who, where, err);

	if (rc != RC_OK)
		return rc;
	rc = refusal_begin(token->keys_dir, token_name, secret, err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "the PIN in %s", where);
	CK_RV rv = session->call->C_Login(session->handle, CKU_USER, (CK_UTF8CHAR_PTR)(uintptr_t)secret.at, secret.len);
	if (rv == CKR_USER_ALREADY_LOGGED_IN && !is_logged_in(session))
		rv = CKR_USER_NOT_LOGGED_IN;
	bool accepted = rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN || has_no_pin(token, rv);
	bool refused = !accepted && pin_was_refused(token, rv);
	rc = refusal_end(token->keys_dir, token_name, secret, refused, err);
	if (accepted || refused)
		held_forget(&who);
	if (refused)
		return err_set_raw(err, RC_DENIED, ERR_PKCS11, (int64_t)rv,
				   "the PIN in %s was refused (%s); it is not tried again: correct it there", where,
				   pkcs11_rv_name(rv));
	if (accepted)
		return rc;
	struct err why = { 0 };
	rc = pkcs11_connect_fail(session, &why, rv, "C_Login");
	held_note(&who, &why);
	if (err)
		*err = why;
	return rc;
}

enum rc pkcs11_login(struct pkcs11_session *session, struct err *err)
{
	const struct pkcs11_token *token = session->token;
	AUTO(pin) struct pin *pin = NULL;
	char where[512];
	enum rc rc = pin_state_check(token, pin_where_corrected(&token->pin, where), err);

	if (rc == RC_OK)
		rc = pin_read(&token->pin, "PIN", &pin, err);
	if (rc == RC_OK)
		rc = pin_len_check(token, pin, where, err);
	return rc == RC_OK ? login_once(session, pin, where, err) : rc;
}
