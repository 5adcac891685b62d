/* revocation.c -- sends revokeCert. */
#include "revocation.h"

#include <string.h>
#include <strings.h>

#include "message.h"
#include "message_account.h"
#include "problem.h"

/* RFC 5280, 5.3.1; what only a CA says of its own certificates is left out. */
static const struct {
	const char *name, *number;
	int reason;
} REASONS[] = {
	{ "unspecified", "0", 0 }, { "keyCompromise", "1", 1 },        { "affiliationChanged", "3", 3 },
	{ "superseded", "4", 4 },  { "cessationOfOperation", "5", 5 }, { "privilegeWithdrawn", "9", 9 },
};

int revocation_reason_parse(const char *text)
{
	for (size_t i = 0; i < sizeof(REASONS) / sizeof(REASONS[0]); i++)
		if (strcasecmp(text, REASONS[i].name) == 0 || strcmp(text, REASONS[i].number) == 0)
			return REASONS[i].reason;
	return -1;
}

const char *revocation_reasons(void)
{
	return "unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation, privilegeWithdrawn";
}

enum rc revocation_request(struct client *client, struct span der, int reason, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	AUTO(buf) struct buf payload = BUF_MAX(MESSAGE_PAYLOAD_MAX);
	struct err why = { 0 };
	const char *url;
	enum rc rc = client_url(client, CLIENT_REVOKE_CERT, &url, err);

	if (rc != RC_OK)
		return err_wrap(err, rc, "revokeCert");
	rc = message_revocation_print(der, reason, &payload, &why);
	if (rc == RC_OK)
		rc = client_post(client, "revokeCert", url, buf_span(&payload), NULL, &response, &why);
	if (rc == RC_OK || why.problem == PROBLEM_ALREADY_REVOKED)
		return RC_OK;
	if (err)
		*err = why;
	return err_wrap(err, rc, "revokeCert");
}
