/*
 * acme_load.c -- what an ACME server gives: a client that does as little as RFC 8555 lets it, with software keys.
 *
 *	acme_load DIRECTORY TRUST CERTIFICATES CONNECTIONS PREFIX
 *
 * Orders as many certificates, each for one name of its own, PREFIX-N.bench.example, with a key of its own, by one account,
 * over so many connections that are kept. Nothing is verified but the server's TLS, nothing is stored. The server must
 * take challenges for answered. Prints one line: certificates a second, CPU microseconds and requests each.
 */
#include <curl/curl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <time.h>

#define URL_MAX         512
#define TEXT_MAX        8192
#define CONNECTIONS_MAX 64
#define TRIES_MAX       200 /* of one request: bad nonces, and an order that is not ready yet */

struct answer {
	long status;
	size_t len;
	char body[TEXT_MAX], nonce[URL_MAX], location[URL_MAX];
};

/* One connection, and the nonce that came with its last answer. */
struct line {
	pthread_t thread;
	CURL *curl;
	struct answer answer;
	bool failed;
};

static const char *trust, *prefix;
static EVP_PKEY *account_key;
static char account[URL_MAX], account_jwk[TEXT_MAX];
static char new_nonce[URL_MAX], new_account[URL_MAX], new_order[URL_MAX];
static atomic_long requests, ordered;
static long wanted;

static void encode(const unsigned char *from, size_t len, char *to)
{
	size_t used = (size_t)EVP_EncodeBlock((unsigned char *)to, from, (int)len);

	while (used && to[used - 1] == '=')
		used--;
	to[used] = '\0';
	for (size_t i = 0; i < used; i++)
		to[i] = to[i] == '+' ? '-' : to[i] == '/' ? '_' : to[i];
}

static size_t on_body(char *at, size_t size, size_t count, void *ctx)
{
	struct answer *answer = ctx;
	size_t len = size * count < TEXT_MAX - 1 - answer->len ? size * count : TEXT_MAX - 1 - answer->len;

	memcpy(answer->body + answer->len, at, len);
	answer->len += len;
	answer->body[answer->len] = '\0';
	return size * count;
}

static size_t on_header(char *at, size_t size, size_t count, void *ctx)
{
	struct answer *answer = ctx;
	char text[URL_MAX];

	snprintf(text, sizeof(text), "%.*s", (int)(size * count), at);
	text[strcspn(text, "\r\n")] = '\0';
	if (strncasecmp(text, "Replay-Nonce: ", 14) == 0)
		snprintf(answer->nonce, sizeof(answer->nonce), "%s", text + 14);
	else if (strncasecmp(text, "Location: ", 10) == 0)
		snprintf(answer->location, sizeof(answer->location), "%s", text + 10);
	return size * count;
}

/* `body` NULL: HEAD, for a nonce; "": GET. */
static bool exchange(struct line *line, const char *url, const char *body)
{
	static struct curl_slist *jose;

	if (!jose)
		jose = curl_slist_append(curl_slist_append(NULL, "Content-Type: application/jose+json"), "Expect:");
	line->answer.len = 0;
	line->answer.body[0] = line->answer.location[0] = '\0';
	curl_easy_setopt(line->curl, CURLOPT_URL, url);
	curl_easy_setopt(line->curl, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(line->curl, CURLOPT_NOBODY, body ? 0L : 1L);
	if (body && body[0]) {
		curl_easy_setopt(line->curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
		curl_easy_setopt(line->curl, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(line->curl, CURLOPT_HTTPHEADER, jose);
	}
	CURLcode code = curl_easy_perform(line->curl);
	requests++;
	curl_easy_getinfo(line->curl, CURLINFO_RESPONSE_CODE, &line->answer.status);
	if (code != CURLE_OK)
		fprintf(stderr, "acme_load: %s: %s\n", url, curl_easy_strerror(code));
	return code == CURLE_OK;
}

static bool line_open(struct line *line)
{
	line->curl = curl_easy_init();
	curl_easy_setopt(line->curl, CURLOPT_CAINFO, trust);
	curl_easy_setopt(line->curl, CURLOPT_USERAGENT, "acme_load"); /* RFC 8555, 6.1: MUST; newer Pebbles insist */
	curl_easy_setopt(line->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(line->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(line->curl, CURLOPT_TIMEOUT, 60L);
	curl_easy_setopt(line->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(line->curl, CURLOPT_WRITEDATA, &line->answer);
	curl_easy_setopt(line->curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(line->curl, CURLOPT_HEADERDATA, &line->answer);
	return !new_nonce[0] || exchange(line, new_nonce, NULL);
}

/* ES256 (RFC 7518, 3.4): r and s, 32 bytes each. */
static bool sign(const char *input, char *ret_text)
{
	unsigned char der[128], raw[64];
	size_t len = sizeof(der);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, account_key) == 1 &&
		  EVP_DigestSign(ctx, der, &len, (const unsigned char *)input, strlen(input)) == 1;
	const unsigned char *at = der;
	ECDSA_SIG *sig = ok ? d2i_ECDSA_SIG(NULL, &at, (long)len) : NULL;

	EVP_MD_CTX_free(ctx);
	ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32) == 32 && BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32) == 32;
	ECDSA_SIG_free(sig);
	encode(raw, sizeof(raw), ret_text);
	return ok;
}

/* A signed POST; sent again with the nonce of the refusal when that is what it was refused for. */
static bool post(struct line *line, const char *url, const char *payload)
{
	char header[TEXT_MAX], input[2 * TEXT_MAX], body[3 * TEXT_MAX], sig[128];

	for (int i = 0; i < TRIES_MAX; i++) {
		snprintf(header, sizeof(header),
			 account[0] ? "{\"alg\":\"ES256\",\"kid\":\"%s\",\"nonce\":\"%s\",\"url\":\"%s\"}"
				    : "{\"alg\":\"ES256\",\"jwk\":%s,\"nonce\":\"%s\",\"url\":\"%s\"}",
			 account[0] ? account : account_jwk, line->answer.nonce, url);
		encode((unsigned char *)header, strlen(header), input);
		size_t protected_len = strlen(input);
		input[protected_len] = '.';
		encode((const unsigned char *)payload, strlen(payload), input + protected_len + 1);
		if (!sign(input, sig))
			return false;
		input[protected_len] = '\0';
		snprintf(body, sizeof(body), "{\"protected\":\"%s\",\"payload\":\"%s\",\"signature\":\"%s\"}", input,
			 input + protected_len + 1, sig);
		if (!exchange(line, url, body))
			return false;
		if (line->answer.status != 400 || !strstr(line->answer.body, ":badNonce"))
			return true;
	}
	return false;
}

static bool key_new(EVP_PKEY **ret_key)
{
	*ret_key = EVP_EC_gen("P-256");
	return *ret_key != NULL;
}

static bool account_open(struct line *line)
{
	unsigned char x[32], y[32];
	char x_text[64], y_text[64];
	BIGNUM *x_number = NULL, *y_number = NULL;

	if (!key_new(&account_key) || EVP_PKEY_get_bn_param(account_key, "qx", &x_number) != 1 ||
	    EVP_PKEY_get_bn_param(account_key, "qy", &y_number) != 1)
		return false;
	BN_bn2binpad(x_number, x, 32);
	BN_bn2binpad(y_number, y, 32);
	BN_free(x_number);
	BN_free(y_number);
	encode(x, 32, x_text);
	encode(y, 32, y_text);
	snprintf(account_jwk, sizeof(account_jwk), "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x_text,
		 y_text);
	if (!post(line, new_account, "{\"termsOfServiceAgreed\":true}") || line->answer.status != 201)
		return false;
	snprintf(account, sizeof(account), "%s", line->answer.location);
	return true;
}

/* The CSR with a new key, as base64url. */
static bool csr_new(const char *name, char *ret_text)
{
	EVP_PKEY *key = NULL;
	X509_REQ *request = X509_REQ_new();
	char san[URL_MAX];
	unsigned char *der = NULL;

	snprintf(san, sizeof(san), "DNS:%s", name);
	STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
	sk_X509_EXTENSION_push(extensions, X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san));
	bool ok = key_new(&key) && X509_REQ_set_pubkey(request, key) == 1 && X509_REQ_add_extensions(request, extensions) == 1 &&
		  X509_REQ_sign(request, key, EVP_sha256()) > 0;
	int len = ok ? i2d_X509_REQ(request, &der) : -1;
	if (len > 0)
		encode(der, (size_t)len, ret_text);
	OPENSSL_free(der);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	X509_REQ_free(request);
	EVP_PKEY_free(key);
	return len > 0;
}

/* A string of the last answer: "key", "list/0", "list/0/key". */
static bool answer_text(const struct line *line, const char *path, char ret_text[URL_MAX])
{
	json_t *root = json_loads(line->answer.body, 0, NULL), *at = root;
	char names[URL_MAX], *rest = NULL;

	snprintf(names, sizeof(names), "%s", path);
	for (char *name = strtok_r(names, "/", &rest); name && at; name = strtok_r(NULL, "/", &rest))
		at = json_is_array(at) ? json_array_get(at, strtoul(name, NULL, 10)) : json_object_get(at, name);
	snprintf(ret_text, URL_MAX, "%s", at && json_is_string(at) ? json_string_value(at) : "");
	json_decref(root);
	return ret_text[0] != '\0';
}

/* The CSR is offered until the order is ready for it: its challenge was answered a moment ago. */
static bool finalize(struct line *line, const char *url, const char *name)
{
	char csr[TEXT_MAX / 2], payload[TEXT_MAX];

	if (!csr_new(name, csr))
		return false;
	snprintf(payload, sizeof(payload), "{\"csr\":\"%s\"}", csr);
	for (int i = 0; i < TRIES_MAX; i++) {
		if (!post(line, url, payload))
			return false;
		if (line->answer.status == 200)
			return true;
		if (!strstr(line->answer.body, ":orderNotReady"))
			return false;
	}
	return false;
}

static bool certificate(struct line *line, long number)
{
	char name[128], payload[URL_MAX], order[URL_MAX], csr_url[URL_MAX], url[URL_MAX];

	snprintf(name, sizeof(name), "%s-%ld.bench.example", prefix, number);
	snprintf(payload, sizeof(payload), "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%s\"}]}", name);
	if (!post(line, new_order, payload) || line->answer.status != 201 || !answer_text(line, "finalize", csr_url) ||
	    !answer_text(line, "authorizations/0", url))
		return false;
	snprintf(order, sizeof(order), "%s", line->answer.location);
	if (!post(line, url, "") || !answer_text(line, "challenges/0/url", url) || !post(line, url, "{}") ||
	    !finalize(line, csr_url, name))
		return false;
	for (int i = 0; i < TRIES_MAX; i++) {
		if (answer_text(line, "certificate", url))
			return post(line, url, "") && strstr(line->answer.body, "BEGIN CERTIFICATE");
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		if (!post(line, order, ""))
			return false;
	}
	return false;
}

static void *work(void *ctx)
{
	struct line *line = ctx;

	line->failed = !line_open(line);
	for (long number; !line->failed && (number = ordered++) < wanted;)
		if (!certificate(line, number)) {
			fprintf(stderr, "acme_load: certificate %ld: status %ld: %s\n", number, line->answer.status,
				line->answer.body);
			line->failed = true;
		}
	curl_easy_cleanup(line->curl);
	return NULL;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double cpu(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
	static struct line first, lines[CONNECTIONS_MAX];
	bool failed = false;

	if (argc != 6 || atoi(argv[4]) < 1 || atoi(argv[4]) > CONNECTIONS_MAX) {
		fputs("usage: see the head of tests/bench/acme_load.c\n", stderr);
		return 2;
	}
	trust = argv[2], wanted = atol(argv[3]), prefix = argv[5];
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (!line_open(&first) || !exchange(&first, argv[1], "") || !answer_text(&first, "newNonce", new_nonce) ||
	    !answer_text(&first, "newAccount", new_account) || !answer_text(&first, "newOrder", new_order) ||
	    !exchange(&first, new_nonce, NULL) || !account_open(&first)) {
		fprintf(stderr, "acme_load: no account: %s\n", first.answer.body);
		return 1;
	}
	requests = 0;
	double began = now(), used = cpu();
	for (int i = 0; i < atoi(argv[4]); i++)
		pthread_create(&lines[i].thread, NULL, work, &lines[i]);
	for (int i = 0; i < atoi(argv[4]); i++) {
		pthread_join(lines[i].thread, NULL);
		failed = failed || lines[i].failed;
	}
	double count = (double)wanted;
	printf("%.1f %.0f %.2f\n", count / (now() - began), (cpu() - used) * 1e6 / count, (double)requests / count);
	return failed;
}
