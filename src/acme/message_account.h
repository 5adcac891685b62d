/* message_account.h -- the JSON of accounts, revocation and pre-authorisation (RFC 8555, 7.1.2, 7.3, 7.4.1, 7.6). */
#ifndef HWA_MESSAGE_ACCOUNT_H
#define HWA_MESSAGE_ACCOUNT_H

#include <stdbool.h>

#include "bytes.h"
#include "config.h"
#include "http.h"

#define MESSAGE_CONTACT_MAX 512

/* What the server says of an account (7.1.2). */
struct message_account {
	char status[32];                   /* "valid", "deactivated", "revoked" */
	char contact[MESSAGE_CONTACT_MAX]; /* all of them, blanks between */
	bool terms_agreed;
};

/* newAccount: contact and agreement as configured; `binding` is the inner JWS of 7.3.4, or "". */
enum rc message_account_print(const struct config_authority *authority, const char *binding, struct buf *ret_json,
			      struct err *err) HWA_CHECKED;
/* {"onlyReturnExisting": true} (7.3.1) */
enum rc message_account_find_print(struct buf *ret_json, struct err *err) HWA_CHECKED;
/* The contacts as they are now, also none (7.3.2); and the agreement, when it is configured. */
enum rc message_account_update_print(const struct config_authority *authority, struct buf *ret_json, struct err *err) HWA_CHECKED;
/* The configured contacts as the store keeps them: blanks between. */
void message_contact_print(const struct config_authority *authority, char text[MESSAGE_CONTACT_MAX]);
enum rc message_account_parse(struct span json, struct message_account *ret, struct err *err) HWA_CHECKED;
/* keyChange's inner payload (7.3.5); `old_jwk` is a JWK. */
enum rc message_key_change_print(const char *account_url, const char *old_jwk, struct buf *ret_json, struct err *err) HWA_CHECKED;
/* 7.6; no reason when it is negative. */
enum rc message_revocation_print(struct span certificate_der, int reason, struct buf *ret_json, struct err *err) HWA_CHECKED;
/* 7.4.1 */
enum rc message_new_authorization_print(const char *type, const char *value, struct buf *ret_json, struct err *err) HWA_CHECKED;

#endif /* HWA_MESSAGE_ACCOUNT_H */
