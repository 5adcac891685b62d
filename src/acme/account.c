/* account.c -- newAccount: makes our account, or finds the one this key has. */
#include "account.h"

#include <stdio.h>
#include <strings.h>

#include "message.h"

enum rc account_ensure(struct client *client, const struct config_authority *authority, char ret_url[HTTP_URL_MAX],
		       struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	AUTO(buf) struct buf payload = BUF_MAX(MESSAGE_PAYLOAD_MAX);
	const char *url;
	enum rc rc = client_url(client, CLIENT_NEW_ACCOUNT, &url, err);

	if (rc != RC_OK)
		return rc;
	/* RFC 8555, 7.3: a client SHOULD NOT agree by itself. */
	if (client_terms_of_service(client)[0] && !authority->terms_agreed)
		return err_set(err, RC_INPUT,
			       "read the terms of service at %s, then write terms-agreed: true for authority \"%s\"",
			       client_terms_of_service(client), authority->name);
	client_set_account(client, "");
	rc = message_account_print(authority, &payload, err);
	/* RFC 8555, 7.3.1: 201 for a new account, 200 for the one this key already has. */
	if (rc == RC_OK)
		rc = client_post(client, url, buf_span(&payload), NULL, &response, err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "newAccount");
	if (strncasecmp(response.location, "https://", 8) != 0)
		return err_set_raw(err, RC_PROTOCOL, ERR_HTTP, response.status,
				   "newAccount: the answer has no https:// Location");
	client_set_account(client, response.location);
	snprintf(ret_url, HTTP_URL_MAX, "%s", response.location);
	return RC_OK;
}
