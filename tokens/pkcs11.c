/* pkcs11.c -- keys in an HSM through PKCS#11: signatures, and the table of operations. */
#include "pkcs11.h"

#include <string.h>

#include "backends.h"

static enum rc public_key(struct token_key *key, struct buf *ret_spki, struct err *err)
{
	return buf_append(ret_spki, buf_span(&PKCS11_KEY(key)->spki), err);
}

/* DigestInfo prefixes of RFC 8017, 9.2 note 1: CKM_RSA_PKCS signs what it is given. */
static const uint8_t DIGEST_INFO[][19] = {
	[TOKEN_SHA256] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0,
			   0x04, 0x20 },
	[TOKEN_SHA384] = { 0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0,
			   0x04, 0x30 },
	[TOKEN_SHA512] = { 0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0,
			   0x04, 0x40 },
};
static const CK_RSA_PKCS_PSS_PARAMS PSS[] = {
	/* RFC 7518, 3.5: salt as long as the hash */
	[TOKEN_SHA256] = { CKM_SHA256, CKG_MGF1_SHA256, 32 },
	[TOKEN_SHA384] = { CKM_SHA384, CKG_MGF1_SHA384, 48 },
	[TOKEN_SHA512] = { CKM_SHA512, CKG_MGF1_SHA512, 64 },
};

struct to_sign {
	struct pkcs11_key *key;
	CK_MECHANISM mechanism;
	struct span input;
	struct buf *ret_sig;
};

/* A handle that its object has left behind is found again, once: the key is another, or the same at another place. */
static enum rc sign_begin(struct pkcs11_session *session, struct to_sign *what, struct err *err)
{
	for (bool is_again = false;; is_again = true) {
		CK_OBJECT_HANDLE handle;
		enum rc rc = pkcs11_key_handle(session, what->key, &handle, err);

		/* Some modules leave a failed operation active, and refuse every later one in that session. */
		session->is_spoiled = session->is_spoiled || is_again;
		if (rc != RC_OK)
			return rc;
		CK_RV rv = session->call->C_SignInit(session->handle, &what->mechanism, handle);
		session->is_spoiled = true;
		if (rv == CKR_OK)
			return RC_OK;
		if (is_again || !pkcs11_key_forget(session, what->key, handle, rv))
			return pkcs11_session_fail(session, err, rv, "C_SignInit");
	}
}

static enum rc sign_with(struct pkcs11_session *session, void *ctx, struct err *err)
{
	struct to_sign *what = ctx;
	CK_BYTE sig[TOKEN_SIG_MAX];
	CK_ULONG sig_len = sizeof(sig);
	enum rc rc = sign_begin(session, what, err);

	if (rc != RC_OK)
		return rc;
	CK_RV rv = session->call->C_Sign(session->handle, (CK_BYTE_PTR)(uintptr_t)what->input.at, what->input.len, sig, &sig_len);
	if (rv != CKR_OK)
		return pkcs11_session_fail(session, err, rv, "C_Sign");
	if (sig_len > sizeof(sig))
		return err_set_raw(err, RC_PROTOCOL, ERR_PKCS11, 0, "C_Sign: the module claims %lu bytes", sig_len);
	session->is_spoiled = false;
	return buf_append(what->ret_sig, span_of(sig, sig_len), err);
}

static enum rc sign(struct token_key *base, enum token_scheme scheme, enum token_hash hash, struct span given,
		    struct buf *ret_sig, struct err *err)
{
	CK_RSA_PKCS_PSS_PARAMS pss = PSS[hash];
	AUTO(buf) struct buf input = BUF_MAX(TOKEN_MESSAGE_MAX);
	struct to_sign what = { .key = PKCS11_KEY(base),
				.mechanism = { pkcs11_family(base->type)->sign, NULL, 0 },
				.ret_sig = ret_sig };
	enum rc rc = RC_OK;

	if (scheme == TOKEN_RSA_PSS)
		what.mechanism = (CK_MECHANISM){ CKM_RSA_PKCS_PSS, &pss, sizeof(pss) };
	if (scheme == TOKEN_RSA_PKCS1)
		rc = buf_append(&input, SPAN(DIGEST_INFO[hash]), err);
	if (rc == RC_OK)
		rc = buf_append(&input, given, err);
	if (rc != RC_OK)
		return rc;
	what.input = buf_span(&input);
	return pkcs11_run(PKCS11(base->token), sign_with, &what, err);
}

struct asked_custody {
	struct pkcs11_key *key;
	struct token_custody *ret_custody;
};

static enum rc ask_custody(struct pkcs11_session *session, void *ctx, struct err *err)
{
	const struct asked_custody *asked = ctx;
	struct pkcs11_facts facts;
	enum rc rc = RC_OK;

	for (bool is_again = false;; is_again = true) {
		CK_OBJECT_HANDLE handle;

		rc = pkcs11_key_handle(session, asked->key, &handle, err);
		if (rc == RC_OK)
			rc = pkcs11_facts_read(session, handle, PKCS11_READ_CUSTODY, &facts, err);
		if (rc == RC_OK || is_again || !pkcs11_key_forget(session, asked->key, handle, (CK_RV)err->code))
			break;
	}
	return rc == RC_OK ? pkcs11_facts_custody(session->token, &facts, asked->ret_custody, err) : rc;
}

static enum rc custody(struct token_key *key, struct token_custody *ret_custody, struct err *err)
{
	return pkcs11_run(PKCS11(key->token), ask_custody, &(struct asked_custody){ PKCS11_KEY(key), ret_custody }, err);
}

const struct token_ops pkcs11_ops = {
	.scheme = "pkcs11",
	.open = pkcs11_open,
	.close = pkcs11_close,
	.info = pkcs11_info,
	.generate = pkcs11_generate,
	.find = pkcs11_find,
	.confirm = pkcs11_confirm,
	.list = pkcs11_list,
	.key_free = pkcs11_key_free,
	.public_key = public_key,
	.sign = sign,
	.custody = custody,
	.reference = pkcs11_reference,
	.mac = pkcs11_mac,
	.audit_try = pkcs11_audit_try,
	.publish = pkcs11_publish,
	.erase = pkcs11_erase,
	.erase_name = pkcs11_erase_name,
};
