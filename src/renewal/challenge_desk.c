/* challenge_desk.c -- hands programs to the spawner, and speaks HTTPS with Token Authorities. */
#include "challenge_desk.h"

#include <stdio.h>
#include <string.h>

#include "connection.h"
#include "log.h"

#define LEFT_MAX 16u /* records of earlier runs looked at in one run */

static struct store_answer answer_of(const struct config_certificate *certificate, const struct config_challenge *challenge,
				     const struct challenge_call *call)
{
	struct store_answer answer = { 0 };

	snprintf(answer.certificate, sizeof(answer.certificate), "%s", certificate->name);
	snprintf(answer.type, sizeof(answer.type), "%s", challenge_type_name(challenge->type));
	snprintf(answer.domain, sizeof(answer.domain), "%s", call->domain);
	snprintf(answer.record, sizeof(answer.record), "%s", call->record);
	snprintf(answer.value, sizeof(answer.value), "%s", call->value);
	return answer;
}

/* Intent before effect: what a hook places is on disk before, until a hook has removed it. */
static enum rc run(void *ctx, const struct config_certificate *certificate, const struct config_challenge *challenge,
		   const struct challenge_call *call, struct buf *ret_output, struct err *err)
{
	struct challenge_bench *bench = ctx;
	struct store_answer answer = answer_of(certificate, challenge, call);
	enum rc rc = call->verb == CHALLENGE_VERB_PRESENT ? store_answer_add(bench->store, &answer, err) : RC_OK;

	if (rc == RC_OK)
		rc = processes_challenge(bench->processes, certificate, challenge, call, ret_output, err);
	if (rc == RC_OK && call->verb == CHALLENGE_VERB_CLEANUP)
		rc = store_answer_drop(bench->store, &answer, err);
	/* That a record cannot be seen is no failure yet; when it is given up, it is not the CA's. */
	if (call->verb == CHALLENGE_VERB_READY)
		bench->failed_elsewhere = rc != RC_OK;
	else if (rc != RC_OK && call->verb != CHALLENGE_VERB_CLEANUP)
		bench->failed_elsewhere = true;
	return rc;
}

/* RFC 9447, 5.1: 200 with a body of type application/json. */
static enum rc token_ask(const struct challenge_bench *bench, const char *url, const struct config_challenge *challenge,
			 struct span json, struct buf *ret_json, struct err *err)
{
	static const char json_type[] = "application/json";
	AUTO(http) struct http *http = NULL;
	AUTO(http_response) struct http_response response = { 0 };
	struct http_request request = {
		.method = HTTP_POST, .url = url, .body = json, .content_type = json_type, .accept = json_type, .endpoint = "token"
	};
	const struct connection_desk desk = { bench->config, bench->store, bench->keyring };
	enum rc rc = connection_open(&desk, challenge->trust, &challenge->client, &http, err);

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
	err->retry_at = response.retry_at;
	return rc;
}

/*
 * Whatever comes of asking a Token Authority says nothing about the order at the CA, which is kept: the next try may find it in a better
 * mood.  Nor is it the CA that is unavailable.  But what a token of ours says is kept as it is: a refused PIN is not tried again.
 */
static enum rc post(void *ctx, const char *url, const struct config_challenge *challenge, struct span json, struct buf *ret_json,
		    struct err *err)
{
	struct challenge_bench *bench = ctx;
	struct err why = { 0 };
	enum rc rc = token_ask(bench, url, challenge, json, ret_json, &why);

	bench->failed_elsewhere = rc != RC_OK;
	if (rc == RC_OK)
		return RC_OK;
	if (!err_is_token(&why) && (rc == RC_DENIED || rc == RC_PROTOCOL || rc == RC_ABSENT))
		why.rc = rc = RC_RETRY;
	if (err)
		*err = why;
	return rc;
}

static void note(void *ctx, const char *text)
{
	(void)ctx;
	log_event(LOG_WARN, "%s", text);
}

/* By the hook that is configured now; where there is none any more, the operator is told what is left. */
static enum rc answer_remove(struct challenge_bench *bench, const struct config_certificate *certificate,
			     const struct store_answer *answer, struct err *err)
{
	const struct config_challenge *challenge = config_challenge_get(certificate, challenge_type_parse(answer->type));
	struct challenge_call call = { .verb = CHALLENGE_VERB_CLEANUP };
	struct err why = { 0 };

	snprintf(call.domain, sizeof(call.domain), "%s", answer->domain);
	snprintf(call.record, sizeof(call.record), "%s", answer->record);
	snprintf(call.value, sizeof(call.value), "%s", answer->value);
	if (!challenge || !challenge->run_count) {
		log_certificate(LOG_WARN, certificate->name,
				"the TXT record %s \"%s\" was left, and %s is no longer configured; remove it", answer->record,
				answer->value, answer->type);
		return store_answer_drop(bench->store, answer, err);
	}
	if (run(bench, certificate, challenge, &call, NULL, &why) != RC_OK)
		log_certificate(LOG_WARN, certificate->name, "the TXT record %s of an earlier run cannot be removed: %s",
				answer->record, why.text);
	return RC_OK;
}

enum rc challenge_desk_recover(struct challenge_bench *bench, const struct config_certificate *certificate, struct err *err)
{
	struct store_answer left[LEFT_MAX];
	unsigned count = 0;
	enum rc rc = store_answers(bench->store, certificate->name, left, LEFT_MAX, &count, err);

	for (unsigned i = 0; rc == RC_OK && i < count; i++)
		rc = answer_remove(bench, certificate, &left[i], err);
	return rc;
}

struct challenge_desk challenge_desk_make(struct challenge_bench *bench)
{
	return (struct challenge_desk){ .ctx = bench, .run = run, .post = post, .note = note };
}
