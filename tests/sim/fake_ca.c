/* fake_ca.c -- the wire: which authority is asked, what goes wrong on the way, nonces and accounts (RFC 8555, 6 and 7.3). */
#include "fake_ca.h"

#include <stdio.h>
#include <string.h>

#include "chance.h"
#include "clock.h"
#include "codec.h"
#include "fake_ca_state.h"
#include "http.h"
#include "log.h"
#include "virtual_clock.h"

#define LATENCY_LEAST 10 /* milliseconds, each way */
#define LATENCY_MOST  150
#define TIMEOUT       HTTP_TIMEOUT_MS

static struct fake_ca_state authorities[FAKE_CAS_MAX];
static bool are_cut_off;

void fake_times_add(struct fake_times *times, int64_t at)
{
	times->at = fake_ca_grow(times->at, times->count, sizeof(*times->at));
	times->at[times->count++] = at;
}

size_t fake_times_most(const struct fake_times *times, int64_t ms)
{
	size_t most = 0, first = 0;

	for (size_t last = 0; last < times->count; last++) {
		while (times->at[last] - times->at[first] >= ms)
			first++;
		if (last - first + 1 > most)
			most = last - first + 1;
	}
	return most;
}

size_t fake_times_within(const struct fake_times *times, int64_t from_ms, int64_t to_ms)
{
	size_t count = 0;

	for (size_t i = 0; i < times->count; i++)
		count += times->at[i] >= from_ms && times->at[i] < to_ms;
	return count;
}

void fake_ca_cut_off(bool is_cut_off)
{
	are_cut_off = is_cut_off;
}

void fake_ca_start(void)
{
	are_cut_off = false;
	for (unsigned i = 0; i < FAKE_CAS_MAX; i++) {
		struct fake_ca_state *ca = &authorities[i];

		*ca = (struct fake_ca_state){
			.number = i, .public = { .life = 90 * FAKE_DAY, .short_life = 6 * FAKE_DAY, .order_life = 7 * FAKE_DAY }
		};
		snprintf(ca->origin, sizeof(ca->origin), "https://ca%u.sim", i);
		fake_ca_key_make(ca);
	}
}

void fake_ca_stop(void)
{
	for (unsigned i = 0; i < FAKE_CAS_MAX; i++) {
		struct fake_ca_state *ca = &authorities[i];

		for (size_t n = 0; n < ca->account_count; n++)
			free(ca->accounts[n]);
		for (size_t n = 0; n < ca->order_count; n++)
			json_decref(ca->orders[n].identifiers);
		for (size_t n = 0; n < ca->certificate_count; n++)
			free(ca->certificates[n].pem);
		free(ca->accounts);
		free(ca->orders);
		free(ca->certificates);
		free(ca->names);
		free(ca->nonces);
		free(ca->public.requests.at);
		free(ca->public.orders.at);
		free(ca->public.looks.at);
		free(ca->public.revocations.at);
		free(ca->root_pem);
		X509_free(ca->root);
		EVP_PKEY_free(ca->key);
	}
}

struct fake_ca *fake_ca_get(unsigned number)
{
	return &authorities[number].public;
}

struct fake_ca_state *fake_ca_state_get(unsigned number)
{
	return &authorities[number];
}

void fake_ca_roots_write(const char *path)
{
	FILE *file = fopen(path, "w");

	for (unsigned i = 0; i < FAKE_CAS_MAX; i++)
		fputs(authorities[i].root_pem, file);
	fclose(file);
}

static void nonce_give(struct fake_ca_state *ca, char ret_nonce[HTTP_NONCE_MAX])
{
	ca->nonces = fake_ca_grow(ca->nonces, ca->nonce_count, sizeof(*ca->nonces));
	ca->nonces[ca->nonce_count] = true;
	snprintf(ret_nonce, HTTP_NONCE_MAX, "n%zu", ca->nonce_count++);
}

static bool nonce_take(struct fake_ca_state *ca, const char *nonce)
{
	size_t number;

	if (!nonce || sscanf(nonce, "n%zu", &number) != 1 || number >= ca->nonce_count || !ca->nonces[number])
		return false;
	ca->nonces[number] = false;
	return !chance_one_in(ca->public.mishaps.bad_nonce);
}

static json_t *part_read(const json_t *jws, const char *member)
{
	const char *text = json_string_value(json_object_get(jws, member));
	AUTO(buf) struct buf plain = BUF_MAX(65536);

	if (!text || !*text || codec_base64url_decode(text, &plain, NULL) != RC_OK)
		return NULL;
	return json_loadb((const char *)plain.at, plain.len, 0, NULL);
}

static void new_account(struct fake_exchange *exchange)
{
	struct fake_ca_state *ca = exchange->ca;
	char *jwk = json_dumps(json_object_get(exchange->header, "jwk"), JSON_COMPACT | JSON_SORT_KEYS);
	size_t at = 0;

	while (at < ca->account_count && strcmp(ca->accounts[at], jwk) != 0)
		at++;
	exchange->status = at < ca->account_count ? 200 : 201;
	if (at == ca->account_count && json_is_true(json_object_get(exchange->payload, "onlyReturnExisting"))) {
		fake_ca_problem(exchange, 400, "accountDoesNotExist", "no such key");
	} else {
		if (at == ca->account_count) {
			ca->accounts = fake_ca_grow(ca->accounts, ca->account_count, sizeof(char *));
			ca->accounts[ca->account_count++] = strdup(jwk);
		}
		exchange->body = json_pack("{s:s}", "status", "valid");
		snprintf(exchange->location, sizeof(exchange->location), "%s/account/%zu", ca->origin, at + 1);
	}
	free(jwk);
}

static void signed_serve(struct fake_exchange *exchange)
{
	struct fake_ca_state *ca = exchange->ca;
	const char *kid = json_string_value(json_object_get(exchange->header, "kid"));
	const char *url = json_string_value(json_object_get(exchange->header, "url"));
	char known[64];

	if (!url || strcmp(url, exchange->request->url) != 0) {
		fake_ca_problem(exchange, 401, "unauthorized", "it was signed for another address");
		return;
	}
	if (!nonce_take(ca, json_string_value(json_object_get(exchange->header, "nonce")))) {
		fake_ca_problem(exchange, 400, "badNonce", "not this one");
		return;
	}
	if (chance_one_in(ca->public.mishaps.internal)) {
		fake_ca_problem(exchange, 500, "serverInternal", "the simulation fell over something");
		return;
	}
	if (strcmp(exchange->path, "/account") == 0) {
		new_account(exchange);
		return;
	}
	for (size_t i = 1; kid && i <= ca->account_count && !exchange->account; i++) {
		snprintf(known, sizeof(known), "%s/account/%zu", ca->origin, i);
		exchange->account = strcmp(known, kid) == 0 ? i : 0;
	}
	if (exchange->account && strncmp(exchange->path, "/account/", 9) == 0) {
		exchange->status = 200;
		exchange->body = json_pack("{s:s}", "status", "valid");
	} else if (!exchange->account) {
		fake_ca_problem(exchange, 400, "accountDoesNotExist", "no such account");
	} else if (strcmp(exchange->path, "/revoke") == 0) {
		fake_ca_revoke(exchange);
	} else if (!fake_ca_serve(exchange)) {
		fake_ca_problem(exchange, 404, "malformed", "no such resource");
	}
}

static void directory_give(struct fake_exchange *exchange)
{
	const struct fake_ca_state *ca = exchange->ca;

	exchange->status = 200;
	exchange->body = json_object();
	static const char *const resources[][2] = { { "newNonce", "nonce" },       { "newAccount", "account" },
						    { "newOrder", "order" },       { "revokeCert", "revoke" },
						    { "keyChange", "key-change" }, { "renewalInfo", "renewal-info" } };
	json_object_set_new(exchange->body, "meta",
			    json_pack("{s:{s:s, s:s}}", "profiles", "nf-tls-a", "for NFs", "nf-tls-b", "for NFs, too"));
	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++)
		if (i < 5 || ca->public.has_renewal_info)
			json_object_set_new(exchange->body, resources[i][0], json_sprintf("%s/%s", ca->origin, resources[i][1]));
}

static void serve(struct fake_exchange *exchange)
{
	if (strcmp(exchange->path, "/dir") == 0)
		directory_give(exchange);
	else if (strcmp(exchange->path, "/nonce") == 0)
		exchange->status = 200;
	else if (strncmp(exchange->path, "/renewal-info/", 14) == 0 && exchange->ca->public.has_renewal_info)
		fake_ca_renewal_info(exchange, exchange->path + 14);
	else if (exchange->request->method == HTTP_POST)
		signed_serve(exchange);
	else
		fake_ca_problem(exchange, 404, "malformed", "no such resource");
}

/* The answer as http.c would have read it. */
static enum rc answer_print(struct fake_exchange *exchange, struct http_response *ret_response, struct err *err)
{
	struct http_response response = { .status = exchange->status, .body = BUF_MAX(HTTP_BODY_MAX) };
	char *text = exchange->text ? exchange->text : exchange->body ? json_dumps(exchange->body, JSON_COMPACT) : NULL;
	enum rc rc = text ? buf_append(&response.body, span_text(text), err) : RC_OK;

	snprintf(response.content_type, sizeof(response.content_type), "%s",
		 exchange->text           ? "application/pem-certificate-chain"
		 : exchange->status < 400 ? "application/json"
					  : "application/problem+json");
	snprintf(response.location, sizeof(response.location), "%s", exchange->location);
	if (exchange->request->method != HTTP_GET)
		nonce_give(exchange->ca, response.nonce);
	if (exchange->retry_after)
		response.retry_at = clock_now() + exchange->retry_after + 1;
	free(text);
	if (rc == RC_OK)
		*ret_response = response;
	return rc;
}

static void too_early_note(struct fake_ca *ca, const struct http_request *request)
{
	int64_t now = virtual_clock_true_ms();

	if (now >= ca->quiet_until_ms)
		return;
	if (ca->too_early++ == 0)
		snprintf(ca->too_early_what, sizeof(ca->too_early_what), "%s %lld s early: %s", request->endpoint,
			 (long long)(ca->quiet_until_ms - now) / 1000, request->url);
}

static enum rc lost(const char *why, struct err *err)
{
	virtual_clock_pass(chance_one_in(4) ? TIMEOUT : chance_between(1, 1000));
	return err_set_raw(err, RC_RETRY, ERR_CURL, 28, "the simulation lost it: %s", why);
}

/* It got there; false: its answer is lost. */
static bool perform(struct fake_exchange *exchange)
{
	struct fake_ca *ca = &exchange->ca->public;
	size_t orders = exchange->ca->order_count;

	if (ca->challenge_busy_s && strcmp(exchange->request->endpoint, "challenge") == 0)
		ca->busy_until_ms = virtual_clock_true_ms() + ca->challenge_busy_s * INT64_C(1000);
	if (virtual_clock_true_ms() < ca->busy_until_ms) {
		ca->challenge_busy_s = 0;
		exchange->status = 503;
		exchange->retry_after = (ca->busy_until_ms - virtual_clock_true_ms()) / 1000 + 1;
		ca->quiet_until_ms = virtual_clock_true_ms() + exchange->retry_after * 1000;
		return true;
	}
	serve(exchange);
	if (!chance_one_in(ca->mishaps.lost_after))
		return true;
	if (exchange->ca->order_count > orders) {
		exchange->ca->orders[orders].is_answer_lost = true;
		ca->lost_orders++;
	}
	return false;
}

/* Whom an answer was about: the order, its authorisation, its challenge; or its certificate. */
static void mistold_note(struct fake_exchange *exchange, size_t orders)
{
	struct fake_ca_state *ca = exchange->ca;
	char what[16];
	size_t number = 0;

	if (ca->order_count > orders)
		ca->orders[orders].is_mistold = true;
	if (sscanf(exchange->path, "/%15[a-z]/%zu", what, &number) != 2)
		return;
	for (size_t i = 0; i < ca->order_count; i++)
		if (strcmp(what, "cert") == 0 ? ca->orders[i].certificate == number : i + 1 == number)
			ca->orders[i].is_mistold = true;
}

/* Something is between us and the CA, or the CA is something else. */
static enum rc nonsense(struct fake_exchange *exchange, struct http_response *ret_response, struct err *err)
{
	size_t orders = exchange->ca->order_count;

	if (chance_one_in(2))
		serve(exchange);
	mistold_note(exchange, orders);
	free(exchange->text);
	return fake_ca_nonsense(&exchange->ca->public, ret_response, err);
}

static struct fake_ca_state *authority_of(const char *url)
{
	for (unsigned i = 0; i < FAKE_CAS_MAX; i++) {
		size_t len = strlen(authorities[i].origin);

		if (strncmp(url, authorities[i].origin, len) == 0 && url[len] == '/')
			return &authorities[i];
	}
	return NULL;
}

static void away_note(struct fake_ca *ca, int64_t seconds)
{
	int64_t until = virtual_clock_true_ms() + seconds * 1000;

	if (until > ca->away_until_ms)
		ca->away_until_ms = until;
}

enum rc http_send(struct http *http, const struct http_request *request, struct http_response *ret_response, struct err *err)
{
	struct fake_exchange exchange = { .ca = authority_of(request->url), .request = request };
	enum rc rc;

	(void)http;
	if (!exchange.ca)
		return err_set_raw(err, RC_RETRY, ERR_CURL, 6, "no such host: %s", request->url);
	struct fake_ca *ca = &exchange.ca->public;
	exchange.path = request->url + strlen(exchange.ca->origin);
	too_early_note(ca, request);
	fake_times_add(&ca->requests, virtual_clock_true_ms());
	log_event(LOG_INFO, "ca%u <- %s %s", exchange.ca->number, request->endpoint, exchange.path);
	virtual_clock_pass(chance_between(LATENCY_LEAST, LATENCY_MOST));
	if (are_cut_off)
		return lost("the network", err);
	if (ca->is_down || chance_one_in(ca->mishaps.lost_before))
		return lost(ca->is_down ? "the CA is down" : "the request", err);
	json_t *jws =
		request->method == HTTP_POST ? json_loadb((const char *)request->body.at, request->body.len, 0, NULL) : NULL;
	exchange.header = part_read(jws, "protected");
	exchange.payload = part_read(jws, "payload");
	if (virtual_clock_true_ms() >= ca->busy_until_ms && chance_one_in(ca->nonsense_one_in)) {
		rc = nonsense(&exchange, ret_response, err);
	} else if (perform(&exchange)) {
		virtual_clock_pass(chance_between(LATENCY_LEAST, LATENCY_MOST));
		rc = answer_print(&exchange, ret_response, err);
	} else {
		rc = lost("the answer", err);
		free(exchange.text);
	}
	/* As far as http.c and problem.h take it: for a day at the most. */
	if (rc == RC_OK && ret_response->status >= 400 && ret_response->retry_at)
		away_note(ca, ret_response->retry_at - clock_now());
	json_decref(jws);
	json_decref(exchange.header);
	json_decref(exchange.payload);
	json_decref(exchange.body);
	return rc;
}

enum rc http_open(const char *trust, const struct http_identity *identity, struct http **ret_http, struct err *err)
{
	struct http *http = calloc(1, sizeof(*http));

	(void)trust;
	(void)identity;
	*ret_http = http;
	return http ? RC_OK : err_set(err, RC_RESOURCE, "out of memory");
}

void http_close(struct http *http)
{
	free(http);
}

void http_response_clear(struct http_response *response)
{
	buf_clear(&response->body);
}
