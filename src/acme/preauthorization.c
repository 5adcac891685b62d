/* preauthorization.c -- sends newAuthz. */
#include "preauthorization.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "identifier.h"
#include "message_account.h"

static enum rc request_one(struct client *client, const char *url, const struct identifier *identifier,
			   char ret_url[HTTP_URL_MAX], struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	AUTO(buf) struct buf payload = BUF_MAX(MESSAGE_PAYLOAD_MAX);

	enum rc rc = message_new_authorization_print(identifier_type(identifier->kind), identifier->value, &payload, err);
	if (rc == RC_OK)
		rc = client_post(client, "newAuthz", url, buf_span(&payload), NULL, &response, err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "newAuthz for %s", identifier->value);
	if (strncasecmp(response.location, "https://", 8) != 0)
		return err_set_raw(err, RC_PROTOCOL, ERR_HTTP, response.status, "newAuthz: the answer has no https:// Location");
	snprintf(ret_url, HTTP_URL_MAX, "%s", response.location);
	return RC_OK;
}

/* RFC 8555, 7.4.1: a wildcard name cannot be pre-authorised.  Seen before the others are asked for, which nobody would answer then. */
static enum rc check_wildcards(const struct config_certificate *certificate, struct err *err)
{
	struct identifier identifier;

	for (unsigned i = 0; i < certificate->name_count; i++)
		if (identifier_parse(certificate->names[i], &identifier) && identifier_is_wildcard(&identifier))
			return err_set(err, RC_INPUT, "%s is a wildcard and cannot be authorised ahead of an order",
				       identifier.value);
	return RC_OK;
}

enum rc preauthorization_request(struct client *client, const struct config_certificate *certificate,
				 struct message_order *ret_order, struct err *err)
{
	AUTO(message_order) struct message_order order = { 0 };
	struct identifier identifier;
	const char *url;
	enum rc rc = client_url(client, CLIENT_NEW_AUTHZ, &url, err);

	if (rc != RC_OK)
		return err_wrap(err, rc, "newAuthz");
	rc = check_wildcards(certificate, err);
	if (rc != RC_OK)
		return rc;
	order.authorizations = calloc(certificate->name_count + 1u, sizeof(*order.authorizations));
	if (!order.authorizations)
		return err_set(err, RC_RESOURCE, "out of memory");
	for (unsigned i = 0; rc == RC_OK && i < certificate->name_count; i++)
		if (identifier_parse(certificate->names[i], &identifier) && identifier_type(identifier.kind))
			rc = request_one(client, url, &identifier, order.authorizations[order.authorization_count++], err);
	if (rc != RC_OK)
		return rc;
	*ret_order = order;
	order.authorizations = NULL;
	return RC_OK;
}
