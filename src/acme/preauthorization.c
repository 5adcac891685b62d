/* preauthorization.c -- sends newAuthz. */
#include "preauthorization.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "message_account.h"

static enum rc request_one(struct client *client, const char *url, const char *name, char ret_url[HTTP_URL_MAX], struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	AUTO(buf) struct buf payload = BUF_MAX(MESSAGE_PAYLOAD_MAX);
	char kind[32];
	const char *value = strchr(name, ':');

	snprintf(kind, sizeof(kind), "%.*s", value ? (int)(value - name) : 0, name);
	/* RFC 8555, 7.4.1: a wildcard name cannot be pre-authorised. */
	if (!value || value[1] == '*')
		return err_set(err, RC_INPUT, "%s cannot be authorised ahead of an order", name);
	enum rc rc = message_new_authorization_print(kind, value + 1, &payload, err);
	if (rc == RC_OK)
		rc = client_post(client, url, buf_span(&payload), NULL, &response, err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "newAuthz for %s", name);
	if (strncasecmp(response.location, "https://", 8) != 0)
		return err_set_raw(err, RC_PROTOCOL, ERR_HTTP, response.status, "newAuthz: the answer has no https:// Location");
	snprintf(ret_url, HTTP_URL_MAX, "%s", response.location);
	return RC_OK;
}

enum rc preauthorization_request(struct client *client, const struct config_certificate *certificate,
				 struct message_order *ret_order, struct err *err)
{
	AUTO(message_order) struct message_order order = { 0 };
	const char *url;
	enum rc rc = client_url(client, CLIENT_NEW_AUTHZ, &url, err);

	if (rc != RC_OK)
		return err_wrap(err, rc, "newAuthz");
	order.authorizations = calloc(certificate->name_count + 1u, sizeof(*order.authorizations));
	if (!order.authorizations)
		return err_set(err, RC_RESOURCE, "out of memory");
	for (unsigned i = 0; rc == RC_OK && i < certificate->name_count; i++)
		if (message_is_identifier(certificate->names[i]))
			rc = request_one(client, url, certificate->names[i], order.authorizations[order.authorization_count++],
					 err);
	if (rc != RC_OK)
		return rc;
	*ret_order = order;
	order.authorizations = NULL;
	return RC_OK;
}
