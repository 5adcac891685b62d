/* command_authorize.c -- `hwacme authorize NAME`: has the identifiers of a certificate authorised ahead of an order. */
#include <stdio.h>

#include "authorization.h"
#include "challenge_desk.h"
#include "clock.h"
#include "desk.h"
#include "output.h"
#include "preauthorization.h"
#include "validity.h"

static enum rc authorize(struct desk *desk, const struct config_certificate *certificate, unsigned *ret_count, bool *ret_by_token,
			 struct err *err)
{
	AUTO(message_order) struct message_order order = { 0 };
	struct authorizations_state state = { 0 };
	struct challenge_bench bench = {
		.config = desk->config, .processes = desk->processes, .keyring = desk->keyring, .store = desk->store
	};
	struct challenge_desk challenges = challenge_desk_make(&bench);
	AUTO(authorizations) struct authorizations *authorizations = NULL;
	struct client *client;
	enum rc rc = authorities_client(desk->authorities, certificate->authority, clock_now(), &client, ret_by_token, err);

	if (rc != RC_OK)
		return rc;
	rc = preauthorization_request(client, certificate, &order, err);
	if (rc == RC_ABSENT)
		return err_wrap(err, rc, "\"%s\" takes no authorisation ahead of an order", certificate->authority);
	if (rc == RC_OK)
		rc = authorizations_begin(client, certificate, &challenges, &order, clock_now(), &authorizations, &state, err);
	if (rc == RC_OK)
		rc = validity_await(authorizations, state, err);
	*ret_count = order.authorization_count;
	return rc;
}

enum exit_status command_authorize(const struct command_line *line)
{
	AUTO(desk) struct desk desk = { 0 };
	struct err err = { 0 };
	bool by_token = false;
	unsigned count = 0;

	if (line->word_count != 1) {
		command_usage("usage: hwacme authorize NAME\n");
		return EXIT_USAGE;
	}
	enum exit_status status = desk_open(line, DESK_NAMES, &desk);
	if (status != EXIT_DONE)
		return status;
	const struct config_certificate *certificate = config_certificate_get(desk.config, line->words[0]);
	enum rc rc = authorize(&desk, certificate, &count, &by_token, &err);
	if (rc == RC_ABSENT)
		err.origin = ERR_ACME;
	if (rc != RC_OK)
		authorities_note_failure(desk.authorities, certificate->authority, NULL, &err);
	if (rc != RC_OK)
		return desk_failed(line->words[0], by_token, &err);
	if (line->json)
		output_json(json_pack("{s:s, s:i}", "name", certificate->name, "authorized", (int)count));
	else
		printf("%s: %u identifier%s authorised at \"%s\"\n", certificate->name, count, count == 1 ? "" : "s",
		       certificate->authority);
	return EXIT_DONE;
}
