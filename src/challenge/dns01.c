/*
 * dns01.c -- dns-01 and dns-account-01: a TXT record that a hook of the operator's places and removes.
 *
 * Several answers may stand at one name (a wildcard and its base have two authorisations), so
 * each call names one value; what else is there is not the hook's to touch.
 */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "codec.h"
#include "fingerprint.h"
#include "types.h"

#define READY_PAUSE 3    /* seconds between two times that a hook is asked whether the record can be seen */
#define READY_MAX   1800 /* seconds until it is given up */
#define LABEL_BYTES 10   /* draft-ietf-acme-dns-account-label, 3.1: of the account URL's hash */
#define LABEL_MAX   32

struct challenge_answer {
	const struct config_certificate *certificate;
	const struct config_challenge *config;
	const struct challenge_desk *desk;
	int64_t present_at;
	const char *record, *value; /* behind the domain: thousands of answers may wait at once */
	char domain[];
};

static enum rc run(struct challenge_answer *answer, enum challenge_verb verb, struct err *err)
{
	struct challenge_call call = { .verb = verb };

	snprintf(call.domain, sizeof(call.domain), "%s", answer->domain);
	snprintf(call.record, sizeof(call.record), "%s", answer->record);
	snprintf(call.value, sizeof(call.value), "%s", answer->value);
	enum rc rc = answer->desk->run(answer->desk->ctx, answer->certificate, answer->config, &call, NULL, err);

	return rc == RC_OK || rc == RC_ABSENT ? rc
					      : err_wrap(err, rc, "%s: hook %s for %s", challenge_type_name(answer->config->type),
							 challenge_verb_name(verb), answer->domain);
}

/* RFC 8555, 8.4: base64url(SHA-256(key authorisation)). */
static enum rc value_print(const char *key_authorization, struct challenge_call *call, struct err *err)
{
	uint8_t digest[FINGERPRINT_LEN];
	AUTO(buf) struct buf text = BUF_MAX(sizeof(call->value) - 1);
	enum rc rc = fingerprint_make(span_text(key_authorization), digest, err);

	if (rc == RC_OK)
		rc = codec_base64url(SPAN(digest), &text, err);
	if (rc == RC_OK)
		snprintf(call->value, sizeof(call->value), "%s", buf_text(&text));
	return rc;
}

/* RFC 4648, 6, without padding and in lower case; 10 octets make 16 characters. */
static void base32_print(const uint8_t *bytes, size_t len, char *ret_text)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint32_t bits = 0;
	unsigned held = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | bytes[i];
		for (held += 8; held >= 5; held -= 5)
			*ret_text++ = alphabet[bits >> (held - 5) & 31];
	}
	if (held)
		*ret_text++ = alphabet[bits << (5 - held) & 31];
	*ret_text = '\0';
}

/* draft-ietf-acme-dns-account-label, 3.1: "_" base32(SHA-256(account URL)[0..9]) "." */
static enum rc label_print(const struct challenge_request *request, char ret_label[LABEL_MAX], struct err *err)
{
	uint8_t digest[FINGERPRINT_LEN];
	char text[LABEL_MAX - 2];

	ret_label[0] = '\0';
	if (request->config->type != CHALLENGE_DNS_ACCOUNT_01)
		return RC_OK;
	enum rc rc = fingerprint_make(span_text(request->account_url), digest, err);
	if (rc != RC_OK)
		return rc;
	base32_print(digest, LABEL_BYTES, text);
	snprintf(ret_label, LABEL_MAX, "_%s.", text);
	return RC_OK;
}

static enum rc call_fill(const struct challenge_request *request, struct challenge_call *call, struct err *err)
{
	char label[LABEL_MAX];
	const char *fault = identifier_fault(&request->identifier);

	/* It reaches a program's environment. */
	if (fault || request->identifier.kind != IDENTIFIER_DNS)
		return err_set(err, RC_PROTOCOL, "the CA wants to validate a name that is none: %s",
			       fault ? fault : "not a host");
	enum rc rc = label_print(request, label, err);
	if (rc == RC_OK)
		rc = value_print(request->key_authorization, call, err);
	if (rc != RC_OK)
		return rc;
	identifier_canonical(&request->identifier, call->domain);
	snprintf(call->record, sizeof(call->record), "%s_acme-challenge.%s", label, call->domain);
	return RC_OK;
}

/* A hook that failed, or was killed, may have placed the record all the same: it is always told to remove it. */
static void end(struct challenge_answer *answer, bool accepted)
{
	struct err err = { 0 };

	(void)accepted;
	if (run(answer, CHALLENGE_VERB_CLEANUP, &err) != RC_OK && answer->desk->note)
		answer->desk->note(answer->desk->ctx, err.text);
	free(answer);
}

static struct challenge_answer *answer_new(const struct challenge_request *request, const struct challenge_call *call)
{
	size_t record = strlen(call->domain) + 1, value = record + strlen(call->record) + 1;
	struct challenge_answer *answer = malloc(sizeof(*answer) + value + strlen(call->value) + 1);

	if (!answer)
		return NULL;
	*answer = (struct challenge_answer){ .certificate = request->certificate,
					     .config = request->config,
					     .desk = request->desk,
					     .record = answer->domain + record,
					     .value = answer->domain + value };
	memcpy(answer->domain, call->domain, record);
	memcpy(answer->domain + record, call->record, value - record);
	memcpy(answer->domain + value, call->value, strlen(call->value) + 1);
	return answer;
}

static enum rc begin(const struct challenge_request *request, struct challenge_answer **ret_answer, struct err *err)
{
	struct challenge_call call = { 0 };
	enum rc rc = call_fill(request, &call, err);

	if (rc != RC_OK)
		return rc;
	struct challenge_answer *answer = answer_new(request, &call);
	if (!answer)
		return err_set(err, RC_RESOURCE, "out of memory");
	rc = run(answer, CHALLENGE_VERB_PRESENT, err);
	if (rc != RC_OK) {
		end(answer, false);
		return rc;
	}
	answer->present_at = clock_now();
	*ret_answer = answer;
	return RC_OK;
}

/* RFC 8555, 8.2: the CA is told when the record can be seen: after `propagation`, and when the hook says so. */
static enum rc ready(struct challenge_answer *answer, int64_t now, int64_t *ret_not_before, struct err *err)
{
	int64_t present = clock_now();

	/* The clock was set back since: it is waited for anew, not until a time that is far away. */
	if (present < answer->present_at)
		answer->present_at = present;
	int64_t placed = answer->present_at + answer->config->propagation;

	*ret_not_before = 0;
	if (now < placed) {
		*ret_not_before = placed;
		return RC_OK;
	}
	enum rc rc = run(answer, CHALLENGE_VERB_READY, err);
	if (rc != RC_ABSENT)
		return rc;
	if (now >= placed + READY_MAX)
		return err_set(err, RC_RETRY, "%s: hook ready for %s says \"not yet\" for %d minutes now",
			       challenge_type_name(answer->config->type), answer->domain, READY_MAX / 60);
	*ret_not_before = now + READY_PAUSE;
	return RC_OK;
}

const struct challenge_ops dns01_ops = { .type = CHALLENGE_DNS_01, .begin = begin, .ready = ready, .end = end };
const struct challenge_ops dnsaccount01_ops = { .type = CHALLENGE_DNS_ACCOUNT_01, .begin = begin, .ready = ready, .end = end };
