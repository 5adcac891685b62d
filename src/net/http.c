/* http.c -- HTTPS by libcurl, with every limit of http.h. */
#include "http.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "client_tls.h"
#include "libcurl.h"
#include "metrics.h"
#include "response_header.h"

#define CONNECT_TIMEOUT_MS 10000
#define IDLE_MAX_S         4 /* a connection idle for longer may be closed under us: Apache does it after 5 s */

/* One connection, lent to one exchange at a time. */
struct handle {
	struct handle *next;
	CURL *curl;
	struct client_tls tls;
	bool reads_bundle; /* of the system's roots: all of them */
	char reason[CURL_ERROR_SIZE];
};

struct curl_http {
	struct http base;
	char *trust;
	struct http_identity identity; /* load NULL: none */
	pthread_mutex_t lock;
	struct handle *idle; /* the one used last comes first: its connection is the likeliest to be open still */
};

/* One exchange while it runs. */
struct exchange {
	struct http_response *response;
	size_t header_len;
	bool is_post, is_begun;
	bool too_large, out_of_memory, headers_ended;
};

/*
 * When a kept connection ends without an answer, libcurl by itself sends the request again.
 * A JWS must not be: its nonce is spent (RFC 8555, 6.5), and it may have taken effect.
 */
static int on_begin(void *ctx, __attribute__((unused)) char *server, __attribute__((unused)) char *own,
		    __attribute__((unused)) int server_port, __attribute__((unused)) int own_port)
{
	struct exchange *exchange = ctx;
	bool is_repeated = exchange->is_begun;

	exchange->is_begun = true;
	return is_repeated && exchange->is_post ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static size_t on_body(char *at, size_t size, size_t count, void *ctx)
{
	struct exchange *exchange = ctx;

	enum rc rc = buf_append(&exchange->response->body, span_of(at, size * count), NULL);

	exchange->too_large = rc == RC_PROTOCOL;
	exchange->out_of_memory = rc == RC_RESOURCE;
	return rc == RC_OK ? size * count : 0;
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
	size_t len = size * count;

	exchange->header_len += len;
	note_end(exchange, line, len);
	if (exchange->header_len > HTTP_HEADER_MAX) {
		exchange->too_large = true;
		return 0;
	}
	/* RFC 9110, 6.5.1: what stands in a trailer is no header of the answer. */
	if (!exchange->headers_ended)
		response_header_take(line, len, exchange->response);
	return len;
}

/* Each connection has an SSL_CTX of its own. */
static CURLcode on_tls(CURL *curl, void *ssl_ctx, void *ctx)
{
	struct handle *handle = ctx;

	(void)curl;
	return client_tls_begin(&handle->tls, ssl_ctx) ? CURLE_OK : CURLE_ABORTED_BY_CALLBACK;
}

/* Where a machine has lost its clock, every certificate is one of a time to come. */
static const char *clock_hint(const struct handle *handle)
{
	long verdict = X509_V_OK;

	libcurl.easy_getinfo(handle->curl, CURLINFO_SSL_VERIFYRESULT, &verdict);
	return verdict == X509_V_ERR_CERT_NOT_YET_VALID || verdict == X509_V_ERR_CERT_HAS_EXPIRED ? "; is the clock right?" : "";
}

static enum rc curl_fail(const struct curl_http *http, const struct handle *handle, CURLcode code,
			 const struct exchange *exchange, const char *url, struct err *err)
{
	const char *why = handle->reason[0] ? handle->reason : libcurl.easy_strerror(code);
	char hint[256];

	if (exchange->out_of_memory || code == CURLE_OUT_OF_MEMORY)
		return err_set(err, RC_RESOURCE, "out of memory");
	if (exchange->too_large)
		return err_set_raw(err, RC_PROTOCOL, ERR_CURL, code,
				   "%s: the answer is larger than %u bytes, or its headers than %u", url, HTTP_BODY_MAX,
				   HTTP_HEADER_MAX);
	enum rc refused = client_tls_refused(&handle->tls, err);
	if (refused != RC_OK)
		return err_wrap(err, refused, "%s", url);
	switch (code) {
	case CURLE_URL_MALFORMAT: /* the configured ones were looked at when they were read */
		return err_set_raw(err, RC_PROTOCOL, ERR_CURL, code, "%s: not a URL that can be asked for: %s", url, why);
	case CURLE_SSL_CACERT_BADFILE: /* no word of the server's, and none of its failures */
		if (http->trust)
			return err_set(err, RC_INPUT, "trust: no certificates can be read from %s", http->trust);
		__attribute__((fallthrough));
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_ISSUER_ERROR:
		return err_set_raw(err, RC_DENIED, ERR_CURL, code, "%s: the server is not trusted by %s: %s%s", url,
				   http->trust ? http->trust : "the system's roots (option trust)", why, clock_hint(handle));
	case CURLE_ABORTED_BY_CALLBACK: /* on_begin */
		return err_set_raw(err, RC_RETRY, ERR_CURL, code, "%s: the server closed the connection without an answer", url);
	case CURLE_OUT_OF_MEMORY: return err_set_raw(err, RC_RESOURCE, ERR_CURL, code, "out of memory");
	case CURLE_UNSUPPORTED_PROTOCOL: /* of the answer: that the URL is https:// was seen before */
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_HTTP2: return err_set_raw(err, RC_PROTOCOL, ERR_CURL, code, "%s: not an HTTP answer: %s", url, why);
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
		client_tls_hint(&handle->tls, hint, sizeof(hint));
		return err_set_raw(err, RC_RETRY, ERR_CURL, code, "%s: %s%s", url, why, hint);
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
		/* What was read of the file of `trust` would count for a day, and who replaces it cannot wait: one root is 0.2 ms. */
		{ CURLOPT_CA_CACHE_TIMEOUT, 0 },
	};
	bool ok = true;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		ok = libcurl.easy_setopt(curl, numbers[i].option, numbers[i].value) == CURLE_OK && ok;
	return ok;
}

/*
 * The system's roots are in a file, all of them, and in a directory, one a file, found by the hash of its name.  libcurl reads the file
 * for each connection: 20 ms of CPU for the 140 of Debian, of which one is needed.  So the directory is looked in first, and the file is
 * read for who is not found there.
 */
static bool set_system_roots(struct handle *handle)
{
	const curl_version_info_data *built = libcurl.version_info(CURLVERSION_NOW);

	if (built->age < CURLVERSION_SEVENTH) /* it does not say where they are */
		return true;
	if (!built->capath)
		handle->reads_bundle = true;
	return libcurl.easy_setopt(handle->curl, CURLOPT_CAPATH, built->capath) == CURLE_OK &&
	       libcurl.easy_setopt(handle->curl, CURLOPT_CAINFO, handle->reads_bundle ? built->cainfo : NULL) == CURLE_OK;
}

static bool set_tls(const struct curl_http *http, struct handle *handle)
{
	CURL *curl = handle->curl;

	if (http->trust && (libcurl.easy_setopt(curl, CURLOPT_CAINFO, http->trust) != CURLE_OK ||
			    libcurl.easy_setopt(curl, CURLOPT_CAPATH, NULL) != CURLE_OK))
		return false;
	if (!http->trust && !set_system_roots(handle))
		return false;
	/* A resumed session would go on with the certificate that was shown when it began. */
	if (http->identity.load && libcurl.easy_setopt(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L) != CURLE_OK)
		return false;
	return libcurl.easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, on_tls) == CURLE_OK &&
	       libcurl.easy_setopt(curl, CURLOPT_SSL_CTX_DATA, handle) == CURLE_OK;
}

static bool set_options(const struct curl_http *http, struct handle *handle)
{
	CURL *curl = handle->curl;
	char agent[128];

	/* RFC 8555, 6.1: software name and version, and the HTTP library's. */
	snprintf(agent, sizeof(agent), "hwacme/%s libcurl/%s", HWACME_VERSION, libcurl.version_info(CURLVERSION_NOW)->version);
	return set_numbers(curl) && set_tls(http, handle) &&
	       libcurl.easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
	       libcurl.easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
	       libcurl.easy_setopt(curl, CURLOPT_USERAGENT, agent) == CURLE_OK &&
	       libcurl.easy_setopt(curl, CURLOPT_PREREQFUNCTION, on_begin) == CURLE_OK &&
	       libcurl.easy_setopt(curl, CURLOPT_ERRORBUFFER, handle->reason) == CURLE_OK &&
	       libcurl.easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       libcurl.easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK;
}

static void handle_free(struct handle *handle)
{
	if (!handle)
		return;
	libcurl.easy_cleanup(handle->curl); /* its connection first: that has a key which refers to tls */
	client_tls_clear(&handle->tls);
	free(handle);
}
AUTO_DEFINE(handle, struct handle *, handle_free);

static enum rc handle_new(const struct curl_http *http, struct handle **ret_handle, struct err *err)
{
	AUTO(handle) struct handle *handle = calloc(1, sizeof(*handle));

	if (!handle)
		return err_set(err, RC_RESOURCE, "out of memory");
	handle->tls.signer.identity = http->identity.load ? &http->identity : NULL;
	handle->curl = libcurl.easy_init();
	if (!handle->curl || !set_options(http, handle))
		return err_set(err, RC_RESOURCE, "out of memory");
	*ret_handle = TAKE(handle);
	return RC_OK;
}

/* As many as there are callers at once. */
static enum rc handle_borrow(struct curl_http *http, struct handle **ret_handle, struct err *err)
{
	pthread_mutex_lock(&http->lock);
	struct handle *handle = http->idle;
	if (handle)
		http->idle = handle->next;
	pthread_mutex_unlock(&http->lock);
	if (!handle)
		return handle_new(http, ret_handle, err);
	*ret_handle = handle;
	return RC_OK;
}

static void handle_return(struct curl_http *http, struct handle *handle)
{
	pthread_mutex_lock(&http->lock);
	handle->next = http->idle;
	http->idle = handle;
	pthread_mutex_unlock(&http->lock);
}

static void set_request(CURL *curl, const struct http_request *request, struct exchange *exchange, struct curl_slist *headers)
{
	libcurl.easy_setopt(curl, CURLOPT_URL, request->url);
	libcurl.easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	libcurl.easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
	libcurl.easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
	libcurl.easy_setopt(curl, CURLOPT_PREREQDATA, exchange);
	libcurl.easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	libcurl.easy_setopt(curl, CURLOPT_NOBODY, request->method == HTTP_HEAD ? 1L : 0L);
	if (request->method != HTTP_POST)
		return;
	libcurl.easy_setopt(curl, CURLOPT_POST, 1L);
	libcurl.easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)request->body.len);
	/* Not by a callback: headers and body go out together. */
	libcurl.easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.len ? (const char *)request->body.at : "");
}

static enum rc headers_make(const struct http_request *request, struct curl_slist **ret_headers, struct err *err)
{
	struct curl_slist *headers = libcurl.slist_append(NULL, "Accept-Language: en"), *more = headers;
	char line[160];

	/* No 100-continue round trip for a JWS of two KiB. */
	if (more)
		more = libcurl.slist_append(headers, "Expect:");
	if (more && request->method == HTTP_POST) {
		snprintf(line, sizeof(line), "Content-Type: %s",
			 request->content_type ? request->content_type : "application/jose+json");
		more = libcurl.slist_append(headers, line);
	}
	if (more && request->accept) {
		snprintf(line, sizeof(line), "Accept: %s", request->accept);
		more = libcurl.slist_append(headers, line);
	}
	if (!more) {
		libcurl.slist_free_all(headers);
		return err_set(err, RC_RESOURCE, "out of memory");
	}
	*ret_headers = headers;
	return RC_OK;
}

/* Who is not trusted has been sent nothing yet. */
static CURLcode perform(const struct curl_http *http, struct handle *handle)
{
	CURLcode code = libcurl.easy_perform(handle->curl);

	if (code != CURLE_PEER_FAILED_VERIFICATION || http->trust || handle->reads_bundle)
		return code;
	handle->reads_bundle = true;
	handle->reason[0] = '\0';
	client_tls_forget(&handle->tls);
	return set_system_roots(handle) ? libcurl.easy_perform(handle->curl) : CURLE_OUT_OF_MEMORY;
}

static enum rc exchange_run(const struct curl_http *http, struct handle *handle, const struct http_request *request,
			    struct http_response *ret_response, struct err *err)
{
	AUTO(http_response) struct http_response response = { .body = BUF_MAX(HTTP_BODY_MAX) };
	struct exchange exchange = { .response = &response, .is_post = request->method == HTTP_POST };
	struct curl_slist *headers = NULL;

	if (strlen(request->url) >= HTTP_URL_MAX)
		return err_set(err, RC_PROTOCOL, "a URL of more than %u characters", HTTP_URL_MAX - 1);
	if (strncasecmp(request->url, "https://", 8) != 0)
		return err_set_raw(err, RC_INPUT, ERR_CURL, CURLE_UNSUPPORTED_PROTOCOL, "%s: only https:// URLs are used",
				   request->url);
	enum rc rc = headers_make(request, &headers, err);
	if (rc != RC_OK)
		return rc;
	handle->reason[0] = '\0';
	client_tls_forget(&handle->tls);
	set_request(handle->curl, request, &exchange, headers);
	CURLcode code = perform(http, handle);
	libcurl.slist_free_all(headers);
	if (code != CURLE_OK)
		return curl_fail(http, handle, code, &exchange, request->url, err);
	/* libcurl takes headers that break off for all of them, and what is missing for a body without a length. */
	if (!exchange.headers_ended)
		return err_set_raw(err, RC_RETRY, ERR_CURL, CURLE_PARTIAL_FILE, "%s: the connection ended within the headers",
				   request->url);
	libcurl.easy_getinfo(handle->curl, CURLINFO_RESPONSE_CODE, &response.status);
	response_header_resolve(request->url, &response);
	if (response.status >= 300 && response.status < 400)
		return err_set_raw(err, RC_PROTOCOL, ERR_HTTP, response.status,
				   "%s: redirects (here to %.200s) are not followed; configure the final URL", request->url,
				   response.location[0] ? response.location : "nowhere");
	rc = client_tls_refused_by(&handle->tls, &response, err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "%s", request->url);
	*ret_response = response;
	response.body = BUF_MAX(0);
	return RC_OK;
}

static enum rc curl_send(struct http *base, const struct http_request *request, struct http_response *ret_response,
			 struct err *err)
{
	struct curl_http *http = (struct curl_http *)(void *)base;
	struct handle *handle = NULL;
	enum rc rc = handle_borrow(http, &handle, err);

	if (rc != RC_OK)
		return rc;
	rc = exchange_run(http, handle, request, ret_response, err);
	handle_return(http, handle);
	return rc;
}

static void curl_close(struct http *base)
{
	struct curl_http *http = (struct curl_http *)(void *)base;

	while (http->idle) {
		struct handle *handle = http->idle;

		http->idle = handle->next;
		handle_free(handle);
	}
	pthread_mutex_destroy(&http->lock);
	if (http->identity.load)
		http->identity.free(http->identity.ctx);
	free(http->trust);
	free(http);
}

static const struct http_ops CURL_OPS = { .send = curl_send, .close = curl_close };

enum rc http_open(const char *trust, const struct http_identity *identity, struct http **ret_http, struct err *err)
{
	struct curl_http *http = calloc(1, sizeof(*http));

	if (!http) {
		if (identity)
			identity->free(identity->ctx);
		return err_set(err, RC_RESOURCE, "out of memory");
	}
	http->base.ops = &CURL_OPS;
	pthread_mutex_init(&http->lock, NULL);
	AUTO(http) struct http *owned = &http->base;
	if (identity)
		http->identity = *identity;
	enum rc rc = http_load(err);
	if (rc != RC_OK)
		return rc;
	if (trust && access(trust, R_OK) != 0)
		return err_set(err, RC_INPUT, "trust: cannot read %s", trust);
	http->trust = trust ? strdup(trust) : NULL;
	if (trust && !http->trust)
		return err_set(err, RC_RESOURCE, "out of memory");
	rc = handle_new(http, &http->idle, err);
	if (rc == RC_OK)
		rc = client_tls_check(&http->idle->tls, err);
	if (rc == RC_OK)
		*ret_http = TAKE(owned);
	return rc;
}

enum rc http_load(struct err *err)
{
	return libcurl_load(err);
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
