/* chain.c -- the download of a certificate chain, and of the others that the CA offers when it does not end where it should. */
#include "chain.h"

#include <string.h>
#include <strings.h>

#include "problem.h"

#define ALTERNATES_MAX 6 /* others looked at */

enum rc chain_fetch(struct client *client, const char *url, struct http_response *ret_response, struct err *err)
{
	static const char pem_chain[] = "application/pem-certificate-chain";
	enum rc rc = client_post(client, "certificate", url, span_of(NULL, 0), pem_chain, ret_response, err);

	if (rc != RC_OK)
		return err_wrap(err, rc, "certificate %s", url);
	if (strcmp(ret_response->content_type, pem_chain) != 0)
		return err_set_raw(err, RC_PROTOCOL, ERR_HTTP, ret_response->status,
				   "certificate: its content type is \"%s\", not %s", ret_response->content_type, pem_chain);
	return RC_OK;
}

/* RFC 8555, 7.4.2: the same certificate with other chains; the first that is accepted is taken. */
static enum rc alternates_try(struct client *client, const struct http_response *first, const struct driver_hooks *hooks,
			      bool *ret_accepted, unsigned *ret_tried, struct err *err)
{
	for (unsigned i = 0; i < first->link_count && *ret_tried < ALTERNATES_MAX; i++) {
		AUTO(http_response) struct http_response response = { 0 };
		struct err why = { 0 };
		enum chain_refusal refusal = CHAIN_IS_BAD;

		if (strcasecmp(first->links[i].rel, "alternate") != 0)
			continue;
		(*ret_tried)++;
		enum rc rc = chain_fetch(client, first->links[i].url, &response, &why);
		if (rc == RC_OK)
			rc = hooks->accept(hooks->ctx, buf_span(&response.body), &refusal, &why);
		if (rc == RC_OK) {
			*ret_accepted = true;
			return RC_OK;
		}
		/* A failure that passes, or is ours, says nothing about the chain. */
		if (problem_keeps_order(&why)) {
			if (err)
				*err = why;
			return rc;
		}
	}
	return RC_OK;
}

enum rc chain_accept(struct client *client, const struct http_response *first, const struct driver_hooks *hooks,
		     enum chain_refusal *ret_refusal, struct err *err)
{
	struct err why = { 0 };
	bool is_accepted = false;
	unsigned tried = 0;

	*ret_refusal = CHAIN_IS_BAD;
	enum rc rc = hooks->accept(hooks->ctx, buf_span(&first->body), ret_refusal, err);

	if (rc == RC_OK || *ret_refusal != CHAIN_IS_ELSEWHERE)
		return rc;
	enum rc other = alternates_try(client, first, hooks, &is_accepted, &tried, &why);
	if (other != RC_OK && err)
		*err = why;
	if (other != RC_OK || is_accepted)
		return other;
	return tried ? err_wrap(err, rc, "neither this chain nor one of %u others", tried) : rc;
}
