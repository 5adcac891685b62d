/* account.h -- our account at an ACME server, from its registration to its end (RFC 8555, 7.3). */
#ifndef HWA_ACCOUNT_H
#define HWA_ACCOUNT_H

#include "client.h"
#include "config.h"
#include "jws.h"
#include "message_account.h"

/* Makes the HMAC of an external account binding, wherever its key is. */
struct account_binder {
	void *ctx;
	jws_mac_fn *mac;
};

/* What its directory says of newAccount, once it is known: RC_INPUT, with what to write, when that would be refused as it is configured. */
enum rc account_may_register(struct client *client, const struct config_authority *authority, struct err *err) HWA_CHECKED;
/* newAccount; the server answers 201 for a new one and 200 for the one this key already has.
 * Terms of service are never agreed silently: RC_INPUT naming the URL when `terms-agreed` is missing.
 * On success the client's account is set, and its URL printed. */
enum rc account_ensure(struct client *client, const struct config_authority *authority, const struct account_binder *binder,
		       char ret_url[HTTP_URL_MAX], struct err *err) HWA_CHECKED;
/* The account this key has (7.3.1): RC_ABSENT when the CA says in so many words that it has none, and for nothing else: of that answer
 * keys are given up.  The client's account is set. */
enum rc account_find(struct client *client, char ret_url[HTTP_URL_MAX], struct err *err) HWA_CHECKED;

/* These need the client's account. */
enum rc account_show(struct client *client, struct message_account *ret_account, struct err *err) HWA_CHECKED;
/* Sends the contacts and the agreement of the configuration (7.3.2, 7.3.3). */
enum rc account_update(struct client *client, const struct config_authority *authority, struct err *err) HWA_CHECKED;
/* For good: the account cannot come back, and its certificates stay valid (7.3.6). */
enum rc account_deactivate(struct client *client, struct err *err) HWA_CHECKED;
/*
 * keyChange (7.3.5): the account is new_key's afterwards, and the client signs with it.
 * RC_DENIED when the server has another account for that key.  After a lost answer account_find()
 * with either key tells what became of it.
 */
enum rc account_change_key(struct client *client, struct token_key *new_key, enum jws_algorithm new_algorithm,
			   struct err *err) HWA_CHECKED;

#endif /* HWA_ACCOUNT_H */
