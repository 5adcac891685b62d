/* pkcs11_mac.c -- HMAC with a generic secret key in the token: the key of an external account binding that never leaves it. */
#include "pkcs11.h"

struct mac {
	const char *label;
	CK_MECHANISM_TYPE mechanism;
	struct span message;
	struct buf *ret_mac;
};

static enum rc mac_work(struct pkcs11_session *session, void *ctx, struct err *err)
{
	const struct mac *mac = ctx;
	CK_MECHANISM mechanism = { mac->mechanism, NULL, 0 };
	CK_OBJECT_HANDLE objects[2];
	CK_ULONG count = 0, len = 64;
	CK_BYTE octets[64];
	enum rc rc = pkcs11_find_objects(session, CKO_SECRET_KEY, NULL, mac->label, objects, 2, &count, err);

	if (rc == RC_OK && count == 0)
		rc = pkcs11_login_check(session, err);
	if (rc != RC_OK)
		return rc;
	if (count != 1)
		return err_set_raw(err, count ? RC_INPUT : RC_ABSENT, ERR_PKCS11, 0, "%s secret key is labelled \"%s\"",
				   count ? "more than one" : "no", mac->label);
	CK_RV rv = session->call->C_SignInit(session->handle, &mechanism, objects[0]);
	if (rv != CKR_OK)
		return pkcs11_session_fail(session, err, rv, "C_SignInit (HMAC)");
	rv = session->call->C_Sign(session->handle, (CK_BYTE *)(uintptr_t)mac->message.at, mac->message.len, octets, &len);
	if (rv != CKR_OK || len > sizeof(octets)) {
		session->is_spoiled = true;
		return pkcs11_session_fail(session, err, rv == CKR_OK ? CKR_GENERAL_ERROR : rv, "C_Sign (HMAC)");
	}
	return buf_append(mac->ret_mac, span_of(octets, len), err);
}

enum rc pkcs11_mac(struct token *token, const char *label, enum token_hash hash, struct span message, struct buf *ret_mac,
		   struct err *err)
{
	static const CK_MECHANISM_TYPE mechanisms[] = {
		[TOKEN_SHA256] = CKM_SHA256_HMAC, [TOKEN_SHA384] = CKM_SHA384_HMAC, [TOKEN_SHA512] = CKM_SHA512_HMAC
	};
	struct mac mac = { .label = label, .mechanism = mechanisms[hash], .message = message, .ret_mac = ret_mac };

	return pkcs11_run(PKCS11(token), mac_work, &mac, err);
}
