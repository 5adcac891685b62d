/* new_order.c -- newOrder, and the one more that answers a refusal of `replaces` or of an address that was kept too long. */
#include "new_order.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "message.h"
#include "problem.h"

static enum rc post_once(const struct new_order *order, const char *url, struct http_response *ret_response, struct err *err)
{
	AUTO(buf) struct buf payload = BUF_MAX(MESSAGE_PAYLOAD_MAX);
	enum rc rc = message_new_order_print(order->certificate->names, order->certificate->name_count, order->terms->replaces,
					     order->terms->profile, &payload, err);

	return rc == RC_OK ? client_post(order->client, "newOrder", url, buf_span(&payload), NULL, ret_response, err) : rc;
}

/*
 * May it be `replaces` that was refused?  RFC 9773, 5 has a word for a certificate that was replaced before; a CA that lost it, does not
 * know its issuer any more or whose it was has another, each its own.  A status alone may be of a proxy, or of newNonce.  What passes by
 * itself (5xx) is given one more try with it.
 */
static bool may_be_of_replaces(const struct driver_terms *terms, const struct err *why)
{
	if (!terms->replaces || why->retry_at || why->origin != ERR_ACME)
		return false;
	switch ((enum problem)why->problem) {
	case PROBLEM_ALREADY_REPLACED:
	case PROBLEM_MALFORMED:
	case PROBLEM_UNAUTHORIZED:
	case PROBLEM_CONFLICT: return true;
	case PROBLEM_SERVER_INTERNAL: return terms->attempts > 0;
	case PROBLEM_UNKNOWN: return why->rc != RC_RETRY || terms->attempts > 0;
	default: return false;
	}
}

static enum rc post_without_replaces(const struct new_order *order, const char *url, const struct err *why,
				     struct http_response *ret_response, struct err *err)
{
	bool is_said = why->problem == PROBLEM_ALREADY_REPLACED;
	char event[sizeof(why->text) + 64];

	order->terms->replaces = NULL;
	/* Another order, perhaps one that we lost sight of, takes the place of that certificate. */
	if (is_said)
		order->hooks->replaced(order->hooks->ctx);
	snprintf(event, sizeof(event), "ordering without `replaces`: %s", is_said ? "replaced already" : why->text);
	enum rc rc = order->hooks->save(order->hooks->ctx, order->stored, event, err);
	if (rc == RC_OK)
		rc = post_once(order, url, ret_response, err);
	/* It was that: it is not named again. */
	if (rc == RC_OK && !is_said)
		order->hooks->replaced(order->hooks->ctx);
	return rc;
}

/* The two refusals that another newOrder answers, at once and once: of `replaces`, and of an address that was kept too long. */
static enum rc post_again(const struct new_order *order, const char *url, const struct err *why,
			  struct http_response *ret_response, struct err *err)
{
	const char *now_at = url;

	if (why->rc == RC_ABSENT && client_url(order->client, CLIENT_NEW_ORDER, &now_at, NULL) == RC_OK &&
	    strcmp(now_at, url) != 0)
		return post_once(order, now_at, ret_response, err);
	if (may_be_of_replaces(order->terms, why))
		return post_without_replaces(order, url, why, ret_response, err);
	if (err)
		*err = *why;
	return why->rc;
}

enum rc new_order_post(const struct new_order *order, struct http_response *ret_response, struct err *err)
{
	char url[HTTP_URL_MAX];
	const char *known_url;
	struct err why = { 0 };
	enum rc rc = client_url(order->client, CLIENT_NEW_ORDER, &known_url, err);

	if (rc != RC_OK)
		return rc;
	/* The directory may be another one before we are through. */
	snprintf(url, sizeof(url), "%s", known_url);
	rc = post_once(order, url, ret_response, &why);
	if (rc != RC_OK)
		rc = post_again(order, url, &why, ret_response, err);
	if (rc == RC_OK && strncasecmp(ret_response->location, "https://", 8) != 0)
		rc = err_set_raw(err, RC_PROTOCOL, ERR_HTTP, ret_response->status, "the answer has no https:// Location");
	return rc;
}
