/* http01.c -- http-01 answered by a small HTTP server of our own, or by files below a web server's root (RFC 8555, 8.3). */
#include <stdlib.h>
#include <string.h>

#include "libmicrohttpd.h"
#include "listener.h"
#include "types.h"
#include "web_server.h"
#include "webroot.h"

#define WELL_KNOWN      "/.well-known/acme-challenge/"
#define CONNECTIONS_MAX 64

struct challenge_answer {
	struct listener_answer out;
	const struct challenge_desk *desk;
	const char *webroot; /* the configuration's; else it is out at a listener */
	char *token, *key_authorization;
};

static bool key_authorization_take(const struct listener_answer *out, const char *token, void *ret_text)
{
	const struct challenge_answer *answer = (const struct challenge_answer *)out;
	char **ret_copy = ret_text;

	if (strcmp(answer->token, token) != 0)
		return false;
	*ret_copy = strdup(answer->key_authorization);
	return *ret_copy;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *upload, size_t *upload_len, void **state)
{
	static const char nothing[] = "not found\n";
	bool is_get = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
	char *found = NULL;

	(void)version;
	(void)upload;
	*upload_len = 0;
	*state = ctx;
	if (is_get && strncmp(url, WELL_KNOWN, strlen(WELL_KNOWN)) == 0)
		(void)listener_look(ctx, url + strlen(WELL_KNOWN), key_authorization_take, &found);
	struct MHD_Response *response =
		found ? libmicrohttpd.create_response_from_buffer(strlen(found), found, MHD_RESPMEM_MUST_FREE)
		      : libmicrohttpd.create_response_from_buffer(strlen(nothing), (void *)(uintptr_t)nothing,
								  MHD_RESPMEM_PERSISTENT);
	if (!response) {
		free(found);
		return MHD_NO;
	}
	libmicrohttpd.add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
					  found ? "application/octet-stream" : "text/plain");
	enum MHD_Result queued = libmicrohttpd.queue_response(connection, found ? MHD_HTTP_OK : MHD_HTTP_NOT_FOUND, response);
	libmicrohttpd.destroy_response(response);
	return queued;
}

static enum rc server_start(int fd, struct listener *listener, void **ret_server, struct err *err)
{
	struct web_server *server = NULL;
	enum rc rc = web_server_start(fd, CONNECTIONS_MAX, on_request, listener, &server, err);

	if (rc != RC_OK)
		return err_wrap(err, rc, "http-01");
	*ret_server = server;
	return RC_OK;
}

static void server_stop(void *server)
{
	web_server_stop(server);
}

static const struct listener_kind KIND = { .type = "http-01", .start = server_start, .stop = server_stop };

static struct challenge_answer *answer_new(const struct challenge_request *request)
{
	struct challenge_answer *answer = calloc(1, sizeof(*answer));

	if (!answer)
		return NULL;
	answer->desk = request->desk;
	answer->webroot = request->config->webroot;
	answer->token = strdup(request->token);
	answer->key_authorization = strdup(request->key_authorization);
	return answer;
}

static void answer_free(struct challenge_answer *answer)
{
	if (!answer)
		return;
	free(answer->token);
	free(answer->key_authorization);
	free(answer);
}
AUTO_DEFINE(answer, struct challenge_answer *, answer_free);

static enum rc begin(const struct challenge_request *request, struct challenge_answer **ret_answer, struct err *err)
{
	AUTO(answer) struct challenge_answer *answer = answer_new(request);

	if (!answer || !answer->token || !answer->key_authorization)
		return err_set(err, RC_RESOURCE, "out of memory");
	enum rc rc = answer->webroot ? webroot_put(answer->webroot, answer->token, answer->key_authorization, err)
				     : listener_show(&KIND, request->config->listen, &answer->out, err);
	if (rc == RC_OK)
		*ret_answer = TAKE(answer);
	return rc;
}

static void end(struct challenge_answer *answer, bool accepted)
{
	struct err err = { 0 };

	(void)accepted;
	if (!answer->webroot)
		listener_withdraw(&answer->out);
	else if (webroot_remove(answer->webroot, answer->token, &err) != RC_OK && answer->desk && answer->desk->note)
		answer->desk->note(answer->desk->ctx, err.text);
	answer_free(answer);
}

static enum rc load(const struct config_challenge *config, struct err *err)
{
	return config->webroot ? RC_OK : libmicrohttpd_load(err);
}

const struct challenge_ops http01_ops = { .type = CHALLENGE_HTTP_01, .load = load, .begin = begin, .end = end };
