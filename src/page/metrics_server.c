/* metrics_server.c -- a small HTTP server in front of the counters, the status page and a database connection of its own. */
#include "metrics_server.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "libmicrohttpd.h"
#include "listen.h"
#include "log.h"
#include "metrics_host.h"
#include "metrics.h"
#include "renewal.h"
#include "status_list.h"
#include "web_server.h"

#define CONNECTIONS_MAX 8

struct metrics_server {
	const struct config *config;
	struct store *store; /* read-only; used in the server's one thread alone, as is the list */
	struct status_list *list;
	struct web_server *server; /* NULL: it does not listen */
	int64_t try_at;            /* to listen; monotonic milliseconds */
	bool is_told;              /* what is in the way */
	bool is_loopback;
	char host[HOST_NAME_MAX + 1];
};

/* All lines of one name stand together in the format, so each has a text of its own until the end. */
enum gauge { NOT_AFTER, NEXT_RENEWAL, STATE, FAILURES, SERVICE_FAILURES, GAUGE_COUNT };
static const char *const GAUGES[GAUGE_COUNT] = {
	[NOT_AFTER] = "# HELP hwacme_certificate_not_after_seconds When the live certificate expires, unix time.\n"
		      "# TYPE hwacme_certificate_not_after_seconds gauge\n",
	[NEXT_RENEWAL] = "# HELP hwacme_certificate_next_renewal_seconds When it is renewed next, or since when it has been due, "
			 "unix time.\n"
			 "# TYPE hwacme_certificate_next_renewal_seconds gauge\n",
	[STATE] = "# HELP hwacme_certificate_state 1 for the state that it is in.\n"
		  "# TYPE hwacme_certificate_state gauge\n",
	[FAILURES] = "# HELP hwacme_certificate_failures Failures in a row of its renewal.\n"
		     "# TYPE hwacme_certificate_failures gauge\n",
	[SERVICE_FAILURES] = "# HELP hwacme_certificate_service_failures Failures in a row of its deploy hook or its probe.\n"
			     "# TYPE hwacme_certificate_service_failures gauge\n",
};

static enum rc certificate_print(const struct metrics_server *server, const struct config_certificate *certificate, int64_t now,
				 struct buf texts[GAUGE_COUNT], struct err *err)
{
	struct store_certificate record = { .state = CERT_NEW };
	enum rc known = store_certificate_load(server->store, certificate->name, &record, err);
	char name[2 * STORE_NAME_MAX];

	if (known != RC_OK && known != RC_ABSENT)
		return known;
	struct plan plan = renewal_plan(server->config, certificate, known == RC_OK ? &record : NULL, false, now);
	metrics_label(certificate->name, name, sizeof(name));
	enum rc rc = buf_print(&texts[NEXT_RENEWAL], err, "hwacme_certificate_next_renewal_seconds{name=\"%s\"} %lld\n", name,
			       (long long)plan.when);
	if (rc == RC_OK)
		rc = buf_print(&texts[STATE], err, "hwacme_certificate_state{name=\"%s\",state=\"%s\"} 1\n", name,
			       certificate_state_name(record.state));
	if (rc == RC_OK)
		rc = buf_print(&texts[FAILURES], err, "hwacme_certificate_failures{name=\"%s\"} %u\n", name, record.attempts);
	if (rc == RC_OK)
		rc = buf_print(&texts[SERVICE_FAILURES], err, "hwacme_certificate_service_failures{name=\"%s\"} %u\n", name,
			       record.service.attempts);
	/* What was never issued does not expire. */
	if (rc == RC_OK && record.generation)
		rc = buf_print(&texts[NOT_AFTER], err, "hwacme_certificate_not_after_seconds{name=\"%s\"} %lld\n", name,
			       (long long)record.not_after);
	return rc;
}

static enum rc certificates_print(const struct metrics_server *server, struct buf texts[GAUGE_COUNT], struct err *err)
{
	int64_t now = clock_now();
	enum rc rc = store_view_begin(server->store, err);

	if (rc != RC_OK)
		return rc;
	for (unsigned i = 0; i < server->config->certificate_count && rc == RC_OK; i++)
		rc = certificate_print(server, &server->config->certificates[i], now, texts, err);
	store_view_end(server->store);
	return rc;
}

static enum rc print(const struct metrics_server *server, struct buf *text, struct err *err)
{
	struct buf texts[GAUGE_COUNT];

	for (int gauge = 0; gauge < GAUGE_COUNT; gauge++)
		texts[gauge] = BUF_MAX(METRICS_BODY_MAX);
	enum rc rc = metrics_print(text, err);

	for (int gauge = 0; gauge < GAUGE_COUNT && rc == RC_OK; gauge++)
		rc = buf_print(&texts[gauge], err, "%s", GAUGES[gauge]);
	if (rc == RC_OK)
		rc = certificates_print(server, texts, err);
	for (int gauge = 0; gauge < GAUGE_COUNT; gauge++) {
		if (rc == RC_OK)
			rc = buf_append(text, buf_span(&texts[gauge]), err);
		buf_clear(&texts[gauge]);
	}
	return rc;
}

struct header {
	const char *name, *value;
};

/* Nothing here is any other site's business, nor a file of another kind than it says. */
static const struct header HEADERS[] = {
	{ MHD_HTTP_HEADER_X_CONTENT_TYPE_OPTIONS, "nosniff" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ MHD_HTTP_HEADER_CACHE_CONTROL, "no-store" },
	{ MHD_HTTP_HEADER_CONTENT_SECURITY_POLICY, STATUS_PAGE_POLICY },
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type, struct span body)
{
	struct MHD_Response *response =
		libmicrohttpd.create_response_from_buffer(body.len, (void *)(uintptr_t)body.at, MHD_RESPMEM_MUST_COPY);

	if (!response)
		return MHD_NO;
	libmicrohttpd.add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	for (size_t i = 0; i < sizeof(HEADERS) / sizeof(HEADERS[0]); i++)
		libmicrohttpd.add_response_header(response, HEADERS[i].name, HEADERS[i].value);
	enum MHD_Result queued = libmicrohttpd.queue_response(connection, status, response);
	libmicrohttpd.destroy_response(response);
	return queued;
}

/* What the query says; anything else in it means nothing here. */
static enum rc page_print(const struct metrics_server *server, struct MHD_Connection *connection, struct buf *html,
			  struct err *err)
{
	const char *find = libmicrohttpd.lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "find");
	const char *page = libmicrohttpd.lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "page");
	char wanted[STATUS_PAGE_FIND];
	unsigned long number = page ? strtoul(page, NULL, 10) : 1;

	snprintf(wanted, sizeof(wanted), "%s", find ? find : "");
	return status_list_print(server->list, wanted, number > UINT32_MAX ? UINT32_MAX : (unsigned)number, clock_now(), html,
				 err);
}

/* RFC 9110, 15.5.20: asked by a name that is not ours. */
static bool is_misdirected(const struct metrics_server *server, struct MHD_Connection *connection)
{
	return server->is_loopback &&
	       !metrics_host_is_ours(libmicrohttpd.lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST),
				     server->host);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *upload, size_t *upload_len, void **state)
{
	const struct metrics_server *server = ctx;
	bool is_page = strcmp(url, "/") == 0;
	AUTO(buf) struct buf text = BUF_MAX(is_page ? STATUS_PAGE_MAX : METRICS_BODY_MAX);
	struct err err = { 0 };

	(void)version;
	(void)upload;
	*upload_len = 0;
	*state = ctx;
	if (is_misdirected(server, connection))
		return answer(connection, MHD_HTTP_MISDIRECTED_REQUEST, "text/plain",
			      span_text("on the loopback nobody is called so: write localhost, or an address, as the host\n"));
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", span_text("GET only\n"));
	if (strcmp(url, "/style.css") == 0)
		return answer(connection, MHD_HTTP_OK, "text/css; charset=utf-8", span_text(status_style));
	if (strcmp(url, "/icon.svg") == 0)
		return answer(connection, MHD_HTTP_OK, "image/svg+xml", span_text(status_icon));
	if (!is_page && strcmp(url, "/metrics") != 0)
		return answer(connection, MHD_HTTP_NOT_FOUND, "text/plain", span_text("there is /, a page, and /metrics\n"));
	/* Half of the numbers would look like all of them. */
	if ((is_page ? page_print(server, connection, &text, &err) : print(server, &text, &err)) != RC_OK)
		return answer(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", span_text(err.text));
	return answer(connection, MHD_HTTP_OK, is_page ? "text/html; charset=utf-8" : "text/plain; version=0.0.4; charset=utf-8",
		      buf_span(&text));
}

enum rc metrics_server_open(const struct config *config, struct metrics_server **ret_server, struct err *err)
{
	AUTO(metrics_server) struct metrics_server *server = calloc(1, sizeof(*server));

	if (!server)
		return err_set(err, RC_RESOURCE, "out of memory");
	server->config = config;
	/* Whose page it is, for who looks after many. */
	if (gethostname(server->host, sizeof(server->host) - 1) != 0)
		snprintf(server->host, sizeof(server->host), "this host");
	enum rc rc = store_open_readonly(config->state, &server->store, err);
	if (rc == RC_OK)
		rc = status_list_new(config, server->store, server->host, &server->list, err);
	if (rc == RC_OK)
		rc = libmicrohttpd_load(err);
	if (rc == RC_OK)
		*ret_server = TAKE(server);
	return rc;
}

static enum rc serve(struct metrics_server *server, struct err *err)
{
	int listening = -1;
	enum rc rc = listen_open("metrics", server->config->metrics_listen, &listening, err);

	if (rc != RC_OK)
		return rc;
	server->is_loopback = metrics_host_is_loopback(listening);
	rc = web_server_start(listening, CONNECTIONS_MAX, on_request, server, &server->server, err);
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "metrics");
}

bool metrics_server_attend(struct metrics_server *server)
{
	int64_t now = clock_monotonic_ms();
	struct err err = { 0 };

	if (server->server || now < server->try_at)
		return server->server != NULL;
	server->try_at = now + METRICS_REST * INT64_C(1000);
	enum rc rc = serve(server, &err);
	if (rc != RC_OK && !server->is_told)
		log_failure("no status page and no metrics for now; it is tried again each minute", &err);
	if (rc == RC_OK && server->is_told)
		log_event(LOG_INFO, "the status page and the metrics are there now, at %s", server->config->metrics_listen);
	server->is_told = rc != RC_OK;
	return rc == RC_OK;
}

void metrics_server_stop(struct metrics_server *server)
{
	if (!server)
		return;
	web_server_stop(server->server);
	status_list_free(server->list);
	store_close(server->store);
	free(server);
}
