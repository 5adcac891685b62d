/* http.c -- HTTPS by libcurl, with every limit of http.h. */
#include "http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "clock.h"
#include "link.h"
#include "metrics.h"

#define CONNECT_TIMEOUT_MS 10000
#define HEADER_VALUE_MAX   (4 * HTTP_URL_MAX) /* a proxy may have put several links into one line */
#define IDLE_MAX_S         4                  /* a connection idle for longer may be closed under us: Apache does it after 5 s */

struct curl_http {
	struct http base;
	CURL *curl;
	char *trust;
	char reason[CURL_ERROR_SIZE];
};

/* One exchange while it runs. */
struct exchange {
	struct http_response *response;
	struct span unsent; /* of the body */
	size_t header_len;
	bool too_large, headers_ended;
};

static size_t on_send(char *to, size_t size, size_t count, void *ctx)
{
	struct exchange *exchange = ctx;
	size_t len = size * count < exchange->unsent.len ? size * count : exchange->unsent.len;

	if (len == 0)
		return 0;
	memcpy(to, exchange->unsent.at, len);
	exchange->unsent = span_of(exchange->unsent.at + len, exchange->unsent.len - len);
	return len;
}

/*
 * When a kept connection ends without an answer, libcurl by itself sends the request again.
 * A JWS must not be: its nonce is spent (RFC 8555, 6.5), and it may have taken effect.
 */
static int on_rewind(void *ctx, curl_off_t offset, int origin)
{
	(void)ctx;
	(void)offset;
	(void)origin;
	return CURL_SEEKFUNC_FAIL;
}

static size_t on_body(char *at, size_t size, size_t count, void *ctx)
{
	struct exchange *exchange = ctx;

	if (buf_append(&exchange->response->body, span_of(at, size * count), NULL) == RC_OK)
		return size * count;
	exchange->too_large = true;
	return 0;
}

/* The value when the line is this header: trimmed, copied whole or not at all. */
static bool header_value(const char *line, size_t len, const char *name, char *ret_text, size_t room)
{
	size_t name_len = strlen(name);

	if (len <= name_len || strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
		return false;
	const char *at = line + name_len + 1, *end = line + len;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (end > at && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if ((size_t)(end - at) >= room)
		return false;
	memcpy(ret_text, at, (size_t)(end - at));
	ret_text[end - at] = '\0';
	return true;
}

/* RFC 8555, 6.5: a nonce that is not base64url MUST be ignored. */
static bool is_nonce(const char *text)
{
	return *text && text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")] == '\0';
}

/* The empty line after the headers.  Those of a 1xx are followed by others; trailers come after all. */
static void note_end(struct exchange *exchange, const char *line, size_t len)
{
	if (len <= 2 && (line[0] == '\r' || line[0] == '\n'))
		exchange->headers_ended = true;
	else if (len > 5 && strncasecmp(line, "HTTP/", 5) == 0)
		exchange->headers_ended = false;
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
	struct exchange *exchange = ctx;
	struct http_response *response = exchange->response;
	size_t len = size * count;
	char value[HEADER_VALUE_MAX];

	exchange->header_len += len;
	note_end(exchange, line, len);
	if (exchange->header_len > HTTP_HEADER_MAX) {
		exchange->too_large = true;
		return 0;
	}
	if (header_value(line, len, "Location", value, sizeof(response->location)))
		snprintf(response->location, sizeof(response->location), "%s", value);
	else if (header_value(line, len, "Replay-Nonce", value, sizeof(response->nonce)))
		snprintf(response->nonce, sizeof(response->nonce), "%s", is_nonce(value) ? value : "");
	else if (header_value(line, len, "Retry-After", value, sizeof(value)))
		(void)!clock_parse_retry_after(value, clock_now(), &response->retry_at, NULL);
	else if (header_value(line, len, "Link", value, sizeof(value)))
		link_parse(value, response);
	else if (header_value(line, len, "Content-Type", value, sizeof(response->content_type))) {
		value[strcspn(value, "; \t")] = '\0';
		for (size_t i = 0;
		     (response->content_type[i] = (char)(value[i] >= 'A' && value[i] <= 'Z' ? value[i] + 32 : value[i])); i++)
			;
	}
	return len;
}

static enum rc curl_fail(struct curl_http *http, CURLcode code, const struct exchange *exchange, const char *url, struct err *err)
{
	const char *why = http->reason[0] ? http->reason : curl_easy_strerror(code);

	if (exchange->too_large)
		return err_set_raw(err, RC_PROTOCOL, ERR_CURL, code,
				   "%s: the answer is larger than %u bytes, or its headers than %u", url, HTTP_BODY_MAX,
				   HTTP_HEADER_MAX);
	switch (code) {
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return err_set_raw(err, RC_INPUT, ERR_CURL, code, "%s: only https:// URLs are used", url);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return err_set_raw(err, RC_DENIED, ERR_CURL, code, "%s: the server is not trusted by %s: %s", url,
				   http->trust ? http->trust : "the system's roots (option trust)", why);
	case CURLE_SEND_FAIL_REWIND: /* on_rewind */
		return err_set_raw(err, RC_RETRY, ERR_CURL, code, "%s: the server closed the connection without an answer", url);
	case CURLE_OUT_OF_MEMORY: return err_set_raw(err, RC_RESOURCE, ERR_CURL, code, "out of memory");
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_HTTP2: return err_set_raw(err, RC_PROTOCOL, ERR_CURL, code, "%s: not an HTTP answer: %s", url, why);
	default: return err_set_raw(err, RC_RETRY, ERR_CURL, code, "%s: %s", url, why);
	}
}

static bool set_numbers(CURL *curl)
{
	static const struct {
		CURLoption option;
		long value;
	} numbers[] = {
		{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
		{ CURLOPT_SSL_VERIFYPEER, 1 },
		{ CURLOPT_SSL_VERIFYHOST, 2 },
		{ CURLOPT_FOLLOWLOCATION, 0 },
		{ CURLOPT_NOSIGNAL, 1 },
		{ CURLOPT_TIMEOUT_MS, HTTP_TIMEOUT_MS },
		{ CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS },
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
		{ CURLOPT_MAXAGE_CONN, IDLE_MAX_S },
	};
	bool ok = true;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		ok = curl_easy_setopt(curl, numbers[i].option, numbers[i].value) == CURLE_OK && ok;
	return ok;
}

static bool set_options(struct curl_http *http)
{
	CURL *curl = http->curl;
	char agent[128];

	/* RFC 8555, 6.1: software name and version, and the HTTP library's. */
	snprintf(agent, sizeof(agent), "hwacme/%s libcurl/%s", HWACME_VERSION, curl_version_info(CURLVERSION_NOW)->version);
	if (http->trust && (curl_easy_setopt(curl, CURLOPT_CAINFO, http->trust) != CURLE_OK ||
			    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) != CURLE_OK))
		return false;
	return set_numbers(curl) && curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_USERAGENT, agent) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_send) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_rewind) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->reason) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK;
}

static void set_request(CURL *curl, const struct http_request *request, struct exchange *exchange, struct curl_slist *headers)
{
	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
	curl_easy_setopt(curl, CURLOPT_READDATA, exchange);
	curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(curl, CURLOPT_NOBODY, request->method == HTTP_HEAD ? 1L : 0L);
	if (request->method != HTTP_POST)
		return;
	curl_easy_setopt(curl, CURLOPT_POST, 1L);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)request->body.len);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, NULL);
}

static enum rc headers_make(const struct http_request *request, struct curl_slist **ret_headers, struct err *err)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Accept-Language: en"), *more = headers;
	char line[160];

	/* No 100-continue round trip for a JWS of two KiB. */
	if (more)
		more = curl_slist_append(headers, "Expect:");
	if (more && request->method == HTTP_POST) {
		snprintf(line, sizeof(line), "Content-Type: %s",
			 request->content_type ? request->content_type : "application/jose+json");
		more = curl_slist_append(headers, line);
	}
	if (more && request->accept) {
		snprintf(line, sizeof(line), "Accept: %s", request->accept);
		more = curl_slist_append(headers, line);
	}
	if (!more) {
		curl_slist_free_all(headers);
		return err_set(err, RC_RESOURCE, "out of memory");
	}
	*ret_headers = headers;
	return RC_OK;
}

static enum rc curl_send(struct http *base, const struct http_request *request, struct http_response *ret_response,
			 struct err *err)
{
	struct curl_http *http = (struct curl_http *)(void *)base;
	AUTO(http_response) struct http_response response = { .body = BUF_MAX(HTTP_BODY_MAX) };
	struct exchange exchange = { .response = &response, .unsent = request->body };
	struct curl_slist *headers = NULL;

	if (strlen(request->url) >= HTTP_URL_MAX)
		return err_set(err, RC_PROTOCOL, "a URL of more than %u characters", HTTP_URL_MAX - 1);
	if (strncasecmp(request->url, "https://", 8) != 0)
		return err_set_raw(err, RC_INPUT, ERR_CURL, CURLE_UNSUPPORTED_PROTOCOL, "%s: only https:// URLs are used",
				   request->url);
	enum rc rc = headers_make(request, &headers, err);
	if (rc != RC_OK)
		return rc;
	http->reason[0] = '\0';
	set_request(http->curl, request, &exchange, headers);
	CURLcode code = curl_easy_perform(http->curl);
	curl_slist_free_all(headers);
	if (code != CURLE_OK)
		return curl_fail(http, code, &exchange, request->url, err);
	/* libcurl takes headers that break off for all of them, and what is missing for a body without a length. */
	if (!exchange.headers_ended)
		return err_set_raw(err, RC_RETRY, ERR_CURL, CURLE_PARTIAL_FILE, "%s: the connection ended within the headers",
				   request->url);
	curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &response.status);
	if (response.status >= 300 && response.status < 400)
		return err_set_raw(err, RC_PROTOCOL, ERR_HTTP, response.status,
				   "%s: redirects (here to %.200s) are not followed; configure the final URL", request->url,
				   response.location[0] ? response.location : "nowhere");
	*ret_response = response;
	response.body = BUF_MAX(0);
	return RC_OK;
}

static void curl_close(struct http *base)
{
	struct curl_http *http = (struct curl_http *)(void *)base;

	curl_easy_cleanup(http->curl);
	free(http->trust);
	free(http);
}

static const struct http_ops CURL_OPS = { .send = curl_send, .close = curl_close };

enum rc http_open(const char *trust, struct http **ret_http, struct err *err)
{
	if (trust && access(trust, R_OK) != 0)
		return err_set(err, RC_INPUT, "trust: cannot read %s", trust);
	struct curl_http *http = calloc(1, sizeof(*http));
	if (!http)
		return err_set(err, RC_RESOURCE, "out of memory");
	http->base.ops = &CURL_OPS;
	AUTO(http) struct http *owned = &http->base;
	http->trust = trust ? strdup(trust) : NULL;
	http->curl = curl_easy_init();
	if (!http->curl || (trust && !http->trust) || !set_options(http))
		return err_set_raw(err, RC_RESOURCE, ERR_CURL, 0, "libcurl cannot be set up");
	*ret_http = TAKE(owned);
	return RC_OK;
}

enum rc http_send(struct http *http, const struct http_request *request, struct http_response *ret_response, struct err *err)
{
	enum rc rc = http->ops->send(http, request, ret_response, err);

	metrics_acme_request(request->endpoint, rc == RC_OK ? ret_response->status : 0);
	return rc;
}

void http_close(struct http *http)
{
	if (http)
		http->ops->close(http);
}

void http_response_clear(struct http_response *response)
{
	buf_clear(&response->body);
}
