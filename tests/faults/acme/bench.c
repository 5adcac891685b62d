/* bench.c -- speaks with the RA's management, and carries renewals to their end without waiting for anything long. */
#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "archive.h"
#include "clock.h"
#include "log.h"

#define RUN_MS_MAX  20000 /* one renewal; an idle machine needs 50 */
#define HELD_LEAST  3     /* seconds: a wait of that length is the CA's Retry-After, and not sat out */
#define MANAGE_MS   20000
#define MANAGE_BODY (4u * 1024u * 1024u)

/* RFC 8555, 6.7: types that are not known are normal. */
#define X(enumerator, type, rc, keeps, hint) { type, rc, keeps, PROBLEM_##enumerator },
const struct bench_type BENCH_TYPES[PROBLEM_UNKNOWN] = { PROBLEMS(X){ "notInAnyTable", RC_DENIED, false, PROBLEM_UNKNOWN } };
#undef X

bool bench_case(struct bench *bench, const char *name)
{
	if (bench->only && !strstr(name, bench->only))
		return false;
	snprintf(bench->name, sizeof(bench->name), "%s", name);
	bench->cases++;
	return true;
}

bool bench_check(struct bench *bench, bool good, const char *fmt, ...)
{
	va_list args;

	if (good)
		return true;
	bench->failures++;
	printf("FAILED: %s: ", bench->name);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	return false;
}

static size_t on_body(char *at, size_t size, size_t count, void *ctx)
{
	return buf_append(ctx, span_of(at, size * count), NULL) == RC_OK ? size * count : 0;
}

json_t *bench_ra(struct bench *bench, const char *name, const char *json)
{
	AUTO(buf) struct buf body = BUF_MAX(MANAGE_BODY);
	char url[256];
	long status = 0;

	snprintf(url, sizeof(url), "%s/%s", bench->manage, name);
	curl_easy_setopt(bench->curl, CURLOPT_URL, url);
	curl_easy_setopt(bench->curl, CURLOPT_HTTPGET, 1L);
	if (json)
		curl_easy_setopt(bench->curl, CURLOPT_COPYPOSTFIELDS, json);
	curl_easy_setopt(bench->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(bench->curl, CURLOPT_WRITEDATA, &body);
	curl_easy_setopt(bench->curl, CURLOPT_TIMEOUT_MS, (long)MANAGE_MS);
	CURLcode code = curl_easy_perform(bench->curl);
	curl_easy_getinfo(bench->curl, CURLINFO_RESPONSE_CODE, &status);
	json_t *answer = json_loadb(body.at ? (const char *)body.at : "", body.len, JSON_DECODE_ANY, NULL);
	if (bench_check(bench, code == CURLE_OK && status == 200 && answer, "/manage/%s %.200s: curl %d, status %ld, %.200s",
			name, json ? json : "", (int)code, status, buf_text(&body)))
		return answer;
	json_decref(answer);
	return NULL;
}

void bench_post(struct bench *bench, const char *name, const char *json)
{
	json_decref(bench_ra(bench, name, json));
}

static json_int_t number(const json_t *counted, const char *name)
{
	return json_integer_value(json_object_get(counted, name));
}

unsigned bench_count(const struct bench *bench, const char *endpoint)
{
	return (unsigned)(number(json_object_get(bench->now, "counts"), endpoint) -
			  number(json_object_get(bench->before, "counts"), endpoint));
}

unsigned bench_total(const struct bench *bench)
{
	return (unsigned)(number(bench->now, "total") - number(bench->before, "total"));
}

static void complain(struct bench *bench, const char *kind)
{
	json_int_t since = number(bench->before, kind);

	if (number(bench->now, kind) == since)
		return;
	json_t *complaints = bench_ra(bench, "violations", NULL);
	const json_t *list = json_object_get(complaints, kind);
	for (size_t i = (size_t)since; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);

		bench_check(bench, false, "%s: %s: %s", kind, json_string_value(json_object_get(one, "endpoint")),
			    json_string_value(json_object_get(one, "what")));
	}
	json_decref(complaints);
}

void bench_look(struct bench *bench)
{
	json_decref(bench->before);
	bench->before = bench->now;
	bench->now = bench_ra(bench, "counts", NULL);
	complain(bench, "violations");
	complain(bench, "remarks");
}

void bench_reset(struct bench *bench)
{
	bench_look(bench);
	bench_post(bench, "reset", "{}");
	json_decref(bench->now);
	bench->now = NULL;
	bench_look(bench);
}

void bench_session(struct bench *bench)
{
	struct err err = { 0 };

	authorities_free(bench->authorities);
	bench->authorities = NULL;
	enum rc rc = authorities_new(bench->config, bench->store, bench->keyring, &bench->authorities, &err);
	bench_check(bench, rc == RC_OK, "%s", err.text);
}

/* Steps until it ends, or waits for longer than a moment. */
static enum rc carry(struct bench *bench, struct renewal *renewal, struct bench_run *run)
{
	int64_t deadline = clock_monotonic_ms() + RUN_MS_MAX;
	struct renewal_wait wait = { 0 };
	enum rc rc = RC_OK;

	while (rc == RC_OK && !wait.is_over) {
		rc = renewal_step(renewal, &wait, &run->err);
		if (!bench_check(bench, clock_monotonic_ms() < deadline, "no end in %d ms", RUN_MS_MAX))
			return RC_BUG;
		if (rc != RC_OK || wait.is_over)
			break;
		if (wait.until >= clock_now() + HELD_LEAST) {
			run->held_until = wait.until;
			break;
		}
		if (wait.until || wait.pause_ms)
			clock_wait_until(wait.until ? wait.until : INT64_MAX, wait.until ? HELD_LEAST * 1000 : wait.pause_ms);
	}
	return rc;
}

void bench_run(struct bench *bench, bool forced, struct bench_run *ret_run)
{
	const struct renewal_desk desk = { .config = bench->config,
					   .processes = bench->processes,
					   .store = bench->store,
					   .keyring = bench->keyring,
					   .authorities = bench->authorities };
	AUTO(renewal) struct renewal *renewal = NULL;

	*ret_run = (struct bench_run){ 0 };
	ret_run->rc = renewal_begin(&desk, bench->certificate, forced ? RENEWAL_FORCED : RENEWAL_ASKED, &renewal, &ret_run->err);
	if (!bench_check(bench, ret_run->rc == RC_OK, "%s", ret_run->err.text))
		return;
	ret_run->rc = carry(bench, renewal, ret_run);
	renewal_outcome(renewal, &ret_run->outcome);
	bench_check(bench, ret_run->rc == RC_OK || (ret_run->err.rc == ret_run->rc && ret_run->err.text[0]),
		    "it failed, but no error says why");
}

void bench_time_passes(struct bench *bench)
{
	struct store_certificate record = { 0 };
	struct err err = { 0 };
	enum rc rc = store_certificate_load(bench->store, bench->certificate->name, &record, &err);

	record.peer_retry_at = record.retry_at = record.order.not_before = 0;
	if (rc == RC_OK)
		rc = store_certificate_save(bench->store, &record, clock_now(), INT64_MAX, NULL, &err);
	bench_check(bench, rc == RC_OK, "%s", err.text);
}

void bench_forget_directory(struct bench *bench)
{
	AUTO(buf) struct buf json = BUF_MAX(64);
	struct err err = { 0 };
	enum rc rc = buf_append(&json, span_text("{}"), &err);
	struct store_directory none = { .url = "https://elsewhere.example/", .json = json };

	if (rc == RC_OK)
		rc = store_directory_save(bench->store, bench->authority, &none, &err);
	bench_check(bench, rc == RC_OK, "%s", err.text);
}

unsigned bench_live(struct bench *bench)
{
	unsigned live = 0;
	struct err err = { 0 };
	enum rc rc = archive_live(bench->config->state, bench->certificate->name, &live, &err);

	bench_check(bench, rc == RC_OK, "%s", err.text);
	return live;
}

bool bench_open(struct bench *bench, const char *config, const char *manage)
{
	struct err err = { 0 };
	log_set_level(LOG_ERROR);
	enum rc rc = config_load(config, &bench->config, &err);

	/* Forks: nothing may be open yet. */
	if (rc == RC_OK)
		rc = processes_start(bench->config, &bench->processes, &err);
	if (rc == RC_OK)
		rc = store_open(bench->config->state, &bench->store, &err);
	if (rc == RC_OK)
		rc = keyring_new(bench->config, processes_keyd(bench->processes), &bench->keyring, &err);
	if (!bench_check(bench, rc == RC_OK, "%s", err.text))
		return false;
	bench->certificate = &bench->config->certificates[0];
	bench->authority = bench->certificate->authority;
	bench->manage = manage;
	bench->curl = curl_easy_init();
	bench_session(bench);
	return bench->curl && bench->authorities;
}

void bench_close(struct bench *bench)
{
	json_decref(bench->before);
	json_decref(bench->now);
	curl_easy_cleanup(bench->curl);
	authorities_free(bench->authorities);
	keyring_free(bench->keyring);
	store_close(bench->store);
	processes_stop(bench->processes);
	config_free(bench->config);
}
