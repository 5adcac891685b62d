/* tlsalpn01.c -- tls-alpn-01 answered by a TLS server of our own, one an address for as long as answers are out (RFC 8737). */
#include "tlsalpn01.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "listener.h"
#include "types.h"

struct challenge_answer {
	struct listener_answer out;
	const struct challenge_desk *desk;
	char sni[TLSALPN01_NAME_MAX];
	struct tlsalpn01_pair pair;
};

static bool pair_take(const struct listener_answer *out, const char *name, void *ret_taken)
{
	const struct challenge_answer *answer = (const struct challenge_answer *)out;
	struct tlsalpn01_pair *ret_pair = ret_taken;

	if (strcasecmp(answer->sni, name) != 0 || X509_up_ref(answer->pair.certificate) != 1)
		return false;
	if (EVP_PKEY_up_ref(answer->pair.key) != 1) {
		X509_free(answer->pair.certificate);
		return false;
	}
	*ret_pair = answer->pair;
	return true;
}

static bool pair_find(void *listener, const char *name, struct tlsalpn01_pair *ret_pair)
{
	return listener_look(listener, name, pair_take, ret_pair);
}

static void connections_wait(void *listener, int number)
{
	listener_note_shortage(listener, number);
}

static enum rc server_start(int fd, struct listener *listener, void **ret_server, struct err *err)
{
	struct tlsalpn01_server *server = NULL;
	enum rc rc =
		tlsalpn01_server_start(fd, &(struct tlsalpn01_source){ listener, pair_find, connections_wait }, &server, err);

	*ret_server = server;
	return rc;
}

static void server_stop(void *server)
{
	tlsalpn01_server_stop(server);
}

static const struct listener_kind KIND = { .type = "tls-alpn-01", .start = server_start, .stop = server_stop };

static void answer_free(struct challenge_answer *answer)
{
	if (!answer)
		return;
	tlsalpn01_pair_clear(&answer->pair);
	free(answer);
}
AUTO_DEFINE(answer, struct challenge_answer *, answer_free);

static enum rc begin(const struct challenge_request *request, struct challenge_answer **ret_answer, struct err *err)
{
	AUTO(answer) struct challenge_answer *answer = calloc(1, sizeof(*answer));

	if (!answer)
		return err_set(err, RC_RESOURCE, "out of memory");
	answer->desk = request->desk;
	tlsalpn01_sni(&request->identifier, answer->sni);
	enum rc rc = tlsalpn01_certificate_make(&request->identifier, request->key_authorization, &answer->pair, err);
	if (rc == RC_OK)
		rc = listener_show(&KIND, request->config->listen, &answer->out, err);
	if (rc == RC_OK)
		*ret_answer = TAKE(answer);
	return rc;
}

static void end(struct challenge_answer *answer, bool accepted)
{
	char text[160];

	(void)accepted;
	listener_withdraw(&answer->out);
	if (answer->out.shortage) {
		snprintf(text, sizeof(text), "tls-alpn-01: connections of the CA had to wait: %s",
			 strerror(answer->out.shortage));
		answer->desk->note(answer->desk->ctx, text);
	}
	answer_free(answer);
}

const struct challenge_ops tlsalpn01_ops = { .type = CHALLENGE_TLS_ALPN_01, .begin = begin, .end = end };
