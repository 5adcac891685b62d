/* sweep.c -- each problem type and each broken answer at each endpoint: the live pair stays whole, and the next run succeeds. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "broken_answers.h"
#include "clock.h"
#include "log.h"
#include "other_calls.h"

#define RETRY_AFTER  30
#define DEADLINE     500 /* seconds, for all of it on a machine that has much else to do */
#define WRONG_STATUS 418
#define NO_ORDER_YET (DIRECTORY | NEW_NONCE | NEW_ACCOUNT | NEW_ORDER) /* where there is no order yet */

static const char *const WORDS[] = {
#define X(name, word) word,
	ENDPOINTS(X)
#undef X
};

/* What one run that meets the fault must come to, and the next one. */
struct expected {
	enum rc rc;
	unsigned problem; /* 0: any */
	bool keeps;       /* the order goes on */
	bool effective;   /* the CA acted on the request */
	bool retry_after; /* it said when to come again */
};

static void begin(struct bench *bench, enum endpoint at, const char *members)
{
	char fault[1024];

	/* Elsewhere the session goes on, as a daemon's does. */
	if (at & (DIRECTORY | NEW_NONCE | NEW_ACCOUNT))
		bench_session(bench);
	if (at == DIRECTORY)
		bench_forget_directory(bench);
	if (at == NEW_ACCOUNT) {
		enum rc rc = authorities_forget_account(bench->authorities, bench->authority, NULL, NULL);
		bench_check(bench, rc == RC_OK, "the account cannot be forgotten");
	}
	snprintf(fault, sizeof(fault), "{\"endpoint\": \"%s\", %s}", WORDS[__builtin_ctz(at)], members);
	bench_post(bench, "faults", fault);
}

/* Nothing is sent before the time that the CA gave, also by a new process. */
static void check_silence(struct bench *bench, int64_t given_at, int64_t until)
{
	struct bench_run again;

	/* Never early: our second may be nearly over. */
	bench_check(bench, until >= given_at + RETRY_AFTER && until <= clock_now() + RETRY_AFTER + 1,
		    "Retry-After %d is kept as %lld seconds from now", RETRY_AFTER, (long long)(until - clock_now()));
	bench_session(bench);
	bench_run(bench, false, &again);
	bench_look(bench);
	bench_check(bench, again.rc == RC_OK && bench_total(bench) == 0, "%u requests before Retry-After; %s", bench_total(bench),
		    again.err.text);
	bench_time_passes(bench);
	bench_reset(bench);
}

/* The next run succeeds with the order that was kept, or one more. */
static void check_recovery(struct bench *bench, enum endpoint at, const struct expected *expected, unsigned live,
			   unsigned finalized)
{
	struct bench_run run;
	bool goes_on = expected->keeps && !(at & NO_ORDER_YET);

	bench_session(bench);
	bench_run(bench, true, &run);
	bench_look(bench);
	unsigned orders = bench_count(bench, "newOrder");
	bench_check(bench, run.rc == RC_OK && bench_live(bench) > live, "the next run does not renew: rc %d, %s", run.rc,
		    run.err.text);
	/* RFC 9773, 5: the first of two is refused where the CA holds the certificate for replaced by the order that was given up. */
	bench_check(bench, goes_on ? orders == 0 : orders == 1 || orders == 2, "the next run sends %u newOrder", orders);
	/* Lost or not: what took effect is asked about, and not done again. */
	finalized += bench_count(bench, "finalize");
	bench_check(bench, !expected->effective || finalized == 1, "finalized %u times", finalized);
}

static void run_case(struct bench *bench, enum endpoint at, const char *members, const struct expected *expected)
{
	unsigned live = bench_live(bench);
	struct bench_run run;
	int64_t began = clock_now();

	begin(bench, at, members);
	bench_run(bench, true, &run);
	bench_look(bench);
	unsigned finalized = bench_count(bench, "finalize");
	bool is_met = bench_count(bench, WORDS[__builtin_ctz(at)]) > 0;
	bench_check(bench, is_met, "the fault was not met");
	if (!is_met || strstr(members, "times"))
		bench_post(bench, "faults", "{\"clear\": true}");
	bench_check(bench, run.rc == expected->rc, "rc %d, not %d: %s", run.rc, expected->rc, run.err.text);
	bench_check(bench, run.rc == RC_OK || !expected->problem || run.err.problem == expected->problem,
		    "problem %s, not %s: %s", problem_type(run.err.problem), problem_type(expected->problem), run.err.text);
	bool is_renewed = run.rc == RC_OK && !run.held_until;
	bench_check(bench, (bench_live(bench) > live) == is_renewed, "the live pair is %s", is_renewed ? "the old one" : "new");
	if (expected->retry_after)
		check_silence(bench, began, run.held_until ? run.held_until : run.outcome.record.peer_retry_at);
	if (!is_renewed)
		check_recovery(bench, at, expected, live, finalized);
}

/* The status that goes with a type. */
static int status_of(const struct bench_type *type)
{
	switch (type->problem) {
	case PROBLEM_UNAUTHORIZED:
	case PROBLEM_ORDER_NOT_READY:
	case PROBLEM_USER_ACTION_REQUIRED:
	case PROBLEM_REJECTED_IDENTIFIER: return 403;
	case PROBLEM_CONFLICT:
	case PROBLEM_ALREADY_REPLACED: return 409;
	case PROBLEM_RATE_LIMITED: return 429;
	case PROBLEM_SERVER_INTERNAL: return 500;
	default: return 400;
	}
}

/* RFC 9773, 5: ordered at once without `replaces`, which may be what was refused. */
static bool is_of_replaces(enum problem problem)
{
	return problem == PROBLEM_ALREADY_REPLACED || problem == PROBLEM_MALFORMED || problem == PROBLEM_UNAUTHORIZED ||
	       problem == PROBLEM_CONFLICT || problem == PROBLEM_UNKNOWN;
}

/* What the table of problem.h means where the answer is used as it is, and where it is not. */
static struct expected expected_of(const struct bench_type *type, enum endpoint at, bool retry_after)
{
	struct expected expected = { type->rc, type->problem, type->keeps, false, retry_after };

	if (at == NEW_NONCE) {
		/* RFC 8555, 7.2: the answer to HEAD has no body, so the status alone tells; and nothing was asked with the nonce yet. */
		expected = (struct expected){ RC_RETRY, PROBLEM_UNKNOWN, true, false, retry_after };
	} else if (type->problem == PROBLEM_BAD_NONCE && at != DIRECTORY) {
		expected.rc = RC_OK; /* RFC 8555, 6.5: sent again at once */
	} else if (at == NEW_ORDER && is_of_replaces(type->problem)) {
		expected.rc = RC_OK;
	} else if (type->problem == PROBLEM_ORDER_NOT_READY && at == FINALIZE) {
		expected.rc = RC_OK; /* RFC 8555, 7.4: the order is asked for */
	} else if (type->rc == RC_RETRY && at == CHALLENGE) {
		expected.rc = RC_OK; /* the authorization is looked at, and the challenge announced again */
	}
	return expected;
}

static void run_types(struct bench *bench, enum endpoint at)
{
	for (unsigned i = 0; i < PROBLEM_UNKNOWN; i++) {
		const struct bench_type *type = &BENCH_TYPES[i];
		struct expected expected = expected_of(type, at, false);
		bool told = type->problem == PROBLEM_RATE_LIMITED || type->problem == PROBLEM_SERVER_INTERNAL ||
			    (i + (unsigned)at) % 3 == 0;
		char name[96], members[160];

		/* What is answered at once does not wait. */
		expected.retry_after = told && (expected.rc != RC_OK || (at == CHALLENGE && type->problem != PROBLEM_BAD_NONCE));
		snprintf(members, sizeof(members), "\"type\": \"%s\", \"status\": %d%s", type->name, status_of(type),
			 expected.retry_after ? ", \"headers\": {\"Retry-After\": \"30\"}" : "");
		snprintf(name, sizeof(name), "%s: %s", WORDS[__builtin_ctz(at)], type->name);
		/* A status that says too little is not what the CA meant. */
		if (type->problem == PROBLEM_UNKNOWN && at != NEW_NONCE)
			expected.problem = PROBLEM_UNKNOWN;
		if (bench_case(bench, name))
			run_case(bench, at, members, &expected);
	}
}

/* The type is what counts, whatever status came with it (RFC 8555, 6.7: SHOULD). */
static void run_wrong_statuses(struct bench *bench)
{
	for (unsigned i = 0; i < PROBLEM_UNKNOWN; i++) {
		struct expected expected = expected_of(&BENCH_TYPES[i], ORDER, false);
		char name[96], members[128];

		/* Elsewhere than in a 400 a badNonce is no word about the nonce, but passes. */
		if (BENCH_TYPES[i].problem == PROBLEM_BAD_NONCE)
			expected.rc = RC_RETRY;
		snprintf(members, sizeof(members), "\"type\": \"%s\", \"status\": %d", BENCH_TYPES[i].name, WRONG_STATUS);
		snprintf(name, sizeof(name), "order: %s with status %d", BENCH_TYPES[i].name, WRONG_STATUS);
		if (bench_case(bench, name))
			run_case(bench, ORDER, members, &expected);
	}
}

static void run_broken_answers(struct bench *bench, enum endpoint at)
{
	for (size_t i = 0; i < sizeof(BROKEN_ANSWERS) / sizeof(BROKEN_ANSWERS[0]); i++) {
		const struct broken_answer *answer = &BROKEN_ANSWERS[i];
		struct expected expected = { answer->rc, 0, answer->keeps, answer->effective && at != NEW_ORDER, false };
		char name[96];

		snprintf(name, sizeof(name), "%s: %s", WORDS[__builtin_ctz(at)], answer->name);
		if ((answer->at & at) && bench_case(bench, name))
			run_case(bench, at, answer->members, &expected);
	}
}

/* Inside the pre-authorised interval there is no challenge; the two endpoints that need one come last. */
static void run_endpoints(struct bench *bench)
{
	char entry[256];

	for (unsigned i = 0; i < bench->certificate->name_count; i++) {
		snprintf(entry, sizeof(entry), "{\"identifier\": \"%s\", \"hours\": 9999, \"issued_at\": \"now\"}",
			 strchr(bench->certificate->names[i], ':') + 1);
		bench_post(bench, "preauthorised", entry);
	}
	for (unsigned bit = 0; bit < ENDPOINT_COUNT; bit++) {
		if ((1u << bit) == AUTHZ)
			bench_post(bench, "preauthorised", "{\"clear\": true}");
		run_types(bench, (enum endpoint)(1u << bit));
		run_broken_answers(bench, (enum endpoint)(1u << bit));
		if ((1u << bit) == ORDER)
			run_wrong_statuses(bench);
	}
}

int main(int argc, char **argv)
{
	struct bench bench = { .only = argc > 3 ? argv[3] : NULL, .name = "the first renewal" };
	struct bench_run first = { 0 };

	if (argc < 3) {
		fputs("usage: acme_sweep hwacme.yaml MANAGE-URL [WORD]\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(DEADLINE);
	if (bench_open(&bench, argv[1], argv[2])) {
		bench_run(&bench, true, &first);
		if (bench_check(&bench, first.rc == RC_OK, "%s", first.err.text)) {
			bench_look(&bench);
			run_endpoints(&bench);
			other_calls_run(&bench);
		}
	}
	bench_close(&bench);
	printf("acme sweep: %u cases\n", bench.cases);
	return bench.failures || !bench.cases ? 1 : 0;
}
