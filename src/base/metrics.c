/* metrics.c -- one small table of series under one lock. */
#include "metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define LABELS_MAX 192

enum family { RENEWALS, DEPLOYS, PROBES, ACME_REQUESTS, TOKEN_OPERATIONS, TOKEN_SECONDS, TOKEN_UP, TOKEN_REFUSED, FAMILY_COUNT };

static const struct {
	const char *name, *type, *help;
} FAMILIES[FAMILY_COUNT] = {
	[RENEWALS] = { "hwacme_renewals_total", "counter", "Renewals that ended, by how." },
	[DEPLOYS] = { "hwacme_deploys_total", "counter", "Runs of deploy hooks, by how they ended." },
	[PROBES] = { "hwacme_probes_total", "counter", "Looks at what services present, by what was seen." },
	[ACME_REQUESTS] = { "hwacme_acme_requests_total", "counter", "Requests to a CA, by the status of the answer." },
	[TOKEN_OPERATIONS] = { "hwacme_token_operations_total", "counter", "Operations of a token, by how they ended." },
	[TOKEN_SECONDS] = { "hwacme_token_operation_seconds", "histogram", "How long operations of a token took." },
	[TOKEN_UP] = { "hwacme_token_up", "gauge", "1 if the last operation found the token there." },
	[TOKEN_REFUSED] = { "hwacme_token_refused", "gauge",
			    "1 if the last operation was refused: a PIN, an authorisation or a key." },
};

/* Upper bounds in milliseconds: from a fast HSM to a TPM that makes an RSA key. */
static const int64_t BUCKETS[] = { 1, 5, 10, 25, 50, 100, 250, 500, 1000, 5000, 30000 };
#define BUCKET_COUNT (sizeof(BUCKETS) / sizeof(BUCKETS[0]))

struct series {
	enum family family;
	char labels[LABELS_MAX];
	uint64_t value; /* of a histogram: how many in all */
	uint64_t buckets[BUCKET_COUNT];
	int64_t sum; /* milliseconds */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct series series[METRICS_SERIES_MAX];
static unsigned series_count;
static uint64_t dropped;

const char *metrics_label(const char *text, char *escaped, size_t room)
{
	size_t used = 0;

	for (; *text && used + 3 < room; text++) {
		char letter = *text;

		if (letter == '\\' || letter == '"' || letter == '\n')
			escaped[used++] = '\\';
		if (letter == '\n')
			letter = 'n';
		escaped[used++] = letter;
	}
	escaped[used] = '\0';
	return escaped;
}

/* The lock is held.  NULL: there is no room. */
static struct series *find(enum family family, const char *labels)
{
	for (unsigned i = 0; i < series_count; i++)
		if (series[i].family == family && strcmp(series[i].labels, labels) == 0)
			return &series[i];
	if (series_count == METRICS_SERIES_MAX) {
		dropped++;
		return NULL;
	}
	struct series *fresh = &series[series_count++];
	*fresh = (struct series){ .family = family };
	snprintf(fresh->labels, sizeof(fresh->labels), "%s", labels);
	return fresh;
}

static void count(enum family family, const char *labels)
{
	pthread_mutex_lock(&lock);
	struct series *one = find(family, labels);
	if (one)
		one->value++;
	pthread_mutex_unlock(&lock);
}

void metrics_renewal(const char *result)
{
	char labels[LABELS_MAX];

	snprintf(labels, sizeof(labels), "result=\"%s\"", result);
	count(RENEWALS, labels);
}

void metrics_deploy(bool ended_well)
{
	count(DEPLOYS, ended_well ? "result=\"ok\"" : "result=\"failed\"");
}

void metrics_probe(bool passed)
{
	count(PROBES, passed ? "result=\"ok\"" : "result=\"failed\"");
}

void metrics_acme_request(const char *endpoint, long code)
{
	char labels[LABELS_MAX];

	if (!endpoint)
		endpoint = "other";
	if (code)
		snprintf(labels, sizeof(labels), "endpoint=\"%s\",code=\"%ld\"", endpoint, code);
	else
		snprintf(labels, sizeof(labels), "endpoint=\"%s\",code=\"none\"", endpoint);
	count(ACME_REQUESTS, labels);
}

static const char *result_name(enum rc result)
{
	switch (result) {
	case RC_OK: return "ok";
	case RC_RETRY: return "unavailable";
	case RC_DENIED: return "denied";
	case RC_ABSENT: return "absent";
	default: return "error";
	}
}

static void observe(const char *labels, int64_t milliseconds)
{
	pthread_mutex_lock(&lock);
	struct series *one = find(TOKEN_SECONDS, labels);
	if (one) {
		one->value++;
		one->sum += milliseconds;
		for (size_t i = 0; i < BUCKET_COUNT; i++)
			one->buckets[i] += milliseconds <= BUCKETS[i];
	}
	pthread_mutex_unlock(&lock);
}

static void set(enum family family, const char *labels, uint64_t value)
{
	pthread_mutex_lock(&lock);
	struct series *one = find(family, labels);
	if (one)
		one->value = value;
	pthread_mutex_unlock(&lock);
}

void metrics_token_operation(const char *token, const char *operation, enum rc result, int64_t milliseconds)
{
	char name[96], labels[LABELS_MAX];

	metrics_label(token, name, sizeof(name));
	snprintf(labels, sizeof(labels), "token=\"%s\",op=\"%s\",result=\"%s\"", name, operation, result_name(result));
	count(TOKEN_OPERATIONS, labels);
	snprintf(labels, sizeof(labels), "token=\"%s\",op=\"%s\"", name, operation);
	observe(labels, milliseconds);
	snprintf(labels, sizeof(labels), "token=\"%s\"", name);
	/* Of any other operation RC_ABSENT is a key's. */
	bool is_away = result == RC_RETRY || (result == RC_ABSENT && strcmp(operation, "open") == 0);
	if (result == RC_OK || is_away)
		set(TOKEN_UP, labels, result == RC_OK);
	if (result == RC_OK || is_away || result == RC_DENIED)
		set(TOKEN_REFUSED, labels, result == RC_DENIED);
}

void metrics_token(const char *token, struct metrics_token *ret_token)
{
	struct metrics_token health = { 0 };
	char name[96], labels[LABELS_MAX];

	metrics_label(token, name, sizeof(name));
	int len = snprintf(labels, sizeof(labels), "token=\"%s\"", name);
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < series_count; i++) {
		const struct series *one = &series[i];

		if (strncmp(one->labels, labels, (size_t)len) != 0)
			continue;
		if (one->family == TOKEN_UP) {
			health.is_known = true;
			health.is_up = one->value != 0;
		} else if (one->family == TOKEN_REFUSED) {
			health.is_refused = one->value != 0;
		} else if (one->family == TOKEN_SECONDS) {
			health.operations += one->value;
			health.milliseconds += one->sum;
		} else if (strstr(one->labels, ",result=\"denied\"")) {
			health.denied += one->value;
		}
	}
	pthread_mutex_unlock(&lock);
	*ret_token = health;
}

static enum rc histogram_print(struct buf *text, const struct series *one, struct err *err)
{
	const char *name = FAMILIES[one->family].name;
	enum rc rc = RC_OK;

	for (size_t i = 0; i < BUCKET_COUNT && rc == RC_OK; i++)
		rc = buf_print(text, err, "%s_bucket{%s,le=\"%lld.%03lld\"} %llu\n", name, one->labels,
			       (long long)BUCKETS[i] / 1000, (long long)BUCKETS[i] % 1000, (unsigned long long)one->buckets[i]);
	return rc != RC_OK
		       ? rc
		       : buf_print(text, err, "%s_bucket{%s,le=\"+Inf\"} %llu\n%s_sum{%s} %lld.%03lld\n%s_count{%s} %llu\n", name,
				   one->labels, (unsigned long long)one->value, name, one->labels, (long long)one->sum / 1000,
				   (long long)one->sum % 1000, name, one->labels, (unsigned long long)one->value);
}

static enum rc family_print(struct buf *text, enum family family, struct err *err)
{
	enum rc rc = buf_print(text, err, "# HELP %s %s\n# TYPE %s %s\n", FAMILIES[family].name, FAMILIES[family].help,
			       FAMILIES[family].name, FAMILIES[family].type);

	for (unsigned i = 0; i < series_count && rc == RC_OK; i++) {
		if (series[i].family != family)
			continue;
		rc = family == TOKEN_SECONDS ? histogram_print(text, &series[i], err)
					     : buf_print(text, err, "%s{%s} %llu\n", FAMILIES[family].name, series[i].labels,
							 (unsigned long long)series[i].value);
	}
	return rc;
}

enum rc metrics_print(struct buf *text, struct err *err)
{
	enum rc rc = buf_print(text, err,
			       "# HELP hwacme_build_info This program.\n# TYPE hwacme_build_info gauge\n"
			       "hwacme_build_info{version=\"" HWACME_VERSION "\"} 1\n");

	pthread_mutex_lock(&lock);
	for (int family = 0; family < FAMILY_COUNT && rc == RC_OK; family++)
		rc = family_print(text, (enum family)family, err);
	if (rc == RC_OK)
		rc = buf_print(text, err,
			       "# HELP hwacme_metrics_dropped_total Not counted, because there are too many series.\n"
			       "# TYPE hwacme_metrics_dropped_total counter\nhwacme_metrics_dropped_total %llu\n",
			       (unsigned long long)dropped);
	pthread_mutex_unlock(&lock);
	return rc;
}
