/* metrics_server.c -- a small HTTP server in front of the counters and of a database connection of its own. */
#include "metrics_server.h"

#include <microhttpd.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "listen.h"
#include "metrics.h"
#include "renewal.h"

#define CONNECTIONS_MAX 8
#define IDLE_SECONDS    10

struct metrics_server {
	const struct config *config;
	struct store *store; /* read-only; used in the server's one thread alone */
	struct MHD_Daemon *daemon;
	int listening;
};

/* All lines of one name stand together in the format, so each has a text of its own until the end. */
enum gauge { NOT_AFTER, NEXT_RENEWAL, STATE, GAUGE_COUNT };
static const char *const GAUGES[GAUGE_COUNT] = {
	[NOT_AFTER] = "# HELP hwacme_certificate_not_after_seconds When the live certificate expires, unix time.\n"
		      "# TYPE hwacme_certificate_not_after_seconds gauge\n",
	[NEXT_RENEWAL] = "# HELP hwacme_certificate_next_renewal_seconds When it is renewed next, unix time.\n"
			 "# TYPE hwacme_certificate_next_renewal_seconds gauge\n",
	[STATE] = "# HELP hwacme_certificate_state 1 for the state that it is in.\n"
		  "# TYPE hwacme_certificate_state gauge\n",
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
	/* What was never issued does not expire. */
	if (rc == RC_OK && record.generation)
		rc = buf_print(&texts[NOT_AFTER], err, "hwacme_certificate_not_after_seconds{name=\"%s\"} %lld\n", name,
			       (long long)record.not_after);
	return rc;
}

static enum rc print(const struct metrics_server *server, struct buf *text, struct err *err)
{
	struct buf texts[GAUGE_COUNT] = { BUF_MAX(METRICS_BODY_MAX), BUF_MAX(METRICS_BODY_MAX), BUF_MAX(METRICS_BODY_MAX) };
	int64_t now = clock_now();
	enum rc rc = metrics_print(text, err);

	for (int gauge = 0; gauge < GAUGE_COUNT && rc == RC_OK; gauge++)
		rc = buf_print(&texts[gauge], err, "%s", GAUGES[gauge]);
	for (unsigned i = 0; i < server->config->certificate_count && rc == RC_OK; i++)
		rc = certificate_print(server, &server->config->certificates[i], now, texts, err);
	for (int gauge = 0; gauge < GAUGE_COUNT; gauge++) {
		if (rc == RC_OK)
			rc = buf_append(text, buf_span(&texts[gauge]), err);
		buf_clear(&texts[gauge]);
	}
	return rc;
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type, struct span body)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.at, MHD_RESPMEM_MUST_COPY);

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	enum MHD_Result queued = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return queued;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *upload, size_t *upload_len, void **state)
{
	AUTO(buf) struct buf text = BUF_MAX(METRICS_BODY_MAX);
	struct err err = { 0 };

	(void)version;
	(void)upload;
	*upload_len = 0;
	*state = ctx;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", span_text("GET only\n"));
	if (strcmp(url, "/metrics") != 0)
		return answer(connection, MHD_HTTP_NOT_FOUND, "text/plain", span_text("there is /metrics\n"));
	/* Half of the numbers would look like all of them. */
	if (print(ctx, &text, &err) != RC_OK)
		return answer(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "text/plain", span_text(err.text));
	return answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", buf_span(&text));
}

enum rc metrics_server_open(const struct config *config, struct metrics_server **ret_server, struct err *err)
{
	AUTO(metrics_server) struct metrics_server *server = calloc(1, sizeof(*server));

	if (!server)
		return err_set(err, RC_RESOURCE, "out of memory");
	server->config = config;
	server->listening = -1;
	enum rc rc = store_open_readonly(config->state, &server->store, err);
	if (rc == RC_OK)
		rc = listen_open("metrics", config->metrics_listen, &server->listening, err);
	if (rc == RC_OK)
		*ret_server = TAKE(server);
	return rc;
}

enum rc metrics_server_start(struct metrics_server *server, struct err *err)
{
	sigset_t all, before;

	/* Its thread takes no signal: they are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	server->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC, 0, NULL, NULL, on_request, server,
					  MHD_OPTION_LISTEN_SOCKET, server->listening, MHD_OPTION_CONNECTION_LIMIT,
					  (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
					  MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!server->daemon)
		return err_set(err, RC_RESOURCE, "metrics: the server cannot be started: out of memory or threads");
	server->listening = -1; /* its own now */
	return RC_OK;
}

void metrics_server_stop(struct metrics_server *server)
{
	if (!server)
		return;
	if (server->daemon)
		MHD_stop_daemon(server->daemon);
	if (server->listening >= 0)
		close(server->listening);
	store_close(server->store);
	free(server);
}
