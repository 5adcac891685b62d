/* dnspersist01.c -- dns-persist-01: the operator has placed one record for good; nothing is put out at a renewal. */
#include "dnspersist01.h"

#include <stdio.h>
#include <string.h>

#include "types.h"

#define STRING_MAX 255u /* RFC 1035, 3.3: characters of one string of a TXT record */

struct challenge_answer {
	char record[1600]; /* a URL of 1024 characters, a name, and what stands between */
};

void dnspersist01_record(const char *domain, bool is_wildcard, const char *issuer, const char *account_url, char *ret_text,
			 size_t room)
{
	char value[1400];

	snprintf(value, sizeof(value), "%s; accounturi=%s%s", issuer, account_url, is_wildcard ? "; policy=wildcard" : "");
	size_t used = (size_t)snprintf(ret_text, room, "_validation-persist.%s. IN TXT", domain);
	for (const char *at = value; *at && used < room;) {
		size_t len = strlen(at) < STRING_MAX ? strlen(at) : STRING_MAX;

		used += (size_t)snprintf(ret_text + used, room - used, " \"%.*s\"", (int)len, at);
		at += len;
	}
}

/* The operator's choice, when the CA offers it; the first that the CA offers, when there is none. */
static enum rc issuer_choose(const struct challenge_request *request, const char **ret_issuer, struct err *err)
{
	/* draft-ietf-acme-dns-persist, 3.1: a client MUST reject an empty list, or one of more than ten. */
	if (request->issuer_count == 0 || request->issuer_count > CHALLENGE_ISSUERS_MAX)
		return err_set(err, RC_PROTOCOL, "dns-persist-01: the challenge has %u issuer-domain-names; 1 to %d are possible",
			       request->issuer_count, CHALLENGE_ISSUERS_MAX);
	*ret_issuer = request->issuers[0];
	if (!request->config->issuer)
		return RC_OK;
	for (unsigned i = 0; i < request->issuer_count; i++)
		if (strcmp(request->issuers[i], request->config->issuer) == 0) {
			*ret_issuer = request->issuers[i];
			return RC_OK;
		}
	return err_set(err, RC_INPUT,
		       "dns-persist-01: issuer: the CA does not call itself \"%s\"; write \"%s\", and place the record anew",
		       request->config->issuer, request->issuers[0]);
}

static enum rc begin(const struct challenge_request *request, struct challenge_answer **ret_answer, struct err *err)
{
	const char *issuer = NULL;
	enum rc rc = issuer_choose(request, &issuer, err);

	if (rc != RC_OK)
		return rc;
	struct challenge_answer *answer = calloc(1, sizeof(*answer));
	if (!answer)
		return err_set(err, RC_RESOURCE, "out of memory");
	dnspersist01_record(request->identifier.value, request->is_wildcard, issuer, request->account_url, answer->record,
			    sizeof(answer->record));
	*ret_answer = answer;
	return RC_OK;
}

static void advice(const struct challenge_answer *answer, char *ret_text, size_t room)
{
	snprintf(ret_text, room, "place this record: %s", answer->record);
}

static void end(struct challenge_answer *answer, bool accepted)
{
	(void)accepted;
	free(answer);
}

const struct challenge_ops dnspersist01_ops = { .type = CHALLENGE_DNS_PERSIST_01, .begin = begin, .advice = advice, .end = end };
