/* challenge_desk.c -- hands programs to the spawner, and speaks HTTPS with Token Authorities. */
#include "challenge_desk.h"

#include <string.h>

#include "http.h"
#include "log.h"

static enum rc run(void *ctx, const struct config_certificate *certificate, const struct config_challenge *challenge,
		   const struct challenge_call *call, struct buf *ret_output, struct err *err)
{
	struct challenge_bench *bench = ctx;
	enum rc rc = processes_challenge(bench->processes, certificate, challenge, call, ret_output, err);

	if (rc != RC_OK && rc != RC_ABSENT && call->verb != CHALLENGE_VERB_CLEANUP)
		bench->program_failed = true;
	return rc;
}

/* RFC 9447, 5.1: 200 with a body of type application/json.  What else a Token Authority answers says nothing about the order
 * at the CA, which is kept: the next try may find it in a better mood. */
static enum rc post(void *ctx, const char *url, const char *trust, struct span json, struct buf *ret_json, struct err *err)
{
	static const char json_type[] = "application/json";
	AUTO(http) struct http *http = NULL;
	AUTO(http_response) struct http_response response = { 0 };
	struct http_request request = {
		.method = HTTP_POST, .url = url, .body = json, .content_type = json_type, .accept = json_type
	};
	enum rc rc = http_open(trust, &http, err);

	(void)ctx;
	if (rc == RC_OK)
		rc = http_send(http, &request, &response, err);
	if (rc != RC_OK)
		return rc;
	if (response.status != 200)
		rc = err_set_raw(err, RC_RETRY, ERR_HTTP, response.status, "HTTP status %ld", response.status);
	else if (strcmp(response.content_type, json_type) != 0)
		rc = err_set_raw(err, RC_RETRY, ERR_HTTP, response.status, "the answer is \"%s\", not %s", response.content_type,
				 json_type);
	if (rc == RC_OK)
		return buf_append(ret_json, buf_span(&response.body), err);
	if (err)
		err->retry_at = response.retry_at;
	return rc;
}

static void note(void *ctx, const char *text)
{
	(void)ctx;
	log_event(LOG_WARN, "%s", text);
}

struct challenge_desk challenge_desk_make(struct challenge_bench *bench)
{
	return (struct challenge_desk){ .ctx = bench, .run = run, .post = post, .note = note };
}
