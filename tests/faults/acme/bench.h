/* bench.h -- what a case of the ACME sweep works with: the RA's management, and renewals each begun as by a new process. */
#ifndef HWA_TEST_ACME_BENCH_H
#define HWA_TEST_ACME_BENCH_H

#include <curl/curl.h>
#include <jansson.h>

#include "problem.h"
#include "renewal.h"

struct bench {
	struct config *config;
	struct processes *processes;
	struct store *store;
	struct keyring *keyring;
	struct authorities *authorities;
	const struct config_certificate *certificate; /* the first of the configuration */
	const char *authority;
	CURL *curl;
	const char *manage;   /* URL of /manage, without a slash at its end */
	const char *only;     /* cases whose name has it; NULL: all */
	char name[96];        /* of the case under way */
	json_t *before, *now; /* counted at the last two looks */
	unsigned cases, failures;
};

/* One renewal.  It is left where it would wait for longer than a moment. */
struct bench_run {
	enum rc rc;
	struct err err;
	int64_t held_until; /* 0: it ended */
	struct renewal_outcome outcome;
};

/* Every type of the table and one that is not in it, which comes last. */
struct bench_type {
	const char *name;
	enum rc rc;
	bool keeps;
	unsigned problem;
};
extern const struct bench_type BENCH_TYPES[PROBLEM_UNKNOWN];

bool bench_open(struct bench *bench, const char *config, const char *manage);
void bench_close(struct bench *bench);

/* False: this case was not asked for. */
bool bench_case(struct bench *bench, const char *name);
/* Counts a failure of the case under way, once a sentence. */
bool bench_check(struct bench *bench, bool good, const char *fmt, ...) HWA_PRINTF(3);

/* GET (json NULL) or POST; the caller owns the answer, NULL: a failure was counted. */
json_t *bench_ra(struct bench *bench, const char *name, const char *json);
void bench_post(struct bench *bench, const char *name, const char *json);
/* What the RA has counted since the last look; what the client did wrong meanwhile is a failure. */
void bench_look(struct bench *bench);
unsigned bench_count(const struct bench *bench, const char *endpoint); /* between the last two looks */
unsigned bench_total(const struct bench *bench);
/* Faults, counts and every Retry-After are forgotten by the RA. */
void bench_reset(struct bench *bench);

/* As in a new process: connection, nonces and account are asked for again. */
void bench_session(struct bench *bench);
void bench_run(struct bench *bench, bool forced, struct bench_run *ret_run);
/* The record as it is stored, with every wait that the CA asked for over. */
void bench_time_passes(struct bench *bench);
void bench_forget_directory(struct bench *bench);
unsigned bench_live(struct bench *bench);

#endif /* HWA_TEST_ACME_BENCH_H */
