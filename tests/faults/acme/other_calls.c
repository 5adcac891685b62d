/* other_calls.c -- every problem type at renewalInfo, revokeCert and keyChange: an error that says so, and nothing lost. */
#include "other_calls.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "account_keys.h"
#include "availability.h"
#include "certificate.h"
#include "clock.h"
#include "renewal_info.h"
#include "revocation.h"

#define RETRY_AFTER 30

static void set_fault(struct bench *bench, const char *endpoint, const struct bench_type *type)
{
	char fault[256], headers[64] = "";

	bench_session(bench);
	/* RFC 8555, 6.5: what is sent again at once with another nonce is told no time. */
	if (type->problem != PROBLEM_BAD_NONCE)
		snprintf(headers, sizeof(headers), ", \"headers\": {\"Retry-After\": \"%d\"}", RETRY_AFTER);
	snprintf(fault, sizeof(fault), "{\"endpoint\": \"%s\", \"type\": \"%s\", \"status\": %d%s}", endpoint, type->name,
		 type->problem == PROBLEM_RATE_LIMITED ? 429 : 400, headers);
	bench_post(bench, "faults", fault);
}

static void check_error(struct bench *bench, const struct bench_type *type, enum rc expected, enum rc rc, const struct err *err)
{
	int64_t now = clock_now();

	bench_check(bench, rc == expected, "rc %d, not %d: %s", rc, expected, err->text);
	if (rc == RC_OK)
		return;
	bench_check(bench, err->problem == type->problem, "problem %s: %s", problem_type(err->problem), err->text);
	bench_check(bench, err->retry_at > now && err->retry_at <= now + RETRY_AFTER + 1, "Retry-After is not in the error");
}

/* RFC 9773, 4.3: without an answer the certificate is renewed as if nothing had been asked, and it is asked again later. */
static void renewal_info(struct bench *bench, const struct bench_type *type)
{
	struct store_certificate record = { 0 };
	struct bench_run run;
	unsigned live = bench_live(bench);
	int64_t began = clock_now();
	enum rc rc = store_certificate_load(bench->store, bench->certificate->name, &record, NULL);

	record.renewal_info.check_at = 0;
	/* What the CA said to the case before is over. */
	bench_check(bench, availability_note(bench->store, bench->authority, NULL, clock_now(), NULL) == RC_OK,
		    "the store cannot be written");
	if (rc == RC_OK)
		rc = store_certificate_save(bench->store, &record, began, INT64_MAX, NULL, NULL);
	bench_check(bench, rc == RC_OK, "the record cannot be changed");
	set_fault(bench, "renewalInfo", type);
	bench_run(bench, false, &run);
	bench_look(bench);
	bench_check(bench, run.rc == RC_OK && bench_live(bench) == live && run.outcome.result == RENEWAL_NOT_DUE, "rc %d, %s",
		    run.rc, run.err.text);
	bench_check(bench, bench_count(bench, "renewalInfo") == 1, "asked %u times", bench_count(bench, "renewalInfo"));
	bench_check(bench, run.outcome.record.renewal_info.check_at >= began + RETRY_AFTER, "it is asked again too early");
	bench_reset(bench);
}

static bool leaf_read(struct bench *bench, struct buf *ret_der)
{
	AUTO(buf) struct buf pem = BUF_MAX(64u * 1024u);
	char path[4096], piece[8192];

	snprintf(path, sizeof(path), "%s/live/%s/cert.pem", bench->config->state, bench->certificate->name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, piece, sizeof(piece));
	if (fd >= 0)
		close(fd);
	bool good = got > 0 && buf_append(&pem, span_of(piece, (size_t)got), NULL) == RC_OK &&
		    certificate_leaf_der(buf_span(&pem), ret_der, NULL) == RC_OK;
	return bench_check(bench, good, "%s cannot be read", path);
}

static void revoke_live(struct bench *bench, const struct bench_type *type)
{
	AUTO(buf) struct buf der = BUF_MAX(64u * 1024u);
	struct client *client = NULL;
	struct err err = { 0 };
	bool by_token = false;
	/* What was wanted is so already; and a nonce is taken from the refusal. */
	bool is_fine = type->problem == PROBLEM_ALREADY_REVOKED || type->problem == PROBLEM_BAD_NONCE;

	set_fault(bench, "revokeCert", type);
	enum rc rc = authorities_client(bench->authorities, bench->authority, clock_now(), &client, &by_token, &err);
	if (rc == RC_OK && leaf_read(bench, &der))
		rc = revocation_request(client, buf_span(&der), 0, &err);
	check_error(bench, type, is_fine ? RC_OK : type->rc, rc, &err);
	bench_reset(bench);
	/* The one that the RA has revoked now cannot be revoked twice. */
	if (type->problem == PROBLEM_BAD_NONCE) {
		struct bench_run run;

		bench_run(bench, true, &run);
		bench_check(bench, run.rc == RC_OK, "rc %d, %s", run.rc, run.err.text);
		bench_reset(bench);
	}
}

/* Refused or not, the next session signs with a key that the account has. */
static void change_key(struct bench *bench, const struct bench_type *type)
{
	struct client *client = NULL;
	struct err err = { 0 };
	bool by_token = false;

	set_fault(bench, "keyChange", type);
	enum rc rc = account_keys_rollover(bench->authorities, bench->authority, clock_now(), &by_token, &err);
	check_error(bench, type, type->problem == PROBLEM_BAD_NONCE ? RC_OK : type->rc, rc, &err);
	bench_reset(bench);
	bench_session(bench);
	err = (struct err){ 0 };
	rc = account_keys_register(bench->authorities, bench->authority, clock_now(), &by_token, &err);
	if (rc == RC_OK)
		rc = authorities_client(bench->authorities, bench->authority, clock_now(), &client, &by_token, &err);
	bench_check(bench, rc == RC_OK, "the next session: rc %d, %s", rc, err.text);
	bench_reset(bench);
}

void other_calls_run(struct bench *bench)
{
	static const struct {
		const char *name;
		void (*run)(struct bench *bench, const struct bench_type *type);
	} calls[] = { { "renewalInfo", renewal_info }, { "revokeCert", revoke_live }, { "keyChange", change_key } };
	struct bench_run run;

	for (size_t call = 0; call < sizeof(calls) / sizeof(calls[0]); call++)
		for (unsigned i = 0; i < PROBLEM_UNKNOWN; i++) {
			char name[96];

			snprintf(name, sizeof(name), "%s: %s", calls[call].name, BENCH_TYPES[i].name);
			if (bench_case(bench, name))
				calls[call].run(bench, &BENCH_TYPES[i]);
		}
	snprintf(bench->name, sizeof(bench->name), "the end");
	bench_session(bench);
	bench_run(bench, true, &run);
	bench_check(bench, run.rc == RC_OK, "rc %d, %s", run.rc, run.err.text);
	bench_reset(bench);
}
