/* challenge_hook.c -- runs what the configuration says, with what a challenge says in its environment, checked once more. */
#include "challenge_hook.h"

#include <stdio.h>
#include <string.h>

#include "codec.h"

#define TEXT_MAX 512

static bool ends_within(const char *text, size_t room)
{
	return memchr(text, '\0', room) != NULL;
}

/* "_label." or "_acme-challenge." in front of the domain, and nothing else. */
static bool is_record_of(const char *record, const char *domain)
{
	size_t len = strlen(record), tail = strlen(domain);

	if (len <= tail + 1 || record[0] != '_' || record[len - tail - 1] != '.' || strcmp(record + len - tail, domain) != 0)
		return false;
	return strspn(record, "abcdefghijklmnopqrstuvwxyz0123456789_-.") >= len - tail;
}

/* "SHA256 56:3E:..." */
static bool is_fingerprint(const char *text)
{
	return strncmp(text, "SHA256 ", 7) == 0 && text[7 + strspn(text + 7, "0123456789ABCDEF:")] == '\0';
}

enum rc challenge_call_check(const struct challenge_call *call, struct err *err)
{
	bool is_token = call->verb == CHALLENGE_VERB_TOKEN;
	struct identifier identifier = { .kind = is_token ? IDENTIFIER_NF_INSTANCE : IDENTIFIER_DNS, .value = call->domain };

	if (call->verb >= CHALLENGE_VERB_COUNT || !ends_within(call->domain, sizeof(call->domain)) ||
	    !ends_within(call->record, sizeof(call->record)) || !ends_within(call->value, sizeof(call->value)))
		return err_set(err, RC_BUG, "a call for a hook is damaged");
	const char *fault = call->domain[0] == '*' ? "a wildcard" : identifier_fault(&identifier);
	if (fault)
		return err_set(err, RC_PROTOCOL, "a hook is not run for a name that is none: %s", fault);
	if (is_token ? call->record[0] != '\0' : !is_record_of(call->record, call->domain))
		return err_set(err, RC_PROTOCOL, "a hook is not run for a record that does not belong to %s", call->domain);
	if (is_token ? !is_fingerprint(call->value) : !codec_is_base64url(call->value))
		return err_set(err, RC_PROTOCOL, "a hook is not run with a value that is not base64url");
	return RC_OK;
}

enum rc challenge_hook_run(const struct config_certificate *certificate, const struct config_challenge *challenge,
			   const struct challenge_call *call, struct buf *ret_output, struct err *err)
{
	bool is_token = call->verb == CHALLENGE_VERB_TOKEN;
	char name[TEXT_MAX], domain[TEXT_MAX], record[TEXT_MAX], value[TEXT_MAX];
	struct program program = { .argv = challenge->run,
				   .argc = challenge->run_count,
				   .environment = { name, domain, record, value, NULL },
				   .timeout = challenge->timeout };
	struct err why = { 0 };
	enum rc rc = challenge_call_check(call, err);

	if (rc != RC_OK)
		return rc;
	if (!challenge->run_count)
		return err_set(err, RC_BUG, "there is no program for this challenge");
	program.verb = challenge_verb_name(call->verb);
	snprintf(name, sizeof(name), "HWACME_NAME=%s", certificate->name);
	snprintf(domain, sizeof(domain), "%s=%s", is_token ? "HWACME_TKVALUE" : "HWACME_DOMAIN", call->domain);
	snprintf(record, sizeof(record), "%s=%s", is_token ? "HWACME_TKTYPE" : "HWACME_RECORD",
		 is_token ? identifier_type(IDENTIFIER_NF_INSTANCE) : call->record);
	snprintf(value, sizeof(value), "%s=%s", is_token ? "HWACME_FINGERPRINT" : "HWACME_VALUE", call->value);
	rc = program_run(&program, is_token ? ret_output : NULL, NULL, &why);
	if (rc == RC_RETRY && call->verb == CHALLENGE_VERB_READY && why.origin == ERR_SELF && why.code == CHALLENGE_NOT_YET)
		return err_set(err, RC_ABSENT, "not yet");
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}
